//! Text and bytes on their way in and out: one buffer that JavaScript writes before a call, and reads after it. So nothing but
//! numbers crosses the border, and the glue, which every download has, is small.

use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use zeroize::{Zeroize, Zeroizing};

thread_local! {
    static EXCHANGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for `len` bytes, and says where; 0 if there is no memory left. What was there is overwritten.
#[wasm_bindgen]
pub fn exchange(len: u32) -> u32 {
    EXCHANGE.with_borrow_mut(|bytes| {
        bytes.zeroize();
        if bytes.try_reserve_exact(len as usize).is_err() {
            return 0;
        }
        bytes.resize(len as usize, 0);
        bytes.as_ptr() as usize as u32
    })
}

/// Where a call has left what it answers.
#[wasm_bindgen]
pub fn exchanged() -> u32 {
    EXCHANGE.with_borrow(|bytes| bytes.as_ptr() as usize as u32)
}

/// How many bytes a call has left.
#[wasm_bindgen]
pub fn exchanged_len() -> u32 {
    EXCHANGE.with_borrow(|bytes| bytes.len() as u32)
}

/// Takes what JavaScript wrote.
pub(crate) fn take() -> Vec<u8> {
    EXCHANGE.take()
}

/// Takes what JavaScript wrote, as lines of text; none that is no UTF-8.
pub(crate) fn take_text() -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8(take()).unwrap_or_default())
}

/// Leaves bytes for JavaScript.
pub(crate) fn put(answer: Vec<u8>) {
    EXCHANGE.set(answer);
}
