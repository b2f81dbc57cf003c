/** Signed requests: how API keys are proved by them. Programs that take none leave this behind. */
import { type RawVerifier, accept_signature, set_signature_policy, verify_request } from "../wasm/claviger.js";
import { unixSeconds } from "./clock.js";
import { type Facts, type RequestContext, readNow } from "./context.js";
import { requireFunction, requireObject } from "./errors.js";
import type { Body, SignedRequestLike } from "./headers.js";
import type { KeyVerifier } from "./http.js";
import type { ReplayEntry } from "./replay.js";
import { type ReadPolicy, type SignatureOptions, askStore, notFresh, overruled, putPolicy, readPolicy } from "./signature-policy.js";
import { wordsOfMemory } from "./room.js";
import {
  type Content,
  LATER,
  contentOf,
  readContent,
  readOrigin,
  readReplay,
  readSignedRequest,
} from "./signed-request.js";
import { OUTPUT_LENGTH, type Verdict } from "./verdict.js";
import type { Verifier } from "./verifier.js";
import { exchange } from "./wasm.js";

/** What is known of a signed request beside itself. */
export interface VerifySignedOptions extends RequestContext {
  /**
   * The body as it was received, where the request does not give it: Node's requests, and any whose body was read already. A
   * signed request with a body that is neither given nor can be read matches no digest. `null`: the caller reads the body later,
   * and holds it against `Content-Digest` himself; it is not checked here, but it must be covered where the policy says so.
   */
  body?: Body | null;
  /** As in the options of `RequestVerifier`. */
  origin?: string;
}

/** What stands in the place of a key. @internal */
export interface Presented {
  /** Calls WebAssembly with a request: 0, or the number of a denial code. */
  present(raw: RawVerifier, now: number, facts: Facts | undefined): number;
}

const NO_FACTS: Facts = { tenant: undefined, address: undefined, permissions: [], requireFresh: false, minEpoch: 0, maxAge: undefined };

/** Whose policy WebAssembly has for a verifier. */
const policyOf = /* @__PURE__ */ new WeakMap<RawVerifier, ReadPolicy>();

/**
 * A {@link Verifier} that also takes signed requests (RFC 9421 with HMAC-SHA256): the API key that a signature names is proved by it
 * without being sent. It stands before a verifier wherever one is taken: {@link verifyRequest}, `apiKeyAuth`.
 *
 * Opaque keys that were made for signing are known by a keyring; signed keys sign where the keyring allows it, or
 * `issuingSecrets[].signing` does.
 *
 * ```js
 * const requests = new RequestVerifier(new Verifier({ keyringKeys, source }), { origin: "https://api.example", maxAge: 60 });
 * const verdict = await verifyRequest(requests, request, { credentials: { signature: true } });
 * if (!verdict.verified) return denialResponse(verdict, requests);
 * ```
 */
export class RequestVerifier implements KeyVerifier {
  /** What `Accept-Signature` says of its policy, for requests without a body. */
  readonly acceptSignature: string;
  readonly #verifier: Verifier;
  readonly #policy: ReadPolicy;
  readonly #origin: string | undefined;

  /**
   * @param verifier What knows the keys. It may stand behind several of these, with other options.
   * @throws {TypeError} if an option has a wrong type, or there is no such option; it names the option.
   * @throws {ClavigerError} `invalid_options` if signatures never end and nothing can remember their nonces.
   */
  constructor(verifier: Verifier, options: SignatureOptions = {}) {
    requireFunction("verifier.verify", requireObject("verifier", verifier)["verify"]);
    this.#verifier = verifier;
    this.#policy = readPolicy("options", options);
    this.#origin = readOrigin(options.origin);
    putPolicy(this.#policy);
    this.acceptSignature = exchange.answer(accept_signature());
  }

  /** As `Verifier.verify`: a key that is sent. */
  verify(key: string | Uint8Array | null | undefined, context?: RequestContext): Promise<Verdict> {
    return this.#verifier.verify(key, context);
  }

  /** As `Verifier.refreshIfDue`. */
  refreshIfDue(options?: { now?: number }): Promise<void> {
    return this.#verifier.refreshIfDue(options);
  }

  /**
   * What is said about a signed request. Parts of the keyring are fetched as in `Verifier.verify`.
   *
   * A body is read by a clone, and only if the signature is good: so whoever calls this can still read it, and the runtime keeps
   * all of it until then. A nonce is put into the store last: the verdict is good for one request.
   *
   * @param request A `Request` of the Fetch API, Node's `IncomingMessage`, or an object with `method`, `url`, `headers` and `body`,
   * whose url is taken as it is.
   * @param options What else is known of it, as `Verifier.verify` takes it; its `body` and `origin`.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `invalid_options` without an `origin` where the request needs one; `no_memory`; and what
   * `Verifier.verify` throws.
   */
  async verifySigned(request: SignedRequestLike, options: VerifySignedOptions = {}): Promise<Verdict> {
    const now = readNow("options", options);
    const started = unixSeconds();
    const { record, digests, given } = readSignedRequest(request, readOrigin(options.origin) ?? this.#origin);
    const first = contentOf(given, digests, options.body);
    let content: Content = first instanceof Promise ? await first : first;
    let replay: ReplayEntry | undefined;
    const presented: Presented = {
      present: (raw, now, facts = NO_FACTS) => {
        if (policyOf.get(raw) !== this.#policy) {
          putPolicy(this.#policy);
          exchange.check(set_signature_policy(raw));
          policyOf.set(raw, this.#policy);
        }
        const { head, texts, content: length, context } = record.write(content, facts, now);
        const code = verify_request(raw, head, texts, content.kind, length, context);
        replay = code === 0 ? readReplay(wordsOfMemory(), raw.output() / 4 + OUTPUT_LENGTH) : undefined;
        return code;
      },
    };
    const context: RequestContext = options.now === now ? options : { ...options, now };
    const decide = () => this.#verifier.verify(presented as unknown as Uint8Array, context);
    let verdict = await decide();
    if (content === LATER && verdict.verified) {
      // Nobody makes it read a body who is not proved.
      content = await readContent(given, digests);
      verdict = await decide();
    }
    const { store } = this.#policy;
    if (!verdict.verified || replay === undefined || store === undefined) return verdict;
    const asked = askStore(store, replay, now, started);
    const answer = typeof asked === "string" ? asked : await asked;
    return answer === "fresh" ? verdict : overruled(verdict, notFresh(answer));
  }
}
