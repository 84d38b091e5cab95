//! Alerts: who must be told of them, who was told, and what ends them.
//!
//! An alert that isn't done is *due* once its `next_at` has come. Whoever claims it moves that time, so
//! that nobody else tells the same people; if they die over it, it is due again. A [`Notice`] is written
//! before it is sent and after, by the key (alert, channel, recipient).

mod due;
mod end;
mod list;
mod notice;
mod raise;

pub use due::{Claim, Next};
pub use end::{Ended, Party};
pub use list::{AlertNow, NoticeRow, Undone, UndoneOf};
pub use notice::{Notice, Outcome, Target};
