//! `epro dead-letters`: which ones, and what is to become of them.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{By, Deed};
use crate::instant;
use crate::redrive::job;

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
    #[command(flatten)]
    pub deed: Deed,
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
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: Option<String>,
    #[command(flatten)]
    pub by: By,
}

/// What an act takes.
#[derive(Args)]
pub(crate) struct Touched {
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
}

#[derive(Args)]
pub(crate) struct Redrive {
    #[command(subcommand)]
    pub command: Option<RedriveCommand>,
    #[command(flatten)]
    pub touched: Touched,
    /// At most so many a second.
    #[arg(long, default_value_t = job::RATE, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// Says what would be published, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the audit trail.
    #[arg(long, required_unless_present = "dry_run", value_parser = NonEmptyStringValueParser::new())]
    pub reason: Option<String>,
    #[command(flatten)]
    pub by: By,
}

#[derive(Args)]
pub(crate) struct Discard {
    #[command(flatten)]
    pub touched: Touched,
    #[command(flatten)]
    pub deed: Deed,
}
