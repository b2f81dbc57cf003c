//! Reading fields into trees: the algorithms of RFC 9651 section 4.2, over what `scanner` reads.

use super::{
    BareItem, Decimal, Dictionary, InnerList, Item, List, Member, Parameters,
    base64::decoded,
    names::SortedNames,
    scanner::{Bare, Malformed, Scanner, decode_display_string, plain_text, unescaped},
};
use alloc::{borrow::Cow, string::String, vec::Vec};

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
    let mut reader = Reader::new(field);
    let item = reader.item()?;
    reader.scanner.end()?;
    Ok(item)
}

/// Reads a field that is a list. `field` is its value, any bytes, its lines joined with `, `.
///
/// # Errors
/// [`Malformed`] if it is none, or has more than [`MAX_MEMBERS`](super::MAX_MEMBERS). An empty text is an empty list.
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
    let mut reader = Reader::new(field);
    let mut list = List::default();
    while reader.scanner.next_member()? {
        list.members.push(reader.member()?);
    }
    Ok(list)
}

/// Reads a field that is a dictionary. `field` is its value, any bytes, its lines joined with `, `.
///
/// # Errors
/// [`Malformed`] if it is none, or has more than [`MAX_MEMBERS`](super::MAX_MEMBERS). An empty text is an empty dictionary.
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
    let mut reader = Reader::new(field);
    let mut dictionary = Dictionary::new();
    let mut sorted = SortedNames::default();
    while reader.scanner.next_member()? {
        let name = text(reader.scanner.key()?);
        let value = if reader.scanner.take(b'=') {
            reader.member()?
        } else {
            let value = BareItem::Boolean(true);
            Member::Item(Item { value, parameters: reader.parameters()? })
        };
        dictionary.duplicates |= settle(&mut dictionary.entries, &mut sorted, name, value);
    }
    Ok(dictionary)
}

struct Reader<'t> {
    scanner: Scanner<'t>,
    /// Of the parameters that are being read.
    sorted: SortedNames,
}

impl<'t> Reader<'t> {
    #[inline]
    fn new(field: &'t [u8]) -> Self {
        Self { scanner: Scanner::new(field), sorted: SortedNames::default() }
    }

    #[inline]
    fn member(&mut self) -> Result<Member<'t>, Malformed> {
        if !self.scanner.take(b'(') {
            return self.item().map(Member::Item);
        }
        let mut items = Vec::new();
        while self.scanner.next_in_list(items.len())? {
            items.push(self.item()?);
        }
        Ok(Member::InnerList(InnerList { items, parameters: self.parameters()? }))
    }

    #[inline]
    fn item(&mut self) -> Result<Item<'t>, Malformed> {
        Ok(Item { value: bare_item(self.scanner.bare()?), parameters: self.parameters()? })
    }

    #[inline]
    fn parameters(&mut self) -> Result<Parameters<'t>, Malformed> {
        let mut parameters = Parameters::new();
        let mut read = 0_usize;
        self.sorted.clear();
        while let Some((name, value)) = self.scanner.next_parameter(read)? {
            read = read.saturating_add(1);
            settle(&mut parameters.entries, &mut self.sorted, text(name), bare_item(value));
        }
        Ok(parameters)
    }
}

#[inline]
fn bare_item(value: Bare<'_>) -> BareItem<'_> {
    match value {
        Bare::Integer(number) => BareItem::Integer(number),
        Bare::Decimal(thousandths) => BareItem::Decimal(Decimal { thousandths }),
        Bare::String(quoted) => BareItem::String(match plain_text(quoted) {
            Some(plain) => Cow::Borrowed(text(plain)),
            None => Cow::Owned(String::from_utf8(unescaped(quoted)).unwrap_or_default()),
        }),
        Bare::Token(token) => BareItem::Token(Cow::Borrowed(text(token))),
        Bare::ByteSequence(digits) => BareItem::ByteSequence(decoded(digits)),
        Bare::Boolean(value) => BareItem::Boolean(value),
        Bare::Date(seconds) => BareItem::Date(seconds),
        Bare::DisplayString(encoded) if !encoded.contains(&b'%') => {
            BareItem::DisplayString(Cow::Borrowed(text(encoded)))
        }
        Bare::DisplayString(encoded) => {
            BareItem::DisplayString(Cow::Owned(decode_display_string(encoded).unwrap_or_default()))
        }
    }
}

/// What the scanner took for a piece is ASCII.
#[inline]
fn text(piece: &[u8]) -> &str {
    core::str::from_utf8(piece).unwrap_or_default()
}

/// Adds a value, or gives one of this name that is there another value in its place; whether there was one.
#[inline]
fn settle<'t, V>(entries: &mut Vec<(&'t str, V)>, sorted: &mut SortedNames, name: &'t str, value: V) -> bool {
    let name_at = |place| entries.get(place).map(|(name, _): &(&str, V)| name.as_bytes());
    let place = sorted.find(&name_at, entries.len(), name.as_bytes());
    let slot = place.and_then(|place| entries.get_mut(place));
    let found = slot.is_some();
    match slot {
        Some((_, slot)) => *slot = value,
        None => entries.push((name, value)),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{
        super::{MAX_INNER_LIST_ITEMS, MAX_MEMBERS, MAX_PARAMETERS},
        *,
    };
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
