/** Signed requests on their way into WebAssembly: what is read of a request, and the bytes in which the core reads it. */
import { type Facts, writeContext } from "./context.js";
import { ClavigerError, requireBytes, requireObject, requireString, wrongType } from "./errors.js";
import { decoder, encoder } from "./exchange.js";
import { type Body, type HeaderValue, type HeadersLike, type RequestLike, type SignedRequestLike, isList, requestValuesOf, sentValuesOf } from "./headers.js";
import type { ReplayEntry } from "./replay.js";
import { roomFor } from "./room.js";

/** What is known of the content of a request, as `Content::from_parts` of the core has it. */
export interface Content {
  readonly kind: number;
  readonly bytes?: Uint8Array;
}

const BYTES = 0;
const HAS_SHA256 = 1;
const HAS_SHA512 = 2;
const NOT_READ = 4;
const NOT_KNOWN = 5;

/** There is no content. */
export const EMPTY: Content = { kind: BYTES };
/** There is, and it is read only if the rest is good. */
export const LATER: Content = { kind: NOT_READ };
/** The caller reads it, and holds it against its digest. */
const ELSEWHERE: Content = { kind: NOT_READ };
/** There is, and nobody can say which: no digest is right. */
const UNKNOWN: Content = { kind: NOT_KNOWN };

/**
 * From how many bytes on the platform hashes content. Below, `crypto.subtle.digest` takes longer for being asked than
 * WebAssembly takes for hashing: in Node 20 the two meet between 4 and 6 KiB.
 */
export const HASHED_BY_PLATFORM = 4096;

/** Room behind head and content: a context, and a head in which every character counts once. */
const CONTEXT_ROOM = 4096;
/** As many as all signatures of a request may cover, and one more. */
const MOST_NAMES = 513;
const LONGEST_INPUT = 8192;
/** For up to so many names all lines are searched for each. */
const FEW_NAMES = 16;

const SIGNATURE_INPUT = "signature-input";
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const AT = 64;
const EQUALS = 61;
const SLASH = 47;

/** Where a request that was written is: lengths in bytes, and the number of its texts. */
export interface Written {
  readonly head: number;
  readonly texts: number;
  readonly content: number;
  readonly context: number;
}

/** A request as the core reads it, but for its content. */
export class RequestRecord {
  /** Texts with a zero byte between them. */
  readonly #head: string;
  readonly #texts: number;

  /** `fields` are names and values in turn. */
  constructor(method: string, { uri, requestTarget }: Target, fields: readonly string[]) {
    let head = `${method}\0${uri}\0${requestTarget}`;
    for (let at = 0; at < fields.length; at += 1) head += "\0" + fields[at];
    this.#head = head;
    this.#texts = 3 + fields.length;
  }

  /** Writes it into the buffer of requests, with its content and maybe a context behind it. */
  write(content: Content, facts?: Facts, now = 0): Written {
    const head = this.#head;
    const { bytes } = content;
    const length = bytes === undefined ? 0 : bytes.length;
    const start = head.length + length;
    const memory = roomFor(start + CONTEXT_ROOM);
    let texts = this.#texts;
    // The values of fields are bytes, of which each is a character. Where UTF-8 takes as many, it is the same.
    if (encoder.encodeInto(head, memory).written !== head.length && !writeBytes(head, memory)) texts = 0;
    if (bytes !== undefined) memory.set(bytes, head.length);
    const context = facts === undefined ? 0 : writeContext(facts, now, memory, start, start + CONTEXT_ROOM);
    return { head: head.length, texts, content: length, context };
  }
}

/** Writes characters as bytes; whether they are. */
function writeBytes(text: string, memory: Uint8Array): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character > 0xff) return false;
    memory[at] = character;
  }
  return true;
}

/** Where a request goes. */
interface Target {
  readonly uri: string;
  /** What stood in the request line where that is not path and query; otherwise empty. */
  readonly requestTarget: string;
}

