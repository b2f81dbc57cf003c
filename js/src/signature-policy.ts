/** What a verifier demands of signatures, and what remembers their nonces. */
import { unixSeconds } from "./clock.js";
import { ClavigerError, optionalBoolean, requireFunction, requireInteger, requireObject, requireString, requireStrings } from "./errors.js";
import { exchange } from "./wasm.js";
import { NonceWindow, type ReplayAnswer, type ReplayEntry, type ReplayStore } from "./replay.js";
import type { Denied, Verified } from "./verdict.js";

/** What is demanded of a signature beyond that it is right. */
export interface SignaturePolicy {
  /**
   * What must be covered, by name: derived components (`@path`) and fields (`content-type`). By default `@method`, `@authority`,
   * `@path` and `@query`. `@target-uri` stands for `@scheme`, `@authority`, `@path` and `@query` as well, and `@request-target` for the
   * last two.
   */
  requiredComponents?: readonly string[];
  /** Whether `content-digest` must be covered where there is a body (by default it must). */
  requireContentDigest?: boolean;
  /** Whether there must be a time of signing (by default there must). Where `maxAge` is a number, there must be one. */
  requireCreated?: boolean;
  /** How many seconds after it was made a signature may be used: by default 300. `null`: only its `expires` ends it. */
  maxAge?: number | null;
  /** By how many seconds the clock of the signer may be ahead: by default 30. */
  futureSkew?: number;
  /**
   * Which signatures must have a nonce, by which a request that comes twice is told: by default those of methods that are not
   * idempotent (POST, PATCH, and those that are not known). A nonce that is there is looked at in any case.
   */
  nonce?: "never" | "unless_idempotent" | "always";
  /** Which signatures are looked at, where a request has others as well: those with this `tag` alone. */
  tag?: string;
}

/** Options of what verifies signatures. */
export interface SignatureOptions extends SignaturePolicy {
  /**
   * What remembers nonces. By default a `NonceWindow` in memory: other processes, and other isolates of a Worker, do not know
   * what it has seen.
   */
  replayStore?: ReplayStore;
  /**
   * The scheme and authority by which clients know the server, such as `https://api.example`. It takes the place of those in the
   * url of a request, which may be what the client says; requests of Node, whose url is a path, need it.
   */
  origin?: string;
}

const NAMES: readonly string[] = [
  "requiredComponents", "requireContentDigest", "requireCreated", "maxAge", "futureSkew", "nonce", "tag", "replayStore", "origin",
] satisfies (keyof SignatureOptions)[];

const DEFAULT_COMPONENTS = ["@method", "@authority", "@path", "@query"];
const DEFAULT_MAX_AGE = 300;
const DEFAULT_FUTURE_SKEW = 30;
const MOST_SECONDS = 0xffff_ffff;
const NONCES = ["never", "unless_idempotent", "always"];

const CONTENT_DIGEST = 1;
const CREATED = 2;
const HAS_MAX_AGE = 4;
const HAS_TAG = 8;

/** Options that were looked over. */
export interface ReadPolicy {
  /** The record of the core (`SignaturePolicyRecord`). */
  readonly record: Uint8Array;
  /** `undefined` if nobody is asked about nonces. */
  readonly store: ReplayStore | undefined;
}

