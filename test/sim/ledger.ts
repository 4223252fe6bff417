import { dotText, type Dot, type NodeNames } from '../../src/clock/dot.ts';
import { isGroupOrigin } from '../../src/groups/group-plan.ts';
import type { Operation } from '../../src/verify/history.ts';
import type { InvalidationLog } from './invalidation-works.ts';
import type { Losses } from './losses.ts';

interface Noted {
  readonly operation: Operation;
  /** Of what was written. */
  readonly dot: Dot | null;
}

/** All that clients were told, to be judged at the end. */
export class Ledger {
  readonly #noted: Noted[] = [];
  readonly wrong: string[] = [];
  /** Keys that are made once. */
  readonly once: string[] = [];
  readonly notes: number[] = [];
  readonly freight: { answers: number; readonly refused: Set<number> } = { answers: 0, refused: new Set() };
  readonly invalidations: InvalidationLog = { writes: [], removals: [], unlinked: [], reads: [] };
  readonly errors: Map<string, number> = new Map();
  /** Names of the commands that were sent, in lower case. */
  readonly commands: Set<string> = new Set();
  requests = 0;
  actions = 0;
  moves = 0;
  retries = 0;
  newSessions = 0;

  note(operation: Operation, dot: Dot | null): void {
    this.#noted.push({ operation, dot });
  }

  /** In the order of their ends. Of what may be lost with its node, as is promised, nobody knows whether it is done. */
  history(losses: Losses, names: NodeNames): Operation[] {
    const noted = this.#noted.toSorted((left, right) => left.operation.end - right.operation.end);
    return noted.map(({ operation, dot }) => {
      // a retry of a strong write is answered with the place of the retry in the log
      if (dot === null || isGroupOrigin(dot.origin)) return operation;
      if (!losses.isLost(dot.origin, dot.seq)) return { ...operation, dot: dotText(dot.origin, dot.seq, names) };
      const { result: _unknown, ...rest } = operation;
      return { ...rest, ok: null };
    });
  }

  noteRequest(line: string): void {
    this.requests++;
    this.commands.add(line.split(' ', 1).join('').toLowerCase());
  }

  get operations(): number {
    return this.#noted.length;
  }

  noteError(reply: string): void {
    const code = /^-(\S+)/.exec(reply)?.[1] ?? '';
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }
}
