//! Up to which anchor events have to be all there: up to the last one where they come from the database itself; a copy
//! is as old as it is, and what was written after it is not missing from it.

use serde::Deserialize;
use uuid::Uuid;

/// The action of the event that says that a copy was taken.
pub const EXPORTED: &str = "audit.exported";

/// What its `details` say of how far the copy goes: the last anchor that the trail told of; 0: there was none yet.
#[derive(Deserialize)]
struct Exported {
    anchor: u64,
}

/// Which anchors were asked whether something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All.
    All,
    /// All: the copy doesn't say how far it goes.
    AllForWantOfWord,
    /// All: the copy says that it goes up to this one, by an event that later anchors would have, and haven't.
    AllAgainstWord(u64),
    /// Those up to this one.
    UpTo(u64),
}

impl Asked {
    /// The last one that was.
    pub(super) fn until(self) -> u64 {
        match self {
            Self::All | Self::AllForWantOfWord | Self::AllAgainstWord(_) => u64::MAX,
            Self::UpTo(anchor) => anchor,
        }
    }
}

/// Where events come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    Database,
    /// A copy, and up to which anchor it goes if somebody says so.
    Copy(Option<u64>),
}

/// How far a copy goes, as it says itself and as its events show.
#[derive(Debug, Default)]
pub(super) struct Word {
    said: Option<Said>,
    shown: u64,
}

#[derive(Debug)]
struct Said {
    anchor: u64,
    writer: Uuid,
    seq: i64,
}

impl Word {
    /// An event of an export. The copy's own goes furthest: those of earlier ones are in it, too.
    pub(super) fn says(&mut self, details: &str, writer: Uuid, seq: i64) {
        let Ok(Exported { anchor }) = serde_json::from_str(details) else { return };
        if self.said.as_ref().is_none_or(|said| said.anchor < anchor) {
            self.said = Some(Said { anchor, writer, seq });
        }
    }

    /// An event that was there only after this anchor was made. A copy is of one instant: whoever has the event has all
    /// that the anchor has.
    pub(super) fn shows(&mut self, anchor: u64) {
        self.shown = self.shown.max(anchor);
    }

    /// Which anchors are to be asked. `behind` counts those after one, `vouched` is whether an anchor has an event.
    pub(super) fn asked(
        &self,
        origin: Origin,
        behind: impl Fn(u64) -> usize,
        vouched: impl Fn(Uuid, i64) -> bool,
    ) -> Asked {
        match (origin, &self.said) {
            (Origin::Database, _) => Asked::All,
            (Origin::Copy(Some(anchor)), _) => Asked::UpTo(anchor),
            (Origin::Copy(None), None) => Asked::AllForWantOfWord,
            (Origin::Copy(None), Some(said)) => {
                let until = said.anchor.max(self.shown);
                // One anchor may have been on its way when the copy was taken; the next has the export's event.
                if behind(until) > 1 && !vouched(said.writer, said.seq) {
                    Asked::AllAgainstWord(until)
                } else {
                    Asked::UpTo(until)
                }
            }
        }
    }
}
