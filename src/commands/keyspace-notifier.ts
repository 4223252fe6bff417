import type { ByteRange } from '../base/bytes.ts';
import { latin1Range } from '../base/bytes.ts';
import { isSystemKey } from '../base/system-keys.ts';
import { NOTIFY_KEYEVENT, NOTIFY_KEYSPACE, notificationBit } from './notification-classes.ts';
import type { PubsubHub } from './pubsub-hub.ts';
import type { ServerSettings } from './server-settings.ts';

/** Publishes what happens to keys on this node to its own subscribers, as `notify-keyspace-events` asks. */
export class KeyspaceNotifier {
  readonly #hub: PubsubHub;
  readonly #settings: ServerSettings;

  constructor(hub: PubsubHub, settings: ServerSettings) {
    this.#hub = hub;
    this.#settings = settings;
  }

  notify(classLetter: string, event: string, key: ByteRange): void {
    const classes = this.#settings.notifyClasses;
    if (classes === 0 || this.#hub.idle || (classes & notificationBit(classLetter)) === 0) return;
    if (isSystemKey(key)) return;
    if (classes & NOTIFY_KEYSPACE) {
      this.#hub.deliver(latin1Range(`__keyspace@0__:${key.toLatin1()}`), latin1Range(event));
    }
    if (classes & NOTIFY_KEYEVENT) this.#hub.deliver(latin1Range(`__keyevent@0__:${event}`), key);
  }
}
