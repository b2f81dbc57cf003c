//! Why a request is denied: one stable code each, the same in Rust, JavaScript, HTTP and logs.

use core::fmt;

/// What a denial says about the caller, and so what HTTP may tell him.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DenialClass {
    /// Nothing was proved. Over HTTP one and the same 401, whatever the code.
    Unproven,
    /// The caller proved a key, and policy says no. Over HTTP a 403 with the code.
    Policy,
    /// The verifier itself cannot decide. Over HTTP a 503 with `Retry-After`: the key may be good.
    Fault,
}

impl DenialClass {
    /// The name in APIs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::Policy => "policy",
            Self::Fault => "fault",
        }
    }
}

macro_rules! codes {
    ($($variant:ident = $number:literal, $text:literal, $class:ident, $reason:literal, $solution:literal;)*) => {
        /// Why a request is denied.
        ///
        /// The text ([`as_str`](Self::as_str)) and the number ([`number`](Self::number)) of a code never change.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum DenialCode {
            $(
                #[doc = concat!("`", $text, "`: ", $reason, "\n\n*Solution:* ", $solution)]
                $variant,
            )*
        }

        impl DenialCode {
            /// Every code, in the order in which checks are made.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code in APIs, JSON and logs: snake_case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The number in the WebAssembly module's memory. 1 to 31 are unproven, 32 to 63 policy, from 64 on
            /// faults; 0 is no denial.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)* }
            }

            /// The code with this [number](Self::number).
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// What it says about the caller.
            #[must_use]
            pub const fn class(self) -> DenialClass {
                match self { $(Self::$variant => DenialClass::$class,)* }
            }

            /// What happened, for the operator.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)* }
            }

            /// What to do about it, for the operator.
            #[must_use]
            pub const fn solution(self) -> &'static str {
                match self { $(Self::$variant => $solution,)* }
            }
        }
    };
}

