//! What a verifier is told about the request beside its credential.

/// How far an issued-at may lie ahead of the verifier's clock, in seconds, before a key is `not_yet_valid`.
///
/// Clocks of issuer and verifier differ; five minutes is what the field tolerates by habit (Kerberos, RFC 4120
/// section 10, recommends it), and only who holds the issuing secret could make use of it.
pub const CLOCK_SKEW_SECONDS: u64 = 300;

/// The facts about one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RequestContext {
    /// When the request arrived, in Unix seconds.
    pub now: u64,
}

impl RequestContext {
    /// A request that arrived at `now` (Unix seconds).
    #[must_use]
    pub const fn at(now: u64) -> Self {
        Self { now }
    }
}
