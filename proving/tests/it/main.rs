//! The oracle must itself be trustworthy: what it creates goes away, what it checks can fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod autoscaling;
mod compose;
mod conserves;
mod documents;
mod evening;
mod foreign;
mod fuzzing;
mod manifests;
mod own_services;
mod proof;
mod receipts;
mod scaling_page;
mod security;
mod skipped;
mod supply;
