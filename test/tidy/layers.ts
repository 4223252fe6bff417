/**
 * The layer table: the one place that says what may import what. A row may import the rows above it, unless `imports`
 * narrows that. tsconfig.pure.json, tsconfig.shell.json and .oxlintrc.json repeat parts of it, and tidy.test.ts checks
 * that they agree.
 */
export interface Layer {
  /** A folder or a file below `src/`. */
  readonly path: string;
  /** Whether it is protocol code: no clock, no randomness, no waiting, no input or output. */
  readonly pure: boolean;
  /** Outside packages that files of this layer may import. */
  readonly packages: readonly string[];
  /** The layers it may import, where that is less than all above. */
  readonly imports?: readonly string[];
  /** Whether each file of the layer stands for a single outside package. */
  readonly onePackageAFile?: true;
}

export const LAYERS: readonly Layer[] = [
  { path: 'base', pure: true, packages: [] },
  { path: 'errors.ts', pure: true, packages: [] },
  // Raft knows no data types and nothing of the groups that use it.
  { path: 'quorum', pure: true, packages: [], imports: ['base', 'errors.ts'] },
  // Checkers of recorded histories: they know what was promised and nothing of how it is kept.
  { path: 'verify', pure: true, packages: [], imports: ['base', 'errors.ts'] },
  // What the core asks of the world: it knows nothing of the core.
  { path: 'ports.ts', pure: true, packages: [] },
  { path: 'clock', pure: true, packages: [] },
  { path: 'crdt', pure: true, packages: ['yjs'] },
  { path: 'keyspace', pure: true, packages: [] },
  { path: 'causal', pure: true, packages: [] },
  { path: 'classes', pure: true, packages: ['zod', 'yaml'] },
  { path: 'commands', pure: true, packages: [] },
  // What of the keyspace a store beside the node is told, and when.
  {
    path: 'mirror',
    pure: true,
    packages: [],
    imports: ['base', 'errors.ts', 'ports.ts', 'clock', 'crdt', 'keyspace', 'classes'],
  },
  // Quorum groups: Raft with a state machine that runs the commands.
  { path: 'groups', pure: true, packages: ['@noble/hashes'] },
  { path: 'node', pure: true, packages: [] },
  {
    path: 'wire',
    pure: true,
    packages: ['msgpackr'],
    imports: ['base', 'errors.ts', 'quorum', 'clock', 'crdt', 'causal', 'groups'],
  },
  {
    path: 'adapters',
    pure: false,
    packages: [
      '@jitl/quickjs-wasmfile-release-sync',
      'cockatiel',
      'fastify',
      'ioredis',
      'lmdb',
      'pino',
      'prom-client',
      'quickjs-emscripten-core',
      'ws',
    ],
    onePackageAFile: true,
  },
  { path: 'server', pure: false, packages: ['yaml', 'zod'] },
  { path: 'client', pure: false, packages: ['lru-cache', 'msgpackr'] },
  // What makes other libraries keep their things here: they know a client by its shape, and the library by its types.
  {
    path: 'integrations',
    pure: false,
    packages: ['fastify', 'keyv', 'msgpackr', 'undici'],
    imports: ['base', 'errors.ts'],
    onePackageAFile: true,
  },
  { path: 'wan', pure: false, packages: ['yaml', 'zod'] },
  { path: 'cli', pure: false, packages: ['commander', 'yaml', 'zod'] },
  { path: 'index.ts', pure: false, packages: [] },
];

/** What protocol code may not name, and why. Property names after a dot and keys before a colon are not meant. */
export const IMPURE_WORDS: ReadonlyMap<string, string> = new Map([
  ...['Date', 'performance', 'Temporal'].map((word) => [word, 'time is an argument'] as const),
  ...['async', 'await', 'Promise', 'queueMicrotask', 'Atomics'].map(
    (word) => [word, 'protocol code never waits'] as const,
  ),
  ...['setTimeout', 'setInterval', 'setImmediate'].map((word) => [word, 'timers belong to the driver'] as const),
  ...['globalThis', 'process', 'console', 'fetch', 'require'].map((word) => [word, 'no ambient state'] as const),
  ...['WeakRef', 'FinalizationRegistry'].map((word) => [word, 'the garbage collector is ambient state'] as const),
  ...['Intl', 'localeCompare', 'toLocaleString', 'toLocaleUpperCase', 'toLocaleLowerCase'].map(
    (word) => [word, 'the same input gives the same bytes on every machine'] as const,
  ),
  ['crypto', 'randomness is a seed'],
  ['Buffer', 'bytes are Uint8Array'],
]);

/** Lines a source file may have. Past 350 look for the second concept; past this it fails. */
export const FILE_LINES_MAX = 500;

/** Files that are longer on purpose: path, the most lines, and why one file is right. */
export const LONG_FILES: ReadonlyMap<string, { readonly linesMax: number; readonly reason: string }> = new Map([]);
