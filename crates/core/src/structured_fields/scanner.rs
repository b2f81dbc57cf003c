//! What stands next in the text of a field (RFC 9651 section 4.2), piece by piece. Nothing is decoded but numbers: that is
//! left to those who keep what was read.

use alloc::{string::String, vec::Vec};
use core::fmt;

/// The most members of a list or dictionary, repeated keys counted (RFC 9651 sections 3.1 and 3.2 require no more).
pub const MAX_MEMBERS: usize = 1024;
/// The most parameters of one item or inner list, repeated names counted (RFC 9651 section 3.1.2 requires no more).
pub const MAX_PARAMETERS: usize = 256;
/// The most items of one inner list (RFC 9651 section 3.1.1 requires no more).
pub const MAX_INNER_LIST_ITEMS: usize = 256;

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

/// A value as it stands in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bare<'t> {
    Integer(i64),
    /// In thousandths.
    Decimal(i64),
    /// With its quotes and escapes.
    String(&'t [u8]),
    Token(&'t [u8]),
    /// Its base64, without padding.
    ByteSequence(&'t [u8]),
    Boolean(bool),
    Date(i64),
    /// Without its quotes, percent-encoded UTF-8.
    DisplayString(&'t [u8]),
}

/// Classes of characters, a bit each.
const KEY_START: u8 = 1;
const KEY: u8 = 2;
const TOKEN_START: u8 = 4;
const TOKEN: u8 = 8;
/// What means nothing but itself in strings and display strings.
const PLAIN: u8 = 16;
const BASE64: u8 = 32;

/// The classes of each byte (RFC 9651 sections 3.1.2, 3.3.3 and 3.3.4, RFC 4648 section 4).
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        let (lower, upper) = (byte.is_ascii_lowercase(), byte.is_ascii_uppercase());
        let digit = byte.is_ascii_digit();
        let mut class = 0;
        if lower || byte == b'*' {
            class |= KEY_START;
        }
        if lower || digit || matches!(byte, b'_' | b'-' | b'.' | b'*') {
            class |= KEY;
        }
        if lower || upper || byte == b'*' {
            class |= TOKEN_START;
        }
        // `tchar` of RFC 9110 section 5.6.2, `:` and `/`.
        if lower
            || upper
            || digit
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-'..=b'/' | b':' | b'^'..=b'`' | b'|' | b'~')
        {
            class |= TOKEN;
        }
        if matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'%' | b'\\') {
            class |= PLAIN;
        }
        if lower || upper || digit || matches!(byte, b'+' | b'/') {
            class |= BASE64;
        }
        #[expect(clippy::indexing_slicing, reason = "computed when it is compiled")]
        {
            classes[byte as usize] = class;
        }
        byte += 1;
    }
    classes
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// Whether this is a key (RFC 9651 section 3.1.2).
#[inline]
pub(crate) fn is_key(text: &[u8]) -> bool {
    is_word(text, KEY_START, KEY)
}

/// Whether this is a token (RFC 9651 section 3.3.4).
#[inline]
pub(super) fn is_token(text: &[u8]) -> bool {
    is_word(text, TOKEN_START, TOKEN)
}

#[inline]
fn is_word(text: &[u8], start: u8, goes_on: u8) -> bool {
    text.first().is_some_and(|&byte| is(byte, start)) && text.iter().all(|&byte| is(byte, goes_on))
}

/// A text of which the first bytes are read.
pub(crate) struct Scanner<'t> {
    text: &'t [u8],
    /// Where the next byte is.
    at: usize,
    /// How many members were begun.
    members: usize,
}

impl<'t> Scanner<'t> {
    /// Begins to read a field, before which there may be spaces.
    #[inline]
    pub(crate) fn new(text: &'t [u8]) -> Self {
        let mut scanner = Self { text, at: 0, members: 0 };
        scanner.skip_spaces();
        scanner
    }

    /// Whether nothing follows but spaces.
    #[inline]
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        self.skip_spaces();
        if self.peek().is_none() { Ok(()) } else { self.malformed() }
    }

    /// What was read from there on.
    #[inline]
    fn since(&self, start: usize) -> &'t [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline(always)]
    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Whether the next byte is this one; then it is behind us.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
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
    fn skip_class(&mut self, class: u8) {
        while let Some(byte) = self.peek()
            && is(byte, class)
        {
            self.skip();
        }
    }

    #[inline]
    fn skip_spaces(&mut self) {
        while self.take(b' ') {}
    }

    /// `OWS` of RFC 9110 section 5.6.3.
    #[inline]
    fn skip_whitespace(&mut self) {
        while self.take(b' ') || self.take(b'\t') {}
    }

    /// What cannot be is the next byte.
    #[inline]
    pub(super) fn malformed<T>(&self) -> Result<T, Malformed> {
        Err(Malformed { at: self.at })
    }

    #[inline]
    fn word(&mut self, start: u8, goes_on: u8) -> Result<&'t [u8], Malformed> {
        let from = self.at;
        if !self.peek().is_some_and(|byte| is(byte, start)) {
            return self.malformed();
        }
        self.skip_class(goes_on);
        Ok(self.since(from))
    }

    /// The name of a member or parameter.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<&'t [u8], Malformed> {
        self.word(KEY_START, KEY)
    }

    /// Whether a member of a list or dictionary follows; what separates it is behind us then. If none does, nothing follows.
    #[inline]
    pub(crate) fn next_member(&mut self) -> Result<bool, Malformed> {
        if self.members > 0 {
            self.skip_whitespace();
        }
        if self.peek().is_none() {
            return Ok(false);
        }
        if self.members > 0 {
            self.expect(b',')?;
            self.skip_whitespace();
        }
        if self.members == MAX_MEMBERS {
            return self.malformed();
        }
        self.members = self.members.saturating_add(1);
        Ok(true)
    }

    /// Whether an item of an inner list follows, of which `read` are read, and not its `)`.
    #[inline]
    pub(crate) fn next_in_list(&mut self, read: usize) -> Result<bool, Malformed> {
        let next = self.peek();
        if read > 0 && !matches!(next, Some(b' ' | b')')) {
            return self.malformed();
        }
        self.skip_spaces();
        if self.take(b')') {
            return Ok(false);
        }
        if read == MAX_INNER_LIST_ITEMS { self.malformed() } else { Ok(true) }
    }

    /// The next parameter, of which `read` are read, if there is one.
    #[inline]
    pub(crate) fn next_parameter(&mut self, read: usize) -> Result<Option<(&'t [u8], Bare<'t>)>, Malformed> {
        if !self.take(b';') {
            return Ok(None);
        }
        self.skip_spaces();
        if read == MAX_PARAMETERS {
            return self.malformed();
        }
        let name = self.key()?;
        let value = if self.take(b'=') { self.bare()? } else { Bare::Boolean(true) };
        Ok(Some((name, value)))
    }

    /// A value without parameters.
    #[inline]
    pub(crate) fn bare(&mut self) -> Result<Bare<'t>, Malformed> {
        let start = self.at;
        let Some(first) = self.peek() else { return self.malformed() };
        if first == b'"' {
            self.skip();
            self.quoted(b'\\')?;
            return Ok(Bare::String(self.since(start)));
        }
        if first == b'-' || first.is_ascii_digit() {
            return self.number();
        }
        if is(first, TOKEN_START) {
            return self.word(TOKEN_START, TOKEN).map(Bare::Token);
        }
        self.skip();
        match first {
            b':' => self.byte_sequence().map(Bare::ByteSequence),
            b'?' if self.take(b'1') => Ok(Bare::Boolean(true)),
            b'?' if self.take(b'0') => Ok(Bare::Boolean(false)),
            b'?' => self.malformed(),
            b'@' => match self.number()? {
                Bare::Integer(seconds) => Ok(Bare::Date(seconds)),
                _ => Err(Malformed { at: start }),
            },
            b'%' => {
                self.expect(b'"')?;
                let encoded = self.quoted(b'%')?;
                match decode_display_string(encoded) {
                    Some(_) => Ok(Bare::DisplayString(encoded)),
                    None => Err(Malformed { at: self.at.saturating_sub(1) }),
                }
            }
            _ => Err(Malformed { at: start }),
        }
    }

    /// An integer or decimal: 15 digits, or 12, a point and 3.
    #[inline]
    fn number(&mut self) -> Result<Bare<'t>, Malformed> {
        let sign = if self.take(b'-') { -1 } else { 1 };
        let (integer, digits) = self.digits(0, 15)?;
        if digits > 12 || !self.take(b'.') {
            return Ok(Bare::Integer(integer * sign));
        }
        let (mut thousandths, places) = self.digits(integer, 3)?;
        for _ in places..3 {
            thousandths *= 10;
        }
        Ok(Bare::Decimal(thousandths * sign))
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

    /// What follows the opening quote of a string, in which `\` escapes `"` and itself, or of a display string, in which `%`
    /// and two digits are a byte.
    #[inline]
    fn quoted(&mut self, escape: u8) -> Result<&'t [u8], Malformed> {
        let start = self.at;
        loop {
            self.skip_class(PLAIN);
            match self.peek() {
                Some(b'"') => {
                    let text = self.since(start);
                    self.skip();
                    return Ok(text);
                }
                Some(byte @ (b'%' | b'\\')) => {
                    self.skip();
                    let escaped = match (byte == escape, byte) {
                        (false, _) => true,
                        (true, b'%') => self.hex_digit() && self.hex_digit(),
                        (true, _) => self.take(b'"') || self.take(b'\\'),
                    };
                    if !escaped {
                        return self.malformed();
                    }
                }
                _ => return self.malformed(),
            }
        }
    }

    /// Whether the next is a digit of base 16, its letters lowercase; then it is behind us.
    #[inline]
    fn hex_digit(&mut self) -> bool {
        let is_next = matches!(self.peek(), Some(b'0'..=b'9' | b'a'..=b'f'));
        if is_next {
            self.skip();
        }
        is_next
    }

    /// What follows `:`, base64 (RFC 4648 section 4). Padding may be missing.
    #[inline]
    fn byte_sequence(&mut self) -> Result<&'t [u8], Malformed> {
        let start = self.at;
        self.skip_class(BASE64);
        let digits = self.since(start);
        let padding = match digits.len() % 4 {
            0 => 0,
            // One character alone is six bits.
            1 => return self.malformed(),
            used => 4_usize.saturating_sub(used),
        };
        for _ in 0..padding {
            self.take(b'=');
        }
        self.expect(b':')?;
        Ok(digits)
    }
}

