//! Long lists: pages, and the cursors that lead from one to the next.

use crate::{Error, Result, hex, ids::RecordId};
use claviger_core::KeyId;
use std::{fmt, str::FromStr};

/// The most records of a page.
pub const MAX_PAGE: u16 = 1000;

/// A part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// The records, in the order that was asked for.
    pub records: Vec<T>,
    /// Where the next page begins; none if this is the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of rows of which one more was read than fits.
    pub(crate) fn of(mut records: Vec<T>, limit: u16, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = records.len() > usize::from(limit);
        records.truncate(limit.into());
        let next = if more { records.last().map(cursor) } else { None };
        Self { records, next }
    }
}

/// A place in a list that was sorted in one way. It stays good when records come and go.
///
/// As text it can be handed out and taken back; what it consists of is nobody's business.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// By what the list was sorted.
    sort: String,
    /// What the last record was sorted by.
    value: String,
    id: KeyId,
}

impl Cursor {
    pub(crate) fn new(sort: &str, value: impl ToString, id: impl RecordId) -> Self {
        Self { sort: sort.to_owned(), value: value.to_string(), id: id.key_id() }
    }

    /// What to go on behind, if the list is sorted by `sort`.
    pub(crate) fn place(&self, sort: &str) -> Result<(&str, Vec<u8>)> {
        if self.sort != sort {
            let problem = format!("it is of a list sorted by {}, not by {sort}", self.sort);
            return Err(Error::invalid("cursor", problem));
        }
        Ok((&self.value, self.id.bytes()))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.sort, self.id, hex::encode(self.value.as_bytes()))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let mut parts = text.splitn(3, '.');
            let (sort, id, value) = (parts.next()?, parts.next()?, parts.next()?);
            let value = String::from_utf8(hex::decode(value)?).ok()?;
            crate::validate::sought("cursor", &value).ok()?;
            Some(Self { sort: sort.to_owned(), value, id: id.parse().ok()? })
        };
        read().ok_or_else(|| Error::invalid("cursor", "it is none that a list gave"))
    }
}

/// Makes sure that a page is of a size that there is.
pub(crate) fn check_limit(limit: u16) -> Result<()> {
    if (1..=MAX_PAGE).contains(&limit) {
        Ok(())
    } else {
        Err(Error::invalid("limit", format!("{limit} is not 1 to {MAX_PAGE}")))
    }
}

/// Lets a request be awaited: `session.keys().list().limit(10).await`.
macro_rules! awaitable {
    ($request:ident => $output:ty) => {
        impl<'s> std::future::IntoFuture for $request<'s> {
            type Output = $crate::Result<$output>;
            type IntoFuture = std::pin::Pin<Box<dyn std::future::Future<Output = Self::Output> + Send + 's>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.run())
            }
        }
    };
}
pub(crate) use awaitable;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_are_read_back(value in "[^\x00]*", id: u64) {
            let cursor = Cursor::new("name", &value, KeyId::from_u64(id));
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }

        #[test]
        fn any_text_is_a_cursor_or_an_error(text in ".*") {
            if let Err(error) = text.parse::<Cursor>() {
                prop_assert_eq!(error.code(), "invalid");
            }
        }
    }

    #[test]
    fn a_cursor_is_of_one_order() {
        let cursor = Cursor::new("name", "x", KeyId::from_u64(1));
        assert!(cursor.place("name").is_ok());
        assert_eq!(cursor.place("expires_at").unwrap_err().code(), "invalid");
        for text in ["", "name", "name.0000000000g", "name.0000000000g.6", "name.0000000000g.zz", "name.x.61"]
        {
            assert_eq!(text.parse::<Cursor>().unwrap_err().code(), "invalid", "{text}");
        }
    }
}
