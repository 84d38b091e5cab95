//! One export after the other, under the lease of one slot.

use std::sync::Arc;
use std::time::Duration;

use epro_store::exports::{ExportJob, ExportPart, Going};
use epro_store::lease::Lease;
use tokio::sync::watch;
use uuid::Uuid;

use super::encoder::Encoder;
use super::pages::Pages;
use super::part::{self, File, Progress};
use super::slots::Desk;
use super::trouble::Trouble;
use super::{csv, manifest, reports};
use crate::backoff;

/// How often it is looked whether there is something to do, or whether it is still wanted.
const LOOK: Duration = Duration::from_millis(500);
/// Tries at one export before it is given up.
const ATTEMPTS: i32 = 6;
/// Between the first two of them; then twice as long each time. Scaled.
const REST: Duration = Duration::from_secs(2);
/// So many of these rests lie between two looks for a key that is late: it may take a day.
const KEY_RESTS: u32 = 4;
/// How long what is left to say may take when the process leaves.
const FAREWELL: Duration = Duration::from_secs(2);

/// Works at whatever is due until the slot's lease is lost, or the process leaves.
pub(super) async fn work(desk: Arc<Desk>, slot: Lease, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match desk.store.claim_export(desk.owner, &slot).await {
            Ok(Some(job)) => one(&desk, job, &mut stop).await,
            Ok(None) => rest(LOOK, &mut stop).await,
            Err(error) => {
                tracing::debug!(%error, "no export can be taken in hand now");
                rest(backoff::LONGEST, &mut stop).await;
            }
        }
    }
}

async fn one(desk: &Desk, mut job: ExportJob, stop: &mut watch::Receiver<bool>) {
    let export = job.export_id;
    tracing::info!(%export, run = job.run, after_files = job.parts, "an export is taken in hand");
    let progress = Progress::new(&job);
    let shared = Arc::new(job.clone());
    let made = match job.cancelling {
        true => Err(Trouble::Going(Going::Cancelling)),
        false => tokio::select! {
            biased;
            () = stopped(stop) => Err(Trouble::Stopped),
            going = wanted(desk, &shared, &progress) => Err(Trouble::Going(going)),
            made = make(desk, &shared, &progress) => made,
        },
    };
    job.rows = progress.now().0;
    job.attempts = progress.attempts();
    let mut ending = std::pin::pin!(end(desk, &job, made));
    tokio::select! {
        () = &mut ending => {}
        // A little time for the last word; then the next run finds out for itself.
        () = async { stopped(stop).await; tokio::time::sleep(FAREWELL).await } => {}
    }
}

/// Says what became of a run, as often as it takes.
async fn end(desk: &Desk, job: &ExportJob, made: Result<(), Trouble>) {
    for delay in backoff::steady() {
        match said(desk, job, &made).await {
            Ok(outcome) => {
                tracing::info!(export = %job.export_id, rows = job.rows, outcome, "an export's run has ended");
                metrics::counter!("epro_export_runs_total", "outcome" => outcome).increment(1);
                return;
            }
            Err(trouble) => tracing::debug!(%trouble, "what became of an export can't be said now"),
        }
        tokio::time::sleep(delay).await;
    }
}

async fn said(desk: &Desk, job: &ExportJob, made: &Result<(), Trouble>) -> Result<&'static str, Trouble> {
    let trouble = match made {
        Ok(()) => {
            let mut chain = desk.chains.take().await;
            let said = desk.store.export_done(chain.chain(), job, desk.keep).await?;
            return Ok(if said { "done" } else { "lost" });
        }
        Err(trouble) => trouble,
    };
    match trouble {
        Trouble::Going(Going::Lost) => return Ok("lost"),
        Trouble::Going(_) => {
            desk.objects.delete_all(&job.export_id.to_string()).await?;
            let mut chain = desk.chains.take().await;
            let said = desk.store.export_cancelled(chain.chain(), job).await?;
            return Ok(if said { "cancelled" } else { "lost" });
        }
        _ => {}
    }
    let why = trouble.to_string();
    if trouble.is_charged() && job.attempts + 1 >= ATTEMPTS {
        tracing::warn!(export = %job.export_id, why, "an export is given up");
        // A storage that is away keeps its files until the sweep can delete them: nobody is shown them.
        let files_left = desk.objects.delete_all(&job.export_id.to_string()).await.is_err();
        let mut chain = desk.chains.take().await;
        let said = desk.store.export_failed(chain.chain(), job, &why, files_left).await?;
        return Ok(if said { "failed" } else { "lost" });
    }
    let charged = trouble.is_charged();
    let after = match trouble {
        Trouble::Stopped => Duration::ZERO,
        Trouble::UnknownKey => desk.rest_unit * KEY_RESTS,
        _ => desk.rest_unit * 2_u32.saturating_pow(u32::try_from(job.attempts).unwrap_or(0).min(8)),
    };
    let told = (charged || *trouble == Trouble::UnknownKey).then_some(why.as_str());
    if let Some(why) = told {
        tracing::warn!(export = %job.export_id, why, "an export waits");
    }
    let said = desk.store.export_again(job, (told, charged), after).await?;
    Ok(if said { "again" } else { "lost" })
}

