/** Verdicts: what a verifier answers, and how it reads them from the 128 bytes that the core writes. */
import { type DenialCode, denialCodes } from "./denial-codes.js";
import { type Limit, type Policy, PolicyCache, readPolicy } from "./policy.js";

/** What a key is. `imported`: it was made elsewhere, and a keyring knows its digest. */
export type KeyKind = "opaque" | "opaque_signing" | "signed" | "access_token" | "imported";

/**
 * How old the knowledge behind a verdict is. `stateless`: only issuing secrets were at hand, no keyring. `fresh`: a
 * keyring not older than it is meant to be. `stale`: one that is older, and not yet too old to be used.
 */
export type Freshness = "stateless" | "fresh" | "stale";

/**
 * The key is proved and good for the request. What only a keyring can know is `null` without one.
 *
 * A verdict stays as it is, whatever becomes of the verifier. Its lists are shared between verdicts, and frozen. What
 * comes from the policy (tenant, owner, externalId, role, permissions, metadata, limits) is decoded when it is first
 * asked for, so it is not copied by spreading or cloning: use `toJSON()`, which gives everything as a plain object.
 */
export interface Verified {
  /** The key is good for the request. */
  verified: true;
  /** The public id of the key: 11 characters. */
  keyId: string;
  /** What kind of key it is. */
  kind: KeyKind;
  /** Its prefix: product and environment. Of an imported key, which has none, that which its issuer gave it. */
  prefix: string;
  /** The opaque id of the tenant that it belongs to. */
  tenant: string | null;
  /** The opaque id of its owner. */
  owner: string | null;
  /** What the embedding application calls the owner or key; `null` if it does not say. */
  externalId: string | null;
  /** The name of its role; `null` if it has none. */
  role: string | null;
  /** What it may do: patterns such as `flights:view` or `flights:*`. */
  permissions: readonly string[] | null;
  /** Whether only the read-only part of its rights may be used. */
  readOnly: boolean;
  /** What the application wants to know of the key at each request, JSON by convention; `null` if nothing. */
  metadata: string | null;
  /** How often things may be done. */
  limits: readonly Limit[] | null;
  /** When it was issued, in Unix seconds; `null` where the key does not say. */
  issuedAt: number | null;
  /** When it stops being good, in Unix seconds; `null` if never. */
  expiresAt: number | null;
  /** How old the knowledge behind this verdict is. */
  freshness: Freshness;
  /** The epoch of the keyring: what was revoked before it was issued is denied. */
  epoch: number | null;
  /** Seconds since the keyring was issued. */
  age: number | null;
  /** Whether the verifier could have known that the key was revoked. */
  revocationChecked: boolean;
  /** All of it as a plain object, for JSON and for copies. */
  toJSON(): Omit<Verified, "toJSON">;
}

/** A part of the keyring that has to be inserted before there can be a verdict. */
export interface NeededPart {
  /** What it is. */
  part: "chunk" | "page";
  /** Its place: bucket or page. */
  index: number;
  /** Its SHA-256 in hex, by which it can be fetched. */
  hash: string;
}

/** The key is not good for the request, or that cannot be decided. */
export interface Denied {
  /** It is not, or that cannot be decided. */
  verified: false;
  /** Why. */
  code: DenialCode;
  /** The presented id, for logs; `null` where none could be read. Proved only if `denialClasses[code]` is `policy`. */
  keyId: string | null;
  /** How old the knowledge behind this verdict is; `null` if there was none to decide with. */
  freshness: Freshness | null;
  /** The epoch of the keyring; `null` if there was none. */
  epoch: number | null;
  /** Seconds since the keyring was issued; `null` if there was none. */
  age: number | null;
  /**
   * Of `keyring_unavailable` alone: the part of the keyring that is missing, for `insertPart`; `null` if it is the
   * whole keyring. It does not show in JSON.
   */
  readonly needed?: NeededPart | null;
}

/** What a verifier answers. Look at `verified` before anything else. */
export type Verdict = Verified | Denied;

const kinds: readonly (KeyKind | undefined)[] = [undefined, "opaque", "opaque_signing", "signed", "access_token"];
const IMPORTED = 9;
const freshnesses: readonly (Freshness | undefined)[] = [undefined, "stateless", "fresh", "stale"];
export const KEYRING_UNAVAILABLE = 67;
export const KEYRING_INVALID = 70;

