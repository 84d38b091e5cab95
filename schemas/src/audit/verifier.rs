//! Whether every chain is what it was: event by event, with a few bytes of memory for each chain, some hundred for one
//! that isn't.

use std::collections::HashMap;
use std::ops::Deref;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::anchor::{Anchor, PublicKey};
use super::anchors::{AnchorFault, AnchorTrouble, Anchors};
use super::digest::Digest;
use super::doubt::{Doubt, End, REACH, Verdict};
use super::event::Event;
use super::row::{Row, genesis};

/// The action of the event that says that an anchor was made.
pub const ANCHORED: &str = "audit.anchored";

/// What its `details` say.
#[derive(Deserialize)]
struct Anchored {
    anchor: u64,
    sha256: Digest,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainFault {
    /// Which chain.
    pub writer: Uuid,
    /// The first sequence that isn't what it was; where only an anchor says so, the first that it may be.
    pub first_bad: i64,
    /// Up to here an anchor vouches for every event. From there to `first_bad` they fit one another, as they would if
    /// all of them had been made anew.
    pub vouched: i64,
    /// What is wrong.
    pub what: Broken,
}

/// What can be wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It isn't there; another one stands in its place.
    #[error("is missing, or not in its place")]
    Missing,
    /// Its content isn't what its hash was made of.
    #[error("was changed")]
    Changed,
    /// The event behind it was made behind another one, or it was itself.
    #[error("was put there, or replaced")]
    Foreign,
    /// It and the event behind it don't fit, and nothing says which of them is what it was.
    #[error("or the one behind it was put there, or replaced")]
    OneOfTwo,
    /// Everything fits together, but not what an anchor says.
    #[error("or one behind it was rewritten before {seq}, of which anchor {anchor} says otherwise")]
    Rewritten {
        /// Where the anchor says otherwise.
        seq: i64,
        /// Which anchor.
        anchor: u64,
    },
    /// It is gone, with everything behind it.
    #[error("and everything up to {seq}, which anchor {anchor} has, were cut off")]
    Cut {
        /// The last one that there was.
        seq: i64,
        /// The anchor that has it.
        anchor: u64,
    },
    /// No event of the chain is there.
    #[error("and everything else of the chain, which anchor {anchor} has, are lost")]
    Lost {
        /// The anchor that has it.
        anchor: u64,
    },
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Chains that were seen.
    pub chains: u64,
    /// Events that were seen.
    pub events: u64,
    /// Events behind the last that an anchor vouches for: whoever owns the database could still rewrite them.
    pub unanchored: u64,
    /// What is wrong with chains, one for each, in the order of their writers.
    pub broken: Vec<ChainFault>,
    /// What is wrong with anchors.
    pub anchors: Vec<AnchorFault>,
    /// Anchors of which events say that they were made after the last one that was given: see [`Findings::later`].
    pub later: Vec<(u64, Digest)>,
}

impl Findings {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn hold(&self) -> bool {
        self.broken.is_empty() && self.anchors.is_empty() && self.later.is_empty()
    }

    /// Judges the file of an anchor of [`Findings::later`]: made while events were read, or deleted.
    pub fn judge_later(&mut self, number: u64, digest: Digest, file: Option<&[u8]>, keys: &[PublicKey]) {
        self.later.retain(|(later, _)| *later != number);
        let what = match file.map(|file| Anchor::read(file, keys)) {
            Some(Ok((_, found))) if found == digest => return,
            Some(Ok(_)) => AnchorTrouble::Replaced,
            Some(Err(error)) => AnchorTrouble::Itself(error),
            None => AnchorTrouble::Missing,
        };
        self.anchors.push(AnchorFault { number, what });
    }
}

struct Chain {
    name: String,
    /// How far everything fits.
    end: End,
    /// What doesn't, as long as it may still be said where.
    doubt: Option<Box<Doubt>>,
    broken: Option<Verdict>,
}

/// Takes events and says what is wrong with them.
pub struct Verifier {
    anchors: Anchors,
    chains: HashMap<Uuid, Chain>,
    events: u64,
    later: Vec<(u64, Digest)>,
    /// Where the bytes of an event are gathered for its hash.
    buffer: Vec<u8>,
}

impl Verifier {
    /// With the anchors, which have to be read before the events: what is added later they don't know.
    #[must_use]
    pub fn new(anchors: Anchors) -> Self {
        Self { anchors, chains: HashMap::new(), events: 0, later: Vec::new(), buffer: Vec::new() }
    }

    /// The next event. Those of one chain have to come in their order; chains may be mixed.
    pub fn add<S, R>(&mut self, event: &Event<S, R>)
    where
        S: Deref<Target = str>,
        R: Deref<Target = RawValue>,
    {
        self.events += 1;
        let chain = self.chains.entry(event.writer).or_insert_with(|| Chain::new(event));
        if chain.broken.is_some() {
            return;
        }
        let told = self.anchors.heads.get(&event.writer).and_then(|heads| heads.get(&event.seq)).copied();
        if let Err(broken) = chain.take(event, told, &mut self.buffer) {
            (chain.broken, chain.doubt) = (Some(broken), None);
        }
        if chain.broken.is_some() || chain.doubt.is_some() {
            return;
        }
        if *event.action == *ANCHORED
            && let Some(details) = &event.details
            && let Ok(Anchored { anchor, sha256 }) = serde_json::from_str(details.get())
        {
            let last = self.anchors.last().map_or(0, |(number, _)| number);
            match self.anchors.digests.get(&anchor) {
                Some(digest) if *digest == sha256 => {}
                Some(_) => self.anchors.fault(anchor, AnchorTrouble::Replaced),
                // Up to the last one whatever is missing or broken was said.
                None if anchor <= last => {}
                None => self.later.push((anchor, sha256)),
            }
        }
    }

