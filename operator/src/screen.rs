//! What a command shows: a table for people, JSON for programs. The one place that prints.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, ExitCode};

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

/// One line beside what was asked for.
pub(crate) fn note(text: impl AsRef<str>) {
    // Nobody is left to be told that stderr is closed.
    let _ = writeln!(io::stderr(), "epro: {}", text.as_ref());
}

/// A value as JSON on one line.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?)
}

/// A table, as wide as the terminal allows.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width() {
        table.set_width(width);
    }
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    line(table.to_string())
}

/// How wide the terminal is. What it costs to ask by the system's own tool saves a dependency.
fn width() -> Option<u16> {
    let terminal = is_terminal().then(|| File::open("/dev/tty").ok()).flatten()?;
    let said = Command::new("stty").arg("size").stdin(terminal).output().ok()?;
    let columns: u16 = String::from_utf8(said.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()?;
    (columns > 0).then_some(columns)
}

/// Empties the terminal before what was shown is shown anew. Whatever isn't a terminal keeps it all.
pub(crate) fn clear() -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        write!(io::stdout(), "\x1b[2J\x1b[H")?;
    }
    Ok(())
}

/// How much of something is done: `[######........................]  20 %`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and WIDTH")]
pub(crate) fn bar(done: Option<f64>) -> String {
    const WIDTH: usize = 30;
    let Some(done) = done else { return format!("[{}]", ".".repeat(WIDTH)) };
    let full = (done.clamp(0.0, 1.0) * WIDTH as f64) as usize;
    format!("[{}{}] {:>3.0} %", "#".repeat(full), ".".repeat(WIDTH - full), done * 100.0)
}

/// Whether somebody looks at a terminal, where a line can be written anew.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A line in place of the one before it.
pub(crate) fn again(text: &str) -> anyhow::Result<()> {
    write!(io::stdout(), "\r\x1b[2K{text}")?;
    Ok(io::stdout().flush()?)
}

/// A number with its thousands apart: `12,345`.
pub(crate) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
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
    note(format!("{error:#}"));
    ExitCode::FAILURE
}
