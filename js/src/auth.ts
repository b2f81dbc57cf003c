/** What the adapters for frameworks share: their options, and deciding about one request. */
import { optionalBoolean, optionalFunction, requireInteger, requireObject, requireString, requireStrings, wrongType } from "./errors.js";
import { type Body, type RequestLike, requestValuesOf } from "./headers.js";
import {
  type Credentials,
  type DenialParts,
  type Denied,
  type KeyVerifier,
  type Verified,
  type VerifyRequestOptions,
  denialParts,
  readCredential,
  verifyRequest,
} from "./slim.js";
import { deniedUnknown } from "./verdict.js";

/** A header that holds the client's address. */
export interface AddressHeader {
  /**
   * Its name, such as `CF-Connecting-IP`. Only one that a proxy of yours sets, whatever the client sent. A value that is
   * not one single address gives none.
   */
  header: string;
}

/** Gives the client's address, or `null` or `undefined` where it is not known. */
export type AddressOf<C> = (c: C) => string | null | undefined | Promise<string | null | undefined>;

/** Options of `apiKeyAuth`, where `C` is what a framework gives a handler. */
export interface ApiKeyAuthOptions<C, Address = AddressOf<C> | AddressHeader> {
  /** What verifies, or a function that gives it: in a Worker, which has its secrets only at the first request. */
  verifier: KeyVerifier | ((c: C) => KeyVerifier | Promise<KeyVerifier>);
  /**
   * Which headers the key is read from. By default `Authorization: Bearer` and `X-API-Key`; `signature` needs a `RequestVerifier`, with
   * its option `origin`.
   */
  credentials?: Credentials;
  /** Gives the body of a signed request as it was received, where the request does not: in Express. */
  body?: (c: C) => Body | undefined | Promise<Body | undefined>;
  /** What each request needs: every one of these permissions, such as `flights:view`. */
  permissions?: readonly string[] | ((c: C) => readonly string[] | Promise<readonly string[]>);
  /** The tenant that requests are for: a key of another one is `wrong_tenant`. */
  tenant?: string | ((c: C) => string | Promise<string>);
  /** Whether knowledge that is `stale` is not enough (by default it is). */
  requireFresh?: boolean;
  /** The least epoch of the keyring. */
  minEpoch?: number;
  /** The most seconds since the keyring was issued. */
  maxAge?: number;
  /** Where the client's address is from. By default it is not known, and keys that are bound to networks are denied. */
  clientAddress?: Address;
  /** Is told each denial, for logs. What it does or throws changes nothing, and nothing waits for it. */
  onDenied?: (denied: Denied, c: C) => unknown;
  /** Is told why a request could not be decided, which the caller is not told. Then `onDenied` gets a `verifier_fault`. */
  onError?: (error: unknown, c: C) => unknown;
}

/** Options that were looked over. @internal */
export interface Auth<C> {
  readonly verifier: KeyVerifier | ((c: C) => unknown);
  readonly fixed: VerifyRequestOptions;
  readonly body: ((c: C) => unknown) | undefined;
  readonly permissions: ((c: C) => unknown) | undefined;
  readonly tenant: ((c: C) => unknown) | undefined;
  readonly address: ((c: C, request: RequestLike) => unknown) | undefined;
  readonly onDenied: ((denied: Denied, c: C) => unknown) | undefined;
  readonly onError: ((error: unknown, c: C) => unknown) | undefined;
}

/** What is to be done with a request: hand it on, or answer it. @internal */
export type Outcome = { verified: Verified } | { denial: DenialParts };

const NAMES: readonly string[] = [
  "verifier", "credentials", "body", "permissions", "tenant", "requireFresh", "minEpoch", "maxAge", "clientAddress", "onDenied", "onError",
] satisfies (keyof ApiKeyAuthOptions<never>)[];

/**
 * Looks options over, so that a mistake shows when a program starts. `ofConnection` gives the address of who is connected,
 * where a framework knows it.
 *
 * @internal
 */
