/** A node in the process: what `causeway serve` runs. */
export { startServer } from './server/server.ts';
export { parseConfig } from './server/config.ts';
export type { NodeConfig } from './server/node-config.ts';
export type { NodeStats, RunningServer, ServerPorts, StartServerOptions } from './server/server-types.ts';
export { CausewayError } from './errors.ts';
export type { ErrorCode, RetryMeaning } from './errors.ts';