    /// After the last event.
    #[must_use]
    pub fn finish(self) -> Findings {
        let Self { anchors, chains, events, later, .. } = self;
        let mut broken = Vec::new();
        let mut unanchored = 0;
        for (writer, chain) in &chains {
            if let Some((first_bad, what)) = chain.verdict() {
                broken.push(ChainFault { writer: *writer, first_bad, vouched: chain.end.agreed, what });
            } else {
                unanchored += u64::try_from(chain.end.seq - chain.end.agreed).unwrap_or_default();
            }
        }
        for (writer, heads) in &anchors.heads {
            let Some((seq, (_, anchor))) = heads.last_key_value() else { continue };
            let (seq, anchor, writer) = (*seq, *anchor, *writer);
            match chains.get(&writer) {
                None => broken.push(ChainFault {
                    writer,
                    first_bad: 1,
                    vouched: 0,
                    what: Broken::Lost { anchor },
                }),
                Some(chain) if chain.verdict().is_none() && chain.end.seq < seq => {
                    let (first_bad, vouched) = (chain.end.seq + 1, chain.end.agreed);
                    broken.push(ChainFault { writer, first_bad, vouched, what: Broken::Cut { seq, anchor } });
                }
                Some(_) => {}
            }
        }
        broken.sort_by_key(|fault| fault.writer);
        let chains = chains.len() as u64;
        Findings { chains, events, unanchored, broken, anchors: anchors.faults, later }
    }
}

impl Chain {
    fn new<S: Deref<Target = str>, R>(first: &Event<S, R>) -> Self {
        let hash = Digest(genesis(first.writer, &first.name));
        let end = End { seq: 0, hash, before: None, agreed: 0 };
        Self { name: String::from(&*first.name), end, doubt: None, broken: None }
    }

    fn verdict(&self) -> Option<Verdict> {
        self.broken.or_else(|| self.doubt.as_deref().map(Doubt::verdict))
    }

    /// The next event, and what an anchor says of it: its hash, and which anchor.
    fn take<S, R>(
        &mut self,
        event: &Event<S, R>,
        told: Option<(Digest, u64)>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Verdict>
    where
        S: Deref<Target = str>,
        R: Deref<Target = RawValue>,
    {
        match &mut self.doubt {
            Some(doubt) => doubt.hear(event, buffer)?,
            None => self.follow(event, buffer)?,
        }
        let Some((hash, anchor)) = told else { return Ok(()) };
        let rewritten = (self.end.agreed + 1, Broken::Rewritten { seq: event.seq, anchor });
        match &mut self.doubt {
            Some(doubt) => doubt.anchored(hash == event.hash, rewritten),
            None if hash == event.hash => {
                self.end.agreed = event.seq;
                Ok(())
            }
            None => Err(rewritten),
        }
    }

    /// Whether it is behind what was there so far.
    fn follow<S, R>(&mut self, event: &Event<S, R>, buffer: &mut Vec<u8>) -> Result<(), Verdict>
    where
        S: Deref<Target = str>,
        R: Deref<Target = RawValue>,
    {
        let (end, due) = (self.end, self.end.seq + 1);
        if event.seq != due {
            return Err((due, Broken::Missing));
        }
        let is_itself = event.hashed_in(buffer) == event.hash && *event.name == *self.name;
        if event.prev_hash == end.hash {
            if !is_itself {
                return Err((due, Broken::Changed));
            }
            self.end = End { seq: due, hash: event.hash, before: Some(end.hash), ..end };
        } else if !is_itself {
            return Err(put_before(end, event, buffer).unwrap_or((due, Broken::Changed)));
        } else if end.seq == end.agreed {
            return Err((due, Broken::Foreign));
        } else {
            self.doubt = Some(Box::new(Doubt::new(end, event, buffer)));
        }
        Ok(())
    }
}

/// Whether an event that isn't itself is so because it was moved on, for others that were put before it.
fn put_before<S, R>(end: End, event: &Event<S, R>, buffer: &mut Vec<u8>) -> Option<Verdict>
where
    S: Deref<Target = str>,
    R: Deref<Target = RawValue>,
{
    let row = event.row();
    if end.seq == end.agreed || Digest(row.hash_in(buffer, &end.hash.0)) == event.hash {
        // Behind what an anchor has, or nothing was changed but what it says that it is behind.
        return None;
    }
    let mut stood = |seq: &i64| Digest(Row { seq: *seq, ..row }.hash_in(buffer, &event.prev_hash.0));
    let first = (1..=REACH).map(|by| event.seq - by).find(|seq| stood(seq) == event.hash);
    // It isn't known any more, but was made behind the one before the last.
    let first = first.or_else(|| (end.before == Some(event.prev_hash)).then_some(end.seq));
    first.filter(|seq| *seq > end.agreed).map(|seq| (seq, Broken::Foreign))
}
