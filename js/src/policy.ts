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
  /** Its place in the keyring. */
  readonly index: number;
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

/** Reads the policy at `address`, which the core has checked: every length is right and every text UTF-8. */
export function readPolicy(index: number, memory: Uint8Array, address: number, length: number): Policy {
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
  return { index, prefix, tenant, owner, externalId, role, metadata, permissions, limits };
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
    texts.at = at + 8;
    const max = (u16(memory, at) | (u16(memory, at + 2) << 16)) >>> 0;
    const perSeconds = (u16(memory, at + 4) | (u16(memory, at + 6) << 16)) >>> 0;
    limits.push(Object.freeze({ name, max, perSeconds }));
  }
  return Object.freeze(limits);
}

/** A power of two. */
const SLOTS = 4096;

/**
 * The policies of one keyring that are used again and again: one for each slot, so that nothing is searched or counted.
 *
 * A policy is kept when it is read for the second time. Where each key has a policy of its own, keeping each of them
 * for a while would cost the garbage collector more than reading costs.
 */
export class PolicyCache {
  readonly #kept: (Policy | undefined)[] = new Array<Policy | undefined>(SLOTS).fill(undefined);
  /** Which policy was read last, plus one. */
  readonly #seen = new Uint32Array(SLOTS);

  /** The policy with this index, whose bytes are at `address`. */
  get(index: number, memory: Uint8Array, address: number, length: number): Policy {
    const slot = index & (SLOTS - 1);
    const kept = this.#kept[slot];
    if (kept !== undefined && kept.index === index) return kept;
    const policy = readPolicy(index, memory, address, length);
    if (this.#seen[slot] === index + 1) this.#kept[slot] = policy;
    this.#seen[slot] = index + 1;
    return policy;
  }
}