export function readAuth<C>(options: unknown, ofConnection?: (c: C) => unknown): Auth<C> {
  const given = requireObject("options", options);
  // A misspelt demand would demand nothing.
  const unknown = Object.keys(given).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new TypeError(`options.${unknown} is not an option: they are ${NAMES.join(", ")}`);
  const { verifier, credentials, permissions, tenant, requireFresh, minEpoch, maxAge, clientAddress } = given;
  if (!isFunction(verifier) && !isVerifier(verifier)) {
    throw wrongType("options.verifier", "a Verifier, or a function that gives one", verifier);
  }
  const fixed: VerifyRequestOptions = {};
  if (optionalBoolean("options.requireFresh", requireFresh)) fixed.requireFresh = true;
  if (credentials !== undefined) {
    fixed.credentials = { ...(requireObject("options.credentials", credentials) as Credentials) };
    readCredential({}, fixed.credentials);
  }
  // Left out, they demand nothing. There and undefined, they are what a program failed to look up.
  if ("permissions" in given && !isFunction(permissions)) fixed.permissions = requireStrings("options.permissions", permissions);
  if ("tenant" in given && !isFunction(tenant)) fixed.tenant = requireString("options.tenant", tenant);
  if (minEpoch !== undefined) fixed.minEpoch = requireInteger("options.minEpoch", minEpoch);
  if (maxAge !== undefined) fixed.maxAge = requireInteger("options.maxAge", maxAge);
  return {
    verifier: verifier as Auth<C>["verifier"],
    fixed,
    body: optionalFunction("options.body", given["body"]),
    permissions: isFunction(permissions) ? permissions : undefined,
    tenant: isFunction(tenant) ? tenant : undefined,
    address: readAddress(clientAddress, ofConnection),
    onDenied: optionalFunction("options.onDenied", given["onDenied"]),
    onError: optionalFunction("options.onError", given["onError"]),
  };
}

/**
 * Decides about a request. It never fails: whatever goes wrong is a denial.
 *
 * @param seen Is told the verifier before it is used; what it throws changes nothing.
 * @internal
 */
export async function decide<C>(auth: Auth<C>, c: C, request: RequestLike, seen?: (verifier: KeyVerifier) => void): Promise<Outcome> {
  let denied = deniedUnknown("verifier_fault");
  let denial: DenialParts | undefined;
  try {
    const verifier = isFunction(auth.verifier) ? await auth.verifier(c) : auth.verifier;
    if (!isVerifier(verifier)) throw wrongType("what options.verifier() gives", "a Verifier", verifier);
    try {
      seen?.(verifier);
    } catch {
      // Keeping a keyring fresh is no reason to deny.
    }
    const options = { ...auth.fixed };
    if (auth.permissions !== undefined) {
      options.permissions = requireStrings("what options.permissions() gives", await auth.permissions(c));
    }
    if (auth.tenant !== undefined) options.tenant = requireString("what options.tenant() gives", await auth.tenant(c));
    if (auth.address !== undefined) {
      const address = (await auth.address(c, request)) ?? null;
      options.address = address === null ? null : requireString("what options.clientAddress() gives", address);
    }
    const body = (await auth.body?.(c)) as Body | null | undefined;
    // To `verifyRequest` it would say that somebody else holds the body against its digest.
    if (body === null) throw wrongType("what options.body() gives", "a Uint8Array, an ArrayBuffer, a string or undefined", body);
    if (body !== undefined) options.body = body;
    const verdict = await verifyRequest(verifier, request, options);
    if (verdict.verified === true) return { verified: verdict };
    if (verdict.verified !== false) throw new TypeError("what the verifier answered is no verdict");
    denial = denialParts(verdict, auth.fixed.credentials?.signature ? verifier : undefined);
    denied = verdict;
  } catch (error) {
    tell(auth.onError, error, c);
  }
  denial ??= denialParts(denied);
  tell(auth.onDenied, denied, c);
  return { denial };
}

/** Calls what the application gave to be told. */
function tell<T, C>(told: ((what: T, c: C) => unknown) | undefined, what: T, c: C): void {
  (async () => told?.(what, c))().catch(() => {});
}

function readAddress<C>(given: unknown, ofConnection: ((c: C) => unknown) | undefined): Auth<C>["address"] {
  if (given === undefined || isFunction(given)) return given;
  if (given === "connection" && ofConnection !== undefined) return ofConnection;
  const forms = `a function${ofConnection === undefined ? "" : ', "connection"'} or { header: name }`;
  if (typeof given !== "object" || given === null) throw wrongType("options.clientAddress", forms, given);
  const name = requireString("options.clientAddress.header", (given as { header?: unknown }).header).toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw new TypeError("options.clientAddress.header must be the name of a header");
  return (_, request) => {
    const values = requestValuesOf(request, name);
    // Of several values, the first ones are what the client said. Several in one are no address to the core.
    return values.length === 1 ? values[0]?.[0] : null;
  };
}

function isFunction(value: unknown): value is (...parameters: unknown[]) => unknown {
  return typeof value === "function";
}

function isVerifier(value: unknown): value is KeyVerifier {
  return typeof value === "object" && value !== null && isFunction((value as { verify?: unknown }).verify);
}
