//! The section of docs/PROOF.md on a RabbitMQ of three nodes.

use std::fmt::Write as _;

use super::Record;
use crate::journal::NOTHING;

/// A row a run.
pub(super) fn section(records: &[Record]) -> String {
    if records.is_empty() {
        return NOTHING.to_owned();
    }
    let mut out =
        "| RabbitMQ | PostgreSQL | day | commit | struck | answered 202 | stored once | copies noted | \
                   alerts told | delivered once | audit rows | seconds | |\n\
                   |---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for record in records {
        let _ = writeln!(out, "{}", row(record));
    }
    for record in records {
        if let Some(wrong) = &record.wrong {
            let first = wrong.lines().next().unwrap_or_default();
            let _ = writeln!(out, "\n**Not as promised**, seed {}: {first}", record.seed);
        }
    }
    out
}

fn row(record: &Record) -> String {
    let setting = &record.setting;
    let struck: Vec<&str> = record.struck.faults.keys().map(String::as_str).collect();
    let counted = match &record.account {
        Some(a) => format!(
            "{} | {} | {} | {} | {} | {}",
            a.accepted, a.stored, a.duplicates, a.alerts, a.deliveries, a.audited
        ),
        None => " | | | | | ".to_owned(),
    };
    format!(
        "| {} | {} | {} | {} | {} | {counted} | {:.0} | {} |",
        setting.rabbitmq,
        setting.postgresql,
        record.at.get(..10).unwrap_or_default(),
        setting.commit.as_deref().unwrap_or("unknown"),
        struck.join(", "),
        record.seconds,
        if record.wrong.is_none() { "ok" } else { "**not as promised**" },
    )
}