codes! {
    Missing = 1, "missing", Unproven,
        "The request carries no key.",
        "Send the key in a header that the verifier accepts.";
    Malformed = 2, "malformed", Unproven,
        "What was presented does not have the form of an API key: its length, separators, characters, numbers or \
         flags are not those of any format, or it is one of Claviger's own secrets.",
        "Copy the whole key again, without spaces or quotes, and check that it is an API key.";
    BadChecksum = 3, "bad_checksum", Unproven,
        "The text has the form of a key, but its checksum is not that of its characters.",
        "A character was mistyped or lost: copy the whole key again.";
    WrongPrefix = 4, "wrong_prefix", Unproven,
        "The key is for another product or environment than this verifier serves, or is presented with another \
         prefix than it was issued with. The prefix may be wrong before anything is proved, so it is told like a \
         wrong key.",
        "Use a key with the prefix of this environment (live keys do not open test, and the other way round), or \
         add the prefix to the verifier.";
    UnknownKey = 5, "unknown_key", Unproven,
        "The verifier knows nothing that could prove this key: its keyring has no record of it (it was never issued \
         for this audience, or was deleted), or it holds no such version of the issuing secret, or the key is one \
         that only a keyring can prove and the verifier has none.",
        "If the key was just issued, wait for the next epoch of the keyring. Give a verifier without keyring every \
         issuing secret whose keys are still in use; verify opaque keys and access tokens with a keyring.";
    BadSecret = 6, "bad_secret", Unproven,
        "The secret in the key is wrong: the key was made up or changed, regenerated since, or made with another \
         issuing secret of the same version.",
        "If the caller is honest, issue a new key. Otherwise look for what else this caller tries.";
    BadSignature = 7, "bad_signature", Unproven,
        "No signature of the request or webhook is one that a secret of the verifier makes: the message was changed on \
         its way, or was signed with another secret or in another way.",
        "Give both sides the same secret, and sign and verify the very bytes that are sent: a body that was parsed and \
         written anew is another one.";
    SignatureExpired = 8, "signature_expired", Unproven,
        "The request or webhook was signed longer ago than the verifier accepts, or says that its signature is no \
         longer good.",
        "Sign anew for each attempt to send, and set the clocks of both sides by the same source.";
    SignatureFromFuture = 9, "signature_from_future", Unproven,
        "The request or webhook was signed further ahead of the verifier's clock than it accepts.",
        "Set the clocks of both sides by the same source.";
    ComponentMissing = 10, "component_missing", Unproven,
        "The signature does not cover everything that the verifier demands, or covers something that the request does \
         not have.",
        "Sign every component that the verifier demands, and let no proxy take signed header fields away.";
    DigestMismatch = 11, "digest_mismatch", Unproven,
        "The body is not the one whose digest was signed.",
        "Make the digest of the very bytes that are sent, and let no proxy change them.";
    Replayed = 12, "replayed", Unproven,
        "The signature was presented before, and each one is good for a single request.",
        "Sign every request anew, with a nonce of its own. If the caller did, look for who sends his requests again.";
    Revoked = 32, "revoked", Policy,
        "The key was revoked: expired at once by an operator, for good.",
        "Issue a new key. If the key was compromised, look at what it was used for.";
    Disabled = 33, "disabled", Policy,
        "The key, its group, its owner or its tenant is switched off.",
        "Switch it on again, if it should be.";
    NotYetValid = 35, "not_yet_valid", Policy,
        "The key is good from a later time on, or it says that it was issued more than five minutes ahead of the \
         verifier's clock.",
        "Wait, or set the clocks of issuer and verifier by the same source.";
    Expired = 36, "expired", Policy,
        "The lifetime of the key is over.",
        "Issue a new key, or refresh it where keys can be refreshed.";
    LifetimeRequired = 37, "lifetime_required", Policy,
        "The key never expires, and a verifier without a keyring would never learn that it was revoked; or an access \
         token has no lifetime, which it must have.",
        "Issue keys with a lifetime, verify with a keyring, or allow keys without lifetime and accept that only \
         retiring the issuing secret ends them.";
    WrongTenant = 38, "wrong_tenant", Policy,
        "The key belongs to another tenant than the request is for, or the verifier has no keyring and cannot know.",
        "Use a key of that tenant; name the tenant only where a keyring is at hand.";
    IpNotAllowed = 39, "ip_not_allowed", Policy,
        "The key may only be used from certain networks, and the client's address is in none of them or not known.",
        "Add the client's network to the key, or tell the verifier the client's address.";
    InsufficientPermission = 40, "insufficient_permission", Policy,
        "The key does not have a permission that the request needs, or only the read-only part of it, or what was \
         asked for is no permission, or the verifier has no keyring and cannot know.",
        "Give the owner of the key the permission, or use another key.";
    PoolExhausted = 64, "pool_exhausted", Fault,
        "Every instance of the WebAssembly module was busy for as long as a request may wait.",
        "Raise the number of instances or the time to wait, or find out what keeps the instances busy.";
    VerifierFault = 65, "verifier_fault", Fault,
        "The WebAssembly module stopped in the middle of the work, ran out of time, or answered something that it \
         cannot answer. Its instance was thrown away.",
        "Retry. If it stays, report it with the host's error, which names the cause.";
    NotConfigured = 66, "not_configured", Fault,
        "The WebAssembly module was asked for a verdict before it was given a secret.",
        "Commit a configuration to the module before the first verification.";
    KeyringUnavailable = 67, "keyring_unavailable", Fault,
        "The verifier does not have the keyring yet, or not the part of it that this key needs; or the request \
         demands knowledge of revocations, and the verifier has only issuing secrets.",
        "Load the keyring, or insert the part that is named, and verify again.";
    KeyringExpired = 68, "keyring_expired", Fault,
        "The keyring is older than it may be used: too long ago, nothing newer was published or reached the verifier.",
        "Find out why the publisher or the way from it to the verifier stands still.";
    KeyringStale = 69, "keyring_stale", Fault,
        "The keyring is older than this request allows: stale where it must be fresh, of an earlier epoch, or too \
         many seconds old.",
        "Refresh the keyring and verify again.";
    KeyringInvalid = 70, "keyring_invalid", Fault,
        "A part of the keyring is not what its root says, or names what is not there. Nothing is decided by it.",
        "Fetch the keyring again. If it stays, its publisher is at fault: build it as a whole.";
    ReplayUnavailable = 71, "replay_unavailable", Fault,
        "The store of nonces that were seen cannot be asked, or is full, so a request that is sent again could not be \
         told from a new one.",
        "Mend the store, or give it more room, and send the request again.";
}

impl fmt::Display for DenialCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl core::error::Error for DenialCode {}

#[cfg(feature = "serde")]
impl serde::Serialize for DenialCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, string::String};

    #[test]
    fn numbers_tell_the_class_and_come_back() {
        for &code in DenialCode::ALL {
            let class = match code.number() {
                1..=31 => DenialClass::Unproven,
                32..=63 => DenialClass::Policy,
                _ => DenialClass::Fault,
            };
            assert_eq!(code.class(), class, "{code}");
            assert_eq!(DenialCode::from_number(code.number()), Some(code));
        }
        assert_eq!(DenialCode::from_number(0), None);
        let texts: BTreeSet<&str> = DenialCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), DenialCode::ALL.len());
    }

    #[test]
    fn codes_are_a_contract() {
        let list: String =
            DenialCode::ALL.iter().map(|code| std::format!("{} {code}\n", code.number())).collect();
        assert_eq!(
            list,
            "1 missing\n2 malformed\n3 bad_checksum\n4 wrong_prefix\n5 unknown_key\n6 bad_secret\n\
             7 bad_signature\n8 signature_expired\n9 signature_from_future\n10 component_missing\n\
             11 digest_mismatch\n12 replayed\n\
             32 revoked\n33 disabled\n35 not_yet_valid\n36 expired\n37 lifetime_required\n\
             38 wrong_tenant\n39 ip_not_allowed\n40 insufficient_permission\n\
             64 pool_exhausted\n65 verifier_fault\n66 not_configured\n67 keyring_unavailable\n\
             68 keyring_expired\n69 keyring_stale\n70 keyring_invalid\n71 replay_unavailable\n"
        );
    }
}
