//! `epro alerts list|show|close`: who was told of what, and what nobody has acknowledged.

use std::process::ExitCode;

use anyhow::Context as _;
use epro_store::alerts::{AlertNow, Ended};
use serde_json::json;
use uuid::Uuid;

use crate::arguments::{AlertFilter, CloseAlert};
use crate::outside::Outside;
use crate::{deed, instant, screen};

/// Lists alerts, the newest first.
pub(crate) async fn list(outside: &Outside<'_>, filter: AlertFilter, json: bool) -> anyhow::Result<ExitCode> {
    let found = outside.store()?.alerts(!filter.all, filter.site.as_deref(), filter.limit).await?;
    if json {
        screen::json(&found)?;
    } else if found.is_empty() {
        screen::line(if filter.all { "no alerts" } else { "no alert that isn't done" })?;
    } else {
        let header =
            ["id", "severity", "rule", "site", "study", "since", "level", "told", "untold", "standing"];
        screen::table(&header, found.iter().map(row))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one with its notices.
pub(crate) async fn show(outside: &Outside<'_>, id: Uuid, json: bool) -> anyhow::Result<ExitCode> {
    let found = outside.store()?.alert(id).await?;
    let (alert, notices) = found.with_context(|| format!("there is no alert {id}"))?;
    if json {
        screen::json(&json!({"alert": alert, "notices": notices}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let fields = serde_json::to_value(&alert)?;
    let rows = fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    screen::table(
        &["field", "value"],
        rows.map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            vec![name.clone(), text]
        }),
    )?;
    let rows = notices.into_iter().map(|notice| {
        let error = notice.error.unwrap_or_else(|| "-".into());
        let at = instant::shown(notice.last_at);
        vec![notice.channel, notice.recipient, notice.state, notice.tries.to_string(), at, error]
    });
    screen::table(&["channel", "recipient", "state", "tries", "last", "error"], rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Closes one that nobody will acknowledge.
pub(crate) async fn close(
    outside: &Outside<'_>,
    wanted: &CloseAlert,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let id = wanted.id;
    let mut chain = deed::chain();
    let ended = store.close_alert(&mut chain, id, &wanted.deed.by, &wanted.deed.reason).await?;
    let outcome = match ended {
        Ended::Now => "closed",
        Ended::Already => "was done already",
        Ended::Absent | Ended::NotTheirs => anyhow::bail!("there is no alert {id}"),
    };
    if json {
        screen::json(&json!({"alert": id, "outcome": outcome, "changed": ended == Ended::Now}))?;
    } else {
        screen::line(format!("{id}: {outcome}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(alert: &AlertNow) -> Vec<String> {
    vec![
        alert.alert_id.to_string(),
        alert.severity.clone(),
        alert.rule.clone(),
        alert.site_id.clone(),
        alert.study_id.clone(),
        instant::shown(alert.received_at.unwrap_or(alert.created_at)),
        alert.level.to_string(),
        alert.told.to_string(),
        alert.untold.to_string(),
        standing(alert).to_owned(),
    ]
}

/// Where it stands, in words.
pub(crate) fn standing(alert: &AlertNow) -> &'static str {
    match alert {
        AlertNow { acknowledged_at: Some(_), .. } => "acknowledged",
        AlertNow { closed_at: Some(_), .. } => "closed",
        AlertNow { repeats: Some(_), .. } => "repeats another",
        AlertNow { told: 0, .. } => "nobody is told",
        AlertNow { withdrawn_by: Some(_), .. } => "withdrawn, not acknowledged",
        _ => "not acknowledged",
    }
}
