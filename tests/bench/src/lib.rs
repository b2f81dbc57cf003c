//! What the programs that measure have in common.

pub mod figures;
pub mod memory;
pub mod rings;
pub mod rounds;
