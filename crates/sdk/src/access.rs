//! Effective access: what somebody or some key may do, put together from roles and permissions; and whether one
//! access has everything that another has.

use crate::{Error, Result};
use claviger_core::permission_covers;
use std::collections::BTreeSet;

/// The most segments that a permission may have.
pub(crate) const MAX_SEGMENTS: usize = 8;

/// What may be done: patterns such as `flights:*`, and patterns of which only the part that reads is meant.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Access {
    granted: BTreeSet<String>,
    read_only: BTreeSet<String>,
}

impl Access {
    /// Everything.
    pub(crate) fn everything() -> Self {
        let mut access = Self::default();
        access.add("*".to_owned(), false);
        access
    }

    /// Adds a pattern; with `read_only` only what of it ends in `:view`.
    pub(crate) fn add(&mut self, pattern: String, read_only: bool) {
        if read_only { &mut self.read_only } else { &mut self.granted }.insert(pattern);
    }

    /// Adds all of another.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.granted.extend(other.granted.iter().cloned());
        self.read_only.extend(other.read_only.iter().cloned());
    }

    pub(crate) fn of(patterns: impl IntoIterator<Item = String>, read_only: bool) -> Self {
        let mut access = Self::default();
        patterns.into_iter().for_each(|pattern| access.add(pattern, read_only));
        access
    }

    /// Whether `permission` is part of it.
    #[must_use]
    pub fn allows(&self, permission: &str) -> bool {
        self.granted.iter().any(|pattern| permission_covers(pattern, permission))
            || (reads(permission)
                && self.read_only.iter().any(|pattern| permission_covers(pattern, permission)))
    }

    /// Whether it allows everything: what the role ADMIN gives.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        ["*", "*:*"].iter().any(|everything| self.granted.contains(*everything))
    }

    /// The whole of it, or with `read_only` the part that reads.
    pub(crate) fn limited(self, read_only: bool) -> Self {
        if !read_only {
            return self;
        }
        let read_only = self.granted.into_iter().chain(self.read_only).collect();
        Self { granted: BTreeSet::new(), read_only }
    }

    /// The patterns that grant it, with what is read-only spelled out: `*` then is `view`, `*:view`, `*:*:view`, ….
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        let spelled_out = self.read_only.iter().flat_map(|pattern| reading_part(pattern));
        let all: BTreeSet<String> = self.granted.iter().cloned().chain(spelled_out).collect();
        all.into_iter()
    }

    /// The patterns and whether only their read-only part is meant, in as few words as possible.
    pub(crate) fn policy(&self) -> (Vec<String>, bool) {
        if self.granted.is_empty() && !self.read_only.is_empty() {
            (self.read_only.iter().cloned().collect(), true)
        } else {
            (self.patterns().collect(), false)
        }
    }

    /// Makes sure that whoever has this access has all of `other`.
    ///
    /// # Errors
    /// [`Error::BeyondOwnAccess`] names the first pattern that is missing.
    pub(crate) fn require_all_of(&self, other: &Self) -> Result<()> {
        let has = |pattern: &str| {
            self.granted.iter().any(|granted| permission_covers(granted, pattern))
                || (reads(pattern) && self.read_only.iter().any(|own| permission_covers(own, pattern)))
        };
        let has_reading_part = |pattern: &String| {
            let whole = |own: &String| permission_covers(own, pattern);
            self.granted.iter().any(whole)
                || self.read_only.iter().any(whole)
                || reading_part(pattern).iter().all(|part| has(part))
        };
        let missing = other.granted.iter().find(|pattern| !has(pattern));
        match missing.or_else(|| other.read_only.iter().find(|pattern| !has_reading_part(pattern))) {
            None => Ok(()),
            Some(pattern) => Err(Error::BeyondOwnAccess { permission: pattern.clone() }),
        }
    }
}

/// Whether everything that the pattern names is in the read-only part of a right: its last segment is `view`.
fn reads(pattern: &str) -> bool {
    pattern.rsplit(':').next() == Some("view")
}

