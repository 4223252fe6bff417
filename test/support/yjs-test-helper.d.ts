/** What we use of yjs' own test helper, which comes without types. */
declare module 'yjs/testHelper' {
  import type { Doc } from 'yjs';

  /** Of lib0/prng; `next` gives [0, 1). */
  export interface Prng {
    next(): number;
  }

  /** A document that sends its updates to all others of its connector that are online, and syncs with them when it comes back. */
  export class TestYInstance extends Doc {
    connect(): void;
    disconnect(): void;
  }

  /** Keeps messages, in order for each sender and receiver, until it is told to deliver one: it chooses whose. */
  export class TestConnector {
    readonly allConns: ReadonlySet<TestYInstance>;
    readonly onlineConns: ReadonlySet<TestYInstance>;
    constructor(prng: Prng);
    createY(userId: number): TestYInstance;
    /** False when there was none to deliver. */
    flushRandomMessage(): boolean;
    flushAllMessages(): boolean;
    reconnectAll(): void;
    disconnectAll(): void;
    disconnectRandom(): boolean;
    reconnectRandom(): boolean;
  }
}
