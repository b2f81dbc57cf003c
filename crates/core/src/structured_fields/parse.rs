//! Reading fields: the algorithms of RFC 9651 section 4.2.

use super::{
    BareItem, Decimal, Dictionary, InnerList, Item, List, Member, Parameters, is_in_key, is_in_token,
    starts_key, starts_token,
};
use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

/// The most members of a list or dictionary, repeated keys counted (RFC 9651 sections 3.1 and 3.2 require no more).
pub const MAX_MEMBERS: usize = 1024;
/// The most parameters of one item or inner list, repeated names counted (RFC 9651 section 3.1.2 requires no more).
pub const MAX_PARAMETERS: usize = 256;
/// The most items of one inner list (RFC 9651 section 3.1.1 requires no more).
pub const MAX_INNER_LIST_ITEMS: usize = 256;

/// Up to so many names are looked through one by one.
const FEW: usize = 16;

/// A field that is not of the type asked for, or has more in it than the limits of this module.
///
/// All of it is to be ignored then (RFC 9651 section 4.2), or the request to be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// How many bytes precede the one that cannot stand where it is; the length of the text if its end cannot.
    pub at: usize,
}

impl fmt::Display for Malformed {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "malformed structured field, at byte {}", self.at)
    }
}

impl core::error::Error for Malformed {}

/// Reads a field that is an item. `field` is its value, any bytes.
///
/// # Errors
/// [`Malformed`] if it is none; an empty text is none.
///
/// ```
/// use claviger_core::structured_fields::{BareItem, Malformed, parse_item};
///
/// let item = parse_item(b"text/html;q=0.5")?;
/// assert_eq!(item.value, BareItem::Token("text/html".into()));
/// assert_eq!(parse_item(b"text/html;Q=0.5"), Err(Malformed { at: 10 }));
/// # Ok::<(), Malformed>(())
/// ```
#[inline]
pub fn parse_item(field: &[u8]) -> Result<Item<'_>, Malformed> {
    parse(field, Parser::item)
}

/// Reads a field that is a list. `field` is its value, any bytes, its lines joined with `, `.
///
/// # Errors
/// [`Malformed`] if it is none, or has more than [`MAX_MEMBERS`]. An empty text is an empty list.
///
/// ```
/// use claviger_core::structured_fields::{Malformed, parse_list};
///
/// assert_eq!(parse_list(b"gzip, br, (a b)")?.members.len(), 3);
/// assert_eq!(parse_list(b"gzip, "), Err(Malformed { at: 6 }));
/// # Ok::<(), Malformed>(())
/// ```
#[inline]
pub fn parse_list(field: &[u8]) -> Result<List<'_>, Malformed> {
    parse(field, |parser| {
        let mut list = List::default();
        parser.members(|parser| {
            list.members.push(parser.member()?);
            Ok(())
        })?;
        Ok(list)
    })
}

/// Reads a field that is a dictionary. `field` is its value, any bytes, its lines joined with `, `.
///
/// # Errors
/// [`Malformed`] if it is none, or has more than [`MAX_MEMBERS`]. An empty text is an empty dictionary.
///
/// ```
/// use claviger_core::structured_fields::{BareItem, Malformed, Member, parse_dictionary};
///
/// let digests = parse_dictionary(b"sha-256=:AAEC:, sha-512=:AwQF:")?;
/// let expected = Member::Item(BareItem::ByteSequence(vec![0, 1, 2]).into());
/// assert_eq!(digests.get("sha-256"), Some(&expected));
/// # Ok::<(), Malformed>(())
/// ```
#[inline]
pub fn parse_dictionary(field: &[u8]) -> Result<Dictionary<'_>, Malformed> {
    parse(field, |parser| {
        let mut dictionary = Dictionary::new();
        let mut sorted = Vec::new();
        parser.members(|parser| {
            let name = parser.key()?;
            let value = if parser.take(b'=') {
                parser.member()?
            } else {
                let value = BareItem::Boolean(true);
                Member::Item(Item { value, parameters: parser.parameters()? })
            };
            dictionary.duplicates |= insert_sorted(&mut dictionary.entries, &mut sorted, name, value);
            Ok(())
        })?;
        Ok(dictionary)
    })
}

