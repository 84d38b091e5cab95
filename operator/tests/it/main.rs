//! `epro` as its users run it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod attempts;
mod audit;
mod config_check;
mod console;
mod dead_letters;
mod doctor;
mod logins;
mod looking;
mod migrate;
mod queues;
mod reconcile;
mod redrives;
mod roles;
mod screen;
mod topology;