/// The patterns that grant exactly the part of `pattern` that reads, in permissions of at most [`MAX_SEGMENTS`].
fn reading_part(pattern: &str) -> Vec<String> {
    if reads(pattern) {
        return vec![pattern.to_owned()];
    }
    let Some(front) = pattern.strip_suffix('*') else { return Vec::new() };
    let longest = MAX_SEGMENTS.saturating_sub(front.matches(':').count().saturating_add(1));
    (0..=longest).map(|stars| format!("{front}{}view", "*:".repeat(stars))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::select};

    fn access(granted: &[&str], read_only: &[&str]) -> Access {
        let mut access = Access::of(granted.iter().map(|text| (*text).to_owned()), false);
        read_only.iter().for_each(|text| access.add((*text).to_owned(), true));
        access
    }

    #[test]
    fn what_is_allowed() {
        let readonly = access(&["flights:modify"], &["*"]);
        for (permission, allowed) in [
            ("flights:view", true),
            ("flights:seats:view", true),
            ("flights:modify", true),
            ("crew:modify", false),
        ] {
            assert_eq!(readonly.allows(permission), allowed, "{permission}");
        }
        assert!(Access::everything().is_admin());
        assert!(!readonly.is_admin());
        assert_eq!(access(&[], &["*"]).policy(), (vec!["*".to_owned()], true));
        assert_eq!(
            access(&[], &["a:b:c:d:e:f:*", "x:*:view", "x:modify"]).patterns().collect::<Vec<_>>(),
            ["a:b:c:d:e:f:*:view", "a:b:c:d:e:f:view", "x:*:view"]
        );
    }

    #[test]
    fn nobody_has_more_than_he_has() {
        for (own, other, missing) in [
            (access(&["*"], &[]), access(&["flights:*"], &["*"]), None),
            (access(&["flights:*"], &[]), access(&["flights:view"], &["flights:*"]), None),
            (access(&["flights:view"], &[]), access(&["flights:*"], &[]), Some("flights:*")),
            (access(&[], &["*"]), access(&["flights:view", "*:view"], &["flights:*"]), None),
            (access(&[], &["*"]), access(&["flights:modify"], &[]), Some("flights:modify")),
            (access(&["*:view"], &[]), access(&[], &["*"]), Some("*")),
        ] {
            let outcome = own.require_all_of(&other).err().map(|error| match error {
                Error::BeyondOwnAccess { permission } => permission,
                other => other.to_string(),
            });
            assert_eq!(outcome.as_deref(), missing, "{own:?} {other:?}");
        }
    }

    fn patterns() -> impl Strategy<Value = Vec<String>> {
        let segment = || select(vec!["a", "b", "view", "*"]);
        let pattern = prop::collection::vec(segment(), 1..4).prop_map(|segments| segments.join(":"));
        prop::collection::vec(pattern, 0..3)
    }

    proptest! {
        /// Whatever the two are: if one has all of the other, no permission is allowed to the other alone. And the
        /// patterns, spelled out, allow exactly what the access allows.
        #[test]
        fn having_all_means_allowing_all(
            own in (patterns(), patterns()), other in (patterns(), patterns()),
            asked in prop::collection::vec(select(vec!["a", "b", "c", "view"]), 1..5),
        ) {
            let [own, other] = [own, other].map(|(granted, read_only)| {
                let mut access = Access::of(granted, false);
                read_only.into_iter().for_each(|pattern| access.add(pattern, true));
                access
            });
            let asked = asked.join(":");
            if own.require_all_of(&other).is_ok() && other.allows(&asked) {
                prop_assert!(own.allows(&asked), "{:?} {:?} {}", own, other, asked);
            }
            prop_assert_eq!(Access::of(own.patterns(), false).allows(&asked), own.allows(&asked));
            let (policy, read_only) = own.policy();
            prop_assert_eq!(Access::of(policy, read_only).allows(&asked), own.allows(&asked));
        }
    }
}
