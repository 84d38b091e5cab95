//! Comparing what became of a line with what was expected of it.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use super::fhir;
use super::line::{Hospital, Line, OneOfTwo, Refused, Score, SetAside, Stored};
use super::look::Looker;
use super::send::Gone;
use crate::client::{Client, Reply};

/// What became of a line.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The line.
    pub line: Line,
    /// What was expected, in words.
    pub expected: String,
    /// What became of it, in words.
    pub became: String,
    /// Every difference; empty when it is as expected.
    pub surprises: Vec<String>,
}

/// Collects what differs.
#[derive(Default)]
struct Surprises(Vec<String>);

impl Surprises {
    fn unless(&mut self, as_expected: bool, what: impl Into<String>) {
        if !as_expected {
            self.0.push(what.into());
        }
    }
}

pub(super) async fn judge(gone: &Gone, all: &[Gone], client: &Client, looker: &Looker) -> Result<Verdict> {
    let mut surprises = Surprises::default();
    let expect = &gone.line.expect;
    let found = became(gone, looker).await;
    let became = found.unwrap_or_else(|error| {
        surprises.0.push(format!("{error:#}"));
        "can't be told".to_owned()
    });
    let judged = if let Some(stored) = &expect.stored {
        accepted(gone, &mut surprises);
        check_stored(gone, stored, client, looker, &mut surprises).await
    } else if let Some(set_aside) = &expect.set_aside {
        accepted(gone, &mut surprises);
        check_set_aside(gone, set_aside, client, looker, &mut surprises).await
    } else if let Some(race) = &expect.one_of_two {
        accepted(gone, &mut surprises);
        check_race(gone, all, race, client, looker, &mut surprises).await
    } else if let Some(refused) = &expect.refused {
        check_refused(gone, refused, client, looker, &mut surprises).await
    } else {
        Ok(())
    };
    if let Err(error) = judged {
        surprises.0.push(format!("{error:#}"));
    }
    Ok(Verdict { line: gone.line.clone(), expected: expected(&gone.line), became, surprises: surprises.0 })
}

fn accepted(gone: &Gone, surprises: &mut Surprises) {
    for copy in &gone.copies {
        let reply = &copy.reply;
        if gone.line.fhir {
            surprises.unless(copy.taken(), format!("answered {} {}", reply.status, short(&reply.body)));
            let location = reply.header("location").unwrap_or_default();
            surprises.unless(location.ends_with(&format!("/{}", gone.id)), "taken without its Location");
            continue;
        }
        surprises.unless(reply.status == 202, format!("answered {} {}", reply.status, short(&reply.body)));
        let body = reply.json().unwrap_or(Value::Null);
        surprises.unless(body["status"] == "received", "a 202 that doesn't say received");
        surprises.unless(body["submission_id"] == gone.id.to_string(), "a 202 without the submission's id");
        let location = reply.header("location").unwrap_or_default();
        surprises
            .unless(location.ends_with(&format!("/submissions/{}", gone.id)), "a 202 without its Location");
    }
}

async fn check_stored(
    gone: &Gone,
    expected: &Stored,
    client: &Client,
    looker: &Looker,
    surprises: &mut Surprises,
) -> Result<()> {
    let traces = looker.traces(gone).await?;
    let copies = gone.copies.len() as i64;
    surprises.unless(traces.stored == 1, format!("{} rows", traces.stored));
    surprises.unless(traces.dead == 0, format!("{} dead letters", traces.dead));
    surprises.unless(traces.duplicates == copies - 1, format!("{} duplicates noted", traces.duplicates));
    let Some(row) = looker.row(gone).await? else { return Ok(()) };
    surprises.unless(gone.copies.iter().any(|copy| copy.bytes == row.received), "other bytes than were sent");
    scores(&row.scores, &expected.scores, surprises);
    surprises.unless(row.late == expected.late, format!("late = {}", row.late));
    surprises.unless(row.answered_seen != expected.year_only, "dates not as the profile says");
    if let Some(checks) = &expected.checks {
        let found: BTreeSet<String> =
            row.checks.iter().filter_map(|c| c["about"].as_str().map(str::to_owned)).collect();
        surprises.unless(found == *checks, format!("findings about {found:?}"));
    }
    if let Some(alerts) = expected.alerts {
        let found = looker.alerts(gone).await?;
        surprises.unless(found == alerts as i64, format!("{found} alerts"));
    }
    match expected.hospital {
        Hospital::Yes => surprises.unless(row.delivery.is_some(), "nothing goes to the hospital"),
        Hospital::No => surprises.unless(row.delivery.is_none(), "something goes to a hospital"),
        Hospital::Any => {}
    }
    let answer = ask(gone, client).await?;
    surprises.unless(answer.status == 200, format!("GET gave {}", answer.status));
    let body = answer.json().unwrap_or(Value::Null);
    surprises.unless(body["status"] == "stored", format!("GET says {}", body["status"]));
    let count = |key: &str| body[key].as_array().map_or(0, Vec::len);
    if let Some(alerts) = expected.alerts {
        surprises.unless(count("alerts") == alerts, format!("GET shows {} alerts", count("alerts")));
    }
    surprises.unless(
        body["hospital"].is_null() == row.delivery.is_none(),
        "GET and table differ about the hospital",
    );
    Ok(())
}

