//! The audit trail as it leaves the database, and how anybody checks it without us: no I/O, and no code of the
//! store's.
//!
//! | module | is |
//! |---|---|
//! | [`row`] | what a row of the trail says, and the bytes that its hash covers |
//! | [`event`] | the same as a line of NDJSON |
//! | [`anchor`] | a signed statement of how far every chain was, kept outside the database |
//! | [`verifier`] | finds the first sequence at which a chain is no longer what it was |
//! | [`extent`] | up to which anchor nothing may be missing: a copy is as old as it is |
//! | [`findings`] | what it found |
//! | [`fhir`] | an event as a FHIR R4 AuditEvent |

pub mod anchor;
pub mod anchors;
pub mod digest;
mod doubt;
pub mod event;
pub mod extent;
pub mod fhir;
pub mod findings;
pub mod row;
pub mod verifier;
