/** The error of this package: one class of it, however many entries a program has. */

/** Stable codes of {@link ClavigerError}. */
export type ClavigerErrorCode =
  /** An option has a value that it cannot have. */
  | "invalid_options"
  /** A text is not a key prefix. */
  | "invalid_prefix"
  /** A text is not an issuing secret or keyring key; the message says which part of it is wrong. */
  | "invalid_secret"
  /** An issued-at or a lifetime that a key cannot hold. */
  | "invalid_time"
  /** The runtime gives no random bytes here. */
  | "no_entropy"
  /** There is no memory left for a keyring. */
  | "no_memory"
  /** The bytes do not start as a root or bundle does. */
  | "not_a_keyring"
  /** The keyring is of a later format. */
  | "unsupported_version"
  /** The keyring is cut off. */
  | "truncated"
  /** The keyring goes on behind its end, or is larger than one can be. */
  | "oversized"
  /** The keyring was made with a keyring key that the verifier does not have. */
  | "unknown_keyring_key"
  /** The keyring has another id than the verifier serves. */
  | "wrong_keyring"
  /** The keyring was changed, or made with another key of the same id. */
  | "wrong_mac"
  /** The keyring, or a part with the right hash, breaks a rule of the format: its publisher is at fault. */
  | "invalid_keyring"
  /** The keyring was issued more than 300 seconds ahead of the verifier's clock. */
  | "issued_in_future"
  /** The verifier has a newer keyring, or was told to take none as old. */
  | "older_epoch"
  /** The verifier has another keyring of the same epoch: there are two publishers, or one is a forgery. */
  | "same_epoch_other_content"
  /** A part does not have the hash that the keyring names. */
  | "wrong_hash"
  /** The keyring names no such part. */
  | "no_such_part"
  /** The verifier has no keyring, or was made with issuing secrets and takes none; or its source has none. */
  | "no_keyring"
  /** A source was not answered as it should be: the message says by whom and with what. */
  | "source_failed"
  /** A source took longer than it may. */
  | "timed_out"
  /** The source does not have a part of the keyring, or not yet. */
  | "part_unavailable"
  /** The object was used after `dispose()`. */
  | "disposed"
  /** No WebAssembly was given to `provideWasm`: the runtime is none that the package knows, or it is `claviger/slim`. */
  | "no_wasm"
  /** What was given to `provideWasm` is not the WebAssembly of this version of the package, or may not be compiled here. */
  | "wrong_wasm"
  /** Browsers neither verify nor make keys: a secret that is in a page is public. */
  | "not_in_browser";

/** An error of this package. Never holds any part of a key or secret. */
export class ClavigerError extends Error {
  /** `ClavigerError`. */
  override readonly name = "ClavigerError";
  /** What went wrong, for programs. */
  readonly code: ClavigerErrorCode;

  constructor(code: ClavigerErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}
