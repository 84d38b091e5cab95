//! The same check for more submissions than anybody can hold in memory: of each a hash is kept, not its bytes, and
//! PostgreSQL gives its rows page by page.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::slice::Iter;

use anyhow::{Result, bail};
use uuid::Uuid;

use super::{Account, audit, follow_ons, hash, queues};
use crate::client::sha256;
use crate::database::Link;
use crate::sealed::Keys;
use crate::stack::Stack;

/// A page of stored submissions in the order of their ids, each with how often the audit trail calls it stored. How
/// long a page is stands in the statement: a plan that doesn't know might sort the whole table.
const STORED: &str = "
    SELECT submission_id, pseudonym, body_sha256, message_id, sealed, (
        SELECT count(*) FROM audit.event e WHERE e.submission_id = s.submission_id
            AND e.pseudonym = s.pseudonym AND e.action = 'submission.stored')
    FROM identified.submission s WHERE (submission_id, pseudonym) > ($1, $2)
    ORDER BY submission_id, pseudonym LIMIT 10000";

const DEAD: &str = "
    SELECT submission_id, content_sha256 FROM ops.dead_letter
    WHERE submission_id IS NOT NULL AND state = 'open' AND kind = 'epro.submission.v1'";

/// A page of the trail, chain by chain.
const EVENTS: &str = "
    SELECT writer, seq, action, prev_hash, hash FROM audit.event
    WHERE (writer, seq) > ($1, $2) ORDER BY writer, seq LIMIT 10000";

/// What is kept of a submission: its id, and half of the SHA-256 of its bytes, which tells two of them apart as well as
/// all of it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    id: Uuid,
    half: [u8; 16],
}

impl Kept {
    /// Of these bytes, which hold that id.
    pub fn of(id: Uuid, bytes: &[u8]) -> Self {
        Self::hashed(id, sha256(bytes))
    }

    fn hashed(id: Uuid, sha256: [u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&sha256[..16]);
        Self { id, half }
    }
}

/// Checks a stack whose work is done against everything that was answered 202, each of it once, and nothing else was
/// sent. An error says what is wrong.
pub async fn streamed(stack: &Stack, mut accepted: Vec<Kept>) -> Result<Account> {
    accepted.sort_unstable();
    let (link, keys) = (stack.database().connect().await?, Keys::read(stack.folder())?);
    let mut wrong = Vec::new();
    queues(stack.vhost(), &mut wrong).await?;
    follow_ons::check(&link, stack.vhost(), &keys, &mut wrong).await?;
    let dead = dead(&link).await?;
    let mut beside = Beside::of(&accepted, &dead);
    stored(&link, &keys, &mut beside).await?;
    let stored = beside.stored;
    beside.judge(&mut wrong);
    let trail = Trail::read(&link).await?;
    trail.judge(stored, &mut wrong);
    if link.count(audit::SET_ASIDE).await? > 0 {
        wrong.push("dead letters are not audited".to_owned());
    }
    if !wrong.is_empty() {
        bail!("conservation is broken:\n  {}", wrong.join("\n  "));
    }
    let (dead, duplicates) = (dead.len(), trail.duplicates);
    Ok(Account { accepted: accepted.len(), unknown: 0, stored, dead, duplicates })
}

async fn dead(link: &Link) -> Result<BTreeSet<Kept>> {
    let rows = link.client.query(DEAD, &[]).await?;
    rows.iter().map(|row| Ok(Kept::hashed(row.get(0), hash(row.get(1))?))).collect()
}

/// Opens every stored body with our own hands, in the order of the ids.
async fn stored(link: &Link, keys: &Keys, beside: &mut Beside<'_>) -> Result<()> {
    let page = link.client.prepare(STORED).await?;
    let mut last = (Uuid::nil(), Uuid::nil());
    loop {
        let rows = link.client.query(&page, &[&last.0, &last.1]).await?;
        let Some(end) = rows.last() else { return Ok(()) };
        last = (end.get(0), end.get(1));
        for row in &rows {
            let sha: [u8; 32] = hash(row.get(2))?;
            let opened = keys.open_submission(row.get(3), row.get(4));
            let whole = opened.is_ok_and(|envelope| sha256(&envelope.bytes) == sha);
            beside.row(Kept::hashed(row.get(0), sha), whole, row.get(5));
        }
    }
}

/// What was accepted and what is stored, side by side in the order of their ids.
struct Beside<'a> {
    accepted: &'a [Kept],
    ahead: Peekable<Iter<'a, Kept>>,
    dead: &'a BTreeSet<Kept>,
    stored: usize,
    /// Accepted, and not stored.
    missing: Vec<Kept>,
    strange: Vec<Kept>,
    both: Vec<Kept>,
    different: Vec<Kept>,
    unaudited: Vec<Kept>,
}

impl<'a> Beside<'a> {
    /// The accepted ones in order.
    fn of(accepted: &'a [Kept], dead: &'a BTreeSet<Kept>) -> Self {
        Self {
            accepted,
            ahead: accepted.iter().peekable(),
            dead,
            stored: 0,
            missing: Vec::new(),
            strange: Vec::new(),
            both: Vec::new(),
            different: Vec::new(),
            unaudited: Vec::new(),
        }
    }

    /// The next stored row: whether it opens to bytes of its hash, and how often it is audited.
    fn row(&mut self, row: Kept, whole: bool, audited: i64) {
        self.stored += 1;
        while let Some(kept) = self.ahead.next_if(|kept| kept.id < row.id) {
            self.missing.push(*kept);
        }
        if self.ahead.next_if(|kept| **kept == row).is_none() {
            self.strange.push(row);
        }
        if self.dead.contains(&row) {
            self.both.push(row);
        }
        if !whole {
            self.different.push(row);
        }
        if audited != 1 {
            self.unaudited.push(row);
        }
    }

