import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { Dot } from '../../src/clock/dot.ts';
import { nodeNumber, originOf } from '../../src/clock/origin.ts';
import { VersionVector } from '../../src/clock/version-vector.ts';
import { checkCausalConvergence } from '../../src/verify/causal-convergence.ts';
import type { Operation } from '../../src/verify/history.ts';
import { runOptions } from '../support/fast-check-runs.ts';
import { brokenGuarantees, type SessionOperation } from './session-checker.ts';
import type { VirtualClient } from '../support/virtual-client.ts';
import { ASIA, EAST, VirtualRegions, WEST } from '../support/virtual-regions.ts';

const REGIONS = [EAST, WEST, ASIA] as const;
const KEYS = ['x', 'y'] as const;

const A = originOf(nodeNumber(64), 1);
const B = originOf(nodeNumber(128), 1);
const dot = (origin: typeof A, seq: number): Dot => ({ origin, seq });
const at = (a: number, b: number): VersionVector =>
  new VersionVector([
    [A, a],
    [B, b],
  ]);

function operation(
  session: string,
  kind: 'read' | 'write',
  key: string,
  value: string | null,
  seen: VersionVector,
  written: Dot | null = null,
): SessionOperation {
  return { session, kind, key, value, seen, dot: written };
}

describe('the checker', () => {
  const first = operation('s', 'write', 'x', 'one', at(1, 0), dot(A, 1));

  test('takes a session that goes on where all is', () => {
    const history = [
      first,
      operation('s', 'read', 'x', 'one', at(1, 0)),
      operation('t', 'write', 'x', 'two', at(1, 1), dot(B, 1)),
      operation('s', 'read', 'x', 'two', at(1, 1)),
      operation('s', 'write', 'y', 'three', at(2, 1), dot(A, 2)),
    ];
    expect(brokenGuarantees(history)).toEqual([]);
  });

  test.each<[string, SessionOperation[]]>([
    ['read-your-writes', [first, operation('s', 'read', 'x', null, at(0, 0))]],
    ['monotonic-writes', [first, operation('s', 'write', 'y', 'two', at(0, 1), dot(B, 1))]],
    [
      'writes-follow-reads',
      [first, operation('t', 'read', 'x', 'one', at(1, 0)), operation('t', 'write', 'y', 'two', at(0, 1), dot(B, 1))],
    ],
    [
      'monotonic-reads',
      [first, operation('t', 'read', 'x', 'one', at(1, 0)), operation('t', 'read', 'x', null, at(0, 0))],
    ],
    // it was gone, and is there again
    [
      'monotonic-reads',
      [first, operation('t', 'read', 'x', null, at(1, 1)), operation('t', 'read', 'x', 'one', at(1, 0))],
    ],
    ['thin-air', [operation('t', 'read', 'x', 'never', at(1, 1))]],
    ['thin-air', [first, operation('t', 'read', 'x', 'one', at(0, 0))]],
  ])('finds %s broken', (guarantee, history) => {
    expect(brokenGuarantees(history)).toEqual([guarantee]);
  });
});

interface Step {
  readonly session: number;
  readonly what: 'write' | 'remove' | 'read' | 'move' | 'cut' | 'heal' | 'wait';
  readonly key: number;
  readonly region: number;
  readonly other: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  session: fc.nat(2),
  what: fc.constantFrom(
    ...(['write', 'write', 'remove', 'read', 'read', 'read', 'move', 'move', 'cut', 'heal', 'wait'] as const),
  ),
  key: fc.nat(1),
  region: fc.nat(2),
  other: fc.nat(2),
});
const steps = fc.array(step, { minLength: 10, maxLength: 60, size: 'max' });

const did = { moves: 0, behind: 0, waited: 0, reads: 0, removals: 0 };

/** Sessions that read, write and move over regions that are cut apart and come together. */
class Travellers {
  readonly history: SessionOperation[] = [];
  readonly #regions = new VirtualRegions({ delayMs: () => 40 });
  readonly #takesToken: boolean;
  readonly #clients: VirtualClient[];
  #written = 0;

