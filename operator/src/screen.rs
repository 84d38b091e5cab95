//! What a command shows: a table for people, JSON for programs. The one place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is what the binary is for")]

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// One line.
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// A value as JSON on one line.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// A table, as wide as the terminal allows.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}

/// Says that a command failed and why, the whole chain of causes.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("epro: {error:#}");
    ExitCode::FAILURE
}
