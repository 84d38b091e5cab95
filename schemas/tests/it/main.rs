//! What the contract crate promises.

mod alerting;
mod canonical;
mod envelope;
mod instrument_files;
mod json_schemas;
mod known_scores;
mod parsing;
mod pro_ctcae;
mod resolving;
mod sample;
mod sealing;
