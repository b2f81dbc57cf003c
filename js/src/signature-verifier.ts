/** Signatures by keys that are no API keys: integration secrets, and keys that were agreed elsewhere. */
import { add_signature_key, drop_signature_keys, exchanged, new_signature_keys, verify_signature } from "../wasm/claviger.js";
import { unixSeconds } from "./clock.js";
import { readNow } from "./context.js";
import { type DenialCode, denialCodes } from "./denial-codes.js";
import { requireObject, requireString, wrongType } from "./errors.js";
import { decoder } from "./exchange.js";
import type { Body, SignedRequestLike } from "./headers.js";
import { disposed } from "./lifetime.js";
import { type ReadPolicy, type SignatureOptions, askStore, notFresh, putPolicy, readPolicy } from "./signature-policy.js";
import { wordsOfMemory } from "./room.js";
import {
  type Content,
  LATER,
  type Written,
  contentOf,
  keyBytes,
  readContent,
  readOrigin,
  readReplay,
  readSignedRequest,
} from "./signed-request.js";
import { exchange } from "./wasm.js";

/** Options of {@link SignatureVerifier}: its keys, and what is demanded of signatures. */
export interface SignatureVerifierOptions extends SignatureOptions {
  /** Keys by the names that signatures give them: any bytes; fewer than 32 are less than the algorithm is worth. */
  keys?: readonly { keyid: string; key: Uint8Array | ArrayBuffer }[];
  /** Integration secrets (`cvgws_…`), which name themselves. For the rotation of one, give the old and the new version. */
  integrationSecrets?: readonly string[];
  /** A key for every other name, and for signatures that name none: where there is but one. */
  anyKey?: Uint8Array | ArrayBuffer;
}

/** What is known of a request beside itself. */
export interface VerifySignatureOptions {
  /** When it arrived, in Unix seconds. By default the runtime's clock. */
  now?: number;
  /** The body as it was received, where the request does not give it; `null` as in `VerifySignedOptions`. */
  body?: Body | null;
  /** As in the options of `SignatureVerifier`. */
  origin?: string;
}

/** The signature is good. */
export interface VerifiedSignature {
  /** It is. */
  verified: true;
  /** The key that it names; `null` if it names none. */
  keyid: string | null;
  /** When it was made, in Unix seconds; `null` if it does not say. */
  created: number | null;
  /** Until when it may be used, in Unix seconds; `null` if it does not say. */
  expires: number | null;
  /** What its signer says that it is for; `null` if nothing. */
  tag: string | null;
}

/** What became of a signature. Look at `verified` before anything else. */
export type SignatureVerdict =
  | VerifiedSignature
  | {
      /** It is not good, or that cannot be decided. */
      verified: false;
      /** Why. */
      code: DenialCode;
    };

const NAMED = 0;
const INTEGRATION_SECRET = 1;
const ANY = 3;
const KEYS = ["keys", "integrationSecrets", "anyKey"];

/** Bytes of the record of the core (`VerifiedSignature::write_record`) before its texts. */
const RECORD_HEAD = 64;
const HAS_KEYID = 1;
const HAS_CREATED = 2;
const HAS_EXPIRES = 4;
const HAS_TAG = 8;
const REPLAY_AT = 6;

/**
 * Verifies signatures of requests (RFC 9421 with HMAC-SHA256) by keys of one's own: for a partner's requests, which are signed by
 * an integration secret. API keys are verified by `RequestVerifier.verifySigned`.
 *
 * ```js
 * const partners = new SignatureVerifier({ integrationSecrets: [env.PARTNER_SECRET] });
 * const verdict = await partners.verify(request);
 * if (!verdict.verified) return new Response(null, { status: 401 });
 * ```
 */
export class SignatureVerifier {
  #keys: number | undefined;
  readonly #policy: ReadPolicy;
  readonly #origin: string | undefined;

