//! What foreign systems are made of: a door, a manner that changes while they run, and a log of every call.
//!
//! [`crate::SampleHospital`] and [`crate::RiskModel`] are such systems. None of them shares
//! code with the product: what they accept is written after the standards.

pub mod calls;
pub mod control;
pub(crate) mod diary;
pub mod door;
pub mod http_door;
pub mod manner;

pub use calls::{Call, Calls};
pub use door::Door;
pub use manner::{Manner, Mannered};
