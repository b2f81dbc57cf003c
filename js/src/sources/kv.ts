/** A source in a namespace of names and values: Cloudflare Workers KV, R2, or anything that has a `get`. */
import { ClavigerError, optionalInteger, requireFunction, requireObject, requireString, wrongType } from "../errors.js";
import type { KeyringSource, SourceKeyring } from "../source.js";
import { MOST_KEYRING_BYTES, MOST_PART_BYTES, checkHash, checkLength } from "./limits.js";

/**
 * Where values are. `get` gives a `Uint8Array`, an `ArrayBuffer`, an object that has one by `arrayBuffer()`, or `null`. Workers
 * KV is told `"arrayBuffer"`, or an object with that as `type` and a `cacheTtl`; R2 (it has `head`) its own options.
 */
export interface KvNamespace {
  get(name: string, options?: any): unknown;
}

/** Options of {@link kvSource}. */
export interface KvSourceOptions {
  /** What precedes each name: `root` and `parts/<hash>`. */
  prefix?: string;
  /**
   * Of Workers KV: for how many seconds a data centre may answer by the root that it has read before; at least 30, by
   * default KV's 60. It adds to the time until a revocation is known.
   */
  cacheTtl?: number;
}

/** The least that Workers KV takes. */
const LEAST_CACHE_TTL = 30;

/**
 * A source that reads from a namespace: the keyring, a root or a bundle, under the name `root`, and parts under
 * `parts/<hash>`.
 *
 * @throws {TypeError} if a parameter has a wrong type.
 */
export function kvSource(namespace: KvNamespace, options: KvSourceOptions = {}): KeyringSource {
  const bucket = requireObject("namespace", namespace);
  requireFunction("namespace.get", bucket["get"]);
  const { prefix = "", cacheTtl } = requireObject("options", options);
  const before = requireString("options.prefix", prefix);
  const ttl = optionalInteger("options.cacheTtl", cacheTtl, undefined);
  if (ttl !== undefined && ttl < LEAST_CACHE_TTL) {
    throw new ClavigerError("invalid_options", `options.cacheTtl must be at least ${LEAST_CACHE_TTL}`);
  }
  const isR2 = typeof bucket["head"] === "function";
  const rootOptions = ttl === undefined ? "arrayBuffer" : { type: "arrayBuffer", cacheTtl: ttl };

  return {
    async keyring(known) {
      const name = `${before}root`;
      if (!isR2) {
        const bytes = await readValue(name, await namespace.get(name, rootOptions), MOST_KEYRING_BYTES);
        if (bytes === null) throw missing(name);
        return { bytes };
      }
      const condition = known === undefined ? undefined : { onlyIf: { etagDoesNotMatch: known } };
      const found = await namespace.get(name, condition);
      if (found === null || found === undefined) throw missing(name);
      // Without a body, the condition does not hold.
      if (known !== undefined && typeof found === "object" && !("body" in found && found.body)) return null;
      const bytes = await readValue(name, found, MOST_KEYRING_BYTES);
      if (bytes === null) throw missing(name);
      const { etag } = found as { etag?: unknown };
      const keyring: SourceKeyring = { bytes };
      if (typeof etag === "string") keyring.tag = etag;
      return keyring;
    },
    async part(hash) {
      const name = `${before}parts/${checkHash(hash)}`;
      const value: unknown = isR2 ? await namespace.get(name) : await namespace.get(name, "arrayBuffer");
      return readValue(name, value, MOST_PART_BYTES);
    },
  };
}

function missing(name: string): ClavigerError {
  return new ClavigerError("source_failed", `the namespace has no ${name}`);
}

/** The bytes of a value, whichever kind of namespace gave it. */
async function readValue(name: string, value: unknown, most: number): Promise<Uint8Array | null> {
  if (value === null || value === undefined) return null;
  if (typeof value === "object" && "size" in value && typeof value.size === "number") checkLength(name, value.size, most);
  const inside = value as { arrayBuffer?: () => Promise<unknown> };
  const bytes: unknown = typeof inside.arrayBuffer === "function" ? await inside.arrayBuffer() : value;
  if (!(bytes instanceof Uint8Array || bytes instanceof ArrayBuffer)) {
    throw wrongType(`the value of ${name}`, "bytes", bytes);
  }
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  checkLength(name, view.length, most);
  return view;
}
