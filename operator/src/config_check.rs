//! `epro config check`.

use std::process::ExitCode;

use epro_broker::BrokerUrl;
use epro_process::config::{self, Config, Problem};
use epro_store::DatabaseUrl;
use secrecy::ExposeSecret as _;

use crate::screen;

/// Prints what is in force, or everything for which a process would refuse it: what was found when it was
/// read (`problems`), what its keys, secrets, certificates and instrument files hold, and what the clients make of its
/// URLs.
pub(crate) fn run(config: &Config, mut problems: Vec<Problem>, json: bool) -> anyhow::Result<ExitCode> {
    problems.extend(found(config));
    problems.sort();
    // What is missing was said already, in other words.
    problems.dedup_by(|later, earlier| later.path == earlier.path);
    if !problems.is_empty() {
        return Ok(config::refuse(&problems));
    }
    if json {
        screen::json(&config.shown())?;
    } else {
        screen::line(config.printable())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn found(config: &Config) -> Vec<Problem> {
    let broker = config.broker.url.expose_secret().parse::<BrokerUrl>();
    let database = config.postgres.url.expose_secret().parse::<DatabaseUrl>();
    let mut problems = Vec::new();
    problems.extend(broker.err().map(|error| Problem::new("broker.url", error.to_string())));
    problems.extend(database.err().map(|error| Problem::new("postgres.url", error.to_string())));
    let files = [
        config.keys.ring().err(),
        config.keys.pseudonym_key().err(),
        config.instruments().err(),
        config.auth.read_keys().err(),
    ];
    problems.extend(files.into_iter().flatten().flatten());
    problems.extend(config.alerts.unusable());
    problems.extend(config.hospitals.iter().flat_map(|(site, hospital)| hospital.unusable(site)));
    let models = config.studies.iter().filter_map(|(study, read)| Some((study, read.risk.as_ref()?)));
    problems.extend(models.flat_map(|(study, risk)| risk.unusable(study)));
    for (path, empty) in [("studies", config.studies.is_empty()), ("sites", config.sites.is_empty())] {
        if empty {
            problems.push(Problem::new(path, "at least one is required"));
        }
    }
    problems
}
