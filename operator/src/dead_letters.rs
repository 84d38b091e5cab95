//! `epro dead-letters list|show`: what was set aside, without what a patient said unless it is asked for.

pub(crate) mod reveal;

use std::process::ExitCode;

use anyhow::Context as _;
use epro_store::Bound;
use epro_store::dead_letters::{self, Class, Counted, DeadLetterState, DeadLetterSummary};

use crate::arguments::{Filter, List, Show, Touched};
use crate::outside::Outside;
use crate::{deed, instant, screen};

/// Lists dead letters.
pub(crate) async fn list(outside: &Outside<'_>, wanted: &List, json: bool) -> anyhow::Result<ExitCode> {
    let state = match wanted.state.as_deref() {
        None => None,
        Some("open") => Some(DeadLetterState::Open),
        Some("redriven") => Some(DeadLetterState::Redriven),
        Some("discarded") => Some(DeadLetterState::Discarded),
        Some(_) => anyhow::bail!("--state is open, redriven or discarded"),
    };
    let mut filter = narrowed(&wanted.filter)?;
    filter.state = state.or(filter.state);
    filter.limit = Some(wanted.limit);
    let found = outside.store()?.dead_letters(&filter).await?;
    if json {
        screen::json(&found)?;
    } else if found.is_empty() {
        screen::line("no dead letters")?;
    } else {
        let header =
            ["id", "class", "stage", "rule", "site", "study", "instrument", "submission", "times", "last"];
        screen::table(&header, found.iter().map(row))?;
        if found.len() == wanted.limit as usize {
            screen::line(format!("these are the first {}; --limit shows more", wanted.limit))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one.
pub(crate) async fn show(outside: &Outside<'_>, wanted: &Show, json: bool) -> anyhow::Result<ExitCode> {
    let (store, id) = (outside.store()?, wanted.id);
    let found = match wanted.reason.as_deref().filter(|_| wanted.reveal) {
        Some(reason) => {
            // Before anything is noted: without the keys nobody sees anything.
            let ring = outside.config.keys.ring().map_err(crate::outside::Misconfigured)?;
            let mut chain = deed::chain();
            let found = store.reveal(&mut chain, id, &wanted.by, reason).await?;
            found.map(|found| (reveal::opened(&ring, &found), found))
        }
        None => store.dead_letter(id).await?.map(|found| (serde_json::Value::Null, found)),
    };
    let (content, found) = found.with_context(|| format!("there is no dead letter {id}"))?;
    let mut fields = serde_json::to_value(&found.summary)?;
    if !content.is_null() {
        fields["content"] = content;
    }
    if json {
        screen::json(&fields)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Object(_) => serde_json::to_string_pretty(value)?,
            other => other.to_string(),
        };
        rows.push(vec![name.clone(), text]);
    }
    rows.push(vec!["body".into(), format!("{} bytes, sealed", found.body.len())]);
    screen::table(&["field", "value"], rows)?;
    if found.summary.failed_again {
        screen::line("it was redriven and failed again the same way: redriving alone won't help")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The filter as the store takes it: of those that are open, unless ids are given.
pub(crate) fn narrowed(filter: &Filter) -> anyhow::Result<dead_letters::Filter> {
    let class = filter.class.as_deref().map(str::parse::<Class>).transpose().context("--class")?;
    Ok(dead_letters::Filter {
        lane: filter.lane.clone(),
        class,
        site_id: filter.site.clone(),
        study_id: filter.study.clone(),
        instrument: filter.instrument.clone(),
        stage: filter.stage.clone(),
        submission_id: filter.submission,
        state: filter.ids.is_empty().then_some(DeadLetterState::Open),
        since: filter.since,
        until: filter.until,
        ids: filter.ids.clone(),
        ..dead_letters::Filter::default()
    })
}

/// A dead letter of a study or a site that isn't for whoever asks, or that may be of any.
#[derive(Debug)]
pub(crate) struct Elsewhere;

impl std::fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is of another study or site")
    }
}

impl std::error::Error for Elsewhere {}

/// What a command is about to touch: of the filter, of what somebody is bound to, and no more than its limit. An empty
/// filter is refused without `--all`, and so are ids that there are not, or that aren't theirs.
pub(crate) async fn touched(
    store: &epro_store::Store,
    Touched { filter, all, limit, .. }: &Touched,
    bound: &Bound,
) -> anyhow::Result<(dead_letters::Filter, Vec<Counted>)> {
    let mut wanted = narrowed(filter)?;
    let open = dead_letters::Filter { state: Some(DeadLetterState::Open), ..Default::default() };
    anyhow::ensure!(wanted != open || *all, "that would be every open dead letter; say --all if you mean it");
    (wanted.limit, wanted.bound) = (Some(*limit), bound.clone());
    if !filter.ids.is_empty() {
        let there =
            dead_letters::Filter { ids: filter.ids.clone(), limit: Some(u32::MAX), ..Default::default() };
        let there = store.dead_letters(&there).await?;
        let absent = filter.ids.iter().filter(|id| there.iter().all(|found| found.id != **id));
        let absent: Vec<String> = absent.map(ToString::to_string).collect();
        anyhow::ensure!(absent.is_empty(), "there is no dead letter {}", absent.join(", "));
        let theirs =
            |found: &DeadLetterSummary| bound.has(found.study_id.as_deref(), found.site_id.as_deref());
        anyhow::ensure!(there.iter().all(theirs), Elsewhere);
    }
    let counted = store.count_dead_letters(&wanted).await?;
    Ok((wanted, counted))
}

/// Says what a command would touch.
pub(crate) fn show_counts(counted: &[Counted]) -> anyhow::Result<()> {
    let rows = counted
        .iter()
        .map(|found| vec![found.class.to_string(), found.queue.clone(), screen::number(found.count)]);
    screen::table(&["class", "queue", "dead letters"], rows)
}

fn row(found: &DeadLetterSummary) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let again = if found.failed_again { ", failed again the same way" } else { "" };
    vec![
        found.id.to_string(),
        found.class.to_string(),
        or_dash(&found.stage),
        or_dash(&found.detail),
        or_dash(&found.site_id),
        or_dash(&found.study_id),
        or_dash(&found.instrument),
        found.submission_id.map_or_else(|| "-".into(), |id| id.to_string()),
        format!("{}{again}", found.times),
        instant::shown(found.last_at),
    ]
}
