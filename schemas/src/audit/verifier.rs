//! Whether every chain is what it was: event by event, with a few bytes of memory for each chain, some hundred for one
//! that isn't.

use std::collections::HashMap;
use std::ops::Deref;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::anchors::{AnchorTrouble, Anchors};
use super::digest::Digest;
use super::doubt::{Doubt, End, Verdict, put_before};
use super::event::Event;
pub use super::extent::{Asked, EXPORTED};
use super::extent::{Origin, Word};
pub use super::findings::{Broken, ChainFault, Findings};
use super::row::genesis;

/// The action of the event that says that an anchor was made.
pub const ANCHORED: &str = "audit.anchored";

/// What its `details` say.
#[derive(Deserialize)]
struct Anchored {
    anchor: u64,
    sha256: Digest,
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
    origin: Origin,
    word: Word,
    /// Where the bytes of an event are gathered for its hash.
    buffer: Vec<u8>,
}

impl Verifier {
    /// Of the database itself, with the anchors, which have to be read before the events: what is added later they
    /// don't know. Up to the last anchor nothing may be missing.
    #[must_use]
    pub fn new(anchors: Anchors) -> Self {
        Self::of(anchors, Origin::Database)
    }

    /// Of a copy. Nothing may be missing up to the anchor `until`; without, up to the one that the copy itself says.
    /// What later anchors have of it has to be what they say.
    #[must_use]
    pub fn of_copy(anchors: Anchors, until: Option<u64>) -> Self {
        Self::of(anchors, Origin::Copy(until))
    }

    fn of(anchors: Anchors, origin: Origin) -> Self {
        Self {
            anchors,
            chains: HashMap::new(),
            events: 0,
            later: Vec::new(),
            origin,
            word: Word::default(),
            buffer: Vec::new(),
        }
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
        if let Some((_, anchor)) = told {
            // The anchor before doesn't have it, so that it was written after that.
            self.word.shows(anchor.saturating_sub(1));
        }
        match (&*event.action, &event.details) {
            (ANCHORED, Some(details)) => self.anchored(details.get()),
            (EXPORTED, Some(details)) => self.word.says(details.get(), event.writer, event.seq),
            _ => {}
        }
    }

    /// An event says that an anchor was made.
    fn anchored(&mut self, details: &str) {
        let Ok(Anchored { anchor, sha256 }) = serde_json::from_str(details) else { return };
        self.word.shows(anchor);
        let last = self.anchors.last().map_or(0, |(number, _)| number);
        match self.anchors.digests.get(&anchor) {
            Some(digest) if *digest == sha256 => {}
            Some(_) => self.anchors.fault(anchor, AnchorTrouble::Replaced),
            // Up to the last one whatever is missing or broken was said.
            None if anchor <= last => {}
            None => self.later.push((anchor, sha256)),
        }
    }

    /// After the last event.
    #[must_use]
    pub fn finish(self) -> Findings {
        let Self { mut anchors, chains, events, later, origin, word, .. } = self;
        let vouched = |writer: Uuid, seq: i64| chains.get(&writer).is_some_and(|it| it.end.agreed >= seq);
        let asked = word.asked(origin, |anchor| anchors.behind(anchor), vouched);
        let until = asked.until();
        let last = anchors.last().map_or(0, |(number, _)| number);
        if let Asked::UpTo(until) = asked
            && until > last
            && !later.iter().any(|(number, _)| *number == until)
        {
            // Whoever is to be asked has to be there. That of the others is said anyway.
            anchors.fault(until, AnchorTrouble::Missing);
        }
        let mut broken = Vec::new();
        let mut unanchored = 0;
        for (writer, chain) in &chains {
            if let Some((first_bad, what)) = chain.verdict() {
                broken.push(ChainFault { writer: *writer, first_bad, vouched: chain.end.agreed, what });
            } else {
                unanchored += u64::try_from(chain.end.seq - chain.end.agreed).unwrap_or_default();
            }
        }
        broken.extend(anchors.heads.iter().filter_map(|(writer, heads)| {
            let (seq, (_, anchor)) = heads.iter().rev().find(|(_, (_, anchor))| *anchor <= until)?;
            lacking(*writer, chains.get(writer), *seq, *anchor)
        }));
        broken.sort_by_key(|fault| fault.writer);
        let (chains, unasked) = (chains.len() as u64, anchors.behind(until));
        Findings { chains, events, unanchored, broken, anchors: anchors.faults, later, asked, unasked }
    }
}

/// What a chain lacks up to the event `seq`, which `anchor` has.
fn lacking(writer: Uuid, chain: Option<&Chain>, seq: i64, anchor: u64) -> Option<ChainFault> {
    let Some(chain) = chain else {
        return Some(ChainFault { writer, first_bad: 1, vouched: 0, what: Broken::Lost { anchor } });
    };
    (chain.verdict().is_none() && chain.end.seq < seq).then(|| {
        let (first_bad, vouched) = (chain.end.seq + 1, chain.end.agreed);
        ChainFault { writer, first_bad, vouched, what: Broken::Cut { seq, anchor } }
    })
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
