//! The hospital's own log and records, beside what our rows say of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::sleep;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{LOOK, PATIENCE, Seen, Wrong};
use crate::database::Link;
use crate::faults::field::PACE;
use crate::faults::patients::{Accepted, STUDY};
use crate::faults::plan::Hop;
use crate::faults::strike;
use crate::foreign::Call;
use crate::sealed::{Keys, delivery_id};
use crate::until;

/// Each site with what its records are called, its calls, and the hop to it.
const DOORS: [(&str, &str, &str, Hop); 2] =
    [("H001", "QuestionnaireResponse", "fhir", Hop::Fhir), ("H002", "ORU", "hl7", Hop::Mllp)];
/// What the hospital did about a call that it took.
const TOOK: [&str; 5] = ["created", "known", "updated", "corrected", "replaced"];
/// An answer may be this old when it arrives: the timeout of a call, and the writing of its row.
const LATE: f64 = 2.5;

/// What was not brought to its hospital.
const OPEN: &str = "SELECT count(*) FROM ops.delivery WHERE state <> 'done'";
/// Deliveries that were in hand whenever a process was killed: to be sent again, sent again, and that more than once.
const QUARANTINED: &str = "SELECT count(*) FROM ops.dead_letter
    WHERE lane = 'hospitals' AND class = 'quarantined' AND state = 'open'";
const REDRIVEN: &str = "SELECT count(*) FROM ops.dead_letter
    WHERE lane = 'hospitals' AND class = 'quarantined' AND state = 'redriven'";
const AGAIN: &str = "SELECT count(*) FROM (
    SELECT 1 FROM ops.dead_letter WHERE lane = 'hospitals' AND class = 'quarantined'
    GROUP BY submission_id, pseudonym HAVING count(*) > 1) again";

/// Nothing waits for a hospital any more, once an operator has sent again what was quarantined on its way there.
pub(super) async fn settled(world: &Seen<'_>, link: &Link, wrong: &mut Wrong) -> Result<()> {
    let waited = until("every delivery to be done", PATIENCE, || async {
        if link.count(QUARANTINED).await? > 0 {
            strike::redrive_deliveries(world.stack).await?;
        }
        if link.count(OPEN).await? == 0 {
            return Ok(Some(()));
        }
        sleep(LOOK).await;
        Ok(None)
    });
    if waited.await.is_err() {
        wrong.push(format!("{} deliveries are not done", link.count(OPEN).await?));
    }
    Ok(())
}

/// How many deliveries were sent again by an operator. Once each: nobody was killed since.
pub(super) async fn redriven(link: &Link, wrong: &mut Wrong) -> Result<usize> {
    let again = link.count(AGAIN).await?;
    if again > 0 {
        wrong.push(format!("{again} deliveries were quarantined again after nobody was killed any more"));
    }
    Ok(usize::try_from(link.count(REDRIVEN).await?)?)
}

/// The hospital has what is stored for it, nothing else, and each once. How much that is, and how much of it a redrive
/// has written once more in the same words.
pub(super) async fn has_each_once(
    world: &Seen<'_>,
    link: &Link,
    accepted: &[Accepted],
    wrong: &mut Wrong,
) -> Result<(usize, usize)> {
    let keys = Keys::read(world.stack.folder())?;
    let rows = link.client.query("SELECT submission_id FROM identified.submission", &[]).await?;
    let stored: BTreeSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let generations = generations(link).await?;
    let records = world.hospital.stored();
    let (mut all, mut repeated) = (0, 0);
    for (site, kind, ..) in DOORS {
        let due: BTreeSet<Uuid> = accepted
            .iter()
            .filter(|accepted| accepted.site == site && stored.contains(&accepted.id))
            .map(|one| delivery_id(STUDY, keys.pseudonym(STUDY, &one.subject), one.id))
            .collect();
        let (mut has, mut twice) = (BTreeSet::new(), 0);
        for record in records.iter().filter(|record| record.kind == kind) {
            let id = record.identifier.trim_start_matches("urn:uuid:").parse::<Uuid>();
            let id = id.context("an identifier of ours")?;
            has.insert(id);
            match record.versions.len() {
                1 => {}
                _ if kind == "ORU" && in_the_same_words(&record.versions, generations.get(&id)) => {
                    repeated += 1
                }
                _ => twice += 1,
            }
        }
        let (missing, strange) = (due.difference(&has).count(), has.difference(&due).count());
        if missing + strange > 0 {
            wrong.push(format!("{site} lacks {missing} deliveries, and has {strange} that nobody sent"));
        }
        if twice > 0 {
            wrong.push(format!("{twice} deliveries to {site} were written more than once"));
        }
        all += has.len();
    }
    Ok((all, repeated))
}

