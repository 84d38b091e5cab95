//! One thing that is wrong with a configuration.

use std::fmt;
use std::io::Write as _;

/// The exit code of a process whose configuration is wrong (`EX_USAGE` of sysexits.h).
pub const EXIT_CODE: u8 = 64;

/// One thing that is wrong with a configuration: where, and which rule. Never the value, which
/// may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path of the key, as in `broker.url`.
    pub path: String,
    /// The rule that it breaks.
    pub rule: String,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { path: path.into(), rule: rule.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.rule)
    }
}

/// Every problem in one line, for a log.
pub fn told(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Writes every problem to standard error, one a line, and gives the exit code for `main`.
///
/// Before telemetry exists, hence not through `tracing`.
pub fn refuse(problems: &[Problem]) -> std::process::ExitCode {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "the configuration has {} problem(s):", problems.len());
    for problem in problems {
        let _ = writeln!(out, "  {problem}");
    }
    std::process::ExitCode::from(EXIT_CODE)
}
