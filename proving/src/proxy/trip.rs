//! The byte at which a proxy fails.

use anyhow::{Context, Result};
use tokio::sync::oneshot;

use super::Mode;

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The one that connected to the proxy: a process of ours.
    Client,
    /// The service behind it.
    Server,
}

/// What makes a trip.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// These bytes, in one connection, wherever the reads happen to split them.
    Pattern(Vec<u8>),
    /// Whichever of these comes first, likewise.
    AnyOf(Vec<Vec<u8>>),
    /// So many bytes, over all connections together, since arming.
    Bytes(u64),
}

impl Trigger {
    /// `COMMIT` as a client sends it to PostgreSQL in a simple query.
    pub fn commit_sent() -> Self {
        Self::Pattern(b"COMMIT\0".to_vec())
    }

    /// The server's word that a COMMIT was done.
    pub fn commit_done() -> Self {
        Self::Pattern(b"COMMIT\0Z".to_vec())
    }

    /// Part of the statement that commits a chunk by itself, and of the last ones of a transaction of steps.
    pub fn chunk_sent() -> Self {
        Self::Pattern(b"submission.stored".to_vec())
    }

    /// The server's word that one statement has committed a chunk.
    pub fn chunk_done() -> Self {
        Self::Pattern(b"all new".to_vec())
    }

    /// A `basic.ack` frame, either way: 13 bytes long, class 60, method 80.
    pub fn ack() -> Self {
        Self::Pattern(vec![0, 0, 0, 13, 0, 60, 0, 80])
    }

    /// The head of a `basic.publish` method (class 60, method 40).
    pub fn publish() -> Self {
        Self::Pattern(vec![0, 60, 0, 40])
    }

    /// RabbitMQ waits for an ack no longer: it closes the channel, or, since 4.3, cancels the consumer (class 60,
    /// method 30), under the tag of 31 characters that it has made up itself.
    pub fn waits_for_acks_no_longer() -> Self {
        let closes = b"PRECONDITION_FAILED - delivery acknowledgement on channel".to_vec();
        let cancels = [&[0, 60, 0, 30, 31][..], &b"amq.ctag-"[..]].concat();
        Self::AnyOf(vec![closes, cancels])
    }
}

/// What a trip does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// The bytes do not pass, every connection is closed, new ones too.
    CutBefore,
    /// The bytes pass, then every connection is closed, new ones too.
    CutAfter,
    /// The bytes do not pass, both ways freeze.
    StallBefore,
    /// The bytes pass, then both ways freeze.
    StallAfter,
    /// The bytes and all that follows pass, but no more than this many a second, each way, per connection.
    SlowBefore(u32),
    /// The bytes and all that follows pass: the caller only wants to know when.
    Pass,
}

/// Waits for what was armed.
#[derive(Debug)]
pub struct Trip(oneshot::Receiver<()>);

impl Trip {
    /// Resolves when the proxy has tripped; an error if another trip replaced it.
    pub async fn tripped(self) -> Result<()> {
        self.0.await.context("the trip was replaced before it happened")
    }
}

#[derive(Debug)]
pub(super) struct Armed {
    side: Side,
    trigger: Trigger,
    then: Then,
    seen: u64,
    tell: oneshot::Sender<()>,
}

pub(super) fn arm(side: Side, trigger: Trigger, then: Then) -> (Armed, Trip) {
    let (tell, told) = oneshot::channel();
    (Armed { side, trigger, then, seen: 0, tell }, Trip(told))
}

impl Armed {
    /// What happens from now on.
    pub(super) fn mode(&self) -> Mode {
        match self.then {
            Then::CutBefore | Then::CutAfter => Mode::Cut,
            Then::StallBefore | Then::StallAfter => Mode::Stall,
            Then::SlowBefore(rate) => Mode::Slow(rate),
            Then::Pass => Mode::Pass,
        }
    }

    /// Tells the test, which may not be waiting.
    pub(super) fn tell(self) {
        let _ = self.tell.send(());
    }
}

/// Where in the bytes just read the trip is.
pub(super) struct At {
    /// How many of them still pass.
    pub(super) forward: usize,
}

