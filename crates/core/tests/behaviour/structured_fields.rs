//! Structured fields: whatever is written is read again, anything may be read, and the crate `sfv` says the same.
//!
//! `sfv` has no limits of numbers of members, parameters and items; texts here stay below those of core.

use claviger_core::structured_fields::{
    BareItem, Decimal, Dictionary, InnerList, Item, List, MAX_INTEGER, Malformed, Member, Parameters,
    Unserializable, canonical_dictionary, canonical_item, canonical_list, parse_dictionary, parse_item,
    parse_list,
};
use proptest::{collection::vec, prelude::*, sample::select};
use sfv::{FieldType, Parser};

/// The canonical text of what a text says as an item, a list and a dictionary.
fn canonical(field: &[u8]) -> [Result<String, Malformed>; 3] {
    [
        parse_item(field).map(|item| text(|out| item.serialize(out))),
        parse_list(field).map(|list| text(|out| list.serialize(out))),
        parse_dictionary(field).map(|dictionary| text(|out| dictionary.serialize(out))),
    ]
}

fn text(serialize: impl FnOnce(&mut Vec<u8>) -> Result<(), Unserializable>) -> String {
    let mut out = Vec::new();
    serialize(&mut out).unwrap();
    assert!(out.is_ascii());
    String::from_utf8(out).unwrap()
}

/// The same of `sfv`, which writes an empty list as `None`.
fn canonical_of_sfv(field: &[u8]) -> [Option<String>; 3] {
    [
        Parser::new(field).parse::<sfv::Item>().ok().map(|item| item.serialize()),
        Parser::new(field).parse::<sfv::List>().ok().map(|list| list.serialize().unwrap_or_default()),
        Parser::new(field)
            .parse::<sfv::Dictionary>()
            .ok()
            .map(|members| members.serialize().unwrap_or_default()),
    ]
}

/// Reads a text in every way; what it says is said again by its canonical text, and `sfv` agrees.
fn check(field: &[u8]) -> Result<(), TestCaseError> {
    let ours = canonical(field);
    for (place, text) in ours.iter().enumerate() {
        match text {
            Ok(text) => {
                let again = canonical(text.as_bytes());
                prop_assert_eq!(again.get(place), Some(&Ok(text.clone())));
            }
            Err(error) => prop_assert!(error.at <= field.len()),
        }
    }
    let rewritten = [canonical_item, canonical_list, canonical_dictionary]
        .map(|rewrite| rewrite(field).map(|text| String::from_utf8(text).unwrap()));
    prop_assert_eq!(&rewritten, &ours);
    prop_assert_eq!(ours.map(Result::ok), canonical_of_sfv(field), "{:?}", String::from_utf8_lossy(field));
    Ok(())
}

type Named<T> = Vec<(String, T)>;
type ItemParts = (BareItem<'static>, Named<BareItem<'static>>);

#[derive(Clone, Debug)]
enum MemberParts {
    Item(ItemParts),
    InnerList(Vec<ItemParts>, Named<BareItem<'static>>),
}

fn bare_items() -> impl Strategy<Value = BareItem<'static>> {
    let numbers = || prop_oneof![-MAX_INTEGER..=MAX_INTEGER, -2000..2000_i64];
    prop_oneof![
        numbers().prop_map(BareItem::Integer),
        numbers().prop_map(|number| BareItem::Decimal(Decimal::from_thousandths(number).unwrap())),
        "[ -~]{0,12}".prop_map(|text| BareItem::String(text.into())),
        "[a-zA-Z*][a-zA-Z0-9:/!#$%&'*+.^_`|~-]{0,8}".prop_map(|text| BareItem::Token(text.into())),
        vec(any::<u8>(), 0..12).prop_map(BareItem::ByteSequence),
        any::<bool>().prop_map(BareItem::Boolean),
        numbers().prop_map(BareItem::Date),
        any::<String>().prop_map(|text| BareItem::DisplayString(text.into())),
    ]
}

fn named<T: std::fmt::Debug>(values: impl Strategy<Value = T>) -> impl Strategy<Value = Named<T>> {
    vec(("[a-z*][a-z0-9_.*-]{0,3}", values), 0..4)
}

fn items() -> impl Strategy<Value = ItemParts> {
    (bare_items(), named(bare_items()))
}

fn members() -> impl Strategy<Value = MemberParts> {
    prop_oneof![
        items().prop_map(MemberParts::Item),
        (vec(items(), 0..4), named(bare_items()))
            .prop_map(|(items, named)| MemberParts::InnerList(items, named)),
    ]
}

fn parameters<'t>(parts: &'t Named<BareItem<'t>>) -> Parameters<'t> {
    let mut parameters = Parameters::new();
    for (name, value) in parts {
        parameters.insert(name, value.clone());
    }
    parameters
}

