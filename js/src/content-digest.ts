/** `Content-Digest` of content that comes in pieces, hashed by the runtime while it comes. */
import { content_digest_matches, content_digest_needs } from "../wasm/claviger.js";
import { ClavigerError, requireBytes, requireString } from "./errors.js";
import { encoder } from "./exchange.js";
import { exchange } from "./wasm.js";

interface Hasher {
  update(piece: Uint8Array): void | Promise<void>;
  digest(): Uint8Array | Promise<Uint8Array>;
}

/** What runtimes have beside the Web Crypto API, which takes content in one piece only. */
interface Runtime {
  process?: { getBuiltinModule?(name: string): { createHash(name: string): { update(piece: Uint8Array): unknown; digest(): Uint8Array } } | undefined };
  crypto: {
    subtle: { digest(name: string, content: Uint8Array): Promise<ArrayBuffer> };
    DigestStream?: new (name: string) => {
      digest: Promise<ArrayBuffer>;
      getWriter(): { write(piece: Uint8Array): Promise<void>; close(): Promise<void> };
    };
  };
}

/** Name and bit of each hash, in their order at the border. */
const HASHES = [["SHA-256", 1], ["SHA-512", 2]] as const;

/**
 * Content that comes in pieces, on its way against its `Content-Digest` (RFC 9530): for bodies that are too large to be held, of
 * requests that were verified with `body: null`.
 *
 * Node, Deno and Bun (by `process.getBuiltinModule`) and workerd (by `crypto.DigestStream`) hash piece by piece. Where there is neither,
 * the pieces are kept, and hashed in the end.
 *
 * ```js
 * const verdict = await verifyRequest(requests, request, { credentials: { signature: true }, body: null });
 * const digest = new ContentDigestReader(request.headers.get("content-digest"));
 * for await (const piece of request.body) {
 *   await digest.update(piece);
 *   await upload.write(piece);
 * }
 * if (!(await digest.finish())) await upload.abort();
 * ```
 */
export class ContentDigestReader {
  readonly #field: string;
  readonly #kind: number;
  readonly #hashers: Hasher[] = [];
  #finished = false;

  /**
   * @param field The value of `Content-Digest`, its lines joined by `, `. What is none, or names no hash that is used, matches nothing.
   * @throws {TypeError} if it is no string, and not `null` or `undefined` either.
   */
  constructor(field: string | null | undefined) {
    this.#field = requireString("field", field ?? "");
    exchange.put(this.#field);
    this.#kind = content_digest_needs();
    for (const [name, bit] of HASHES) if (this.#kind & bit) this.#hashers.push(hasherOf(name));
  }

  /**
   * Takes the next piece, which may be changed again when this is done.
   *
   * @throws {TypeError} if it is no `Uint8Array` or `ArrayBuffer`.
   * @throws {ClavigerError} `disposed` behind {@link finish}.
   */
  async update(piece: Uint8Array | ArrayBuffer): Promise<void> {
    const bytes = requireBytes("piece", piece);
    if (this.#finished) throw new ClavigerError("disposed", "the content has ended");
    for (const hasher of this.#hashers) await hasher.update(bytes);
  }

  /**
   * Whether what came has every digest that is named. Nothing of it may be believed before.
   *
   * @throws {ClavigerError} `disposed` at the second time; `no_memory`.
   */
  async finish(): Promise<boolean> {
    if (this.#finished) throw new ClavigerError("disposed", "the content has ended");
    this.#finished = true;
    const field = encoder.encode(this.#field);
    const message = [...field];
    for (const hasher of this.#hashers) message.push(...(await hasher.digest()));
    if (this.#kind === 0) return false;
    exchange.put(Uint8Array.from(message));
    return content_digest_matches(field.length, this.#kind);
  }
}

function hasherOf(name: string): Hasher {
  const { process, crypto } = globalThis as unknown as Runtime;
  const hash = process?.getBuiltinModule?.("crypto")?.createHash(name.replace("-", ""));
  if (hash !== undefined) return { update: (piece) => void hash.update(piece), digest: () => hash.digest() };
  if (crypto.DigestStream !== undefined) {
    const stream = new crypto.DigestStream(name);
    const writer = stream.getWriter();
    return {
      update: (piece) => writer.write(piece),
      digest: async () => {
        await writer.close();
        return new Uint8Array(await stream.digest);
      },
    };
  }
  const pieces: Uint8Array[] = [];
  return {
    update: (piece) => void pieces.push(piece.slice()),
    digest: async () => {
      const content = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
      let at = 0;
      for (const piece of pieces) {
        content.set(piece, at);
        at += piece.length;
      }
      return new Uint8Array(await crypto.subtle.digest(name, content));
    },
  };
}