/** Looks options over; `at` is what they are called. Of others that are there `others` are known. */
export function readPolicy(at: string, options: unknown, others: readonly string[] = []): ReadPolicy {
  const given = requireObject(at, options);
  // A misspelt demand would demand nothing.
  const unknown = Object.keys(given).find((name) => !NAMES.includes(name) && !others.includes(name));
  if (unknown !== undefined) throw new TypeError(`${at}.${unknown} is not an option: they are ${[...NAMES, ...others].join(", ")}`);
  const { requiredComponents, requireContentDigest = true, requireCreated = true, nonce = "unless_idempotent", tag } = given;
  const components = requiredComponents === undefined ? DEFAULT_COMPONENTS : requireStrings(`${at}.requiredComponents`, requiredComponents);
  components.forEach((name, index) => {
    if (!/^@?[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) {
      throw new TypeError(`${at}.requiredComponents[${index}] must be a name in lowercase, such as "@path" or "content-type"`);
    }
  });
  const maxAge = given["maxAge"] === null ? null : integer(`${at}.maxAge`, given["maxAge"], DEFAULT_MAX_AGE);
  const futureSkew = integer(`${at}.futureSkew`, given["futureSkew"], DEFAULT_FUTURE_SKEW);
  const rule = NONCES.indexOf(nonce as string);
  if (rule < 0) throw new TypeError(`${at}.nonce must be one of ${NONCES.join(", ")}`);
  if (tag !== undefined && !/^[ -~]{1,256}$/.test(requireString(`${at}.tag`, tag))) {
    throw new TypeError(`${at}.tag must be 1 to 256 characters of ASCII`);
  }
  const flags =
    (optionalBoolean(`${at}.requireContentDigest`, requireContentDigest) ? CONTENT_DIGEST : 0) |
    (optionalBoolean(`${at}.requireCreated`, requireCreated) ? CREATED : 0) |
    (maxAge === null ? 0 : HAS_MAX_AGE) |
    (tag === undefined ? 0 : HAS_TAG);
  const texts = new TextEncoder().encode(`${tag ?? ""}${components.map((name) => `${name}\0`).join("")}`);
  const record = new Uint8Array(12 + texts.length);
  const numbers = new DataView(record.buffer);
  record[0] = flags;
  record[1] = rule;
  numbers.setUint16(2, (tag as string | undefined)?.length ?? 0, true);
  numbers.setUint32(4, maxAge ?? 0, true);
  numbers.setUint32(8, futureSkew, true);
  record.set(texts, 12);
  return { record, store: storeOf(at, given["replayStore"], maxAge, futureSkew, nonce === "never") };
}

function integer(parameter: string, value: unknown, byDefault: number): number {
  return value === undefined ? byDefault : requireInteger(parameter, value, MOST_SECONDS);
}

function storeOf(at: string, given: unknown, maxAge: number | null, futureSkew: number, never: boolean): ReplayStore | undefined {
  if (given !== undefined) {
    requireFunction(`${at}.replayStore.checkAndInsert`, requireObject(`${at}.replayStore`, given)["checkAndInsert"]);
    return given as unknown as ReplayStore;
  }
  if (maxAge !== null) return new NonceWindow({ keepSeconds: Math.min(maxAge + futureSkew, MOST_SECONDS) });
  // What is good for ever cannot be remembered in memory.
  if (never) return undefined;
  throw new ClavigerError("invalid_options", `${at}.maxAge: null needs ${at}.replayStore, or ${at}.nonce "never"`);
}

/** Writes the record for the next call. */
export function putPolicy(policy: ReadPolicy): void {
  exchange.put(policy.record);
}

/**
 * Asks about a nonce of a request that came at `now`, when the clock said `started`. What fails, or answers something else, cannot
 * tell. It waits for nothing that is here already.
 */
export function askStore(store: ReplayStore, entry: ReplayEntry, now: number, started: number): ReplayAnswer | Promise<ReplayAnswer> {
  // While a body or parts of the keyring came, the signature may have got too old: the store need not know of it any more.
  const asked = Math.floor(now) + Math.max(unixSeconds() - started, 0);
  if (entry.keepUntil < asked) return "unavailable";
  try {
    const answer = store.checkAndInsert(entry, asked);
    return isAnswer(answer) ? answer : awaitAnswer(answer);
  } catch {
    return "unavailable";
  }
}

async function awaitAnswer(answer: unknown): Promise<ReplayAnswer> {
  try {
    const awaited = await answer;
    return isAnswer(awaited) ? awaited : "unavailable";
  } catch {
    return "unavailable";
  }
}

function isAnswer(answer: unknown): answer is "fresh" | "seen" {
  return answer === "fresh" || answer === "seen";
}

/** The denial of a request whose nonce is not fresh. */
export function notFresh(answer: Exclude<ReplayAnswer, "fresh">): "replayed" | "replay_unavailable" {
  return answer === "seen" ? "replayed" : "replay_unavailable";
}

/** The denial in the place of a verdict. */
export function overruled({ keyId, freshness, epoch, age }: Verified, code: Denied["code"]): Denied {
  return { verified: false, code, keyId, freshness, epoch, age };
}
