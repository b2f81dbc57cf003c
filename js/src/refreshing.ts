/**
 * Keeping a keyring up to date: when the source is asked, what its answer does, and when it is asked again.
 *
 * Every automatic refresh goes by the clock of whoever asks (`now`, in Unix seconds); only the timers of the background
 * go by the runtime's.
 */
import { unixSeconds } from "./clock.js";
import { ClavigerError } from "./errors.js";
import type { Tell } from "./events.js";
import type { PartFetcher } from "./fetching.js";
import { Flights } from "./flights.js";
import { type Lifetime } from "./lifetime.js";
import type { Ring } from "./ring.js";
import { NotBefore, backoffSeconds, jittered } from "./schedule.js";
import { type KeyringSource, readEpoch, readKeyring } from "./source.js";

/** After a refresh that succeeded, verifications do not begin another one for so long. */
const REST_SECONDS = 1;
const LONGEST_BACKOFF_SECONDS = 60;
/** The longest time between two attempts at parts that are awaited. */
const LONGEST_PARTS_BACKOFF_SECONDS = 30;
const PARTS_AT_ONCE = 4;
/** When so many parts have failed one after the other, the source is left alone until the next refresh. */
const MOST_FAILURES = 64;
/** A refresh takes seconds; what is longer is for when there is no keyring that says how long it is good. */
const LEAST_INTERVAL_SECONDS = 1;

/** What became of a refresh. */
export type Refreshed = "replaced" | "unchanged";

/** How a refresher is set up; times in seconds. */
export interface RefresherSettings {
  /** Between two refreshes; `undefined`: a quarter of the time for which the keyring is fresh. */
  readonly refreshSeconds: number | undefined;
  /** For one call of the source. */
  readonly timeoutSeconds: number;
}

/** Refreshes a keyring from a source. */
export class Refresher {
  readonly #source: KeyringSource;
  readonly #ring: Ring;
  readonly #fetcher: PartFetcher;
  readonly #life: Lifetime;
  readonly #settings: RefresherSettings;
  readonly #tell: Tell;
  readonly #flights: Flights<Refreshed>;
  /** The tag of the keyring that is in use, if it came from the source. */
  #tag: string | undefined;
  #failures = 0;
  /** When a refresh is due again. */
  readonly #next = new NotBefore();
  /** When a verification may begin one. */
  readonly #soon = new NotBefore();
  /** When parts that are awaited are tried again, and how often they were. */
  readonly #parts = new NotBefore();
  #partsFailures = 0;
  /** The highest epoch that the source remembers; `undefined` until it was asked. */
  #remembered: number | undefined;
  #halfExpired: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #inBackground = false;
  /** Whether the timer was set for parts that are awaited. */
  #hurrying = false;

  constructor(
    source: KeyringSource,
    ring: Ring,
    fetcher: PartFetcher,
    life: Lifetime,
    settings: RefresherSettings,
    tell: Tell,
  ) {
    this.#source = source;
    this.#ring = ring;
    this.#fetcher = fetcher;
    this.#life = life;
    this.#settings = settings;
    this.#tell = tell;
    this.#flights = new Flights(life);
  }

  /**
   * Asks the source, with all who ask at the same time.
   *
   * @throws {ClavigerError} what {@link Ring.replace} throws, `no_keyring`, `timed_out` or `disposed`; and what the
   * source throws.
   */
  refresh(now: number): Promise<Refreshed> {
    return this.#flights.join("", () => this.#refresh(now));
  }

  /** Whether a verification at this time has to wait for a refresh. */
  isNeeded(now: number): boolean {
    return this.#soon.passed(now) && this.#isStale(now);
  }

