/** Keys in HTTP requests, and what is answered to denials. `crates/client/src/http.rs` decides the same in Rust. */
import { type RequestContext, readFacts, readNow } from "./context.js";
import { denialClasses, policyReasons } from "./denial-codes.js";
import { ClavigerError, optionalBoolean, requireObject } from "./errors.js";
import { type HeadersLike, type HeaderValue, type RequestLike, requestValuesOf, valuesOf } from "./headers.js";
import { parseKey } from "./keys.js";
import type { VerifySignedOptions } from "./request-verifier.js";
import { type Denied, type Verdict, deniedUnknown } from "./verdict.js";

/** Which headers a key is read from. The names of schemes are read in upper and lower case. */
export interface Credentials {
  /** `Authorization: Bearer <key>` (RFC 6750). By default it is. */
  bearer?: boolean;
  /** `X-API-Key: <key>`. By default it is. */
  xApiKey?: boolean;
  /** `Authorization: Basic base64(<id>:<key>)` (RFC 7617), where the id must be that of the key. By default it is not. */
  basic?: boolean;
  /** `Authorization: rest_api_key=<key>`. By default it is not. */
  restApiKey?: boolean;
  /**
   * `Signature-Input` and `Signature` (RFC 9421), by {@link verifyRequest} and a `RequestVerifier`. By default it is not.
   */
  signature?: boolean;
}

/** What {@link readCredential} found: a key, of which nothing is proved yet, or why there is none. */
export type Credential = { key: string; code: null } | { key: null; code: "missing" | "malformed" };

/** What verifies a key: a `Verifier`, or what stands before one, such as a `RequestVerifier`. */
export interface KeyVerifier {
  /** As `Verifier.verify`. */
  verify(key: string, context?: RequestContext): Promise<Verdict>;
  /** As `RequestVerifier.verifySigned`. */
  verifySigned?(request: RequestLike, options?: VerifySignedOptions): Promise<Verdict>;
  /** As `RequestVerifier.acceptSignature`. */
  readonly acceptSignature?: string;
  /** As `Verifier.refreshIfDue`. */
  refreshIfDue?(): Promise<void>;
}

/** Options of {@link verifyRequest}: where the key is, what else is known of the request, and what it needs. */
export interface VerifyRequestOptions extends VerifySignedOptions {
  /** Which headers the key is read from. By default `Authorization: Bearer` and `X-API-Key`. */
  credentials?: Credentials;
}

/** What is answered to a denial, for any runtime: problem details (RFC 9457). */
export interface DenialParts {
  /** 401 of whoever proves nothing, 403 of a proven key that is not good, 503 where that cannot be decided. */
  status: 401 | 403 | 503;
  /** `Content-Type`, and `WWW-Authenticate` or `Retry-After`; `Accept-Signature` where it is known. */
  headers: Record<string, string>;
  /** JSON. */
  body: string;
}

/** The runtime's `Response`; what is used of it where the types of a project know none. */
export type ResponseLike = typeof globalThis extends { Response: { prototype: infer T } }
  ? T
  : { readonly status: number; readonly headers: { get(name: string): string | null }; text(): Promise<string> };

/**
 * The one key that the headers of a request carry.
 *
 * It is `missing` if there is none in the accepted headers, or an empty one; and `malformed` if there are two that differ,
 * or one has not the form of its scheme, or a signature that is accepted stands beside it. None of two is ever preferred.
 *
 * A header that was sent twice with one and the same key carries one key. `Headers` of the Fetch API and strings in a
 * record do not tell that from one header with a comma: there, whatever has a comma beside a key is `malformed`. And
 * Node's `request.headers` has only the first `Authorization`: read `request.rawHeaders` instead. {@link verifyRequest}
 * looks at both.
 *
 * ```js
 * const { key, code } = readCredential(request.headers, { basic: true });
 * const verdict = key === null ? code : verifier.verifyKey(key);
 * ```
 *
 * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
 */
export function readCredential(headers: HeadersLike, credentials: Credentials = {}): Credential {
  return readValues((name) => valuesOf(headers, name), credentials);
}

function readValues(valuesOf: (name: string) => HeaderValue[], credentials: Credentials = {}): Credential {
  const accepted = readAccepted(credentials);
  let found: string | null = null;
  for (const name of ["authorization", "x-api-key"]) {
    if (name === "x-api-key" && !accepted.xApiKey) break;
    for (const [text, mayBeJoined] of valuesOf(name)) {
      const inOne = (value: string) => (name === "x-api-key" ? value : keyOf(value, accepted));
      let key = inOne(text);
      if (mayBeJoined && text.includes(",")) {
        if ([text, ...text.split(/,[ \t]*/)].every((value) => inOne(value) === null)) continue;
        key = undefined;
      }
      if (key === null) continue;
      if (key === undefined || (found !== null && key !== found)) return { key: null, code: "malformed" };
      found = key;
    }
  }
  if (found !== null && accepted.signature && isSigned(valuesOf)) return { key: null, code: "malformed" };
  return found === null || found === "" ? { key: null, code: "missing" } : { key: found, code: null };
}