const READ_ONLY = 1;
const HAS_ISSUED_AT = 2;
const HAS_EXPIRES_AT = 4;
const HAS_KEY_ID = 8;
const HAS_POLICY = 16;
const IN_BUNDLE = 32;
/** Nothing longer is a key, and its beginning gets the same answer. */
export const LONGER_THAN_ANY_KEY = 1024;
/** Characters of an id. */
export const KEY_ID_LENGTH = 11;

/** Numbers in what a verification leaves behind: the record, and the address of the policy. */
export const OUTPUT_LENGTH = 33;

/** A denial of whom nothing is known, by nothing that is known. */
export function deniedUnknown(code: DenialCode): Denied {
  return { verified: false, code, keyId: null, freshness: null, epoch: null, age: null };
}

/** Reads what a verification left in `output`; `text` is what was presented, `policies` those of the keyring. */
export function readVerdict(
  code: number,
  output: Uint32Array,
  text: string,
  memory: Uint8Array,
  policies: PolicyCache | undefined,
): Verdict {
  const head = output[0] as number;
  if (code !== 0) return readDenied(code, head, output);
  const flags = (head >>> 16) & 0xff;
  const freshness = freshnesses[head >>> 24];
  const number = (head >>> 8) & 0xff;
  const kind = number === IMPORTED ? "imported" : kinds[number];
  if ((head & 0xff) !== 0 || kind === undefined || freshness === undefined) return deniedUnknown("verifier_fault");
  const stateless = freshness === "stateless";
  // Whoever has a keyring knows whose the key is.
  if (stateless === ((flags & HAS_POLICY) !== 0) || (policies === undefined) !== stateless) return deniedUnknown("verifier_fault");
  return new VerifiedKey(kind, freshness, flags, output, text, memory, policies);
}

/** What only a keyring tells. */
const NOTHING_KNOWN = {
  tenant: null,
  owner: null,
  externalId: null,
  role: null,
  permissions: null,
  metadata: null,
  limits: null,
};

/** What {@link readVerdict} makes of a record: numbers at once, and the policy when something of it is asked for. */
class VerifiedKey implements Verified {
  readonly verified = true as const;
  readonly keyId: string;
  readonly kind: KeyKind;
  readonly prefix: string;
  readonly readOnly: boolean;
  readonly issuedAt: number | null;
  readonly expiresAt: number | null;
  readonly freshness: Freshness;
  readonly epoch: number | null;
  readonly age: number | null;
  readonly revocationChecked: boolean;
  /** `null` without a keyring, `undefined` while it is only bytes. */
  #policy: Policy | null | undefined;
  readonly #bytes: Uint8Array | undefined;
  readonly #start: number;
  readonly #length: number;