/** That of no request. */
const NO_TARGET: Target = { uri: "", requestTarget: "" };

/** A request that was read for its signature. */
export interface SignedRequest {
  readonly record: RequestRecord;
  /** The values of its `Content-Digest`. */
  readonly digests: readonly HeaderValue[];
  /** What it was read of: see {@link unpaired}. */
  readonly given: RequestLike;
}

/** Reads what of a request its signatures can cover. */
export function readSignedRequest(request: SignedRequestLike, origin: string | undefined): SignedRequest {
  requireObject("request", request);
  const given = unpaired(request);
  const { method, headers, rawHeaders } = given;
  const target = targetOf(given, origin);
  const inputs = sentValuesOf(headers, rawHeaders, SIGNATURE_INPUT);
  const fields: string[] = [];
  addFields(fields, SIGNATURE_INPUT, inputs);
  let digests: readonly HeaderValue[] = [];
  const names = namesIn(inputs);
  const find = names.length > FEW_NAMES ? grouped(headers, rawHeaders) : undefined;
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at] as string;
    const values = find === undefined ? sentValuesOf(headers, rawHeaders, name) : find(name);
    if (name === "content-digest") digests = values;
    addFields(fields, name, values);
  }
  return { record: new RequestRecord(requireString("request.method", method), target, fields), digests, given };
}

/** As {@link sentValuesOf}, for many names: nothing is proved yet, and each line is looked at once, not for each of them. */
function grouped(headers: HeadersLike, rawHeaders: readonly string[] | undefined): (name: string) => HeaderValue[] {
  const given = linesByName(headers);
  const sent = rawHeaders === undefined ? undefined : linesByName(rawHeaders);
  return (name) => sentValuesOf(given(name), sent?.(name), name);
}

/** Finds the lines of a field, as a list of their own. */
function linesByName(headers: HeadersLike): (name: string) => HeadersLike {
  const flat = isList(headers);
  if (!flat && typeof headers.get === "function") return () => headers;
  const lines = new Map<string, unknown[]>();
  const names: readonly unknown[] = flat ? headers : Object.keys(headers);
  for (let at = 0; at < names.length; at += flat ? 2 : 1) {
    const given = names[at];
    if (typeof given !== "string") continue;
    const name = given.toLowerCase();
    const value = flat ? headers[at + 1] : (headers as Readonly<Record<string, unknown>>)[given];
    let list = lines.get(name);
    if (list === undefined) lines.set(name, (list = []));
    for (const one of !flat && isList(value) ? value : [value]) list.push(name, one);
  }
  return (name) => (lines.get(name) ?? []) as string[];
}

function addFields(fields: string[], name: string, values: readonly HeaderValue[]): void {
  for (let at = 0; at < values.length; at += 1) fields.push(name, (values[at] as HeaderValue)[0]);
}

/** The same with a flat list for a list of pairs. */
export function unpaired(request: SignedRequestLike): RequestLike {
  const { headers } = request;
  if (!Array.isArray(headers) || !Array.isArray(headers[0])) return request as RequestLike;
  const { method, url, requestTarget, body } = request;
  return { method, url, requestTarget, body, headers: headers.flat() as string[] };
}

/** What the components of the last signature were, up to the bracket behind them, and the names in it. */
let lastCovered = "";
let lastNames: readonly string[] = ["signature"];

/**
 * The names of the fields that may be covered: every text in quotes that can be one. What is not found here is missing in the
 * record, and the core denies what covers it.
 */
function namesIn(inputs: readonly HeaderValue[]): readonly string[] {
  const only = inputs.length === 1 ? (inputs[0] as HeaderValue)[0] : "";
  // Most requests cover what the one before did, and what differs stands behind it.
  const mayBeSame = only !== "" && only.length <= LONGEST_INPUT && !only.includes(")", lastCovered.length);
  // V8 compares so several times as fast as by `startsWith`.
  if (mayBeSame && only.slice(0, lastCovered.length) === lastCovered) return lastNames;
  const names = new Set(["signature"]);
  let length = 0;
  for (const [text] of inputs) {
    length += text.length;
    // The core reads nothing of it.
    if (length > LONGEST_INPUT) break;
    addNames(names, text, text.lastIndexOf(")"));
  }
  const found = [...names];
  if (only !== "" && only.length <= LONGEST_INPUT) {
    lastCovered = only.slice(0, only.lastIndexOf(")") + 1);
    lastNames = found;
  }
  return found;
}

