//! The hospital's own log and records, beside what our rows say of it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{PATIENCE, Wrong};
use crate::database::Link;
use crate::faults::field::{PACE, World};
use crate::faults::patients::{Accepted, STUDY};
use crate::foreign::Call;
use crate::foreign::diary::Diary;
use crate::sealed::{Keys, delivery_id};
use crate::until;

/// Each site with what its records are called, and its calls.
const DOORS: [(&str, &str, &str); 2] = [("H001", "QuestionnaireResponse", "fhir"), ("H002", "ORU", "hl7")];
/// What the hospital did about a call that it took.
const TOOK: [&str; 5] = ["created", "known", "updated", "corrected", "replaced"];
/// An answer may be this old when it arrives: the timeout of a call, and the writing of its row.
const LATE: f64 = 2.5;

/// Nothing waits for a hospital any more.
pub(super) async fn settled(link: &Link, wrong: &mut Wrong) -> Result<()> {
    let open = "SELECT count(*) FROM ops.delivery WHERE state <> 'done'";
    let waited = until("every delivery to be done", PATIENCE, || async {
        Ok((link.count(open).await? == 0).then_some(()))
    });
    if waited.await.is_err() {
        wrong.push(format!("{} deliveries are not done", link.count(open).await?));
    }
    Ok(())
}

/// The hospital has what is stored for it, nothing else, and each once. How much that is.
pub(super) async fn has_each_once(
    world: &World<'_>,
    link: &Link,
    accepted: &[Accepted],
    wrong: &mut Wrong,
) -> Result<usize> {
    let keys = Keys::read(world.stack.folder())?;
    let rows = link.client.query("SELECT submission_id FROM identified.submission", &[]).await?;
    let stored: BTreeSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let records = world.hospital.stored();
    let mut all = 0;
    for (site, kind, _) in DOORS {
        let due: BTreeSet<Uuid> = accepted
            .iter()
            .filter(|accepted| accepted.site == site && stored.contains(&accepted.id))
            .map(|one| delivery_id(STUDY, keys.pseudonym(STUDY, &one.subject), one.id))
            .collect();
        let of_kind = || records.iter().filter(move |record| record.kind == kind);
        let has = of_kind()
            .map(|record| record.identifier.trim_start_matches("urn:uuid:").parse::<Uuid>())
            .collect::<Result<BTreeSet<Uuid>, _>>()
            .context("an identifier of ours")?;
        let (missing, strange) = (due.difference(&has).count(), has.difference(&due).count());
        if missing + strange > 0 {
            wrong.push(format!("{site} lacks {missing} deliveries, and has {strange} that nobody sent"));
        }
        let twice = of_kind().filter(|record| record.versions.len() != 1).count();
        if twice > 0 {
            wrong.push(format!("{twice} deliveries to {site} were written more than once"));
        }
        all += has.len();
    }
    Ok(all)
}

/// By the hospital's own log, no second saw more calls than it allows.
pub(super) fn pace(world: &World<'_>, wrong: &mut Wrong) {
    let calls = world.hospital.calls();
    for (site, _, kind) in DOORS {
        let some: Vec<_> = calls.iter().filter(|call| call.kind == kind).cloned().collect();
        let busiest = Diary::of(&some).busiest(1.0);
        if busiest as f64 > PACE + 1.0 {
            wrong.push(format!("{site} saw {busiest} {kind} calls in a second, and allows {PACE}"));
        }
    }
}

/// No outage is charged to a delivery: where a failed try was, the hospital's own log has to show that it took others
/// since the try before, so that it was not away. How many were charged.
pub(super) async fn charges(world: &World<'_>, link: &Link, wrong: &mut Wrong) -> Result<usize> {
    let sql = "SELECT site_id, submission_id, extract(epoch FROM at)::double precision,
                   (SELECT extract(epoch FROM max(b.at))::double precision FROM ops.delivery_attempt b
                    WHERE b.submission_id = a.submission_id AND b.pseudonym = a.pseudonym
                    AND b.at < a.at AND b.outcome <> 'taken')
               FROM ops.delivery_attempt a WHERE charged";
    let calls = world.hospital.calls();
    let rows = link.client.query(sql, &[]).await?;
    for row in &rows {
        let (site, id, at): (String, Uuid, f64) = (row.get(0), row.get(1), row.get(2));
        let before: Option<f64> = row.get(3);
        let kind = DOORS.iter().find(|door| door.0 == site).map(|door| door.2);
        let took = before.is_some_and(|before| {
            let mut others = calls.iter().filter(|call| Some(call.kind) == kind).filter_map(taken_at);
            others.any(|taken| taken >= before - LATE && taken <= at)
        });
        if !took {
            wrong.push(format!("a delivery of {id} to {site} was charged with an outage"));
        }
    }
    Ok(rows.len())
}

/// When the hospital had answered that it took it, in Unix seconds.
fn taken_at(call: &Call) -> Option<f64> {
    let took = call.took_micros.filter(|_| TOOK.contains(&call.did.as_str()))?;
    let came = OffsetDateTime::parse(&call.at, &Rfc3339).ok()?;
    Some(came.unix_timestamp_nanos() as f64 / 1e9 + took as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(did: &str, took_micros: Option<u64>) -> Call {
        Call {
            number: 0,
            micros: 0,
            at: "1970-01-01T00:00:10.5Z".to_owned(),
            kind: "fhir",
            names: String::new(),
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
}
