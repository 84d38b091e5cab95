//! epro-worker: takes deliveries from RabbitMQ, writes rows to PostgreSQL, acks.
//!
//! The route of a submission: [`lane`] (the loop) -> [`submissions`] (the stages, the commit, the follow-ons).

mod alerts;
mod backoff;
mod breaker;
mod certificate;
mod chains;
mod commands;
mod conditions;
mod exports;
mod failure;
mod fault;
mod hold;
mod hospitals;
mod http;
mod in_flight;
mod lane;
mod lanes;
mod park;
mod parts;
mod pauses;
mod relay;
mod risk;
mod said;
mod seldom;
mod settling;
mod spans;
mod standby;
mod starts;
mod streak;
mod submissions;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use alerts::channels::Channels;
use clap::Parser;
use epro_process::config::{self, Config};
use epro_process::health::{self, Readiness};
use epro_process::objects::Objects;
use epro_process::rotation;
use epro_process::shutdown::Shutdown;
use epro_process::{telemetry, traces};
use lanes::Equipment;
use submissions::route::Keys;

/// A chunk is made on one thread and freed on another, a thousand small pieces at a time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Takes submissions from RabbitMQ into PostgreSQL.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file; `epro config check` explains it.
    #[arg(long, env = "EPRO_CONFIG")]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    epro_process::tls::install();
    let arguments = Arguments::parse();
    let (config, mut problems) =
        Config::read(arguments.config.as_deref(), epro_process::config::environment());
    let seal = config.keys.ring().map_err(|mut more| problems.append(&mut more));
    let pseudonym = config.keys.pseudonym_key().map_err(|mut more| problems.append(&mut more));
    let instruments = config.instruments().map_err(|mut more| problems.append(&mut more));
    let outside = lanes::Outside::from(&config).map_err(|mut more| problems.append(&mut more));
    let channels = Channels::new(&config).map_err(|mut more| problems.append(&mut more));
    let hospitals = hospitals::prepare(&config).map_err(|mut more| problems.append(&mut more));
    let models = risk::prepare(&config).map_err(|mut more| problems.append(&mut more));
    let objects =
        Objects::new(&config.exports.place, "exports").map_err(|mut more| problems.append(&mut more));
    let (
        Ok(seal),
        Ok(pseudonym),
        Ok(instruments),
        Ok(outside),
        Ok(hospitals),
        Ok(models),
        Ok(channels),
        Ok(objects),
        [],
    ) = (seal, pseudonym, instruments, outside, hospitals, models, channels, objects, problems.as_slice())
    else {
        return config::refuse(&problems);
    };
    let keys = Keys { seal: Arc::new(seal), pseudonym };
    let equipment = Equipment { keys, instruments, hospitals, models, channels, objects };
    match run(config, arguments.config, equipment, outside).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the worker can't run");
            ExitCode::FAILURE
        }
    }
}

async fn run(
    config: Config,
    file: Option<PathBuf>,
    equipment: Equipment,
    outside: lanes::Outside,
) -> anyhow::Result<()> {
    let metrics = telemetry::init("epro-worker", env!("CARGO_PKG_VERSION"), &config.log)?;
    let spans = traces::start(&config.traces, "epro-worker", env!("CARGO_PKG_VERSION"))
        .map_err(|problems| anyhow::anyhow!("{}", config::told(&problems)))?;
    let shutdown = Shutdown::on_signals()?;
    let readiness = Readiness::new();
    health::start(&config.admin, readiness.clone(), metrics.clone()).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "epro-worker starts");
    let (keys, ring) = (config.keys.clone(), Arc::clone(&equipment.keys.seal));
    epro_process::task::spawn("seal keys", rotation::follow(file, keys, ring, shutdown.clone()));
    if lanes::run(config, equipment, outside, metrics, shutdown, readiness).await {
        tracing::info!("epro-worker has left in order");
    }
    spans.finish().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use epro_proving::command_line::secrets;

    use super::Arguments;

    #[test]
    fn no_secret_stands_on_the_command_line_of_a_worker() {
        assert_eq!(secrets(&Arguments::command()), Vec::<String>::new());
    }
}
