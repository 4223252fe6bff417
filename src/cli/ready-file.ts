import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { explainZodError } from '../server/explain-zod-error.ts';
import type { ChildConditions } from './child-conditions.ts';
import { UsageError } from './usage.ts';

const NODE_STATES = ['starting', 'running', 'paused', 'stopped'] as const;
export type NodeState = (typeof NODE_STATES)[number];

export interface ReadyNode {
  /** `us-east-1/a` */
  readonly id: string;
  readonly region: string;
  /** Null while it does not run. */
  readonly pid: number | null;
  /** `host:port` */
  readonly resp: string;
  readonly http: string;
  readonly state: NodeState;
  /** What it was started under, so that it meets what goes wrong elsewhere; absent for nothing. */
  readonly conditions?: ChildConditions | undefined;
}

/** What a running `up` says of itself; written when every node is ready and after each change. */
export interface ReadyFile {
  readonly pid: number;
  /** The shaper's administrative address, `http://127.0.0.1:PORT`. */
  readonly wan: string;
  readonly wanPid: number | null;
  /** The address of `up` itself, for `causeway node`. */
  readonly admin: string;
  readonly dataDir: string;
  readonly nodes: readonly ReadyNode[];
}

const readyFile: z.ZodType<ReadyFile> = z.object({
  pid: z.int(),
  wan: z.string(),
  wanPid: z.int().nullable(),
  admin: z.string(),
  dataDir: z.string(),
  nodes: z.array(
    z.object({
      id: z.string(),
      region: z.string(),
      pid: z.int().nullable(),
      resp: z.string(),
      http: z.string(),
      state: z.enum(NODE_STATES),
      conditions: z.object({ clockAheadMs: z.number().optional(), fileBytesMax: z.number().optional() }).optional(),
    }),
  ),
});

/** Reads what `up --ready-file` wrote. Throws a usage error that says what is wrong with the file. */
export function readReadyFile(path: string): ReadyFile {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`cannot read the ready file ${path} (is \`causeway up\` running?): ${reason}`);
  }
  const parsed = readyFile.safeParse(value);
  if (!parsed.success) throw new UsageError(explainZodError(path, parsed.error));
  return parsed.data;
}

/** Replaces the file in one step, so that a reader finds the old one or the new one. */
export function writeReadyFile(path: string, content: ReadyFile): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

export function removeReadyFile(path: string): void {
  rmSync(path, { force: true });
}
