/** Written by `cargo xtask vectors` from the core; not to be edited. */

/** Why a request is denied. The codes never change. */
export type DenialCode =
  /** The request carries no key. *Solution:* Send the key in a header that the verifier accepts. */
  | "missing"
  /** What was presented does not have the form of an API key: its length, separators, characters, numbers or flags are not those of any format, or it is one of Claviger's own secrets. *Solution:* Copy the whole key again, without spaces or quotes, and check that it is an API key. */
  | "malformed"
  /** The text has the form of a key, but its checksum is not that of its characters. *Solution:* A character was mistyped or lost: copy the whole key again. */
  | "bad_checksum"
  /** The key is for another product or environment than this verifier serves, or is presented with another prefix than it was issued with. The prefix may be wrong before anything is proved, so it is told like a wrong key. *Solution:* Use a key with the prefix of this environment (live keys do not open test, and the other way round), or add the prefix to the verifier. */
  | "wrong_prefix"
  /** The verifier knows nothing that could prove this key: its keyring has no record of it (it was never issued for this audience, or was deleted), or it holds no such version of the issuing secret, or the key is one that only a keyring can prove and the verifier has none. *Solution:* If the key was just issued, wait for the next epoch of the keyring. Give a verifier without keyring every issuing secret whose keys are still in use; verify opaque keys and access tokens with a keyring. */
  | "unknown_key"
  /** The secret in the key is wrong: the key was made up or changed, regenerated since, or made with another issuing secret of the same version. *Solution:* If the caller is honest, issue a new key. Otherwise look for what else this caller tries. */
  | "bad_secret"
  /** No signature of the request or webhook is one that a secret of the verifier makes: the message was changed on its way, or was signed with another secret or in another way. *Solution:* Give both sides the same secret, and sign and verify the very bytes that are sent: a body that was parsed and written anew is another one. */
  | "bad_signature"
  /** The request or webhook was signed longer ago than the verifier accepts, or says that its signature is no longer good. *Solution:* Sign anew for each attempt to send, and set the clocks of both sides by the same source. */
  | "signature_expired"
  /** The request or webhook was signed further ahead of the verifier's clock than it accepts. *Solution:* Set the clocks of both sides by the same source. */
  | "signature_from_future"
  /** The signature does not cover everything that the verifier demands, or covers something that the request does not have. *Solution:* Sign every component that the verifier demands, and let no proxy take signed header fields away. */
  | "component_missing"
  /** The body is not the one whose digest was signed. *Solution:* Make the digest of the very bytes that are sent, and let no proxy change them. */
  | "digest_mismatch"
  /** The signature was presented before, and each one is good for a single request. *Solution:* Sign every request anew, with a nonce of its own. If the caller did, look for who sends his requests again. */
  | "replayed"
  /** The key was revoked: expired at once by an operator, for good. *Solution:* Issue a new key. If the key was compromised, look at what it was used for. */
  | "revoked"
  /** The key, its group, its owner or its tenant is switched off. *Solution:* Switch it on again, if it should be. */
  | "disabled"
  /** The key is good from a later time on, or it says that it was issued more than five minutes ahead of the verifier's clock. *Solution:* Wait, or set the clocks of issuer and verifier by the same source. */
  | "not_yet_valid"
  /** The lifetime of the key is over. *Solution:* Issue a new key, or refresh it where keys can be refreshed. */
  | "expired"
  /** The key never expires, and a verifier without a keyring would never learn that it was revoked; or an access token has no lifetime, which it must have. *Solution:* Issue keys with a lifetime, verify with a keyring, or allow keys without lifetime and accept that only retiring the issuing secret ends them. */
  | "lifetime_required"
  /** The key belongs to another tenant than the request is for, or the verifier has no keyring and cannot know. *Solution:* Use a key of that tenant; name the tenant only where a keyring is at hand. */
  | "wrong_tenant"
  /** The key may only be used from certain networks, and the client's address is in none of them or not known. *Solution:* Add the client's network to the key, or tell the verifier the client's address. */
  | "ip_not_allowed"
  /** The key does not have a permission that the request needs, or only the read-only part of it, or what was asked for is no permission, or the verifier has no keyring and cannot know. *Solution:* Give the owner of the key the permission, or use another key. */
  | "insufficient_permission"
  /** Every instance of the WebAssembly module was busy for as long as a request may wait. *Solution:* Raise the number of instances or the time to wait, or find out what keeps the instances busy. */
  | "pool_exhausted"
  /** The WebAssembly module stopped in the middle of the work, ran out of time, or answered something that it cannot answer. Its instance was thrown away. *Solution:* Retry. If it stays, report it with the host's error, which names the cause. */
  | "verifier_fault"
  /** The WebAssembly module was asked for a verdict before it was given a secret. *Solution:* Commit a configuration to the module before the first verification. */
  | "not_configured"
  /** The verifier does not have the keyring yet, or not the part of it that this key needs; or the request demands knowledge of revocations, and the verifier has only issuing secrets. *Solution:* Load the keyring, or insert the part that is named, and verify again. */
  | "keyring_unavailable"
  /** The keyring is older than it may be used: too long ago, nothing newer was published or reached the verifier. *Solution:* Find out why the publisher or the way from it to the verifier stands still. */
  | "keyring_expired"
  /** The keyring is older than this request allows: stale where it must be fresh, of an earlier epoch, or too many seconds old. *Solution:* Refresh the keyring and verify again. */
  | "keyring_stale"
  /** A part of the keyring is not what its root says, or names what is not there. Nothing is decided by it. *Solution:* Fetch the keyring again. If it stays, its publisher is at fault: build it as a whole. */
  | "keyring_invalid"
  /** The store of nonces that were seen cannot be asked, or is full, so a request that is sent again could not be told from a new one. *Solution:* Mend the store, or give it more room, and send the request again. */
  | "replay_unavailable";