  constructor(takesToken: boolean) {
    this.#takesToken = takesToken;
    this.#clients = REGIONS.map((region) => this.#regions.connect(region));
  }

  do({ session, what, key: keyIndex, region, other }: Step): void {
    const { cluster } = this.#regions;
    const [from = EAST, to = WEST] = [REGIONS[region], REGIONS[other]];
    const key = KEYS[keyIndex] ?? 'x';
    if (what === 'cut' && from !== to) cluster.cut(from, to);
    else if (what === 'heal') cluster.healAll();
    else if (what === 'wait') cluster.run(60);
    else if (what === 'move') this.#move(session, from);
    else if (what !== 'cut') this.#access(session, what, key);
  }

  #access(session: number, what: 'write' | 'remove' | 'read', key: string): void {
    const client = this.#clients[session] as VirtualClient;
    const { node } = client.server;
    const name = `${session}`;
    if (what === 'read') {
      const reply = client.run(`GET ${key}`);
      const value = reply === 'nil' ? null : reply.slice(1, -1);
      this.history.push({ session: name, kind: 'read', key, value, dot: null, seen: node.vector() });
      did.reads++;
      return;
    }
    const value = what === 'write' ? `v${++this.#written}` : null;
    if (client.run(value === null ? `DEL ${key}` : `SET ${key} ${value}`) === ':0') return;
    if (value === null) did.removals++;
    const written = { origin: node.core.origin, seq: client.session.lastWriteSeq };
    this.history.push({ session: name, kind: 'write', key, value, dot: written, seen: node.vector() });
  }

  #move(session: number, region: string): void {
    const next = this.#regions.connect(region);
    const { cluster } = this.#regions;
    if (this.#takesToken) {
      const token = this.#clients[session]?.token() ?? '';
      const fromMs = cluster.timeMs;
      const reply = next.run(`CW.ATTACH ${token} TIMEOUT 200`);
      if (cluster.timeMs > fromMs) did.waited++;
      if (reply !== '+OK') {
        expect(reply).toContain('-BEHIND');
        did.behind++;
        return;
      }
    }
    did.moves++;
    this.#clients[session] = next;
  }
}

/** The same history for the checker of causal convergence, which knows no removals. */
const operations = (history: readonly SessionOperation[]): Operation[] =>
  history.map(({ session, kind, key, value }, index) => ({
    client: session,
    region: '',
    op: kind,
    key,
    value,
    start: index,
    end: index,
    ok: true,
    level: 'causal',
  }));

describe('S1: sessions that move at random', () => {
  afterAll(() => {
    for (const count of Object.values(did)) expect(count).toBeGreaterThan(10);
  });

  test('keep all four guarantees with their tokens, removals included', () => {
    fc.assert(
      fc.property(steps, (todo) => {
        const travellers = new Travellers(true);
        for (const each of todo) travellers.do(each);
        expect(brokenGuarantees(travellers.history)).toEqual([]);
      }),
      runOptions(120, 40_000),
    );
  });

  test('are causally convergent with their tokens', () => {
    fc.assert(
      fc.property(steps, (todo) => {
        const travellers = new Travellers(true);
        for (const each of todo) if (each.what !== 'remove') travellers.do(each);
        expect(checkCausalConvergence(operations(travellers.history)).violations).toEqual([]);
      }),
      runOptions(60, 20_000),
    );
  });

  test('break each of them without', () => {
    const broken = new Set<string>();
    fc.assert(
      fc.property(steps, (todo) => {
        const travellers = new Travellers(false);
        for (const each of todo) travellers.do(each);
        for (const guarantee of brokenGuarantees(travellers.history)) broken.add(guarantee);
      }),
      // they are found in the first dozens: a fixed seed and no limit of time, so that they always are
      { numRuns: 60, seed: 7 },
    );
    expect([...broken].toSorted()).toEqual([
      'monotonic-reads',
      'monotonic-writes',
      'read-your-writes',
      'writes-follow-reads',
    ]);
  });
});
