import { type Entry, EntryKind } from '../../src/quorum/messages.ts';

/** All that a state machine is: how far it is, and a digest of every entry that it applied in order. */
export interface MachineState {
  readonly index: number;
  readonly digest: number;
  /** What its commands said, the newest few. */
  readonly values: readonly string[];
}

const VALUES_KEPT = 12;

export const EMPTY_MACHINE: MachineState = { index: 0, digest: 0, values: [] };

function textOf(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function applied(state: MachineState, entry: Entry): MachineState {
  if (entry.index !== state.index + 1) throw new Error(`entry ${entry.index} after ${state.index}`);
  let digest = state.digest;
  for (const value of [entry.index, entry.term, entry.kind, ...entry.data]) {
    digest = Math.imul(digest ^ value, 0x01000193) >>> 0;
  }
  const values = entry.kind === EntryKind.Command ? [...state.values, textOf(entry.data)] : state.values;
  return { index: entry.index, digest, values: values.slice(-VALUES_KEPT) };
}

export function machineBytes(state: MachineState): Uint8Array {
  return bytesOf(JSON.stringify(state));
}

export function machineOf(bytes: Uint8Array): MachineState {
  return JSON.parse(textOf(bytes)) as MachineState;
}
