//! The canonical form of a field (RFC 9651 section 4.1), written while its text is read: no trees, and no copy but the one.

use super::{
    base64::write_padded,
    names::SortedNames,
    scanner::{Bare, Malformed, Scanner, decode_display_string, plain_text},
    serialize::{write_decimal, write_display_string, write_integer},
};
use alloc::vec::Vec;
use core::ops::Range;

/// A parameter, or a member of a dictionary.
pub(crate) struct Named<'t> {
    pub(crate) name: &'t [u8],
    /// Its value; of an inner list `false`, which is looked at nowhere.
    pub(crate) value: Bare<'t>,
    /// Where it was written, with its name, before it may have been written once more.
    pub(crate) written: Range<usize>,
}

/// An item of an inner list.
pub(crate) struct ListItem<'t> {
    /// Its text, if it is a string without escapes.
    pub(crate) text: Option<&'t [u8]>,
    /// Where it was written, with its parameters.
    pub(crate) written: Range<usize>,
    /// Where its parameters begin.
    pub(crate) parameters: usize,
}

/// A text on the way into its canonical form.
pub(crate) struct Canonical<'t> {
    pub(crate) scanner: Scanner<'t>,
    /// What is written so far.
    pub(crate) out: Vec<u8>,
    /// The parameters of what was read last.
    pub(crate) parameters: Vec<Named<'t>>,
    sorted: SortedNames,
}

impl<'t> Canonical<'t> {
    /// Begins to read a field.
    #[inline]
    pub(crate) fn new(field: &'t [u8]) -> Self {
        let out = Vec::with_capacity(field.len().saturating_add(16));
        Self {
            scanner: Scanner::new(field),
            out,
            parameters: Vec::with_capacity(8),
            sorted: SortedNames::default(),
        }
    }

    /// A value without parameters.
    #[inline]
    fn bare(&mut self) -> Result<Bare<'t>, Malformed> {
        let value = self.scanner.bare()?;
        write(value, &mut self.out);
        Ok(value)
    }

    /// The parameters of what was read before.
    #[inline]
    fn read_parameters(&mut self) -> Result<(), Malformed> {
        self.parameters.clear();
        self.sorted.clear();
        let (mut read, mut repeated, begin) = (0_usize, false, self.out.len());
        loop {
            let start = self.out.len();
            let Some((name, value)) = self.scanner.next_parameter(read)? else { break };
            read = read.saturating_add(1);
            self.out.push(b';');
            self.out.extend_from_slice(name);
            if value != Bare::Boolean(true) {
                self.out.push(b'=');
                write(value, &mut self.out);
            }
            let named = Named { name, value, written: start..self.out.len() };
            repeated |= settle(&mut self.parameters, &mut self.sorted, named);
        }
        if repeated {
            rewrite(&self.parameters, &mut self.out, begin, b"");
        }
        Ok(())
    }

    /// An item.
    #[inline]
    pub(crate) fn item(&mut self) -> Result<Bare<'t>, Malformed> {
        let value = self.bare()?;
        self.read_parameters()?;
        Ok(value)
    }

    /// An inner list, whose `(` was read. `items` are its items.
    #[inline]
    pub(crate) fn inner_list(&mut self, items: &mut Vec<ListItem<'t>>) -> Result<(), Malformed> {
        self.out.push(b'(');
        while self.scanner.next_in_list(items.len())? {
            if !items.is_empty() {
                self.out.push(b' ');
            }
            let start = self.out.len();
            let value = self.bare()?;
            let parameters = self.out.len();
            self.read_parameters()?;
            let text = match value {
                Bare::String(quoted) => plain_text(quoted),
                _ => None,
            };
            items.push(ListItem { text, written: start..self.out.len(), parameters });
        }
        self.out.push(b')');
        self.read_parameters()
    }

    /// An item, or an inner list.
    #[inline]
    fn member(&mut self) -> Result<Bare<'t>, Malformed> {
        if self.scanner.take(b'(') {
            self.inner_list(&mut Vec::new())?;
            return Ok(Bare::Boolean(false));
        }
        self.item()
    }

    /// The members of a list.
    #[inline]
    fn list(&mut self) -> Result<(), Malformed> {
        while self.scanner.next_member()? {
            if !self.out.is_empty() {
                self.out.extend_from_slice(b", ");
            }
            self.member()?;
        }
        Ok(())
    }

    /// The members of a dictionary, each once.
    #[inline]
    fn dictionary(&mut self) -> Result<(), Malformed> {
        let (mut members, mut sorted, mut repeated) = (Vec::new(), SortedNames::default(), false);
        while self.scanner.next_member()? {
            if !self.out.is_empty() {
                self.out.extend_from_slice(b", ");
            }
            let start = self.out.len();
            let name = self.scanner.key()?;
            self.out.extend_from_slice(name);
            let value = if self.scanner.take(b'=') {
                self.out.push(b'=');
                let start = self.out.len();
                let value = self.member()?;
                // That it is true is not written.
                if value == Bare::Boolean(true) {
                    self.out.drain(start.saturating_sub(1)..start.saturating_add(2));
                }
                value
            } else {
                self.read_parameters()?;
                Bare::Boolean(true)
            };
            let named = Named { name, value, written: start..self.out.len() };
            repeated |= settle(&mut members, &mut sorted, named);
        }
        if repeated {
            rewrite(&members, &mut self.out, 0, b", ");
        }
        Ok(())
    }
}

