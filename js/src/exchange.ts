/** Text and bytes on their way into WebAssembly and out: by one buffer, so that nothing but numbers crosses the border. */
import { ClavigerError, type ClavigerErrorCode } from "./errors.js";

/** What WebAssembly gives for that. */
interface Buffer {
  /** Makes room for so many bytes, and says where; 0 if there is no memory left. */
  exchange(length: number): number;
  /** Where a call has left what it answers. */
  exchanged(): number;
  /** How many bytes that is. */
  exchanged_len(): number;
}

/** Random bytes that things are made of (`generate` of each in the core). */
export const OPAQUE_KEY_ENTROPY = 40;
export const SIGNED_KEY_ENTROPY = 8;
export const SECRET_ENTROPY = 40;
export const KEYRING_KEY_ENTROPY = 40;

export const encoder: TextEncoder = new TextEncoder();
export const decoder: TextDecoder = new TextDecoder();

/** The buffer of one instance. */
export class Exchange {
  readonly #buffer: Buffer;
  readonly #memory: () => WebAssembly.Memory;

  constructor(buffer: Buffer, memory: () => WebAssembly.Memory) {
    this.#buffer = buffer;
    this.#memory = memory;
  }

  /**
   * Writes the first `length` bytes, or a text, for the next call.
   *
   * @throws {ClavigerError} `no_memory`.
   */
  put(given: Uint8Array | string, length?: number): void {
    const bytes = typeof given === "string" ? encoder.encode(given) : given.subarray(0, length);
    // First of all, as it makes the instance.
    const memory = this.#memory();
    const room = bytes.length;
    const address = this.#buffer.exchange(room);
    if (address === 0) throw new ClavigerError("no_memory", "WebAssembly has no memory left");
    // Not a byte behind it, whatever a class of the caller's calls its length.
    new Uint8Array(memory.buffer, address, room).set(bytes);
  }

  /** Writes texts, one a line. None of them may be empty or have more lines; a space is as wrong. */
  putLines(texts: readonly string[]): void {
    this.put(inLines(texts));
  }

  /** A copy of what the last call has left. It is overwritten there: it may be a secret. */
  bytes(): Uint8Array<ArrayBuffer> {
    const start = this.#buffer.exchanged();
    const bytes = new Uint8Array(this.#memory().buffer).slice(start, start + this.#buffer.exchanged_len());
    this.#buffer.exchange(0);
    return bytes;
  }

  /** What the last call has left, as lines of text. */
  lines(): string[] {
    return decoder.decode(this.bytes()).split("\n");
  }

  /**
   * The one line that a call has left, whose status this is; or the failure.
   *
   * @throws {ClavigerError} as {@link Exchange.check}.
   */
  answer(status: number): string {
    this.check(status);
    return this.lines()[0] as string;
  }

  /**
   * What a call returned; or the failure that it has left.
   *
   * @throws {ClavigerError} if that is negative or nothing.
   */
  check<T>(returned: T | undefined): T {
    if (returned !== undefined && !((returned as number) < 0)) return returned;
    const [code, message] = this.lines();
    throw new ClavigerError(code as ClavigerErrorCode, message as string);
  }
}

/**
 * Writes so many random bytes, and texts, one a line.
 *
 * @throws {ClavigerError} `no_entropy` where the runtime gives none, as Workers outside of requests.
 */
export function putRandom(exchange: Exchange, length: number, texts: readonly string[] = []): void {
  const lines = encoder.encode(inLines(texts));
  const bytes = new Uint8Array(length + lines.length);
  try {
    crypto.getRandomValues(bytes.subarray(0, length));
  } catch (cause) {
    throw new ClavigerError("no_entropy", "this runtime gives no random bytes here", { cause });
  }
  bytes.set(lines, length);
  exchange.put(bytes);
  bytes.fill(0);
}

function inLines(texts: readonly string[]): string {
  return texts.map((text) => text.replace(/[\r\n]/g, " ") || " ").join("\n");
}