/**
 * Verifies the key in the headers of a request: a `Request` of the Fetch API, or Node's `IncomingMessage`. What
 * {@link readCredential} does not find is denied, and nothing is known of freshness then.
 *
 * ```js
 * const verdict = await verifyRequest(verifier, request, { permissions: ["flights:view"] });
 * if (!verdict.verified) return denialResponse(verdict);
 * ```
 *
 * With `credentials.signature`, a signed request is verified as `RequestVerifier.verifySigned` does it. A signature beside a key is
 * `malformed`.
 *
 * @param options `tenant`, `permissions` and the others as `Verifier.verify` takes them, `credentials`, and of signed requests
 * `body` and `origin`.
 * @throws {TypeError} if a parameter has a wrong type; it names the parameter, whatever the request carries.
 * @throws {ClavigerError} what `Verifier.verify` and `RequestVerifier.verifySigned` throw.
 */
export async function verifyRequest(
  verifier: KeyVerifier,
  request: RequestLike,
  options: VerifyRequestOptions = {},
): Promise<Verdict> {
  const values = (name: string) => requestValuesOf(request, name);
  const { credentials } = options;
  const credential = readValues(values, credentials);
  if (credential.code === "missing" && credentials?.signature && isSigned(values)) {
    if (verifier.verifySigned === undefined) throw new ClavigerError("invalid_options", "credentials.signature needs a RequestVerifier");
    return verifier.verifySigned(request, options);
  }
  if (credential.key !== null) return verifier.verify(credential.key, options);
  readNow("options", options);
  readFacts(options);
  return deniedUnknown(credential.code);
}

/**
 * What is answered to a denial.
 *
 * Whoever proves nothing gets one and the same 401, whatever the reason; a proven caller gets a 403 with the code; and where
 * the verifier cannot decide, it is a 503 with `Retry-After`, because the key may be good.
 *
 * ```js
 * const { status, headers, body } = denialParts(verdict);
 * response.writeHead(status, headers).end(body);
 * ```
 *
 * @param verifier What takes signed requests: a 401 then says so in `Accept-Signature`, as for a request
 * without a body.
 */
export function denialParts(denied: Pick<Denied, "code">, verifier?: { readonly acceptSignature?: string }): DenialParts {
  const given = denied.code;
  const kind = denialClasses[given];
  const type = { "Content-Type": "application/problem+json" };
  if (kind === "unproven") {
    const detail = "The request carries no valid API key.";
    const body = JSON.stringify({ title: "Unauthorized", status: 401, detail });
    const accept = verifier?.acceptSignature;
    const asked = accept === undefined ? {} : { "Accept-Signature": accept };
    return { status: 401, headers: { ...type, "WWW-Authenticate": "Bearer", ...asked }, body };
  }
  if (kind === "policy") {
    const body = JSON.stringify({ title: "Forbidden", status: 403, code: given, detail: policyReasons[given] });
    return { status: 403, headers: type, body };
  }
  // What has none of these classes is no denial.
  const code = kind === "fault" ? given : "verifier_fault";
  const detail = "The API key cannot be verified at the moment.";
  const body = JSON.stringify({ title: "Service Unavailable", status: 503, code, detail });
  return { status: 503, headers: { ...type, "Retry-After": "1" }, body };
}

/**
 * The response to a denial, for what speaks the Fetch API: {@link denialParts} in a `Response`.
 *
 * ```js
 * if (!verdict.verified) return denialResponse(verdict);
 * ```
 */
export function denialResponse(denied: Pick<Denied, "code">, verifier?: { readonly acceptSignature?: string }): ResponseLike {
  const { status, headers, body } = denialParts(denied, verifier);
  return new Response(body, { status, headers });
}

/** Whether there is a signature, or half of one. */
function isSigned(valuesOf: (name: string) => HeaderValue[]): boolean {
  return valuesOf("signature-input").length > 0 || valuesOf("signature").length > 0;
}

type Accepted = Required<Credentials>;

function readAccepted(credentials: Credentials): Accepted {
  const given = requireObject("credentials", credentials);
  const read = (name: keyof Credentials, byDefault: boolean) =>
    given[name] === undefined ? byDefault : optionalBoolean(`credentials.${name}`, given[name]);
  return {
    bearer: read("bearer", true),
    xApiKey: read("xApiKey", true),
    basic: read("basic", false),
    restApiKey: read("restApiKey", false),
    signature: read("signature", false),
  };
}

/** The key in a value of `Authorization`: `null` for a scheme that is not accepted, `undefined` if it has not its form. */
function keyOf(value: string, accepted: Accepted): string | null | undefined {
  const scheme = /^(?:bearer |basic |rest_api_key=)/i.exec(value)?.[0] ?? "";
  const rest = value.slice(scheme.length);
  switch (scheme.toLowerCase()) {
    case "bearer ":
      return accepted.bearer ? trimmed(rest) : null;
    case "basic ":
      return accepted.basic ? keyOfBasic(trimmed(rest)) : null;
    case "rest_api_key=":
      return accepted.restApiKey ? rest : null;
    default:
      return null;
  }
}

function keyOfBasic(encoded: string): string | undefined {
  let pair: string;
  try {
    pair = atob(encoded);
  } catch {
    return undefined;
  }
  // `atob` forgives blanks, and what is wrong at the end.
  if (btoa(pair) !== encoded) return undefined;
  const colon = pair.indexOf(":");
  const key = pair.slice(colon + 1);
  const parts = parseKey(key);
  return colon >= 0 && parts.wellFormed && parts.keyId === pair.slice(0, colon) ? key : undefined;
}

/** Without the blanks around it, which are fewer than those of `trim`. */
function trimmed(text: string): string {
  const isBlank = (at: number) => " \t\n\f\r".includes(text.charAt(at));
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(start)) start += 1;
  while (start < end && isBlank(end - 1)) end -= 1;
  return text.slice(start, end);
}
