/** For keyspaces without a node: nothing is invalidated. */
export const NO_INVALIDATIONS = { mark: (): number => 0, isHit: (): boolean => false } as const;