/// By delivery, how often it was made a new message: by a redrive.
async fn generations(link: &Link) -> Result<BTreeMap<Uuid, usize>> {
    let rows =
        link.client.query("SELECT submission_id, pseudonym, generation FROM ops.delivery", &[]).await?;
    let of = |row: &Row| -> Result<(Uuid, usize)> {
        Ok((delivery_id(STUDY, row.get(1), row.get(0)), usize::try_from(row.get::<_, i32>(2))?))
    };
    rows.iter().map(of).collect()
}

/// An engine may answer a message that it knows from memory, so that a redriven one has another MSH-10: what it had
/// already it then has again, with nothing else in it, and no more often than it was made.
fn in_the_same_words(versions: &[Value], generations: Option<&usize>) -> bool {
    let words = |version: &Value| -> Option<Vec<Value>> {
        Some(version["segments"].as_array()?.iter().skip(1).cloned().collect())
    };
    let first = versions.first().and_then(words);
    let same = versions.iter().all(|version| first.is_some() && words(version) == first);
    same && generations.is_some_and(|generations| versions.len() <= *generations)
}

/// By the hospital's own log, no second saw more calls than it allows. Seconds in which a hop held calls back, or let
/// go of them, are left out: how many were judged, and how many were not.
pub(super) fn pace(world: &Seen<'_>, wrong: &mut Wrong) -> (usize, usize) {
    let calls = world.hospital.calls();
    let (mut judged, mut left_out) = (0, 0);
    for (site, _, kind, hop) in DOORS {
        let came: Vec<f64> = calls.iter().filter(|call| call.kind == kind).filter_map(came_at).collect();
        let seconds = Seconds::of(came, &world.held_back(hop));
        wrong.extend(seconds.wrong(site, kind));
        judged += seconds.judged;
        left_out += seconds.left_out;
    }
    (judged, left_out)
}

/// The seconds that begin with a call: a window that slides is fullest there.
#[derive(Debug, PartialEq)]
struct Seconds {
    /// The most calls in one that was judged.
    busiest: usize,
    judged: usize,
    /// They touch a time in which calls were held back.
    left_out: usize,
}

impl Seconds {
    fn of(mut came: Vec<f64>, held_back: &[(f64, f64)]) -> Self {
        came.sort_by(f64::total_cmp);
        let mut seconds = Self { busiest: 0, judged: 0, left_out: 0 };
        for (place, begin) in came.iter().enumerate() {
            let end = begin + 1.0;
            if held_back.iter().any(|(from, to)| *begin <= *to && *from < end) {
                seconds.left_out += 1;
                continue;
            }
            seconds.judged += 1;
            seconds.busiest = seconds.busiest.max(came[place..].partition_point(|at| *at < end));
        }
        seconds
    }

    /// Seconds of which none was judged show nothing.
    fn wrong(&self, site: &str, kind: &str) -> Option<String> {
        let (busiest, left_out) = (self.busiest, self.left_out);
        if self.judged == 0 {
            return Some(format!("no second of {kind} calls to {site} was judged, {left_out} were left out"));
        }
        let over = busiest as f64 > PACE + 1.0;
        over.then(|| format!("{site} saw {busiest} {kind} calls in a second, and allows {PACE}"))
    }
}

/// Failed tries that were charged, each with the failed ones before it.
const CHARGED: &str = "
    SELECT site_id, submission_id, pseudonym, at, before, earlier FROM (
        SELECT site_id, submission_id, pseudonym, charged, extract(epoch FROM at)::double precision AS at,
               extract(epoch FROM lag(at, 1) OVER way)::double precision AS before,
               extract(epoch FROM lag(at, 2) OVER way)::double precision AS earlier
        FROM ops.delivery_attempt WHERE outcome <> 'taken'
        WINDOW way AS (PARTITION BY submission_id, pseudonym ORDER BY at)
    ) failed WHERE charged";