    /// There is no further row.
    fn judge(mut self, wrong: &mut Vec<String>) {
        self.missing.extend(self.ahead);
        self.missing.retain(|kept| !self.dead.contains(kept));
        let unknown = self.dead.iter().filter(|dead| self.accepted.binary_search(dead).is_err());
        self.strange.extend(unknown);
        for (kept, what) in [
            (self.missing, "answered 202 and neither stored nor set aside"),
            (self.strange, "in the tables and never accepted"),
            (self.both, "both stored and set aside"),
            (self.different, "stored with other bytes than their hash says"),
            (self.unaudited, "stored and not audited as stored exactly once"),
        ] {
            let ids: Vec<String> = kept.iter().take(20).map(|kept| kept.id.to_string()).collect();
            if !ids.is_empty() {
                wrong.push(format!("{} {what}: {}", kept.len(), ids.join(" ")));
            }
        }
    }
}

/// What the audit trail says.
#[derive(Default)]
struct Trail {
    stored: usize,
    duplicates: usize,
    /// Rows that don't follow the one before them in their chain.
    broken: usize,
}

impl Trail {
    async fn read(link: &Link) -> Result<Self> {
        let page = link.client.prepare(EVENTS).await?;
        let (mut trail, mut last) = (Self::default(), (Uuid::nil(), 0_i64, Vec::new()));
        loop {
            let rows = link.client.query(&page, &[&last.0, &last.1]).await?;
            if rows.is_empty() {
                return Ok(trail);
            }
            for row in &rows {
                let (writer, seq): (Uuid, i64) = (row.get(0), row.get(1));
                let before: Vec<u8> = row.get(3);
                trail.event(row.get(2), follows(&last, (writer, seq, &before)));
                last = (writer, seq, row.get(4));
            }
        }
    }

    fn event(&mut self, action: &str, follows: bool) {
        self.stored += usize::from(action == "submission.stored");
        self.duplicates += usize::from(action == "submission.duplicate");
        self.broken += usize::from(!follows);
    }

    fn judge(&self, stored: usize, wrong: &mut Vec<String>) {
        if self.broken > 0 {
            wrong.push(format!("{} audit rows break their chain", self.broken));
        }
        // Each stored one has exactly one, as its own row was asked: more tell of what isn't there.
        if self.stored != stored {
            wrong.push(format!("{} audit rows tell of {stored} stored submissions", self.stored));
        }
    }
}

/// Whether an event has its chain's next place and holds the hash before it; what comes before the first one is its
/// writer's.
fn follows(last: &(Uuid, i64, Vec<u8>), (writer, seq, before): (Uuid, i64, &[u8])) -> bool {
    if writer == last.0 { seq == last.1 + 1 && before == last.2 } else { seq == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(id: u128, bytes: &[u8]) -> Kept {
        Kept::of(Uuid::from_u128(id), bytes)
    }

    fn complaints(accepted: &[Kept], dead: &[Kept], stored: &[Kept]) -> Vec<String> {
        let dead: BTreeSet<Kept> = dead.iter().copied().collect();
        let mut wrong = Vec::new();
        let mut beside = Beside::of(accepted, &dead);
        for row in stored {
            beside.row(*row, true, 1);
        }
        beside.judge(&mut wrong);
        wrong
    }

    #[test]
    fn what_is_neither_stored_nor_set_aside_is_lost_wherever_it_stands_among_the_others() {
        let all = [kept(1, b"a"), kept(2, b"b"), kept(3, b"c")];
        assert!(complaints(&all, &[], &all).is_empty());
        assert!(complaints(&all, &all[1..2], &[all[0], all[2]]).is_empty(), "it was set aside");
        for lost in 0..3 {
            let left: Vec<Kept> = all.iter().copied().filter(|kept| *kept != all[lost]).collect();
            let wrong = complaints(&all, &[], &left);
            assert!(wrong.len() == 1 && wrong[0].starts_with("1 answered 202"), "{wrong:?}");
        }
    }

    #[test]
    fn other_bytes_under_a_known_id_are_lost_and_strange_at_once() {
        assert_eq!(complaints(&[kept(1, b"a")], &[], &[kept(1, b"other")]).len(), 2);
        assert_eq!(complaints(&[], &[], &[kept(1, b"a")]).len(), 1);
        assert_eq!(complaints(&[], &[kept(1, b"a")], &[]).len(), 1);
        assert_eq!(complaints(&[kept(1, b"a")], &[kept(1, b"a")], &[kept(1, b"a")]).len(), 1, "both");
    }

    #[test]
    fn a_row_whose_bytes_or_whose_event_are_not_its_own_is_a_complaint_of_its_own() {
        let all = [kept(1, b"a"), kept(2, b"b")];
        let (dead, mut wrong) = (BTreeSet::<Kept>::new(), Vec::new());
        let mut beside = Beside::of(&all, &dead);
        beside.row(all[0], false, 1);
        beside.row(all[1], true, 2);
        beside.judge(&mut wrong);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }

    #[test]
    fn a_chain_goes_on_only_with_its_next_place_and_the_hash_before() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let last = (one, 7, vec![9]);
        assert!(follows(&last, (one, 8, &[9])) && follows(&last, (other, 1, &[0])));
        assert!(!follows(&last, (one, 9, &[9])) && !follows(&last, (one, 8, &[8])));
        assert!(!follows(&last, (other, 2, &[9])), "its first one is gone");
    }
}
