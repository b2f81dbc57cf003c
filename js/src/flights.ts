/** One piece of work for all who want it at the same time. */
import type { Lifetime } from "./lifetime.js";

/**
 * For how long somebody waits for the work of somebody else. In Cloudflare Workers, what another request has begun may
 * never end; so after this time one begins anew, and the others wait for that.
 */
const OTHERS_MILLISECONDS = 1000;

/** Work that is under way, by name. */
export class Flights<T> {
  readonly #latest = new Map<string, Promise<T>>();
  readonly #life: Lifetime;

  constructor(life: Lifetime) {
    this.#life = life;
  }

  /** Waits for the work of this name that is under way; if there is none, or it takes long, does it. */
  async join(name: string, work: () => Promise<T>): Promise<T> {
    let awaited: Promise<T> | undefined;
    for (let latest = this.#latest.get(name); latest !== undefined && latest !== awaited; latest = this.#latest.get(name)) {
      if (await this.#life.settles(latest, OTHERS_MILLISECONDS)) return latest;
      awaited = latest;
    }
    const own = work();
    this.#latest.set(name, own);
    try {
      return await own;
    } finally {
      if (this.#latest.get(name) === own) this.#latest.delete(name);
    }
  }
}
