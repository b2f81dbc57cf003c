/** Replay protection: what is remembered of the nonces of signed requests, where, and a window of them in memory. */
import { optionalInteger, requireInteger, requireObject, requireString, wrongType } from "./errors.js";

/** What is remembered of a nonce, and until when. */
export interface ReplayEntry {
  /**
   * SHA-256 of the length of the key id in bytes (unsigned, 64 bits, big-endian), the key id and the nonce, in 64 lowercase
   * hexadecimal digits.
   */
  id: string;
  /**
   * Until when it must be remembered, in Unix seconds, this second included: the last one at which any verifier would still
   * take the signature.
   */
  keepUntil: number;
}

/**
 * Whether a nonce was seen before. Only `fresh` lets a request through: it was not, and is remembered from now on. `seen`: this
 * is a replay. `unavailable`: that cannot be told, or the nonce cannot be remembered for as long as it has to.
 */
export type ReplayAnswer = "fresh" | "seen" | "unavailable";

/**
 * Remembers nonces, for one process or for many. Of all who ask about the same entry, at most one is answered `fresh`,
 * wherever and however often they ask until its `keepUntil` is over. What cannot be promised or found out is `unavailable`,
 * after a bounded time.
 */
export interface ReplayStore {
  /**
   * Whether the nonce was seen before; if it was not, it is from now on. Ask only about requests whose signature is proven and
   * whose time is good, and only once for each.
   *
   * @param now Unix seconds.
   */
  checkAndInsert(entry: ReplayEntry, now: number): Promise<ReplayAnswer> | ReplayAnswer;
}

/** Options of {@link NonceWindow}. */
export interface NonceWindowOptions {
  /** How many nonces there is room for in each span of `keepSeconds`; by default 65,536, at most 8,388,608. */
  capacity?: number;
  /**
   * The highest age of a signature plus how far its time may lie ahead, in seconds; by default 330, at least 1. No entry with a
   * later `keepUntil` than that from now is taken.
   */
  keepSeconds?: number;
}

const DEFAULT_CAPACITY = 65_536;
const DEFAULT_SECONDS = 330;
/** The most that a `Set` surely holds, halved. */
const MOST_NONCES = 8_388_608;

/** Looks an entry over. @internal */
export function requireEntry(entry: unknown): ReplayEntry {
  const { id, keepUntil } = requireObject("entry", entry);
  // Another spelling of the same id would be another nonce.
  if (!/^[0-9a-f]{64}$/.test(requireString("entry.id", id))) throw wrongType("entry.id", "64 lowercase hexadecimal digits", id);
  return { id: id as string, keepUntil: requireInteger("entry.keepUntil", keepUntil) };
}

/**
 * The nonces that one process has seen, in bounded memory: some 150 bytes for each, for twice the capacity at most.
 *
 * Nothing is ever evicted for want of room, and the same entry is `fresh` at most once in the life of a window, whatever the
 * clock does. It is `unavailable` if its `keepUntil` is later than `keepSeconds` from now, or no later than that of an entry
 * that was forgotten, or if the capacity is used up. Whoever holds a key can bring that about, as fast as he may send
 * requests: limit the rate of each key. An entry is remembered for one to two times `keepSeconds`.
 *
 * It begins empty: what was seen before a restart, or in another process or isolate, is not known to it. Workers run in many
 * isolates: they need a store that is shared, as `claviger/replay-durable-object` is.
 *
 * ```ts
 * const nonces = new NonceWindow({ keepSeconds: 330 });
 * if (nonces.checkAndInsert({ id, keepUntil: created + 330 }, now) !== "fresh") return deny();
 * ```
 */
export class NonceWindow implements ReplayStore {
  readonly #capacity: number;
  readonly #keepFor: number;
  /** The latest time that was told. */
  #clock = 0;
  /** When the current generation began. */
  #began = 0;
  #current = new Set<string>();
  #previous = new Set<string>();
  /** The latest `keepUntil` in each generation, and of all that was forgotten. */
  #currentUntil = -1;
  #previousUntil = -1;
  #forgotten = -1;

  /** @throws {TypeError} if an option has a wrong type. */
  constructor(options: NonceWindowOptions = {}) {
    const { capacity, keepSeconds } = requireObject("options", options);
    this.#capacity = Math.min(optionalInteger("options.capacity", capacity, DEFAULT_CAPACITY), MOST_NONCES);
    this.#keepFor = Math.max(optionalInteger("options.keepSeconds", keepSeconds, DEFAULT_SECONDS, 0xffff_ffff), 1);
  }

  /** How many nonces are remembered. */
  get size(): number {
    return this.#previous.size + this.#current.size;
  }

  /** @throws {TypeError} if a parameter has a wrong type. */
  checkAndInsert(entry: ReplayEntry, now: number): ReplayAnswer {
    const { id, keepUntil } = requireEntry(entry);
    this.#advance(requireInteger("now", now));
    if (this.#previous.has(id) || this.#current.has(id)) return "seen";
    const promised = keepUntil > this.#forgotten && keepUntil <= this.#clock + this.#keepFor;
    if (!promised || this.#current.size >= this.#capacity) return "unavailable";
    this.#current.add(id);
    this.#currentUntil = Math.max(this.#currentUntil, keepUntil);
    return "fresh";
  }

  #advance(now: number): void {
    this.#clock = Math.max(this.#clock, now);
    const age = this.#clock - this.#began;
    if (age < this.#keepFor) return;
    this.#rotate();
    this.#began += this.#keepFor;
    // Nobody came for so long that this one is over as well.
    if (age >= 2 * this.#keepFor) {
      this.#rotate();
      this.#began = this.#clock;
    }
  }

  #rotate(): void {
    this.#forgotten = Math.max(this.#forgotten, this.#previousUntil);
    [this.#previous, this.#previousUntil] = [this.#current, this.#currentUntil];
    [this.#current, this.#currentUntil] = [new Set(), -1];
  }
}
