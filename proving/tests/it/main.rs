//! The oracle must itself be trustworthy: what it creates goes away, what it checks can fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod conserves;
mod evening;
mod foreign;
mod own_services;