/// Writes a value.
#[inline]
fn write(value: Bare<'_>, out: &mut Vec<u8>) {
    match value {
        // There is one way to write them.
        Bare::String(text) | Bare::Token(text) => out.extend_from_slice(text),
        Bare::Boolean(value) => out.extend_from_slice(if value { b"?1" } else { b"?0" }),
        Bare::Integer(number) => write_integer(number, out),
        Bare::Decimal(thousandths) => write_decimal(thousandths, out),
        Bare::Date(seconds) => {
            out.push(b'@');
            write_integer(seconds, out);
        }
        Bare::ByteSequence(digits) => {
            out.push(b':');
            write_padded(digits, out);
            out.push(b':');
        }
        Bare::DisplayString(encoded) => {
            write_display_string(&decode_display_string(encoded).unwrap_or_default(), out);
        }
    }
}

/// Adds one of this name, or puts it into the place of the one that is there; whether there was one.
#[inline]
fn settle<'t>(all: &mut Vec<Named<'t>>, sorted: &mut SortedNames, named: Named<'t>) -> bool {
    let place = sorted.find(&|place| all.get(place).map(|other| other.name), all.len(), named.name);
    let slot = place.and_then(|place| all.get_mut(place));
    let found = slot.is_some();
    match slot {
        Some(slot) => *slot = named,
        None => all.push(named),
    }
    found
}