  /**
   * @throws {TypeError} if an option has a wrong type, or there is no such option; it names the option.
   * @throws {ClavigerError} `invalid_secret`, or `invalid_options`.
   */
  constructor(options: SignatureVerifierOptions) {
    const given = requireObject("options", options);
    this.#policy = readPolicy("options", given, KEYS);
    this.#origin = readOrigin(given["origin"]);
    const { keys = [], integrationSecrets = [], anyKey } = given;
    if (!Array.isArray(keys)) throw wrongType("options.keys", "an array", keys);
    if (!Array.isArray(integrationSecrets)) throw wrongType("options.integrationSecrets", "an array", integrationSecrets);
    putPolicy(this.#policy);
    this.#keys = exchange.check(new_signature_keys());
    try {
      keys.forEach((entry: unknown, index) => {
        const at = `options.keys[${index}]`;
        const { keyid, key } = requireObject(at, entry);
        this.#add(NAMED, requireString(`${at}.keyid`, keyid), keyBytes(`${at}.key`, key));
      });
      integrationSecrets.forEach((secret: unknown, index) => {
        this.#add(INTEGRATION_SECRET, "", new TextEncoder().encode(requireString(`options.integrationSecrets[${index}]`, secret)));
      });
      if (anyKey !== undefined) this.#add(ANY, "", keyBytes("options.anyKey", anyKey));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * Verifies the signature of a request. Of several signatures the first that holds decides. A nonce is put into the store last:
   * the verdict is good for one request.
   *
   * @param request A `Request` of the Fetch API, Node's `IncomingMessage`, or an object with `method`, `url`, `headers` and `body`,
   * whose url is taken as it is.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `invalid_options` without an `origin` where the request needs one; `no_memory`; `disposed`.
   */
  async verify(request: SignedRequestLike, options: VerifySignatureOptions = {}): Promise<SignatureVerdict> {
    const now = readNow("options", options);
    const started = unixSeconds();
    const { record, digests, given } = readSignedRequest(request, readOrigin(options.origin) ?? this.#origin);
    const first = contentOf(given, digests, options.body);
    let content = first instanceof Promise ? await first : first;
    let verdict = this.#decide(record.write(content), content, now);
    if (content === LATER && verdict.verified) {
      // Nobody makes it read a body who is not proved.
      content = await readContent(given, digests);
      verdict = this.#decide(record.write(content), content, now);
    }
    const { store } = this.#policy;
    if (!verdict.verified || store === undefined) return verdict;
    const replay = readReplay(wordsOfMemory(), exchanged() / 4 + REPLAY_AT);
    if (replay === undefined) return verdict;
    const asked = askStore(store, replay, now, started);
    const answer = typeof asked === "string" ? asked : await asked;
    return answer === "fresh" ? verdict : { verified: false, code: notFresh(answer) };
  }

  /** Frees its memory, its keys overwritten. It must not be used any more. */
  dispose(): void {
    if (this.#keys !== undefined) drop_signature_keys(this.#keys);
    this.#keys = undefined;
  }

  /** The same as {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #add(kind: number, name: string, key: Uint8Array): void {
    const keyid = new TextEncoder().encode(name);
    const both = new Uint8Array(keyid.length + key.length);
    both.set(keyid);
    both.set(key, keyid.length);
    exchange.put(both);
    both.fill(0);
    exchange.check(add_signature_key(this.#keys as number, kind, keyid.length));
  }

  #decide(written: Written, { kind }: Content, now: number): SignatureVerdict {
    if (this.#keys === undefined) throw disposed();
    verify_signature(this.#keys, written.head, written.texts, kind, written.content, now);
    return readSignatureVerdict(wordsOfMemory(), exchanged() / 4);
  }
}

/** Reads the record of the core, which is in memory from this number on. */
function readSignatureVerdict(numbers: Uint32Array, at: number): SignatureVerdict {
  const head = numbers[at];
  // The core has left nothing.
  if (head === undefined) return { verified: false, code: "verifier_fault" };
  const code = head & 0xff;
  if (code !== 0) return { verified: false, code: denialCodes[code] ?? "verifier_fault" };
  const flags = head >>> 8;
  const texts = 4 * at + RECORD_HEAD;
  const keyidLength = head >>> 16;
  return {
    verified: true,
    keyid: flags & HAS_KEYID ? readText(numbers, texts, keyidLength) : null,
    created: flags & HAS_CREATED ? readTime(numbers, at + 2) : null,
    expires: flags & HAS_EXPIRES ? readTime(numbers, at + 4) : null,
    tag: flags & HAS_TAG ? readText(numbers, texts + keyidLength, (numbers[at + 1] as number) & 0xffff) : null,
  };
}

/** The last text that was read, if it is one of ASCII. */
let lastText = "";

function readText(numbers: Uint32Array, start: number, length: number): string {
  if (isLastText(numbers, start, length)) return lastText;
  const text = decoder.decode(new Uint8Array(numbers.buffer, start, length));
  if (text.length === length) lastText = text;
  return text;
}

/** Most requests name the key that the one before did. */
function isLastText(numbers: Uint32Array, start: number, length: number): boolean {
  if (length !== lastText.length) return false;
  for (let at = 0; at < length; at += 1) {
    const place = start + at;
    if ((((numbers[place >>> 2] as number) >>> ((place & 3) << 3)) & 0xff) !== lastText.charCodeAt(at)) return false;
  }
  return true;
}

/** A signed number of 64 bits. */
function readTime(numbers: Uint32Array, at: number): number {
  return (numbers[at] as number) + ((numbers[at + 1] as number) | 0) * 0x1_0000_0000;
}
