//! Notes for the audit trail of what leaves no submission behind. Counted in memory, published every few seconds, so
//! that a flood of refusals becomes a few messages, and the longer it lasts the fewer; but for the readings that show a
//! patient, which are published before they are given.

mod notes;
mod pace;
mod post;
mod witness;

pub(crate) use notes::{Event, Notes, Origin, REFUSED};
pub(crate) use post::Post;
pub(crate) use witness::Witness;
