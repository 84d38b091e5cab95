//! The reports among an export's documents, in zip files of their own.

use epro_schemas::export::Format;
use epro_schemas::kind;
use epro_store::exports::{ExportJob, ExportPart, ExportReport};
use uuid::Uuid;

use super::documents::Documents;
use super::job::note;
use super::part::{File, Progress};
use super::slots::Desk;
use super::trouble::Trouble;

/// Writes the files of reports behind file `number`: every report behind `after`, if the export is one of documents.
/// A report has no instrument: whoever asks for some instruments asks for no report.
pub(super) async fn write(
    desk: &Desk,
    job: &ExportJob,
    mut number: i32,
    after: Uuid,
    progress: &Progress,
) -> Result<(), Trouble> {
    if Format::of(&job.format) != Some(Format::Documents) || !job.instruments.is_empty() {
        return Ok(());
    }
    let mut next = desk.store.export_report(job, after).await?;
    while let Some(first) = next {
        number += 1;
        let (part, rest) = one(desk, job, number, first, progress).await?;
        note(desk, job, &part, progress).await?;
        next = rest;
    }
    Ok(())
}

/// One file, and the report that found no more room in it.
async fn one(
    desk: &Desk,
    job: &ExportJob,
    number: i32,
    first: ExportReport,
    progress: &Progress,
) -> Result<(ExportPart, Option<ExportReport>), Trouble> {
    let name = format!("{}{number:05}.zip", ExportPart::REPORTS);
    let (mut file, object) = File::begin(&desk.objects, job, &name)?;
    let mut documents = Documents::new();
    let (mut rows, mut last, mut next) = (0, first.key, Some(first));
    while file.is_below(desk.file_size)
        && let Some(report) = next.take()
    {
        let mut piece = Vec::new();
        let path = format!("{}/{}/report-{}.json", report.study_id, report.key.1, report.key.0);
        documents.add(path, report.finished_at, &open(desk, &report)?, &mut piece)?;
        progress.add(1, piece.len());
        file.put(piece).await?;
        (rows, last) = (rows + 1, report.key);
        next = desk.store.export_report(job, last.0).await?;
    }
    let mut piece = Vec::new();
    documents.end(&mut piece)?;
    progress.add(0, piece.len());
    file.put(piece).await?;
    let (bytes, sha256) = file.finish().await?;
    Ok((ExportPart { part: number, name, object, rows, bytes, sha256, last }, next))
}

fn open(desk: &Desk, report: &ExportReport) -> Result<Vec<u8>, Trouble> {
    let opened = desk.route.keys.seal.open(kind::REPORT_BODY, report.key.0, &report.body);
    opened.map_err(|error| Trouble::unopened(&error, "a report's seal doesn't open"))
}
