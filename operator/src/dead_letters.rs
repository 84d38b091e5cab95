//! `epro dead-letters list|show`: what was set aside, without what a patient said.

use std::process::ExitCode;

use anyhow::Context as _;
use epro_store::dead_letters::{self, Class, DeadLetterState, DeadLetterSummary};
use time::format_description::well_known::Rfc3339;

use crate::arguments::Filter;
use crate::outside::Outside;
use crate::screen;

/// Dead letters that are listed unless more are asked for.
const LISTED: u32 = 100;

/// Lists dead letters.
pub(crate) async fn list(outside: &Outside<'_>, filter: Filter, json: bool) -> anyhow::Result<ExitCode> {
    let most = filter.limit.unwrap_or(LISTED);
    let wanted = dead_letters::Filter { limit: Some(most), ..wanted(&filter)? };
    let found = outside.store()?.dead_letters(&wanted).await?;
    if json {
        screen::json(&found)?;
    } else if found.is_empty() {
        screen::line("no dead letters")?;
    } else {
        let header =
            ["id", "class", "stage", "rule", "site", "study", "instrument", "submission", "times", "last"];
        screen::table(&header, found.iter().map(row))?;
        if found.len() == most as usize {
            screen::line(format!("these are the first {most}; --limit shows more"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one.
pub(crate) async fn show(outside: &Outside<'_>, id: i64, json: bool) -> anyhow::Result<ExitCode> {
    let found =
        outside.store()?.dead_letter(id).await?.with_context(|| format!("there is no dead letter {id}"))?;
    if json {
        screen::json(&found.summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    let fields = serde_json::to_value(&found.summary)?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rows.push(vec![name.clone(), text]);
    }
    rows.push(vec!["body".into(), format!("{} bytes, sealed", found.body.len())]);
    screen::table(&["field", "value"], rows)?;
    Ok(ExitCode::SUCCESS)
}

/// The filter as the store takes it.
pub(crate) fn wanted(filter: &Filter) -> anyhow::Result<dead_letters::Filter> {
    let class = filter.class.as_deref().map(str::parse::<Class>).transpose().context("--class")?;
    let state = match filter.state.as_str() {
        "open" => DeadLetterState::Open,
        "redriven" => DeadLetterState::Redriven,
        "discarded" => DeadLetterState::Discarded,
        _ => anyhow::bail!("--state is open, redriven or discarded"),
    };
    Ok(dead_letters::Filter {
        lane: filter.lane.clone(),
        class,
        site_id: filter.site.clone(),
        study_id: filter.study.clone(),
        submission_id: filter.submission,
        state: Some(state),
        limit: filter.limit,
        ..dead_letters::Filter::default()
    })
}

fn row(found: &DeadLetterSummary) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    vec![
        found.id.to_string(),
        found.class.to_string(),
        or_dash(&found.stage),
        or_dash(&found.detail),
        or_dash(&found.site_id),
        or_dash(&found.study_id),
        or_dash(&found.instrument),
        found.submission_id.map_or_else(|| "-".into(), |id| id.to_string()),
        found.times.to_string(),
        found.last_at.format(&Rfc3339).unwrap_or_default(),
    ]
}
