//! The door: HTTP in, a confirmed message out.
//!
//! A submission is answered 202 only with a receipt from the broker. This process reads
//! PostgreSQL for the status of a submission, and writes nothing but messages.

mod acknowledge;
mod audit;
mod batch;
mod body;
mod docs;
mod door;
mod exports;
mod fault;
mod fhir;
mod intake;
mod job_id;
mod open_files;
mod openapi;
mod quota;
mod readiness;
mod refusal;
mod reports;
mod router;
mod server;
mod status;
mod submit;
mod tally;
mod trace;
mod visit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use epro_broker::{Publisher, PublisherOptions};
use epro_process::config::{Config, environment, refuse, told};
use epro_process::health::{self, Readiness};
use epro_process::shutdown::Shutdown;
use epro_process::{certificate, rotation, task, telemetry, traces};

use crate::audit::{Notes, Post};
use crate::door::{Door, Setup};

/// A request's pieces are made on one thread and freed on another: the C library's allocator took a sixth of all CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the publisher may take to answer what is outstanding, at the very end.
const LAST_CONFIRMS: Duration = Duration::from_secs(3);

/// Takes submissions over HTTP and hands them to the broker.
#[derive(Parser)]
#[command(name = "epro-producer-api", version)]
struct Arguments {
    /// The configuration file; docs/config.yaml documents every key.
    #[arg(long, env = "EPRO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    epro_process::tls::install();
    let arguments = Arguments::parse();
    let setup = match Setup::new(Config::read(arguments.config.as_deref(), environment())) {
        Ok(setup) => setup,
        Err(problems) => return refuse(&problems),
    };
    let metrics = match telemetry::init("epro-producer-api", env!("CARGO_PKG_VERSION"), &setup.config.log) {
        Ok(metrics) => metrics,
        Err(_) => return ExitCode::FAILURE,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(kind = %error.kind(), "no threads to run on");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(setup, arguments.config, metrics)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(setup: Setup, file: Option<PathBuf>, metrics: telemetry::Metrics) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals().context("the signals can't be listened to")?;
    let spans = traces::start(&setup.config.traces, "epro-producer-api", env!("CARGO_PKG_VERSION"))
        .map_err(|problems| anyhow::anyhow!("{}", told(&problems)))?;
    let readiness = Readiness::new();
    let open = readiness.part("door");
    let (intake, admin, broker) =
        (setup.config.intake.clone(), setup.config.admin.clone(), setup.broker.clone());

    let tls = setup.certificate.clone();
    let (seal, ring) = (setup.config.keys.clone(), setup.ring.clone());
    task::spawn("seal keys", rotation::follow(file, seal, ring.clone(), shutdown.clone()));

    let (publisher, driver) = Publisher::start(PublisherOptions {
        url: broker.clone(),
        name: "epro-producer-api".to_owned(),
        outstanding: intake.outstanding,
        confirm_timeout: intake.confirm_timeout,
    });
    let driver = task::spawn("publisher", driver);
    let publisher_gauges = publisher.gauges();
    let notes = Arc::new(Notes::default());
    let post = Post::new(notes.clone(), &publisher, ring);
    let post = task::spawn("audit notes", post.run(shutdown.clone()));
    let follow = readiness::follow_publisher(publisher.clone(), readiness.part("broker"), shutdown.clone());
    task::spawn("publisher state", follow);
    let queues = readiness.part("queues");
    let door = Arc::new(Door::new(setup, publisher, notes, queues.clone()));
    let watch = readiness::watch_queues(broker, queues, shutdown.clone());
    let watch = task::spawn("queue watch", watch);
    task::spawn("store watch", readiness::watch_store(door.store.clone(), shutdown.clone()));

    metrics.at_each_look(publisher_gauges);
    metrics.at_each_look(door.store.gauges("door"));
    let keys = door.clone();
    let leaving = shutdown.clone();
    let (quotas, over) = (door.clone(), shutdown.clone());
    task::spawn("quotas", async move { quotas.quotas.sweep(over).await });
    task::spawn("token keys", async move { keys.verifier.follow(leaving).await });
    health::start(&admin, readiness, metrics).await.context("the admin port can't be bound")?;
    if let (Some(files), Some(shown)) = (&intake.tls, &tls) {
        let follow = certificate::follow(files.clone(), door::TLS, shown.clone(), shutdown.clone());
        task::spawn("certificate", follow);
    }
    let (address, serving) = server::bind(&intake, tls, router::router(door), shutdown.clone())
        .context("the address of the intake can't be bound")?;
    tracing::info!(%address, "listening; the documentation is at /docs");
    open.ready();
    let closing = async {
        shutdown.requested().await;
        open.not_ready("leaving");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = serving => served.context("the server has stopped")?,
        () = closing => {}
    }

    // Everything that could add a note or hold the publisher is gone by now, but for the post.
    post.await.context("the audit notes")?.finish().await;
    let last = async {
        let _ = watch.await;
        driver.await
    };
    if tokio::time::timeout(LAST_CONFIRMS, last).await.is_err() {
        tracing::warn!("the broker didn't confirm everything before the end");
    }
    spans.finish().await;
    tracing::info!("left in order");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use epro_proving::command_line::secrets;

    use super::Arguments;

    #[test]
    fn no_secret_stands_on_the_command_line_of_a_door() {
        assert_eq!(secrets(&Arguments::command()), Vec::<String>::new());
    }
}
