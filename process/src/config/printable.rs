//! A configuration as a tree that may be shown to anybody.

use std::path::Path;

use serde_json::{Value, json};

use super::{Config, LogFormat, address, duration};

/// Every key with the value in force; a URL without its credentials, a key file by its path.
pub(super) fn tree(config: &Config) -> Value {
    json!({
        "time_scale": config.time_scale,
        "insecure": config.insecure,
        "log": {
            "format": match config.log.format { LogFormat::Text => "text", LogFormat::Json => "json" },
            "level": config.log.level.as_str(),
        },
        "broker": {
            "url": address::printable(&config.broker.url),
            "management_url": config.broker.management_url.as_ref().and_then(address::printable),
            "frame_max": config.broker.frame_max,
        },
        "postgres": {
            "url": address::printable(&config.postgres.url),
            "pool_size": config.postgres.pool_size,
        },
        "keys": keys(config),
        "studies": names(&config.studies, |study| json!({"profile": study.profile.as_str()})),
        "sites": names(&config.sites, |site| json!({"hospital": site.hospital})),
        "instruments": {"directory": config.instruments_directory.as_deref().map(path)},
        "auth": auth(config),
        "intake": intake(config),
        "admin": {"listen": config.admin.listen.to_string()},
        "worker": worker(config),
    })
}

fn keys(config: &Config) -> Value {
    json!({
        "seal": {
            "current": config.keys.seal_current,
            "files": names(&config.keys.seal_files, |file| json!(path(file))),
        },
        "pseudonym": {
            "id": config.keys.pseudonym_id,
            "file": config.keys.pseudonym_file.as_deref().map(path),
        },
    })
}

fn auth(config: &Config) -> Value {
    let key = |key: &super::AuthKeyConfig| json!({"kid": key.kid, "algorithm": key.algorithm.as_str(), "file": path(&key.file)});
    json!({
        "issuer": config.auth.issuer,
        "audience": config.auth.audience,
        "leeway": duration::print(config.auth.leeway),
        "keys": config.auth.keys.iter().map(key).collect::<Vec<_>>(),
        "clients": config.auth.clients,
    })
}

fn intake(config: &Config) -> Value {
    let intake = &config.intake;
    json!({
        "listen": intake.listen.to_string(),
        "outstanding": intake.outstanding,
        "confirm_timeout": duration::print(intake.confirm_timeout),
        "body_timeout": duration::print(intake.body_timeout),
        "header_timeout": duration::print(intake.header_timeout),
        "idle_timeout": duration::print(intake.idle_timeout),
        "late_after": duration::print(intake.late_after),
        "drain": duration::print(intake.drain),
    })
}

fn worker(config: &Config) -> Value {
    let worker = &config.worker;
    json!({
        "lanes": worker.lanes.iter().map(|lane| lane.as_str()).collect::<Vec<_>>(),
        "chunk": worker.chunk,
        "linger": duration::print(worker.linger),
        "prefetch": worker.prefetch,
        "urgent_prefetch": worker.urgent_prefetch,
        "hold": duration::print(worker.hold),
        "wait_budget": duration::print(worker.wait_budget),
        "drain": duration::print(worker.drain),
    })
}

fn names<T>(entries: &std::collections::BTreeMap<String, T>, print: impl Fn(&T) -> Value) -> Value {
    Value::Object(entries.iter().map(|(name, entry)| (name.clone(), print(entry))).collect())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
