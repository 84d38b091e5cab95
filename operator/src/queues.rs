//! `epro queues`: what waits in each queue, since when, what comes and goes, and who consumes.
//!
//! Counts and rates are the management API's, or, where none is configured, what AMQP tells: ready and consumers.
//! Nothing is taken out of a queue to look at it, which would change its order and its counters.

use std::process::ExitCode;
use std::time::Duration;

use epro_broker::topology::{self, CONSUMED};
use epro_store::oldest::Oldest;
use epro_store::pause::Pause;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};

use crate::management::{Counted, Management};
use crate::outside::{Misconfigured, Outside};
use crate::screen;

/// The management API counts every five seconds; its rates change as slowly.
const AGAIN: Duration = Duration::from_secs(2);
const NO_CONSUMER: &str = "no consumer";

/// A queue with all that is known of it; what isn't known is `None`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub queue: String,
    /// What is done about it: `consumed`, `paused: <reason>`, `no consumer`, `missing`, `waits` of a wait tier;
    /// `unknown` where nobody can say whether it is paused, or who consumes.
    pub state: String,
    pub ready: Option<u64>,
    pub unacked: Option<u64>,
    pub in_per_second: Option<f64>,
    pub out_per_second: Option<f64>,
    pub consumers: Option<u64>,
    /// Since when the oldest that isn't done waits.
    #[serde(with = "time::serde::rfc3339::option")]
    pub oldest: Option<OffsetDateTime>,
}

/// What the two services say.
struct Seen {
    counted: Vec<(String, Option<Numbers>)>,
    oldest: Vec<Oldest>,
    pauses: Vec<Pause>,
    /// Why the tables say nothing, if they don't.
    without_tables: Option<String>,
}

/// What is known of a queue that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    ready: Option<u64>,
    consumers: Option<u64>,
    /// This and the rates only the management API knows.
    unacked: Option<u64>,
    in_rate: Option<f64>,
    out_rate: Option<f64>,
}

impl Numbers {
    /// Messages that are in it, ready and, as far as that is known, unacked.
    pub(crate) fn messages(&self) -> Option<u64> {
        Some(self.ready? + self.unacked.unwrap_or(0))
    }
}

