/** When something is tried again, and how often it may be done: by the clock of whoever asks, in Unix seconds. */

/** Clocks of callers differ. One that is further behind was set back, and what it was told no longer holds. */
const SKEW_SECONDS = 60;

/** A time before which something is not to be done; at first it may be. */
export class NotBefore {
  #set = 0;
  #until = 0;

  /** Not before so many seconds from now. */
  put(now: number, seconds: number): void {
    this.#set = now;
    this.#until = now + seconds;
  }

  passed(now: number): boolean {
    return now >= this.#until || now < this.#set - SKEW_SECONDS;
  }
}

/** The seconds to wait after so many failures in a row: 1, 2, 4 and so on. */
export function backoffSeconds(failures: number, most: number): number {
  return Math.min(most, 2 ** Math.min(failures - 1, 30));
}

/** A time changed by up to a fifth, so that verifiers that began together do not ask together. */
export function jittered(seconds: number): number {
  return seconds * (0.8 + 0.4 * Math.random());
}

/** Tokens, one for each thing that may be done: so many at once, and so many more each second. */
export class TokenBucket {
  readonly #most: number;
  readonly #perSecond: number;
  #tokens: number;
  #filled: number | undefined;

  constructor(most: number, perSecond: number) {
    this.#most = this.#tokens = most;
    this.#perSecond = perSecond;
  }

  /** Takes a token; whether there was one. */
  take(now: number): boolean {
    const filled = (this.#filled ??= now);
    if (now > filled || now < filled - SKEW_SECONDS) {
      this.#filled = now;
      this.#tokens = Math.min(this.#most, this.#tokens + Math.max(0, now - filled) * this.#perSecond);
    }
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  giveBack(tokens: number): void {
    this.#tokens = Math.min(this.#most, this.#tokens + tokens);
  }
}