const entries = /* @__PURE__ */ Object.entries({
  1: "missing malformed bad_checksum wrong_prefix unknown_key bad_secret bad_signature signature_expired signature_from_future component_missing digest_mismatch replayed",
  32: "revoked disabled",
  35: "not_yet_valid expired lifetime_required wrong_tenant ip_not_allowed insufficient_permission",
  64: "pool_exhausted verifier_fault not_configured keyring_unavailable keyring_expired keyring_stale keyring_invalid replay_unavailable",
}).flatMap(([first, codes]) =>
  codes.split(" ").map((code, place) => [+first + place, code] as const),
);

/** The codes by their numbers in WebAssembly memory. */
export const denialCodes = /* @__PURE__ */ Object.fromEntries(entries) as Readonly<Record<number, DenialCode>>;

/**
 * What a denial says about the caller, and so what HTTP may tell him. `unproven`: nothing was proved, one and
 * the same 401 whatever the code. `policy`: a proven key that is not good, a 403 with the code. `fault`: the
 * verifier cannot decide, a 503.
 */
export type DenialClass = "unproven" | "policy" | "fault";

/** The class of each code, which its number tells. */
export const denialClasses = /* @__PURE__ */ Object.fromEntries(
  entries.map(([number, code]) => [code, number < 32 ? "unproven" : number < 64 ? "policy" : "fault"]),
) as Readonly<Record<DenialCode, DenialClass>>;

/** What a proven caller is told. */
export const policyReasons: Readonly<Partial<Record<DenialCode, string>>> = {
  revoked: "The key was revoked: expired at once by an operator, for good.",
  disabled: "The key, its group, its owner or its tenant is switched off.",
  not_yet_valid: "The key is good from a later time on, or it says that it was issued more than five minutes ahead of the verifier's clock.",
  expired: "The lifetime of the key is over.",
  lifetime_required: "The key never expires, and a verifier without a keyring would never learn that it was revoked; or an access token has no lifetime, which it must have.",
  wrong_tenant: "The key belongs to another tenant than the request is for, or the verifier has no keyring and cannot know.",
  ip_not_allowed: "The key may only be used from certain networks, and the client's address is in none of them or not known.",
  insufficient_permission: "The key does not have a permission that the request needs, or only the read-only part of it, or what was asked for is no permission, or the verifier has no keyring and cannot know.",
};