/** Adds those before `end`: no component is behind the last bracket. */
function addNames(names: Set<string>, text: string, end: number): void {
  let start = text.indexOf('"');
  while (start >= 0 && names.size < MOST_NAMES) {
    const next = text.indexOf('"', start + 1);
    if (next < 0 || next > end) return;
    const name = mayBeNamed(text, start) ? text.slice(start + 1, next) : "";
    const isName = FIELD_NAME.test(name);
    if (isName && name !== SIGNATURE_INPUT) names.add(name);
    // What ends no name may as well begin one.
    start = isName ? text.indexOf('"', next + 1) : next;
  }
}

/** Whether a name of a field may stand in these quotes: no derived component does, and no value of a parameter. */
function mayBeNamed(text: string, quote: number): boolean {
  return text.charCodeAt(quote + 1) !== AT && text.charCodeAt(quote - 1) !== EQUALS;
}

/** Looks an origin over. */
export function readOrigin(origin: unknown): string | undefined {
  if (origin === undefined) return undefined;
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/i.test(requireString("options.origin", origin))) return origin as string;
  throw new TypeError('options.origin must be a scheme and an authority, such as "https://api.example"');
}

function targetOf(request: RequestLike, origin: string | undefined): Target {
  const { method, originalUrl, rawHeaders, requestTarget = "" } = request;
  // A router of Express takes from `url` what it is mounted at.
  const url = requireString("request.url", originalUrl ?? request.url);
  const isPath = url.charCodeAt(0) === SLASH;
  const isWhole = !isPath && /^[a-z][a-z0-9+.-]*:\/\//i.test(url);
  if (isWhole && rawHeaders === undefined) return { uri: origin === undefined ? url : origin + behindAuthority(url), requestTarget };
  const known = required(origin);
  if (url === "*" && method === "OPTIONS") return { uri: known, requestTarget: url };
  // No signature covers what is behind a `#` or a `*`, and a handler may take it for a path or a query.
  if (url.includes("#") || !(isPath || isWhole)) return NO_TARGET;
  return isPath ? { uri: known + url, requestTarget } : { uri: known + behindAuthority(url), requestTarget: url };
}

