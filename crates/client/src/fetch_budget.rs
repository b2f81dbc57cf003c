//! How many parts may be fetched for requests that prove nothing.

use std::sync::{Mutex, PoisonError};

/// How many parts may be fetched at once, after a quiet time.
pub(crate) const BURST: u32 = 256;
/// How many more in each second.
pub(crate) const PER_SECOND: u32 = 32;

/// A clock that is so many seconds behind was set right: it counts from there.
const CLOCK_SET_BACK: u64 = 60;

/// A bucket of tokens, one for each fetch. Whoever proves a key with what was fetched gives the token back, so that made-up
/// keys have a limit and real ones have none. It counts in the time of the requests.
#[derive(Debug)]
pub(crate) struct FetchBudget(Mutex<(u32, u64)>);

impl FetchBudget {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new((BURST, 0)))
    }

    /// Takes a token, if there is one, at `now` in Unix seconds.
    pub(crate) fn take(&self, now: u64) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = &mut *state;
        if now.saturating_add(CLOCK_SET_BACK) < *since {
            *since = now;
        }
        let seconds = u32::try_from(now.saturating_sub(*since)).unwrap_or(u32::MAX);
        *tokens = tokens.saturating_add(seconds.saturating_mul(PER_SECOND)).min(BURST);
        *since = now.max(*since);
        let taken = *tokens > 0;
        *tokens = tokens.saturating_sub(1);
        taken
    }

    pub(crate) fn give_back(&self, tokens: u32) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = state.0.saturating_add(tokens).min(BURST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_for_nothing_is_bounded_by_time() {
        let budget = FetchBudget::new();
        let taken = |now| (0..10_000).filter(|_| budget.take(now)).count();
        assert_eq!(taken(1000), BURST as usize);
        assert_eq!(taken(1000), 0);
        assert_eq!(taken(1001), PER_SECOND as usize);
        assert_eq!(taken(990), 0, "a clock that goes back gives nothing");
        assert_eq!(taken(1002), PER_SECOND as usize);
        budget.give_back(3);
        assert_eq!(taken(1002), 3);
        assert_eq!(taken(u64::MAX), BURST as usize);
        assert_eq!(
            (taken(1003), taken(1004)),
            (0, PER_SECOND as usize),
            "one that was set right counts again"
        );
    }
}
