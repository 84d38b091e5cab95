//! `manifest.json`: what was asked for, by whom, and every file with its counts and its SHA-256.

use epro_store::exports::{ExportFile, ExportJob};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Its name.
pub(super) const NAME: &str = "manifest.json";

/// Its bytes.
pub(super) fn of(job: &ExportJob, files: &[ExportFile]) -> Vec<u8> {
    let files = files.iter().filter(|file| file.name != NAME);
    let (rows, bytes) =
        files.clone().fold((0, 0), |(rows, bytes), file| (rows + file.rows, bytes + file.bytes));
    let file = |file: &ExportFile| json!({"name": file.name, "rows": file.rows, "bytes": file.bytes, "sha256": hex(&file.sha256)});
    let manifest = json!({
        "export_id": job.export_id,
        "requested_by": job.actor,
        "client": job.client,
        "requested_at": at(job.requested_at),
        "finished_at": at(OffsetDateTime::now_utc()),
        "study_ids": job.study_ids,
        "site_id": job.site_id,
        "instruments": job.instruments,
        "from": at(job.from),
        "to": at(job.to),
        "format": job.format,
        "identified": job.identified,
        "snapshot": job.snapshot,
        "rows": rows,
        "bytes": bytes,
        "files": files.map(file).collect::<Vec<Value>>(),
    });
    let mut text = format!("{manifest:#}");
    text.push('\n');
    text.into_bytes()
}

fn at(instant: OffsetDateTime) -> String {
    instant.format(&Rfc3339).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
