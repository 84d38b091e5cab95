//! What a command shows: a table for people, JSON for programs. The one place that prints.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Whoever was shown something has closed the pipe, as `head` does: enough was seen.
#[derive(Debug)]
pub(crate) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads any more")
    }
}

impl std::error::Error for Closed {}

/// One line.
pub(crate) fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{}", text.as_ref()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        written => Ok(written?),
    }
}

/// A value as JSON on one line.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?)
}

/// A table, as wide as the terminal allows.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    line(table.to_string())
}

/// Empties the terminal before what was shown is shown anew. Whatever isn't a terminal keeps it all.
pub(crate) fn clear() -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        write!(io::stdout(), "\x1b[2J\x1b[H")?;
    }
    Ok(())
}

/// How long ago, in its two largest units: `3 d 4 h`, `12 min 5 s`, `0 s`.
pub(crate) fn age(age: time::Duration) -> String {
    let seconds = age.whole_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Says that a command failed and why, the whole chain of causes.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    if error.is::<Closed>() {
        return ExitCode::SUCCESS;
    }
    // Nobody is left to be told that stderr is closed.
    let _ = writeln!(io::stderr(), "epro: {error:#}");
    ExitCode::FAILURE
}
