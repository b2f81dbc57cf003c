//! The rules of Claviger: what an API key looks like, how it is generated, and what a verifier says about it.
//!
//! This crate has no clock, no randomness and no I/O: time, entropy and bytes are parameters. It is `no_std`; it
//! needs an allocator to build a [`Verifier`], and none to parse, generate or verify. The same code runs natively,
//! inside the WebAssembly module and inside the npm package, so every runtime says the same about a key.
//!
//! A key passes through five rooms, one module each:
//!
//! ```text
//! credential    find and parse what was presented
//!   → resolve       what it names → the material that can prove it
//!   → authenticate  constant time: the secret against that material
//!   → decide        policy: is a proven key good now?
//!   → verdict       who it is and how fresh the knowledge is; or one denial code
//! ```
//!
//! # Example
//!
//! ```
//! use claviger_core::{IssuingKey, KeyPrefix, Purpose, RequestContext, SharedSecret, SignedKeyTerms, Verifier};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Entropy comes from the operating system in real life; this crate never draws it.
//! let secret = SharedSecret::generate(Purpose::Issuing, 1, &[7; 40]);
//! let prefix: KeyPrefix = "acme_live".parse()?;
//!
//! let issuer = IssuingKey::new(prefix, &secret)?;
//! let now = 1_790_000_000;
//! let key = issuer.generate(&[9; 8], SignedKeyTerms::expiring(now, 60 * 24 * 30))?;
//!
//! let verifier = Verifier::new([issuer])?;
//! let verdict = verifier.verify_key(key.expose(), &RequestContext::at(now));
//! assert!(verdict.is_verified());
//! # Ok(())
//! # }
//! ```
//!
//! Keys that can be revoked are verified with a keyring: [`KeyringBuilder`] shows how one is made, and
//! [`Verifier::with_keyring_keys`] takes it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod authenticate;
mod base62;
mod bytes;
mod checksum;
mod claims;
mod content_digest;
mod context;
mod credential;
mod decide;
mod denial;
mod growth;
mod issuing_key;
mod key_id;
mod keyring;
mod keyring_verifier;
mod mac;
mod master_key;
mod named_key;
mod network;
mod opaque;
mod parse;
mod permission;
mod prefix;
mod record;
mod replay;
mod request_record;
mod resolve;
mod shared_secret;
mod signature;
mod stateless;
pub mod structured_fields;
mod text;
mod usage;
mod verdict;
mod verifier;
mod verifier_value;
mod verify_request;
mod webhook;

pub use claims::{Claims, ClaimsError, MAX_MINUTES, SignedKeyTerms};
pub use content_digest::{ContentDigest, ContentDigestReader};
pub use context::{CLOCK_SKEW_SECONDS, ContextRecord, RequestContext};
pub use denial::{DenialClass, DenialCode};
pub use growth::push_wiping;
pub use issuing_key::IssuingKey;
pub use key_id::{InvalidKeyId, KeyId};
pub use keyring::{
    AcceptedSecret, BUNDLE_PREAMBLE_LEN, BuildError, BundleHead, Freshness, FreshnessRequirement, KeyRecord,
    KeyringBuilder, KeyringError, KeyringKey, KeyringPart, KeyringReader, KeyringSecret, KeyringTerms, Limit,
    MAX_POLICY_LEN, MAX_ROOT_LEN, NeededPart, POLICIES_PER_PAGE, PartHash, PartKind, Policy, PolicyError,
    PolicyTerms, bundle_head, bundle_head_len, root_part_hashes, root_parts,
};
pub use keyring_verifier::{KEYRING_INFO_LEN, KeyringInfo, Replacement};
pub use master_key::MasterKey;
pub use named_key::NamedKeyError;
pub use network::{Network, NetworkError};
pub use opaque::{OpaqueUse, generate_opaque_key};
pub use parse::{KeyKind, MAX_KEY_LEN, MIN_KEY_LEN, ParseError, Parsed, Part, Problem, parse};
pub use permission::{
    MAX_PERMISSION_LEN, PermissionError, check_permission, check_permission_pattern, permission_covers,
};
pub use prefix::{KeyPrefix, MAX_PREFIX_LEN, PrefixError};
pub use record::VERDICT_RECORD_LEN;
pub use replay::{DEFAULT_NONCE_CAPACITY, DEFAULT_NONCE_SECONDS, NonceWindow, ReplayAnswer, ReplayEntry};
pub use request_record::{RequestRecord, SignaturePolicyRecord};
pub use shared_secret::{Purpose, SharedSecret, SharedSecretError, WrongPurpose};
pub use signature::{
    Content, DEFAULT_COMPONENTS, DEFAULT_FUTURE_SKEW_SECONDS, DEFAULT_MAX_AGE_SECONDS, HttpRequest,
    InvalidRequest, MAX_COMPONENTS, MAX_FIELDS, MAX_SIGNATURE_BASE_LEN, MAX_SIGNATURE_FIELD_LEN,
    MAX_SIGNATURE_TEXT_LEN, MAX_SIGNATURES, MAX_STRUCTURED_LEN, MAX_TARGET_URI_LEN, NonceRule,
    PendingVerdict, REPLAY_RECORD_LEN, RequestSigner, SIGNATURE_RECORD_LEN, SignError, SignatureKeys,
    SignaturePolicy, SignatureTerms, SignedFields, SignerError, SigningKey, VerifiedSignature,
    verify_signature,
};
pub use text::SecretText;
pub use usage::{KeyUsage, UsageBatch, UsageRecorder};
pub use verdict::{Denied, Verdict, Verified};
pub use verifier::{Verifier, VerifierError, VerifyKey};
pub use verifier_value::{ImportDigest, ImportScheme, VerifierValue};
pub use webhook::{
    MAX_WEBHOOK_ID_LEN, MAX_WEBHOOK_SECRETS, MAX_WEBHOOK_SIGNATURE_LEN, MAX_WEBHOOK_SIGNATURES,
    MAX_WEBHOOK_TIMESTAMP, VerifiedWebhook, WEBHOOK_TOLERANCE_SECONDS, WebhookError, WebhookHeaders,
    WebhookSecret, sign_webhook, verify_webhook,
};
