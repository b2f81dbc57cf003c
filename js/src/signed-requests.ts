/** Signed requests: what a `Verifier` needs to prove API keys by them. Programs that take none leave this behind. */
import { type RawVerifier, set_signature_policy, verify_request } from "../wasm/claviger.js";
import { type Facts, type RequestContext, readFacts, readNow } from "./context.js";
import type { RequestLike } from "./headers.js";
import type { ReplayEntry } from "./replay.js";
import { type ReadPolicy, type SignatureOptions, askStore, notFresh, overruled, putPolicy, readPolicy } from "./signature-policy.js";
import { type Body, type Content, LATER, contentOf, readContent, readOrigin, readReplay, readSignedRequest, wordsOfMemory } from "./signed-request.js";
import { OUTPUT_LENGTH, type Verdict } from "./verdict.js";
import { exchange } from "./wasm.js";

/** What is known of a signed request beside itself. */
export interface VerifySignedOptions extends RequestContext {
  /**
   * The body as it was received, where the request does not give it: Node's requests, and any whose body was read already. A
   * signed request with a body that is neither given nor can be read matches no digest.
   */
  body?: Body;
  /** As in the options of `SignedRequests`. */
  origin?: string;
}

/** Calls WebAssembly with a request: 0, or the number of a denial code. @internal */
export type Present = (raw: RawVerifier, now: number, facts: Facts | undefined) => number;

const NO_FACTS: Facts = { tenant: undefined, address: undefined, permissions: [], requireFresh: false, minEpoch: 0, maxAge: undefined };

/**
 * That a {@link Verifier} takes signed requests (RFC 9421 with HMAC-SHA256), and what it demands of their signatures.
 *
 * ```js
 * const verifier = new Verifier({ keyringKeys, source, signatures: new SignedRequests({ origin: "https://api.example", maxAge: 60 }) });
 * const verdict = await verifyRequest(verifier, request, { credentials: { signature: true } });
 * if (!verdict.verified) return denialResponse(verdict, verifier.signatures);
 * ```
 */
export class SignedRequests {
  /** What `Accept-Signature` says of it; `undefined` before it is given to a verifier. */
  acceptSignature: string | undefined;
  readonly #policy: ReadPolicy;
  readonly #origin: string | undefined;

  /**
   * @throws {TypeError} if an option has a wrong type, or there is no such option; it names the option.
   * @throws {ClavigerError} `invalid_options` if signatures never end and nothing can remember their nonces.
   */
  constructor(options: SignatureOptions = {}) {
    this.#policy = readPolicy("options", options);
    this.#origin = readOrigin(options.origin);
  }

  /** Tells a verifier what is demanded. @internal */
  prepare(raw: RawVerifier): void {
    putPolicy(this.#policy);
    this.acceptSignature = exchange.answer(set_signature_policy(raw));
  }

  /** Verifies a request, where `decide` gives the verdict of a verifier. @internal */
  async verify(
    request: RequestLike,
    options: VerifySignedOptions,
    decide: (now: number, facts: Facts | undefined, present: Present) => Verdict | Promise<Verdict>,
  ): Promise<Verdict> {
    const now = readNow("options", options);
    const facts = readFacts(options);
    const { record, digests } = readSignedRequest(request, readOrigin(options.origin) ?? this.#origin);
    let content: Content = LATER;
    let replay: ReplayEntry | undefined;
    const present: Present = (raw, now, facts = NO_FACTS) => {
      const { head, texts, content: length, context } = record.write(content, facts, now);
      const code = verify_request(raw, head, texts, content.kind, length, context);
      replay = code === 0 ? readReplay(wordsOfMemory(), raw.output() / 4 + OUTPUT_LENGTH) : undefined;
      return code;
    };
    const first = contentOf(request, digests, options.body);
    content = first instanceof Promise ? await first : first;
    let verdict = decide(now, facts, present);
    if (verdict instanceof Promise) verdict = await verdict;
    if (content === LATER && verdict.verified) {
      // Nobody makes it read a body who is not proved.
      content = await readContent(request, digests);
      verdict = await decide(now, facts, present);
    }
    const { store } = this.#policy;
    if (!verdict.verified || replay === undefined || store === undefined) return verdict;
    const answer = await askStore(store, replay, now);
    return answer === "fresh" ? verdict : overruled(verdict, notFresh(answer));
  }
}

