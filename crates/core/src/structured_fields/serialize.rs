//! Writing fields: the algorithms of RFC 9651 section 4.1. What they write is the canonical form.

use super::{
    BareItem, Dictionary, InnerList, Item, List, MAX_INTEGER, Member, Parameters, base64::write_base64,
    scanner,
};
use alloc::vec::Vec;
use core::fmt;

/// A value that no field can have: a number of more than fifteen digits, a string beyond printable ASCII, or what is
/// no token or no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unserializable;

impl fmt::Display for Unserializable {
    #[inline]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, string, token or key that a structured field cannot have")
    }
}

impl core::error::Error for Unserializable {}

type Written = Result<(), Unserializable>;

macro_rules! serialize {
    ($($type:ident: $what:literal,)*) => {$(
        impl $type<'_> {
            #[doc = concat!("Appends the canonical text of ", $what, " to `out`, in ASCII (RFC 9651 section 4.1).")]
            ///
            /// # Errors
            /// [`Unserializable`] if there is a number, string, token or key in it that no field can have; `out` is
            /// as it was then.
            #[inline]
            pub fn serialize(&self, out: &mut Vec<u8>) -> Result<(), Unserializable> {
                let before = out.len();
                let written = self.write(out);
                if written.is_err() {
                    out.truncate(before);
                }
                written
            }
        }
    )*};
}

serialize! {
    BareItem: "the value",
    Parameters: "the parameters, each with the semicolon before it,",
    Item: "the item",
    InnerList: "the inner list",
    Member: "the member",
    List: "the list, of an empty one nothing,",
    Dictionary: "the dictionary, of an empty one nothing,",
}

impl BareItem<'_> {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> Written {
        match self {
            Self::Integer(number) => return integer(*number, out),
            Self::Decimal(decimal) => write_decimal(decimal.thousandths(), out),
            Self::String(text) => return write_string(text, out).ok_or(Unserializable),
            Self::Token(word) => return write_if(scanner::is_token(word.as_bytes()), word, out),
            Self::ByteSequence(bytes) => {
                put(out, b":");
                write_base64(bytes, out);
                put(out, b":");
            }
            Self::Boolean(value) => put(out, if *value { b"?1" } else { b"?0" }),
            Self::Date(seconds) => {
                put(out, b"@");
                return integer(*seconds, out);
            }
            Self::DisplayString(text) => write_display_string(text, out),
        }
        Ok(())
    }
}

impl Parameters<'_> {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> Written {
        for (name, value) in &self.entries {
            put(out, b";");
            write_key(name, out)?;
            if !matches!(value, BareItem::Boolean(true)) {
                put(out, b"=");
                value.write(out)?;
            }
        }
        Ok(())
    }
}

impl Item<'_> {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> Written {
        self.value.write(out)?;
        self.parameters.write(out)
    }
}

impl InnerList<'_> {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> Written {
        put(out, b"(");
        for (place, item) in self.items.iter().enumerate() {
            if place > 0 {
                put(out, b" ");
            }
            item.write(out)?;
        }
        put(out, b")");
        self.parameters.write(out)
    }
}

impl Member<'_> {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> Written {
        match self {
            Self::Item(item) => item.write(out),
            Self::InnerList(list) => list.write(out),
        }
    }
}

impl List<'_> {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> Written {
        for (place, member) in self.members.iter().enumerate() {
            write_comma(place, out);
            member.write(out)?;
        }
        Ok(())
    }
}

impl Dictionary<'_> {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) -> Written {
        for (place, (name, member)) in self.entries.iter().enumerate() {
            write_comma(place, out);
            write_key(name, out)?;
            match member {
                Member::Item(Item { value: BareItem::Boolean(true), parameters }) => parameters.write(out)?,
                other => {
                    put(out, b"=");
                    other.write(out)?;
                }
            }
        }
        Ok(())
    }
}

/// Appends.
#[inline]
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

#[inline]
fn write_comma(place: usize, out: &mut Vec<u8>) {
    if place > 0 {
        put(out, b", ");
    }
}

#[inline]
fn write_key(name: &str, out: &mut Vec<u8>) -> Written {
    write_if(scanner::is_key(name.as_bytes()), name, out)
}

#[inline]
fn write_if(is_sound: bool, word: &str, out: &mut Vec<u8>) -> Written {
    if !is_sound {
        return Err(Unserializable);
    }
    put(out, word.as_bytes());
    Ok(())
}

#[inline]
fn integer(number: i64, out: &mut Vec<u8>) -> Written {
    if number.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
        return Err(Unserializable);
    }
    write_integer(number, out);
    Ok(())
}

/// Appends a number of at most fifteen digits.
#[inline]
pub(crate) fn write_integer(number: i64, out: &mut Vec<u8>) {
    write_sign(number, out);
    write_number(number.unsigned_abs(), out);
}

/// Appends a number of thousandths.
#[inline]
pub(super) fn write_decimal(thousandths: i64, out: &mut Vec<u8>) {
    write_sign(thousandths, out);
    let number = thousandths.unsigned_abs();
    write_number(number / 1000, out);
    put(out, b".");
    // Up to three digits, without zeros at the end but one.
    let mut rest = number % 1000;
    loop {
        out.push(digit(rest / 100));
        rest = rest % 100 * 10;
        if rest == 0 {
            break;
        }
    }
}

#[inline]
fn write_sign(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        put(out, b"-");
    }
}

#[inline]
fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(digit(number % 10));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Appends a string; `None` if it is not printable ASCII.
#[inline]
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) -> Option<()> {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => return None,
        }
    }
    out.push(b'"');
    Some(())
}

