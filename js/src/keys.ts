/** Generating keys and secrets, and reading their parts with the WebAssembly that also verifies. */
import { generate_opaque_key, generate_shared_secret, generate_signed_key, parse_key } from "../wasm/claviger.js";
import { unixSeconds } from "./clock.js";
import { optionalBoolean, requireNumber, requireObject, requireString, wrongType } from "./errors.js";
import { OPAQUE_KEY_ENTROPY, SECRET_ENTROPY, SIGNED_KEY_ENTROPY, putRandom } from "./exchange.js";
import { type KeyParts, type NotWellFormed, parsed } from "./parse.js";
import { KEY_ID_LENGTH } from "./verdict.js";
import { exchange } from "./wasm.js";

/** An opaque key: random; only a keyring or a store can prove it. */
export interface OpaqueKeyOptions {
  /** `opaque`: presented as it is. `opaque_signing`: may also sign requests without being sent. */
  kind: "opaque" | "opaque_signing";
  /** Product and environment, such as `acme_live`. */
  prefix: string;
}

/** A signed key: whoever holds the issuing secret can prove it. */
export interface SignedKeyOptions {
  /** Proved by the issuing secret that made it. */
  kind: "signed";
  /** Product and environment, such as `acme_live`. */
  prefix: string;
  /** The secret that makes the key: `cvgis_…`. */
  issuingSecret: string;
  /** How long it is good, in minutes from the minute of its issue; `null`: it never expires. */
  lifetimeMinutes: number | null;
  /** Give it only the read-only part of its rights. */
  readOnly?: boolean;
  /** When it is issued, in Unix seconds. By default now. */
  issuedAt?: number;
}

/** A key that was just made. */
export interface GeneratedKey {
  /** The whole key: shown here and nowhere else. */
  key: string;
  /** Its public id: 11 characters, fit for logs. */
  keyId: string;
}

/**
 * Makes a key, from random bytes of the runtime.
 *
 * @throws {TypeError} if an option has a wrong type; it names the option.
 * @throws {ClavigerError} `invalid_prefix`, `invalid_secret`, `invalid_time` or `invalid_options`.
 */
export function generateKey(options: OpaqueKeyOptions | SignedKeyOptions): GeneratedKey {
  const given = requireObject("options", options);
  const prefix = requireString("options.prefix", given["prefix"]);
  const kind = requireString("options.kind", given["kind"]);
  if (kind === "opaque" || kind === "opaque_signing") {
    putRandom(exchange, OPAQUE_KEY_ENTROPY, [prefix]);
    return generated(prefix, generate_opaque_key(kind === "opaque_signing"));
  }
  if (kind !== "signed") {
    throw new TypeError('options.kind must be "opaque", "opaque_signing" or "signed"');
  }
  const { lifetimeMinutes, issuedAt } = given;
  if (lifetimeMinutes !== null && typeof lifetimeMinutes !== "number") {
    throw wrongType("options.lifetimeMinutes", "a number of minutes, or null for a key that never expires", lifetimeMinutes);
  }
  const issuingSecret = requireString("options.issuingSecret", given["issuingSecret"]);
  const readOnly = optionalBoolean("options.readOnly", given["readOnly"]);
  const issued = issuedAt === undefined ? unixSeconds() : requireNumber("options.issuedAt", issuedAt);
  const lifetime = lifetimeMinutes === null ? -1 : lifetimeMinutes < 0 ? NaN : lifetimeMinutes;
  putRandom(exchange, SIGNED_KEY_ENTROPY, [prefix, issuingSecret]);
  return generated(prefix, generate_signed_key(issued, lifetime, readOnly));
}

/** The key that a call has left in the buffer, if it did not fail. */
function generated(prefix: string, status: number): GeneratedKey {
  const key = exchange.answer(status);
  const start = prefix.length + 1;
  return { key, keyId: key.slice(start, start + KEY_ID_LENGTH) };
}

/** What a shared secret is to be. */
export interface SharedSecretOptions {
  /** `issuing` makes and proves signed keys; `integration` signs requests and webhooks. */
  purpose: "issuing" | "integration";
  /** 0 to 255. A later version stands beside the earlier one while keys of both are in use. */
  version: number;
}

/**
 * Makes a shared secret: `cvgis_…` or `cvgws_…`. Keep it where the runtime keeps secrets.
 *
 * @throws {TypeError} if an option has a wrong type; it names the option.
 * @throws {ClavigerError} `invalid_options`.
 */
export function generateSharedSecret(options: SharedSecretOptions): string {
  const given = requireObject("options", options);
  const purpose = requireString("options.purpose", given["purpose"]);
  const version = requireNumber("options.version", given["version"]);
  if (purpose !== "issuing" && purpose !== "integration") {
    throw new TypeError('options.purpose must be "issuing" or "integration"');
  }
  putRandom(exchange, SECRET_ENTROPY);
  return exchange.answer(generate_shared_secret(purpose === "integration", version));
}

/**
 * Reads the parts of a key or secret and checks its form and checksum. Proves nothing.
 *
 * @throws {TypeError} if `text` is no string.
 */
export function parseKey(text: string): KeyParts | NotWellFormed {
  return parsed(text, exchange, parse_key);
}
