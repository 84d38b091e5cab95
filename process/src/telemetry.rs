//! Logs, metrics and the panic hook of a process.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{LogConfig, LogFormat};

/// Upper bounds of the buckets of every `_seconds` histogram.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

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
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The Prometheus text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Housekeeping, without which histograms grow; the admin server calls it every 5 s.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Sets up logs on standard error, the metrics recorder and the panic hook, once a process.
///
/// `RUST_LOG` rules our own targets only. Every foreign target is capped at WARN, and
/// lapin is off whatever it says: it logs whole bodies of returned messages, and an ERROR for each answer
/// that we ask for on purpose (is this queue there?). What matters of it our own code logs, once.
///
/// # Errors
/// When it is called twice.
pub fn init(config: &LogConfig) -> Result<Metrics, TelemetryError> {
    init_log(config)?;
    crate::panic::install_hook();
    let recorder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?;
    Ok(Metrics(recorder.install_recorder()?))
}

/// The logs alone, for a tool that serves no metrics.
///
/// # Errors
/// When it is called twice.
pub fn init_log(config: &LogConfig) -> Result<(), TelemetryError> {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let level = format!("warn,epro={level},{OURS}={level}", level = config.level.as_str(), OURS = "epro_");
    let wanted = if wanted.is_empty() { level } else { wanted };
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(wanted);
    let cap = filter_fn(|meta| may_speak(meta.target(), *meta.level()));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match config.format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text => layer.with_ansi(coloured()).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter.and(cap))).try_init()?;
    Ok(())
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
    fn our_own_targets_may_speak_at_every_level() {
        for target in ["epro", "epro::doctor", "epro_broker::publisher", "epro_worker"] {
            assert!(may_speak(target, Level::TRACE), "{target}");
        }
    }
}
