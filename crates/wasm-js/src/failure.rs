//! What calls return that may fail.

use crate::exchange::put;

/// Why a call failed: TypeScript makes a `ClavigerError` of it.
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl ToString) -> Self {
        Self { code, message: message.to_string() }
    }

    /// The same, naming the option at fault.
    pub(crate) fn at(self, option: &str) -> Self {
        Self { message: format!("{option}: {}", self.message), ..self }
    }

    /// Leaves it for JavaScript: code and message, in two lines.
    pub(crate) fn put(self) {
        put(format!("{}\n{}", self.code, self.message).into_bytes());
    }
}

/// What a call returns that may fail: a number from 0 on, or -1 and a failure in the buffer.
pub(crate) fn status(result: Result<u32, Failure>) -> i32 {
    match result {
        Ok(number) => number as i32,
        Err(failure) => {
            failure.put();
            -1
        }
    }
}

/// What a call returns that answers with bytes: 0 and they are in the buffer, or -1 and a failure is.
pub(crate) fn answer(result: Result<impl Into<Vec<u8>>, Failure>) -> i32 {
    status(result.map(|answer| {
        put(answer.into());
        0
    }))
}
