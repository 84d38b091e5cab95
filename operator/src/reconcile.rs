//! `epro reconcile`: after a queue was lost, what its rows say is published once more.

use std::process::ExitCode;

use epro_broker::topology;
use epro_store::audit::AuditFacts;
use epro_store::reconcile::{Believing, Work};
use serde::Serialize;
use serde_json::json;

use crate::arguments::Reconcile;
use crate::outside::Outside;
use crate::{deed, queues, screen};

#[derive(Serialize)]
struct Line {
    queue: String,
    /// Rows that believe that their message is in it, or waits to come back to it; `None`: it has none.
    rows: Option<i64>,
    /// Messages that are in it; `None`: it is missing, or that isn't known.
    messages: Option<u64>,
    #[serde(skip)]
    missing: bool,
    /// What follows.
    then: String,
}

/// Says what each queue's rows believe, and, if it is to, lets the relay publish them again.
pub(crate) async fn run(outside: &Outside<'_>, wanted: &Reconcile, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let sites = outside.hospitals();
    let known: Vec<String> = outside.topology().queues();
    for queue in &wanted.queue {
        anyhow::ensure!(known.contains(queue), "there is no queue {queue} in this configuration");
    }
    let doing = wanted.yes.then_some(wanted.reason.as_deref()).flatten();
    anyhow::ensure!(
        doing.is_none() || wanted.all || !wanted.queue.is_empty(),
        "that would be every queue; name one with --queue, or say --all if you mean it"
    );
    // What is published from now on is not meant.
    let before = store.server().await?.clock;
    let believing = store.believing(before).await?;
    let counted = queues::counted(outside).await?;
    let by = AuditFacts::from(&wanted.by);
    let mut chain = deed::chain();
    let mut lines = Vec::new();
    for (queue, numbers) in counted {
        let work = work(&queue, &sites);
        let named = wanted.queue.contains(&queue);
        if !named && (work.is_none() || !wanted.queue.is_empty()) {
            continue;
        }
        let rows = work.map(|work| rows(work, &believing));
        let then = match (work, doing) {
            (None, _) => lost(&queue).to_owned(),
            (Some(_), None) => "would be published again".to_owned(),
            (Some(work), Some(reason)) => {
                let done = store.unsend(&mut chain, work, before, &by, reason).await?;
                format!("{done} are unsent: the relay publishes them")
            }
        };
        let messages = numbers.and_then(|numbers| numbers.messages());
        lines.push(Line { queue, rows, messages, missing: numbers.is_none(), then });
    }
    if json {
        screen::json(&json!({"done": doing.is_some(), "queues": lines}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = |count: Option<i64>| count.map_or_else(|| "-".to_owned(), screen::number);
    let rows = lines.iter().map(|line| {
        let absent = if line.missing { "missing" } else { "unknown" };
        let messages = line.messages.map_or_else(|| absent.to_owned(), |count| count.to_string());
        vec![line.queue.clone(), count(line.rows), messages, line.then.clone()]
    });
    screen::table(&["queue", "rows under way", "messages", "then"], rows)?;
    if doing.is_none() {
        screen::line(
            "rows may also be under way in a wait tier or in a worker's hands; published again they do no harm\n\
             nothing was done; --queue (or --all), --yes and --reason do it",
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn work<'a>(queue: &str, sites: &'a [String]) -> Option<Work<'a>> {
    match queue {
        topology::ALERTS => Some(Work::Alerts),
        topology::RISK => Some(Work::Risks),
        _ => sites.iter().find(|site| topology::his(site) == queue).map(|site| Work::Deliveries(site)),
    }
}

fn rows(work: Work<'_>, believing: &Believing) -> i64 {
    match work {
        Work::Alerts => believing.alerts,
        Work::Risks => believing.risks,
        Work::Deliveries(site) => {
            believing.deliveries.iter().find(|(at, _)| at == site).map_or(0, |(_, count)| *count)
        }
    }
}

/// What was only in the queue, and who brings it again.
fn lost(queue: &str) -> &'static str {
    match queue {
        topology::EXPORTS => "requests that no worker had taken are gone; the others go on by themselves",
        topology::COMMANDS => "acknowledgements that no worker had taken are gone: their alerts go on",
        _ if queue.starts_with("epro.query.") => "reports are asked for again by whoever wants them",
        _ => "what was in it has no row: apps learn by 404 that it isn't stored, and send again",
    }
}
