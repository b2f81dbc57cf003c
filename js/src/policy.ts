/** Policies: whose a key is and what it may do, read from the bytes of the keyring (`keyring/policy.rs` in the core). */

/** How often something may be done. Whoever serves the request enforces it. */
export interface Limit {
  /** What is counted, such as `requests`. */
  readonly name: string;
  /** The most in a window. */
  readonly max: number;
  /** The length of the window in seconds. */
  readonly perSeconds: number;
}

/** A policy as verdicts tell it. Many of them share one, so nobody may change it. */
export interface Policy {
  readonly prefix: string;
  readonly tenant: string;
  readonly owner: string;
  readonly externalId: string | null;
  readonly role: string | null;
  readonly metadata: string | null;
  readonly permissions: readonly string[];
  readonly limits: readonly Limit[];
}

/** Bytes before the networks. */
const HEAD = 24;
const NETWORK = 17;

// A text may begin with U+FEFF, and keeps it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const NOTHING: readonly never[] = Object.freeze([]);

/** The texts of a policy, one behind the other. */
class Texts {
  readonly #memory: Uint8Array;
  /** All of them, decoded by one call, if every byte became one character: then places in bytes are places in it. */
  readonly #whole: string | undefined;
  readonly #start: number;
  /** The address of the next byte. */
  at: number;

  constructor(memory: Uint8Array, start: number, end: number) {
    const whole = decoder.decode(memory.subarray(start, end));
    this.#memory = memory;
    this.#whole = whole.length === end - start ? whole : undefined;
    this.#start = start;
    this.at = start;
  }

  next(bytes: number): string {
    const from = this.at;
    const to = (this.at = from + bytes);
    if (this.#whole === undefined) return decoder.decode(this.#memory.subarray(from, to));
    return this.#whole.slice(from - this.#start, to - this.#start);
  }
}

function u16(memory: Uint8Array, at: number): number {
  return (memory[at] as number) | ((memory[at + 1] as number) << 8);
}

function u32(memory: Uint8Array, at: number): number {
  return (u16(memory, at) | (u16(memory, at + 2) << 16)) >>> 0;
}

/** Reads the policy at `address`, which the core has checked: every length is right and every text UTF-8. */
export function readPolicy(memory: Uint8Array, address: number, length: number): Policy {
  const end = address + length;
  const texts = new Texts(memory, address + HEAD + u16(memory, address + 8) * NETWORK, end);
  const prefix = texts.next(memory[address + 1] as number);
  const tenant = texts.next(memory[address + 2] as number);
  const owner = texts.next(memory[address + 3] as number);
  const externalId = texts.next(memory[address + 4] as number) || null;
  const role = texts.next(memory[address + 5] as number) || null;
  const metadata = texts.next(u16(memory, address + 6)) || null;
  const permissionsEnd = texts.at + u16(memory, address + 10);
  const permissions = texts.at < permissionsEnd ? readPermissions(texts, memory, permissionsEnd) : NOTHING;
  const limits = texts.at < end ? readLimits(texts, memory, end) : NOTHING;
  return { prefix, tenant, owner, externalId, role, metadata, permissions, limits };
}

function readPermissions(texts: Texts, memory: Uint8Array, end: number): readonly string[] {
  const permissions: string[] = [];
  while (texts.at < end) permissions.push(texts.next(memory[texts.at++] as number));
  return Object.freeze(permissions);
}

function readLimits(texts: Texts, memory: Uint8Array, end: number): readonly Limit[] {
  const limits: Limit[] = [];
  while (texts.at < end) {
    const name = texts.next(memory[texts.at++] as number);
    const at = texts.at;
    texts.at = at + 12;
    // At most 2^53 - 1, as the core has seen.
    const max = u32(memory, at) + u32(memory, at + 4) * 0x1_0000_0000;
    const perSeconds = u32(memory, at + 8);
    limits.push(Object.freeze({ name, max, perSeconds }));
  }
  return Object.freeze(limits);
}

/** A power of two. */
const SLOTS = 4096;
/** Bytes that are allocated at once for copies; a policy that is longer gets its own. */
const SLAB = 16384;

/**
 * The policies of one keyring, on their way into verdicts.
 *
 * Those that are used again and again are decoded once and kept, one for each slot, so that nothing is searched or
 * counted. Where each key has a policy of its own, that would cost the garbage collector more than it saves, and most
 * verdicts are asked for little of it: so the bytes of a policy that is seen for the first time are copied, and decoded
 * when something of it is asked for.
 *
 * A policy is known by its index, and never by its address: that is given to others when parts are given up.
 */
export class PolicyCache {
  /** The epoch of the keyring. */
  readonly epoch: number;
  /** Where {@link copy} has put what it copied last. */
  slab: Uint8Array = new Uint8Array(0);
  #used = 0;
  readonly #slots: number;
  readonly #kept: (Policy | undefined)[];
  /** Whose policy is kept in each slot, or was seen there last, plus one. */
  readonly #seen: Uint32Array;

  /** Without slots nothing is kept. */
  constructor(epoch: number, slots = SLOTS) {
    this.epoch = epoch;
    this.#slots = slots;
    this.#kept = new Array<Policy | undefined>(slots).fill(undefined);
    this.#seen = new Uint32Array(slots);
  }

  /** The policy with this index, if it is one that is used again and again; its bytes are at `address`. */
  get(index: number, memory: Uint8Array, address: number, length: number): Policy | undefined {
    if (this.#slots === 0) return undefined;
    const slot = index & (SLOTS - 1);
    if (this.#seen[slot] !== index + 1) {
      this.#seen[slot] = index + 1;
      this.#kept[slot] = undefined;
      return undefined;
    }
    return (this.#kept[slot] ??= readPolicy(memory, address, length));
  }

  /** Copies bytes to where they stay: {@link slab}, from the returned place on. */
  copy(memory: Uint8Array, address: number, length: number): number {
    if (this.#used + length > this.slab.length) {
      this.slab = new Uint8Array(Math.max(length, this.#slots && SLAB));
      this.#used = 0;
    }
    const place = this.#used;
    this.slab.set(memory.subarray(address, address + length), place);
    this.#used = place + length;
    return place;
  }
}
