//! `epro config check`.

use std::process::ExitCode;

use epro_process::config::{self, Config, Problem};

use crate::outside::Outside;
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
    let outside = Outside::new(config);
    let addresses = [outside.broker_url().err(), outside.database_url().err()];
    let mut problems: Vec<Problem> = addresses.into_iter().flatten().flat_map(|wrong| wrong.0).collect();
    // Also where an address itself is wrong, or where only the management API speaks TLS.
    problems.extend(config.broker.unusable());
    problems.extend(config.postgres.unusable());
    problems.extend(config.intake.unusable());
    problems.extend(config.console.unusable());
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
