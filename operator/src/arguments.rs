//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

/// Looks into epro-relay and mends it.
///
/// Exit codes: 0 done; 1 not done, or something is missing; 2 the command line is wrong; 3 done in part;
/// 64 the configuration is wrong.
#[derive(Parser)]
#[command(name = "epro", version)]
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
pub(crate) enum Command {
    /// The configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Brings the database to this version. Safe to run again, and by several at once.
    Migrate,
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
    /// How each hospital is: gate, owner, what waits, what it last said.
    Hospitals,
    /// Stops a lane on every replica, or what goes to the hospital of one site: `submissions`,
    /// `submissions.routine`, `dead`, `commands`, `alerts`, `hospitals`, or a site's id.
    Pause(Paused),
    /// Lets it go on.
    Resume(Paused),
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints what is in force, secrets hidden.
    Check,
}

#[derive(Subcommand)]
pub(crate) enum TopologyCommand {
    /// Declares what is missing; changes nothing if anything differs.
    Apply,
    /// Names what is missing.
    Check,
}

#[derive(Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Lists dead letters, the open ones unless --state says otherwise.
    List(Filter),
    /// Shows one, without what the patient said.
    Show {
        /// Its id, as `list` shows it.
        id: i64,
    },
    /// Publishes dead letters again to the queue that they came from, each with the broker's confirm.
    Redrive(Redrive),
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
    /// Of this lane.
    #[arg(long)]
    pub lane: Option<String>,
    /// Of this class, such as conflict, invalid, refused, quarantined.
    #[arg(long)]
    pub class: Option<String>,
    /// Of this site.
    #[arg(long)]
    pub site: Option<String>,
    /// Of this study.
    #[arg(long)]
    pub study: Option<String>,
    /// Of this submission.
    #[arg(long)]
    pub submission: Option<Uuid>,
    /// open, redriven or discarded.
    #[arg(long, default_value = "open")]
    pub state: String,
    /// At most so many; without, `list` shows 100 and `redrive` takes all.
    #[arg(long)]
    pub limit: Option<u32>,
}

#[derive(Args)]
pub(crate) struct Redrive {
    /// Their ids, as `list` shows them.
    pub ids: Vec<i64>,
    #[command(flatten)]
    pub filter: Filter,
    /// Also with an empty filter and no ids.
    #[arg(long)]
    pub all: bool,
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
