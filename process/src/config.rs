//! Configuration: one YAML file for every process, the environment over it, secrets from files.
//!
//! Reading never stops at the first problem: all of them are reported at once, by path and rule.
//! `docs/config.yaml` documents every key with its default; a test holds it to this code.

mod address;
mod alerts;
mod audit;
mod auth;
mod broker;
mod console;
mod duration;
mod environment;
mod exports;
mod hospitals;
mod intake;
mod key_file;
mod keys;
mod log;
mod places;
mod postgres;
mod printable;
mod problem;
mod proxies;
mod reports;
mod risk;
mod secret;
mod section;
mod tls;
mod traces;
mod worker;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

pub use alerts::{AlertsConfig, Content, Person, SmsConfig, SmtpConfig, SmtpTls, SystemConfig};
pub use audit::AuditConfig;
pub use auth::{Algorithm, AuthConfig, AuthKeyConfig, JwksConfig};
pub use broker::BrokerConfig;
pub use console::ConsoleConfig;
pub use environment::environment;
pub use exports::{ExportsConfig, ObjectsPlace, S3Config};
pub use hospitals::{
    BreakerConfig, Charset, FhirAuth, FhirConfig, HospitalConfig, MllpConfig, Party, ProcessingId, Protocol,
};
pub use intake::{AdminConfig, IntakeConfig, LimitsConfig, Serve};
pub use keys::KeysConfig;
pub use log::{LogConfig, LogFormat, LogLevel};
pub use places::{Profile, SiteConfig, StudyConfig};
pub use postgres::PostgresConfig;
pub use problem::{EXIT_CODE, Problem, refuse, told};
pub use proxies::TrustedProxies;
pub use reports::ReportsConfig;
pub use risk::RiskConfig;
pub use secret::Secret;
use section::{Findings, Section};
pub use tls::{ServerTls, TlsConfig};
pub use traces::TracesConfig;
pub use worker::{ALERT_CONNECTIONS, CONNECTIONS_A_SLOT, Lane, WorkerConfig};

/// Goes before an instrument's id in its canonical URL unless the configuration says what does.
const CANONICAL: &str = "urn:epro:instrument:";

/// What is in force: the file, the environment over it, defaults for the rest.
#[derive(Debug, Clone)]
pub struct Config {
    /// Stretches or shrinks wait tiers, holds, sleeps and budgets; see [`Config::scaled`].
    pub time_scale: f64,
    /// Allows plain text beyond loopback.
    pub insecure: bool,
    /// How the process speaks.
    pub log: LogConfig,
    /// Where RabbitMQ is.
    pub broker: BrokerConfig,
    /// Where PostgreSQL is.
    pub postgres: PostgresConfig,
    /// Seal and pseudonym keys.
    pub keys: KeysConfig,
    /// Study id -> study.
    pub studies: BTreeMap<String, StudyConfig>,
    /// Site id -> site.
    pub sites: BTreeMap<String, SiteConfig>,
    /// Site id -> its hospital, for the sites that have one.
    pub hospitals: BTreeMap<String, HospitalConfig>,
    /// Folder with instrument files beside the shipped ones.
    pub instruments_directory: Option<PathBuf>,
    /// What goes before an instrument's id in its canonical URL, as FHIR names questionnaires.
    pub canonical: String,
    /// Who is told of a dangerous answer, and through what.
    pub alerts: AlertsConfig,
    /// The anchors of the audit trail.
    pub audit: AuditConfig,
    /// Whose tokens are believed.
    pub auth: AuthConfig,
    /// The door for submissions.
    pub intake: IntakeConfig,
    /// The port for probes and metrics.
    pub admin: AdminConfig,
    /// Where operators look with a browser.
    pub console: ConsoleConfig,
    /// Bulk exports.
    pub exports: ExportsConfig,
    /// The lanes and their measures.
    pub worker: WorkerConfig,
    /// Comprehensive reports.
    pub reports: ReportsConfig,
    /// Where spans go.
    pub traces: TracesConfig,
}

