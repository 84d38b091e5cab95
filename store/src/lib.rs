//! What epro-relay keeps in PostgreSQL, and the only crate that names tokio-postgres.
//!
//! One idea: a [`Committed`] exists only after `COMMIT` was answered, and only with a
//! `Committed` in hand may a delivery be acked. Everything else here serves that:
//!
//! | module | does |
//! |---|---|
//! | [`pool`] | [`Store`]: a lazy pool of bounded connections |
//! | [`migrate`] | the schemas `identified`, `research`, `ops`, `audit`, their roles and grants |
//! | [`submissions`] | a chunk of submissions in one transaction, with a verdict for each |
//! | [`conditions`] | what operators are told of: once when it starts, once when it clears |
//! | [`bound`] | of which studies and sites somebody may see and touch what is there |
//! | [`dead_letters`] | what was set aside with a reason |
//! | [`commands`] | what the door asks for, done once |
//! | [`alerts`] | who must be told of them, who was told, and what ends them |
//! | [`follow_ons`] | alerts, hospital deliveries and risk questions that must still be published |
//! | [`deliveries`] | what is to go to a hospital, and what became of each call |
//! | [`risk`] | what a study's risk model is asked, and what it answered |
//! | [`exports`] | what was asked for in bulk, how far it is, its rows page by page |
//! | [`hospitals`] | how each hospital is, as the owner of its lease sees it |
//! | [`trace`] | what became of a submission, step by step |
//! | [`reconcile`] | what a lost queue held is published once more |
//! | [`redrives`] | redrives as jobs: how far each is, what becomes of each dead letter |
//! | [`server`] | how the database server is: clock, connections, who may change what |
//! | [`suspects`] | deliveries that came back after a crash |
//! | [`lease`] | ownership that expires |
//! | [`oldest`] | since when the oldest of each kind of work waits |
//! | [`overview`] | what an operator sees at a glance |
//! | [`pause`] | what an operator, or a lane itself, stopped on purpose |
//! | [`audit`] | who did what: append-only, each row with the hash of the one before it |
//! | [`status`] | where a submission stands |
//! | [`reports`] | what hospitals know of a patient, under a seal, until it expires |
//! | [`responses`] | what became of one message; a stored response without its patient |
//! | [`error`] | whose fault a failure is, told by type, never with a value |

pub mod alerts;
pub mod audit;
pub mod bound;
mod certificate;
pub mod commands;
pub mod conditions;
pub mod dead_letters;
pub mod deliveries;
pub mod error;
pub mod exports;
pub mod follow_ons;
pub mod hospitals;
pub mod lease;
pub mod migrate;
pub mod oldest;
pub mod overview;
pub mod pause;
pub mod pool;
pub mod reconcile;
pub mod redrives;
pub mod reports;
pub mod responses;
pub mod risk;
pub mod server;
mod session;
pub mod status;
mod step;
pub mod submissions;
pub mod suspects;
pub mod trace;
mod transaction;
mod within;

pub use audit::AuditChain;
pub use bound::Bound;
pub use error::StoreError;
pub use pool::{DatabaseUrl, Store};
pub use submissions::Committed;
