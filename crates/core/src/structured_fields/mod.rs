//! Structured Field Values for HTTP (RFC 9651): reading fields, and writing them in their one canonical form.
//!
//! Here are the types, [`parse_item`], [`parse_list`] and [`parse_dictionary`], and `serialize` of each type; and, where the
//! text alone matters, as in signatures, [`canonical_item`], [`canonical_list`] and [`canonical_dictionary`]. What a
//! field means, which fields are structured and how the lines of one are joined is not here: a field value comes in
//! as one text, its lines joined with `, ` (RFC 9110 section 5.3).
//!
//! Parsing borrows from the text: keys and tokens always, strings unless something in them is escaped. Allocated are
//! byte sequences, strings with escapes, and the lists themselves; parameters only where there are any. How many there
//! may be is limited: [`MAX_MEMBERS`], [`MAX_PARAMETERS`] and [`MAX_INNER_LIST_ITEMS`] are the least that RFC 9651 has
//! parsers support. Keys, strings, tokens and byte sequences may be as long as the text, whose length is the caller's
//! to limit; work and memory grow with it, each name being looked for among the sorted ones before it.
//!
//! Where RFC 9651 leaves a choice, more is taken: base64 without its padding or with bits in its end that mean
//! nothing (section 4.2.7), and dates up to fifteen digits (section 3.3.7). Both have one canonical form.
//!
//! ```
//! use claviger_core::structured_fields::{BareItem, Member, parse_dictionary};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let input = parse_dictionary(b"sig1=(\"@method\"   \"@path\");created=1618884473;keyid=\"k1\"")?;
//! let Some(Member::InnerList(covered)) = input.get("sig1") else { return Err("no signature".into()) };
//! assert_eq!(covered.items.len(), 2);
//! assert_eq!(covered.parameters.get("created"), Some(&BareItem::Integer(1_618_884_473)));
//!
//! let mut canonical = Vec::new();
//! covered.serialize(&mut canonical)?;
//! assert_eq!(canonical, b"(\"@method\" \"@path\");created=1618884473;keyid=\"k1\"");
//! # Ok(())
//! # }
//! ```

mod base64;
mod canonical;
mod names;
mod parse;
mod scanner;
mod serialize;

pub(crate) use base64::{decode_base64, write_base64};
pub(crate) use canonical::{Canonical, ListItem, Named, byte_sequences, canonical_member};
pub use canonical::{canonical_dictionary, canonical_item, canonical_list};
pub use parse::{parse_dictionary, parse_item, parse_list};
pub(crate) use scanner::{Bare, Scanner, is_key, plain_text, unescaped};
pub use scanner::{MAX_INNER_LIST_ITEMS, MAX_MEMBERS, MAX_PARAMETERS, Malformed};
pub use serialize::Unserializable;
pub(crate) use serialize::{write_integer, write_string};

use alloc::{borrow::Cow, vec::Vec};

/// The largest magnitude of an integer, of a date and of the thousandths of a decimal: fifteen digits (RFC 9651
/// sections 3.3.1, 3.3.2 and 3.3.7).
pub const MAX_INTEGER: i64 = 999_999_999_999_999;