impl Config {
    /// Reads the file at `path` (none: an empty one) and lays `environment` over it.
    ///
    /// # Errors
    /// Everything that is wrong, at once. End the process with [`refuse`].
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Problem>> {
        let (config, problems) = Self::read(path, environment);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Like [`Config::load`], but gives what could be read beside the problems, so that a process
    /// can add the problems of its key files before it refuses.
    pub fn read(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        // It may hold secrets.
        let text = match path.map(|path| std::fs::read_to_string(path).map(Zeroizing::new)) {
            None => Zeroizing::default(),
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                problems.push(Problem::new("--config", format!("the file can't be read: {}", error.kind())));
                Zeroizing::default()
            }
        };
        let base = path.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
        Self::from_text(&text, base, environment, problems)
    }

    /// The same of a text, as if it were a file of the working folder, without an environment.
    pub fn read_text(text: &str) -> (Self, Vec<Problem>) {
        Self::from_text(text, PathBuf::new(), [], Vec::new())
    }

    fn from_text(
        text: &str,
        base: PathBuf,
        environment: impl IntoIterator<Item = (String, String)>,
        mut problems: Vec<Problem>,
    ) -> (Self, Vec<Problem>) {
        let mut tree = yaml::parse(text).unwrap_or_else(|rule| {
            problems.push(Problem::new("--config", format!("the file {rule}")));
            Value::Null
        });
        let from_environment = environment::overlay(&mut tree, environment, &mut problems);
        let mut findings = Findings::new(problems, from_environment, base);
        let config = Self::from_section(Section::new("", Some(tree), &mut findings));
        let mut problems = findings.problems;
        problems.sort();
        problems.dedup();
        (config, problems)
    }

    fn from_section(mut root: Section<'_>) -> Self {
        let insecure = root.boolean("insecure", false);
        let mut instruments = root.section("instruments");
        let instruments_directory = instruments.path("directory");
        let canonical = instruments.text("canonical").unwrap_or_else(|| CANONICAL.to_owned());
        instruments.finish();
        let sites = places::read_sites(root.section("sites"));
        let config = Self {
            time_scale: root.positive("time_scale", 1.0, 1000.0),
            insecure,
            log: LogConfig::read(root.section("log")),
            broker: BrokerConfig::read(root.section("broker"), insecure),
            postgres: PostgresConfig::read(root.section("postgres"), insecure),
            keys: KeysConfig::read(root.section("keys")),
            studies: places::read_studies(root.section("studies"), insecure),
            hospitals: hospitals::read(root.section("hospitals"), insecure, &sites, &canonical),
            alerts: AlertsConfig::read(root.section("alerts"), insecure, &sites),
            sites,
            instruments_directory,
            canonical,
            audit: AuditConfig::read(root.section("audit"), insecure),
            auth: AuthConfig::read(root.section("auth"), insecure),
            intake: IntakeConfig::read(root.section("intake"), insecure),
            admin: AdminConfig::read(root.section("admin")),
            console: ConsoleConfig::read(root.section("console"), insecure),
            exports: ExportsConfig::read(root.section("exports"), insecure),
            worker: WorkerConfig::read(root.section("worker")),
            reports: ReportsConfig::read(root.section("reports")),
            traces: TracesConfig::read(root.section("traces"), insecure),
        };
        root.finish();
        config
    }

    /// What is in force, with everything secret hidden.
    pub fn shown(&self) -> Value {
        printable::tree(self)
    }

    /// The same as YAML.
    pub fn printable(&self) -> String {
        yaml::print(&self.shown())
    }

    /// A duration under the time scale: tiers, holds, sleeps and budgets, never a timeout.
    pub fn scaled(&self, duration: Duration) -> Duration {
        Duration::try_from_secs_f64(duration.as_secs_f64() * self.time_scale).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests;
