import { LinkedList, type Place } from '../base/linked-list.ts';
import type { StrongAnswer, StrongRequest } from '../commands/strong-view.ts';
import { ASKED_LARGE_BYTES_MAX, ASKED_SMALL_BYTES_MAX, SMALL_REQUEST_BYTES } from './lane-limits.ts';

type Leaves = Pick<Place<unknown>, 'leave'>;

/** One request of a client, from its submission to its answer. */
export interface Pending {
  readonly serial: number;
  readonly request: StrongRequest;
  readonly bytes: number;
  readonly answered: (answer: StrongAnswer) => void;
  readonly deadlineMs: number;
  /** Where it is in each order that it is in: of those that end at about the same time, and of what becomes of it next. */
  readonly places: { deadline: Leaves | null; state: Leaves | null };
  /** Who was asked and has not answered yet, 0 for nobody. */
  target: number;
  /** Takes the question back: true where nobody has it. */
  takeBack: (() => boolean) | null;
  /** Everybody who was ever asked, and those of them who may have appended it and have not said that they did not. */
  readonly asked: number[];
  readonly open: number[];
  /** How often it was answered `lost`. */
  losses: number;
}

/** Of which kinds nobody can tell without a word of the leader whether they happened. */
export const changesSomething = ({ request: { kind } }: Pending): boolean => kind === 'write' || kind === 'operate';

/** Small requests do not wait behind large ones. */
export type SizeClass = 'small' | 'large';

const sizeClassOf = ({ bytes }: Pending): SizeClass => (bytes <= SMALL_REQUEST_BYTES ? 'small' : 'large');

/** Requests of one group, by what becomes of them next. */
export interface GroupQueue {
  readonly group: string;
  /** In the order of their serials. */
  readonly waiting: Readonly<Record<SizeClass, LinkedList<Pending>>>;
  /** In the order in which they were asked. */
  readonly asked: LinkedList<Pending>;
  /** Who led when that was looked at last and the connection to it: 0 for nobody, and none. */
  leader: number;
  link: number;
}

export function newQueue(group: string): GroupQueue {
  const waiting = { small: new LinkedList<Pending>(), large: new LinkedList<Pending>() };
  return { group, waiting, asked: new LinkedList(), leader: 0, link: 0 };
}

/** Puts it among those that wait, in the order of serials. */
export function wait({ waiting }: GroupQueue, pending: Pending): void {
  const list = waiting[sizeClassOf(pending)];
  const isNewest = (list.last?.serial ?? 0) < pending.serial;
  // what was asked before is older than nearly all that wait
  pending.places.state = isNewest
    ? list.append(pending)
    : list.insert(pending, (other, { serial }) => other.serial > serial);
}

/** Pending requests by a time that comes a fixed while after they are put in: the first of each while is the next of it. */
export class TimeLists {
  readonly #lists: Map<number, LinkedList<Due>> = new Map();

  /** Puts in what is due `afterMs` from now. */
  add(pending: Pending, afterMs: number, nowMs: number): Place<Due> {
    let list = this.#lists.get(afterMs);
    if (list === undefined) {
      list = new LinkedList();
      this.#lists.set(afterMs, list);
    }
    return list.append({ pending, atMs: nowMs + afterMs });
  }

  /** One that is due, null for none. It stays until it is taken out. */
  due(nowMs: number): Pending | null {
    for (const [afterMs, list] of this.#lists) {
      const { first } = list;
      if (first === undefined) this.#lists.delete(afterMs);
      else if (first.atMs <= nowMs) return first.pending;
    }
    return null;
  }

  /** When the next is due, Infinity for never. */
  nextMs(): number {
    let nextMs = Infinity;
    for (const { first } of this.#lists.values()) nextMs = Math.min(nextMs, first?.atMs ?? Infinity);
    return nextMs;
  }
}

interface Due {
  readonly pending: Pending;
  readonly atMs: number;
}

const ASKED_BYTES_MAX: Readonly<Record<SizeClass, number>> = {
  small: ASKED_SMALL_BYTES_MAX,
  large: ASKED_LARGE_BYTES_MAX,
};

/** The bytes that were asked of each node and are not answered. */
export class AskedBytes {
  readonly #byNode: Map<number, Record<SizeClass, number>> = new Map();

  hasRoom(node: number, pending: Pending): boolean {
    const size = sizeClassOf(pending);
    const underWay = this.#byNode.get(node)?.[size] ?? 0;
    return underWay === 0 || underWay + pending.bytes <= ASKED_BYTES_MAX[size];
  }

  add(node: number, pending: Pending): void {
    let of = this.#byNode.get(node);
    if (of === undefined) {
      of = { small: 0, large: 0 };
      this.#byNode.set(node, of);
    }
    of[sizeClassOf(pending)] += pending.bytes;
  }

  remove(node: number, pending: Pending): void {
    const of = this.#byNode.get(node);
    if (of !== undefined) of[sizeClassOf(pending)] -= pending.bytes;
  }
}
