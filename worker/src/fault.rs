//! Named seams at which a test build can be made to panic, abort or stall.
//!
//! Only builds with debug assertions look at `EPRO_FAULT`; in a release build [`at`] is empty. The
//! variable holds `seam[:submission id]=panic|abort|stall`, several of them separated by commas; the words of
//! a panic are those of `EPRO_FAULT_WORDS`, which no log may repeat.

use uuid::Uuid;

/// A place in the route of a submission where the process can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seam {
    /// A chunk has come from the broker, nothing of it was read.
    Received,
    /// The submission is decoded, nothing was done about it.
    Process,
    /// The rows of the chunk are made, none was written.
    BeforeCommit,
    /// The rows are committed, no follow-on was published.
    AfterCommit,
    /// The follow-ons are confirmed, the delivery is not acked.
    BeforeAck,
    /// A notice is marked as being sent, nothing was sent.
    BeforeNotice,
    /// The channel has taken the notice, nothing of that is recorded.
    AfterNotice,
    /// The notice is recorded as sent, its message isn't acked.
    NoticeRecorded,
    /// A hospital is about to be called.
    BeforeCall,
    /// It has answered, nothing was recorded.
    AfterCall,
    /// What it answered is recorded, the delivery is not acked.
    AfterRecord,
    /// The process was told to leave and has stopped dispatching.
    Drain,
}

/// Fails here if the environment of a test build says so.
#[cfg(not(debug_assertions))]
pub(crate) fn at(_seam: Seam, _submission: Option<Uuid>) {}

/// Fails here if the environment of a test build says so.
#[cfg(debug_assertions)]
pub(crate) fn at(seam: Seam, submission: Option<Uuid>) {
    planted::fail_if_planted(seam, submission);
}

#[cfg(debug_assertions)]
mod planted {
    use super::Seam;
    use std::sync::LazyLock;
    use uuid::Uuid;

    struct Planted {
        seam: String,
        submission: Option<Uuid>,
        how: String,
    }

    static PLANTED: LazyLock<Vec<Planted>> = LazyLock::new(|| {
        let text = std::env::var("EPRO_FAULT").unwrap_or_default();
        text.split(',').filter_map(parse).collect()
    });

    fn parse(entry: &str) -> Option<Planted> {
        let (place, how) = entry.trim().split_once('=')?;
        let (seam, submission) = match place.split_once(':') {
            Some((seam, id)) => (seam, Some(id.parse().ok()?)),
            None => (place, None),
        };
        Some(Planted { seam: seam.to_owned(), submission, how: how.to_owned() })
    }

    #[expect(clippy::panic, reason = "a planted panic is what the test asked for")]
    pub(super) fn fail_if_planted(seam: Seam, submission: Option<Uuid>) {
        let name = format!("{seam:?}").to_lowercase();
        for planted in PLANTED.iter() {
            let here =
                planted.seam == name && (planted.submission.is_none() || planted.submission == submission);
            match planted.how.as_str() {
                "panic" if here => panic!("{}", std::env::var("EPRO_FAULT_WORDS").unwrap_or_default()),
                "abort" if here => std::process::abort(),
                "stall" if here => std::thread::park(),
                _ => {}
            }
        }
    }
}
