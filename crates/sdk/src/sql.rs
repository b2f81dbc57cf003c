//! Putting statements together: text and values, numbered as both databases understand (`$1`, `$2`, …).

use sqlx::Arguments;
use sqlx::{Any, AssertSqlSafe, Encode, Type, any::AnyArguments, query::Query};
use std::fmt::Write;

/// The most values of a statement that writes or asks for many rows. For each value SQLite and its driver search the
/// names of those before it, so a statement with ten thousand takes seconds; few sizes also mean that it is prepared
/// once.
const VALUES: usize = 250;

/// How many rows of so many values go into one statement.
pub(crate) const fn rows_at_once(values: usize) -> usize {
    VALUES / values
}

/// A statement that grows. What comes from outside goes in by [`bind`](Self::bind), never as text.
pub(crate) struct Statement {
    text: String,
    arguments: AnyArguments,
    /// The first value that could not be encoded.
    failed: Option<sqlx::Error>,
}

impl Statement {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), arguments: AnyArguments::default(), failed: None }
    }

    /// Adds text that is the program's own.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value.
    pub(crate) fn bind<'t, T: Encode<'t, Any> + Type<Any>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(sqlx::Error::Encode(error));
        }
        // Writing to a string does not fail.
        let _ = write!(self.text, "${}", self.arguments.len());
        self
    }

    /// Adds values with commas between them.
    pub(crate) fn bind_all<'t, T: Encode<'t, Any> + Type<Any>>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.push(", ");
            }
            self.bind(value);
        }
        self
    }

    /// Adds rows of values: `VALUES (…), (…)`.
    pub(crate) fn rows<R>(&mut self, rows: impl IntoIterator<Item = R>, write: impl Fn(&mut Row<'_>, R)) {
        self.push(" VALUES ");
        for (place, row) in rows.into_iter().enumerate() {
            self.push(if place > 0 { ", (" } else { "(" });
            write(&mut Row { statement: self, empty: true }, row);
            self.push(")");
        }
    }

    pub(crate) fn query(self) -> Result<Query<'static, Any, AnyArguments>, sqlx::Error> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(sqlx::query_with(AssertSqlSafe(self.text), self.arguments)),
        }
    }
}

/// A row of values.
pub(crate) struct Row<'s> {
    statement: &'s mut Statement,
    empty: bool,
}

impl Row<'_> {
    pub(crate) fn bind<'t, T: Encode<'t, Any> + Type<Any>>(&mut self, value: T) -> &mut Self {
        if !std::mem::replace(&mut self.empty, false) {
            self.statement.push(", ");
        }
        self.statement.bind(value);
        self
    }

    /// Adds text that is the program's own.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        if !std::mem::replace(&mut self.empty, false) {
            self.statement.push(", ");
        }
        self.statement.push(text);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered() {
        let mut statement = Statement::new("INSERT INTO t");
        statement.rows([1_i64, 2], |row, number| {
            row.bind(number).push("0").bind("x");
        });
        assert_eq!(statement.text, "INSERT INTO t VALUES ($1, 0, $2), ($3, 0, $4)");
        let mut statement = Statement::new("SELECT 1 WHERE a = ");
        statement.bind(1_i64).push(" AND b IN (").bind_all([2_i64, 3]).push(")");
        assert_eq!(statement.text, "SELECT 1 WHERE a = $1 AND b IN ($2, $3)");
        assert!(statement.query().is_ok());
    }
}
