/**
 * Keyrings and keys for programs' own tests, made in memory: `claviger/testing`.
 *
 * They are real ones, made by the same core that publishes keyrings, under a keyring key of their own.
 *
 * @module
 */
import { build_keyring, generate_keyring_key, generate_opaque_key, generate_shared_secret, generate_signed_key } from "../wasm/testing.js";
import { unixSeconds } from "./clock.js";
import { ClavigerError, optionalBoolean, requireFunction, requireInteger, requireObject, requireString, requireStrings, wrongType } from "./errors.js";
import { KEYRING_KEY_ENTROPY, OPAQUE_KEY_ENTROPY, SECRET_ENTROPY, SIGNED_KEY_ENTROPY, putRandom } from "./exchange.js";
import type { GeneratedKey } from "./keys.js";
import type { Limit } from "./policy.js";
import type { KeyringSource, SourceKeyring } from "./source.js";
import { exchange } from "./testing-wasm.js";

/** What a keyring says of a key. Everything may be left out. */
export interface TestKeyTerms {
  /** The tenant that it belongs to: by default `tenant-1`. */
  tenant?: string;
  /** Its owner: by default `owner-1`. */
  owner?: string;
  /** What the embedding application calls the owner or key. */
  externalId?: string | null;
  /** The name of its role. */
  role?: string | null;
  /** What it may do: patterns such as `flights:view` or `flights:*`. By default nothing. */
  permissions?: readonly string[];
  /** Where it may be used from, such as `198.51.100.0/24`. By default everywhere. */
  networks?: readonly string[];
  /** What the application wants to know of the key at each request. */
  metadata?: string | null;
  /** How often things may be done. */
  limits?: readonly Limit[];
  /** Only the read-only part of its rights may be used. */
  readOnly?: boolean;
  /** When it begins to be good, in Unix seconds. */
  notBefore?: number | null;
  /** When it stops being good, in Unix seconds. */
  expiresAt?: number | null;
  /** It was revoked. */
  revoked?: boolean;
  /** It is switched off. */
  disabled?: boolean;
}

/** A key that is to be made. */
export interface TestKeyOptions extends TestKeyTerms {
  /** By default `opaque`. */
  kind?: "opaque" | "opaque_signing" | "signed";
  /** Product and environment: by default `test_key`. */
  prefix?: string;
}

/** How long a {@link TestRing} is good, and by which clock. */
export interface TestRingOptions {
  /** For how many seconds verdicts say `fresh`: by default 60. */
  freshFor?: number;
  /** For how many seconds the keyring is used at all: by default a day. */
  validFor?: number;
  /** Gives the time in Unix seconds at which keyrings are issued; by default the runtime's clock. */
  now?: () => number;
}

type Terms = Required<TestKeyTerms> & { key: string };

const TERMS: Required<TestKeyTerms> = {
  tenant: "tenant-1",
  owner: "owner-1",
  externalId: null,
  role: null,
  permissions: [],
  networks: [],
  metadata: null,
  limits: [],
  readOnly: false,
  notBefore: null,
  expiresAt: null,
  revoked: false,
  disabled: false,
};
const PREFIX_OF_KEYRING_KEYS = "cvgkk_";

/**
 * A ring whose keys a test makes and ends. It is a source, too: a verifier that has it sees every change with its next
 * refresh.
 *
 * ```js
 * import { Verifier } from "claviger";
 * import { TestRing } from "claviger/testing";
 *
 * const ring = new TestRing();
 * const { key, keyId } = ring.addKey({ permissions: ["flights:view"] });
 * const verifier = new Verifier({ keyringKeys: [ring.keyringKey], source: ring });
 * (await verifier.verify(key, { permissions: ["flights:view"] })).verified; // true
 *
 * ring.changeKey(keyId, { revoked: true });
 * await verifier.refresh();
 * (await verifier.verify(key)).code; // "revoked"
 * ```
 */
export class TestRing implements KeyringSource {
  /** What verifiers of this ring are given as `keyringKeys`. */
  readonly keyringKey: string;
  readonly #keyringId: string;
  readonly #freshFor: number;
  readonly #validFor: number;
  readonly #now: () => number;
  readonly #keys = new Map<string, Terms>();
  /** The first one of a prefix is version 1. */
  readonly #issuingSecrets: { prefix: string; tenant: string; secret: string }[] = [];
  #epoch = 0;
  #issuedAt = 0;
  /** What was built last; `undefined` when something has changed since. */
  #bundle: Uint8Array | undefined;

  /** @throws {TypeError} if an option has a wrong type; it names the option. */
  constructor(options: TestRingOptions = {}) {
    const { freshFor = 60, validFor = 86_400, now = unixSeconds, ...rest } = requireObject("options", options);
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new TypeError(`options.${unknown} is unknown: a ring has freshFor, validFor, now`);
    const clock = requireFunction("options.now", now);
    this.#freshFor = requireInteger("options.freshFor", freshFor);
    this.#validFor = requireInteger("options.validFor", validFor);
    this.#now = () => requireInteger("options.now()", clock());
    putRandom(exchange, KEYRING_KEY_ENTROPY);
    this.keyringKey = exchange.answer(generate_keyring_key());
    this.#keyringId = this.keyringKey.slice(PREFIX_OF_KEYRING_KEYS.length).split("_")[0] as string;
  }