/// Writes all that were written from `begin` on once more, in their order.
#[inline]
fn rewrite(all: &[Named<'_>], out: &mut Vec<u8>, begin: usize, separator: &[u8]) {
    let text = out.split_off(begin);
    for (place, named) in all.iter().enumerate() {
        if place > 0 {
            out.extend_from_slice(separator);
        }
        let Range { start, end } = named.written.clone();
        let written = text.get(start.saturating_sub(begin)..end.saturating_sub(begin));
        out.extend_from_slice(written.unwrap_or_default());
    }
}

/// The canonical text of a field that is an item: what [`parse_item`](super::parse_item) reads, written as `serialize` writes
/// it, without the item between them.
///
/// # Errors
/// [`Malformed`] if it is none; an empty text is none.
///
/// ```
/// use claviger_core::structured_fields::canonical_item;
///
/// assert_eq!(canonical_item(b"007; a; b=?1;a=2.50")?, b"7;a=2.5;b");
/// # Ok::<(), claviger_core::structured_fields::Malformed>(())
/// ```
#[inline]
pub fn canonical_item(field: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut canonical = Canonical::new(field);
    canonical.item()?;
    canonical.scanner.end()?;
    Ok(canonical.out)
}

/// The canonical text of a field that is a list: what [`parse_list`](super::parse_list) reads, written as `serialize` writes
/// it, without the list between them.
///
/// # Errors
/// [`Malformed`] if it is none, or has more than [`MAX_MEMBERS`](super::MAX_MEMBERS).
///
/// ```
/// use claviger_core::structured_fields::canonical_list;
///
/// assert_eq!(canonical_list(b"gzip,\t( br  zstd )")?, b"gzip, (br zstd)");
/// # Ok::<(), claviger_core::structured_fields::Malformed>(())
/// ```
#[inline]
pub fn canonical_list(field: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut canonical = Canonical::new(field);
    canonical.list()?;
    Ok(canonical.out)
}

/// The canonical text of a field that is a dictionary: what [`parse_dictionary`](super::parse_dictionary) reads, written as `serialize` writes
/// it, without the dictionary between them.
///
/// # Errors
/// [`Malformed`] if it is none, or has more than [`MAX_MEMBERS`](super::MAX_MEMBERS).
///
/// ```
/// use claviger_core::structured_fields::canonical_dictionary;
///
/// assert_eq!(canonical_dictionary(b"a=1,b;x=?1,a=:AAE:")?, b"a=:AAE=:, b;x");
/// # Ok::<(), claviger_core::structured_fields::Malformed>(())
/// ```
#[inline]
pub fn canonical_dictionary(field: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut canonical = Canonical::new(field);
    canonical.dictionary()?;
    Ok(canonical.out)
}

/// The member of a dictionary that has this name, the last of them, without the name, in its canonical form; `None` if there is
/// none.
#[inline]
pub(crate) fn canonical_member(field: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut canonical = Canonical::new(field);
    let mut found = None;
    while canonical.scanner.next_member()? {
        let is_it = canonical.scanner.key()? == name;
        if canonical.scanner.take(b'=') {
            canonical.member()?;
        } else {
            canonical.out.extend_from_slice(b"?1");
            canonical.read_parameters()?;
        }
        if is_it {
            found = Some(canonical.out.clone());
        }
        canonical.out.clear();
    }
    Ok(found)
}

/// Names, and the base64 of their values without padding.
pub(crate) type ByteSequences<'t> = Vec<(&'t [u8], &'t [u8])>;

/// The members of a dictionary of byte sequences, of which there are at most `most`, none twice.
#[inline]
pub(crate) fn byte_sequences(field: &[u8], most: usize) -> Result<ByteSequences<'_>, Malformed> {
    let mut scanner = Scanner::new(field);
    let mut members = ByteSequences::new();
    while scanner.next_member()? {
        let name = scanner.key()?;
        if members.len() == most || !scanner.take(b'=') || members.iter().any(|(other, _)| *other == name) {
            return scanner.malformed();
        }
        let Bare::ByteSequence(digits) = scanner.bare()? else { return scanner.malformed() };
        let mut parameters = 0_usize;
        while scanner.next_parameter(parameters)?.is_some() {
            parameters = parameters.saturating_add(1);
        }
        members.push((name, digits));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::{super::parse_dictionary, *};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_member_is_written_as_its_tree_is(
            field in "([abc](=(1|-01\\.50|\\?1|\\?0|\"x\\\\\"\"|:AAF=:|t|\\( *1 *b;c\\)))?(;[ab](=(\\?1|2))?){0,2}, ?){0,6}a",
        ) {
            let tree = parse_dictionary(field.as_bytes());
            for name in ["a", "b", "c"] {
                let member = canonical_member(field.as_bytes(), name.as_bytes());
                let expected = tree.as_ref().map_err(|error| *error).map(|tree| tree.get(name).map(|member| {
                    let mut text = Vec::new();
                    member.serialize(&mut text).unwrap();
                    text
                }));
                prop_assert_eq!(member, expected);
            }
        }
    }

    #[test]
    fn byte_sequences_are_named_once_and_nothing_else_is_there() {
        let read = |field: &'static str| byte_sequences(field.as_bytes(), 2);
        let both: ByteSequences<'_> = std::vec![(b"a", b"AAE"), (b"b", b"")];
        assert_eq!(read("a=:AAE=:;x;y=%\"%c3%bc\" ,\tb=::"), Ok(both));
        assert_eq!(read(""), Ok(ByteSequences::new()));
        for wrong in [
            "a",
            "a=1",
            "a=(:AA==:)",
            "a=:AA:, a=:AA:",
            "a=:AA:, b=:AA:, c=:AA:",
            "a=:AA:;x=%\"%c3\"",
            "a=:AA:,",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