/// Shows every queue, once or until Ctrl-C.
pub(crate) async fn run(outside: &Outside<'_>, watch: bool, json: bool) -> anyhow::Result<ExitCode> {
    if !watch {
        once(outside, false, json).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut interrupts = signal(SignalKind::interrupt())?;
    loop {
        let looked = async {
            let looked = once(outside, !json, json).await;
            if let Err(error) = looked {
                // What doesn't answer now may answer in a moment; nobody reads on, or there is nothing to ask.
                if error.is::<screen::Closed>() || error.is::<Misconfigured>() {
                    return Err(error);
                }
                screen::note(format!("{error:#}; it is looked again"));
            }
            tokio::time::sleep(AGAIN).await;
            Ok(())
        };
        tokio::select! {
            looked = looked => looked?,
            _ = interrupts.recv() => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn once(outside: &Outside<'_>, clear: bool, json: bool) -> anyhow::Result<()> {
    let seen = look(outside).await?;
    let mut lines = lines(&outside.hospitals(), &seen.counted, &seen.oldest, &seen.pauses);
    if seen.without_tables.is_some() {
        // Perhaps on purpose: pauses are in the tables.
        lines.iter_mut().filter(|line| line.state == NO_CONSUMER).for_each(|line| line.state = unknown());
    }
    if clear {
        screen::clear()?;
    }
    show(&lines, json)?;
    if let Some(error) = &seen.without_tables {
        screen::note(format!("pauses and ages are unknown: {error}"));
    }
    Ok(())
}

async fn look(outside: &Outside<'_>) -> anyhow::Result<Seen> {
    let counted = counted(outside).await?;
    let store = outside.store()?;
    let tables = async { Ok::<_, epro_store::StoreError>((store.oldest().await?, store.pauses().await?)) };
    Ok(match tables.await {
        Ok((oldest, pauses)) => Seen { counted, oldest, pauses, without_tables: None },
        Err(error) => {
            let without_tables = Some(error.to_string());
            Seen { counted, oldest: Vec::new(), pauses: Vec::new(), without_tables }
        }
    })
}

/// What the broker says of every queue that has to be there; `None`: it is missing.
pub(crate) async fn counted(outside: &Outside<'_>) -> anyhow::Result<Vec<(String, Option<Numbers>)>> {
    let names = outside.topology().queues();
    match Management::of(outside)? {
        Some(management) => Ok(by_management(&names, &management.queues().await?)),
        None => by_amqp(outside, names).await,
    }
}

fn by_management(names: &[String], found: &[Counted]) -> Vec<(String, Option<Numbers>)> {
    let numbers = |counted: &Counted| Numbers {
        ready: counted.ready,
        consumers: counted.consumers,
        unacked: counted.unacked,
        in_rate: counted.in_rate,
        out_rate: counted.out_rate,
    };
    let found = |name: &String| found.iter().find(|counted| counted.name == *name).map(numbers);
    names.iter().map(|name| (name.clone(), found(name))).collect()
}

async fn by_amqp(
    outside: &Outside<'_>,
    names: Vec<String>,
) -> anyhow::Result<Vec<(String, Option<Numbers>)>> {
    let connection = outside.broker().await?;
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        let depth = topology::depth(&connection, &name).await?;
        let numbers = depth.map(|depth| Numbers {
            ready: Some(depth.ready.into()),
            consumers: Some(depth.consumers.into()),
            unacked: None,
            in_rate: None,
            out_rate: None,
        });
        all.push((name, numbers));
    }
    connection.close().await;
    Ok(all)
}

/// All that is known of every queue.
pub(crate) fn lines(
    sites: &[String],
    counted: &[(String, Option<Numbers>)],
    oldest: &[Oldest],
    pauses: &[Pause],
) -> Vec<Line> {
    counted.iter().map(|(queue, numbers)| line(queue, *numbers, sites, oldest, pauses)).collect()
}

fn line(queue: &str, numbers: Option<Numbers>, sites: &[String], since: &[Oldest], pauses: &[Pause]) -> Line {
    let lane = CONSUMED.iter().find(|(_, consumed)| *consumed == queue).map(|(lane, _)| *lane);
    let site = sites.iter().find(|site| topology::his(site) == queue || topology::query(site) == queue);
    Line {
        queue: queue.to_owned(),
        state: state(lane, site, numbers, pauses),
        ready: numbers.and_then(|numbers| numbers.ready),
        unacked: numbers.and_then(|numbers| numbers.unacked),
        in_per_second: numbers.and_then(|numbers| numbers.in_rate),
        out_per_second: numbers.and_then(|numbers| numbers.out_rate),
        consumers: numbers.and_then(|numbers| numbers.consumers),
        oldest: numbers.and_then(|numbers| oldest(queue, site, numbers, since)),
    }
}

fn state(lane: Option<&str>, site: Option<&String>, numbers: Option<Numbers>, pauses: &[Pause]) -> String {
    let stops = |pause: &&Pause| {
        lane.is_some_and(|lane| pause.stops_lane(lane)) || site.is_some_and(|site| pause.stops_hospital(site))
    };
    match (numbers, pauses.iter().find(stops)) {
        (None, _) => "missing".into(),
        (Some(_), Some(pause)) => format!("paused: {}", pause.reason),
        (Some(_), None) if lane.is_none() && site.is_none() => "waits".into(),
        (Some(Numbers { consumers: Some(0), .. }), None) => NO_CONSUMER.into(),
        (Some(Numbers { consumers: Some(_), .. }), None) => "consumed".into(),
        (Some(Numbers { consumers: None, .. }), None) => unknown(),
    }
}

/// A queue of intake is as old as what was taken from it a moment ago, which nobody knows where nobody consumes.
fn oldest(queue: &str, site: Option<&String>, numbers: Numbers, oldest: &[Oldest]) -> Option<OffsetDateTime> {
    let of = |kind: &str| oldest.iter().find(|oldest| oldest.kind == kind && oldest.site_id.is_none())?.since;
    let waits = numbers.ready > Some(0) && numbers.consumers > Some(0);
    match queue {
        topology::SUBMISSIONS_ROUTINE => of("routine").filter(|_| waits),
        topology::SUBMISSIONS_URGENT => of("urgent").filter(|_| waits),
        topology::ALERTS => of("alert"),
        topology::RISK => of("risk"),
        _ => {
            let site = site.filter(|site| topology::his(site) == queue)?;
            oldest.iter().find(|oldest| oldest.site_id.as_ref() == Some(site))?.since
        }
    }
}

fn show(lines: &[Line], json: bool) -> anyhow::Result<()> {
    if json {
        return screen::json(&lines);
    }
    let header = ["queue", "state", "ready", "unacked", "in/s", "out/s", "consumers", "oldest"];
    screen::table(&header, lines.iter().map(row))
}

fn row(line: &Line) -> Vec<String> {
    let count = |count: Option<u64>| count.map_or_else(unknown, |count| count.to_string());
    let rate = |rate: Option<f64>| rate.map_or_else(unknown, |rate| format!("{rate:.1}"));
    let age = |since: OffsetDateTime| screen::age(OffsetDateTime::now_utc() - since);
    let nothing = line.ready == Some(0) && line.unacked.unwrap_or(0) == 0;
    let oldest = line.oldest.map(age).unwrap_or_else(|| if nothing { "-".into() } else { unknown() });
    vec![
        line.queue.clone(),
        line.state.clone(),
        count(line.ready),
        count(line.unacked),
        rate(line.in_per_second),
        rate(line.out_per_second),
        count(line.consumers),
        oldest,
    ]
}

fn unknown() -> String {
    "unknown".into()
}
