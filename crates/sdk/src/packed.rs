//! Reading a million rows: the database packs the rows of a query into one text, because handing them over one value at a
//! time takes most of the time that reading them takes.
//!
//! Fields are separated by commas and rows by semicolons: numbers in decimal, ids, bytes and texts in hexadecimal. An
//! empty field is a value that is not there, or an empty one.

use crate::{
    Result, hex,
    rows::{RowExt, damaged},
    schema::Dialect,
    sql::Statement,
    work::Work,
};

/// A column: an expression, and what it is.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// A number, or none.
    Int(&'static str, &'static str),
    /// Bytes, or none.
    Blob(&'static str, &'static str),
    /// A text, or none. `{hex …}` in it stands for the hexadecimal digits of bytes.
    Text(&'static str, &'static str),
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Int(name, _) | Self::Blob(name, _) | Self::Text(name, _) => name,
        }
    }

    fn expression(self, dialect: Dialect) -> String {
        match self {
            Self::Int(_, expression) => expression.to_owned(),
            Self::Blob(_, expression) => digits(expression, dialect),
            Self::Text(_, expression) => {
                let expression = match expression.split_once("{hex ").and_then(|(before, rest)| {
                    rest.split_once('}').map(|(bytes, after)| (before, bytes, after))
                }) {
                    Some((before, bytes, after)) => format!("{before}{}{after}", digits(bytes, dialect)),
                    None => expression.to_owned(),
                };
                match dialect {
                    Dialect::Sqlite => digits(&expression, dialect),
                    Dialect::Postgres => digits(&format!("convert_to({expression}, 'UTF8')"), dialect),
                }
            }
        }
    }
}

/// The hexadecimal digits of bytes.
fn digits(expression: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => format!("hex({expression})"),
        Dialect::Postgres => format!("encode({expression}, 'hex')"),
    }
}

/// Rows in one text.
pub(crate) struct Packed<'c> {
    columns: &'c [Column],
    text: String,
}

/// The columns of the rows that `rest` (from `FROM` on) selects, in no order.
pub(crate) async fn select<'c>(
    work: &mut Work,
    columns: &'c [Column],
    rest: Statement,
) -> Result<Packed<'c>> {
    let dialect = work.dialect();
    let places = vec!["%s"; columns.len()].join(",");
    let expressions: Vec<String> = columns.iter().map(|column| column.expression(dialect)).collect();
    let select = format!(
        "SELECT COALESCE(string_agg(format('{places}', {}), ';'), '') AS packed ",
        expressions.join(", ")
    );
    let query = rest.preceded_by(&select);
    let text = work.one(query.query(dialect)?).await?.text("packed")?;
    Ok(Packed { columns, text })
}

impl Packed<'_> {
    pub(crate) fn rows(&self) -> impl Iterator<Item = PackedRow<'_>> {
        let rows = self.text.split(';').filter(|row| !row.is_empty());
        rows.map(|row| PackedRow { columns: self.columns, fields: row.split(',').collect() })
    }
}

/// One of the rows.
pub(crate) struct PackedRow<'p> {
    columns: &'p [Column],
    fields: Vec<&'p str>,
}

impl PackedRow<'_> {
    fn field(&self, name: &str) -> Result<&str> {
        let place = self.columns.iter().position(|column| column.name() == name);
        place.and_then(|place| self.fields.get(place).copied()).ok_or_else(|| damaged(name))
    }
}

impl RowExt for PackedRow<'_> {
    fn int(&self, column: &str) -> Result<i64> {
        self.field(column)?.parse().map_err(|_| damaged(column))
    }

    fn optional_int(&self, column: &str) -> Result<Option<i64>> {
        if self.field(column)?.is_empty() { Ok(None) } else { self.int(column).map(Some) }
    }

    fn text(&self, column: &str) -> Result<String> {
        String::from_utf8(self.blob(column)?).map_err(|_| damaged(column))
    }

    fn optional_text(&self, column: &str) -> Result<Option<String>> {
        if self.field(column)?.is_empty() { Ok(None) } else { self.text(column).map(Some) }
    }

    fn blob(&self, column: &str) -> Result<Vec<u8>> {
        hex::decode(self.field(column)?).ok_or_else(|| damaged(column))
    }

    fn optional_blob(&self, column: &str) -> Result<Option<Vec<u8>>> {
        if self.field(column)?.is_empty() { Ok(None) } else { self.blob(column).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_they_were() {
        let columns =
            [Column::Int("a", "a"), Column::Blob("b", "b"), Column::Text("c", "c"), Column::Int("d", "d")];
        let packed = Packed { columns: &columns, text: "-7,00FFab,666cc3bc67,;12,,,9".into() };
        let rows: Vec<_> = packed.rows().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].int("a").unwrap(), rows[0].blob("b").unwrap()), (-7, vec![0, 255, 171]));
        assert_eq!((rows[0].text("c").unwrap().as_str(), rows[0].optional_int("d").unwrap()), ("flüg", None));
        assert_eq!((rows[1].optional_blob("b").unwrap(), rows[1].text("c").unwrap()), (None, String::new()));
        assert!(rows[0].int("c").is_err() && rows[0].int("e").is_err());
    }

    #[test]
    fn nothing_is_no_row() {
        let packed = Packed { columns: &[], text: String::new() };
        assert_eq!(packed.rows().count(), 0);
    }
}