/// A value alone (RFC 9651 section 3.3). Whether it is in its range is checked when it is serialised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BareItem<'t> {
    /// A whole number of at most fifteen digits, [`MAX_INTEGER`].
    Integer(i64),
    /// A number with up to three decimal places.
    Decimal(Decimal),
    /// Printable ASCII, 0x20 to 0x7e, without its quotes and escapes.
    String(Cow<'t, str>),
    /// A word such as `gzip`, `text/html` or `*`: a letter or `*`, then `tchar` of RFC 9110 section 5.6.2, `:` and
    /// `/`.
    Token(Cow<'t, str>),
    /// Any bytes; base64 in the field.
    ByteSequence(Vec<u8>),
    /// `?1` or `?0`.
    Boolean(bool),
    /// Seconds since 1970-01-01T00:00:00Z without leap seconds, negative before, of at most fifteen digits.
    Date(i64),
    /// Unicode text; percent-encoded UTF-8 in the field.
    DisplayString(Cow<'t, str>),
}

/// A number with up to twelve digits before and three behind the point (RFC 9651 section 3.3.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Decimal {
    thousandths: i64,
}

impl Decimal {
    /// A number of thousandths: 1500 is 1.5. `None` if its magnitude is above [`MAX_INTEGER`].
    ///
    /// ```
    /// use claviger_core::structured_fields::Decimal;
    ///
    /// assert_eq!(Decimal::from_thousandths(1500).map(Decimal::thousandths), Some(1500));
    /// assert_eq!(Decimal::from_thousandths(1_000_000_000_000_000), None);
    /// ```
    #[must_use]
    #[inline]
    pub const fn from_thousandths(thousandths: i64) -> Option<Self> {
        if thousandths.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
            return None;
        }
        Some(Self { thousandths })
    }

    /// `digits` with the point before the last `places` of them, rounded to thousandths, a half to the even one
    /// (RFC 9651 section 4.1.5). `None` if it has more than twelve digits before the point, or `places` is above 18.
    ///
    /// ```
    /// use claviger_core::structured_fields::Decimal;
    ///
    /// // 0.0025
    /// assert_eq!(Decimal::rounded(25, 4), Decimal::from_thousandths(2));
    /// ```
    #[must_use]
    #[inline]
    pub fn rounded(digits: i64, places: u32) -> Option<Self> {
        if places <= 3 {
            return Self::from_thousandths(digits.checked_mul(10_i64.pow(3_u32.saturating_sub(places)))?);
        }
        if places > 18 {
            return None;
        }
        let unit = 10_i64.pow(places.saturating_sub(3));
        let (floor, rest) = (digits.div_euclid(unit), digits.rem_euclid(unit));
        let up = rest > unit / 2 || (rest == unit / 2 && floor % 2 != 0);
        Self::from_thousandths(floor.checked_add(i64::from(up))?)
    }

    /// The number times 1000, at most [`MAX_INTEGER`] in magnitude.
    #[must_use]
    #[inline]
    pub const fn thousandths(self) -> i64 {
        self.thousandths
    }
}

/// What is said about an item or inner list: names with values, in order (RFC 9651 section 3.1.2). Names are
/// borrowed.
///
/// ```
/// use claviger_core::structured_fields::{BareItem, Parameters};
///
/// let mut parameters = Parameters::new();
/// parameters.insert("created", BareItem::Integer(1));
/// parameters.insert("alg", BareItem::String("hmac-sha256".into()));
/// parameters.insert("created", BareItem::Integer(2));
///
/// let mut text = Vec::new();
/// parameters.serialize(&mut text).unwrap();
/// assert_eq!(text, b";created=2;alg=\"hmac-sha256\"");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parameters<'t> {
    entries: Vec<(&'t str, BareItem<'t>)>,
}

impl<'t> Parameters<'t> {
    /// No parameters; allocates nothing.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// The value of a name.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&BareItem<'t>> {
        get(&self.entries, name)
    }

    /// Names with their values, in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'t str, &BareItem<'t>)> {
        self.entries.iter().map(|(name, value)| (*name, value))
    }

    /// Adds a parameter at the end, or gives one that is there another value in its place.
    #[inline]
    pub fn insert(&mut self, name: &'t str, value: BareItem<'t>) {
        insert(&mut self.entries, name, value);
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are, each name counted once.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// A value and its parameters (RFC 9651 section 3.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item<'t> {
    /// The value.
    pub value: BareItem<'t>,
    /// What is said about it.
    pub parameters: Parameters<'t>,
}

impl<'t> From<BareItem<'t>> for Item<'t> {
    /// Without parameters.
    #[inline]
    fn from(value: BareItem<'t>) -> Self {
        Self { value, parameters: Parameters::new() }
    }
}

/// A list in a list or dictionary (RFC 9651 section 3.1.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InnerList<'t> {
    /// Its items, in order.
    pub items: Vec<Item<'t>>,
    /// What is said about the list as a whole.
    pub parameters: Parameters<'t>,
}

/// One of a list, or a value of a dictionary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Member<'t> {
    /// A value with its parameters.
    Item(Item<'t>),
    /// Values in parentheses.
    InnerList(InnerList<'t>),
}

/// A list (RFC 9651 section 3.1). An empty one is a field that is not there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List<'t> {
    /// Its members, in order.
    pub members: Vec<Member<'t>>,
}

/// Keys with values, in order (RFC 9651 section 3.2). An empty one is a field that is not there. Keys are borrowed.
///
/// Dictionaries are equal if they have the same keys and values in the same order; whether a key was repeated in the
/// text is no part of that.
#[derive(Clone, Debug, Default)]
pub struct Dictionary<'t> {
    entries: Vec<(&'t str, Member<'t>)>,
    duplicates: bool,
}

