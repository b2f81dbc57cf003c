/** Header fields of requests, in each form in which runtimes give them. */
import { requireObject, requireString, wrongType } from "./errors.js";

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

/** What is used of a request: of a `Request` of the Fetch API, or of Node's `IncomingMessage`. */
export interface RequestLike {
  readonly headers: HeadersLike;
  /** Node's: read instead of `headers`, where the second of two `Authorization` is left out. */
  readonly rawHeaders?: readonly string[];
}

/** A value, and whether it may be several values, joined by commas. @internal */
type HeaderValue = readonly [text: string, mayBeJoined: boolean];

/** The header fields of a request in the form that tells most. @internal */
export function headersOf(request: RequestLike): HeadersLike {
  const { rawHeaders, headers } = requireObject("request", request) as unknown as RequestLike;
  // What makes requests without a connection may leave the list empty.
  return rawHeaders !== undefined && rawHeaders.length > 0 ? rawHeaders : headers;
}

/** The values of a header, whose name is in lower case. @internal */
export function valuesOf(headers: HeadersLike, name: string): HeaderValue[] {
  const values: HeaderValue[] = [];
  const add = (value: unknown, mayBeJoined: boolean) => {
    if (value !== undefined && value !== null) values.push([requireString(`headers["${name}"]`, value), mayBeJoined]);
  };
  if (isList(headers)) {
    for (let at = 0; at < headers.length; at += 2) if (isNamed(headers[at], name)) add(headers[at + 1], false);
    return values;
  }
  if (typeof headers !== "object" || headers === null) {
    throw wrongType("headers", "Headers, a record, or a list of names and values", headers);
  }
  if (typeof headers.get === "function") {
    add(headers.get(name), true);
    return values;
  }
  for (const [given, value] of Object.entries(headers)) {
    if (!isNamed(given, name)) continue;
    if (isList(value)) for (const one of value) add(one, false);
    else add(value, true);
  }
  return values;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isNamed(given: unknown, name: string): boolean {
  return typeof given === "string" && given.length === name.length && given.toLowerCase() === name;
}
