//! `epro`: what a human, or a Job, runs.
//!
//! Exit codes: 0 done; 1 not done, or something is missing; 2 the command line is wrong; 3 done in part;
//! 64 the configuration is wrong.

mod alerts;
mod arguments;
mod config_check;
mod dead_letters;
mod doctor;
mod exports;
mod fault;
mod hospitals;
mod management;
mod migrate;
mod outside;
mod pause;
mod queues;
mod redrive;
mod screen;
mod topology;

use std::process::ExitCode;

use arguments::{
    AlertsCommand, Arguments, Command, ConfigCommand, DeadLettersCommand, ExportsCommand, TopologyCommand,
};
use clap::Parser as _;
use epro_process::config::{self, Config, Problem};
use epro_process::telemetry;
use outside::Outside;

#[tokio::main]
async fn main() -> ExitCode {
    epro_process::tls::install();
    let arguments = Arguments::parse();
    let (config, problems) = Config::read(arguments.config.as_deref(), epro_process::config::environment());
    let checks = matches!(arguments.command, Command::Config(ConfigCommand::Check));
    if !problems.is_empty() && !checks {
        return config::refuse(&problems);
    }
    if let Err(error) = telemetry::init_log(&config.log) {
        return screen::failed(&error.into());
    }
    match run(arguments, &config, problems).await {
        Ok(code) => code,
        Err(error) => match error.downcast::<outside::Misconfigured>() {
            Ok(misconfigured) => config::refuse(&misconfigured.0),
            Err(error) => screen::failed(&error),
        },
    }
}

async fn run(arguments: Arguments, config: &Config, problems: Vec<Problem>) -> anyhow::Result<ExitCode> {
    let json = arguments.json;
    let outside = Outside::new(config);
    match arguments.command {
        Command::Config(ConfigCommand::Check) => config_check::run(config, problems, json),
        Command::Migrate => migrate::run(&outside, json).await,
        Command::Topology(TopologyCommand::Apply) => topology::apply(&outside, json).await,
        Command::Topology(TopologyCommand::Check) => topology::check(&outside, json).await,
        Command::DeadLetters(DeadLettersCommand::List(filter)) => {
            dead_letters::list(&outside, filter, json).await
        }
        Command::DeadLetters(DeadLettersCommand::Show { id }) => dead_letters::show(&outside, id, json).await,
        Command::DeadLetters(DeadLettersCommand::Redrive(wanted)) => {
            redrive::run(&outside, wanted, json).await
        }
        Command::Alerts(AlertsCommand::List(filter)) => alerts::list(&outside, filter, json).await,
        Command::Alerts(AlertsCommand::Show { id }) => alerts::show(&outside, id, json).await,
        Command::Alerts(AlertsCommand::Close(wanted)) => alerts::close(&outside, &wanted, json).await,
        Command::Exports(ExportsCommand::List { limit }) => exports::list(&outside, limit, json).await,
        Command::Exports(ExportsCommand::Watch { id }) => exports::watch(&outside, id, json).await,
        Command::Doctor => doctor::run(&outside, json).await,
        Command::Queues { watch } => queues::run(&outside, watch, json).await,
        Command::Hospitals => hospitals::run(&outside, json).await,
        Command::Pause(wanted) => pause::pause(&outside, &wanted, json).await,
        Command::Resume(wanted) => pause::resume(&outside, &wanted, json).await,
    }
}