impl<'t> Dictionary<'t> {
    /// No members; allocates nothing.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), duplicates: false }
    }

    /// The value of a key.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Member<'t>> {
        get(&self.entries, name)
    }

    /// Keys with their values, in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'t str, &Member<'t>)> {
        self.entries.iter().map(|(name, value)| (*name, value))
    }

    /// Adds a member at the end, or gives one that is there another value in its place.
    #[inline]
    pub fn insert(&mut self, name: &'t str, value: Member<'t>) {
        insert(&mut self.entries, name, value);
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are, each key counted once.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether a key occurred more than once in the text that this was parsed from. Its last value counts, in the
    /// place of its first (RFC 9651 section 4.2.2); who signs or decides by a field may rather refuse it.
    ///
    /// ```
    /// use claviger_core::structured_fields::parse_dictionary;
    ///
    /// assert!(parse_dictionary(b"a=1, b=2, a=3")?.has_duplicates());
    /// # Ok::<(), claviger_core::structured_fields::Malformed>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn has_duplicates(&self) -> bool {
        self.duplicates
    }
}

impl PartialEq for Dictionary<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Dictionary<'_> {}

#[inline]
fn get<'e, V>(entries: &'e [(&str, V)], name: &str) -> Option<&'e V> {
    entries.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
}

#[inline]
fn insert<'t, V>(entries: &mut Vec<(&'t str, V)>, name: &'t str, value: V) {
    match entries.iter_mut().find(|(other, _)| *other == name) {
        Some((_, slot)) => *slot = value,
        None => entries.push((name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_half_to_even() {
        for (digits, places, thousandths) in [
            (15, 4, Some(2)),
            (25, 4, Some(2)),
            (-15, 4, Some(-2)),
            (-25, 4, Some(-2)),
            (-26, 4, Some(-3)),
            (-24, 4, Some(-2)),
            (24_999, 7, Some(2)),
            (25_001, 7, Some(3)),
            (99_995, 4, Some(10_000)),
            (3, 0, Some(3000)),
            (3, 1, Some(300)),
            (1, 18, Some(0)),
            (i64::MAX, 18, Some(9223)),
            (i64::MIN, 18, Some(-9223)),
            (1, 19, None),
            (i64::MAX, 0, None),
            (i64::MAX, 4, None),
            (MAX_INTEGER, 3, Some(MAX_INTEGER)),
            (MAX_INTEGER + 1, 3, None),
            (9_999_999_999_999_994, 4, Some(MAX_INTEGER)),
            (9_999_999_999_999_995, 4, None),
            (-9_999_999_999_999_994, 4, Some(-MAX_INTEGER)),
            (-9_999_999_999_999_995, 4, None),
        ] {
            assert_eq!(
                Decimal::rounded(digits, places).map(Decimal::thousandths),
                thousandths,
                "{digits} with {places} places"
            );
        }
        assert_eq!(Decimal::from_thousandths(i64::MIN), None);
    }

    #[test]
    fn a_name_keeps_its_place_and_takes_the_last_value() {
        let mut dictionary = Dictionary::new();
        assert!(dictionary.is_empty());
        for (name, number) in [("a", 1), ("b", 2), ("a", 3)] {
            dictionary.insert(name, Member::Item(BareItem::Integer(number).into()));
        }
        let names: Vec<&str> = dictionary.iter().map(|(name, _)| name).collect();
        assert_eq!((names, dictionary.len()), (std::vec!["a", "b"], 2));
        assert_eq!(dictionary.get("a"), Some(&Member::Item(BareItem::Integer(3).into())));
        assert_eq!(dictionary.get("c"), None);
        assert!(!dictionary.has_duplicates(), "this one was not parsed");

        let mut parameters = Parameters::new();
        assert!(parameters.is_empty());
        for (name, number) in [("a", 1), ("b", 2), ("a", 3)] {
            parameters.insert(name, BareItem::Integer(number));
        }
        let entries: Vec<_> = parameters.iter().collect();
        assert_eq!(entries, [("a", &BareItem::Integer(3)), ("b", &BareItem::Integer(2))]);
        assert_eq!((parameters.len(), parameters.get("c")), (2, None));
    }
}
