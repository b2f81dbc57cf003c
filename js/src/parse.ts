/** What the parts of a key or secret are. */
import { requireString } from "./errors.js";
import type { Exchange } from "./exchange.js";
import { type KeyKind, LONGER_THAN_ANY_KEY } from "./verdict.js";

/** What a text of Claviger is. */
export type TextKind = KeyKind | "issuing_secret" | "integration_secret" | "keyring_key" | "master_key";

/** The parts of a well-formed text. Nothing is proved by them. */
export interface KeyParts {
  /** The text has the form and the checksum of its kind. */
  wellFormed: true;
  /** What it is. */
  kind: TextKind;
  /** The characters before the id. */
  prefix: string;
  /** The public id: 11 characters. */
  keyId: string;
  /** The version of a shared secret, or of the one that made a signed key or access token. */
  version: number | null;
  /** Of a signed key or access token: whether it has only the read-only part of its rights. */
  readOnly: boolean | null;
  /** Of a signed key or access token: when it was issued, in Unix seconds. */
  issuedAt: number | null;
  /** Of a signed key or access token: when it stops being good, in Unix seconds; `null` if never. */
  expiresAt: number | null;
}

/** Why a text is none of Claviger's. Holds none of the text. */
export interface NotWellFormed {
  /** The text is none of Claviger's. */
  wellFormed: false;
  /** Where the problem is: `text` is the whole. */
  part: "text" | "prefix" | "id" | "claims" | "version" | "secret" | "checksum";
  /** What it is, for people. */
  message: string;
}

/** What WebAssembly says of the parts of a text, in lines. @internal */
export function parsed(text: string, exchange: Exchange, parse: () => void): KeyParts | NotWellFormed {
  // Nothing that long is a key, and the beginning of it gets the same answer.
  exchange.put(requireString("text", text).slice(0, LONGER_THAN_ANY_KEY));
  parse();
  const [kind, prefix, keyId, ...numbers] = exchange.lines() as [string, string, ...string[]];
  if (keyId === undefined) return { wellFormed: false, part: kind as NotWellFormed["part"], message: prefix };
  const [version = null, readOnly = null, issuedAt = null, expiresAt = null] = numbers.map((number) => (number ? Number(number) : null));
  return {
    wellFormed: true,
    kind: kind as TextKind,
    prefix,
    keyId,
    version,
    readOnly: readOnly === null ? null : readOnly > 0,
    issuedAt,
    expiresAt,
  };
}
