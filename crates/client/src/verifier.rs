//! The verifier: keys in, verdicts out, and a keyring that looks after itself.

use crate::{
    builder::VerifierBuilder,
    engine::{Engine, NativeEngine},
    event::{Event, OnEvent},
    fetching::Fetching,
    refreshing::{RefreshError, RefreshState, Refreshing},
    replay::ReplayStore,
    source::KeyringSource,
    usage::SharedUsage,
};
use bytes::Bytes;
use claviger_core::{
    DenialClass, DenialCode, Denied, HttpRequest, KeyringInfo, KeyringKey, NeededPart, PendingVerdict,
    Replacement, ReplayAnswer, ReplayEntry, RequestContext, SignaturePolicyRecord, UsageBatch, Verdict,
    VerifyKey,
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::Instant;

/// More parts than a verdict can need one after the other.
const MOST_PARTS: usize = 8;

/// Verifies API keys with a keyring from a [source](crate::KeyringSource). Clones are the same verifier.
///
/// [`verify`](Self::verify) fetches what it needs. [`verify_key`](Self::verify_key) never waits: of a bundle it knows
/// everything, of a root alone those parts that were fetched before.
pub struct Verifier<E = NativeEngine>(pub(crate) Arc<Shared<E>>);

pub(crate) struct Shared<E> {
    pub(crate) engine: E,
    pub(crate) source: Option<Box<dyn KeyringSource>>,
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Duration,
    pub(crate) cache_limit: usize,
    pub(crate) clock: Box<dyn Fn() -> u64 + Send + Sync>,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) usage: Option<SharedUsage>,
    pub(crate) signature_policy: SignaturePolicyRecord,
    pub(crate) replay_store: Box<dyn ReplayStore>,
    #[cfg(feature = "http")]
    pub(crate) origin: Option<String>,
    pub(crate) fetching: Fetching,
    pub(crate) refreshing: RefreshState,
}

impl<E> Clone for Verifier<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Verifier {
    /// Begins to build a verifier that takes keyrings made with one of these keys: one, or for its rotation two.
    pub fn builder(keys: impl IntoIterator<Item = KeyringKey>) -> VerifierBuilder {
        VerifierBuilder::new(NativeEngine::new(keys))
    }
}

impl<E: Engine> Verifier<E> {
    /// Begins to build a verifier on another engine: a host that runs the core as a WebAssembly module, say.
    pub fn with_engine(engine: E) -> VerifierBuilder<E> {
        VerifierBuilder::new(Ok(engine))
    }

