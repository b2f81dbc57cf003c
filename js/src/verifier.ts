/// <reference lib="esnext.disposable" preserve="true" />
/** The verifier: presented keys in, verdicts out. */
import { RawVerifier } from "../wasm/claviger.js";
import { type Facts, type RequestContext, readFacts, readNow, writeContext } from "./context.js";
import { denialClasses } from "./denial-codes.js";
import {
  ClavigerError,
  optionalBoolean,
  optionalInteger,
  requireBytes,
  requireInteger,
  requireObject,
  requireString,
  wrongType,
} from "./errors.js";
import { decoder, encoder } from "./exchange.js";
import { Lifetime, disposed } from "./lifetime.js";
import { type Living, livingBy } from "./living.js";
import { PolicyCache } from "./policy.js";
import type { Presented } from "./request-verifier.js";
import type { Ring } from "./ring.js";
import { UPKEEP_OPTIONS, type Upkeep, type UpkeepOptions, readUpkeep } from "./upkeep.js";
import { MOST_USES, type UsageBatch, readBatches } from "./usage.js";
import {
  KEYRING_INVALID,
  KEYRING_UNAVAILABLE,
  LONGER_THAN_ANY_KEY,
  type NeededPart,
  OUTPUT_LENGTH,
  type Verdict,
  hashBytes,
  partNumber,
  placeOfNeeded,
  readParts,
  readVerdict,
} from "./verdict.js";
import { exchange, wasmMemory } from "./wasm.js";

/** An issuing secret, for the keys of one prefix. */
export interface IssuingSecret {
  /** The prefix of the keys, such as `acme_live`. */
  prefix: string;
  /** The secret: `cvgis_…`. Keep it where the runtime keeps secrets, never in code. */
  secret: string;
  /** Whether the keys may sign requests as well (by default not), for a `RequestVerifier`. */
  signing?: boolean;
}

/** A {@link Verifier} without keyring: it proves signed keys, and does not know which were revoked. */
export interface StatelessOptions {
  /** The secrets whose keys are accepted. For rotation, give the old and the new version. */
  issuingSecrets: readonly IssuingSecret[];
  /** Accept keys that never expire (by default not). Only retiring their issuing secret ends them. */
  allowKeysWithoutLifetime?: boolean;
  /** Not here: see {@link KeyringOptions}. */
  keyringKeys?: never;
}

/** A {@link Verifier} with a keyring, which knows every key, its rights and whether it was revoked. */
export interface KeyringOptions extends UpkeepOptions {
  /** The keyring key (`cvgkk_…`), or for its rotation two. Keep them where the runtime keeps secrets, never in code. */
  keyringKeys: readonly string[];
  /** The first keyring, as {@link Verifier.replaceKeyring} takes it. Without one, every key is `keyring_unavailable`. */
  keyring?: Uint8Array | ArrayBuffer;
  /**
   * The time at which it is given, in Unix seconds. By default the runtime's clock, which stands at 0 where a Worker
   * has not yet been asked anything: make verifiers at the first request, or give the time.
   */
  now?: number;
  /** Take no keyring but this one: 11 characters. Otherwise the first one decides, and later ones have to have its id. */
  keyringId?: string;
  /** Demand for every request that the keyring is `fresh` (by default `stale` is enough). */
  requireFresh?: boolean;
  /** Demand for every request a keyring of at least this epoch; none below it is taken. */
  minEpoch?: number;
  /** Demand for every request that the keyring was issued at most so many seconds ago. */
  maxAge?: number;
  /** Not here: see {@link StatelessOptions}. */
  issuingSecrets?: never;
}

/** What a {@link Verifier} trusts. One way never falls back to the other. */
export type VerifierOptions = StatelessOptions | KeyringOptions;

/** What is known of the keyring that a verifier uses. */
export interface KeyringInfo {
  /** The id of the keyring: 11 characters. */
  keyringId: string;
  /** The id of the keyring key that it was made with: 11 characters. */
  keyringKeyId: string;
  /** Its epoch. */
  epoch: number;
  /** When it was issued, in Unix seconds. */
  issuedAt: number;
  /** For how many seconds from then on verdicts say `fresh`. */
  freshFor: number;
  /** For how many seconds from then on it is used at all. */
  validFor: number;
}

