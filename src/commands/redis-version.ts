/** The version of Redis whose commands, replies and error texts are meant where ours do not say otherwise. */
export const REDIS_VERSION = '7.0.15';
