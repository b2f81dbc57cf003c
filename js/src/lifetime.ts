/** Waiting: never for longer than was said, and never beyond the end of the verifier. */
import { ClavigerError } from "./errors.js";
import type { SourceOptions } from "./source.js";

/** When so many wait, or twice as many as are left, those are looked for who are gone. */
const MANY = 256;

/** The life of a verifier, with everything that waits in it. */
export class Lifetime {
  /** What ends each wait, and the time (in milliseconds) by which it has ended by itself. */
  readonly #ends = new Map<() => void, number>();
  #many = MANY;
  #ended = false;

  /** Throws if it is over. */
  check(): void {
    if (this.#ended) throw disposed();
  }

  /** Ends it: whatever waits gets the error `disposed`. */
  end(): void {
    this.#ended = true;
    for (const end of [...this.#ends.keys()]) end();
    this.#ends.clear();
  }

  /**
   * Calls a source, and waits for its answer for at most so many seconds, whether or not it heeds its signal.
   *
   * @throws {ClavigerError} `timed_out` or `disposed`; and what the source throws.
   */
  call<T>(seconds: number, work: (options: SourceOptions) => Promise<T>): Promise<T> {
    // One for each call: in a Worker nothing that is bound to a request may be used by another.
    const controller = new AbortController();
    const answer = (async () => work({ signal: controller.signal }))();
    return new Promise((resolve, reject) => {
      const give = this.#race(seconds * 1000, (error) => {
        reject(error);
        try {
          controller.abort(error);
        } catch {
          // Where it belongs to a request that is over, there is nobody left to be told.
        }
      });
      answer.then(
        (value) => give(() => resolve(value)),
        (error: unknown) => give(() => reject(error)),
      );
    });
  }

  /**
   * Waits until a promise is settled, however; whether it is within so many milliseconds.
   *
   * @throws {ClavigerError} `disposed`.
   */
  settles(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const give = this.#race(milliseconds, (error) => (error.code === "timed_out" ? resolve(false) : reject(error)));
      const settled = (): void => give(() => resolve(true));
      promise.then(settled, settled);
    });
  }

  /** Calls `lose` after this time or at the end, unless what it returns was called before with what is to be done. */
  #race(milliseconds: number, lose: (error: ClavigerError) => void): (win: () => void) => void {
    const finish = (): boolean => {
      clearTimeout(timer);
      return this.#ends.delete(end);
    };
    const late = (): void => {
      if (finish()) lose(new ClavigerError("timed_out", `no answer within ${milliseconds / 1000} seconds`));
    };
    const end = (): void => {
      if (finish()) lose(disposed());
    };
    const timer = setTimeout(late, milliseconds);
    this.#add(end, milliseconds);
    if (this.#ended) end();
    return (win) => {
      if (finish()) win();
    };
  }

  /** In Cloudflare Workers, a request that is cancelled takes its timers along, and never comes back to this. */
  #add(end: () => void, milliseconds: number): void {
    const now = Date.now();
    if (this.#ends.size >= this.#many) {
      for (const [other, until] of this.#ends) if (until + 1000 < now) this.#ends.delete(other);
      this.#many = Math.max(MANY, 2 * this.#ends.size);
    }
    this.#ends.set(end, now + milliseconds);
  }
}

export function disposed(): ClavigerError {
  return new ClavigerError("disposed", "the verifier was disposed");
}