/** Bytes of a bundle that say how much of it is its head. */
const BUNDLE_PREAMBLE = 24;
/** In the place of the id of a keyring: any. Who gives it as an id asks for none that there is. */
const NO_ID = "*";
/** More cannot be said to WebAssembly, nor does its memory have. */
const MOST_BYTES = 0xffff_ffff;
/** More parts than a verdict can need one after the other. */
const MOST_PARTS = 8;
/** Bytes of the input that are read for a prefix and an id: more than they ever are. */
const NAME_LENGTH = 64;

/**
 * Verifies API keys in this process.
 *
 * With a keyring, verdicts say whose the key is and what it may do, revoked keys are denied, and every verdict says
 * how old that knowledge is. With a source it keeps its keyring up to date by itself, and {@link verify} fetches the parts
 * that it needs:
 *
 * ```js
 * const verifier = new Verifier({ keyringKeys: [env.KEYRING_KEY], source: urlSource("https://keys.example/root") });
 * verifier.refreshInBackground();
 * const verdict = await verifier.verify(request.headers.get("x-api-key"), { permissions: ["flights:view"] });
 * if (!verdict.verified) return new Response("unauthorized", { status: 401 });
 * ```
 *
 * Without a source it uses the keyring that it is given, with no network and no waiting:
 *
 * ```js
 * const verifier = new Verifier({ keyringKeys: [env.KEYRING_KEY], keyring: await readFile("acme.keyring") });
 * const verdict = verifier.verifyKey(request.headers.get("x-api-key"), { permissions: ["flights:view"] });
 * if (!verdict.verified) return new Response("unauthorized", { status: 401 });
 * ```
 *
 * With nothing but issuing secrets it proves signed keys:
 *
 * ```js
 * const verifier = new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret: env.ISSUING_SECRET }] });
 * ```
 */
export class Verifier {
  #raw: RawVerifier | undefined;
  readonly #inputAddress: number;
  readonly #inputCapacity: number;
  readonly #outputAddress: number;
  /** Views of WebAssembly memory; detached (of length 0) when it has grown. */
  #memory = new Uint8Array(0);
  #input = new Uint8Array(0);
  #output = new Uint32Array(0);
  /** The bundle whose head is in WebAssembly, for the parts that verdicts need. */
  #bundle: Uint8Array | undefined;
  #policies: PolicyCache | undefined;
  #info: KeyringInfo | undefined;
  #replacements = 0;
  readonly #life = new Lifetime();
  readonly #upkeep: Upkeep | undefined;
  readonly #living: Living | undefined;