/// Reads the whole of a field, around which there may be spaces.
#[inline]
fn parse<'t, T>(
    field: &'t [u8],
    read: impl FnOnce(&mut Parser<'t>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    // Fields are ASCII. What is UTF-8 can be cut without checking each piece again.
    let text = core::str::from_utf8(field).map_err(|error| Malformed { at: error.valid_up_to() })?;
    let mut parser = Parser { text, at: 0, sorted: Vec::new() };
    parser.skip_spaces();
    let value = read(&mut parser)?;
    parser.skip_spaces();
    if parser.peek().is_none() { Ok(value) } else { parser.malformed() }
}

struct Parser<'t> {
    text: &'t str,
    /// Where the next byte is.
    at: usize,
    /// Of the parameters that are being read, for `insert_sorted`.
    sorted: Vec<u16>,
}

impl<'t> Parser<'t> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Whether the next byte is this one; then it is behind us.
    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.skip();
        }
        is_next
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { self.malformed() }
    }

    #[inline]
    fn skip_while(&mut self, class: impl Fn(u8) -> bool) {
        let run = self.rest().iter().take_while(|&&byte| class(byte)).count();
        self.at = self.at.saturating_add(run);
    }

    /// What is not read yet.
    #[inline]
    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn skip_spaces(&mut self) {
        self.skip_while(|byte| byte == b' ');
    }

    /// `OWS` of RFC 9110 section 5.6.3.
    #[inline]
    fn skip_whitespace(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// What cannot be is the next byte.
    #[inline]
    fn malformed<T>(&self) -> Result<T, Malformed> {
        Err(Malformed { at: self.at })
    }

    #[inline]
    fn since(&self, start: usize) -> Result<&'t str, Malformed> {
        self.text.get(start..self.at).ok_or(Malformed { at: start })
    }

    /// A byte of the one class, then any of the other.
    #[inline]
    fn word(
        &mut self,
        starts: impl Fn(u8) -> bool,
        goes_on: impl Fn(u8) -> bool,
    ) -> Result<&'t str, Malformed> {
        let start = self.at;
        if !self.peek().is_some_and(starts) {
            return self.malformed();
        }
        self.skip_while(goes_on);
        self.since(start)
    }

    #[inline]
    fn key(&mut self) -> Result<&'t str, Malformed> {
        self.word(starts_key, is_in_key)
    }

    /// Members with commas between, up to the end of the text.
    #[inline]
    fn members(&mut self, mut read: impl FnMut(&mut Self) -> Result<(), Malformed>) -> Result<(), Malformed> {
        if self.peek().is_none() {
            return Ok(());
        }
        for _ in 0..MAX_MEMBERS {
            read(self)?;
            self.skip_whitespace();
            if self.peek().is_none() {
                return Ok(());
            }
            self.expect(b',')?;
            self.skip_whitespace();
        }
        self.malformed()
    }

    #[inline]
    fn member(&mut self) -> Result<Member<'t>, Malformed> {
        if self.take(b'(') { self.inner_list().map(Member::InnerList) } else { self.item().map(Member::Item) }
    }

    /// What follows `(`.
    #[inline]
    fn inner_list(&mut self) -> Result<InnerList<'t>, Malformed> {
        let mut items = Vec::new();
        loop {
            self.skip_spaces();
            if self.take(b')') {
                return Ok(InnerList { items, parameters: self.parameters()? });
            }
            if items.len() == MAX_INNER_LIST_ITEMS {
                return self.malformed();
            }
            items.push(self.item()?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return self.malformed();
            }
        }
    }

    #[inline]
    fn item(&mut self) -> Result<Item<'t>, Malformed> {
        Ok(Item { value: self.bare_item()?, parameters: self.parameters()? })
    }

    #[inline]
    fn parameters(&mut self) -> Result<Parameters<'t>, Malformed> {
        let mut parameters = Parameters::new();
        let mut count = 0_usize;
        self.sorted.clear();
        while self.take(b';') {
            self.skip_spaces();
            if count == MAX_PARAMETERS {
                return self.malformed();
            }
            count = count.saturating_add(1);
            let name = self.key()?;
            let value = if self.take(b'=') { self.bare_item()? } else { BareItem::Boolean(true) };
            insert_sorted(&mut parameters.entries, &mut self.sorted, name, value);
        }
        Ok(parameters)
    }

    #[inline]
    fn bare_item(&mut self) -> Result<BareItem<'t>, Malformed> {
        let Some(first) = self.peek() else { return self.malformed() };
        if first == b'-' || first.is_ascii_digit() {
            return self.number();
        }
        if starts_token(first) {
            return Ok(BareItem::Token(Cow::Borrowed(self.word(starts_token, is_in_token)?)));
        }
        let start = self.at;
        self.skip();
        match first {
            b'"' => self.quoted(b'\\').map(BareItem::String),
            b':' => self.byte_sequence().map(BareItem::ByteSequence),
            b'?' if self.take(b'1') => Ok(BareItem::Boolean(true)),
            b'?' if self.take(b'0') => Ok(BareItem::Boolean(false)),
            b'?' => self.malformed(),
            b'@' => match self.number()? {
                BareItem::Integer(seconds) => Ok(BareItem::Date(seconds)),
                _ => Err(Malformed { at: start }),
            },
            b'%' => {
                self.expect(b'"')?;
                self.quoted(b'%').map(BareItem::DisplayString)
            }
            _ => Err(Malformed { at: start }),
        }
    }

    /// An integer or decimal: 15 digits, or 12, a point and 3.
    #[inline]
    fn number(&mut self) -> Result<BareItem<'t>, Malformed> {
        let negative = self.take(b'-');
        let (integer, digits) = self.digits(0, 15)?;
        let sign = if negative { -1 } else { 1 };
        if digits > 12 || !self.take(b'.') {
            return Ok(BareItem::Integer(integer * sign));
        }
        let (mut thousandths, places) = self.digits(integer, 3)?;
        for _ in places..3 {
            thousandths *= 10;
        }
        let decimal = Decimal::from_thousandths(thousandths * sign).ok_or(Malformed { at: self.at })?;
        Ok(BareItem::Decimal(decimal))
    }

    /// One to `most` digits, as more digits of `number`, and how many they are. At most 15 are asked for in all.
    #[inline]
    fn digits(&mut self, mut number: i64, most: u32) -> Result<(i64, u32), Malformed> {
        let mut count = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if count == most {
                return self.malformed();
            }
            number = number * 10 + i64::from(digit - b'0');
            count += 1;
            self.skip();
        }
        if count == 0 { self.malformed() } else { Ok((number, count)) }
    }

    /// What follows the opening quote of a string, in which `\` escapes `"` and itself, or of a display string, in
    /// which `%` escapes a byte of UTF-8.
    #[inline]
    fn quoted(&mut self, escape: u8) -> Result<Cow<'t, str>, Malformed> {
        let mut decoded = Vec::new();
        let mut escapes = false;
        let mut start = self.at;
        loop {
            self.skip_while(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != escape);
            let next = self.peek();
            if next == Some(b'"') || next == Some(escape) {
                let piece = self.since(start)?;
                if next == Some(b'"') && !escapes {
                    self.skip();
                    return Ok(Cow::Borrowed(piece));
                }
                decoded.extend_from_slice(piece.as_bytes());
                if next == Some(b'"') {
                    let text = String::from_utf8(decoded).map_err(|_| Malformed { at: self.at })?;
                    self.skip();
                    return Ok(Cow::Owned(text));
                }
                escapes = true;
                self.skip();
                decoded.push(if escape == b'%' {
                    self.hex_digit()? << 4 | self.hex_digit()?
                } else if let Some(escaped @ (b'"' | b'\\')) = self.peek() {
                    self.skip();
                    escaped
                } else {
                    return self.malformed();
                });
                start = self.at;
            } else {
                return self.malformed();
            }
        }
    }

    /// A digit of base 16, its letters lowercase.
    #[inline]
    fn hex_digit(&mut self) -> Result<u8, Malformed> {
        let value = match self.peek() {
            Some(digit @ b'0'..=b'9') => digit - b'0',
            Some(letter @ b'a'..=b'f') => letter - b'a' + 10,
            _ => return self.malformed(),
        };
        self.skip();
        Ok(value)
    }

    /// What follows `:`, base64 (RFC 4648 section 4). Padding may be missing, and bits that make no byte are ignored.
    #[inline]
    fn byte_sequence(&mut self) -> Result<Vec<u8>, Malformed> {
        let start = self.at;
        self.skip_while(|byte| sextet(byte).is_some());
        let digits = self.since(start)?;
        let mut bytes = Vec::with_capacity(digits.len().saturating_mul(3) / 4);
        // The last bits that were read, of which `waiting` make no byte yet.
        let (mut bits, mut waiting) = (0_u32, 0_u32);
        for sextet in digits.bytes().filter_map(sextet) {
            bits = bits << 6 | u32::from(sextet);
            waiting += 6;
            if waiting >= 8 {
                waiting -= 8;
                bytes.push((bits >> waiting) as u8);
            }
        }
        // One character alone.
        if waiting == 6 {
            return self.malformed();
        }
        // Two characters leave four bits and are padded with two, three leave two and are padded with one.
        for _ in 0..waiting / 2 {
            self.take(b'=');
        }
        self.expect(b':')?;
        Ok(bytes)
    }
}

