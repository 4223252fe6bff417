import { onTestFinished } from 'vitest';
import { createLog } from '../../src/adapters/pino-log.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { latin1Bytes } from '../../src/base/bytes.ts';
import type { Stamp } from '../../src/clock/stamp.ts';
import type { PeerStatus } from '../../src/commands/node-view.ts';
import type { CausewayError } from '../../src/errors.ts';
import type { Now } from '../../src/causal/replica.ts';
import type { Clock, LinkKind, PeerConnection, Store, StoreBatch } from '../../src/ports.ts';
import { NodeDriver, type DrivenNode } from '../../src/server/driver.ts';

type NodeOutputs = ReturnType<DrivenNode['takeOutputs']>;

/** A node that does what the test says and writes down what it was told. */
class ScriptedNode implements DrivenNode {
  readonly calls: string[] = [];
  /** Calls to be made at the next take. */
  outputs: NodeOutputs = { sends: [], closes: [] };
  tickEveryMs = 60_000;
  /** Turns that it asks for after this one. */
  turnsWanted = 0;
  dirty = 0;
  /** To be raised alone. */
  boundWanted: Stamp | null = null;
  batches = 0;
  statuses: PeerStatus[] = [];
  /** Of the loop, as the driver is told. */
  cpuMs = 0;
  /** What the loop takes for each of the next flushes. */
  flushCpuMs = 0;
  readonly paces: number[] = [];
  /** Thrown by the call of that name. */
  throwing = new Map<string, Error>();

  start(): void {
    this.#called('start');
  }
  linkOpened(link: number, kind: LinkKind): void {
    this.#called('linkOpened', `${link} ${kind}`);
  }
  linkFrame(link: number, bytes: Uint8Array): void {
    this.#called('linkFrame', `${link} ${Buffer.from(bytes).toString('latin1')}`);
  }
  linkClosed(link: number): void {
    this.#called('linkClosed', String(link));
  }
  flush(_now: Now, pace = 1): void {
    this.cpuMs += this.flushCpuMs;
    this.paces.push(pace);
    this.#called('flush');
    this.turnsWanted = Math.max(0, this.turnsWanted - 1);
  }
  settle(): boolean {
    return false;
  }
  get isBehind(): boolean {
    return this.turnsWanted > 0;
  }
  tick(): void {
    this.#called('tick');
  }
  nextTickMs(): number {
    return this.tickEveryMs;
  }
  takeOutputs(): NodeOutputs {
    const taken = this.outputs;
    this.outputs = { sends: [], closes: [] };
    return taken;
  }
  takeStoreBatch(): StoreBatch | null {
    this.#called('takeStoreBatch');
    if (this.dirty === 0) return null;
    this.dirty = 0;
    this.batches++;
    return { clear: false, entries: [], meta: latin1Bytes(`batch ${this.batches}`), stampBound: 0 };
  }
  get isStoreBatchDue(): boolean {
    return this.dirty > 0;
  }
  takeStampBound(): Stamp | null {
    const bound = this.boundWanted;
    this.boundWanted = null;
    return bound;
  }
  stampBoundRaised(): void {
    this.#called('stampBoundRaised');
  }
  takeQuorumBatch(): null {
    return null;
  }

  quorumCommitted(): boolean {
    return true;
  }

  storeCommitted(): void {
    this.#called('storeCommitted');
  }
  peers(): PeerStatus[] {
    return this.statuses;
  }

  /** Calls so far, without those that ask for something to do. */
  count(name: string): number {
    return this.calls.filter((call) => call === name || call.startsWith(`${name} `)).length;
  }

  #called(name: string, detail = ''): void {
    this.calls.push(detail === '' ? name : `${name} ${detail}`);
    const error = this.throwing.get(name);
    if (error !== undefined) throw error;
  }
}

/** A connection that keeps what is sent. */
export class FakeConnection implements PeerConnection {
  readonly sent: string[] = [];
  /** How many of these were given to the kernel. */
  flushed = 0;
  closeReason: string | null = null;
  readonly bufferedBytes = 0;
  readonly id: number;
  readonly kind: LinkKind;
  readonly dialledNode: number | null;

  constructor(id: number, kind: LinkKind, dialledNode: number | null) {
    this.id = id;
    this.kind = kind;
    this.dialledNode = dialledNode;
  }
  send(frame: Uint8Array): void {
    this.sent.push(Buffer.from(frame).toString('latin1'));
  }
  flush(): void {
    this.flushed = this.sent.length;
  }
  close(reason: string): void {
    this.closeReason = reason;
  }
}

export interface DriverRig {
  readonly node: ScriptedNode;
  readonly driver: NodeDriver;
  readonly proved: number[];
  readonly failures: CausewayError[];
}

/** A driver of a scripted node; `write` gets what it logs. */
export function drivenNode(
  store: Store | null = null,
  write: (line: string) => void = () => undefined,
  clock: Clock = systemClock,
): DriverRig {
  const node = new ScriptedNode();
  const proved: number[] = [];
  const failures: CausewayError[] = [];
  const driver = new NodeDriver({
    node,
    store,
    quorumStore: null,
    clock,
    cpuMs: () => node.cpuMs,
    log: createLog({ level: 'info', format: 'json', destination: { write } }),
    proved: (link) => proved.push(link),
    turnEnded: () => node.calls.push('turnEnded'),
    failed: (error) => failures.push(error),
  });
  onTestFinished(() => driver.stop());
  return { node, driver, proved, failures };
}
