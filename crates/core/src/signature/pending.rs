//! A verdict about a signed request that waits for one answer: whether the request was made before.

use crate::{
    denial::DenialCode,
    keyring::NeededPart,
    replay::{NonceWindow, ReplayAnswer, ReplayEntry},
    verdict::Verdict,
};

/// What is known of a signed request before it is known whether it was made before.
///
/// A request whose nonce is to be remembered is let in by [`check`](Self::check), or by [`settle`](Self::settle) with the
/// answer of a store that several verifiers share.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "a verdict that nobody looks at lets everybody in"]
pub struct PendingVerdict<'k> {
    verdict: Verdict<'k>,
    replay: Option<ReplayEntry>,
}

impl<'k> PendingVerdict<'k> {
    /// `replay` is what is to be remembered if the verdict lets the request in.
    #[inline]
    pub(crate) fn new(verdict: Verdict<'k>, replay: Option<ReplayEntry>) -> Self {
        let replay = replay.filter(|_| verdict.is_verified());
        Self { verdict, replay }
    }

    /// The code of a verdict that is a denial already.
    #[inline]
    pub(crate) const fn code(&self) -> Option<DenialCode> {
        self.verdict.denial()
    }

    /// What is to be asked and remembered; `None` if the request is denied already, or has no nonce and needs none.
    #[must_use]
    #[inline]
    pub const fn replay(&self) -> Option<&ReplayEntry> {
        self.replay.as_ref()
    }

    /// The verdict, now that it is known whether the request was made before.
    #[inline]
    pub fn settle(self, answer: ReplayAnswer) -> Verdict<'k> {
        let code = match (self.replay, answer) {
            (None, _) | (Some(_), ReplayAnswer::Fresh) => return self.verdict,
            (Some(_), ReplayAnswer::Seen) => DenialCode::Replayed,
            (Some(_), ReplayAnswer::Unavailable) => DenialCode::ReplayUnavailable,
        };
        self.verdict.overruled(code)
    }

    /// Asks a window, and puts the nonce into it. `now` is in Unix seconds.
    #[inline]
    pub fn check(self, window: &mut NonceWindow, now: u64) -> Verdict<'k> {
        let answer = self.replay.as_ref().map(|entry| window.check_and_insert(entry, now));
        self.settle(answer.unwrap_or(ReplayAnswer::Unavailable))
    }

    /// The parts of which it is made: the verdict, which lets nobody in before what is beside it is known to be fresh. For faces
    /// that ask a store themselves.
    #[inline]
    pub fn into_parts(self) -> (Verdict<'k>, Option<ReplayEntry>) {
        (self.verdict, self.replay)
    }

    /// One that has come across a border: see [`into_parts`](Self::into_parts).
    #[inline]
    pub fn from_parts(verdict: Verdict<'k>, replay: Option<ReplayEntry>) -> Self {
        Self::new(verdict, replay)
    }

    /// A copy that borrows nothing.
    #[inline]
    pub fn into_owned(self) -> PendingVerdict<'static> {
        PendingVerdict { verdict: self.verdict.into_owned(), replay: self.replay }
    }

    /// What is needed to decide, if a part of the keyring is not here.
    #[must_use]
    #[inline]
    pub const fn needed(&self) -> Option<&NeededPart> {
        match &self.verdict {
            Verdict::Denied(denied) => denied.needed.as_ref(),
            Verdict::Verified(_) => None,
        }
    }

    /// The verdict without asking: the request may have been made before, and may be made again. For requests that do no
    /// harm a second time, and where something else tells them apart.
    #[inline]
    pub fn accept_replays(self) -> Verdict<'k> {
        self.verdict
    }
}