/// As [`insert`](super::insert), with fewer comparisons where there are many names. `sorted` is empty with the first
/// entry, and then is whatever this left there.
#[inline]
fn insert_sorted<'t, V>(
    entries: &mut Vec<(&'t str, V)>,
    sorted: &mut Vec<u16>,
    name: &'t str,
    value: V,
) -> bool {
    let place = find(&|place| entries.get(place).map(|(name, _)| *name), entries.len(), sorted, name);
    let slot = place.and_then(|place| entries.get_mut(place));
    let found = slot.is_some();
    match slot {
        Some((_, slot)) => *slot = value,
        None => entries.push((name, value)),
    }
    found
}

/// Where among `len` different names one is. `sorted` has the places of the first of them in the order of the names;
/// the others are put there as soon as there are more than a few. It is not generic, because it is large.
#[inline]
fn find<'t>(
    name_at: &dyn Fn(usize) -> Option<&'t str>,
    len: usize,
    sorted: &mut Vec<u16>,
    name: &str,
) -> Option<usize> {
    if len < FEW {
        return (0..len).find(|&place| name_at(place) == Some(name));
    }
    loop {
        let place = sorted.len();
        let sought = if place < len { name_at(place)? } else { name };
        let rank = sorted.binary_search_by(|&place| name_at(usize::from(place)).cmp(&Some(sought)));
        if place >= len {
            return sorted.get(rank.ok()?).copied().map(usize::from);
        }
        let (Ok(rank) | Err(rank)) = rank;
        let mut next = place as u16;
        for place in sorted.iter_mut().skip(rank) {
            next = core::mem::replace(place, next);
        }
        sorted.push(next);
    }
}