/// Follows one direction of one connection.
#[derive(Default)]
pub(super) struct Watcher {
    /// The end of what was read before: a pattern may be split over two reads.
    tail: Vec<u8>,
}

impl Watcher {
    pub(super) fn look(&mut self, armed: &mut Armed, from: Side, bytes: &[u8]) -> Option<At> {
        if from != armed.side {
            return None;
        }
        let after = matches!(armed.then, Then::CutAfter | Then::StallAfter);
        match &armed.trigger {
            Trigger::Bytes(most) => {
                let left = most.saturating_sub(armed.seen);
                armed.seen += bytes.len() as u64;
                (armed.seen >= *most).then(|| At {
                    forward: if after { usize::try_from(left).unwrap_or(bytes.len()) } else { 0 },
                })
            }
            Trigger::Pattern(pattern) => self.find(std::slice::from_ref(pattern), bytes, after),
            Trigger::AnyOf(patterns) => self.find(patterns, bytes, after),
        }
    }

    fn find(&mut self, patterns: &[Vec<u8>], bytes: &[u8], after: bool) -> Option<At> {
        let before = self.tail.len();
        let mut joined = std::mem::take(&mut self.tail);
        joined.extend_from_slice(bytes);
        let place = |pattern: &Vec<u8>| {
            let found = joined.windows(pattern.len().max(1)).position(|window| window == pattern.as_slice());
            found.map(|start| (start, pattern.len()))
        };
        let found = patterns.iter().filter_map(place).min();
        if found.is_none() {
            let longest = patterns.iter().map(Vec::len).max().unwrap_or_default();
            let keep = longest.saturating_sub(1).min(joined.len());
            self.tail = joined.split_off(joined.len() - keep);
        }
        found.map(|(start, long)| {
            let wanted = if after { start + long } else { start };
            // What belongs to the tail has passed already.
            At { forward: wanted.saturating_sub(before).min(bytes.len()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_split_over_two_reads_trips_at_its_first_byte_still_here() {
        let (mut armed, _trip) = arm(Side::Client, Trigger::Pattern(b"COMMIT".to_vec()), Then::CutBefore);
        let mut watcher = Watcher::default();
        assert!(watcher.look(&mut armed, Side::Client, b"xxCOM").is_none());
        assert!(watcher.look(&mut armed, Side::Server, b"MIT").is_none());
        assert_eq!(watcher.look(&mut armed, Side::Client, b"MITyy").map(|at| at.forward), Some(0));
    }

    #[test]
    fn after_a_pattern_its_bytes_pass_and_no_more() {
        let (mut armed, _trip) = arm(Side::Server, Trigger::Pattern(b"ok".to_vec()), Then::CutAfter);
        let at = Watcher::default().look(&mut armed, Side::Server, b"1ok2");
        assert_eq!(at.map(|at| at.forward), Some(3));
    }

    #[test]
    fn whichever_of_two_patterns_comes_first_trips_and_is_not_found_again_by_the_next_trip() {
        let two = || Trigger::AnyOf(vec![b"a long one".to_vec(), b"ok".to_vec()]);
        let (mut armed, _trip) = arm(Side::Server, two(), Then::Pass);
        let mut watcher = Watcher::default();
        assert!(watcher.look(&mut armed, Side::Server, b"1o").is_none());
        assert_eq!(watcher.look(&mut armed, Side::Server, b"k a long one").map(|at| at.forward), Some(0));
        let (mut armed, _trip) = arm(Side::Server, two(), Then::Pass);
        assert!(watcher.look(&mut armed, Side::Server, b"2").is_none());
        assert_eq!(watcher.look(&mut armed, Side::Server, b"34a long one").map(|at| at.forward), Some(2));
    }

    #[test]
    fn so_many_bytes_are_counted_over_several_reads() {
        let (mut armed, _trip) = arm(Side::Client, Trigger::Bytes(5), Then::CutAfter);
        let mut watcher = Watcher::default();
        assert!(watcher.look(&mut armed, Side::Client, b"123").is_none());
        assert_eq!(watcher.look(&mut armed, Side::Client, b"4567").map(|at| at.forward), Some(2));
    }
}
