//! Reading the parts of a text: proves nothing, so every page may do it.

use crate::exchange::{put, take_text};
use claviger_core::parse;
use wasm_bindgen::prelude::*;

/// Reads a text of any format, for TypeScript's `parseKey`, and leaves in lines: kind, prefix, id, version, whether it is
/// read only, when it was issued and when it expires, each empty where the text does not say. Of a text that is not
/// well-formed it leaves two lines: where the problem is, and what.
#[wasm_bindgen]
pub fn parse_key() {
    put(parts(&take_text()).into_bytes());
}

fn parts(text: &str) -> String {
    let parsed = match parse(text) {
        Ok(parsed) => parsed,
        Err(error) => return format!("{}\n{error}", error.part.as_str()),
    };
    let claims = parsed.claims();
    let mut lines = format!("{}\n{}\n{}", parsed.kind().as_str(), parsed.prefix(), parsed.id());
    let numbers = [
        parsed.version().or(claims.map(|claims| claims.version())).map(u64::from),
        claims.map(|claims| claims.read_only().into()),
        claims.map(|claims| claims.issued_at()),
        claims.and_then(|claims| claims.expires_at()),
    ];
    for number in numbers {
        lines.push('\n');
        if let Some(number) = number {
            lines.push_str(&number.to_string());
        }
    }
    lines
}
