//! Runs the cases of httpwg/structured-field-tests, which are made elsewhere and not carried here.
//!
//! `CLAVIGER_TEST_VECTORS` names the folder that has them in `structured-field-tests`; `cargo xtask test` sets it if
//! there is one. The format of a case is described in the README.md of that folder.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use claviger_core::structured_fields::{
    BareItem, Decimal, Dictionary, InnerList, Item, List, Member, Parameters, Unserializable,
    canonical_dictionary, canonical_item, canonical_list, parse_dictionary, parse_item, parse_list,
};
use serde_json::Value;
use std::{env, fs, path::Path};

fn main() {
    let Some(folder) = env::var_os("CLAVIGER_TEST_VECTORS") else {
        println!("structured-field-tests: not run, CLAVIGER_TEST_VECTORS names no folder of vectors");
        return;
    };
    let folder = Path::new(&folder).join("structured-field-tests");
    let mut parsed = 0;
    for case in cases(&folder) {
        check_parsing(&case);
        parsed += 1;
    }
    let mut serialized = 0;
    for case in cases(&folder.join("serialisation-tests")) {
        check_serializing(&case);
        serialized += 1;
    }
    assert!(parsed > 0 && serialized > 0, "no cases in {}", folder.display());
    println!("structured-field-tests: {parsed} parse, {serialized} serialise: all hold");
}

/// The cases of all files of a folder.
fn cases(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut cases = Vec::new();
    for path in files.map(|file| file.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read(&path).unwrap();
            let more: Vec<Value> =
                serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            cases.extend(more);
        }
    }
    cases
}

/// A field of one of the three types.
#[derive(PartialEq, Debug)]
enum Field<'t> {
    Item(Item<'t>),
    List(List<'t>),
    Dictionary(Dictionary<'t>),
}

impl Field<'_> {
    fn serialize(&self) -> Result<String, Unserializable> {
        let mut out = Vec::new();
        match self {
            Self::Item(item) => item.serialize(&mut out),
            Self::List(list) => list.serialize(&mut out),
            Self::Dictionary(dictionary) => dictionary.serialize(&mut out),
        }?;
        Ok(String::from_utf8(out).unwrap())
    }
}

/// Cases that may fail (`can_fail`) have to hold too: nothing that the RFC allows is refused.
fn check_parsing(case: &Value) {
    let raw = lines(&case["raw"]);
    let bytes = raw.as_bytes();
    let (field, rewritten) = match case["header_type"].as_str().unwrap() {
        "item" => (parse_item(bytes).map(Field::Item), canonical_item(bytes)),
        "list" => (parse_list(bytes).map(Field::List), canonical_list(bytes)),
        "dictionary" => (parse_dictionary(bytes).map(Field::Dictionary), canonical_dictionary(bytes)),
        other => panic!("a field of type {other}"),
    };
    if must_fail(case) {
        assert!(field.is_err() && rewritten.is_err(), "{case}: {field:?}");
        return;
    }
    let field = field.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(Ok(&field), expected(case).as_ref(), "{case}");
    let canonical = if case["canonical"].is_array() { lines(&case["canonical"]) } else { raw.clone() };
    assert_eq!(rewritten.as_deref(), Ok(canonical.as_bytes()), "{case}");
    assert_eq!(field.serialize(), Ok(canonical), "{case}");
}

fn check_serializing(case: &Value) {
    let text = expected(case).and_then(|field| field.serialize());
    let wanted = if must_fail(case) { Err(Unserializable) } else { Ok(lines(&case["canonical"])) };
    assert_eq!(text, wanted, "{case}");
}

fn must_fail(case: &Value) -> bool {
    case["must_fail"] == Value::Bool(true)
}

fn lines(lines: &Value) -> String {
    elements(lines).iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join(", ")
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no array: {value}"))
}

/// The structure that a case names; an error if there is a decimal in it that is out of range.
fn expected(case: &Value) -> Result<Field<'_>, Unserializable> {
    let expected = &case["expected"];
    Ok(match case["header_type"].as_str().unwrap() {
        "item" => Field::Item(item(expected)?),
        "list" => {
            let members = elements(expected).iter().map(member).collect::<Result<_, _>>()?;
            Field::List(List { members })
        }
        _ => {
            let mut dictionary = Dictionary::new();
            for entry in elements(expected) {
                dictionary.insert(entry[0].as_str().unwrap(), member(&entry[1])?);
            }
            Field::Dictionary(dictionary)
        }
    })
}

fn member(value: &Value) -> Result<Member<'_>, Unserializable> {
    Ok(if let Some(items) = value[0].as_array() {
        let items = items.iter().map(item).collect::<Result<_, _>>()?;
        Member::InnerList(InnerList { items, parameters: parameters(&value[1])? })
    } else {
        Member::Item(item(value)?)
    })
}

fn item(value: &Value) -> Result<Item<'_>, Unserializable> {
    Ok(Item { value: bare_item(&value[0])?, parameters: parameters(&value[1])? })
}

fn parameters(value: &Value) -> Result<Parameters<'_>, Unserializable> {
    let mut parameters = Parameters::new();
    for entry in elements(value) {
        parameters.insert(entry[0].as_str().unwrap(), bare_item(&entry[1])?);
    }
    Ok(parameters)
}

fn bare_item(value: &Value) -> Result<BareItem<'_>, Unserializable> {
    Ok(match value {
        Value::Bool(value) => BareItem::Boolean(*value),
        Value::String(text) => BareItem::String(text.into()),
        // 1 is an integer and 1.0 is not; both are told apart and printed as they are written.
        Value::Number(number) => match number.to_string().split_once('.') {
            None => BareItem::Integer(number.as_i64().unwrap()),
            Some((before, after)) => {
                let digits = format!("{before}{after}").parse().unwrap();
                let decimal = Decimal::rounded(digits, u32::try_from(after.len()).unwrap());
                BareItem::Decimal(decimal.ok_or(Unserializable)?)
            }
        },
        typed => {
            let value = &typed["value"];
            match typed["__type"].as_str().unwrap() {
                "token" => BareItem::Token(value.as_str().unwrap().into()),
                "binary" => BareItem::ByteSequence(base32(value.as_str().unwrap())),
                "date" => BareItem::Date(value.as_i64().unwrap()),
                "displaystring" => BareItem::DisplayString(value.as_str().unwrap().into()),
                other => panic!("a value of type {other}"),
            }
        }
    })
}

/// RFC 4648 section 6.
fn base32(text: &str) -> Vec<u8> {
    let bits: String = text
        .trim_end_matches('=')
        .chars()
        .map(|character| format!("{:05b}", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(character).unwrap()))
        .collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}
