/**
 * Nonces of signed requests in Durable Objects of Cloudflare Workers: shared by all isolates, in one place for each nonce.
 *
 * @module
 */
import { optionalFunction, optionalInteger, requireFunction, requireInteger, requireNumber, requireObject, requireString } from "./errors.js";
import { requireEntry } from "./replay.js";
import type { ReplayAnswer, ReplayStore, ResponseLike } from "./slim.js";

/** A binding of {@link ReplayDurableObject}: what is used of a `DurableObjectNamespace`. */
export interface ReplayNamespace {
  /** The id of the object of this name. */
  idFromName(name: string): any;
  /** What sends requests to the object. */
  get(id: any): {
    /** Sends one. */
    fetch(url: string, init: any): Promise<{ readonly status: number; text(): Promise<string> }>;
  };
}

/** Options of {@link durableObjectReplayStore}. */
export interface DurableObjectReplayStoreOptions {
  /**
   * Among how many objects the nonces are divided; by default 1, which takes some hundred requests a second. When the number
   * changes, nonces are looked for elsewhere: change it when the signatures of before are over, or accept that they can be
   * repeated.
   */
  shards?: number;
  /** The objects' names are this, `-` and a number; by default `claviger-nonces`. */
  name?: string;
  /** After how many seconds the answer is `unavailable`; by default 2. */
  timeoutSeconds?: number;
  /** Is called whenever an answer is `unavailable` because something failed. What it throws is ignored. */
  onError?: (error: unknown) => void;
}

/** What is used of the storage of a Durable Object with SQLite. */
export interface ReplayObjectState {
  /** Its storage. */
  readonly storage: {
    /** Its database. */
    readonly sql: {
      /** Runs a statement. */
      exec(statement: string, ...values: any[]): Iterable<any>;
    };
    /** When it will be woken. */
    getAlarm(): Promise<number | null>;
    /** Has it woken, in milliseconds of Unix time. */
    setAlarm(time: number): Promise<void>;
  };
}

/** For how many seconds longer than `keepUntil` an entry is kept: by so much may the clocks of this all differ. */
const CLOCK_MARGIN = 60;
/** The most that is promised, in seconds: a mistaken `keepUntil` must not stay for ever. */
const MOST_SECONDS = 86_400;
const MOST_SHARDS = 4096;
const MOST_TIMEOUT_SECONDS = 60;
const DEFAULT_TIMEOUT_SECONDS = 2;

const ANSWERS: readonly string[] = ["fresh", "seen", "unavailable"] satisfies ReplayAnswer[];

/**
 * A store of nonces in the Durable Objects of a namespace whose class is {@link ReplayDurableObject}.
 *
 * Whatever fails is `unavailable`. A question that fails is asked once more, with the token of the first: if that was heard
 * after all, the answer is `fresh` all the same. When the time is over, the nonce may have been stored; a client that then
 * repeats the same signed request gets `seen`, and has to sign anew.
 *
 * An entry whose `keepUntil` is over, or more than a day ahead, is `unavailable`.
 *
 * @throws {TypeError} if a parameter has a wrong type.
 */
