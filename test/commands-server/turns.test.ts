import { describe, expect, test } from 'vitest';
import { RespTurns, type TurnParticipant } from '../../src/server/resp-turns.ts';

describe('replies that are sent together', () => {
  const failures: unknown[] = [];
  const turns = new RespTurns((error) => failures.push(error));
  const participant = (flush: () => void): TurnParticipant => ({ flush, continueRequests: () => undefined });
  const nextRound = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

  test('leave in their order at the end of the round, before what was put there after them', async () => {
    const done: string[] = [];
    for (const name of ['one', 'two']) turns.replyLater(participant(() => done.push(name)));
    setImmediate(() => done.push("the node's turn"));
    turns.replyLater(participant(() => done.push('three')));
    expect(done).toEqual([]);
    await nextRound();
    expect(done).toEqual(['one', 'two', 'three', "the node's turn"]);
  });

  test('are sent at once when they are many, and then no second time', async () => {
    let sent = 0;
    for (let at = 0; at < 64; at++) turns.replyLater(participant(() => sent++));
    expect(sent).toBe(64);
    turns.replyLater(participant(() => sent++));
    await nextRound();
    await nextRound();
    expect(sent).toBe(65);
  });

  test('one that cannot be sent is told, and ends nothing for those after', async () => {
    turns.replyLater(
      participant(() => {
        throw new Error('broken');
      }),
    );
    await nextRound();
    expect(failures.map(String)).toEqual(['Error: broken']);
    let sent = 0;
    turns.replyLater(participant(() => sent++));
    await nextRound();
    expect(sent).toBe(1);
  });
});
