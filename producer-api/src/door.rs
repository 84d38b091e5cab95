//! What every request needs, made once from the configuration.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use epro_broker::{BrokerUrl, Publisher};
use epro_process::certificate;
use epro_process::config::{Config, Problem, ReportsConfig, Serve};
use epro_process::health::Part;
use epro_process::objects::Objects;
use epro_process::tls;
use epro_schemas::instrument::Instruments;
use epro_schemas::pseudonym::PseudonymKey;
use epro_schemas::seal::KeyRing;
use epro_store::pool::{DatabaseUrl, Store};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

use crate::audit::{Notes, Witness};
use crate::open_files;
use crate::quota::Quotas;
use crate::tally::Tally;
use epro_process::auth::Verifier;

/// Where the configuration says what the door shows.
pub(crate) const TLS: &str = "intake.tls";
/// Most batches at work at a time: what they hold in memory is theirs times 8 MiB.
const BATCHES: usize = 4;
/// Most files that are fetched at a time: each holds half a MiB.
const DOWNLOADS: usize = 64;
/// Requests at work for each publish that may be outstanding; above it they are turned away.
const REQUESTS_A_SLOT: usize = 8;

/// Of the publishes that may be outstanding, one in so many may be a note of what shows a patient.
const SLOTS_A_WITNESS: usize = 8;

/// Clients that may wait for the store for each connection to it: as many of FHIR, and as many for reports.
const WAITERS_A_CONNECTION: usize = 4;

/// What the configuration and its files say, read before anything is opened.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) broker: BrokerUrl,
    pub(crate) certificate: Option<RustlsConfig>,
    database: DatabaseUrl,
    verifier: Verifier,
    instruments: Instruments,
    pub(crate) ring: Arc<KeyRing>,
    pseudonyms: PseudonymKey,
    objects: Objects,
}

