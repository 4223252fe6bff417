import { ActiveClasses } from '../../src/classes/active-classes.ts';
import { parseClasses } from '../../src/classes/read-classes.ts';
import { SharedLoads } from '../../src/commands/shared-loads.ts';
import { SourceFetcher, type SourceAnswer } from '../../src/commands/source-fetcher.ts';
import { SourceWrites, type StoreEnd } from '../../src/commands/source-writes.ts';
import type { StoreTask } from '../../src/commands/unstored-keys.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

/** How long the source takes. */
const LOAD_MS = 40;
const REGIONS = [EAST, WEST, ASIA];

/** When a write is in the source, and when the node hears of it, in milliseconds after it was sent. */
interface StoreTimes {
  readonly takenMs: number;
  readonly toldMs: number;
}

export const STORED: StoreEnd = { kind: 'stored' };

/** Three regions in virtual time with one source, that takes its time. */
export class SourceWorld {
  readonly regions: VirtualRegions;
  /** `node key` of each load, in their order. */
  readonly loads: string[] = [];
  /** What the source has, and what it was given: `node key=value`, in the order in which it took them. */
  readonly values: Map<string, string> = new Map();
  readonly stores: string[] = [];
  answer: (key: string) => SourceAnswer = (key) => value(`${key} ${this.loads.length}`);
  storeTimes: (region: string, key: string) => StoreTimes = () => ({ takenMs: 20, toldMs: 40 });
  storeEnd: (region: string, key: string, value: string | null) => StoreEnd = () => STORED;
  isLeftAlone = false;
  unit = 0.5;
  readonly #due: { atMs: number; life: number; region: string; run: () => void }[] = [];
  readonly #writes: Map<string, SourceWrites> = new Map();

  /** `delayMs` between regions. */
  constructor(classes: string, delayMs = 10) {
    this.regions = new VirtualRegions({
      delayMs: () => delayMs,
      classes: new ActiveClasses({ policy: parseClasses(classes, 'classes.yaml') }),
    });
    for (const region of REGIONS) this.#use(region);
  }

  /** Loads give what the source has. */
  hasValues(): this {
    this.answer = (key) => {
      const text = this.values.get(key);
      return text === undefined ? { kind: 'absent' } : value(text);
    };
    return this;
  }

  writesOf(region: string): SourceWrites {
    const writes = this.#writes.get(region);
    if (writes === undefined) throw new Error(`no region ${region}`);
    return writes;
  }

  /** Kills a node, also before its disk has what it did last, and starts it again. */
  restart(region: string): void {
    this.regions.restart(region);
    this.takeUp(region);
  }

  /** A node was started again: it goes on. */
  takeUp(region: string): void {
    this.#use(region);
    this.writesOf(region).start();
  }

  #use(region: string): void {
    const { state } = this.regions.connect(region).server;
    const { engine } = state;
    const node = this.regions.node(region);
    const { life } = node;
    const wallMs = (): number => node.now().wallMs;
    const monotonicMs = (): number => node.now().monotonicMs;
    const after = (ms: number, run: () => void): (() => void) => {
      const due = { atMs: monotonicMs() + ms, life, region, run };
      this.#due.push(due);
      return () => {
        due.run = () => undefined;
      };
    };
    const touched = (): void => node.settle();
    const shared = new SharedLoads({ engine, wallMs, after, touched });
    const unit = (): number => this.unit;
    const fetcher = new SourceFetcher(
      {
        engine,
        wallMs,
        monotonicMs,
        unit,
        load: (_rule, key, done) => {
          this.loads.push(`${region} ${key}`);
          const answer = this.answer(key);
          after(LOAD_MS, () => done(answer));
        },
        soon: (run) => void after(0, run),
        touched,
      },
      shared,
    );
    state.fetching.add(fetcher);
    state.sources = fetcher;
    state.systemMessages.push((channel, message) => shared.message(channel, message, fetcher));
    const writes = new SourceWrites({ engine, wallMs, monotonicMs, unit, touched });
    engine.writes.listener = writes;
    state.sourceWrites = writes;
    state.isSourceLeftAlone = () => this.isLeftAlone;
    this.#writes.set(region, writes);
  }

  /** What happens in the source happens though the node that asked is dead. */
  #store(region: string, task: StoreTask): void {
    const node = this.regions.node(region);
    const { life } = node;
    const nowMs = node.now().monotonicMs;
    const ends: StoreEnd[] = [];
    let toldMs = 0;
    for (const [at, { entry, content }] of task.entries.entries()) {
      const times = this.storeTimes(region, entry.key);
      toldMs = Math.max(toldMs, times.toldMs);
      const text = content.value === null ? null : Buffer.from(content.value).toString('latin1');
      const run = (): void => {
        const end = this.storeEnd(region, entry.key, text);
        ends[at] = end;
        if (end.kind !== 'stored') return;
        this.stores.push(`${region} ${entry.key}=${text ?? ''}`);
        if (text === null) this.values.delete(entry.key);
        else this.values.set(entry.key, text);
      };
      this.#due.push({ atMs: nowMs + times.takenMs, life: -1, region, run });
    }
    this.#due.push({ atMs: nowMs + toldMs, life, region, run: () => this.writesOf(region).ended(task, ends) });
  }

  connect(region = EAST): VirtualClient {
    return this.regions.connect(region);
  }

  /** Time passes, with what is due in it. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 5) {
      this.regions.cluster.run(5);
      for (const region of REGIONS) {
        const node = this.regions.node(region);
        const nowMs = node.now().monotonicMs;
        const due = this.#due.filter((each) => each.region === region && each.atMs <= nowMs);
        for (const each of due) {
          this.#due.splice(this.#due.indexOf(each), 1);
          if (each.life === -1 || (each.life === node.life && node.isRunning)) each.run();
        }
        if (node.isRunning) this.turn(region);
      }
    }
  }

  turn(region: string): void {
    const writes = this.writesOf(region);
    writes.turnEnded();
    for (let task = writes.next(); task !== null; task = writes.next()) this.#store(region, task);
    this.connect(region).server.turn();
  }

  ask(line: string, region = EAST): string {
    const client = this.connect(region).begin(line);
    for (let turns = 0; client.answer === null && turns < 2_000; turns++) this.pass(5);
    return client.answer ?? 'no answer';
  }

  /** Nothing waits any more, and all regions show the same. */
  quiet(): void {
    for (let turns = 0; turns < 2_000; turns++) {
      this.pass(50);
      if (REGIONS.every((region) => this.writesOf(region).size === 0)) break;
    }
    this.regions.sync();
    this.pass(2_000);
  }
}

export const value = (text: string): SourceAnswer => ({ kind: 'value', value: new TextEncoder().encode(text) });
