import type { Leading } from './leading.ts';
import { majorityOf } from './majority.ts';
import type { Progress } from './progress.ts';
import type { RaftState } from './state.ts';

/*
 * A majority needs not all voters: with three, the leader and whichever of the others is quicker. Those that are not needed are spare, and may get entries a
 * little later (`RaftTiming.spareMs`), then many at a time: an append, a write to the disk and an answer cost a member about as much for one entry as for twenty, and
 * on a machine or a network that they share they would be done while the needed ones are waited for. (The same as "thrifty" messages of Paxos: Moraru, Andersen,
 * Kaminsky, "There is more consensus in egalitarian parliaments", SOSP 2013.) What counts as committed is as it was, and every voter gets every entry, so a needed one
 * that is slow or gone delays what is written by `spareMs` once: then the spare has more, and they change places.
 */

/** Says anew who is spare: of the voters that take entries the ones that have least, where a majority is there without them. */
export function chooseSpares({ configs, id, timing }: RaftState, leading: Leading): void {
  if (timing.spareMs === 0) return;
  const { voters } = configs.current;
  const ready: Progress[] = [];
  for (const [node, progress] of leading.progress) {
    if (progress.state === 'replicate' && voters.includes(node)) ready.push(progress);
    else progress.isSpare = false;
  }
  const needed = majorityOf(voters.length) - (voters.includes(id) ? 1 : 0);
  // who is spare stays so where nothing speaks for a change
  ready.sort((one, other) => other.match - one.match || Number(one.isSpare) - Number(other.isSpare));
  for (const [at, progress] of ready.entries()) progress.isSpare = at >= needed;
}

/** A spare one that is found to have more than one that is needed, or than one that takes no entries now, takes the place of that. */
export function noteProgressOfSpare({ configs }: RaftState, leading: Leading, progress: Progress): void {
  if (!progress.isSpare) return;
  for (const [node, other] of leading.progress) {
    const isBehind = other.match < progress.match || other.state !== 'replicate';
    if (other.isSpare || !isBehind || !configs.current.voters.includes(node)) continue;
    progress.isSpare = false;
    other.isSpare = other.state === 'replicate';
    return;
  }
}
