//! The worker on the real services. Every test that accepts a message ends in the conservation check.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alerts;
mod commands;
mod crashes;
mod drain;
mod exports;
mod files;
mod follow_ons;
mod hospitals;
mod leaks;
mod load;
mod pauses;
mod poison;
mod redrive;
mod reports;
mod restarts;
mod rights;
mod risk;
mod sealed;
mod seams;
mod starts;
mod support;
mod tls;
mod traces;
mod verdicts;
mod waits;
