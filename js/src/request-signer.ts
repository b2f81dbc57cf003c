/** Signing requests (RFC 9421 with HMAC-SHA256): the key itself is never sent. */
import { drop_signer, new_signer, sign_request } from "../wasm/claviger.js";
import { unixSeconds } from "./clock.js";
import { ClavigerError, requireInteger, requireObject, requireString, requireStrings, wrongType } from "./errors.js";
import { type Body, type HeadersLike, requestValuesOf } from "./headers.js";
import { disposed } from "./lifetime.js";
import { EMPTY, RequestRecord, bytesOf, keyBytes, unpaired } from "./signed-request.js";
import { exchange } from "./wasm.js";

/** The key that a {@link RequestSigner} signs with. */
export type RequestSignerOptions =
  | {
      /** The text of an API key: an opaque one that was made for signing (`…_h…`), or a signed one. */
      key: string;
    }
  | {
      /** An integration secret: `cvgws_…`. */
      integrationSecret: string;
    }
  | {
      /** A key of one's own: any bytes; fewer than 32 are less than the algorithm is worth. */
      key: Uint8Array | ArrayBuffer;
      /** What both sides call it. */
      keyid: string;
    };

/** What a signature says beside that its key was there. */
export interface SignOptions {
  /**
   * What is covered, in this order: names (`@path`, `content-type`), or whole identifiers with parameters
   * (`"@query-param";name="page"`, in their quotation marks). By default `@method`, `@authority`, `@path` and `@query`. Where there is a
   * body, `content-digest` is covered in any case.
   */
  components?: readonly string[];
  /** When it is made, in Unix seconds; by default now. `null`: it does not say. */
  created?: number | null;
  /** Until when it may be used, in Unix seconds. By default the verifier alone decides. */
  expires?: number;
  /** What it is for, where several signatures stand side by side: ASCII. */
  tag?: string;
  /** Told once, so that the request is not made twice; by default 128 random bits. `null`: none. */
  nonce?: string | null;
  /** The label in the two fields; by default `sig`. */
  label?: string;
}

/** A request that is no `Request`. */
export interface RequestParts {
  /** Its method; by default `GET`. */
  method?: string;
  /** The whole url as it will be sent, such as `https://api.example/flights?page=2`. */
  url: string;
  /** The header fields that it will have, as far as they are covered. */
  headers?: HeadersLike | readonly (readonly [name: string, value: string])[];
  /** The body as it will be sent. */
  body?: Body | null;
}

/** The header fields that sign a request, in the place of any of these names. */
export interface SignedFields {
  /** The digest of the body, if there is one. */
  "Content-Digest"?: string;
  /** What was signed, and by which key. */
  "Signature-Input": string;
  /** The signature. */
  Signature: string;
}

/** The runtime's `Request`; what is used of it where the types of a project know none. */
export type FetchRequest = typeof globalThis extends { Request: { prototype: infer T } }
  ? T
  : {
      readonly method: string;
      readonly url: string;
      readonly headers: any;
      readonly body: unknown;
      clone(): { arrayBuffer(): Promise<ArrayBuffer> };
    };

const NAMED = 0;
const INTEGRATION_SECRET = 1;
const API_KEY = 2;
const DEFAULT_COMPONENTS = ["@method", "@authority", "@path", "@query"];
const NONCE_BYTES = 16;

/**
 * Signs requests with one key.
 *
 * ```js
 * const signer = new RequestSigner({ key: process.env.ACME_KEY });
 * const response = await fetch(await signer.sign(new Request("https://api.example/flights?page=2")));
 * ```
 */
export class RequestSigner {
  #signer: number | undefined;
  /** What its signatures name as their key: it is public. */
  readonly keyid: string;

  /**
   * @throws {TypeError} if an option has a wrong type; it names the option.
   * @throws {ClavigerError} `invalid_secret` if it is no key, or one that does not sign, or empty.
   */
  constructor(options: RequestSignerOptions) {
    const { key, keyid, integrationSecret } = requireObject("options", options);
    const encoder = new TextEncoder();
    let kind = NAMED;
    let name = encoder.encode("");
    let bytes: Uint8Array;
    if (integrationSecret !== undefined) {
      kind = INTEGRATION_SECRET;
      bytes = encoder.encode(requireString("options.integrationSecret", integrationSecret));
    } else if (typeof key === "string") {
      kind = API_KEY;
      bytes = encoder.encode(key);
    } else if (key === undefined) {
      throw wrongType("options.key", "a string or bytes, or options.integrationSecret given", key);
    } else {
      bytes = keyBytes("options.key", key);
      name = encoder.encode(requireString("options.keyid", keyid));
    }
    const both = new Uint8Array(name.length + bytes.length);
    both.set(name);
    both.set(bytes, name.length);
    exchange.put(both);
    both.fill(0);
    const signer = exchange.check(new_signer(kind, name.length));
    this.keyid = exchange.lines()[0] as string;
    this.#signer = signer;
  }

