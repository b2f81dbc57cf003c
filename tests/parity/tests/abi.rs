//! `crates/wasm-module/ABI.md` says what the module and its source say.

use anyhow::{Context, Result, ensure};
use claviger_core::{DenialCode, Freshness, KeyKind, KeyringError, PartKind, VERDICT_RECORD_LEN};
use claviger_host::{
    EMBEDDED_MODULE, new_engine,
    wasmtime::{ExternType, Module},
};
use std::{fs, path::Path};

fn read(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).with_context(|| format!("{} is missing", path.display()))
}

fn document() -> Result<String> {
    read("crates/wasm-module/ABI.md")
}

#[test]
fn it_names_every_export_with_its_type() -> Result<()> {
    let document = document()?;
    let module = Module::new(&new_engine()?, EMBEDDED_MODULE).unwrap();
    let mut functions = 0;
    for export in module.exports() {
        let name = export.name();
        let ExternType::Func(function) = export.ty() else {
            ensure!(document.contains(&format!("`{name}`")), "{name} is not named");
            continue;
        };
        functions += 1;
        let row = document.split(&format!("\n| `{name}(")).nth(1);
        let (parameters, _) =
            row.and_then(|row| row.split_once(')')).with_context(|| format!("no {name}"))?;
        let said: Vec<&str> = parameters.split(", ").filter(|parameter| !parameter.is_empty()).collect();
        let said = said.iter().map(|parameter| parameter.split_once(": ").map_or("", |(_, kind)| kind));
        let is: Vec<String> = function.params().map(|kind| kind.to_string()).collect();
        ensure!(said.eq(is.iter().map(String::as_str)), "{name}({parameters}) takes {is:?}");
        ensure!(function.results().map(|kind| kind.to_string()).eq(["i32".to_owned()]), "{name}: results");
    }
    ensure!(document.matches("\n| `claviger_").count() == functions, "it names functions that are not there");
    Ok(())
}

#[test]
fn it_has_every_code_and_status_with_its_number() -> Result<()> {
    let document = document()?;
    let rows = |heading: &str, end: &str| -> Result<Vec<String>> {
        let (_, section) = document.split_once(heading).with_context(|| format!("no {heading}"))?;
        let section = section.split(end).next().unwrap_or_default();
        Ok(section.lines().filter(|line| line.contains("| `")).map(str::to_owned).collect())
    };
    let codes = DenialCode::ALL.iter().map(|code| format!("| {} | `{code}` |", code.number()));
    ensure!(rows("\n## Denial codes\n", "\n## ")? == codes.collect::<Vec<_>>(), "denial codes");

    let errors = (1..=u8::MAX).map_while(|number| Some((number, KeyringError::from_number(number, [1, 1])?)));
    let errors = errors.map(|(number, error)| format!("| {number} | `{}` |", error.as_str()));
    let (said, errors) = (rows("\n| keyring error |", "\n\n")?, errors.collect::<Vec<_>>());
    ensure!(said.len() == errors.len(), "{} keyring errors", said.len());
    for (said, error) in said.iter().zip(errors) {
        ensure!(said.starts_with(&error), "{said}: {error}");
    }

    let source = read("crates/wasm-module/src/status.rs")?;
    let statuses = source.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
    let statuses = statuses.filter_map(|line| line.strip_suffix(");")?.split_once(": Self = Self("));
    let statuses: Vec<String> = statuses.map(|(name, number)| format!("| {number} | `{name}` |")).collect();
    ensure!(statuses.len() == 11, "status.rs is read wrongly: {statuses:?}");
    let said = rows("\n| status |", "\n\n")?;
    ensure!(said.len() == statuses.len(), "{} statuses", said.len());
    for (said, status) in said.iter().zip(statuses) {
        ensure!(said.starts_with(&status), "{said}: {status}");
    }
    Ok(())
}

#[test]
fn it_has_every_kind_with_its_number() -> Result<()> {
    let document = document()?;
    let kinds: Vec<KeyKind> = (1..=u8::MAX).map_while(KeyKind::from_number).collect();
    ensure!(kinds.len() == 9, "{kinds:?}");
    for kind in kinds {
        ensure!(document.contains(&format!("{} {kind}", kind.number())), "{kind}");
    }
    for part in [PartKind::Chunk, PartKind::Page] {
        ensure!(document.contains(&format!("{} {part}", part.number())), "{part}");
    }
    for freshness in (1..=u8::MAX).map_while(|number| Freshness::from_number(number, 0, 0)) {
        let said = format!("{} {}", freshness.number(), freshness.as_str());
        ensure!(document.contains(&said), "{said}");
    }
    ensure!(document.contains(&format!("record of {VERDICT_RECORD_LEN} bytes")), "length of the record");
    Ok(())
}

/// Offsets and types of the first drawing of bytes in the documentation of a source.
fn drawn(source: &str) -> Vec<(String, String)> {
    let drawing = source.split("```text").find(|rest| rest.contains(" 0  u8 ")).unwrap_or_default();
    let drawing = drawing.split("```").next().unwrap_or_default();
    let field = |line: &str| {
        // What goes on in a further line is indented deeper than any offset.
        let line = line.trim().trim_start_matches(['/', '!']);
        let mut words = line.strip_prefix("     ").map_or(line, |_| "").split_whitespace();
        let offset = words.next().filter(|word| word.parse::<u16>().is_ok())?;
        let kind = match words.next() {
            Some(kind @ ("u8" | "u16" | "u32" | "u64" | "i64")) => kind,
            Some("32") => "32 bytes",
            Some("40") => "40 bytes",
            _ => "",
        };
        Some((offset.to_owned(), kind.to_owned()))
    };
    drawing.lines().filter_map(field).collect()
}

#[test]
fn its_records_have_the_fields_of_the_source() -> Result<()> {
    let document = document()?;
    for (heading, path) in [
        ("\n## The verdict\n", "crates/core/src/record.rs"),
        ("\n## The context record\n", "crates/core/src/context.rs"),
        ("\n## The policy\n", "crates/core/src/keyring/policy.rs"),
        ("\n## The signature policy\n", "crates/core/src/request_record.rs"),
        ("\n## The signature\n", "crates/core/src/signature/record.rs"),
    ] {
        let (_, section) = document.split_once(heading).with_context(|| format!("no {heading}"))?;
        let section = section.split("\n## ").next().unwrap_or_default();
        let cells = section.lines().map(|line| line.split('|').map(str::trim));
        let said: Vec<(String, String)> = cells
            .filter_map(|mut cells| Some((cells.nth(1)?.to_owned(), cells.next()?.to_owned())))
            .filter(|(offset, _)| offset.parse::<u16>().is_ok())
            .collect();
        let source = drawn(&read(path)?);
        ensure!(source.len() > 5, "{path} is read wrongly: {source:?}");
        ensure!(said == source, "{path}: {source:?}, and ABI.md: {said:?}");
    }
    Ok(())
}
