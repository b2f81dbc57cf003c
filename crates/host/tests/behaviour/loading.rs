//! Which bytes become a module, and what is said of those that do not.

use crate::{
    fault_door::sections,
    fixtures::{AT_NOW, Random, embedded, issuing, key, live, still_engine, trusting},
};
use claviger_host::{
    EMBEDDED_MODULE, HostError, Module, PoolOptions, Verifier, new_engine,
    wasmtime::{self, Config, Engine, ExternType, ValType},
};
use std::error::Error as _;

const CUSTOM: u8 = 0;

fn error(wasm: &[u8]) -> HostError {
    Module::new(embedded().engine(), wasm).expect_err("the module must be refused")
}

fn verifies(module: &Module) -> bool {
    let secret = issuing(1, 7);
    let presented = key(live(), &secret);
    let verifier = Verifier::new(module, trusting(secret), PoolOptions::default()).unwrap();
    verifier.verify_key(presented, &AT_NOW).is_verified()
}

#[test]
fn the_embedded_module_loads_in_an_engine_of_its_own() {
    assert!(verifies(&Module::embedded().unwrap()));
}

#[test]
fn every_cut_is_refused_and_within_a_section_it_is_named() {
    let sections = sections(EMBEDDED_MODULE);
    // Custom sections at the end do nothing; without them the module is still whole.
    let whole = sections.iter().rev().find(|section| section.id != CUSTOM).unwrap().content.end;
    let boundary = |len| len == 8 || sections.iter().any(|section| section.start == len);
    let mut at_boundaries = 0;
    for len in 0..EMBEDDED_MODULE.len() {
        let cut = &EMBEDDED_MODULE[..len];
        if !boundary(len) {
            match error(cut) {
                HostError::Truncated { len: found, needed } => {
                    assert_eq!(found, len);
                    assert!(len < needed && needed <= EMBEDDED_MODULE.len(), "{len}: {needed}");
                }
                other => panic!("{len} bytes: {other:?}"),
            }
        } else if len < whole {
            at_boundaries += 1;
            let error = error(cut);
            let named = matches!(error, HostError::InvalidModule(_) | HostError::MissingExport { .. });
            assert!(named, "{len} bytes: {error:?}");
        } else {
            assert!(verifies(&Module::new(embedded().engine(), cut).unwrap()));
        }
    }
    assert!(at_boundaries >= 5, "{at_boundaries} boundaries");
}

#[test]
fn imports_are_refused_by_name() {
    let wat = r#"(module
        (import "env" "now" (func (result i64)))
        (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
        (memory (export "memory") 1))"#;
    let error = error(&wat::parse_str(wat).unwrap());
    let HostError::HasImports { imports } = &error else { panic!("{error:?}") };
    assert_eq!(imports, &["env.now", "wasi_snapshot_preview1.random_get"]);
    assert!(error.to_string().contains("env.now, wasi_snapshot_preview1.random_get"), "{error}");
}

#[test]
fn another_version_of_the_abi_is_refused() {
    for version in [0, 1, 2, 3, 5, u32::MAX] {
        let wat = format!(
            r#"(module (func (export "claviger_abi_version") (result i32) i32.const {}))"#,
            version.cast_signed()
        );
        match error(&wat::parse_str(wat).unwrap()) {
            HostError::WrongAbiVersion { found, expected: 4 } => assert_eq!(found, version),
            other => panic!("{other:?}"),
        }
    }
}

/// A module with the whole ABI, except for what `replace` takes from its text. It answers with the record in its
/// data, and returns the number in front of it.
fn stub(replace: &str, by: &str) -> HostError {
    let wat = r#"(module
        (memory (export "memory") 1)
        (func (export "claviger_abi_version") (result i32) i32.const 4)
        (func (export "claviger_input") (result i32) i32.const 1024)
        (func (export "claviger_input_capacity") (result i32) i32.const 1024)
        (func (export "claviger_output") (result i32) i32.const 64)
        (func (export "claviger_verifier_begin") (param i32) (result i32) i32.const 0)
        (func (export "claviger_verifier_add_issuing_secret") (param i32 i32) (result i32) i32.const 0)
        (func (export "claviger_verifier_commit") (result i32) i32.const 0)
        (func (export "claviger_verify_key") (param i32 i64) (result i32) i32.const 0)
        (func (export "claviger_verify_key_in_context") (param i32 i32) (result i32) i32.const 0)
        (func (export "claviger_verify_request") (param i32 i32 i32 i32 i32 i32) (result i32) i32.const 0)
        (data (i32.const 64) "\00\03\0e\01\09\00\00\00") ;; verified, signed, with id and times, stateless, nine
        (data (i32.const 96) "self_test"))"#;
    assert!(wat.contains(replace), "{replace}");
    error(&wat::parse_str(wat.replace(replace, by)).unwrap())
}

