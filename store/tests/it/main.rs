//! The store against a real PostgreSQL, a private database for each test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alerts;
mod at_once;
mod audit;
mod chunks;
mod conditions;
mod dead_letters;
mod deliveries;
mod fates;
mod faults;
mod follow_ons;
mod grants;
mod hospitals;
mod leases;
mod looking;
mod migrations;
mod pauses;
mod races;
mod roles;
mod secrets;
mod status;
mod support;
mod suspects;
mod told;
mod views;
