import {
  AUTHENTICATION_BACKOFF_FIRST_MS,
  AUTHENTICATION_BACKOFF_MAX_MS,
  AUTHENTICATION_FAILURES_FREE,
  AUTHENTICATION_FAILURES_KEPT_MS,
  AUTHENTICATION_FAILURES_KEPT_MAX,
} from '../base/client-limits.ts';
import { latin1Bytes, type ByteRange } from '../base/bytes.ts';
import { networkOf } from './client-network.ts';
import type { ServerSettings } from './server-settings.ts';

/** What protocol code has no cryptography of its own for. */
export interface PasswordDigests {
  /** SHA-256. */
  digest(bytes: Uint8Array): Uint8Array;
  /** Whether two digests are equal, in a time that does not tell where they differ. */
  equal(left: Uint8Array, right: Uint8Array): boolean;
}

/** The one user there is. */
export const DEFAULT_USER = 'default';

/** What is asked of a session, and told to it. */
export interface Visitor {
  readonly connection: { readonly address: string };
  authenticated: boolean;
  unauthenticatedSinceMs: number;
}

interface Failures {
  count: number;
  /** On the monotonic clock: until then every attempt fails. */
  refusedUntilMs: number;
  lastMs: number;
}

/**
 * Who has said the password (CONFIG requirepass). A wrong user and a wrong password are the same to whoever tries, in
 * what they are answered and in what it costs. After some failures an address is refused unheard for a time that doubles
 * with each further one, the right password included: guessing must not be worth it.
 */
export class Authentication {
  /** Told when an address begins to be refused unheard. */
  onGuessing: (network: string) => void = () => undefined;
  readonly #settings: ServerSettings;
  readonly #digests: PasswordDigests;
  readonly #failures: Map<string, Failures> = new Map();
  #password = '';
  #digest: Uint8Array;

  constructor(settings: ServerSettings, digests: PasswordDigests) {
    this.#settings = settings;
    this.#digests = digests;
    this.#digest = digests.digest(new Uint8Array(0));
  }

  /** Whether there is a password at all. */
  get isRequired(): boolean {
    return this.#settings.requirepass !== '';
  }

  /** A client begins, or begins anew (RESET): without a password it has nothing to prove. */
  enter(visitor: Visitor, nowMs: number): void {
    visitor.authenticated = !this.isRequired;
    visitor.unauthenticatedSinceMs = nowMs;
  }

  /** Whether a client may do more than authenticate. One that has not is let in when the password is taken away. */
  isAdmitted(visitor: Visitor): boolean {
    if (!visitor.authenticated && !this.isRequired) visitor.authenticated = true;
    return visitor.authenticated;
  }

  /** Whether user and password are right; then the visitor is authenticated, otherwise it stays as it was. */
  admit(visitor: Visitor, user: string, password: ByteRange, nowMs: number): boolean {
    const isRight = this.#isPassword(password) && user === DEFAULT_USER;
    if (!this.isRequired) return user === DEFAULT_USER;
    const network = networkOf(visitor.connection.address);
    const failures = this.#failuresOf(network, nowMs);
    if (failures !== undefined && nowMs < failures.refusedUntilMs) return false;
    if (!isRight) {
      this.#failed(network, failures, nowMs);
      return false;
    }
    this.#failures.delete(network);
    visitor.authenticated = true;
    return true;
  }

  /** Always the same work, whatever is compared. */
  #isPassword({ buf, start, end }: ByteRange): boolean {
    const { requirepass } = this.#settings;
    if (this.#password !== requirepass) {
      this.#password = requirepass;
      this.#digest = this.#digests.digest(latin1Bytes(requirepass));
    }
    return this.#digests.equal(this.#digests.digest(buf.subarray(start, end)), this.#digest);
  }

  #failuresOf(network: string, nowMs: number): Failures | undefined {
    const failures = this.#failures.get(network);
    if (failures === undefined || nowMs - failures.lastMs <= AUTHENTICATION_FAILURES_KEPT_MS) return failures;
    this.#failures.delete(network);
    return undefined;
  }

  #failed(network: string, before: Failures | undefined, nowMs: number): void {
    const count = (before?.count ?? 0) + 1;
    const over = count - AUTHENTICATION_FAILURES_FREE;
    const waitMs =
      over <= 0 ? 0 : Math.min(AUTHENTICATION_BACKOFF_MAX_MS, AUTHENTICATION_BACKOFF_FIRST_MS * 2 ** (over - 1));
    // The newest last: when there are too many, whoever has not failed for the longest time is forgotten.
    this.#failures.delete(network);
    this.#failures.set(network, { count, refusedUntilMs: nowMs + waitMs, lastMs: nowMs });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > AUTHENTICATION_FAILURES_KEPT_MAX && oldest !== undefined) this.#failures.delete(oldest);
    if (over === 1) this.onGuessing(network);
  }
}
