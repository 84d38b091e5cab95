//! Notes for the audit trail of what leaves no submission behind. Counted in memory, published
//! every few seconds, so that a flood of refusals becomes a few messages.

mod notes;
mod post;

pub(crate) use notes::{Event, Notes, Origin, REFUSED};
pub(crate) use post::Post;
