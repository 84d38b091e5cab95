//! The contract of epro-relay, without any I/O: what a submission is, what an
//! instrument makes of it, how its content is recognised again, and how it
//! travels sealed from the door to the store.
//!
//! Everything here is a pure function of its arguments, so that the door, the
//! workers and whoever reads an old message agree on what it says.

pub mod alert;
pub mod audit;
pub mod audit_note;
pub mod canonical;
pub mod envelope;
pub mod export;
pub mod fhir;
pub mod instrument;
mod json;
pub mod json_schema;
pub mod key;
pub mod kind;
pub mod phi;
pub mod pseudonym;
pub mod receipt;
pub mod report;
pub mod seal;
pub mod sealed;
pub mod submission;
pub mod violation;
