//! `epro config check`.

use std::process::ExitCode;

use epro_process::config::Config;

use crate::screen;

/// Prints what is in force. That it is right was checked when it was read.
pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    screen::line(config.printable());
    Ok(ExitCode::SUCCESS)
}