  /** Whether a refresh is due. */
  isDue(now: number): boolean {
    if (!this.#soon.passed(now)) return false;
    return this.#next.passed(now) || this.#isStale(now) || (this.#parts.passed(now) && this.#ring.awaited().length > 0);
  }

  /** Forgets the tag, so that the source gives the whole keyring again, whichever it is. */
  forgetTag(): void {
    this.#tag = undefined;
  }

  /** Tells, once for each keyring, that half of its life is over. */
  lookAtAge(now: number): void {
    const { info } = this.#ring;
    if (info === undefined || info.epoch === this.#halfExpired) return;
    const { epoch, validFor } = info;
    const age = Math.max(0, now - info.issuedAt);
    if (age < validFor / 2) return;
    this.#halfExpired = epoch;
    this.#tell({ type: "half_expired", epoch, age, validFor });
  }

  /** Refreshes again and again, until {@link stop}. */
  start(): void {
    if (this.#inBackground) return;
    this.#inBackground = true;
    this.#plan(this.isDue(unixSeconds()) ? 0 : this.#interval());
  }

  /** Ends {@link start}. A refresh that is under way goes on. */
  stop(): void {
    this.#inBackground = false;
    clearTimeout(this.#timer);
  }

  /** Notes that a verification awaits a part: the background tries it before its time. */
  hurry(): void {
    if (!this.#inBackground || this.#hurrying) return;
    this.#hurrying = true;
    this.#plan(this.#partsBackoff());
  }

  #plan(seconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#inTheBackground(), seconds * 1000);
    // A program that has nothing else to do may end. Where this is a number, there is no such thing.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  async #inTheBackground(): Promise<void> {
    let seconds: number;
    try {
      await this.refresh(unixSeconds());
      seconds = this.#interval();
      this.#hurrying = this.#ring.awaited().length > 0;
      if (this.#hurrying) seconds = Math.min(seconds, this.#partsBackoff());
    } catch {
      this.#hurrying = false;
      // It was told.
      seconds = jittered(backoffSeconds(Math.max(1, this.#failures), LONGEST_BACKOFF_SECONDS));
    }
    if (this.#inBackground) this.#plan(seconds);
  }

  #isStale(now: number): boolean {
    const { info } = this.#ring;
    return info === undefined || now - info.issuedAt >= info.freshFor;
  }

  /** The seconds until the next refresh. */
  #interval(): number {
    const { refreshSeconds } = this.#settings;
    const freshFor = this.#ring.info?.freshFor ?? 0;
    return jittered(refreshSeconds ?? Math.max(LEAST_INTERVAL_SECONDS, freshFor / 4));
  }

  #partsBackoff(): number {
    return backoffSeconds(Math.max(1, this.#partsFailures), LONGEST_PARTS_BACKOFF_SECONDS);
  }

  async #refresh(now: number): Promise<Refreshed> {
    const epochBefore = this.#ring.info?.epoch;
    let refreshed: Refreshed;
    try {
      await this.#readRemembered();
      const { timeoutSeconds } = this.#settings;
      const answer = await this.#life.call(timeoutSeconds, (options) => this.#source.keyring(this.#tag, options));
      this.#life.check();
      refreshed = this.#take(readKeyring(answer), now, epochBefore);
    } catch (error) {
      this.#life.check();
      this.#failures += 1;
      const retryInSeconds = jittered(backoffSeconds(this.#failures, LONGEST_BACKOFF_SECONDS));
      this.#next.put(now, retryInSeconds);
      this.#soon.put(now, retryInSeconds);
      this.#tell({ type: "refresh_failed", error, failures: this.#failures, retryInSeconds });
      this.lookAtAge(now);
      this.#life.check();
      throw error;
    }
    this.#failures = 0;
    this.#next.put(now, this.#interval());
    this.#soon.put(now, REST_SECONDS);
    const epoch = this.#ring.info?.epoch ?? 0;
    this.#tell({ type: "refreshed", epoch, changed: refreshed === "replaced" });
    this.lookAtAge(now);
    this.#life.check();
    await this.#remember(epoch);
    await this.#fetchAwaited(now);
    return refreshed;
  }

  /** Puts in place what the source gave. All in one go, so that no verification comes between. */
  #take(given: ReturnType<typeof readKeyring>, now: number, epochBefore: number | undefined): Refreshed {
    if (given === null) {
      if (this.#ring.info === undefined) throw new ClavigerError("no_keyring", "the source has no keyring");
      return "unchanged";
    }
    let refreshed: Refreshed;
    try {
      refreshed = this.#ring.replace(given.bytes, now);
    } catch (error) {
      const overtaken = (this.#ring.info?.epoch ?? -1) > (epochBefore ?? -1);
      // Another refresh has brought a newer one while this was under way.
      if (overtaken && error instanceof ClavigerError && error.code === "older_epoch") return "unchanged";
      throw error;
    }
    this.#tag = given.tag;
    return refreshed;
  }

  /** Asks the source once for the epoch that it remembers. Who does not know it cannot tell an old keyring from a new one. */
  async #readRemembered(): Promise<void> {
    if (this.#remembered !== undefined || this.#source.rememberedEpoch === undefined) return;
    const answer = await this.#life.call(this.#settings.timeoutSeconds, async () => this.#source.rememberedEpoch?.());
    this.#life.check();
    const epoch = readEpoch(answer);
    this.#ring.raiseMinEpoch(epoch);
    this.#remembered = Math.max(epoch, this.#remembered ?? 0);
  }

  async #remember(epoch: number): Promise<void> {
    const before = this.#remembered ?? 0;
    if (this.#source.rememberEpoch === undefined || epoch <= before) return;
    this.#remembered = epoch;
    try {
      await this.#life.call(this.#settings.timeoutSeconds, async () => this.#source.rememberEpoch?.(epoch));
    } catch (error) {
      this.#life.check();
      // So that the next refresh tries it again.
      if (this.#remembered === epoch) this.#remembered = before;
      this.#tell({ type: "epoch_not_remembered", error });
    }
  }

  /** Fetches the parts that are awaited. Those that cannot be had stay awaited. */
  async #fetchAwaited(now: number): Promise<void> {
    const { replacements } = this.#ring;
    const parts = this.#ring.awaited();
    // What has not failed yet comes first.
    const order = new Map(parts.map((part) => [part, this.#fetcher.failures(part)]));
    parts.sort((one, other) => (order.get(one) as number) - (order.get(other) as number));
    let [next, failures] = [0, 0];
    const fetchOneByOne = async (): Promise<void> => {
      while (next < parts.length && failures < MOST_FAILURES && this.#ring.replacements === replacements) {
        const part = parts[next++];
        const fetched = part === undefined ? "moved" : await this.#fetcher.fetchAwaited(part, now);
        failures = fetched === "failed" ? failures + 1 : 0;
      }
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, fetchOneByOne));
    this.#life.check();
    if (parts.length === 0 || this.#ring.awaited().length === 0) {
      this.#partsFailures = 0;
      return;
    }
    this.#partsFailures += 1;
    this.#parts.put(now, this.#partsBackoff());
  }
}