#[test]
fn a_module_without_the_abi_is_refused_by_what_it_lacks() {
    match error(&wat::parse_str("(module)").unwrap()) {
        HostError::MissingExport { name: "claviger_abi_version" } => {}
        other => panic!("{other:?}"),
    }
    for name in [
        "claviger_abi_version",
        "claviger_input",
        "claviger_input_capacity",
        "claviger_output",
        "claviger_verifier_begin",
        "claviger_verifier_add_issuing_secret",
        "claviger_verifier_commit",
        "claviger_verify_key",
        "claviger_verify_key_in_context",
        "claviger_verify_request",
        "memory",
    ] {
        match stub(&format!(r#""{name}""#), r#""something_else""#) {
            HostError::MissingExport { name: missing } => assert_eq!(missing, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    // The name alone is not enough.
    match stub("(param i32 i64) (result i32) i32.const 0", "(param i32 i32) (result i32) i32.const 0") {
        HostError::MissingExport { name: "claviger_verify_key" } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_that_decides_wrongly_is_refused() {
    let verify = "(param i32 i64) (result i32) i32.const 0";
    let answer = |code: &str| stub(verify, &verify.replace("i32.const 0", code));
    // Verified, whatever is presented, with a record that says so.
    assert!(matches!(stub("nine", "nine"), HostError::SelfTestFailed));
    // The returned code and the record say different things.
    assert!(matches!(answer("i32.const 6"), HostError::InvalidAnswer));
    // No code has this number, and no verdict this record.
    assert!(matches!(stub(r#""\00\03"#, r#""\c8\03"#), HostError::InvalidAnswer));
    assert!(matches!(stub(r#""\00\03"#, r#""\00\63"#), HostError::InvalidAnswer));
    // An output beyond the memory.
    assert!(matches!(stub("i32.const 64)\n", "i32.const 65500)\n"), HostError::InvalidAnswer));
    assert!(matches!(answer("unreachable"), HostError::Trapped(_)));
    match stub("(param i32 i32) (result i32) i32.const 0", "(param i32 i32) (result i32) i32.const -4") {
        HostError::Refused { status: -4 } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_webassembly_is_refused() {
    let mut random = Random(1);
    for len in [1, 7, 8, 9, 64, 1000, 65536] {
        let error = error(&random.bytes(len));
        assert!(matches!(error, HostError::InvalidModule(_)), "{len} random bytes: {error:?}");
        assert!(error.source().is_some(), "wasmtime's reason must not be lost");
    }
    let text = error(b"not a module, but a text");
    assert!(matches!(text, HostError::InvalidModule(_)), "{text:?}");
    // The header is right and the rest is random, as after a transfer that went wrong.
    for _ in 0..200 {
        let wasm = [&EMBEDDED_MODULE[..8], &random.bytes(100)].concat();
        let error = error(&wasm);
        let refused = matches!(error, HostError::InvalidModule(_) | HostError::Truncated { .. });
        assert!(refused, "{error:?}");
    }
}

#[test]
fn an_engine_that_cannot_interrupt_is_refused() {
    let engine = Engine::new(&Config::new()).unwrap();
    let error = Module::new(&engine, EMBEDDED_MODULE).expect_err("the engine must be refused");
    assert!(matches!(error, HostError::EngineWithoutEpochs), "{error:?}");
}

#[test]
#[expect(unsafe_code, reason = "precompiled code is what this is about")]
fn a_precompiled_module_is_the_same_module() {
    let precompiled = embedded().precompile().unwrap();
    // SAFETY: the bytes come from `precompile`.
    let module = unsafe { Module::from_precompiled(&still_engine(), &precompiled) }.unwrap();
    assert!(verifies(&module));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("claviger.cwasm");
    std::fs::write(&file, precompiled).unwrap();
    // SAFETY: the bytes come from `precompile`, and the folder is this test's own.
    let module = unsafe { Module::from_precompiled_file(&still_engine(), &file) }.unwrap();
    assert!(verifies(&module));
}

#[test]
#[expect(unsafe_code, reason = "precompiled code is what this is about")]
fn what_was_not_precompiled_for_the_engine_is_refused() {
    let load = |engine: &Engine, bytes: &[u8]| {
        // SAFETY: wasmtime refuses these bytes by their form or header, before any of them is run.
        unsafe { Module::from_precompiled(engine, bytes) }.expect_err("the bytes must be refused")
    };
    let still = still_engine();
    let precompiled = embedded().precompile().unwrap();
    let other_engine = Engine::new(&Config::new()).unwrap();
    for refused in [
        load(&still, b""),
        load(&still, &Random(2).bytes(4096)),
        load(&still, EMBEDDED_MODULE),
        load(&still, &precompiled[..100]),
        load(&other_engine, &precompiled),
    ] {
        assert!(matches!(refused, HostError::InvalidPrecompiled(_)), "{refused:?}");
    }

    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.cwasm");
    // SAFETY: there is no such file.
    let error = unsafe { Module::from_precompiled_file(&still, &missing) }.expect_err("there is no file");
    match error {
        HostError::Io(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
    std::fs::write(&missing, b"garbage").unwrap();
    // SAFETY: wasmtime refuses this file by its form.
    let error = unsafe { Module::from_precompiled_file(&still, &missing) }.expect_err("the file is garbage");
    assert!(matches!(error, HostError::InvalidPrecompiled(_)), "{error:?}");
}

#[test]
fn the_embedded_module_wants_nothing_and_exports_the_abi() {
    let module = wasmtime::Module::new(&new_engine().unwrap(), EMBEDDED_MODULE).unwrap();
    assert_eq!(module.imports().count(), 0);

    let mut functions: Vec<(String, String)> = Vec::new();
    let mut memories = Vec::new();
    for export in module.exports() {
        match export.ty() {
            ExternType::Func(function) => {
                let letter = |kind: ValType| match kind {
                    ValType::I32 => 'i',
                    ValType::I64 => 'l',
                    other => panic!("{}: {other}", export.name()),
                };
                let parameters: String = function.params().map(letter).collect();
                let results: String = function.results().map(letter).collect();
                functions.push((export.name().to_owned(), format!("{parameters}->{results}")));
            }
            ExternType::Memory(_) => memories.push(export.name().to_owned()),
            _ => {}
        }
    }
    functions.sort();
    let functions: Vec<(&str, &str)> =
        functions.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    assert_eq!(
        functions,
        [
            ("claviger_abi_version", "->i"),
            ("claviger_bundle_head_len", "l->i"),
            ("claviger_generate_opaque_key", "ii->i"),
            ("claviger_generate_shared_secret", "ii->i"),
            ("claviger_generate_signed_key", "iilii->i"),
            ("claviger_input", "->i"),
            ("claviger_input_capacity", "->i"),
            ("claviger_keyring_await", "ii->i"),
            ("claviger_keyring_evict", "i->i"),
            ("claviger_keyring_info", "->i"),
            ("claviger_keyring_insert", "iii->i"),
            ("claviger_keyring_replace", "ill->i"),
            ("claviger_output", "->i"),
            ("claviger_output_capacity", "->i"),
            ("claviger_parse_key", "i->i"),
            ("claviger_part_buffer", "i->i"),
            ("claviger_signature_key_add", "iii->i"),
            ("claviger_signature_keys_clear", "->i"),
            ("claviger_verifier_add_issuing_secret", "ii->i"),
            ("claviger_verifier_add_keyring_key", "i->i"),
            ("claviger_verifier_begin", "i->i"),
            ("claviger_verifier_commit", "->i"),
            ("claviger_verifier_keyring_id", "l->i"),
            ("claviger_verifier_require", "ill->i"),
            ("claviger_verify_key", "il->i"),
            ("claviger_verify_key_in_context", "ii->i"),
            ("claviger_verify_request", "iiiiii->i"),
            ("claviger_verify_signature", "iiiiil->i"),
            ("claviger_wipe", "->i"),
        ]
    );
    assert_eq!(memories, ["memory"]);
}
