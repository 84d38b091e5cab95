//! `epro console`: most of what the other commands show and do, as a web page.
//!
//! One background task looks at the broker and the tables every two seconds; pages show what it saw last, so that a
//! server that is down makes no page wait. What is asked of PostgreSQL for one page has a second and a half.

mod act;
mod acting;
mod alerts;
mod attempts;
mod audit;
mod chart;
mod dead_letter;
mod dead_letters;
mod desk;
mod files;
mod flow;
mod frame;
mod guard;
mod history;
mod hospitals;
mod live;
mod live_page;
mod number;
mod overview;
mod pauses;
mod picture;
mod queues;
mod redrive;
mod redrives;
mod refused;
mod router;
mod seal_keys;
mod server;
mod session;
mod sign_in;
mod submissions;
mod turned_away;
mod visitor;
mod wanted;
mod words;
mod working;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use epro_process::config::Config;
use epro_process::health::{self, Readiness};
use epro_process::shutdown::Shutdown;
use epro_process::{certificate, rotation, task, telemetry};

use crate::outside::Misconfigured;
use desk::Desk;

/// Where the configuration says what the console shows.
const TLS: &str = "console.tls";

/// Serves until it is asked to leave. `file` is where the configuration stands.
pub(crate) async fn run(
    config: &Config,
    file: Option<PathBuf>,
    metrics: telemetry::Metrics,
) -> anyhow::Result<ExitCode> {
    let files = config.console.tls.as_ref();
    let tls = files.map(|files| certificate::read(files, TLS)).transpose().map_err(Misconfigured)?;
    let shutdown = Shutdown::on_signals().context("the signals can't be listened to")?;
    let readiness = Readiness::new();
    let open = readiness.part("console");
    let (desk, watch, redrives) = Desk::new(config.clone(), shutdown.clone())?;
    let desk = Arc::new(desk);
    // Not a condition of being ready: without PostgreSQL or RabbitMQ the console is needed most.
    task::spawn("console watch", picture::keep(desk.clone(), watch, shutdown.clone()));
    let (keys, leaving) = (desk.clone(), shutdown.clone());
    task::spawn("console token keys", async move {
        let withdrawn = || {
            tracing::warn!(
                "the issuer has withdrawn a key that tokens were signed with: everybody is signed out"
            );
            keys.sessions.end_all();
        };
        keys.verifier.follow_telling(leaving, withdrawn).await;
    });
    let (seal, taking, leaving) = (config.keys.clone(), desk.clone(), shutdown.clone());
    let follow = rotation::follow_into(file, seal, move |ring| taking.seal_keys.take(ring), leaving);
    task::spawn("console seal keys", follow);
    if let (Some(files), Some(shown)) = (files, &tls) {
        let follow = certificate::follow(files.clone(), TLS, shown.clone(), shutdown.clone());
        task::spawn("console certificate", follow);
    }
    task::spawn("console turned away", turned_away::keep(desk.clone(), shutdown.clone()));
    task::spawn("console redrives", working::keep(redrives, shutdown.clone()));
    health::start(&config.admin, readiness, metrics).await.context("the admin port can't be bound")?;
    let (address, serving) =
        server::bind(&config.console, tls, router::router(desk.clone()), shutdown.clone())
            .context("the console's address can't be bound")?;
    tracing::info!(%address, "the console listens");
    open.ready();
    let served = tokio::select! {
        served = serving => served,
        () = async {
            shutdown.requested().await;
            open.not_ready("leaving");
            std::future::pending::<()>().await;
        } => Ok(()),
    };
    turned_away::leave(&desk).await;
    served.context("the server has stopped")?;
    tracing::info!("left in order");
    Ok(ExitCode::SUCCESS)
}