  /**
   * Makes a key, and says of it in the keyring what is given.
   *
   * @throws {TypeError} if an option has a wrong type, or there is none of its name; it names the option.
   * @throws {ClavigerError} `invalid_prefix`, or `invalid_options` if the keyring cannot say that of a key.
   */
  addKey(options: TestKeyOptions = {}): GeneratedKey {
    const { kind = "opaque", prefix = "test_key", ...rest } = requireObject("options", options);
    const terms = { ...TERMS, ...readTerms(rest) };
    // The clock is the caller's code: it runs before anything is begun.
    const now = this.#now();
    const secrets = this.#issuingSecrets.length;
    try {
      const key = this.#generate(kind, requireString("options.prefix", prefix), terms.tenant, now);
      const keyId = key.slice((prefix as string).length + 1).split("_")[0] as string;
      this.#put(keyId, { ...terms, key }, now);
      return { key, keyId };
    } catch (error) {
      // That of a tenant that cannot be would be in every keyring.
      this.#issuingSecrets.length = secrets;
      throw error;
    }
  }

  /**
   * Changes what the keyring says of a key: `{ revoked: true }` revokes it. A signed key stays with its tenant.
   *
   * @throws {TypeError} as {@link addKey}.
   * @throws {ClavigerError} `invalid_options` as {@link addKey}, and if there is no such key.
   */
  changeKey(keyId: string, changes: TestKeyTerms): void {
    const terms = this.#keys.get(requireString("keyId", keyId));
    if (terms === undefined) throw new ClavigerError("invalid_options", "keyId: the ring has no such key");
    this.#put(keyId, { ...terms, ...readTerms(requireObject("changes", changes)) }, this.#now());
  }

  /**
   * The keyring as it is now, as a bundle for the option `keyring` or `Verifier.replaceKeyring`. Each one that is made has a
   * higher epoch than those before.
   */
  bundle(): Uint8Array {
    const now = this.#now();
    const age = now - this.#issuedAt;
    if (this.#bundle === undefined || age < 0 || age >= this.#freshFor / 4) {
      this.#bundle = this.#build(this.#keys.values(), this.#epoch + 1, now);
      this.#epoch += 1;
      this.#issuedAt = now;
    }
    // Whoever gets it may transfer it away.
    return this.#bundle.slice();
  }

  /** As a source: the keyring as it is now, or `null` if that is the one that is known. */
  async keyring(known: string | undefined): Promise<SourceKeyring | null> {
    const bytes = this.bundle();
    const tag = String(this.#epoch);
    return known === tag ? null : { bytes, tag };
  }

  /** As a source: there is nothing but bundles. */
  async part(): Promise<null> {
    return null;
  }

  #generate(kind: unknown, prefix: string, tenant: string, now: number): string {
    if (kind === "opaque" || kind === "opaque_signing") {
      putRandom(exchange, OPAQUE_KEY_ENTROPY, [prefix]);
      return exchange.answer(generate_opaque_key(kind === "opaque_signing"));
    }
    if (kind !== "signed") throw new TypeError('options.kind must be "opaque", "opaque_signing" or "signed"');
    const secrets = this.#issuingSecrets.filter((secret) => secret.prefix === prefix);
    const known = secrets.find((secret) => secret.tenant === tenant)?.secret;
    const secret = known ?? generateIssuingSecret(secrets.length + 1);
    putRandom(exchange, SIGNED_KEY_ENTROPY, [prefix, secret]);
    const key = exchange.answer(generate_signed_key(now, -1, false));
    if (known === undefined) this.#issuingSecrets.push({ prefix, tenant, secret });
    return key;
  }

  /** Notes a key, if a keyring can say that of it. */
  #put(keyId: string, terms: Terms, now: number): void {
    this.#build([terms], 1, now);
    this.#keys.set(keyId, terms);
    this.#bundle = undefined;
  }

  #build(keys: Iterable<Terms>, epoch: number, issuedAt: number): Uint8Array {
    exchange.check(
      build_keyring({
        keyringKey: this.keyringKey,
        keyringId: this.#keyringId,
        epoch,
        issuedAt,
        freshFor: this.#freshFor,
        validFor: this.#validFor,
        issuingSecrets: this.#issuingSecrets,
        keys: Array.from(keys),
      }),
    );
    return exchange.bytes();
  }
}

function generateIssuingSecret(version: number): string {
  putRandom(exchange, SECRET_ENTROPY);
  return exchange.answer(generate_shared_secret(false, version));
}

/** Reads terms, and takes none of an unknown name: a test that misspells one would test something else. */
function readTerms(given: Record<string, unknown>): TestKeyTerms {
  const terms: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) terms[name] = readTerm(name, value);
  }
  return terms;
}

function readTerm(name: string, value: unknown): unknown {
  const option = `options.${name}`;
  switch (name) {
    case "tenant":
    case "owner":
      return requireString(option, value);
    case "externalId":
    case "role":
    case "metadata":
      return value === null ? null : requireString(option, value);
    case "permissions":
    case "networks":
      return requireStrings(option, value);
    case "limits":
      return readLimits(option, value);
    case "readOnly":
    case "revoked":
    case "disabled":
      return optionalBoolean(option, value);
    case "notBefore":
    case "expiresAt":
      return value === null ? null : requireInteger(option, value);
    default:
      throw new TypeError(`${option} is unknown: a key has ${Object.keys(TERMS).join(", ")}`);
  }
}

function readLimits(option: string, value: unknown): Limit[] {
  if (!Array.isArray(value)) throw wrongType(option, "an array", value);
  return value.map((limit: unknown, index) => readLimit(`${option}[${index}]`, limit));
}

function readLimit(option: string, value: unknown): Limit {
  const { name, max, perSeconds } = requireObject(option, value);
  return {
    name: requireString(`${option}.name`, name),
    max: requireInteger(`${option}.max`, max),
    perSeconds: requireInteger(`${option}.perSeconds`, perSeconds, 0xffff_ffff),
  };
}
