//! What a verifier demands of a signature beyond that it is right.

use alloc::{string::String, vec::Vec};

/// How old a signature may be, in seconds, unless a policy says otherwise.
pub const DEFAULT_MAX_AGE_SECONDS: u32 = 300;
/// How far the time of a signature may lie ahead of the verifier's clock, in seconds, unless a policy says otherwise.
pub const DEFAULT_FUTURE_SKEW_SECONDS: u32 = 30;
/// What a signature must cover unless a policy says otherwise: which request it was made for.
pub const DEFAULT_COMPONENTS: [&str; 4] = ["@method", "@authority", "@path", "@query"];

/// Which signatures must have a nonce, by which a request that comes twice is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NonceRule {
    /// None has to.
    Never,
    /// Those of requests whose method is not idempotent (RFC 9110 section 9.2.2): POST and PATCH, and methods that are not
    /// known.
    #[default]
    UnlessIdempotent,
    /// All.
    Always,
}

/// What a verifier demands of a signature beyond that it is right.
///
/// A signature proves what it covers and nothing else: one over `@method` alone would be good for any path. So the default
/// demands what makes a request what it is, a time, and where a request must not be made twice a nonce.
///
/// ```
/// use claviger_core::SignaturePolicy;
///
/// let policy = SignaturePolicy { max_age: Some(60), tag: Some("acme-webapp"), ..SignaturePolicy::default() };
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignaturePolicy<'p> {
    /// What must be covered, by name: derived components (`@path`) and fields (`content-type`), each without parameters.
    /// `@target-uri` stands for `@scheme`, `@authority`, `@path` and `@query` as well, and `@request-target` for the last two.
    pub required_components: &'p [&'p str],
    /// Whether `content-digest` must be covered where there is content.
    pub require_content_digest: bool,
    /// Whether there must be a time of signing (`created`). Where [`max_age`](Self::max_age) is set, there must be one.
    pub require_created: bool,
    /// How many seconds after it was made a signature may be used. Without it only `expires` ends one.
    pub max_age: Option<u32>,
    /// By how many seconds the clock of the signer may be ahead.
    pub future_skew: u32,
    /// Which signatures must have a nonce.
    pub nonce: NonceRule,
    /// Which signatures are looked at, where a request has others as well: those with this `tag` alone.
    pub tag: Option<&'p str>,
}

impl Default for SignaturePolicy<'_> {
    /// `@method`, `@authority`, `@path`, `@query`, and `content-digest` where there is content; at most 300 seconds old and 30
    /// ahead; a nonce unless the method is idempotent.
    #[inline]
    fn default() -> Self {
        Self {
            required_components: &DEFAULT_COMPONENTS,
            require_content_digest: true,
            require_created: true,
            max_age: Some(DEFAULT_MAX_AGE_SECONDS),
            future_skew: DEFAULT_FUTURE_SKEW_SECONDS,
            nonce: NonceRule::default(),
            tag: None,
        }
    }
}

impl SignaturePolicy<'_> {
    /// Nothing but what RFC 9421 itself demands: for tests, and where something else decides what is covered.
    pub const PERMISSIVE: SignaturePolicy<'static> = SignaturePolicy {
        required_components: &[],
        require_content_digest: false,
        require_created: false,
        max_age: None,
        future_skew: DEFAULT_FUTURE_SKEW_SECONDS,
        nonce: NonceRule::Never,
        tag: None,
    };

    /// For how many seconds nonces are to be remembered: what a [`NonceWindow`](crate::NonceWindow) takes. `None` if
    /// signatures do not age, and so nonces would have to be remembered for ever.
    #[must_use]
    #[inline]
    pub fn remembers_for(&self) -> Option<u32> {
        Some(self.max_age?.saturating_add(self.future_skew))
    }

    /// Whether a request of this method must have a nonce.
    #[inline]
    pub(crate) fn needs_nonce(&self, is_idempotent: bool) -> bool {
        match self.nonce {
            NonceRule::Never => false,
            NonceRule::UnlessIdempotent => !is_idempotent,
            NonceRule::Always => true,
        }
    }

    /// The value of `Accept-Signature` (RFC 9421 section 5.1) that asks for such a signature, of a request with content or
    /// without.
    ///
    /// ```
    /// use claviger_core::SignaturePolicy;
    ///
    /// assert_eq!(
    ///     SignaturePolicy::default().accept_signature(false),
    ///     r#"sig=("@method" "@authority" "@path" "@query");created;alg="hmac-sha256""#
    /// );
    /// ```
    #[must_use]
    #[inline]
    pub fn accept_signature(&self, has_content: bool) -> String {
        let digest = (self.require_content_digest && has_content).then_some("content-digest");
        let components: Vec<&str> = self.required_components.iter().copied().chain(digest).collect();
        let mut value = String::from("sig=(");
        for (place, name) in components.iter().enumerate() {
            value.push_str(if place == 0 { "\"" } else { " \"" });
            value.push_str(name);
            value.push('"');
        }
        value.push(')');
        if self.require_created || self.max_age.is_some() {
            value.push_str(";created");
        }
        value.push_str(";alg=\"hmac-sha256\"");
        if let Some(tag) = self.tag {
            value.push_str(";tag=\"");
            for character in tag.chars().filter(|character| matches!(character, ' '..='~')) {
                if matches!(character, '"' | '\\') {
                    value.push('\\');
                }
                value.push(character);
            }
            value.push('"');
        }
        value
    }
}
