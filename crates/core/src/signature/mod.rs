//! HTTP Message Signatures (RFC 9421) with HMAC-SHA256: requests that prove a key without sending it.
//!
//! | module | what it is |
//! |---|---|
//! | `request` | the request, and what is derived from its target |
//! | `component` | what a signature covers: identifiers and values |
//! | `fields` | `Signature-Input` and `Signature`, and the signature base |
//! | `keyid` | the API key that a signature names |
//! | `key` | the key of a signature |
//! | `keys` | several keys, by name |
//! | `policy` | what is demanded of a signature beyond that it is right |
//! | `sign` | a request gets a signature |
//! | `verify` | a signature against its key and the policy |
//! | `record` | what is known of a signature at the border of a WebAssembly instance |
//! | `pending` | a verdict that waits until it is known whether the request was made before |
//!
//! Which API key a signature names and what it may do is decided in `verify_request`; nonces are remembered in `replay`.

mod component;
mod fields;
mod key;
mod keyid;
mod keys;
mod pending;
mod policy;
mod record;
mod request;
mod sign;
mod verify;

pub use component::{MAX_SIGNATURE_BASE_LEN, MAX_STRUCTURED_LEN};
pub(crate) use fields::SignatureFields;
pub use fields::{MAX_COMPONENTS, MAX_SIGNATURE_FIELD_LEN, MAX_SIGNATURE_TEXT_LEN, MAX_SIGNATURES};
pub use key::SigningKey;
pub(crate) use keyid::SigningKeyName;
pub use keys::SignatureKeys;
pub use pending::PendingVerdict;
pub use policy::{
    DEFAULT_COMPONENTS, DEFAULT_FUTURE_SKEW_SECONDS, DEFAULT_MAX_AGE_SECONDS, NonceRule, SignaturePolicy,
};
pub use record::{REPLAY_RECORD_LEN, SIGNATURE_RECORD_LEN};
pub use request::{Content, HttpRequest, InvalidRequest, MAX_FIELDS, MAX_TARGET_URI_LEN};
pub use sign::{RequestSigner, SignError, SignatureTerms, SignedFields, SignerError};
pub(crate) use verify::Candidate;
pub use verify::{VerifiedSignature, verify_signature};
