//! `epro`: what a human, or a Job, runs.
//!
//! Exit codes: `epro --help` says them.

mod alerts;
mod arguments;
mod attempt;
mod audit;
mod config_check;
mod console;
mod dead_letters;
mod deed;
mod discard;
mod doctor;
mod exports;
mod fault;
mod hospitals;
mod instant;
mod management;
mod migrate;
mod outside;
mod pause;
mod queues;
mod reconcile;
mod redrive;
mod screen;
mod topology;
mod trace;

use std::process::ExitCode;

use arguments::{
    AlertsCommand, Arguments, AuditCommand, Command, ConfigCommand, DeadLettersCommand, ExportsCommand,
    TopologyCommand,
};
use attempt::Attempt;
use clap::{CommandFactory as _, Parser as _};
use epro_process::config::{self, Config, LogConfig, LogLevel, Problem};
use epro_process::{telemetry, traces};
use outside::Outside;

#[tokio::main]
async fn main() -> ExitCode {
    epro_process::tls::install();
    let arguments = Arguments::parse();
    if let Command::Completions { shell } = arguments.command {
        return completions(shell);
    }
    let (config, problems) = Config::read(arguments.config.as_deref(), epro_process::config::environment());
    let goes_on = match &arguments.command {
        Command::Config(ConfigCommand::Check) => true,
        Command::Audit(AuditCommand::Verify(wanted)) => wanted.is_offline(),
        _ => false,
    };
    if !problems.is_empty() && !goes_on {
        return config::refuse(&problems);
    }
    // What went well is said by a command itself; only the console stays, and tells it to its log.
    let stays = matches!(arguments.command, Command::Console);
    let level = if stays { config.log.level } else { LogLevel::Warn };
    let log = LogConfig { level, ..config.log };
    let metrics = match telemetry::init("epro", env!("CARGO_PKG_VERSION"), &log) {
        Ok(metrics) => metrics,
        Err(error) => return screen::failed(&error.into()),
    };
    let spans = publishes(&arguments.command)
        .then(|| traces::start(&config.traces, "epro", env!("CARGO_PKG_VERSION")))
        .transpose();
    let spans = match spans {
        Ok(spans) => spans,
        Err(problems) => return config::refuse(&problems),
    };
    let ran = run(arguments, &config, problems, metrics).await;
    if let Some(spans) = spans {
        spans.finish().await;
    }
    match ran {
        Ok(code) => code,
        Err(error) => match error.downcast::<outside::Misconfigured>() {
            Ok(misconfigured) => config::refuse(&misconfigured.0),
            Err(error) => screen::failed(&error),
        },
    }
}

/// What it publishes goes on in the trace of what was set aside.
fn publishes(command: &Command) -> bool {
    matches!(command, Command::Console | Command::DeadLetters(DeadLettersCommand::Redrive(_)))
}

async fn run(
    arguments: Arguments,
    config: &Config,
    problems: Vec<Problem>,
    metrics: telemetry::Metrics,
) -> anyhow::Result<ExitCode> {
    let outside = Outside::new(config);
    let attempt = Attempt::of(&arguments.command);
    let ran = command(arguments, &outside, problems, metrics).await;
    if let (Err(error), Some(attempt)) = (&ran, attempt) {
        attempt.failed(&outside, error).await;
    }
    ran
}

async fn command(
    arguments: Arguments,
    outside: &Outside<'_>,
    problems: Vec<Problem>,
    metrics: telemetry::Metrics,
) -> anyhow::Result<ExitCode> {
    let (json, config) = (arguments.json, outside.config);
    match arguments.command {
        Command::Config(ConfigCommand::Check) => config_check::run(config, problems, json),
        Command::Migrate(by) => migrate::run(outside, &by, json).await,
        Command::Topology(TopologyCommand::Apply(by)) => topology::apply(outside, &by, json).await,
        Command::Topology(TopologyCommand::Check) => topology::check(outside, json).await,
        Command::DeadLetters(command) => about_dead_letters(outside, command, json).await,
        Command::Alerts(AlertsCommand::List(filter)) => alerts::list(outside, filter, json).await,
        Command::Alerts(AlertsCommand::Show { id }) => alerts::show(outside, id, json).await,
        Command::Alerts(AlertsCommand::Close(wanted)) => alerts::close(outside, &wanted, json).await,
        Command::Exports(ExportsCommand::List { limit }) => exports::list(outside, limit, json).await,
        Command::Exports(ExportsCommand::Watch { id }) => exports::watch(outside, id, json).await,
        Command::Audit(AuditCommand::Anchor) => audit::anchor(outside, json).await,
        Command::Audit(AuditCommand::Verify(wanted)) => audit::verify(outside, &wanted, json).await,
        Command::Audit(AuditCommand::Export(wanted)) => audit::export(outside, &wanted).await,
        Command::Console => console::run(config, arguments.config, metrics).await,
        Command::Doctor => doctor::run(outside, json).await,
        Command::Queues { watch } => queues::run(outside, watch, json).await,
        Command::Hospitals => hospitals::run(outside, json).await,
        Command::Completions { shell } => Ok(completions(shell)),
        Command::Trace { submission } => trace::run(outside, submission, json).await,
        Command::Reconcile(wanted) => reconcile::run(outside, &wanted, json).await,
        Command::Pause(wanted) => pause::pause(outside, &wanted, json).await,
        Command::Resume(wanted) => pause::resume(outside, &wanted, json).await,
    }
}

/// Needs no configuration.
fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "epro", &mut script);
    match screen::line(String::from_utf8_lossy(&script).trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => screen::failed(&error),
    }
}

async fn about_dead_letters(
    outside: &Outside<'_>,
    command: DeadLettersCommand,
    json: bool,
) -> anyhow::Result<ExitCode> {
    match command {
        DeadLettersCommand::List(wanted) => dead_letters::list(outside, &wanted, json).await,
        DeadLettersCommand::Show(wanted) => dead_letters::show(outside, &wanted, json).await,
        DeadLettersCommand::Redrive(wanted) => redrive::run(outside, &wanted, json).await,
        DeadLettersCommand::Discard(wanted) => discard::run(outside, &wanted, json).await,
    }
}
