//! The command line.

mod dead_letters;

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PathBufValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};
use epro_process::traces;
use epro_store::audit::AuditFacts;
use uuid::Uuid;

pub(crate) use dead_letters::{
    DeadLettersCommand, Discard, Filter, List, OneRedrive, Redrive, RedriveCommand, Show, Touched,
};

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 not done, or something is missing, or (doctor) an operator has to act; 2 the command line is \
wrong; 3 done in part; 64 the configuration is wrong. NO_COLOR is obeyed.";

/// Looks into epro-relay and mends it.
#[derive(Parser)]
#[command(name = "epro", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The configuration file.
    #[arg(long, env = "EPRO_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// For programs: JSON in place of tables.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one")]
pub(crate) enum Command {
    /// The configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Brings the database to this version. Safe to run again, and by several at once.
    Migrate(By),
    /// Exchanges and queues.
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// What was set aside.
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Dangerous answers: who was told, what nobody has acknowledged.
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Bulk exports: how far each is.
    #[command(subcommand)]
    Exports(ExportsCommand),
    /// What is wrong, what follows from it, what to do. Exit code 1 if an operator has to act.
    Doctor,
    /// Every queue: what waits, since when, what comes and goes, who consumes.
    Queues {
        /// Looks again every two seconds, until Ctrl-C.
        #[arg(long)]
        watch: bool,
    },
    /// A web page of queues, hospitals, alerts, dead letters, submissions, the audit trail and pauses, until it is
    /// asked to leave.
    Console,
    /// How each hospital is: gate, owner, what waits, what it last said.
    Hospitals,
    /// What became of a submission: received, stored, told, delivered, each step with its time.
    Trace {
        /// Its id.
        submission: Uuid,
    },
    /// After a queue was lost: publishes again what the tables say was in it. Without --yes it only says what it
    /// would touch.
    Reconcile(Reconcile),
    /// The audit trail: vouch for it, check it, copy it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Stops a lane on every replica, or what goes to the hospital of one site: `submissions`,
    /// `submissions.routine`, `dead`, `commands`, `alerts`, `risk`, `exports`, `hospitals`, or a site's id.
    Pause(Paused),
    /// Lets it go on.
    Resume(Paused),
    /// Prints completions for a shell: `source <(epro completions bash)`.
    Completions {
        /// bash, elvish, fish, powershell or zsh.
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints what is in force, secrets hidden.
    Check,
}

#[derive(Subcommand)]
pub(crate) enum TopologyCommand {
    /// Declares what is missing; changes nothing if anything differs.
    Apply(By),
    /// Names what is missing.
    Check,
}

#[derive(Subcommand)]
pub(crate) enum AlertsCommand {
    /// Lists alerts that aren't done, the newest first.
    List(AlertFilter),
    /// Shows one and whom it was told.
    Show {
        /// Its id, as its notice says.
        id: Uuid,
    },
    /// Ends one that nobody will acknowledge.
    Close(CloseAlert),
}

#[derive(Subcommand)]
pub(crate) enum ExportsCommand {
    /// Lists exports, the newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Shows how far one is until it has ended. Exit code 1 if it wasn't made.
    Watch {
        /// Its id, as the door answered it.
        id: Uuid,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Signs how far every chain is now, and keeps that outside the database. Run it every few minutes.
    Anchor,
    /// Says whether the trail is what it was, and where it isn't. Exit code 1 if it isn't.
    Verify(AuditVerify),
    /// Copies the whole trail as a stream of lines.
    Export(AuditExport),
}

#[derive(Args)]
pub(crate) struct AuditVerify {
    /// A copy made by `export`, in place of the database.
    #[arg(long)]
    pub events: Option<PathBuf>,
    /// The anchor up to which the copy has to have everything. Without, the one that the copy says itself; if it says
    /// none, the last.
    #[arg(long, value_name = "N", requires = "events")]
    pub until_anchor: Option<u64>,
    /// The folder with the anchors, in place of the configured one.
    #[arg(long, value_parser = PathBufValueParser::new().try_map(folder))]
    pub anchors: Option<PathBuf>,
    /// PEM of a public key that anchors are signed with, in place of the configured ones; may be repeated.
    #[arg(long)]
    pub public_key: Vec<PathBuf>,
}

impl AuditVerify {
    /// Whether everything is on the command line: an inspector has no configuration of ours.
    pub(crate) fn is_offline(&self) -> bool {
        self.events.is_some() && self.anchors.is_some() && !self.public_key.is_empty()
    }
}

#[derive(Args)]
pub(crate) struct AuditExport {
    /// ndjson, which can be verified, or fhir: AuditEvent resources.
    #[arg(long, value_enum, default_value_t = AuditFormat::Ndjson)]
    pub format: AuditFormat,
    /// A new file; without, stdout.
    #[arg(long)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub deed: Deed,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum AuditFormat {
    Ndjson,
    Fhir,
}

impl AuditFormat {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Fhir => "fhir",
        }
    }
}

/// Which alerts.
#[derive(Args)]
pub(crate) struct AlertFilter {
    /// Of this site.
    #[arg(long)]
    pub site: Option<String>,
    /// Also those that are done.
    #[arg(long)]
    pub all: bool,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

#[derive(Args)]
pub(crate) struct CloseAlert {
    /// Its id.
    pub id: Uuid,
    #[command(flatten)]
    pub deed: Deed,
}

#[derive(Args)]
pub(crate) struct Reconcile {
    /// The queue that was lost, such as epro.his.H001, epro.alerts, epro.risk; may be given several times.
    #[arg(long)]
    pub queue: Vec<String>,
    /// All queues.
    #[arg(long, conflicts_with = "queue")]
    pub all: bool,
    /// Does it.
    #[arg(long, requires = "reason")]
    pub yes: bool,
    /// Why, for the audit trail.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: Option<String>,
    #[command(flatten)]
    pub by: By,
}

#[derive(Args)]
pub(crate) struct Paused {
    /// The lane, or the site.
    pub what: String,
    #[command(flatten)]
    pub deed: Deed,
}

/// An act, for the audit trail.
#[derive(Args)]
pub(crate) struct Deed {
    /// Why, for the audit trail.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
    #[command(flatten)]
    pub by: By,
}

/// Whoever acts, for the audit trail.
#[derive(Args)]
pub(crate) struct By {
    /// Who, for the audit trail.
    #[arg(long = "by", env = "EPRO_OPERATOR", default_value_t = login())]
    pub name: String,
    /// All that one command does is one trace, which begins here.
    #[arg(skip = traces::new_id())]
    pub trace_id: String,
}

impl From<&By> for AuditFacts {
    fn from(by: &By) -> Self {
        Self { trace_id: Some(by.trace_id.clone()), ..Self::by(&by.name) }
    }
}

/// A folder that is there: of one that was mistyped nobody may believe that it holds no anchors.
fn folder(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.is_dir() { Ok(path) } else { Err("no such folder") }
}

fn login() -> String {
    std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use epro_proving::command_line::secrets;

    use super::Arguments;

    #[test]
    fn no_secret_stands_on_the_command_line_of_epro() {
        assert_eq!(secrets(&Arguments::command()), Vec::<String>::new());
    }
}
