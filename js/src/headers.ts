/** Header fields of requests, in each form in which runtimes give them. */
import { requireObject, wrongType } from "./errors.js";

/**
 * The header fields of a request: `Headers` of the Fetch API, or anything with such a `get`; a record of them, as Node's
 * `request.headers` and `headersDistinct` are; or a flat list of names and values, as Node's `rawHeaders` is.
 *
 * Only a list, and arrays in a record, tell a field that was sent twice from one whose value has a comma.
 */
export type HeadersLike =
  | { get(name: string): string | null | undefined }
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | readonly string[];

/** What is used of a request: of a `Request` of the Fetch API, or of Node's `IncomingMessage`. All but headers is for signatures. */
export interface RequestLike {
  readonly headers: HeadersLike;
  /** Its method. */
  readonly method?: string | undefined;
  /** The whole url, or what stood in the request line. */
  readonly url?: string | undefined;
  /** Express's: what stood in the request line, where a router has taken something from `url`. */
  readonly originalUrl?: string | undefined;
  /** What stood in the request line, where `url` is whole and that is not its path and query. */
  readonly requestTarget?: string | undefined;
  /** A body that is `null` is none. What an object holds that is no request of a runtime is its body. */
  readonly body?: unknown;
  /** The Fetch API's: whether the body was read already. */
  readonly bodyUsed?: boolean;
  /** The Fetch API's: a copy, by which a body is read. */
  clone?(): { arrayBuffer(): Promise<ArrayBuffer> };
  /** Node's: 2 for HTTP/2. */
  readonly httpVersionMajor?: number;
  /** Node's, of HTTP/2: whether nothing comes after the headers. */
  readonly stream?: { readonly endAfterHeaders?: boolean } | undefined;
  /** Node's: what was sent, where `headers` leaves out the second of two `Authorization`. */
  readonly rawHeaders?: readonly string[];
}

/** A body: bytes, or a text that is sent as UTF-8. */
export type Body = Uint8Array | ArrayBuffer | string;

/** What is used of a request that is signed. */
export interface SignedRequestLike extends Omit<RequestLike, "headers"> {
  /** As of other requests, or a list of pairs. */
  readonly headers: HeadersLike | readonly (readonly [name: string, value: string])[];
}

/** A value, and whether it may be several values, joined by commas. @internal */
export type HeaderValue = readonly [text: string, mayBeJoined: boolean];

/** The values of a header, whose name is in lower case. @internal */
export function valuesOf(headers: HeadersLike, name: string): HeaderValue[] {
  const values: HeaderValue[] = [];
  if (isList(headers)) {
    for (let at = 0; at < headers.length; at += 2) if (isNamed(headers[at], name)) add(values, headers[at + 1], false, name);
    return values;
  }
  if (typeof headers !== "object" || headers === null) {
    throw wrongType("headers", "Headers, a record, or a list of names and values", headers);
  }
  if (typeof headers.get === "function") {
    add(values, headers.get(name), true, name);
    return values;
  }
  const names = Object.keys(headers);
  for (let at = 0; at < names.length; at += 1) {
    const given = names[at] as string;
    if (!isNamed(given, name)) continue;
    const value = (headers as Readonly<Record<string, unknown>>)[given];
    if (isList(value)) for (const one of value) add(values, one, false, name);
    else add(values, value, true, name);
  }
  return values;
}

function add(values: HeaderValue[], value: unknown, mayBeJoined: boolean, name: string): void {
  if (typeof value === "string") values.push([value, mayBeJoined]);
  else if (value !== undefined && value !== null) throw wrongType(`headers["${name}"]`, "a string", value);
}

/** The values of a header of a request, by all that is known of it. @internal */
export function requestValuesOf(request: RequestLike, name: string): HeaderValue[] {
  const { headers, rawHeaders } = requireObject("request", request) as unknown as RequestLike;
  return sentValuesOf(headers, rawHeaders, name);
}

/** The same, of what was read of the request before. @internal */
export function sentValuesOf(headers: HeadersLike, rawHeaders: HeadersLike | undefined, name: string): HeaderValue[] {
  const values = valuesOf(headers, name);
  // What a program has taken away is gone.
  if (rawHeaders === undefined || values.length === 0) return values;
  const sent = valuesOf(rawHeaders, name);
  // And so is the one that was sent, if it has put another in its place; one beside it counts, too.
  return sent.length > 1 || (values.length === 1 && sent[0]?.[0] === values[0]?.[0]) ? sent : values;
}

/** Whether these are names and values in turn. @internal */
export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isNamed(given: unknown, name: string): boolean {
  return typeof given === "string" && given.length === name.length && (given === name || given.toLowerCase() === name);
}
