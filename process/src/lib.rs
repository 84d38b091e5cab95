//! What every process of ours needs: configuration, who asks, telemetry, health, shutdown.
//!
//! Nothing here knows the broker or the database.

pub mod auth;
pub mod certificate;
pub mod config;
pub mod health;
pub mod objects;
pub mod panic;
pub mod rotation;
pub mod server;
pub mod shutdown;
pub mod task;
pub mod telemetry;
pub mod tls;
pub mod traces;