/// Appends a display string.
#[inline]
pub(super) fn write_display_string(text: &str, out: &mut Vec<u8>) {
    put(out, b"%\"");
    for byte in text.bytes() {
        match byte {
            b'%' | b'"' | ..=0x1f | 0x7f.. => put(out, &[b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
            _ => out.push(byte),
        }
    }
    put(out, b"\"");
}

/// The character of a number below 10.
#[inline]
fn digit(number: u64) -> u8 {
    b'0'.wrapping_add(number as u8)
}

/// The character of a number below 16.
#[inline]
fn hex_digit(number: u8) -> u8 {
    number.wrapping_add(if number < 10 { b'0' } else { b'a' - 10 })
}

#[cfg(test)]
mod tests {
    use super::{super::Decimal, *};
    use std::{string::String, vec};

    fn text(value: &BareItem<'_>) -> Result<String, Unserializable> {
        let mut out = Vec::new();
        value.serialize(&mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn values() {
        let decimal = |thousandths| BareItem::Decimal(Decimal::from_thousandths(thousandths).unwrap());
        for (value, expected) in [
            (BareItem::Integer(0), "0"),
            (BareItem::Integer(-42), "-42"),
            (BareItem::Integer(999_999_999_999_999), "999999999999999"),
            (BareItem::Integer(-999_999_999_999_999), "-999999999999999"),
            (decimal(0), "0.0"),
            (decimal(-1), "-0.001"),
            (decimal(10), "0.01"),
            (decimal(1500), "1.5"),
            (decimal(-1050), "-1.05"),
            (decimal(123_456), "123.456"),
            (decimal(2000), "2.0"),
            (decimal(999_999_999_999_999), "999999999999.999"),
            (BareItem::String("".into()), r#""""#),
            (BareItem::String(r#"a "\~"#.into()), r#""a \"\\~""#),
            (BareItem::Token("*a/b:c".into()), "*a/b:c"),
            (BareItem::ByteSequence(vec![]), "::"),
            (BareItem::ByteSequence(vec![0]), ":AA==:"),
            (BareItem::ByteSequence(vec![0xfb, 0xf0]), ":+/A=:"),
            (BareItem::ByteSequence(vec![0xff; 3]), ":////:"),
            (BareItem::ByteSequence(b"Man is".to_vec()), ":TWFuIGlz:"),
            (BareItem::Boolean(true), "?1"),
            (BareItem::Boolean(false), "?0"),
            (BareItem::Date(-1), "@-1"),
            (BareItem::DisplayString("a\"%\\\n\x7fü~ ".into()), r#"%"a%22%25\%0a%7f%c3%bc~ ""#),
        ] {
            assert_eq!(text(&value).as_deref(), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn what_no_field_can_have() {
        for value in [
            BareItem::Integer(1_000_000_000_000_000),
            BareItem::Integer(i64::MIN),
            BareItem::Date(-1_000_000_000_000_000),
            BareItem::String("é".into()),
            BareItem::String("\n".into()),
            BareItem::String("\x7f".into()),
            BareItem::Token("".into()),
            BareItem::Token("1a".into()),
            BareItem::Token("a b".into()),
            BareItem::Token("aé".into()),
        ] {
            assert_eq!(text(&value), Err(Unserializable), "{value:?}");
        }
        for name in ["", "A", "1a", "a b", "aé", "a=", "-a"] {
            let mut parameters = Parameters::new();
            parameters.insert(name, BareItem::Boolean(true));
            assert_eq!(parameters.serialize(&mut Vec::new()), Err(Unserializable), "{name}");
            let mut dictionary = Dictionary::new();
            dictionary.insert(name, Member::InnerList(InnerList::default()));
            assert_eq!(dictionary.serialize(&mut Vec::new()), Err(Unserializable), "{name}");
        }
    }

    /// What precedes stays, and nothing of what cannot be written is behind it.
    #[test]
    fn what_fails_leaves_nothing_behind() {
        let bad = || Item::from(BareItem::Token("a b".into()));
        let good = || Item::from(BareItem::Integer(1));
        let mut parameters = Parameters::new();
        parameters.insert("a", BareItem::Integer(1));
        parameters.insert("B", BareItem::Integer(1));
        let item = Item { value: BareItem::Integer(1), parameters: parameters.clone() };
        let inner = InnerList { items: vec![good(), bad()], parameters: Parameters::new() };
        let member = Member::InnerList(inner.clone());
        let list = List { members: vec![Member::Item(good()), member.clone()] };
        let mut dictionary = Dictionary::new();
        dictionary.insert("a", Member::Item(good()));
        dictionary.insert("b", member.clone());

        let mut out = b"before".to_vec();
        for result in [
            BareItem::String("aé".into()).serialize(&mut out),
            parameters.serialize(&mut out),
            item.serialize(&mut out),
            inner.serialize(&mut out),
            member.serialize(&mut out),
            list.serialize(&mut out),
            dictionary.serialize(&mut out),
        ] {
            assert_eq!(result, Err(Unserializable));
        }
        assert_eq!(out, b"before");
        good().serialize(&mut out).unwrap();
        assert_eq!(out, b"before1");
    }

    #[test]
    fn empty_ones_are_nothing() {
        let mut out = Vec::new();
        List::default().serialize(&mut out).unwrap();
        Dictionary::new().serialize(&mut out).unwrap();
        Parameters::new().serialize(&mut out).unwrap();
        assert!(out.is_empty());
    }
}
