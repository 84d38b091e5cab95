//! A private database, sample rows, and an independent reading of the audit chain.

pub(crate) mod chain;
pub(crate) mod database;
pub(crate) mod relay;
pub(crate) mod sample;
