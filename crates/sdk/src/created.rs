//! What a creation gives back.

use std::ops::Deref;

/// A record that was created, now or when the same request was made before.
///
/// It dereferences to the record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Created<T> {
    record: T,
    replayed: bool,
}

impl<T> Created<T> {
    pub(crate) const fn new(record: T, replayed: bool) -> Self {
        Self { record, replayed }
    }

    /// Whether the record was made before, by a request with the same
    /// [idempotency key](crate::Session::with_idempotency_key).
    #[must_use]
    pub const fn replayed(&self) -> bool {
        self.replayed
    }

    /// The record alone.
    #[must_use]
    pub fn into_record(self) -> T {
        self.record
    }
}

impl<T> Deref for Created<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}
