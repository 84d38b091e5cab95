//! Bad days, each lived through once on real processes, and judged by what the foreign system itself wrote
//! down: how often a hospital was called, when, and what it has in the end.
//!
//! | module | the day |
//! |---|---|
//! | [`limit`] | replicas come, go, are killed and stand still: a hospital's pace holds |
//! | [`outage`] | a hospital is down for two hours: nothing is charged, nobody else notices |
//! | [`silence`] | nobody can be told of an alert for two hours: then everybody is, once |
//! | [`notices`] | dangerous answers behind a backlog |
//! | [`many`] | four hundred hospitals |
//! | [`evening`] | 20,000 patients' evening at ten times its real peak |
//! | [`pause`] | lanes and hospitals are paused while everything flows |
//!
//! [`finding`] is a figure beside what it must be, [`record`] what is kept of a run.
//!
//! Two hours are two minutes at a time scale of 1:60; the pace of calls is never scaled.

mod callers;
pub mod evening;
pub mod finding;
pub mod limit;
pub mod many;
pub mod notices;
pub mod outage;
pub mod pause;
pub mod record;
pub mod silence;

/// Two hours in two minutes.
const HURRY: f64 = 1.0 / 60.0;
/// The two hours.
const TWO_HOURS: std::time::Duration = std::time::Duration::from_secs(120);
