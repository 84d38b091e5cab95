//! `epro audit export`: the whole trail as a stream, for an inspector or an archive.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use epro_schemas::audit::event::Event;
use epro_schemas::audit::fhir::audit_event;
use epro_schemas::audit::verifier::EXPORTED;
use epro_store::audit::{AuditEvent, AuditFacts};
use serde_json::json;

use crate::arguments::{AuditExport, AuditFormat};
use crate::outside::Outside;
use crate::{deed, screen};

/// Writes it. That it was taken is in the trail before the first line is, so that the copy says so itself; it says as
/// well up to which anchor it goes. An anchor that is made between its event and its snapshot is in it all the same,
/// with its own event, which says that.
pub(crate) async fn export(outside: &Outside<'_>, wanted: &AuditExport) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let out: Box<dyn Write> = match &wanted.out {
        Some(file) => Box::new(OpenOptions::new().write(true).create_new(true).open(file)?),
        None => Box::new(std::io::stdout()),
    };
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let anchor = store.last_anchor().await?.unwrap_or(0);
    let taken = AuditEvent::about(
        EXPORTED,
        "ok",
        AuditFacts::from(&wanted.deed.by),
        json!({"anchor": anchor, "format": wanted.format.as_str(), "reason": wanted.deed.reason}),
    );
    store.record(&mut deed::chain(), &[taken]).await?;
    let (mut trail, mut events) = (store.audit_snapshot().await?, 0_u64);
    loop {
        let page = trail.next_events().await?;
        if page.is_empty() {
            break;
        }
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
