/**
 * Fetching the parts of a keyring that verdicts need.
 *
 * Anybody can make up keys, and each may need another part. So fetches are counted: 256 at once, and 32 more each second.
 * A fetch that helped to prove a key is not counted. At most eight go on at the same time; what failed is left alone for a
 * while; and who needs a part that somebody else is fetching waits for that.
 */
import { ClavigerError } from "./errors.js";
import type { Tell } from "./events.js";
import { Flights } from "./flights.js";
import type { Lifetime } from "./lifetime.js";
import type { Ring } from "./ring.js";
import { NotBefore, TokenBucket, backoffSeconds } from "./schedule.js";
import { type KeyringSource, readPart } from "./source.js";
import { Turns } from "./turns.js";
import type { NeededPart } from "./verdict.js";

const BURST = 256;
const PER_SECOND = 32;
const MOST_AT_ONCE = 8;
const MOST_WAITING = 256;
const LONGEST_BACKOFF_SECONDS = 30;
/** Of so many parts it is remembered that they failed, or that they came. */
const MOST_REMEMBERED = 1024;

/**
 * What became of a needed part. `here`: it was inserted. `moved`: the keyring was replaced meanwhile. `failed`: it could
 * not be had, and the keyring before may decide. `refused`: nobody asked for it.
 */
export type Fetched = "here" | "moved" | "failed" | "refused";

/** How often a part failed in a row, and until when it is left alone. */
interface Failure {
  times: number;
  readonly rest: NotBefore;
}

/** A map that forgets the oldest of its entries when there are too many. */
class Recent<V> {
  readonly #entries = new Map<string, V>();

  get(name: string): V | undefined {
    return this.#entries.get(name);
  }

  set(name: string, value: V): void {
    this.#entries.delete(name);
    this.#entries.set(name, value);
    if (this.#entries.size <= MOST_REMEMBERED) return;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest as string);
  }

  delete(name: string): void {
    this.#entries.delete(name);
  }
}

/** Fetches parts from a source into a keyring. */
export class PartFetcher {
  readonly #source: KeyringSource;
  readonly #ring: Ring;
  readonly #life: Lifetime;
  readonly #timeoutSeconds: number;
  readonly #tell: Tell;
  readonly #flights: Flights<Fetched>;
  readonly #turns: Turns;
  readonly #bucket = new TokenBucket(BURST, PER_SECOND);
  readonly #failures = new Recent<Failure>();
  /** Which parts came, and as the how manieth. */
  readonly #came = new Recent<number>();
  #number = 0;

  constructor(source: KeyringSource, ring: Ring, life: Lifetime, timeoutSeconds: number, tell: Tell) {
    this.#source = source;
    this.#ring = ring;
    this.#life = life;
    this.#timeoutSeconds = timeoutSeconds;
    this.#tell = tell;
    this.#flights = new Flights(life);
    this.#turns = new Turns(life, MOST_AT_ONCE, MOST_WAITING, (timeoutSeconds + 1) * 1000);
  }

  /**
   * Fetches a part that a verdict at `now` has just needed, once for all who need it. `pay` is called if that took a
   * token.
   *
   * @throws {ClavigerError} `disposed`.
   */
  fetch(part: NeededPart, now: number, pay: () => void): Promise<Fetched> {
    const before = this.#number;
    return this.#flights.join(part.hash, async () => {
      if (this.#failures.get(part.hash)?.rest.passed(now) === false) {
        this.#ring.await(part);
        return "failed";
      }
      if (!this.#bucket.take(now)) return "refused";
      const end = await this.#turns.take();
      // It may have come while this waited.
      const came = (this.#came.get(part.hash) ?? 0) > before;
      if (end === undefined || came) {
        this.#bucket.giveBack(1);
        end?.();
        return came ? "here" : "refused";
      }
      pay();
      try {
        return await this.#load(part, now);
      } finally {
        end();
      }
    });
  }

  /** Gives back the tokens of a verification that has proved a key. */
  giveBack(tokens: number): void {
    this.#bucket.giveBack(tokens);
  }

  /**
   * Fetches a part that is awaited, whether or not it has failed before.
   *
   * @throws {ClavigerError} `disposed`.
   */
  fetchAwaited(part: NeededPart, now: number): Promise<Fetched> {
    return this.#flights.join(part.hash, () => this.#load(part, now));
  }

  /** How often a part has failed in a row. */
  failures(part: NeededPart): number {
    return this.#failures.get(part.hash)?.times ?? 0;
  }

  async #load(part: NeededPart, now: number): Promise<Fetched> {
    const { replacements } = this.#ring;
    try {
      const answer = await this.#life.call(this.#timeoutSeconds, (options) => this.#source.part(part.hash, options));
      this.#life.check();
      this.#ring.insert(part, readPart(answer));
    } catch (error) {
      this.#life.check();
      const code = error instanceof ClavigerError ? error.code : undefined;
      const old = code === "no_such_part" || code === "wrong_hash" || code === "part_unavailable";
      // The keyring may name another one by now, and this one be gone.
      if (old && this.#ring.replacements !== replacements) return "moved";
      this.#failed(part, now);
      // Whoever is in doubt about a part lets the keyring before decide. One with the right hash that breaks the rules
      // leaves no doubt, and the lack of memory is not its fault.
      if (code !== "invalid_keyring" && code !== "no_memory") this.#ring.await(part);
      this.#tell({ type: "part_failed", part, error });
      return "failed";
    }
    this.#failures.delete(part.hash);
    this.#came.set(part.hash, (this.#number += 1));
    return "here";
  }

  #failed(part: NeededPart, now: number): void {
    const failure = this.#failures.get(part.hash) ?? { times: 0, rest: new NotBefore() };
    failure.times += 1;
    failure.rest.put(now, backoffSeconds(failure.times, LONGEST_BACKOFF_SECONDS));
    this.#failures.set(part.hash, failure);
  }
}
