//! `epro dead-letters redrive`: moves dead letters back to their work queue, as a job that can be cancelled and
//! resumed.

pub(crate) mod job;
mod message;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use epro_store::audit::AuditFacts;
use epro_store::redrives::{ItemStatus, RedriveStatus};
use epro_store::{Bound, Store};
use job::Runner;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{OneRedrive, Redrive, RedriveCommand, Touched};
use crate::outside::Outside;
use crate::{dead_letters, deed, instant, screen};

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(250);
/// Dead letters whose outcome is shown one by one.
const SHOWN: u32 = 20;

/// Makes a redrive and works at it, or does what its subcommand says.
pub(crate) async fn run(outside: &Outside<'_>, wanted: &Redrive, json: bool) -> anyhow::Result<ExitCode> {
    match &wanted.command {
        None => create(outside, wanted, json).await,
        Some(RedriveCommand::List { limit }) => list(outside, *limit, json).await,
        Some(RedriveCommand::Show { redrive }) => {
            let store = outside.store()?;
            tell(&store, *redrive, u32::MAX, json).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(RedriveCommand::Cancel(wanted)) => cancel(outside, wanted, json).await,
        Some(RedriveCommand::Resume(wanted)) => resume(outside, wanted, json).await,
    }
}

async fn create(outside: &Outside<'_>, wanted: &Redrive, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let Touched { limit, yes, .. } = wanted.touched;
    let (filter, counted) = dead_letters::touched(&store, &wanted.touched, &Bound::default()).await?;
    let count: i64 = counted.iter().map(|counted| counted.count).sum();
    if wanted.dry_run || !yes || count == 0 {
        if json {
            screen::json(&json!({"would_redrive": counted, "redrive": null}))?;
        } else if count == 0 {
            screen::line("no dead letters")?;
        } else {
            dead_letters::show_counts(&counted)?;
            if count == i64::from(limit) {
                screen::line(format!("these are the first {}; --limit takes more", screen::number(count)))?;
            }
            screen::line("nothing was done; --yes publishes them again")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let reason = wanted.reason.as_deref().context("--reason")?;
    let mut runner = Runner::new(outside, &wanted.by)?;
    match runner.create(&filter, wanted.rate, reason).await? {
        Some(redrive) => work(&store, &mut runner, redrive, json).await,
        // Somebody else has settled them since they were counted.
        None => {
            if json {
                screen::json(&json!({"would_redrive": [], "redrive": null}))?;
            } else {
                screen::line("no dead letters")?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn resume(outside: &Outside<'_>, wanted: &OneRedrive, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let mut runner = Runner::new(outside, &wanted.deed.by)?;
    if !runner.resume(wanted.redrive, &wanted.deed.reason).await? {
        let status = status(&store, wanted.redrive).await?;
        if json {
            screen::json(&json!({"redrive": status, "changed": false}))?;
        } else {
            screen::line(format!("redrive {} is {} already", status.redrive_id, status.state))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    work(&store, &mut runner, wanted.redrive, json).await
}

async fn cancel(outside: &Outside<'_>, wanted: &OneRedrive, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let mut chain = deed::chain();
    let (by, reason) = (AuditFacts::from(&wanted.deed.by), &wanted.deed.reason);
    let changed = store.cancel_redrive(&mut chain, wanted.redrive, (&by, reason)).await?;
    let status = status(&store, wanted.redrive).await?;
    if json {
        screen::json(&json!({"redrive": status, "changed": changed}))?;
    } else {
        let how = if changed { "cancelled" } else { "not open: nothing to cancel" };
        screen::line(format!("redrive {}: {how}; {}", status.redrive_id, figures(&status)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Works at a redrive until it ends, and shows how far it is. Ctrl-C cancels it, a second one waits for nothing.
async fn work(store: &Store, runner: &mut Runner, redrive: i64, json: bool) -> anyhow::Result<ExitCode> {
    let bar = !json && screen::is_terminal();
    if !json {
        let status = status(store, redrive).await?;
        let (total, rate) = (screen::number(status.total), status.rate);
        screen::line(format!("redrive {redrive}: {total} dead letters, at most {rate} a second"))?;
    }
    let by = runner.by();
    let mut interrupts = signal(SignalKind::interrupt())?;
    let ended = {
        let running = runner.run(redrive);
        tokio::pin!(running);
        let mut asked = false;
        loop {
            tokio::select! {
                ended = &mut running => break ended,
                _ = interrupts.recv() => {
                    if asked {
                        return left_at_once(redrive);
                    }
                    asked = true;
                    let mut chain = deed::chain();
                    let cancelled = store.cancel_redrive(&mut chain, redrive, (&by, "Ctrl-C"));
                    tokio::select! {
                        cancelled = cancelled => { cancelled?; }
                        _ = interrupts.recv() => return left_at_once(redrive),
                    }
                }
                () = tokio::time::sleep(LOOK), if bar => screen::again(&progress(&status(store, redrive).await?))?,
            }
        }
    };
    if bar {
        screen::again("")?;
    }
    let status = tell(store, redrive, SHOWN, json).await?;
    if let Err(error) = ended {
        screen::note(format!("redrive {redrive} stands still: {error:#}"));
    }
    if status.waiting > 0 {
        screen::note(format!("epro dead-letters redrive resume {redrive} --reason … goes on"));
    }
    Ok(match (status.waiting + status.failed, status.redriven + status.settled) {
        (0, _) => ExitCode::SUCCESS,
        (_, 0) => ExitCode::FAILURE,
        _ => ExitCode::from(deed::IN_PART),
    })
}

/// Whoever presses Ctrl-C twice waits for nothing any more, neither RabbitMQ nor PostgreSQL.
fn left_at_once(redrive: i64) -> anyhow::Result<ExitCode> {
    screen::note(format!(
        "left at once: the dead letter in hand may be published and not marked; epro dead-letters redrive show \
         {redrive} says how far it is, resume {redrive} goes on"
    ));
    Ok(ExitCode::from(deed::IN_PART))
}

async fn status(store: &Store, redrive: i64) -> anyhow::Result<RedriveStatus> {
    store.redrive(redrive).await?.with_context(|| format!("there is no redrive {redrive}"))
}

/// How far it is, and what became of each dead letter: of all where they are few, else of those that failed.
async fn tell(store: &Store, redrive: i64, most: u32, json: bool) -> anyhow::Result<RedriveStatus> {
    let status = status(store, redrive).await?;
    let few = status.total <= i64::from(SHOWN);
    let items = store.redrive_items(redrive, few, most).await?;
    if json {
        screen::json(&json!({"redrive": status, "items": items}))?;
        return Ok(status);
    }
    if !items.is_empty() {
        screen::table(&["id", "class", "outcome"], items.iter().map(item))?;
    }
    if !few && status.failed > i64::from(most) {
        screen::line(format!("these are the first {most} that failed; `redrive show {redrive}` shows all"))?;
    }
    screen::line(format!("redrive {redrive} {}: {}", status.state, figures(&status)))?;
    Ok(status)
}

fn item(item: &ItemStatus) -> Vec<String> {
    vec![
        item.id.to_string(),
        item.class.map_or_else(|| "-".into(), |class| class.to_string()),
        item.outcome.clone().unwrap_or_else(|| item.state.clone()),
    ]
}

async fn list(outside: &Outside<'_>, limit: u32, json: bool) -> anyhow::Result<ExitCode> {
    let found = outside.store()?.redrives(limit).await?;
    if json {
        screen::json(&found)?;
    } else if found.is_empty() {
        screen::line("no redrive was made")?;
    } else {
        let header = [
            "redrive",
            "state",
            "by",
            "reason",
            "made",
            "last step",
            "total",
            "redriven",
            "settled",
            "failed",
            "waiting",
        ];
        screen::table(&header, found.iter().map(row))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(found: &RedriveStatus) -> Vec<String> {
    let mut row = vec![
        found.redrive_id.to_string(),
        found.state.clone(),
        found.by.clone(),
        found.reason.clone(),
        instant::shown(found.created_at),
        instant::shown(found.stepped_at),
    ];
    let counts = [found.total, found.redriven, found.settled, found.failed, found.waiting];
    row.extend(counts.map(screen::number));
    row
}

fn progress(status: &RedriveStatus) -> String {
    let done = status.total - status.waiting;
    let share = (status.total > 0).then(|| done as f64 / status.total as f64);
    format!("{} {}", screen::bar(share), figures(status))
}

fn figures(status: &RedriveStatus) -> String {
    let n = screen::number;
    format!(
        "{} of {} redriven, {} settled before, {} failed, {} waiting",
        n(status.redriven),
        n(status.total),
        n(status.settled),
        n(status.failed),
        n(status.waiting)
    )
}