/// How long after the first failed try the next one comes.
pub(super) fn rest_unit(scaled: impl Fn(Duration) -> Duration) -> Duration {
    scaled(REST)
}

/// Makes what is missing: every file behind the last finished one, then the manifest.
async fn make(desk: &Desk, job: &Arc<ExportJob>, progress: &Progress) -> Result<(), Trouble> {
    let header = csv::header(&desk.route.instruments, &job.instruments, job.identified);
    let estimate = match job.parts {
        0 => desk.store.export_estimate(job).await.ok(),
        _ => None,
    };
    let begun = desk.store.begin_export(job, &header, estimate).await?;
    let header = begun.ok_or(Trouble::Going(Going::Lost))?;
    match job.reporting {
        true => reports::write(desk, job, job.parts, job.after.0, progress).await?,
        false => {
            let encoder = Encoder::new(job, header, &desk.route, &desk.canonical)?;
            let number = responses(desk, job, encoder, progress).await?;
            reports::write(desk, job, number, Uuid::nil(), progress).await?;
        }
    }
    let files = desk.store.export_files(job.export_id).await?;
    let text = manifest::of(job, &files);
    let (mut file, object) = File::begin(&desk.objects, job, manifest::NAME)?;
    file.put(text).await?;
    let (bytes, sha256) = file.finish().await?;
    let last = (Uuid::nil(), Uuid::nil());
    let part = ExportPart { part: 0, name: manifest::NAME.to_owned(), object, rows: 0, bytes, sha256, last };
    note(desk, job, &part, progress).await?;
    let (rows, bytes) = progress.now();
    desk.store.export_progress(job, rows, bytes).await?;
    Ok(())
}

/// Every file of responses behind the last finished one; gives the number of the last.
async fn responses(
    desk: &Desk,
    job: &Arc<ExportJob>,
    mut encoder: Encoder,
    progress: &Progress,
) -> Result<i32, Trouble> {
    let mut pages = Pages::after(&desk.store, job, job.after);
    let mut number = job.parts;
    while let Some(first) = pages.next().await? {
        number += 1;
        let place = (&desk.objects, &**job, desk.file_size);
        let part = part::write(place, number, &mut encoder, first, &mut pages, progress).await?;
        note(desk, job, &part, progress).await?;
    }
    Ok(number)
}

/// A file is finished.
pub(super) async fn note(
    desk: &Desk,
    job: &ExportJob,
    part: &ExportPart,
    progress: &Progress,
) -> Result<(), Trouble> {
    crate::fault::at(crate::fault::Seam::BeforeCommit, None);
    if !desk.store.export_part(job, part).await? {
        // Whoever took it over, or ended it, knows nothing of this file.
        if let Err(error) = desk.objects.delete(&part.object).await {
            tracing::debug!(%error, "a file that nobody waits for can't be deleted");
        }
        // Cancelled, or another's: `wanted` says which.
        std::future::pending::<()>().await;
    }
    progress.went_well();
    metrics::counter!("epro_export_rows_total").increment(u64::try_from(part.rows).unwrap_or(0));
    crate::fault::at(crate::fault::Seam::AfterCommit, None);
    Ok(())
}

/// Says how far it is; resolves once it is no longer wanted from here.
async fn wanted(desk: &Desk, job: &ExportJob, progress: &Progress) -> Going {
    loop {
        tokio::time::sleep(LOOK).await;
        let (rows, bytes) = progress.now();
        match desk.store.export_progress(job, rows, bytes).await {
            Ok(Going::On) => {}
            Ok(going) => return going,
            Err(error) => tracing::debug!(%error, "an export's progress can't be said now"),
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone is a slot that is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn rest(delay: Duration, stop: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = stopped(stop) => {}
        () = tokio::time::sleep(delay) => {}
    }
}
