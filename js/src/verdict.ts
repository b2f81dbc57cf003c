/** Verdicts: what a verifier answers, and how it reads them from the 64 bytes that the core writes. */
import { type DenialCode, denialCodes } from "./denial-codes.js";

/** What a key is. */
export type KeyKind = "opaque" | "opaque_signing" | "signed" | "access_token";

/** How old the knowledge behind a verdict is. `stateless`: only issuing secrets were at hand, no keyring. */
export type Freshness = "stateless";

/** The key is proved and good for the request. */
export interface Verified {
  verified: true;
  /** The public id of the key: 11 characters. */
  keyId: string;
  /** What kind of key it is. */
  kind: KeyKind;
  /** Its prefix: product and environment. */
  prefix: string;
  /** Whether only the read-only part of its rights may be used. */
  readOnly: boolean;
  /** When it was issued, in Unix seconds; `null` where the key does not say. */
  issuedAt: number | null;
  /** When it stops being good, in Unix seconds; `null` if never. */
  expiresAt: number | null;
  /** How old the knowledge behind this verdict is. */
  freshness: Freshness;
  /** Whether the verifier could have known that the key was revoked. */
  revocationChecked: boolean;
}

/** The key is not good for the request, or that cannot be decided. */
export interface Denied {
  verified: false;
  /** Why. */
  code: DenialCode;
  /** The presented id, for logs; `null` where none could be read. Proved only if `denialClasses[code]` is `policy`. */
  keyId: string | null;
}

/** What a verifier answers. Look at `verified` before anything else. */
export type Verdict = Verified | Denied;

const kinds: readonly (KeyKind | undefined)[] = [undefined, "opaque", "opaque_signing", "signed", "access_token"];
const freshnesses: readonly (Freshness | undefined)[] = [undefined, "stateless"];

const READ_ONLY = 1;
const HAS_ISSUED_AT = 2;
const HAS_EXPIRES_AT = 4;
const HAS_KEY_ID = 8;
/** Characters of an id. */
export const KEY_ID_LENGTH = 11;

export function denied(code: DenialCode, keyId: string | null = null): Denied {
  return { verified: false, code, keyId };
}

/** The id in a text that the core found well-formed: the 11 characters behind the prefix, before claims or letter. */
function presentedId(text: string): string {
  // Secret and checksum are 50 characters, `_` and the letter 2; the claims of `s` and `t`, with their `_`, 12.
  const letter = text.charCodeAt(text.length - 51);
  const end = text.length - (letter === 0x73 || letter === 0x74 ? 64 : 52);
  return text.slice(end - KEY_ID_LENGTH, end);
}

/** Reads a record; `record` are its 64 bytes as 16 numbers, `text` is what was presented. */
export function readVerdict(code: number, record: Uint32Array, text: string): Verdict {
  const head = record[0] as number;
  const flags = (head >>> 16) & 0xff;
  if (code !== 0) {
    return denied(denialCodes[code] ?? "verifier_fault", flags & HAS_KEY_ID ? presentedId(text) : null);
  }
  const kind = kinds[(head >>> 8) & 0xff];
  const freshness = freshnesses[head >>> 24];
  if ((head & 0xff) !== 0 || kind === undefined || freshness === undefined) return denied("verifier_fault");
  const prefixLength = (record[1] as number) & 0xff;
  return {
    verified: true,
    keyId: text.slice(prefixLength + 1, prefixLength + 1 + KEY_ID_LENGTH),
    kind,
    prefix: text.slice(0, prefixLength),
    readOnly: (flags & READ_ONLY) !== 0,
    issuedAt: flags & HAS_ISSUED_AT ? u64(record, 4) : null,
    expiresAt: flags & HAS_EXPIRES_AT ? u64(record, 6) : null,
    freshness,
    revocationChecked: freshness !== "stateless",
  };
}

/** Times stay far below 2^53, so a number holds them exactly. */
function u64(record: Uint32Array, index: number): number {
  return (record[index] as number) + (record[index + 1] as number) * 0x1_0000_0000;
}