fn item((value, named): &ItemParts) -> Item<'_> {
    Item { value: value.clone(), parameters: parameters(named) }
}

fn member(parts: &MemberParts) -> Member<'_> {
    match parts {
        MemberParts::Item(parts) => Member::Item(item(parts)),
        MemberParts::InnerList(items, named) => Member::InnerList(InnerList {
            items: items.iter().map(item).collect(),
            parameters: parameters(named),
        }),
    }
}

/// Pieces of fields, with what may stand between them and what may not.
const PIECES: &[&str] = &[
    "a",
    "b",
    "sig1",
    "*",
    "A",
    "=",
    "=",
    ";",
    ";",
    ",",
    ",",
    ", ",
    " ",
    "  ",
    "\t",
    "(",
    ")",
    "1",
    "-",
    "0",
    ".5",
    "12.345",
    "999999999999",
    "?1",
    "?0",
    "@1",
    "\"",
    "\"a b\"",
    "\"\\\\\\\"\"",
    "\\",
    "%\"",
    "%\"%c3%bc\"",
    "%c3",
    ":",
    ":AA==:",
    ":AAE:",
    ":AAF=:",
    "/",
    "\u{e9}",
    "\n",
    "+",
];

fn pieces() -> impl Strategy<Value = String> {
    vec(select(PIECES), 0..16).prop_map(|pieces| pieces.concat())
}

/// More names than are looked through one by one.
#[test]
fn names_of_one_member_are_not_taken_for_those_of_another() {
    let named = |name: &str| (0..40).rev().map(|at| format!(";{name}{at}=1")).collect::<String>();
    let forth = (0..40).map(|at| format!(";b{at}=1")).collect::<String>();
    for parameters in [named("a"), named("b"), format!("{forth}{forth};b7=2")] {
        let field = format!(
            "x{}, y{parameters}, z=({}){parameters}",
            named("a"),
            format!("1{parameters} ").repeat(2)
        );
        check(field.as_bytes()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_item_is_read_as_it_was_written(parts in items()) {
        let item = item(&parts);
        let text = text(|out| item.serialize(out));
        prop_assert_eq!(parse_item(text.as_bytes()), Ok(item.clone()));
        check(text.as_bytes())?;
    }

    #[test]
    fn every_list_is_read_as_it_was_written(parts in vec(members(), 0..5)) {
        let list = List { members: parts.iter().map(member).collect() };
        let text = text(|out| list.serialize(out));
        prop_assert_eq!(parse_list(text.as_bytes()), Ok(list.clone()));
        check(text.as_bytes())?;
    }

    #[test]
    fn every_dictionary_is_read_as_it_was_written(parts in named(members())) {
        let mut dictionary = Dictionary::new();
        for (name, value) in &parts {
            dictionary.insert(name, member(value));
        }
        let text = text(|out| dictionary.serialize(out));
        prop_assert_eq!(parse_dictionary(text.as_bytes()), Ok(dictionary.clone()));
        check(text.as_bytes())?;
    }

    #[test]
    fn a_field_with_any_byte_changed_is_read_as_sfv_reads_it(
        parts in named(members()), place: prop::sample::Index, byte in prop_oneof![any::<u8>(), b' '..=b'~'],
    ) {
        let mut dictionary = Dictionary::new();
        for (name, value) in &parts {
            dictionary.insert(name, member(value));
        }
        let mut text = text(|out| dictionary.serialize(out)).into_bytes();
        if !text.is_empty() {
            let place = place.index(text.len());
            text[place] = byte;
        }
        check(&text)?;
        // Cut off there.
        text.truncate(place.index(text.len() + 1));
        check(&text)?;
    }

    /// As many names as are looked up in another way than few are.
    #[test]
    fn repeated_names_take_the_last_value_in_their_first_place(names in vec("[a-c][a-d]{0,2}", 0..80)) {
        let text = |separator: &str| {
            let numbered = names.iter().enumerate().map(|(number, name)| format!("{name}={number}"));
            numbered.collect::<Vec<_>>().join(separator)
        };
        check(text(", ").as_bytes())?;
        check(format!("x;{}", text(";")).as_bytes())?;
        let text = text(", ");
        let dictionary = parse_dictionary(text.as_bytes()).unwrap();
        prop_assert_eq!(dictionary.has_duplicates(), dictionary.len() < names.len());
    }

    #[test]
    fn any_bytes_are_read_as_sfv_reads_them(field in vec(any::<u8>(), 0..40)) {
        check(&field)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn any_pieces_are_read_as_sfv_reads_them(field in pieces()) {
        check(field.as_bytes())?;
    }
}
