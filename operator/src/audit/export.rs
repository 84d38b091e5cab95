//! `epro audit export`: the whole trail as a stream, for an inspector or an archive.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use epro_schemas::audit::event::Event;
use epro_schemas::audit::fhir::audit_event;
use epro_store::audit::{AuditEvent, AuditFacts};
use serde_json::json;
use uuid::Uuid;

use crate::arguments::{AuditExport, AuditFormat};
use crate::outside::Outside;
use crate::{deed, screen};

/// Writes it. That it was taken is in the trail before the first line is, so that the copy says so itself.
pub(crate) async fn export(outside: &Outside<'_>, wanted: &AuditExport) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let out: Box<dyn Write> = match &wanted.out {
        Some(file) => Box::new(OpenOptions::new().write(true).create_new(true).open(file)?),
        None => Box::new(std::io::stdout()),
    };
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let taken = AuditEvent::about(
        "audit.exported",
        "ok",
        AuditFacts::from(&wanted.deed.by),
        json!({"format": wanted.format.as_str(), "reason": wanted.deed.reason}),
    );
    store.record(&mut deed::chain(), &[taken]).await?;
    let (mut after, mut events) = ((Uuid::nil(), 0), 0_u64);
    loop {
        let page = store.audit_events(after).await?;
        let Some(last) = page.last() else { break };
        after = (last.writer, last.seq);
        events += page.len() as u64;
        for event in &page {
            write(&mut out, wanted.format, event)?;
        }
    }
    out.flush()?;
    if wanted.out.is_some() {
        screen::line(format!("{events} events"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(out: &mut impl Write, format: AuditFormat, event: &Event) -> anyhow::Result<()> {
    match format {
        AuditFormat::Ndjson => serde_json::to_writer(&mut *out, event)?,
        AuditFormat::Fhir => serde_json::to_writer(&mut *out, &audit_event(event))?,
    }
    out.write_all(b"\n")?;
    Ok(())
}
