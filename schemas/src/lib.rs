//! (being written)

pub mod receipt;