/// The text of a string that stands in quotes, if there are no escapes in it.
#[inline]
pub(crate) fn plain_text(quoted: &[u8]) -> Option<&[u8]> {
    let text = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!text.contains(&b'\\')).then_some(text)
}

/// The text of a string that stands in quotes.
#[inline]
pub(crate) fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(quoted.len());
    let mut rest = quoted.iter().skip(1);
    while let Some(&byte) = rest.next() {
        match byte {
            b'"' => break,
            b'\\' => text.extend(rest.next()),
            _ => text.push(byte),
        }
    }
    text
}

/// The text of a display string; `None` if what it encodes is no UTF-8.
#[inline]
pub(super) fn decode_display_string(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(&byte) = rest.next() {
        let mut digit = || char::from(*rest.next()?).to_digit(16);
        bytes.push(if byte == b'%' { (digit()? << 4 | digit()?) as u8 } else { byte });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_each_class() {
        let all =
            |class: u8| -> String { (0..=255_u8).filter(|&byte| is(byte, class)).map(char::from).collect() };
        assert_eq!(all(KEY_START), "*abcdefghijklmnopqrstuvwxyz");
        assert_eq!(all(KEY), "*-.0123456789_abcdefghijklmnopqrstuvwxyz");
        assert_eq!(all(TOKEN_START), "*ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
        assert_eq!(
            all(TOKEN),
            "!#$%&'*+-./0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
        );
        assert_eq!(
            all(PLAIN),
            " !#$&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~"
        );
        assert_eq!(all(BASE64), "+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    }
}