fn scores(found: &[Value], expected: &[Score], surprises: &mut Surprises) {
    for score in expected {
        let Some(ours) = found.iter().find(|one| one["code"] == score.code.as_str()) else {
            surprises.0.push(format!("no score {}", score.code));
            continue;
        };
        surprises
            .unless(ours["value"].as_f64() == score.value, format!("{} = {}", score.code, ours["value"]));
        if let Some(band) = &score.band {
            let said = ours["band"].as_str().unwrap_or_default().replace(['-', '_'], " ");
            surprises.unless(said == *band, format!("{} is {said}", score.code));
        }
        surprises.unless(ours["missing"] == score.missing, format!("{} items missing", ours["missing"]));
    }
}

async fn check_set_aside(
    gone: &Gone,
    expected: &SetAside,
    client: &Client,
    looker: &Looker,
    surprises: &mut Surprises,
) -> Result<()> {
    let traces = looker.traces(gone).await?;
    surprises.unless(traces.stored == 0, "it is a row");
    surprises.unless(traces.dead == 1, format!("{} dead letters", traces.dead));
    if let Some((class, bytes)) = looker.dead_letter(gone).await? {
        surprises.unless(class == expected.class, format!("set aside as {class}"));
        surprises.unless(gone.copies.iter().any(|copy| copy.bytes == bytes), "other bytes than were sent");
    }
    if let Some(alerts) = expected.alerts {
        let found = looker.alerts(gone).await?;
        surprises.unless(found == alerts as i64, format!("{found} alerts"));
    }
    let answer = ask(gone, client).await?;
    let body = answer.json().unwrap_or(Value::Null);
    surprises.unless(answer.status == 200, format!("GET gave {}", answer.status));
    let shown =
        body["set_aside"].as_array().is_some_and(|all| all.iter().any(|one| one["class"] == *expected.class));
    surprises.unless(shown, "GET doesn't show why it was set aside");
    // A conflict leaves what was first in place; what was stale was never anything else.
    let standing = if expected.class == "conflict" { "stored" } else { "rejected" };
    surprises.unless(body["status"] == standing, format!("GET says {}", body["status"]));
    Ok(())
}

async fn check_race(
    gone: &Gone,
    all: &[Gone],
    race: &OneOfTwo,
    client: &Client,
    looker: &Looker,
    surprises: &mut Surprises,
) -> Result<()> {
    let mut winners = 0;
    for rival in all.iter().filter(|one| one.line.together == gone.line.together) {
        winners += looker.traces(rival).await?.stored;
    }
    surprises.unless(winners == 1, format!("{winners} of the rivals are rows"));
    if looker.traces(gone).await?.stored == 1 {
        let stored = Stored {
            scores: race.scores.clone(),
            alerts: None,
            checks: None,
            hospital: Hospital::Any,
            late: false,
            year_only: false,
        };
        check_stored(gone, &stored, client, looker, surprises).await
    } else {
        let set_aside = SetAside { class: race.otherwise.clone(), alerts: None };
        check_set_aside(gone, &set_aside, client, looker, surprises).await
    }
}

