/**
 * The classes of keyspace notifications, as letters of `notify-keyspace-events` and as bits. `K` and `E` say under which
 * channels a notification is published: `__keyspace@0__:key` and `__keyevent@0__:event`.
 */
const LETTERS = 'g$lshzxetdmnKE';
const BITS: ReadonlyMap<string, number> = new Map(LETTERS.split('').map((letter, index) => [letter, 1 << index]));

/** What `A` stands for: every class but `m` (a missed key) and `n` (a new one). */
const ALL_LETTERS = 'g$lshzxetd';
const ALL = bitsOf(ALL_LETTERS);

export const NOTIFY_KEYSPACE: number = bitsOf('K');
export const NOTIFY_KEYEVENT: number = bitsOf('E');

function bitsOf(letters: string): number {
  let bits = 0;
  for (const letter of letters) bits |= BITS.get(letter) ?? 0;
  return bits;
}

/** The bit of one class letter, 0 for an unknown one. */
export function notificationBit(letter: string): number {
  return BITS.get(letter) ?? 0;
}

/** Reads a value of `notify-keyspace-events`; null when a letter of it is unknown. */
export function parseNotificationClasses(text: string): number | null {
  let bits = 0;
  for (const letter of text) {
    const bit = letter === 'A' ? ALL : BITS.get(letter);
    if (bit === undefined) return null;
    bits |= bit;
  }
  return bits;
}

/** The classes in the order in which Redis writes them. */
export function notificationClassesText(bits: number): string {
  let text =
    (bits & ALL) === ALL
      ? 'A'
      : ALL_LETTERS.split('')
          .filter((letter) => bits & notificationBit(letter))
          .join('');
  for (const letter of 'nKEm') if (bits & notificationBit(letter)) text += letter;
  return text;
}
