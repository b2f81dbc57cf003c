//! Reading columns: each read says which column was not what it should be.

use crate::{Error, Result, ids::RecordId, schema::NO_END};
use chrono::{DateTime, Utc};
use sqlx::{Row, any::AnyRow};

/// Typed reads of a row's columns by name.
pub(crate) trait RowExt {
    fn int(&self, column: &str) -> Result<i64>;
    fn optional_int(&self, column: &str) -> Result<Option<i64>>;
    fn text(&self, column: &str) -> Result<String>;
    fn optional_text(&self, column: &str) -> Result<Option<String>>;
    fn blob(&self, column: &str) -> Result<Vec<u8>>;
    fn optional_blob(&self, column: &str) -> Result<Option<Vec<u8>>>;

    /// A number that a smaller type holds.
    fn number<N: TryFrom<i64>>(&self, column: &str) -> Result<N> {
        N::try_from(self.int(column)?).map_err(|_| damaged(column))
    }

    fn flag(&self, column: &str) -> Result<bool> {
        self.int(column).map(|value| value != 0)
    }

    fn id<I: RecordId>(&self, column: &str) -> Result<I> {
        I::from_bytes(&self.blob(column)?).ok_or_else(|| damaged(column))
    }

    fn optional_id<I: RecordId>(&self, column: &str) -> Result<Option<I>> {
        let bytes = self.optional_blob(column)?;
        bytes.map(|bytes| I::from_bytes(&bytes).ok_or_else(|| damaged(column))).transpose()
    }

    /// A time that is always there.
    fn time(&self, column: &str) -> Result<DateTime<Utc>> {
        self.int(column).and_then(|seconds| time(seconds).ok_or_else(|| damaged(column)))
    }

    /// A time that may be missing: 0 or without end.
    fn optional_time(&self, column: &str) -> Result<Option<DateTime<Utc>>> {
        let seconds = self.int(column)?;
        if seconds == 0 || seconds == NO_END {
            return Ok(None);
        }
        time(seconds).map(Some).ok_or_else(|| damaged(column))
    }
}

pub(crate) fn time(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

/// A column that holds what nothing of ours writes.
pub(crate) fn damaged(column: &str) -> Error {
    Error::Damaged(format!("the column {column} holds what cannot be there"))
}

impl RowExt for AnyRow {
    fn int(&self, column: &str) -> Result<i64> {
        Ok(self.try_get(column)?)
    }

    fn optional_int(&self, column: &str) -> Result<Option<i64>> {
        Ok(self.try_get(column)?)
    }

    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column)?)
    }

    fn optional_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.try_get(column)?)
    }

    fn blob(&self, column: &str) -> Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }

    fn optional_blob(&self, column: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.try_get(column)?)
    }
}
