/** Doing only so many things at once: the others wait for their turn. */
import type { Lifetime } from "./lifetime.js";

/** How often somebody who waits looks whether a turn has been lost. */
const LOOK_MILLISECONDS = 1000;

/** A place that somebody has taken. */
interface Turn {
  readonly since: number;
}

/** So many turns at once. */
export class Turns {
  readonly #life: Lifetime;
  readonly #most: number;
  readonly #mostWaiting: number;
  readonly #longest: number;
  readonly #taken = new Set<Turn>();
  /** Who waits, the longest first. */
  readonly #waiting = new Set<(turn: Turn) => void>();

  /**
   * At most `most` turns at once and `mostWaiting` who wait. Nobody keeps a turn, or waits for one, for longer than
   * `longest` milliseconds: in Cloudflare Workers, whoever has one may be gone.
   */
  constructor(life: Lifetime, most: number, mostWaiting: number, longest: number) {
    this.#life = life;
    this.#most = most;
    this.#mostWaiting = mostWaiting;
    this.#longest = longest;
  }

  /** Waits for a turn, and returns what ends it; `undefined` if too many wait already, or it takes too long. */
  async take(): Promise<(() => void) | undefined> {
    if (this.#waiting.size === 0 && this.#free()) return this.#ending(this.#begin());
    if (this.#waiting.size >= this.#mostWaiting) return undefined;
    const until = Date.now() + this.#longest;
    let turn: Turn | undefined;
    let call = (_: Turn): void => {};
    const called = new Promise<void>((resolve) => {
      call = (given) => {
        turn = given;
        resolve();
      };
    });
    this.#waiting.add(call);
    try {
      while (!(await this.#life.settles(called, LOOK_MILLISECONDS)) && turn === undefined) {
        if (this.#free()) turn = this.#begin();
        else if (Date.now() >= until) return undefined;
      }
    } finally {
      this.#waiting.delete(call);
    }
    return this.#ending(turn ?? this.#begin());
  }

  /** Whether a turn is free, those that were lost included. */
  #free(): boolean {
    if (this.#taken.size < this.#most) return true;
    const lost = Date.now() - this.#longest;
    for (const turn of this.#taken) if (turn.since < lost) this.#taken.delete(turn);
    return this.#taken.size < this.#most;
  }

  #begin(): Turn {
    const turn = { since: Date.now() };
    this.#taken.add(turn);
    return turn;
  }

  /** What ends a turn, and gives it to whoever has waited for longest. */
  #ending(turn: Turn): () => void {
    return () => {
      if (!this.#taken.delete(turn)) return;
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      next(this.#begin());
    };
  }
}