  constructor(
    kind: KeyKind,
    freshness: Freshness,
    flags: number,
    output: Uint32Array,
    text: string,
    memory: Uint8Array,
    policies: PolicyCache | undefined,
  ) {
    const lengths = output[1] as number;
    const length = lengths >>> 16;
    const epoch = policies === undefined ? null : u64(output, 16);
    this.#policy = null;
    this.#start = 0;
    this.#length = length;
    if (policies !== undefined) {
      const address = output[32] as number;
      // The keyring before may have decided, which gives its indices to other policies.
      const from = policies.epoch === epoch ? policies : new PolicyCache(epoch as number, 0);
      const kept = (this.#policy = from.get(output[20] as number, memory, address, length));
      if (kept === undefined) {
        this.#start = from.copy(memory, address, length);
        this.#bytes = from.slab;
      }
    }
    const prefixLength = lengths & 0xff;
    const imported = kind === "imported";
    this.keyId = imported ? idFrom(output) : text.slice(prefixLength + 1, prefixLength + 1 + KEY_ID_LENGTH);
    this.kind = kind;
    this.prefix = imported ? (this.#read() as Policy).prefix : text.slice(0, prefixLength);
    this.readOnly = (flags & READ_ONLY) !== 0;
    this.issuedAt = flags & HAS_ISSUED_AT ? u64(output, 4) : null;
    this.expiresAt = flags & HAS_EXPIRES_AT ? u64(output, 6) : null;
    this.freshness = freshness;
    this.revocationChecked = policies !== undefined;
    this.epoch = epoch;
    this.age = policies === undefined ? null : u64(output, 18);
  }

  get tenant(): string | null {
    return this.#read()?.tenant ?? null;
  }

  get owner(): string | null {
    return this.#read()?.owner ?? null;
  }

  get externalId(): string | null {
    return this.#read()?.externalId ?? null;
  }

  get role(): string | null {
    return this.#read()?.role ?? null;
  }

  get permissions(): readonly string[] | null {
    return this.#read()?.permissions ?? null;
  }

  get metadata(): string | null {
    return this.#read()?.metadata ?? null;
  }

  get limits(): readonly Limit[] | null {
    return this.#read()?.limits ?? null;
  }

  toJSON(): Omit<Verified, "toJSON"> {
    return { ...this, ...(this.#read() ?? NOTHING_KNOWN) };
  }

  #read(): Policy | null {
    if (this.#policy !== undefined) return this.#policy;
    return (this.#policy = readPolicy(this.#bytes as Uint8Array, this.#start, this.#length));
  }
}

function readDenied(number: number, head: number, output: Uint32Array): Denied {
  const code = denialCodes[number];
  if (code === undefined) return deniedUnknown("verifier_fault");
  const freshness = freshnesses[head >>> 24] ?? null;
  const keyring = freshness === "fresh" || freshness === "stale";
  const denied: Denied = {
    verified: false,
    code,
    keyId: (head >>> 16) & HAS_KEY_ID ? idFrom(output) : null,
    freshness,
    epoch: keyring ? u64(output, 16) : null,
    age: keyring ? u64(output, 18) : null,
  };
  if (number === KEYRING_UNAVAILABLE) Object.defineProperty(denied, "needed", { value: readNeeded(output) });
  return denied;
}

const partKinds: readonly (NeededPart["part"] | undefined)[] = [undefined, "chunk", "page"];

/** The number of a kind of part in WebAssembly. */
export function partNumber(part: NeededPart["part"]): number {
  return partKinds.indexOf(part);
}

function readNeeded(output: Uint32Array): NeededPart | null {
  const part = partKinds[((output[1] as number) >>> 8) & 0xff];
  if (part === undefined) return null;
  return { part, index: output[20] as number, hash: hex(new DataView(output.buffer, output.byteOffset + 96, 32)) };
}

/** 32 bytes in hex. */
function hex(bytes: DataView): string {
  let text = "";
  for (let at = 0; at < 32; at += 4) text += bytes.getUint32(at).toString(16).padStart(8, "0");
  return text;
}

/** A hash in hex as 32 bytes. */
export function hashBytes(hash: string): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, index) => Number.parseInt(hash.slice(2 * index, 2 * index + 2), 16));
}

/** Reads the parts that the core lists, a copy of its own: 40 bytes each, of which 32 are the hash. */
export function readParts({ buffer }: Uint8Array): NeededPart[] {
  const numbers = new Uint32Array(buffer);
  const parts: NeededPart[] = [];
  for (let at = 0; at < numbers.length; at += 10) {
    const part = partKinds[numbers[at] as number];
    if (part !== undefined) parts.push({ part, index: numbers[at + 1] as number, hash: hex(new DataView(buffer, 4 * at + 8, 32)) });
  }
  return parts;
}

/** Where in its bundle the part is that a denial needs; `undefined` if it needs none, or has no bundle. */
export function placeOfNeeded(output: Uint32Array): { part: number; index: number; start: number; length: number } | undefined {
  if ((((output[0] as number) >>> 16) & IN_BUNDLE) === 0) return undefined;
  const part = ((output[1] as number) >>> 8) & 0xff;
  return { part, index: output[20] as number, start: u64(output, 22), length: output[21] as number };
}

/** Times, epochs and places stay far below 2^53, so a number holds them exactly. */
function u64(output: Uint32Array, index: number): number {
  return (output[index] as number) + (output[index + 1] as number) * 0x1_0000_0000;
}

/** The id in a record. */
function idFrom(output: Uint32Array): string {
  return idOfHalves(output[2] as number, output[3] as number);
}

/** An id as text: base62 of a u64, divided in two halves. */
export function idOfHalves(low: number, high: number): string {
  let id = "";
  while (id.length < KEY_ID_LENGTH) {
    low += (high % 62) * 0x1_0000_0000;
    high = Math.floor(high / 62);
    const digit = low % 62;
    id = String.fromCharCode(digit + (digit < 10 ? 48 : digit < 36 ? 55 : 61)) + id;
    low = Math.floor(low / 62);
  }
  return id;
}