/// No outage is charged to a delivery: where a failed try was, the hospital's own log has to show that it took others
/// since the try before, so that it was not away. How many were charged.
pub(super) async fn charges(world: &Seen<'_>, link: &Link, wrong: &mut Wrong) -> Result<usize> {
    let calls = world.hospital.calls();
    let rows = link.client.query(CHARGED, &[]).await?;
    for row in &rows {
        let (site, id): (String, Uuid) = (row.get(0), row.get(1));
        let failed = Failed {
            delivery: delivery_id(STUDY, row.get(2), id),
            at: row.get(3),
            before: row.get(4),
            earlier: row.get(5),
        };
        let kind = DOORS.iter().find(|door| door.0 == site).map(|door| door.2);
        let calls: Vec<&Call> = calls.iter().filter(|call| Some(call.kind) == kind).collect();
        if !failed.beside_others(&calls) {
            wrong.push(format!("a delivery of {id} to {site} was charged with an outage"));
        }
    }
    Ok(rows.len())
}

/// A failed try that was charged. Times are those of rows, which are written once PostgreSQL takes them.
struct Failed {
    delivery: Uuid,
    at: f64,
    /// The failed try before it, and the one before that.
    before: Option<f64>,
    earlier: Option<f64>,
}

impl Failed {
    /// Whether the hospital took another delivery since the try before.
    fn beside_others(&self, calls: &[&Call]) -> bool {
        let Some(since) = self.since(calls) else { return false };
        let mut taken =
            calls.iter().filter(|call| !is_of(call, self.delivery)).filter_map(|call| taken_at(call));
        taken.any(|taken| taken >= since && taken <= self.at)
    }

    /// When the try before was made: by the hospital's log, if it came there. Its row may be much later, as PostgreSQL
    /// stood still meanwhile. One that never came there has its row alone.
    fn since(&self, calls: &[&Call]) -> Option<f64> {
        let before = self.before?;
        let came = calls.iter().filter(|call| is_of(call, self.delivery)).filter_map(|call| came_at(call));
        let came = came.filter(|came| *came <= before && self.earlier.is_none_or(|earlier| *came > earlier));
        let by_row = before - LATE;
        Some(came.max_by(f64::total_cmp).map_or(by_row, |came| came.min(by_row)))
    }
}

/// Whether a call was about that delivery. FHIR names its id; MSH-10 of HL7 v2 begins with the first 80 bits of it.
fn is_of(call: &Call, delivery: Uuid) -> bool {
    call.names.strip_prefix("urn:uuid:") == Some(delivery.to_string().as_str())
        || call.names.get(..16) == Some(base_32(delivery).as_str())
}

/// 16 digits of Crockford's base 32 for the first 80 bits.
fn base_32(id: Uuid) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digit = |place: u32| char::from(DIGITS[(id.as_u128() >> (48 + 5 * place)) as usize & 31]);
    (0..16).rev().map(digit).collect()
}

/// When it came, in Unix seconds.
fn came_at(call: &Call) -> Option<f64> {
    let came = OffsetDateTime::parse(&call.at, &Rfc3339).ok()?;
    Some(came.unix_timestamp_nanos() as f64 / 1e9)
}

