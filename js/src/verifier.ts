/// <reference lib="esnext.disposable" preserve="true" />
/** The verifier: presented keys in, verdicts out. */
import type { RawVerifier } from "../wasm/claviger_wasm_js.js";
import { unixSeconds } from "./clock.js";
import { ClavigerError, calling, optionalBoolean, requireObject, requireString, wrongType } from "./errors.js";
import { type Verdict, denied, readVerdict } from "./verdict.js";
import { wasm, wasmMemory } from "./wasm.js";

/** An issuing secret, for the keys of one prefix. */
export interface IssuingSecret {
  /** The prefix of the keys, such as `acme_live`. */
  prefix: string;
  /** The secret: `cvgis_…`. Keep it where the runtime keeps secrets, never in code. */
  secret: string;
}

/** What a {@link Verifier} trusts. */
export interface VerifierOptions {
  /** The secrets whose keys are accepted. For rotation, give the old and the new version. */
  issuingSecrets: IssuingSecret[];
  /** Accept keys that never expire (by default not). Only retiring their issuing secret ends them. */
  allowKeysWithoutLifetime?: boolean;
}

/** The facts about one request. */
export interface RequestContext {
  /** When it arrived, in Unix seconds. By default the runtime's clock. */
  now?: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Verifies API keys with nothing but issuing secrets: no network, no state.
 *
 * ```js
 * const verifier = new Verifier({ issuingSecrets: [{ prefix: "acme_live", secret: env.ISSUING_SECRET }] });
 * const verdict = verifier.verifyKey(request.headers.get("x-api-key"));
 * if (!verdict.verified) return new Response("unauthorized", { status: 401 });
 * ```
 */
export class Verifier {
  #raw: RawVerifier | undefined;
  readonly #inputAddress: number;
  readonly #inputCapacity: number;
  readonly #outputAddress: number;
  /** Views of WebAssembly memory; detached (of length 0) when it has grown. */
  #input = new Uint8Array(0);
  #output = new Uint32Array(0);

  /**
   * @throws {TypeError} if an option has a wrong type; it names the option.
   * @throws {ClavigerError} `invalid_prefix`, `invalid_secret` or `invalid_options`.
   */
  constructor(options: VerifierOptions) {
    const { issuingSecrets, allowKeysWithoutLifetime } = requireObject("options", options);
    if (!Array.isArray(issuingSecrets)) throw wrongType("options.issuingSecrets", "an array", issuingSecrets);
    const prefixes: string[] = [];
    const secrets: string[] = [];
    issuingSecrets.forEach((entry: unknown, index) => {
      const name = `options.issuingSecrets[${index}]`;
      const { prefix, secret } = requireObject(name, entry);
      prefixes.push(requireString(`${name}.prefix`, prefix));
      secrets.push(requireString(`${name}.secret`, secret));
    });
    const allow = optionalBoolean("options.allowKeysWithoutLifetime", allowKeysWithoutLifetime);
    const { RawVerifier } = wasm();
    const raw = calling(() => new RawVerifier(prefixes, secrets, allow));
    this.#raw = raw;
    this.#inputAddress = raw.input();
    this.#inputCapacity = raw.input_capacity();
    this.#outputAddress = raw.output();
  }

  /**
   * What this verifier says about a presented key. A bad key never throws; it is denied.
   *
   * @param key The presented key; `null` or `undefined` (a header that is not there) is denied as `missing`.
   * @param context What else is known of the request.
   * @throws {TypeError} if a parameter has a wrong type; it names the parameter.
   * @throws {ClavigerError} `disposed` after {@link dispose}.
   */
  verifyKey(key: string | Uint8Array | null | undefined, context?: RequestContext): Verdict {
    const raw = this.#raw;
    if (raw === undefined) throw new ClavigerError("disposed", "this verifier was disposed");
    const now = context === undefined ? unixSeconds() : readNow(context);

    if (this.#input.length === 0) this.#view();
    const input = this.#input;
    let length: number;
    if (typeof key === "string") {
      // No character takes less than a byte, so this is too long whatever its characters are.
      if (key.length > this.#inputCapacity) return denied("malformed");
      const { read, written } = encoder.encodeInto(key, input);
      length = read === key.length ? written : this.#inputCapacity + 1;
    } else if (key === null || key === undefined) {
      length = 0;
    } else if (key instanceof Uint8Array) {
      length = key.length;
      if (length <= this.#inputCapacity) input.set(key);
    } else {
      throw wrongType("key", "a string or a Uint8Array", key);
    }

    const code = raw.verify_key(length, now);
    if (this.#output.length === 0) this.#view();
    const text = typeof key === "string" ? key : length > this.#inputCapacity ? "" : this.#text(length);
    return readVerdict(code, this.#output, text);
  }

  /** Frees the memory of the verifier, its secrets overwritten. It must not be used any more. */
  dispose(): void {
    this.#raw?.free();
    this.#raw = undefined;
  }

  /** The same as {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #text(length: number): string {
    return decoder.decode(this.#input.subarray(0, length));
  }

  #view(): void {
    const { buffer } = wasmMemory();
    this.#input = new Uint8Array(buffer, this.#inputAddress, this.#inputCapacity);
    this.#output = new Uint32Array(buffer, this.#outputAddress, 16);
  }
}

function readNow(context: RequestContext): number {
  const { now } = requireObject("context", context);
  if (now === undefined) return unixSeconds();
  if (typeof now !== "number" || !(now >= 0)) throw wrongType("context.now", "Unix seconds", now);
  return now;
}
