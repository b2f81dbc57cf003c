/// <reference lib="esnext.disposable" preserve="true" />
/** Webhooks by the Standard Webhooks specification: signing what is sent, and verifying what arrives. */
import { RawWebhook } from "../wasm/claviger.js";
import { readNow } from "./context.js";
import { type DenialCode, denialCodes } from "./denial-codes.js";
import { ClavigerError, optionalInteger, requireBytes, requireInteger, requireObject, requireString, requireStrings } from "./errors.js";
import { encoder } from "./exchange.js";
import { type HeadersLike, valuesOf } from "./headers.js";
import { leaveRoom, roomFor } from "./room.js";
import { exchange } from "./wasm.js";

/** What a {@link Webhook} signs and verifies with. */
export interface WebhookOptions {
  /**
   * 1 to 8 secrets: `whsec_…` (24 to 64 bytes in base64), or integration secrets (`cvgws_…`). All of them sign, and any of
   * them proves; so give the old and the new one while a secret is rotated.
   */
  secrets: readonly string[];
  /** By how many seconds the time of a webhook may be earlier or later than the clock. By default 300. */
  tolerance?: number;
}

/** The headers of a webhook. */
export type WebhookHeaders = {
  /** The same for every attempt to send it. */
  "webhook-id": string;
  /** When this attempt is made, in Unix seconds. */
  "webhook-timestamp": string;
  /** A signature for each secret. */
  "webhook-signature": string;
};

/** A webhook that a secret proved. */
export interface VerifiedWebhook {
  /** It was proved. */
  verified: true;
  /** Its id. Whoever must not do the same twice remembers those that he has seen, for twice the tolerance at least. */
  id: string;
  /** When this attempt to send it was made, in Unix seconds. */
  timestamp: number;
}

/** A webhook that nothing proves. */
export interface DeniedWebhook {
  /** It was not proved. */
  verified: false;
  /** Why: `missing`, `malformed`, `signature_expired`, `signature_from_future` or `bad_signature`. */
  code: DenialCode;
}

/** What {@link Webhook.verify} says. */
export type WebhookVerdict = VerifiedWebhook | DeniedWebhook;

/**
 * Signs webhooks, and verifies them, as <https://www.standardwebhooks.com> says (symmetric signatures, `v1`).
 *
 * ```js
 * const webhook = new Webhook({ secrets: [env.WEBHOOK_SECRET] });
 * const verdict = webhook.verify(request.headers, await request.text());
 * if (!verdict.verified) return new Response("unauthorized", { status: 401 });
 * ```
 */
export class Webhook {
  #raw: RawWebhook | undefined;
  readonly #tolerance: number;

  /**
   * @throws {TypeError} if an option has a wrong type; it names the option.
   * @throws {ClavigerError} `invalid_secret`, or `invalid_options` if there is no secret or there are more than 8.
   */
  constructor(options: WebhookOptions) {
    const given = requireObject("options", options);
    const secrets = requireStrings("options.secrets", given["secrets"]);
    this.#tolerance = optionalInteger("options.tolerance", given["tolerance"], 300);
    if (secrets.length < 1 || secrets.length > 8) throw new ClavigerError("invalid_options", "options.secrets has 1 to 8 secrets");
    exchange.putLines(secrets);
    this.#raw = exchange.check(RawWebhook.with_secrets());
  }

  /**
   * The headers of a webhook that is to be sent.
   *
   * @param id The same for every attempt to send it: 1 to 256 visible ASCII characters without a full stop.
   * @param timestamp The time of this attempt, in Unix seconds.
   * @param body The very text or bytes that are sent.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `invalid_options` if this cannot be an id; `no_memory`; `disposed`.
   */
  sign(id: string, timestamp: number, body: string | Uint8Array | ArrayBuffer): WebhookHeaders {
    requireInteger("timestamp", timestamp);
    const raw = this.#live();
    const length = putBefore(requireString("id", id), body);
    const signed = raw.sign(id.length, length, timestamp);
    leaveRoom();
    const signature = exchange.answer(signed);
    return { "webhook-id": id, "webhook-timestamp": `${timestamp}`, "webhook-signature": signature };
  }

  /**
   * What this says about a webhook that arrived. A bad one never throws; it is denied.
   *
   * @param headers The headers of the request, with names in any case.
   * @param body The very text or bytes that arrived, before anything is parsed. Text is taken as UTF-8: where bytes may be
   * none, give the bytes. They are copied into WebAssembly and hashed there at once, so limit their length before.
   * @param options `now`: the time in Unix seconds, by default the runtime's clock.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `no_memory`; `disposed`.
   */
  verify(headers: HeadersLike, body: string | Uint8Array | ArrayBuffer, options?: { now?: number }): WebhookVerdict {
    const id = header(headers, "webhook-id");
    const timestamp = header(headers, "webhook-timestamp");
    const signature = header(headers, "webhook-signature");
    const now = readNow("options", options);
    // What reads the headers may be the caller's code, which may dispose of this.
    const raw = this.#live();
    if (id === undefined || timestamp === undefined || signature === undefined) return { verified: false, code: "missing" };
    // Lengths count UTF-16; a header where that is another number is no ASCII at once, and malformed.
    const length = putBefore(id + timestamp + signature, body);
    const code = raw.verify(id.length, timestamp.length, signature.length, length, now, this.#tolerance);
    leaveRoom();
    if (code > 0) return { verified: false, code: denialCodes[code] as DenialCode };
    return { verified: true, id, timestamp: Number(timestamp) };
  }

  /** Frees the memory of the secrets, overwritten. It must not be used any more. */
  dispose(): void {
    this.#raw?.free();
    this.#raw = undefined;
  }

  /** The same as {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): RawWebhook {
    if (this.#raw === undefined) throw new ClavigerError("disposed", "the webhook was disposed");
    return this.#raw;
  }
}

/** A header; several are as if they were joined, by a comma and a blank, which none may have. */
function header(headers: HeadersLike, name: string): string | undefined {
  const values = valuesOf(headers, name);
  return values.length > 1 ? ", " : values[0]?.[0];
}

/** Writes a text, and a body behind it; how many bytes the body has. */
function putBefore(text: string, body: unknown): number {
  const start = text.length;
  if (typeof body === "string") {
    const memory = roomFor(start + body.length);
    encoder.encodeInto(text, memory);
    const { read, written } = encoder.encodeInto(body, memory.subarray(start));
    if (read === body.length) return written;
    body = encoder.encode(body);
  }
  const bytes = requireBytes("body", body);
  const memory = roomFor(start + bytes.length);
  encoder.encodeInto(text, memory);
  memory.set(bytes, start);
  return bytes.length;
}