/// When the hospital had answered that it took it, in Unix seconds.
fn taken_at(call: &Call) -> Option<f64> {
    let took = call.took_micros.filter(|_| TOOK.contains(&call.did.as_str()))?;
    Some(came_at(call)? + took as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(did: &str, took_micros: Option<u64>) -> Call {
        named("", "1970-01-01T00:00:10.5Z", did, took_micros)
    }

    fn named(names: &str, at: &str, did: &str, took_micros: Option<u64>) -> Call {
        Call {
            number: 0,
            micros: 0,
            at: at.to_owned(),
            kind: "fhir",
            names: names.to_owned(),
            did: did.to_owned(),
            answered: took_micros.is_some(),
            hung_up: false,
            took_micros,
        }
    }

    #[test]
    fn only_a_call_that_was_taken_and_answered_shows_that_the_hospital_was_there() {
        assert!((taken_at(&call("created", Some(500_000))).unwrap() - 11.0).abs() < 1e-6);
        assert_eq!(taken_at(&call("created", None)), None);
        assert_eq!(taken_at(&call("refused 503", Some(5))), None);
    }

    #[test]
    fn a_second_begins_anywhere_and_none_is_judged_in_which_a_hop_let_calls_go() {
        let came = vec![10.6, 11.2, 10.9, 11.5, 14.0];
        let all = Seconds::of(came.clone(), &[]);
        assert_eq!(all, Seconds { busiest: 4, judged: 5, left_out: 0 });
        // From 10.5 until 11.0 it held back: the seconds that begin at 10.6 and at 10.9 aren't judged.
        let some = Seconds::of(came.clone(), &[(10.5, 11.0)]);
        assert_eq!(some, Seconds { busiest: 2, judged: 3, left_out: 2 });
        // A second that ends before doesn't touch it, one that ends behind its beginning does.
        assert_eq!(Seconds::of(came, &[(12.3, 12.4)]), Seconds { busiest: 4, judged: 4, left_out: 1 });
    }

    #[test]
    fn a_pace_that_was_never_seen_is_as_wrong_as_one_that_was_too_fast() {
        let judged = |came: usize, held_back: &[(f64, f64)]| {
            let came = (0..came).map(|call| 10.0 + call as f64 / 100.0).collect();
            Seconds::of(came, held_back).wrong("H001", "fhir")
        };
        assert_eq!(judged(11, &[]), None);
        assert!(judged(12, &[]).is_some_and(|wrong| wrong.contains("saw 12")));
        assert!(judged(0, &[]).is_some_and(|wrong| wrong.contains("no second")));
        assert!(judged(11, &[(9.0, 12.0)]).is_some_and(|wrong| wrong.contains("11 were left out")));
    }

    #[test]
    fn a_redriven_message_may_be_there_again_in_the_same_words_and_no_more_often_than_it_was_made() {
        let version = |id: &str, word: &str| {
            let segments = json!([["MSH", "|", id], ["OBR", word], ["OBX", "1"]]);
            json!({"control_id": id, "segments": segments})
        };
        let (first, again) = (version("A1", "x"), version("A2", "x"));
        assert!(in_the_same_words(&[first.clone(), again.clone()], Some(&2)));
        assert!(!in_the_same_words(&[first.clone(), again.clone()], Some(&1)), "it was never redriven");
        assert!(!in_the_same_words(&[first.clone(), again], None), "nobody knows it");
        assert!(!in_the_same_words(&[first, version("A2", "y")], Some(&2)));
        assert!(!in_the_same_words(&[json!({}), json!({})], Some(&2)));
    }

    #[test]
    fn a_try_is_where_the_hospital_saw_it_though_its_row_was_written_when_postgresql_went_on() {
        let ours = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let name = format!("urn:uuid:{ours}");
        // Tried at 10, the other one taken at 11, PostgreSQL stands still until 20.
        let tried = named(&name, "1970-01-01T00:00:10Z", "refused 503", Some(5));
        let other = named("another", "1970-01-01T00:00:11Z", "created", Some(5));
        let failed = |before, earlier| Failed { delivery: ours, at: 21.0, before, earlier };
        assert!(failed(Some(20.0), None).beside_others(&[&tried, &other]));
        // What came before the row of an earlier try was that one; so here only the row tells when it was.
        assert!(!failed(Some(20.0), Some(10.5)).beside_others(&[&tried, &other]));
        assert!(failed(Some(13.0), Some(10.5)).beside_others(&[&tried, &other]));
        assert!(!failed(Some(20.0), None).beside_others(&[&other]), "it never came there");
        assert!(!failed(None, None).beside_others(&[&tried, &other]), "there was no try before");
        // Its own answer, which got lost, is no word about others.
        let own = named(&name, "1970-01-01T00:00:10Z", "created", Some(5));
        assert!(!failed(Some(20.0), None).beside_others(&[&own]));
    }

    #[test]
    fn a_call_is_known_by_its_delivery_in_either_protocol() {
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let is = |names: &str| is_of(&named(names, "", "", None), id);
        // 0x0123456789abcdef0123 in base 32, by python3's divmod and Crockford's alphabet; then the generation.
        assert!(is("04HMASW9NF6YY0930001") && is("04HMASW9NF6YY0930002") && is(&format!("urn:uuid:{id}")));
        assert!(!is("04HMASW9NF6YY0940001") && !is("") && !is("urn:uuid:"));
    }
}
