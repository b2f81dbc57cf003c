/** Written by `cargo xtask vectors` from the core; not to be edited. */

/** Why a request is denied. The codes never change. */
export type DenialCode =
  /** The request carries no key. *Solution:* Send the key in a header that the verifier accepts. */
  | "missing"
  /** What was presented does not have the form of an API key: its length, separators, characters, numbers or flags are not those of any format, or it is one of Claviger's own secrets. *Solution:* Copy the whole key again, without spaces or quotes, and check that it is an API key. */
  | "malformed"
  /** The text has the form of a key, but its checksum is not that of its characters. *Solution:* A character was mistyped or lost: copy the whole key again. */
  | "bad_checksum"
  /** The key is for another product or environment than this verifier serves. That is seen before anything is proved, so it is told like a wrong key. *Solution:* Use a key with the prefix of this environment (live keys do not open test, and the other way round), or add the prefix to the verifier. */
  | "wrong_prefix"
  /** The verifier knows nothing that could prove this key: it holds no such version of the issuing secret, or the key is one that only a keyring can prove and the verifier has none. *Solution:* Give the verifier every issuing secret whose keys are still in use; verify opaque keys and access tokens with a keyring. */
  | "unknown_key"
  /** The secret in the key is wrong: the key was made up or changed, or made with another issuing secret of the same version. *Solution:* If the caller is honest, issue a new key. Otherwise look for what else this caller tries. */
  | "bad_secret"
  /** The key was issued at a time that lies more than five minutes ahead of the verifier's clock. *Solution:* Set the clocks of issuer and verifier by the same source. */
  | "not_yet_valid"
  /** The lifetime of the key is over. *Solution:* Issue a new key, or refresh it where keys can be refreshed. */
  | "expired"
  /** The key never expires, and a verifier without a keyring would never learn that it was revoked. *Solution:* Issue keys with a lifetime, verify with a keyring, or allow keys without lifetime and accept that only retiring the issuing secret ends them. */
  | "lifetime_required"
  /** Every instance of the WebAssembly module was busy for as long as a request may wait. *Solution:* Raise the number of instances or the time to wait, or find out what keeps the instances busy. */
  | "pool_exhausted"
  /** The WebAssembly module stopped in the middle of the work, ran out of time, or answered something that it cannot answer. Its instance was thrown away. *Solution:* Retry. If it stays, report it with the host's error, which names the cause. */
  | "verifier_fault"
  /** The WebAssembly module was asked for a verdict before it was given a secret. *Solution:* Commit a configuration to the module before the first verification. */
  | "not_configured";

/** The codes by their numbers in WebAssembly memory. */
export const denialCodes: Readonly<Record<number, DenialCode>> = {
  1: "missing",
  2: "malformed",
  3: "bad_checksum",
  4: "wrong_prefix",
  5: "unknown_key",
  6: "bad_secret",
  35: "not_yet_valid",
  36: "expired",
  37: "lifetime_required",
  64: "pool_exhausted",
  65: "verifier_fault",
  66: "not_configured",
};

/**
 * What a denial says about the caller, and so what HTTP may tell him. `unproven`: nothing was proved, one and
 * the same 401 whatever the code. `policy`: a proven key that is not good, a 403 with the code. `fault`: the
 * verifier cannot decide, a 503.
 */
export type DenialClass = "unproven" | "policy" | "fault";

/** The class of each code. */
export const denialClasses: Readonly<Record<DenialCode, DenialClass>> = {
  missing: "unproven",
  malformed: "unproven",
  bad_checksum: "unproven",
  wrong_prefix: "unproven",
  unknown_key: "unproven",
  bad_secret: "unproven",
  not_yet_valid: "policy",
  expired: "policy",
  lifetime_required: "policy",
  pool_exhausted: "fault",
  verifier_fault: "fault",
  not_configured: "fault",
};