export function durableObjectReplayStore(namespace: ReplayNamespace, options: DurableObjectReplayStoreOptions = {}): ReplayStore {
  const binding = requireObject("namespace", namespace);
  for (const method of ["idFromName", "get"]) requireFunction(`namespace.${method}`, binding[method]);
  const given = requireObject("options", options);
  const shards = Math.max(optionalInteger("options.shards", given["shards"], 1, MOST_SHARDS), 1);
  const name = given["name"] === undefined ? "claviger-nonces" : requireString("options.name", given["name"]);
  const seconds = given["timeoutSeconds"] === undefined ? DEFAULT_TIMEOUT_SECONDS : requireNumber("options.timeoutSeconds", given["timeoutSeconds"]);
  if (!(seconds > 0 && seconds <= MOST_TIMEOUT_SECONDS)) throw new TypeError(`options.timeoutSeconds must be more than 0, and at most ${MOST_TIMEOUT_SECONDS}`);
  const onError = optionalFunction("options.onError", given["onError"]);

  async function ask(id: string, keepUntil: number, token: string): Promise<ReplayAnswer> {
    const shard = Number.parseInt(id.slice(-8), 16) % shards;
    const stub = namespace.get(namespace.idFromName(`${name}-${shard}`));
    const response = await stub.fetch("https://nonces/", { method: "POST", body: JSON.stringify({ id, keepUntil, token }) });
    const answer = await response.text();
    if (response.status !== 200 || !ANSWERS.includes(answer)) throw new Error(`the Durable Object of nonces answered with status ${response.status}`);
    return answer as ReplayAnswer;
  }

  return {
    async checkAndInsert(entry, now) {
      const { id, keepUntil } = requireEntry(entry);
      const ahead = keepUntil - requireInteger("now", now);
      if (ahead < 0 || ahead > MOST_SECONDS) return "unavailable";
      let timer: ReturnType<typeof setTimeout> | undefined;
      try {
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error(`the Durable Object of nonces did not answer within ${seconds} seconds`)), seconds * 1000);
        });
        const token = crypto.randomUUID();
        let isLate = false;
        late.catch(() => (isLate = true));
        const again = (error: unknown): Promise<ReplayAnswer> => (isLate ? Promise.reject(error) : ask(id, keepUntil, token));
        return await Promise.race([ask(id, keepUntil, token).catch(again), late]);
      } catch (error) {
        try {
          onError?.(error);
        } catch {
          // The answer is the same.
        }
        return "unavailable";
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/**
 * The Durable Object that remembers nonces, in its SQLite database: export it from the Worker, and bind it as a class of
 * `new_sqlite_classes`. An alarm deletes what is over.
 *
 * It answers `durableObjectReplayStore` and nobody else: no route of the Worker should lead there.
 */
export class ReplayDurableObject {
  readonly #storage: ReplayObjectState["storage"];

  constructor(state: ReplayObjectState) {
    this.#storage = state.storage;
    this.#storage.sql.exec("CREATE TABLE IF NOT EXISTS nonces (id TEXT PRIMARY KEY, keep_until INTEGER NOT NULL, token TEXT NOT NULL) WITHOUT ROWID");
    this.#storage.sql.exec("CREATE INDEX IF NOT EXISTS nonces_by_time ON nonces (keep_until)");
  }

  /** Puts in an entry that is not there, and says whether it was not. */
  async fetch(request: { json(): Promise<unknown> }): Promise<ResponseLike> {
    const asked = requireObject("the question", await request.json());
    const { id, keepUntil } = requireEntry(asked);
    return new Response(await this.#putIfAbsent(id, keepUntil, requireString("token", asked["token"])));
  }

  /** Deletes what is over. */
  async alarm(): Promise<void> {
    const now = Date.now() / 1000;
    this.#storage.sql.exec("DELETE FROM nonces WHERE keep_until < ?", Math.floor(now) - CLOCK_MARGIN);
    const [next] = this.#storage.sql.exec("SELECT MIN(keep_until) AS until FROM nonces");
    const until: unknown = next?.until;
    // Many at once: each time costs.
    if (typeof until === "number") await this.#storage.setAlarm(Math.max(wakeAt(until), (now + CLOCK_MARGIN) * 1000));
  }

  async #putIfAbsent(id: string, keepUntil: number, token: string): Promise<ReplayAnswer> {
    // By its own clock: it is that which forgets.
    const ahead = keepUntil - Math.floor(Date.now() / 1000);
    if (ahead < -CLOCK_MARGIN || ahead > MOST_SECONDS + CLOCK_MARGIN) return "unavailable";
    // Nothing comes between the statements, and nothing is answered before they are kept.
    this.#storage.sql.exec("INSERT INTO nonces (id, keep_until, token) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING", id, keepUntil, token);
    const [present] = this.#storage.sql.exec("SELECT token FROM nonces WHERE id = ?", id);
    if (present?.token !== token) return "seen";
    if ((await this.#storage.getAlarm()) === null) await this.#storage.setAlarm(wakeAt(keepUntil));
    return "fresh";
  }
}

/** When an entry is over, in milliseconds. */
function wakeAt(keepUntil: number): number {
  return (keepUntil + CLOCK_MARGIN + 1) * 1000;
}
