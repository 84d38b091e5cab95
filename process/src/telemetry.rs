//! Logs, metrics and the panic hook of a process.

mod catalogue;

use std::sync::{Arc, Mutex, PoisonError};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{LogConfig, LogFormat};
pub use catalogue::{Kind, METRICS, Metric};

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Another subscriber is installed already.
    #[error("logging is set up already")]
    Log(#[from] TryInitError),
    /// Another recorder is installed already.
    #[error("metrics can't be set up: {0}")]
    Metrics(#[from] BuildError),
}

/// What a process counts; rendered by the admin server.
#[derive(Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
    looks: Arc<Mutex<Vec<Look>>>,
}

type Look = Box<dyn Fn() + Send>;

impl Metrics {
    /// The Prometheus text format.
    pub fn render(&self) -> String {
        for look in self.looks().iter() {
            look();
        }
        self.recorded.render()
    }

    /// Has gauges set whenever somebody looks: what a pool or a publisher knows of itself costs nothing meanwhile.
    pub fn at_each_look(&self, set: impl Fn() + Send + 'static) {
        self.looks().push(Box::new(set));
    }

    /// Housekeeping, without which histograms grow; the admin server calls it every 5 s.
    pub(crate) fn upkeep(&self) {
        self.recorded.run_upkeep();
    }

    fn looks(&self) -> std::sync::MutexGuard<'_, Vec<Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets up logs on standard error, the metrics recorder and the panic hook, once a process: `epro-worker` and its
/// version.
///
/// `RUST_LOG` rules our own targets only. Every foreign target is capped at WARN, and
/// lapin is off whatever it says: it logs whole bodies of returned messages, and an ERROR for each answer
/// that we ask for on purpose (is this queue there?). What matters of it our own code logs, once.
///
/// # Errors
/// When it is called twice.
pub fn init(
    process: &'static str,
    version: &'static str,
    config: &LogConfig,
) -> Result<Metrics, TelemetryError> {
    init_log(config)?;
    crate::panic::install_hook();
    let mut recorder = PrometheusBuilder::new();
    for metric in METRICS.iter().filter(|metric| metric.kind == Kind::Histogram) {
        recorder = recorder.set_buckets_for_metric(Matcher::Full(metric.name.into()), metric.buckets())?;
    }
    let recorded = recorder.install_recorder()?;
    for metric in METRICS {
        metric.describe(process);
    }
    metrics::gauge!("epro_build_info", "process" => process, "version" => version).set(1.0);
    Ok(Metrics { recorded, looks: Arc::default() })
}

/// The logs alone, for a tool that serves no metrics.
///
/// # Errors
/// When it is called twice.
pub fn init_log(config: &LogConfig) -> Result<(), TelemetryError> {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let level = format!("warn,epro={level},{OURS}={level}", level = config.level.as_str(), OURS = "epro_");
    let wanted = if wanted.is_empty() { level } else { wanted };
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match config.format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text => layer.with_ansi(coloured()).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter(&wanted))).try_init()?;
    Ok(())
}

/// What is wanted, of what may speak at all.
fn filter(wanted: &str) -> impl Filter<Registry> + use<> {
    let wanted = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(wanted);
    // Without a hint of its own the pair would have none, whatever is wanted: then lapin names every promise for a
    // trace that nobody hears, and each `trace!` and `debug!` anywhere asks before it finds that out.
    let cap =
        filter_fn(|meta| may_speak(meta.target(), *meta.level())).with_max_level_hint(LevelFilter::TRACE);
    wanted.and(cap)
}

/// On a terminal, unless `NO_COLOR` says otherwise (no-color.org).
fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::IsTerminal::is_terminal(&std::io::stderr())
}

/// Whether a target may speak at a level at all, before anybody asks what is wanted.
fn may_speak(target: &str, level: tracing::Level) -> bool {
    let ours = target == "epro" || target.starts_with("epro::") || target.starts_with("epro_");
    ours || (level <= tracing::Level::WARN && !target.starts_with("lapin"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn no_foreign_target_speaks_below_warn() {
        for target in ["tokio_postgres", "hyper", "epromise", "h2"] {
            assert!(may_speak(target, Level::WARN), "{target}");
            assert!(!may_speak(target, Level::INFO), "{target}");
            assert!(!may_speak(target, Level::TRACE), "{target}");
        }
    }

    #[test]
    fn the_amqp_client_never_speaks() {
        for target in ["lapin", "lapin::channel", "lapin::returned_messages"] {
            assert!(!may_speak(target, Level::ERROR), "{target}");
        }
    }

    #[test]
    fn what_nobody_wants_ends_before_anybody_is_asked() {
        let info = "warn,epro=info,epro_=info";
        for (wanted, hint) in [(info, LevelFilter::INFO), ("epro_broker=debug", LevelFilter::DEBUG)] {
            assert_eq!(filter(wanted).max_level_hint(), Some(hint), "{wanted}");
        }
    }

    #[test]
    fn our_own_targets_may_speak_at_every_level() {
        for target in ["epro", "epro::doctor", "epro_broker::publisher", "epro_worker"] {
            assert!(may_speak(target, Level::TRACE), "{target}");
        }
    }
}