  /**
   * The same request with `Content-Digest` (if it has a body), `Signature-Input` and `Signature`. The body is read by a clone, whole:
   * the request that is given can still be read.
   *
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `invalid_options` if something cannot be covered; `no_entropy`, `no_memory` or `disposed`.
   */
  async sign(request: FetchRequest, options: SignOptions = {}): Promise<FetchRequest> {
    const body = request.body === null ? null : new Uint8Array(await request.clone().arrayBuffer());
    const { method, url, headers } = request;
    const fields = await this.signParts({ method, url, headers: headers as unknown as HeadersLike, body }, options);
    const signed = new Headers(headers);
    for (const [name, value] of Object.entries(fields)) signed.set(name, value as string);
    // The bytes that were hashed are those that are sent.
    return new Request(request, body === null ? { headers: signed } : { headers: signed, body });
  }

  /**
   * The header fields that sign a request, for what is no `Request`. Each takes the place of any of the same name.
   *
   * ```js
   * const fields = await signer.signParts({ method: "POST", url: "https://api.example/flights", body });
   * ```
   *
   * @throws {TypeError} as of {@link sign}.
   * @throws {ClavigerError} as of {@link sign}.
   */
  async signParts(request: RequestParts, options: SignOptions = {}): Promise<SignedFields> {
    const { method = "GET", url, headers = [], body } = requireObject("request", request) as unknown as RequestParts;
    const terms = readTerms(options);
    const bytes = body === undefined || body === null ? undefined : bytesOf("request.body", body);
    const hasBody = bytes !== undefined && bytes.length > 0;
    const digest = hasBody ? await digestOf(bytes) : undefined;
    if (hasBody && !terms.components.includes("content-digest")) terms.components.push("content-digest");
    const given = unpaired({ headers });
    const fields: string[] = [];
    for (const name of new Set(terms.components.map(nameOf))) {
      if (name.startsWith("@")) continue;
      if (name === "content-digest" && digest !== undefined) fields.push(name, digest);
      else for (const [value] of requestValuesOf(given, name)) fields.push(name, value);
    }
    const target = { uri: requireString("request.url", url), requestTarget: "" };
    const record = new RequestRecord(requireString("request.method", method), target, fields);
    if (this.#signer === undefined) throw disposed();
    const { label, created, expires, nonce, tag, components } = terms;
    const texts = [label, created, expires, nonce, tag, ...components];
    exchange.put(texts.join("\0"));
    const { head, texts: count } = record.write(EMPTY);
    exchange.check(sign_request(this.#signer, head, count, texts.length));
    const [input, signature] = exchange.lines() as [string, string];
    return { ...(digest === undefined ? {} : { "Content-Digest": digest }), "Signature-Input": input, Signature: signature };
  }

  /** Frees its memory, its key overwritten. It must not be used any more. */
  dispose(): void {
    if (this.#signer !== undefined) drop_signer(this.#signer);
    this.#signer = undefined;
  }

  /** The same as {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A `fetch` that signs each request, as it is sent: redirects are followed with the signature of the first request, which is not
 * good there.
 *
 * ```js
 * const fetch = signedFetch(new RequestSigner({ key: process.env.ACME_KEY }));
 * const response = await fetch("https://api.example/flights", { method: "POST", body });
 * ```
 *
 * @param send What sends; by default the runtime's `fetch`.
 */
export function signedFetch(
  signer: RequestSigner,
  send: (request: FetchRequest) => Promise<any> = (request) => fetch(request as Request),
): (input: any, init?: any) => Promise<any> {
  return async (input, init) => send(await signer.sign(new Request(input, init)));
}

interface Terms {
  readonly label: string;
  readonly created: string;
  readonly expires: string;
  readonly nonce: string;
  readonly tag: string;
  readonly components: string[];
}

function readTerms(options: unknown): Terms {
  const { components, created = unixSeconds(), expires, tag, nonce, label } = requireObject("options", options);
  const text = (name: string, value: unknown, byDefault: string) => (value === undefined ? byDefault : requireString(name, value));
  return {
    label: text("options.label", label, "sig"),
    created: created === null ? "" : String(Math.floor(requireTime("options.created", created))),
    expires: expires === undefined ? "" : String(Math.floor(requireTime("options.expires", expires))),
    nonce: nonce === null ? "" : nonce === undefined ? randomNonce() : requireString("options.nonce", nonce),
    tag: text("options.tag", tag, ""),
    components: components === undefined ? [...DEFAULT_COMPONENTS] : requireStrings("options.components", components),
  };
}

function requireTime(parameter: string, value: unknown): number {
  return requireInteger(parameter, typeof value === "number" ? Math.floor(value) : value);
}

/** The name in a component. */
function nameOf(component: string): string {
  return /^"([^"]*)"/.exec(component)?.[1] ?? component;
}

function randomNonce(): string {
  const bytes = new Uint8Array(NONCE_BYTES);
  try {
    crypto.getRandomValues(bytes);
  } catch (cause) {
    throw new ClavigerError("no_entropy", "this runtime gives no random bytes here", { cause });
  }
  return base64(bytes);
}

async function digestOf(body: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", body as Uint8Array<ArrayBuffer>);
  return `sha-256=:${base64(new Uint8Array(hash))}:`;
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
