import { outOfMemory } from '../keyspace/eviction/memory-limit.ts';
import type { CommandEntry } from './command-index.ts';
import type { ServerState } from './server-state.ts';
import type { Session } from './session.ts';
import type { Verdict } from './verdict.ts';

/** How long a write waits for the store to take what can be evicted then. */
const ROOM_WAIT_MS = 5_000;

/**
 * What becomes of a request where memory is full: what takes no memory runs. Where values can go as soon as the store has them
 * a write waits for that, so that writers become as slow as the disk and see no error.
 */
export function judgeByRoom(server: ServerState, session: Session, entry: CommandEntry): Verdict {
  const { memory } = server.engine;
  if (!memory.isFull || !takesMemory(session, entry)) return 'run';
  const hasWaited = session.waitedForRoom;
  session.waitedForRoom = false;
  if (hasWaited || !memory.mayFree) return outOfMemory(memory);
  server.waiting.block(session, {
    deadlineMs: server.time.monotonicMs() + ROOM_WAIT_MS,
    isOver: () => !memory.isFull,
    end: () => {
      session.waitedForRoom = memory.isFull;
    },
    fail: () => {
      session.waitedForRoom = true;
    },
  });
  return 'wait';
}

/** Whether a request, as it is run now, may need more memory: inside MULTI it is only kept. */
function takesMemory(session: Session, entry: CommandEntry): boolean {
  if (session.queue === null) return entry.takesMemory;
  return entry.fullName === 'exec' && session.queue.some((queued) => queued.entry.takesMemory);
}