  /**
   * @throws {TypeError} if an option has a wrong type; it names the option.
   * @throws {ClavigerError} `invalid_prefix`, `invalid_secret` or `invalid_options`; and what
   * {@link Verifier.replaceKeyring} throws, if there is a keyring.
   */
  constructor(options: VerifierOptions) {
    const given = requireObject("options", options);
    const { keyring } = given;
    const stateless = given["keyringKeys"] === undefined;
    const upkeep = stateless ? undefined : readUpkeep(given);
    const raw = stateless ? statelessVerifier(given) : keyringVerifier(given);
    this.#raw = raw;
    this.#upkeep = upkeep;
    if (upkeep?.source !== undefined) this.#living = livingBy(upkeep.source, upkeep, this.#ring(), this.#life);
    this.#inputAddress = raw.input();
    this.#inputCapacity = raw.input_capacity();
    this.#outputAddress = raw.output();
    try {
      if (upkeep?.maxKeys !== undefined) raw.record_usage(upkeep.maxKeys, readNow("options", given));
      if (keyring === undefined) return;
      this.#replaceKeyring(raw, requireBytes("options.keyring", keyring), readNow("options", given));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * What this verifier says about a presented key. A bad key never throws; it is denied.
   *
   * @param key The presented key; `null` or `undefined` (a header that is not there) is denied as `missing`.
   * @param context What else is known of the request, and what it needs. `tenant` and `permissions` are left out or
   * set, never `undefined`.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `disposed` after {@link dispose}; `invalid_options` if tenant, address and permissions are
   * longer together than some 3000 bytes.
   */
  verifyKey(key: string | Uint8Array | null | undefined, context?: RequestContext): Verdict {
    const now = readNow("context", context);
    return this.#decide(key, now, context === undefined ? undefined : readFacts(context));
  }

  /**
   * The same as {@link verifyKey}, and with a source it does what is needed for a good answer: it waits for a refresh if
   * there is no keyring or it is stale, and fetches the parts that the verdict needs. What fails costs time, and is told
   * as an event: then the verdict is by what there is.
   *
   * So that made-up keys do not make it fetch without end, it fetches at most 256 parts at once and 32 more each second;
   * those that help to prove a key do not count. A key that would need more is `keyring_unavailable`.
   *
   * @param key As of {@link verifyKey}.
   * @param context As of {@link verifyKey}. It is read once; `now` is the time of the whole call.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `disposed` also if that happens while it waits; `invalid_options` as of {@link verifyKey}.
   */
  async verify(key: string | Uint8Array | null | undefined, context?: RequestContext): Promise<Verdict> {
    const now = readNow("context", context);
    const facts = context === undefined ? undefined : readFacts(context);
    this.#live();
    const living = this.#living;
    if (living === undefined) return this.#decide(key, now, facts);
    const { fetcher, refresher } = living;
    // Bytes may be changed while this waits.
    const presented = key instanceof Uint8Array ? key.slice(0, LONGER_THAN_ANY_KEY) : key;
    if (refresher.isNeeded(now)) await refresher.refresh(now).catch(() => {});

    let verdict = this.#decide(presented, now, facts);
    let tokens = 0;
    for (let parts = 0; parts < MOST_PARTS; parts += 1) {
      const needed = neededOf(verdict);
      if (needed === undefined) break;
      const fetched = await fetcher.fetch(needed, now, () => (tokens += 1));
      if (fetched === "failed") refresher.hurry();
      verdict = this.#decide(presented, now, facts);
      const given = fetched === "here" || fetched === "moved";
      if (!given && neededOf(verdict)?.hash === needed.hash) break;
    }
    if (tokens > 0 && isProven(verdict)) fetcher.giveBack(tokens);
    // A part of the bundle is not what its root says: it may have been damaged on its way here.
    if (!verdict.verified && verdict.code === "keyring_invalid") refresher.forgetTag();
    refresher.lookAtAge(now);
    return verdict;
  }

  /**
   * Asks the source for the newest keyring, puts it in place of the present one, and fetches the parts of it that are in
   * use and have changed. Until they are here, the keyring before decides about their keys. Whoever calls this at the
   * same time gets the same answer.
   *
   * @param options `now`: the time in Unix seconds, by default the runtime's clock.
   * @returns Whether another keyring is in use now.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} what {@link replaceKeyring} throws, `no_keyring` if the source has none, `timed_out`,
   * `invalid_options` without a source; and what the source throws. The present keyring then stays in use.
   */
  async refresh(options?: { now?: number }): Promise<"replaced" | "unchanged"> {
    const now = readNow("options", options);
    this.#live();
    return this.#requireSource().refresher.refresh(now);
  }

  /**
   * The same as {@link refresh} if it is time for it, and otherwise nothing: if the last one is `refreshSeconds` ago, or
   * parts are still to come. It never fails, so that in a Worker every request may say
   * `ctx.waitUntil(verifier.refreshIfDue())`.
   *
   * @param options `now`: the time in Unix seconds, by default the runtime's clock.
   */
  async refreshIfDue(options?: { now?: number }): Promise<void> {
    try {
      const now = readNow("options", options);
      this.#live();
      const refresher = this.#living?.refresher;
      if (refresher?.isDue(now)) await refresher.refresh(now);
    } catch {
      // What failed was told as an event.
    }
  }

  /**
   * Refreshes from now on by itself, by timers that do not keep the process alive. For programs that run on; a Worker
   * calls {@link refreshIfDue} instead.
   *
   * @throws {ClavigerError} `invalid_options` without a source; `disposed`.
   */
  refreshInBackground(): void {
    this.#live();
    this.#requireSource().refresher.start();
  }

  /** Ends {@link refreshInBackground}. */
  stopRefreshing(): void {
    this.#living?.refresher.stop();
  }

  /**
   * Gives out what was counted of the use of keys, in batches of at most 10,000 keys, and begins anew. Only the last
   * batch covers time: report it after the others. Uses in the second `now` may be in this batch or in the next one, which
   * covers it. Without anything to tell there are no batches.
   *
   * @param options `now`: the time in Unix seconds, by default the runtime's clock.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `invalid_options` without the option `usage`; `disposed`.
   */
  drainUsage(options?: { now?: number }): UsageBatch[] {
    const now = readNow("options", options);
    const raw = this.#live();
    if (this.#upkeep?.maxKeys === undefined) throw new ClavigerError("invalid_options", "drainUsage() needs options.usage");
    raw.drain_usage(now, MOST_USES);
    return readBatches(exchange.bytes());
  }

  #decide(key: unknown, now: number, facts: Facts | undefined): Verdict {
    // What reads the context may be the caller's code, which may dispose of this.
    const raw = this.#live();

    this.#view();
    let length: number;
    let contextLength = 0;
    if (typeof key === "string") {
      const start = key.length > LONGER_THAN_ANY_KEY ? key.slice(0, LONGER_THAN_ANY_KEY) : key;
      length = encoder.encodeInto(start, this.#input).written;
    } else if (key === null || key === undefined) {
      length = 0;
    } else if (key instanceof Uint8Array) {
      length = Math.min(key.length, LONGER_THAN_ANY_KEY);
      this.#input.set(length < key.length ? key.subarray(0, length) : key);
    } else {
      if (!(key as Presented).present) throw wrongType("key", "a string or a Uint8Array", key);
      // A signed request: it leaves in the input what its key begins with.
      length = NAME_LENGTH;
    }

    if (facts !== undefined) {
      const start = this.#inputAddress + length;
      const end = this.#inputAddress + this.#inputCapacity;
      contextLength = writeContext(facts, now, this.#memory, start, end);
    }
    const verify = () =>
      (key as Presented | undefined)?.present?.(raw, now, facts) ?? raw.verify_key(length, now, contextLength);
    let code = verify();
    if (code === KEYRING_UNAVAILABLE) code = this.#verifyWithParts(verify);
    this.#view();
    const text = typeof key === "string" ? key : decoder.decode(this.#input.subarray(0, length));
    return readVerdict(code, this.#output, text, this.#memory, this.#policies);
  }

  /**
   * Puts a keyring in the place of the present one: a bundle, whose parts are read and checked when a verdict needs
   * them, or a root alone, whose parts are {@link insertPart inserted}. Parts that did not change are not read again.
   *
   * A bundle is kept and not copied: do not change its bytes afterwards. If they change all the same, that is noticed
   * by their hash, and keys that need them are denied as `keyring_invalid`.
   *
   * @param options `now`: the time in Unix seconds, by default the runtime's clock.
   * @returns Whether it is in use now, or was before.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `not_a_keyring`, `unsupported_version`, `truncated`, `oversized`, `unknown_keyring_key`,
   * `wrong_keyring`, `wrong_mac`, `invalid_keyring`, `issued_in_future`, `older_epoch`, `same_epoch_other_content`,
   * `no_keyring`, `no_memory` or `disposed`. The present keyring then stays in use.
   */
  replaceKeyring(keyring: Uint8Array | ArrayBuffer, options?: { now?: number }): "replaced" | "unchanged" {
    const bytes = requireBytes("keyring", keyring);
    const now = readNow("options", options);
    const replaced = this.#replaceKeyring(this.#live(), bytes, now);
    // What the source gave last is in use no longer.
    if (replaced === "replaced") this.#living?.refresher.forgetTag();
    return replaced;
  }

  /**
   * Inserts a part of the keyring that a denial {@link Denied.needed needed}. It is checked against its hash.
   *
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `wrong_hash`, `no_such_part`, `invalid_keyring`, `no_keyring`, `no_memory` or `disposed`.
   */
  insertPart(part: NeededPart["part"], index: number, bytes: Uint8Array | ArrayBuffer): void {
    const raw = this.#live();
    if (part !== "chunk" && part !== "page") throw wrongType("part", '"chunk" or "page"', part);
    requireInteger("index", index, 0xffff_ffff);
    const given = requireBytes("bytes", bytes);
    insert(raw, partNumber(part), index, given, this.#upkeep?.partsLimit);
  }

  /**
   * The keyring that is in use; `null` if there is none.
   *
   * @throws {ClavigerError} `disposed`.
   */
  get keyring(): KeyringInfo | null {
    return readInfo(this.#live());
  }

  /**
   * Frees the memory of the verifier, its secrets overwritten, and ends what is under way: who waits for it gets the
   * error `disposed`. It must not be used any more.
   */
  dispose(): void {
    this.#raw?.free();
    this.#raw = this.#bundle = this.#policies = this.#info = undefined;
    this.#living?.refresher.stop();
    this.#life.end();
  }

  /** The same as {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): RawVerifier {
    if (this.#raw === undefined) throw disposed();
    return this.#raw;
  }

  #requireSource(): Living {
    if (this.#living === undefined) throw new ClavigerError("invalid_options", "refreshing needs options.source");
    return this.#living;
  }

  /** The keyring, for what keeps it up to date. */
  #ring(): Ring {
    const verifier = this;
    return {
      get info() {
        return verifier.#info;
      },
      get replacements() {
        return verifier.#replacements;
      },
      replace(keyring, now) {
        const raw = verifier.#live();
        const replaced = verifier.#replaceKeyring(raw, keyring, now);
        if (replaced === "replaced" && verifier.#bundle === undefined) raw.await_changed_parts();
        return replaced;
      },
      insert({ part, index }, bytes) {
        const raw = verifier.#live();
        insert(raw, partNumber(part), index, bytes, verifier.#upkeep?.partsLimit);
      },
      await({ part, index, hash }) {
        const raw = verifier.#live();
        exchange.put(hashBytes(hash));
        exchange.check(raw.await_part(partNumber(part), index));
      },
      awaited() {
        verifier.#live().awaited_parts();
        return readParts(exchange.bytes());
      },
      raiseMinEpoch: (epoch) => verifier.#live().raise_min_epoch(epoch),
    };
  }

  #replaceKeyring(raw: RawVerifier, keyring: Uint8Array, now: number): "replaced" | "unchanged" {
    const length = keyring.length;
    exchange.put(keyring, BUNDLE_PREAMBLE);
    const headLength = exchange.check(raw.keyring_head_len(length));
    exchange.put(keyring, headLength);
    const replaced = exchange.check(raw.replace_keyring(length, now)) > 0;
    // The same one again: its parts may have been damaged on their first way here, and be whole now.
    if (replaced || headLength < length) this.#bundle = headLength < length ? keyring : undefined;
    if (!replaced) return "unchanged";
    const info = readInfo(raw) as KeyringInfo;
    this.#info = info;
    this.#replacements += 1;
    this.#policies = new PolicyCache(info.epoch);
    return "replaced";
  }

  /** Verifies once more for each part that was needed, and is in the bundle. The key is still in the input. */
  #verifyWithParts(verify: () => number): number {
    const raw = this.#live();
    let code = KEYRING_UNAVAILABLE;
    for (let parts = 0; code === KEYRING_UNAVAILABLE && parts < MOST_PARTS; parts += 1) {
      this.#view();
      const place = placeOfNeeded(this.#output);
      const bundle = this.#bundle;
      if (place === undefined || bundle === undefined) return code;
      const { part, index, start, length } = place;
      // Its owner may have transferred it away.
      if (start + length > bundle.length) return KEYRING_INVALID;
      try {
        insert(raw, part, index, bundle.subarray(start, start + length), this.#upkeep?.bundleLimit);
      } catch (error) {
        if (!(error instanceof ClavigerError)) throw error;
        return error.code === "no_memory" ? code : KEYRING_INVALID;
      }
      code = verify();
    }
    return code;
  }

  #view(): void {
    if (this.#memory.length > 0) return;
    const { buffer } = wasmMemory();
    this.#memory = new Uint8Array(buffer);
    this.#input = new Uint8Array(buffer, this.#inputAddress, LONGER_THAN_ANY_KEY);
    this.#output = new Uint32Array(buffer, this.#outputAddress, OUTPUT_LENGTH);
  }
}

/** The part of the keyring that a verdict needs. */
function neededOf(verdict: Verdict): NeededPart | undefined {
  return verdict.verified ? undefined : (verdict.needed ?? undefined);
}

/** Whether whoever presented the key has it: nobody makes up a denial by policy. */
function isProven(verdict: Verdict): boolean {
  return verdict.verified || denialClasses[verdict.code] === "policy";
}

/** Inserts a part, and gives others up if all of them take more than `limit` bytes. */
function insert(raw: RawVerifier, part: number, index: number, bytes: Uint8Array, limit: number | undefined): void {
  const { buffer } = wasmMemory();
  // Of what is longer than any part, as much as it takes to see that.
  exchange.put(bytes, raw.part_limit());
  exchange.check(raw.insert_part(part, index));
  if (limit !== undefined) raw.evict_parts(Math.min(limit, MOST_BYTES));
  const grown = wasmMemory().buffer;
  if (grown !== buffer) raw.grow_ahead(grown.byteLength / 8);
}

function statelessVerifier(options: Record<string, unknown>): RawVerifier {
  const { issuingSecrets, allowKeysWithoutLifetime } = options;
  if (!Array.isArray(issuingSecrets)) {
    throw wrongType("options.issuingSecrets", "an array, or options.keyringKeys given", issuingSecrets);
  }
  const ofKeyrings = ["keyring", "keyringId", "requireFresh", "minEpoch", "maxAge", ...UPKEEP_OPTIONS];
  forbid(options, ofKeyrings, "needs options.keyringKeys");
  const lines: string[] = [];
  issuingSecrets.forEach((entry: unknown, index) => {
    const name = `options.issuingSecrets[${index}]`;
    const { prefix, secret, signing } = requireObject(name, entry);
    lines.push(
      requireString(`${name}.prefix`, prefix),
      requireString(`${name}.secret`, secret),
      `${optionalBoolean(`${name}.signing`, signing)}`,
    );
  });
  const allow = optionalBoolean("options.allowKeysWithoutLifetime", allowKeysWithoutLifetime);
  exchange.putLines(lines);
  return exchange.check(RawVerifier.with_issuing_secrets(allow));
}

function keyringVerifier(options: Record<string, unknown>): RawVerifier {
  const { keyringKeys, keyringId, requireFresh, minEpoch, maxAge } = options;
  if (!Array.isArray(keyringKeys)) throw wrongType("options.keyringKeys", "an array", keyringKeys);
  forbid(options, ["issuingSecrets", "allowKeysWithoutLifetime"], "is for a verifier without options.keyringKeys");
  const keys = Array.from(keyringKeys, (key: unknown, index) => requireString(`options.keyringKeys[${index}]`, key));
  const id = keyringId === undefined ? undefined : requireString("options.keyringId", keyringId);
  const fresh = optionalBoolean("options.requireFresh", requireFresh);
  const epoch = optionalInteger("options.minEpoch", minEpoch, 0);
  const age = optionalInteger("options.maxAge", maxAge, -1);
  exchange.putLines([id === NO_ID ? "" : (id ?? NO_ID), ...keys]);
  return exchange.check(RawVerifier.with_keyring_keys(fresh, epoch, age));
}

/** What WebAssembly says of the keyring, in lines; nothing if there is none. */
function readInfo(raw: RawVerifier): KeyringInfo | null {
  raw.keyring();
  const [keyringId, keyringKeyId, ...numbers] = exchange.lines() as [string, ...string[]];
  if (keyringKeyId === undefined) return null;
  const [epoch, issuedAt, freshFor, validFor] = numbers.map(Number) as [number, number, number, number];
  return { keyringId, keyringKeyId, epoch, issuedAt, freshFor, validFor };
}

function forbid(options: Record<string, unknown>, names: readonly string[], reason: string): void {
  const name = names.find((name) => options[name] !== undefined);
  if (name !== undefined) throw new ClavigerError("invalid_options", `options.${name} ${reason}`);
}
