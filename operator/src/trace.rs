//! `epro trace`: what became of a submission, step by step.

use std::process::ExitCode;

use anyhow::Context as _;
use epro_store::trace::{Standing, TraceStep};
use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

use crate::outside::Outside;
use crate::{instant, screen};

/// Shows where it stands, then each step.
pub(crate) async fn run(outside: &Outside<'_>, id: Uuid, json: bool) -> anyhow::Result<ExitCode> {
    let found = outside.store()?.trace(id).await?;
    let found =
        found.context("nothing is known of this submission: a 202 may still be queued (epro queues)")?;
    if json {
        screen::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    screen::table(&["now", "state", "since"], found.standing.iter().map(standing))?;
    if found.earlier_steps {
        screen::note("there are older steps than these: only the newest are shown");
    }
    screen::table(&["at", "step", "took", "detail", "by", "trace"], found.steps.iter().map(step))?;
    Ok(ExitCode::SUCCESS)
}

fn standing(found: &Standing) -> Vec<String> {
    vec![found.what.clone(), found.state.clone(), instant::shown(found.since)]
}

fn step(found: &TraceStep) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    vec![
        at(found.at),
        found.what.clone(),
        found.duration_ms.map_or_else(|| "-".into(), took),
        found.detail.clone(),
        or_dash(&found.actor),
        or_dash(&found.trace_id),
    ]
}

/// To the millisecond: steps lie close together.
pub(crate) fn at(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at.to_offset(time::UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// How long something took.
pub(crate) fn took(milliseconds: i64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        _ => screen::age(time::Duration::milliseconds(milliseconds)),
    }
}
