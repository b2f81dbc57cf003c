/** What a verifier is told about a request, and the bytes in which the core reads it (`ContextRecord` there). */
import { unixSeconds } from "./clock.js";
import { ClavigerError, optionalBoolean, optionalInteger, requireObject, requireString, requireStrings, wrongType } from "./errors.js";
import { encoder } from "./exchange.js";

/** The facts about one request, and what it needs. */
export interface RequestContext {
  /** When it arrived, in Unix seconds. By default the runtime's clock. */
  now?: number;
  /** The tenant that it is for: a key of another one is `wrong_tenant`. */
  tenant?: string;
  /**
   * The client's address as text, from a source that the client cannot forge; `null` where it is not known, and so is
   * what cannot be read as an address. A key that may only be used from certain networks is then `ip_not_allowed`.
   */
  address?: string | null;
  /** What it needs: every one of these permissions, such as `flights:view`. */
  permissions?: readonly string[];
  /** Whether knowledge that is `stale` is not enough (by default it is). */
  requireFresh?: boolean;
  /** The least epoch of the keyring: that which an operation returned whose effect must be seen. */
  minEpoch?: number;
  /** The most seconds since the keyring was issued. */
  maxAge?: number;
}

/** What of a context does not fit into the fast call. */
export interface Facts {
  readonly tenant: string | undefined;
  readonly address: string | undefined;
  readonly permissions: readonly string[];
  readonly requireFresh: boolean;
  readonly minEpoch: number;
  readonly maxAge: number | undefined;
}

/** The time in a context. */
export function readNow(parameter: string, context: { now?: unknown } | undefined): number {
  if (context === undefined) return unixSeconds();
  const { now } = requireObject(parameter, context);
  if (now === undefined) return unixSeconds();
  if (typeof now !== "number" || !(now >= 0)) throw wrongType(`${parameter}.now`, "Unix seconds", now);
  return now;
}

/** All of a context but the time; `undefined` if there is nothing. No code of the caller runs after this. */
export function readFacts(context: RequestContext): Facts | undefined {
  const { tenant, address, permissions, requireFresh, minEpoch, maxAge } = context;
  // Left out, they demand nothing. There and undefined, they are what a program failed to look up.
  const hasTenant = "tenant" in context;
  const hasPermissions = "permissions" in context;
  const nothing = address === undefined && requireFresh === undefined && minEpoch === undefined && maxAge === undefined;
  if (nothing && !hasTenant && !hasPermissions) return undefined;
  return {
    tenant: hasTenant ? wellFormed(requireString("context.tenant", tenant)) : undefined,
    address: address === undefined || address === null ? undefined : requireString("context.address", address),
    permissions: hasPermissions ? requireStrings("context.permissions", permissions) : [],
    requireFresh: optionalBoolean("context.requireFresh", requireFresh),
    minEpoch: optionalInteger("context.minEpoch", minEpoch, 0),
    maxAge: optionalInteger("context.maxAge", maxAge, undefined),
  };
}

/** Half a character would be encoded as U+FFFD, which may stand in a tenant; nothing is no tenant. */
function wellFormed(text: string): string {
  return /[\ud800-\udfff]/u.test(text) ? "" : text;
}

const HAS_TENANT = 1;
const HAS_ADDRESS = 2;
const REQUIRE_FRESH = 4;
const HAS_MAX_AGE = 8;
const HEAD = 32;
/** Longer than any address. */
const LONGEST_ADDRESS = 64;

/** Writes the record of a context at `start` of `memory`, at most up to `end`, and returns its length in bytes. */
export function writeContext(facts: Facts, now: number, memory: Uint8Array, start: number, end: number): number {
  const { tenant, permissions, requireFresh, minEpoch, maxAge } = facts;
  const address = facts.address !== undefined && facts.address.length <= LONGEST_ADDRESS ? facts.address : "";
  let at = put(tenant ?? "", memory, start + HEAD, end);
  const tenantLength = at - start - HEAD;
  at = put(address, memory, at, end);
  memory[start] =
    (tenant === undefined ? 0 : HAS_TENANT) |
    (address === "" ? 0 : HAS_ADDRESS) |
    (requireFresh ? REQUIRE_FRESH : 0) |
    (maxAge === undefined ? 0 : HAS_MAX_AGE);
  memory[start + 1] = at - start - HEAD - tenantLength;
  putU16(memory, start + 2, tenantLength);
  putU32(memory, start + 4, permissions.length);
  putU64(memory, start + 8, Math.min(Math.floor(now), Number.MAX_SAFE_INTEGER));
  putU64(memory, start + 16, minEpoch);
  putU64(memory, start + 24, maxAge ?? 0);
  for (const permission of permissions) {
    const behind = put(permission, memory, at + 2, end);
    putU16(memory, at, behind - at - 2);
    at = behind;
  }
  return at - start;
}

function putU16(memory: Uint8Array, at: number, number: number): void {
  memory[at] = number;
  memory[at + 1] = number >>> 8;
}

function putU32(memory: Uint8Array, at: number, number: number): void {
  putU16(memory, at, number);
  putU16(memory, at + 2, number >>> 16);
}

function putU64(memory: Uint8Array, at: number, number: number): void {
  putU32(memory, at, number % 0x1_0000_0000);
  putU32(memory, at + 4, number / 0x1_0000_0000);
}

/** Writes a text and returns the place behind it. */
function put(text: string, memory: Uint8Array, at: number, end: number): number {
  if (at + text.length > end) throw tooLong();
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character >= 0x80) {
      const { read, written } = encoder.encodeInto(text, memory.subarray(at, end));
      if (read < text.length) throw tooLong();
      return at + written;
    }
    memory[at + index] = character;
  }
  return at + text.length;
}

function tooLong(): ClavigerError {
  return new ClavigerError("invalid_options", "context: tenant, address and permissions are too long");
}