impl Setup {
    /// Everything, or every problem at once.
    pub(crate) fn new((config, mut problems): (Config, Vec<Problem>)) -> Result<Self, Vec<Problem>> {
        let broker = note(broker_url(&config), &mut problems);
        let database = note(database_url(&config), &mut problems);
        note(open_files::fit(config.intake.connections), &mut problems);
        let certificate = config.intake.tls.as_ref().map(|files| certificate::read(files, TLS)).transpose();
        let certificate = note(certificate, &mut problems);
        let verifier = note(Verifier::new(&config.auth), &mut problems);
        let instruments = note(config.instruments(), &mut problems);
        let ring = note(config.keys.ring().map(Arc::new), &mut problems);
        let pseudonyms = note(config.keys.pseudonym_key(), &mut problems);
        let objects = note(Objects::new(&config.exports.place, "exports"), &mut problems);
        for (path, empty) in [("studies", config.studies.is_empty()), ("sites", config.sites.is_empty())] {
            if empty {
                problems.push(Problem::new(path, "at least one is required by this process"));
            }
        }
        let whole = (broker, certificate, database, verifier, instruments, ring, pseudonyms, objects);
        let (
            Some(broker),
            Some(certificate),
            Some(database),
            Some(verifier),
            Some(instruments),
            Some(ring),
            Some(pseudonyms),
            Some(objects),
        ) = whole
        else {
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let broker = broker.with_frame_max(config.broker.frame_max);
        Ok(Self { config, broker, certificate, database, verifier, instruments, ring, pseudonyms, objects })
    }
}

fn broker_url(config: &Config) -> Result<BrokerUrl, Vec<Problem>> {
    let wrong = |rule: String| vec![Problem::new("broker.url", rule)];
    let url = config.broker.url.expose_secret().parse::<BrokerUrl>();
    let url = url.map_err(|error| wrong(error.to_string()))?;
    if !url.is_secure() {
        return Ok(url);
    }
    let tls = tls::client_config(&config.broker.tls, "broker.tls")?;
    url.with_tls(tls).map_err(|error| wrong(error.to_string()))
}

fn database_url(config: &Config) -> Result<DatabaseUrl, Vec<Problem>> {
    let url = config.postgres.url.expose_secret().parse::<DatabaseUrl>();
    let url = url.map_err(|error| vec![Problem::new("postgres.url", error.to_string())])?;
    if !url.is_secure() {
        return Ok(url);
    }
    Ok(url.with_tls(tls::client_config(&config.postgres.tls, "postgres.tls")?))
}

/// Adds problems, but for keys of which the configuration's own reader said something already.
fn note<T>(outcome: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    let said = |path: &str, problems: &[Problem]| problems.iter().any(|problem| problem.path == path);
    outcome
        .map_err(|more| {
            for problem in more {
                if !said(&problem.path, problems) {
                    problems.push(problem);
                }
            }
        })
        .ok()
}

/// What every request needs.
pub(crate) struct Door {
    pub(crate) verifier: Verifier,
    pub(crate) quotas: Quotas,
    pub(crate) instruments: Instruments,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) pseudonyms: PseudonymKey,
    pub(crate) publisher: Publisher,
    pub(crate) store: Store,
    pub(crate) notes: Arc<Notes>,
    pub(crate) tally: Tally,
    /// Is told of what shows a patient, before it is given.
    pub(crate) witness: Witness,
    /// Whether the queues are there; a returned publish says no at once.
    pub(crate) queues: Part,
    /// Which routes there are.
    pub(crate) serve: Vec<Serve>,
    /// Where the files of exports are.
    pub(crate) objects: Objects,
    /// Files that are being fetched at a time.
    pub(crate) downloads: Arc<Semaphore>,
    pub(crate) studies: BTreeSet<String>,
    pub(crate) sites: BTreeSet<String>,
    pub(crate) body_timeout: Duration,
    pub(crate) confirm_timeout: Duration,
    /// Requests at work.
    pub(crate) requests: Semaphore,
    /// Batches at work.
    pub(crate) batches: Semaphore,
    /// The publisher for batches, which may hold half of its slots.
    pub(crate) batch_publisher: Publisher,
    /// As many items of one batch are under way at a time.
    pub(crate) batch_width: usize,
    /// FHIR clients that may wait for the store at a time; further ones are answered without.
    pub(crate) waiters: Semaphore,
    /// Clients that may wait for a report at a time; further ones are answered without.
    pub(crate) report_waiters: Semaphore,
    /// The sites whose hospital is configured.
    pub(crate) hospitals: BTreeSet<String>,
    /// How long reports may take.
    pub(crate) reports: ReportsConfig,
    /// How long they are kept.
    pub(crate) keep_reports: Duration,
}

impl Door {
    pub(crate) fn new(setup: Setup, publisher: Publisher, notes: Arc<Notes>, queues: Part) -> Self {
        let Setup {
            config,
            database,
            verifier,
            instruments,
            ring,
            pseudonyms,
            objects,
            broker: _,
            certificate: _,
        } = setup;
        let pool = usize::try_from(config.postgres.pool_size).unwrap_or(usize::MAX);
        let outstanding = config.intake.outstanding;
        let keep_reports = config.scaled(config.reports.keep);
        let batch_width = (outstanding / 2).max(1);
        Self {
            verifier,
            instruments,
            pseudonyms,
            batch_publisher: publisher.sharing(batch_width),
            witness: Witness::new(
                &publisher,
                ring.clone(),
                outstanding / SLOTS_A_WITNESS,
                config.intake.confirm_timeout,
            ),
            publisher,
            ring,
            store: Store::open(&database, pool),
            notes,
            tally: Tally::default(),
            queues,
            quotas: Quotas::new(&config.intake.limits),
            serve: config.intake.serve,
            objects,
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
            studies: config.studies.into_keys().collect(),
            sites: config.sites.into_keys().collect(),
            body_timeout: config.intake.body_timeout,
            confirm_timeout: config.intake.confirm_timeout,
            requests: Semaphore::new(outstanding.saturating_mul(REQUESTS_A_SLOT)),
            batches: Semaphore::new(BATCHES),
            batch_width,
            waiters: Semaphore::new(pool.saturating_mul(WAITERS_A_CONNECTION)),
            report_waiters: Semaphore::new(pool.saturating_mul(WAITERS_A_CONNECTION)),
            keep_reports,
            hospitals: config.hospitals.into_keys().collect(),
            reports: config.reports,
        }
    }
}