/// The six bits of a character of base64.
#[inline]
fn sextet(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::ToString, vec};

    fn value(field: &str) -> Result<BareItem<'_>, usize> {
        parse_item(field.as_bytes()).map(|item| item.value).map_err(|malformed| malformed.at)
    }

    fn decimal(thousandths: i64) -> BareItem<'static> {
        BareItem::Decimal(Decimal::from_thousandths(thousandths).unwrap())
    }

    #[test]
    fn numbers() {
        for (field, expected) in [
            ("0", Ok(BareItem::Integer(0))),
            ("-0", Ok(BareItem::Integer(0))),
            ("007", Ok(BareItem::Integer(7))),
            ("-42", Ok(BareItem::Integer(-42))),
            ("999999999999999", Ok(BareItem::Integer(999_999_999_999_999))),
            ("-999999999999999", Ok(BareItem::Integer(-999_999_999_999_999))),
            ("1000000000000000", Err(15)),
            ("1.5", Ok(decimal(1500))),
            ("-0.001", Ok(decimal(-1))),
            ("1.50", Ok(decimal(1500))),
            ("999999999999.999", Ok(decimal(999_999_999_999_999))),
            ("1000000000000.0", Err(13)),
            ("1.0005", Err(5)),
            ("1.", Err(2)),
            (".5", Err(0)),
            ("-", Err(1)),
            ("--1", Err(1)),
            ("+1", Err(0)),
            ("1e3", Err(1)),
            ("@1659578233", Ok(BareItem::Date(1_659_578_233))),
            ("@-1", Ok(BareItem::Date(-1))),
            ("@1.5", Err(0)),
            ("@", Err(1)),
        ] {
            assert_eq!(value(field), expected, "{field}");
        }
    }

    #[test]
    fn texts() {
        for (field, expected) in [
            (r#""""#, Ok(BareItem::String("".into()))),
            (r#""a b""#, Ok(BareItem::String("a b".into()))),
            (r#""\"a\\""#, Ok(BareItem::String("\"a\\".into()))),
            (r#""a\b""#, Err(3)),
            (r#""a\"#, Err(3)),
            (r#""a"#, Err(2)),
            ("\"a\tb\"", Err(2)),
            ("\"é\"", Err(1)),
            ("\"\x7f\"", Err(1)),
            ("*foo:bar/%!#", Ok(BareItem::Token("*foo:bar/%!#".into()))),
            ("foo,", Err(3)),
            ("5foo", Err(1)),
            ("_foo", Err(0)),
            ("?0", Ok(BareItem::Boolean(false))),
            ("?1", Ok(BareItem::Boolean(true))),
            ("?2", Err(1)),
            ("?", Err(1)),
            (r#"%"a b""#, Ok(BareItem::DisplayString("a b".into()))),
            (r#"%"%c3%bc""#, Ok(BareItem::DisplayString("ü".into()))),
            (r#"%"a%25b\n""#, Ok(BareItem::DisplayString("a%b\\n".into()))),
            (r#"%"%C3%BC""#, Err(3)),
            (r#"%"%c3""#, Err(5)),
            (r#"%"%c""#, Err(4)),
            (r#"%"ü""#, Err(2)),
            (r#"%a"#, Err(1)),
            (r#"%"a"#, Err(3)),
        ] {
            assert_eq!(value(field), expected, "{field}");
        }
        assert_eq!(parse_item(b"a\xff"), Err(Malformed { at: 1 }));
    }

    #[test]
    fn byte_sequences() {
        for (field, expected) in [
            ("::", Ok(vec![])),
            (":AAEC:", Ok(vec![0, 1, 2])),
            (":AAECAw==:", Ok(vec![0, 1, 2, 3])),
            (":AAECAw=:", Ok(vec![0, 1, 2, 3])),
            (":AAECAw:", Ok(vec![0, 1, 2, 3])),
            (":AAECA//=:", Ok(vec![0, 1, 2, 3, 255])),
            (":AAECAwQ=:", Ok(vec![0, 1, 2, 3, 4])),
            (":AAECAwR:", Ok(vec![0, 1, 2, 3, 4])),
            (":AAECAwQ==:", Err(9)),
            (":AAEC=:", Err(5)),
            (":AAECA:", Err(6)),
            (":A===:", Err(2)),
            (":====:", Err(1)),
            (":AA EC:", Err(3)),
            (":_-Ah:", Err(1)),
            (":AAEC", Err(5)),
            (":", Err(1)),
        ] {
            assert_eq!(value(field), expected.map(BareItem::ByteSequence), "{field}");
        }
    }

    /// What can be borrowed is borrowed, and nothing is allocated where nothing is.
    #[test]
    fn texts_are_borrowed() {
        let item = parse_item(br#""a";b=c;d=%"e""#).unwrap();
        assert!(matches!(item.value, BareItem::String(Cow::Borrowed("a"))));
        assert!(matches!(item.parameters.get("b"), Some(BareItem::Token(Cow::Borrowed("c")))));
        assert!(matches!(item.parameters.get("d"), Some(BareItem::DisplayString(Cow::Borrowed("e")))));
        let item = parse_item(b"1").unwrap();
        assert_eq!(item.parameters.entries.capacity(), 0);
    }

    #[test]
    fn whitespace() {
        for (field, list, dictionary, item) in [
            ("", true, true, false),
            ("  ", true, true, false),
            ("\t", false, false, false),
            (" a ", true, true, true),
            ("a\t", true, true, false),
            ("\ta", false, false, false),
            ("a ,\t b", true, true, false),
            ("a,b", true, true, false),
            ("a,", false, false, false),
            ("a, ", false, false, false),
            (",a", false, false, false),
            ("a,,b", false, false, false),
            ("a b", false, false, false),
            ("a;  b", true, true, true),
            ("a;\tb", false, false, false),
            ("a ;b", false, false, false),
            ("a; b =1", false, false, false),
            ("a=1", false, true, false),
            ("a= 1", false, false, false),
            ("a=( b  c )", false, true, false),
            ("( b  c ); d", true, false, false),
            ("()", true, false, false),
            ("(b\tc)", false, false, false),
            ("(b,c)", false, false, false),
            ("(\"b\"\"c\")", false, false, false),
            ("(b", false, false, false),
            ("(b ", false, false, false),
            ("((b))", false, false, false),
            ("a\n", false, false, false),
        ] {
            let field_bytes = field.as_bytes();
            assert_eq!(parse_list(field_bytes).is_ok(), list, "list {field:?}");
            assert_eq!(parse_dictionary(field_bytes).is_ok(), dictionary, "dictionary {field:?}");
            assert_eq!(parse_item(field_bytes).is_ok(), item, "item {field:?}");
        }
    }

    #[test]
    fn repeated_names() {
        let dictionary = parse_dictionary(b"a=1, b;x=1;y;x=2, a=(3)").unwrap();
        let expected = InnerList { items: vec![BareItem::Integer(3).into()], ..InnerList::default() };
        assert_eq!(dictionary.get("a"), Some(&Member::InnerList(expected)));
        assert_eq!((dictionary.len(), dictionary.has_duplicates()), (2, true));
        assert_eq!(dictionary.iter().next().map(|(name, _)| name), Some("a"));
        let Some(Member::Item(item)) = dictionary.get("b") else { panic!("b is an item") };
        let parameters: Vec<_> = item.parameters.iter().collect();
        assert_eq!(parameters, [("x", &BareItem::Integer(2)), ("y", &BareItem::Boolean(true))]);

        assert!(!parse_dictionary(b"a;x;x, b").unwrap().has_duplicates());
        assert_eq!(parse_dictionary(b"a=1, a=2"), parse_dictionary(b"a=2"));
    }

    #[test]
    fn limits() {
        let joined = |count: usize, separator: &str| {
            (0..count).map(|number| format!("a{number}")).collect::<Vec<_>>().join(separator)
        };
        for (most, separator, around) in [
            (MAX_MEMBERS, ",", ["", ""]),
            (MAX_INNER_LIST_ITEMS, " ", ["a=(", ")"]),
            (MAX_PARAMETERS, ";", ["b;", ""]),
        ] {
            let [before, after] = around;
            let text = before.to_string() + &joined(most, separator) + after;
            assert!(parse_dictionary(text.as_bytes()).is_ok(), "{most} with {separator:?}");
            let text = before.to_string() + &joined(most + 1, separator) + after;
            // The name of the last one, and what follows.
            let last = 1 + most.to_string().len() + after.len();
            let expected = Err(Malformed { at: text.len() - last });
            assert_eq!(parse_dictionary(text.as_bytes()), expected, "{} with {separator:?}", most + 1);
        }
        assert!(parse_dictionary("a,".repeat(MAX_MEMBERS).as_bytes()).is_err());
        let repeated = "a,".repeat(MAX_MEMBERS) + "a";
        assert_eq!(parse_dictionary(repeated.as_bytes()), Err(Malformed { at: 2 * MAX_MEMBERS }));
        assert_eq!(parse_list(repeated.as_bytes()), Err(Malformed { at: 2 * MAX_MEMBERS }));
        let repeated = "a".to_string() + &";b".repeat(MAX_PARAMETERS + 1);
        assert_eq!(parse_item(repeated.as_bytes()), Err(Malformed { at: 2 * MAX_PARAMETERS + 2 }));
    }

    #[test]
    fn an_error_says_where() {
        let error = parse_dictionary(b"a=1, B=2").unwrap_err();
        assert_eq!((error.at, error.to_string().as_str()), (5, "malformed structured field, at byte 5"));
    }
}
