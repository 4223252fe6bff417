import { describe, expect, it } from 'vitest';
import type { SecondLevel } from '../../src/ports.ts';
import { MemoryLevelState, MemorySecondLevel } from '../support/memory-second-level.ts';
import { SECOND_LEVEL_CONTRACT, type LevelUnderTest } from '../support/second-level-contract.ts';

/** Answers at once. */
class PromptLevel extends MemorySecondLevel {
  override readonly calls: MemorySecondLevel['calls'] = Object.assign([], {
    push: (call: MemorySecondLevel['calls'][number]) => {
      queueMicrotask(call.run);
      return 0;
    },
  });
}

/** The double keeps the contract that the real one keeps (test/outside/regional-redis.ts), or tests with it would say nothing. */
describe('the second level of the tests', () => {
  it.each(SECOND_LEVEL_CONTRACT)('$name', async (each) => {
    const state = new MemoryLevelState();
    const level: LevelUnderTest = {
      open: async (holder): Promise<SecondLevel> => new PromptLevel(state, holder),
      overwrite: async (key, value) => void state.values.set(key, { kind: 'string', parts: [value] }),
      shown: async (key) => state.values.get(key)?.parts[0] ?? null,
    };
    await expect(each.run(level)).resolves.toBeUndefined();
  });
});
