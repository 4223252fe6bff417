import { expect, it } from 'vitest';
import { accepted, append, entriesOf, Lone } from './lone.ts';

it('a probe is answered by what is about it: that another message, about the beginning of the log, was accepted sends nothing again', () => {
  const lone = new Lone();
  lone.step(append(1, [0, 0], entriesOf([1, 1], [2, 1], [3, 1]), { commit: 3 }));
  lone.lead();
  const stateOf = (node: number): string | undefined => lone.raft.progress.get(node)?.state;
  const sentWithEntries = (): number[] =>
    lone.take('append').flatMap(({ to, entries }) => (entries.length > 0 ? [to] : []));
  expect(sentWithEntries().toSorted((a, b) => a - b)).toEqual([2, 3]);
  const round = 1;
  lone.step(accepted(lone.raft.term, 0, { from: 2, round }), accepted(lone.raft.term, 0, { from: 3, round }));
  expect([stateOf(2), stateOf(3)]).toEqual(['probe', 'probe']);
  expect(sentWithEntries()).toEqual([]);
  // they were heard
  expect(lone.raft.progress.get(2)?.lastHeardMs).toBe(lone.nowMs);
  lone.accepts(2, 4);
  expect([stateOf(2), lone.raft.commit]).toEqual(['replicate', 4]);
  // what was accepted before the probe counts, and says nothing of the probe
  lone.accepts(3, 2);
  expect([stateOf(3), lone.raft.progress.get(3)?.match]).toEqual(['probe', 2]);
  lone.accepts(3, 4);
  expect(stateOf(3)).toBe('replicate');
});
