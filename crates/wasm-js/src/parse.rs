//! Reading the parts of a text: proves nothing, so every page may do it.

use crate::to_js;
use claviger_core::parse;
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// What `parseKey` returns of a text that is well-formed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parts<'t> {
    well_formed: bool,
    kind: &'static str,
    prefix: &'t str,
    key_id: String,
    version: Option<u8>,
    read_only: Option<bool>,
    issued_at: Option<u64>,
    expires_at: Option<u64>,
}

/// What `parseKey` returns of a text that is not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NotWellFormed {
    well_formed: bool,
    part: &'static str,
    message: String,
}

/// Reads a text of any format, for TypeScript's `parseKey`.
#[wasm_bindgen]
pub fn parse_key(text: &str) -> JsValue {
    match parse(text) {
        Ok(parsed) => {
            let claims = parsed.claims();
            to_js(&Parts {
                well_formed: true,
                kind: parsed.kind().as_str(),
                prefix: parsed.prefix(),
                key_id: parsed.id().to_string(),
                version: parsed.version().or(claims.map(|claims| claims.version())),
                read_only: claims.map(|claims| claims.read_only()),
                issued_at: claims.map(|claims| claims.issued_at()),
                expires_at: claims.and_then(|claims| claims.expires_at()),
            })
        }
        Err(error) => to_js(&NotWellFormed {
            well_formed: false,
            part: error.part.as_str(),
            message: error.to_string(),
        }),
    }
}