async fn check_refused(
    gone: &Gone,
    expected: &Refused,
    client: &Client,
    looker: &Looker,
    surprises: &mut Surprises,
) -> Result<()> {
    for copy in &gone.copies {
        let reply = &copy.reply;
        surprises.unless(
            expected.allows(reply.status),
            format!("answered {} {}", reply.status, short(&reply.body)),
        );
        let kind = reply.header("content-type").unwrap_or_default();
        let wanted = if gone.line.fhir { fhir::TYPE } else { "application/problem+json" };
        surprises.unless(kind.starts_with(wanted), format!("a refusal as {kind:?}"));
        surprises.unless(!reply.body.contains(&gone.line.subject), "the refusal names the patient");
        if let Some(pointer) = &expected.pointer {
            let body = reply.json().unwrap_or(Value::Null);
            let errors = body["errors"].as_array().cloned().unwrap_or_default();
            let points = errors.iter().any(|e| e["pointer"].as_str().is_some_and(|p| p.starts_with(pointer)))
                || fhir::points_at(&body, pointer);
            surprises.unless(points, format!("no error points at {pointer}: {}", short(&reply.body)));
        }
    }
    let traces = looker.traces(gone).await?;
    surprises.unless(traces.stored + traces.dead + traces.duplicates == 0, "something of it was kept");
    let answer = ask(gone, client).await?;
    surprises.unless(answer.status == 404, format!("GET gave {}", answer.status));
    Ok(())
}

async fn ask(gone: &Gone, client: &Client) -> Result<Reply> {
    let line = &gone.line;
    let token = client.minter().patient(&line.subject, &line.study, &line.site)?;
    client.get(&format!("/api/v1/epro/submissions/{}", gone.id), &token).await
}

async fn became(gone: &Gone, looker: &Looker) -> Result<String> {
    let statuses: BTreeSet<u16> = gone.copies.iter().map(|copy| copy.reply.status).collect();
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    let mut words = vec![statuses.join("/")];
    if let Some(row) = looker.row(gone).await? {
        words.push("stored".to_owned());
        words.extend(row.scores.iter().map(in_words));
        words.extend(row.late.then(|| "late".to_owned()));
        words.extend(row.delivery.map(|state| format!("hospital {state}")));
    }
    if let Some((class, _)) = looker.dead_letter(gone).await? {
        words.push(format!("set aside: {class}"));
    }
    let traces = looker.traces(gone).await?;
    if traces.duplicates > 0 {
        words.push(format!("{} duplicates", traces.duplicates));
    }
    let alerts = looker.alerts(gone).await?;
    if alerts > 0 {
        words.push(format!("{alerts} alert"));
    }
    Ok(words.join(", "))
}

fn in_words(score: &Value) -> String {
    let value = score["value"].as_f64().map_or_else(|| "no total".to_owned(), |value| value.to_string());
    let band = score["band"].as_str().map(|band| format!(" {band}")).unwrap_or_default();
    format!("{value}{band}")
}

fn expected(line: &Line) -> String {
    let e = &line.expect;
    let in_words = |scores: &[Score]| {
        let one = |score: &Score| {
            let value = score.value.map_or_else(|| "no total".to_owned(), |value| value.to_string());
            format!("{value}{}", score.band.as_ref().map(|band| format!(" {band}")).unwrap_or_default())
        };
        scores.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    if let Some(stored) = &e.stored {
        let alerts = match stored.alerts {
            Some(0) | None => String::new(),
            Some(n) => format!(", {n} alert"),
        };
        let copies = line.copies.map(|n| format!(", {} duplicates", n - 1)).unwrap_or_default();
        return format!("202, stored, {}{copies}{alerts}", in_words(&stored.scores));
    }
    if let Some(set_aside) = &e.set_aside {
        return format!("202, set aside: {}", set_aside.class);
    }
    if let Some(race) = &e.one_of_two {
        return format!("202, stored, {}; or set aside: {}", in_words(&race.scores), race.otherwise);
    }
    e.refused.as_ref().map(|refused| format!("{}, nothing kept", refused.status)).unwrap_or_default()
}

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}