/** What stands behind the authority of a whole url. */
function behindAuthority(url: string): string {
  return url.replace(/^[^:]*:\/\/[^/?#]*/, "");
}

function required(origin: string | undefined): string {
  if (origin !== undefined) return origin;
  const why = "Host is what the client says";
  throw new ClavigerError("invalid_options", `a request whose url is a path needs options.origin, such as "https://api.example": ${why}`);
}

/** The content of a request as far as it is at hand; {@link LATER} if it can be read. */
export function contentOf(
  request: RequestLike,
  digests: readonly HeaderValue[],
  body: Body | null | undefined,
): Content | Promise<Content> {
  if (body === null) return ELSEWHERE;
  const given = body ?? givenBody(request);
  if (given !== undefined) return contentOfBytes(bytesOf("options.body", given), digests);
  if (!mayHaveBody(request)) return EMPTY;
  // Where no digest is named, reading it tells nothing.
  return digests.length > 0 && isReadable(request) && request.bodyUsed !== true ? LATER : UNKNOWN;
}

/** Reads the content of a request by a clone, so that it can be read once more. */
export async function readContent(request: RequestLike, digests: readonly HeaderValue[]): Promise<Content> {
  const clone = (request as Required<Pick<RequestLike, "clone">>).clone();
  return contentOfBytes(new Uint8Array(await clone.arrayBuffer()), digests);
}

function isReadable(request: RequestLike): boolean {
  return typeof request.clone === "function";
}

/** A body that stands in the request itself. What a parser has left there is none. */
function givenBody({ body, clone, rawHeaders }: RequestLike): Body | undefined {
  if (clone !== undefined || rawHeaders !== undefined) return undefined;
  return typeof body === "string" || body instanceof Uint8Array || body instanceof ArrayBuffer ? body : undefined;
}

/** Bytes of a key, as a view that copies nothing: one at least, as anybody could sign with none. */
export function keyBytes(parameter: string, key: unknown): Uint8Array {
  const bytes = requireBytes(parameter, key);
  if (bytes.length === 0) throw new ClavigerError("invalid_secret", `${parameter} is empty`);
  return bytes;
}

/** Bytes of a body, as a view that copies nothing. */
export function bytesOf(parameter: string, body: unknown): Uint8Array {
  if (typeof body === "string") return encoder.encode(body);
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw wrongType(parameter, "a Uint8Array, an ArrayBuffer or a string", body);
}

/** Whether there may be content: doubt says so. */
function mayHaveBody(request: RequestLike): boolean {
  const { body, rawHeaders, httpVersionMajor = 1, stream } = request;
  const readable = isReadable(request);
  if (readable && body === null) return false;
  // What a parser made of it. In a request of Node it may leave an object where there was nothing.
  if (!readable && rawHeaders === undefined && body !== undefined && body !== null) return true;
  if (requestValuesOf(request, "transfer-encoding").length > 0) return true;
  const lengths = requestValuesOf(request, "content-length");
  if (lengths.length > 0) return lengths.some(([length]) => !/^0+$/.test(length));
  // HTTP/2 needs neither.
  return readable || (httpVersionMajor > 1 && stream?.endAfterHeaders !== true);
}

function contentOfBytes(bytes: Uint8Array, digests: readonly HeaderValue[]): Content | Promise<Content> {
  return bytes.length < HASHED_BY_PLATFORM ? { kind: BYTES, bytes } : hashed(bytes, digests);
}

/** The hashes of content that its digests may name. More than are named do no harm. */
async function hashed(content: Uint8Array, digests: readonly HeaderValue[]): Promise<Content> {
  const names = (algorithm: string) => digests.some(([value]) => value.includes(algorithm));
  const bytes = new Uint8Array(96);
  let kind = 0;
  let length = 0;
  for (const [algorithm, flag] of [["SHA-256", HAS_SHA256], ["SHA-512", HAS_SHA512]] as const) {
    if (!names(algorithm.toLowerCase())) continue;
    const hash = new Uint8Array(await crypto.subtle.digest(algorithm, content as Uint8Array<ArrayBuffer>));
    bytes.set(hash, length);
    length += hash.length;
    kind |= flag;
  }
  return kind === 0 ? UNKNOWN : { kind, bytes: bytes.subarray(0, length) };
}

let idDigits: Uint8Array | undefined;

/** What is to be remembered of a nonce, from the ten numbers in which the core says it; `undefined` if nothing is. */
export function readReplay(numbers: Uint32Array, at: number): ReplayEntry | undefined {
  const low = numbers[at] as number;
  const high = numbers[at + 1] as number;
  if (low === 0 && high === 0) return undefined;
  const digits = (idDigits ??= new Uint8Array(64));
  for (let place = 0; place < 64; place += 2) {
    const byte = (numbers[at + 2 + (place >>> 3)] as number) >>> ((place & 6) << 2);
    digits[place] = hexDigit((byte >>> 4) & 15);
    digits[place + 1] = hexDigit(byte & 15);
  }
  return { id: decoder.decode(digits), keepUntil: Math.min(low + high * 0x1_0000_0000, Number.MAX_SAFE_INTEGER) };
}

function hexDigit(number: number): number {
  return number + (number < 10 ? 48 : 87);
}
