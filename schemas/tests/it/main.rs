//! What the contract crate promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alerting;
mod audit;
mod canonical;
mod envelope;
mod fhir;
mod instrument_files;
mod json_schemas;
mod known_scores;
mod names;
mod parsing;
mod pro_ctcae;
mod resolving;
mod sample;
mod sealing;
