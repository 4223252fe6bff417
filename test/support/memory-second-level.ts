import { CausewayError } from '../../src/errors.ts';
import type {
  SecondLevel,
  SecondLevelDone,
  SecondLevelKind,
  SecondLevelLease,
  SecondLevelValue,
  SecondLevelVerdict,
  SecondLevelWrite,
} from '../../src/ports.ts';

const LEASE_MS = 8_000;
const LEASE_MARGIN_MS = 2_000;

interface StoredVersion {
  readonly epoch: number;
  readonly write: SecondLevelWrite;
}

/** What nodes share: values as other programs see them, and the versions beside them. */
export class MemoryLevelState {
  nowMs = 1_000_000;
  identity = 'first';
  holder: { readonly name: string; readonly epoch: number; readonly untilMs: number } | null = null;
  values: Map<string, { readonly kind: SecondLevelKind; readonly parts: readonly string[] }> = new Map();
  versions: Map<string, StoredVersion> = new Map();
  published: string[] = [];

  /** As another process that holds nothing. */
  restart(): void {
    this.identity += '+';
    this.holder = null;
    this.values.clear();
    this.versions.clear();
  }
}

/**
 * A second level in memory whose answers come when the test says: calls wait in `calls`, and may be done late, twice, or never. It decides
 * as the scripts inside Redis do; `second-level-contract.ts` runs on both.
 */
export class MemorySecondLevel implements SecondLevel {
  readonly state: MemoryLevelState;
  readonly #holder: string;
  /** Waiting calls: each does its work and answers. */
  readonly calls: { readonly name: string; readonly run: () => void; readonly fail: () => void }[] = [];

  constructor(state: MemoryLevelState, holder: string) {
    this.state = state;
    this.#holder = holder;
  }

  #call<T>(name: string, done: SecondLevelDone<T>, work: () => T): void {
    this.calls.push({
      name,
      run: () => done(null, work()),
      fail: () => done(new CausewayError('ERR', `${name} was not answered`), null),
    });
  }

  /** Does all that waits, what comes of it included. */
  settle(): void {
    for (let call = this.calls.shift(); call !== undefined; call = this.calls.shift()) call.run();
  }

  hold(epochMin: number, done: SecondLevelDone<SecondLevelLease>): void {
    this.#call('hold', done, () => {
      const { holder, nowMs, identity } = this.state;
      const isOther = holder !== null && holder.name !== this.#holder;
      if (isOther && nowMs < holder.untilMs + LEASE_MARGIN_MS)
        return { isHeld: false, epoch: holder.epoch, untilMs: holder.untilMs, identity: '' };
      const isSame = holder !== null && !isOther && holder.epoch >= epochMin;
      const epoch = isSame ? holder.epoch : Math.max(nowMs, epochMin, (holder?.epoch ?? -1) + 1);
      this.state.holder = { name: this.#holder, epoch, untilMs: nowMs + LEASE_MS };
      return { isHeld: true, epoch, untilMs: nowMs + LEASE_MS, identity };
    });
  }

  write(
    writes: readonly SecondLevelWrite[],
    lease: SecondLevelLease,
    isRepair: boolean,
    done: SecondLevelDone<readonly SecondLevelVerdict[]>,
  ): void {
    this.#call('write', done, () => writes.map((write) => this.#writeOne(write, lease, isRepair)));
  }

  #writeOne(write: SecondLevelWrite, { epoch, untilMs }: SecondLevelLease, isRepair: boolean): SecondLevelVerdict {
    const { key, kind, version, seq } = write;
    const { values, versions, nowMs } = this.state;
    if (nowMs >= untilMs) return 'late';
    const held = versions.get(key);
    if (held !== undefined && held.epoch > epoch) return 'fenced';
    if (held?.epoch === epoch && held.write.seq >= seq) return 'old';
    const isLater = held !== undefined && stampOf(version) > 0 && stampOf(held.write.version) > stampOf(version);
    if (isLater && held.epoch < epoch && values.has(key)) return 'newer';
    versions.set(key, { epoch, write });
    if (kind === 'gone') return values.delete(key) ? 'written' : 'same';
    const parts = write.parts.map((part) => Buffer.from(part).toString('latin1'));
    const isSame = isRepair && JSON.stringify(values.get(key)) === JSON.stringify({ kind, parts });
    values.set(key, { kind, parts });
    return isSame ? 'same' : 'written';
  }

  read(keys: readonly string[], done: SecondLevelDone<readonly (SecondLevelValue | null)[]>): void {
    this.#call('read', done, () =>
      keys.map((key) => {
        const [found, stored] = [this.state.values.get(key), this.state.versions.get(key)?.write];
        const [value = ''] = found?.parts ?? [];
        if (stored === undefined || stored.version === '' || found?.kind !== 'string') return null;
        const bytes = Buffer.from(value, 'latin1');
        if (!bytes.equals(stored.parts[0] ?? new Uint8Array())) return null;
        return { value: bytes, version: stored.version, expiresAtMs: stored.expiresAtMs };
      }),
    );
  }

  scan(
    cursor: string,
    count: number,
    done: SecondLevelDone<{ readonly keys: readonly string[]; readonly next: string | null }>,
  ): void {
    this.#call('scan', done, () => {
      const all = [...this.state.versions.keys()].sort();
      const from = Number(cursor === '' ? 0 : cursor);
      const next = from + count;
      return { keys: all.slice(from, next), next: next >= all.length ? null : String(next) };
    });
  }

  publish(_channel: string, message: string, done: SecondLevelDone<number>): void {
    this.#call('publish', done, () => this.state.published.push(message));
  }

  close(done: () => void): void {
    const { holder } = this.state;
    if (holder?.name === this.#holder) this.state.holder = { ...holder, untilMs: -LEASE_MARGIN_MS };
    done();
  }
}

function stampOf(version: string): number {
  return version === '' ? 0 : Number(version.split('-', 1)[0]);
}
