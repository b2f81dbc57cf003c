//! Putting statements together: text of the program's own, and values, in the words of either database.

use crate::{Result, schema::Dialect};
use sqlx::Arguments;
use sqlx::{Any, AssertSqlSafe, Encode, Type, any::AnyArguments, query::Query};
use std::fmt::Write;

/// The most values of a statement that writes or asks for many rows. SQLite takes 32,766, PostgreSQL 65,535.
const VALUES: usize = 8_000;

/// How many rows of so many values go into one statement.
pub(crate) const fn rows_at_once(values: usize) -> usize {
    VALUES / values
}

/// Where a value stands, until it is known for which database.
const PLACE: char = '\u{1}';

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

    /// The same statement behind text that is the program's own.
    pub(crate) fn preceded_by(self, text: &str) -> Self {
        Self { text: text.to_owned() + &self.text, ..self }
    }

    /// Adds a value.
    pub(crate) fn bind<'t, T: Encode<'t, Any> + Type<Any>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(sqlx::Error::Encode(error));
        }
        self.text.push(PLACE);
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

    /// The statement in the words of a database.
    pub(crate) fn query(self, dialect: Dialect) -> Result<Query<'static, Any, AnyArguments>> {
        let text = self.text(dialect);
        match self.failed {
            Some(error) => Err(error.into()),
            None => Ok(sqlx::query_with(AssertSqlSafe(text), self.arguments)),
        }
    }

    fn text(&self, dialect: Dialect) -> String {
        match dialect {
            // Of places with names, SQLite and its driver search those before for each.
            Dialect::Sqlite => self.text.replace(PLACE, "?"),
            Dialect::Postgres => {
                let mut text = String::with_capacity(self.text.len().saturating_mul(2));
                for (number, part) in self.text.split(PLACE).enumerate() {
                    if number > 0 {
                        // Writing to a string does not fail.
                        let _ = write!(text, "${number}");
                    }
                    text.push_str(part);
                }
                text
            }
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
    fn values_stand_where_either_database_finds_them() {
        let mut statement = Statement::new("INSERT INTO t");
        statement.rows([1_i64, 2], |row, number| {
            row.bind(number).push("0").bind("x");
        });
        assert_eq!(statement.text(Dialect::Postgres), "INSERT INTO t VALUES ($1, 0, $2), ($3, 0, $4)");
        assert_eq!(statement.text(Dialect::Sqlite), "INSERT INTO t VALUES (?, 0, ?), (?, 0, ?)");
        let mut statement = Statement::new("SELECT 1 WHERE a = ");
        statement.bind(1_i64).push(" AND b IN (").bind_all([2_i64, 3]).push(")");
        assert_eq!(statement.text(Dialect::Postgres), "SELECT 1 WHERE a = $1 AND b IN ($2, $3)");
        assert!(statement.query(Dialect::Postgres).is_ok());
    }
}