    /// What is known of a presented key: text or any bytes, of any length. Parts of the keyring that this needs are
    /// fetched, and before that a newer keyring, if there is none or it is stale.
    ///
    /// A part that cannot be had leaves the verdict to the keyring before, if that knows the key and is still valid;
    /// otherwise the key is denied as `keyring_unavailable`. Requests that prove nothing may make 256 parts be fetched at
    /// once and 32 more in each second of `context.now`.
    ///
    /// Must be called within a tokio runtime.
    pub async fn verify(
        &self,
        presented: impl AsRef<[u8]>,
        context: &RequestContext<'_>,
    ) -> Verdict<'static> {
        let (presented, shared) = (presented.as_ref(), &self.0);
        let ask = || (shared.engine.verify_key(presented, context), None);
        let (verdict, _) = self.decide(context.now, ask).await;
        shared.count(&verdict, context.now);
        verdict
    }

    /// What is known of a signed request (RFC 9421): the API key that its signature names is proved without being sent. What
    /// is demanded of signatures is the [policy's](VerifierBuilder::signature_policy) to say.
    ///
    /// Newer keyrings and parts are fetched as [`verify`](Self::verify) does it. A request that would be let in is then
    /// remembered by the [replay store](VerifierBuilder::replay_store): the same one again is `replayed`, and where that cannot
    /// be told `replay_unavailable`.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// ```
    /// use claviger::{RequestContext, Verifier, core::{Content, HttpRequest}, unix_seconds};
    ///
    /// # async fn enter(verifier: &Verifier, fields: &[(&str, &[u8])], content: &[u8]) -> Result<bool, Box<dyn std::error::Error>> {
    /// let request = HttpRequest::new("POST", "https://api.example/flights", fields)?;
    /// let request = request.content(Content::Bytes(content));
    /// let verdict = verifier.verify_signed(&request, &RequestContext::at(unix_seconds())).await;
    /// # Ok(verdict.is_verified())
    /// # }
    /// ```
    pub async fn verify_signed(
        &self,
        request: &HttpRequest<'_>,
        context: &RequestContext<'_>,
    ) -> Verdict<'static> {
        let (shared, started) = (&self.0, Instant::now());
        let ask = || {
            let policy = &shared.signature_policy;
            policy.with(|policy| shared.engine.verify_request(request, policy, context)).into_parts()
        };
        let (verdict, replay) = self.decide(context.now, ask).await;
        let pending = PendingVerdict::from_parts(verdict, replay);
        let answer = match pending.replay() {
            Some(entry) => {
                // While parts came the signature may have got too old: the store need not know of it any more.
                let now = context.now.saturating_add(started.elapsed().as_secs());
                if entry.keep_until < now {
                    ReplayAnswer::Unavailable
                } else {
                    shared.replay_store.check_and_insert(entry, now).await
                }
            }
            None => ReplayAnswer::Unavailable,
        };
        let verdict = pending.settle(answer);
        shared.count(&verdict, context.now);
        verdict
    }

    /// What is known of a presented key without waiting for anything. If a part of the keyring is missing, the verdict is
    /// `keyring_unavailable` and [says which](claviger_core::Denied::needed).
    #[inline]
    pub fn verify_key(&self, presented: impl AsRef<[u8]>, context: &RequestContext<'_>) -> Verdict<'static> {
        let verdict = self.0.engine.verify_key(presented.as_ref(), context);
        self.0.count(&verdict, context.now);
        verdict
    }

    /// Asks the source for the newest keyring, and for those parts of it that were in use and have changed. Calls at the same
    /// time become one.
    ///
    /// # Errors
    /// [`RefreshError`]. The keyring that was in use stays in use.
    pub async fn refresh(&self) -> Result<Replacement, Arc<RefreshError>> {
        self.0.refresh().await
    }

    /// The same, if the interval has passed since the last time, or the pause after a failure. What comes of it is told as
    /// an [`Event`].
    pub async fn refresh_if_due(&self) {
        self.0.refresh_if_due().await;
    }

    /// Refreshes again and again, until what is returned is dropped: in the interval that was set, or that of the source, or
    /// a quarter of the time for which the keyring stays fresh; a fifth more or less.
    ///
    /// Must be called within a tokio runtime.
    pub fn refresh_in_background(&self) -> Refreshing {
        self.0.refresh_in_background()
    }

    /// Puts a root or a bundle in the place of the present keyring, whatever the source says: one that was pushed here, say.
    ///
    /// # Errors
    /// [`RefreshError::Refused`]. The keyring that was in use stays in use.
    pub fn replace_keyring(&self, keyring: impl Into<Bytes>) -> Result<Replacement, RefreshError> {
        self.0.take_pushed(keyring.into())
    }

    /// The keyring that is in use.
    #[must_use]
    pub fn keyring(&self) -> Option<KeyringInfo> {
        self.0.engine.keyring()
    }

    /// What was counted since the last time, if the verifier [counts](VerifierBuilder::count_usage). Keep the batch until its
    /// report is confirmed, and report the same one again if it is not.
    #[must_use = "what is drained is told here alone"]
    pub fn drain_usage(&self) -> Option<UsageBatch> {
        self.0.usage.as_ref()?.drain((self.0.clock)())
    }

    /// The engine behind it.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.0.engine
    }
}

impl<E: Engine> VerifyKey for Verifier<E> {
    fn verify_key(&self, presented: &[u8], context: &RequestContext<'_>) -> Verdict<'_> {
        Verifier::verify_key(self, presented, context)
    }
}

/// The part that a verdict needs.
fn needed(verdict: &Verdict<'_>) -> Option<NeededPart> {
    match verdict {
        Verdict::Denied(Denied { needed, .. }) => *needed,
        Verdict::Verified(_) => None,
    }
}

impl<E> Shared<E> {
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if let Some(on_event) = &self.on_event {
            on_event(event);
        }
    }

    #[inline]
    fn count(&self, verdict: &Verdict<'_>, now: u64) {
        if let (Some(usage), Verdict::Verified(verified)) = (&self.usage, verdict) {
            usage.record(verified.key_id, now);
        }
    }
}

impl<E: Engine> Verifier<E> {
    /// Asks the engine again and again until it has what it needs, or that cannot be had.
    async fn decide(
        &self,
        now: u64,
        ask: impl Fn() -> (Verdict<'static>, Option<ReplayEntry>),
    ) -> (Verdict<'static>, Option<ReplayEntry>) {
        let shared = &self.0;
        shared.refresh_if_stale(now).await;
        let mut spent = 0;
        let mut said = ask();
        for _ in 0..MOST_PARTS {
            let Some(part) = needed(&said.0) else { break };
            if !shared.get_part(&part, now, &mut spent).await {
                break;
            }
            said = ask();
        }
        let denial = said.0.denial();
        if denial == Some(DenialCode::KeyringInvalid) {
            shared.refreshing.distrust();
        }
        let proven = denial.is_none_or(|code| code.class() == DenialClass::Policy);
        if spent > 0 && proven {
            shared.fetching.budget.give_back(spent);
        }
        said
    }
}

impl<E: Engine> fmt::Debug for Verifier<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").field("keyring", &self.keyring()).finish_non_exhaustive()
    }
}
