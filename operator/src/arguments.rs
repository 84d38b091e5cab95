//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::instant;
use crate::redrive::job;

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
    Migrate(Deed),
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
    /// All of it as a web page, until it is asked to leave.
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
    Apply(Deed),
    /// Names what is missing.
    Check,
}

#[derive(Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Lists dead letters, the open ones unless --state says otherwise.
    List(List),
    /// Shows one, without what the patient said unless --reveal asks for it.
    Show(Show),
    /// Publishes dead letters again to the queue that they came from, each with the broker's confirm.
    #[command(subcommand_negates_reqs = true)]
    Redrive(Redrive),
    /// Gives up dead letters: they are kept, and nobody looks at them any more.
    Discard(Discard),
}

/// A redrive is a job: what it takes is fixed when it is made, and it can be cancelled and resumed.
#[derive(Subcommand)]
pub(crate) enum RedriveCommand {
    /// Lists redrives, the newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Shows one with what became of its dead letters.
    Show {
        /// Its number.
        redrive: i64,
    },
    /// Ends one: whoever works at it stops at the next dead letter.
    Cancel(OneRedrive),
    /// Goes on with one that was cancelled, or whose process died; takes it over from a process that is alive.
    Resume(OneRedrive),
}

#[derive(Args)]
pub(crate) struct OneRedrive {
    /// Its number.
    pub redrive: i64,
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
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
    /// The folder with the anchors, in place of the configured one.
    #[arg(long)]
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
    /// Why, for the audit trail.
    #[arg(long)]
    pub reason: String,
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
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
    /// Why, for the audit trail.
    #[arg(long)]
    pub reason: String,
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
}

/// Which dead letters.
#[derive(Args, Clone, Default)]
pub(crate) struct Filter {
    /// Their ids, as `list` shows them.
    pub ids: Vec<i64>,
    /// Of this lane.
    #[arg(long)]
    pub lane: Option<String>,
    /// Of this class, such as conflict, invalid, refused, quarantined.
    #[arg(long)]
    pub class: Option<String>,
    /// Of this stage, such as open, clean, commit, call.
    #[arg(long)]
    pub stage: Option<String>,
    /// Of this site.
    #[arg(long)]
    pub site: Option<String>,
    /// Of this study.
    #[arg(long)]
    pub study: Option<String>,
    /// Of this instrument, as `phq-9|1.0`.
    #[arg(long)]
    pub instrument: Option<String>,
    /// Of this submission.
    #[arg(long)]
    pub submission: Option<Uuid>,
    /// Last set aside at this instant or later: `2026-11-27T03:00:00Z`, or how long ago: `90m`, `12h`, `3d`.
    #[arg(long, value_parser = instant::parse)]
    pub since: Option<OffsetDateTime>,
    /// Last set aside before this instant; written like --since.
    #[arg(long, value_parser = instant::parse)]
    pub until: Option<OffsetDateTime>,
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub filter: Filter,
    /// open, redriven or discarded; with ids, whatever they are.
    #[arg(long)]
    pub state: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

#[derive(Args)]
pub(crate) struct Show {
    /// Its id, as `list` shows it.
    pub id: i64,
    /// Opens the seal and shows what the patient said. It is in the audit trail before you see it.
    #[arg(long, requires = "reason")]
    pub reveal: bool,
    /// Why, for the audit trail.
    #[arg(long)]
    pub reason: Option<String>,
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
}

#[derive(Args)]
pub(crate) struct Redrive {
    #[command(subcommand)]
    pub command: Option<RedriveCommand>,
    #[command(flatten)]
    pub filter: Filter,
    /// Also with an empty filter and no ids.
    #[arg(long)]
    pub all: bool,
    /// At most so many dead letters.
    #[arg(long, default_value_t = job::LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// At most so many a second.
    #[arg(long, default_value_t = job::RATE, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// Says what would be published, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Does it; without, the command only says what it would touch.
    #[arg(long)]
    pub yes: bool,
    /// Why, for the audit trail.
    #[arg(long, required_unless_present = "dry_run")]
    pub reason: Option<String>,
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
}

#[derive(Args)]
pub(crate) struct Discard {
    #[command(flatten)]
    pub filter: Filter,
    /// Also with an empty filter and no ids.
    #[arg(long)]
    pub all: bool,
    /// At most so many dead letters.
    #[arg(long, default_value_t = job::LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Does it; without, the command only says what it would touch.
    #[arg(long)]
    pub yes: bool,
    /// Why, for the audit trail.
    #[arg(long)]
    pub reason: String,
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
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
    #[arg(long)]
    pub reason: Option<String>,
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
}

#[derive(Args)]
pub(crate) struct Deed {
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
}

#[derive(Args)]
pub(crate) struct Paused {
    /// The lane, or the site.
    pub what: String,
    /// Why, for the audit trail.
    #[arg(long)]
    pub reason: String,
    /// Who, for the audit trail.
    #[arg(long, env = "EPRO_OPERATOR", default_value_t = login())]
    pub by: String,
}

fn login() -> String {
    std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned())
}
