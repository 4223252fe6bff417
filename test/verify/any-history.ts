import fc from 'fast-check';
import type { Operation } from '../../src/verify/history.ts';
import { operation } from './operations.ts';

const step = fc.record({
  client: fc.constantFrom('p', 'q', 'r', 's'),
  key: fc.constantFrom('x', 'y'),
  op: fc.constantFrom('read', 'read', 'read', 'read', 'write', 'write', 'write', 'cas', 'del'),
  pick: fc.nat(40),
  ok: fc.constantFrom(true, true, true, true, true, null, false),
});

/** Small histories: values are those that writes of the history put there, nothing, or now and then one of nobody. */
export const histories: fc.Arbitrary<Operation[]> = fc
  .array(step, { minLength: 4, maxLength: 24, size: 'max' })
  .map((steps) =>
    steps.map(({ client, key, op, pick, ok }, at): Operation => {
      const written = steps.flatMap((other, place) =>
        // now and then from what comes later
        other.key === key && (other.op === 'write' || other.op === 'cas') && (place < at || pick > 34)
          ? [`v${place}`]
          : [],
      );
      const value = pick === 40 ? 'stray' : ([null, ...written][pick % (written.length + 1)] ?? null);
      const times = { start: at, end: at };
      if (op === 'read') return operation({ client, key, op, value, ...times });
      if (op === 'del') return operation({ client, key, op, ok, ...times });
      const error = ok === false ? { error: 'ERR' } : {};
      if (op === 'write') return operation({ client, key, op, value: `v${at}`, ok, ...error, ...times });
      return operation({ client, key, op: 'cas', value: `v${at}`, expected: value, ok, ...error, ...times });
    }),
  );
