//! The embedded module with a door in front of `claviger_verify_key`: at three times that no request has, it hangs,
//! traps or lies; at every other it is the real module. So faults come when a test wants them, and only then. An instance
//! that had one traps from then on, so whoever uses it again shows.

use claviger_host::{EMBEDDED_MODULE, Module, core::RequestContext, wasmtime::Engine};
use std::sync::OnceLock;

/// The call never ends by itself.
pub(crate) const HANG: RequestContext = RequestContext::at(1);
/// The call traps.
pub(crate) const TRAP: RequestContext = RequestContext::at(2);
/// The call returns *verified*, whatever the record says.
pub(crate) const LIE: RequestContext = RequestContext::at(3);

/// The module in this engine.
#[expect(unsafe_code, reason = "the bytes come from precompile in this process")]
pub(crate) fn module(engine: &Engine) -> Module {
    static PRECOMPILED: OnceLock<Vec<u8>> = OnceLock::new();
    let precompiled = PRECOMPILED.get_or_init(|| {
        let module = Module::new(&super::fixtures::still_engine(), &with_door(EMBEDDED_MODULE)).unwrap();
        module.precompile().unwrap()
    });
    // SAFETY: the bytes come from `precompile`, and nobody else has them.
    unsafe { Module::from_precompiled(engine, precompiled) }.unwrap()
}

const FUNCTIONS: u8 = 3;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;
const NAME: &[u8] = b"claviger_verify_key";

/// Adds one function to the module, which calls the old one, and exports it in the old one's place.
fn with_door(wasm: &[u8]) -> Vec<u8> {
    let sections = sections(wasm);
    let content = |id| &wasm[sections.iter().find(|section| section.id == id).unwrap().content.clone()];

    let types = content(FUNCTIONS);
    // The module has no imports, so the number of its functions is the index of the next one.
    let (door, first) = number(types);
    let (old, place) = exported_function(content(EXPORTS));
    assert_eq!(types.len(), first + door, "every type index must take one byte");
    let old_type = types[first + old];

    let mut made = wasm[..8].to_vec();
    for section in &sections {
        let mut content = wasm[section.content.clone()].to_vec();
        match section.id {
            FUNCTIONS => content = one_more(&content, &[old_type]),
            EXPORTS => {
                let old_len = leb128(old).len();
                content.splice(place..place + old_len, leb128(door));
            }
            CODE => content = one_more(&content, &door_code(old)),
            _ => {}
        }
        made.push(section.id);
        made.extend(leb128(content.len()));
        made.extend(content);
    }
    made
}

/// The body of the door, with its length.
fn door_code(old: usize) -> Vec<u8> {
    let if_now_is = |context: RequestContext| {
        let now = u8::try_from(context.now).unwrap();
        [0x20, 1, 0x42, now, 0x51, 0x04, 0x40] // local.get 1, i64.const now, i64.eq, if
    };
    let call_old = || [&[0x20, 0, 0x20, 1, 0x10][..], &leb128(old)].concat();
    // The first byte of the memory belongs to nobody: it is where a null pointer points.
    let mark = [0x41, 0, 0x41, 1, 0x3a, 0, 0]; // i32.const 0, i32.const 1, i32.store8
    let body = [
        &[0][..],                  // no locals
        &[0x41, 0, 0x2d, 0, 0],    // i32.const 0, i32.load8_u
        &[0x04, 0x40, 0x00, 0x0b], // if, unreachable, end
        &if_now_is(HANG),
        &mark,
        &[0x03, 0x40, 0x0c, 0, 0x0b, 0x0b], // loop, br 0, end, end
        &if_now_is(TRAP),
        &mark,
        &[0x00, 0x0b], // unreachable, end
        &if_now_is(LIE),
        &mark,
        &call_old(),
        &[0x1a, 0x41, 0, 0x0f, 0x0b], // drop, i32.const 0, return, end
        &call_old(),
        &[0x0b],
    ]
    .concat();
    [leb128(body.len()), body].concat()
}

/// The index of the exported function, and where it stands in the section.
fn exported_function(exports: &[u8]) -> (usize, usize) {
    let name = exports.windows(NAME.len()).position(|window| window == NAME).unwrap();
    let place = name + NAME.len() + 1; // behind the kind
    (number(&exports[place..]).0, place)
}

/// A vector with one element more at its end.
fn one_more(vector: &[u8], element: &[u8]) -> Vec<u8> {
    let (count, first) = number(vector);
    [leb128(count + 1), vector[first..].to_vec(), element.to_vec()].concat()
}

/// A section of a module.
pub(crate) struct Section {
    pub(crate) id: u8,
    /// Where its id stands.
    pub(crate) start: usize,
    pub(crate) content: std::ops::Range<usize>,
}

/// The sections of a module that is whole.
pub(crate) fn sections(wasm: &[u8]) -> Vec<Section> {
    let (mut sections, mut start) = (Vec::new(), 8);
    while start < wasm.len() {
        let (size, after) = number(&wasm[start + 1..]);
        let content = start + 1 + after..start + 1 + after + size;
        let next = content.end;
        sections.push(Section { id: wasm[start], start, content });
        start = next;
    }
    assert_eq!(start, wasm.len());
    sections
}

/// An unsigned LEB128 number, and its length.
fn number(bytes: &[u8]) -> (usize, usize) {
    let len = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let value = bytes[..len].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    (value, len)
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
