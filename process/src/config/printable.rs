//! A configuration as a tree that may be shown to anybody.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    AlertsConfig, AuditConfig, BreakerConfig, Config, ExportsConfig, FhirAuth, HospitalConfig, LogFormat,
    ObjectsPlace, Person, Protocol, ReportsConfig, RiskConfig, Secret, ServerTls, SmsConfig, TlsConfig,
    address, duration,
};

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
            "tls": tls(&config.broker.tls),
            "management_url": config.broker.management_url.as_ref().and_then(address::printable),
            "frame_max": config.broker.frame_max,
        },
        "postgres": {
            "url": address::printable(&config.postgres.url),
            "tls": tls(&config.postgres.tls),
            "pool_size": config.postgres.pool_size,
        },
        "keys": keys(config),
        "studies": names(&config.studies, |study| json!({
            "profile": study.profile.as_str(),
            "risk": study.risk.as_ref().map(risk),
        })),
        "sites": names(&config.sites, |_| json!({})),
        "hospitals": names(&config.hospitals, hospital),
        "instruments": {
            "directory": config.instruments_directory.as_deref().map(path),
            "canonical": config.canonical,
        },
        "alerts": alerts(&config.alerts),
        "audit": audit(&config.audit),
        "auth": auth(config),
        "intake": intake(config),
        "admin": {"listen": config.admin.listen.to_string()},
        "console": {
            "listen": config.console.listen.to_string(),
            "tls": server_tls(config.console.tls.as_ref()),
            "origin": config.console.origin,
            "trusted_proxies": config.console.trusted_proxies.printable(),
        },
        "exports": exports(&config.exports),
        "worker": worker(config),
        "reports": reports(&config.reports),
        "traces": {
            "endpoint": config.traces.endpoint.as_ref().map(url::Url::as_str),
            "tls": tls(&config.traces.tls),
            "ratio": config.traces.ratio,
        },
    })
}

fn reports(reports: &ReportsConfig) -> Value {
    json!({
        "deadline": duration::print(reports.deadline),
        "longest": duration::print(reports.longest),
        "keep": duration::print(reports.keep),
        "pages": reports.pages,
    })
}

fn exports(exports: &ExportsConfig) -> Value {
    let (folder, s3) = place(Some(&exports.place));
    json!({
        "slots": exports.slots,
        "file_mib": exports.file_size >> 20,
        "keep": duration::print(exports.keep),
        "folder": folder,
        "s3": s3,
    })
}

fn audit(audit: &AuditConfig) -> Value {
    let (folder, s3) = place(audit.anchors.as_ref());
    json!({
        "folder": folder,
        "s3": s3,
        "signing_key_file": audit.signing_key_file.as_deref().map(path),
        "public_key_files": audit.public_key_files.iter().map(|file| path(file)).collect::<Vec<_>>(),
    })
}

/// `folder` and `s3`.
fn place(place: Option<&ObjectsPlace>) -> (Option<String>, Option<Value>) {
    match place {
        None => (None, None),
        Some(ObjectsPlace::Folder(folder)) => (Some(path(folder)), None),
        Some(ObjectsPlace::S3(s3)) => {
            let s3 = json!({
                "bucket": s3.bucket,
                "region": s3.region,
                "endpoint": s3.endpoint.as_ref().map(url::Url::as_str),
                "ca_file": s3.ca_file.as_deref().map(path),
                "access_key": "[hidden]",
                "secret_key": secret(&s3.secret_key),
            });
            (None, Some(s3))
        }
    }
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

fn alerts(alerts: &AlertsConfig) -> Value {
    let person = |person: &Person| {
        json!({
            "name": person.name, "role": person.role, "level": person.level,
            "email": person.email, "phone": person.phone,
        })
    };
    let people = |people: &[Person]| people.iter().map(person).collect::<Vec<_>>();
    let system = &alerts.system;
    json!({
        "link": alerts.link,
        "escalation": duration::print(alerts.escalation),
        "smtp": alerts.smtp.as_ref().map(|smtp| json!({
            "host": smtp.host,
            "port": smtp.port,
            "tls": smtp.tls.as_str(),
            "ca_file": smtp.ca_file.as_deref().map(path),
            "user": smtp.login.as_ref().map(|_| "[hidden]"),
            "from": smtp.from,
            "timeout": duration::print(smtp.timeout),
        })),
        "sms": alerts.sms.as_ref().map(|sms| json!({
            "url": address::printable_host(&sms.url),
            "ca_file": sms.ca_file.as_deref().map(path),
            "headers": names(&sms.headers, |_| json!("[hidden]")),
            "content": sms.content.as_str(),
            // What one's own says beside the message may be the gateway's key.
            "body": if sms.body == SmsConfig::BODY { SmsConfig::BODY } else { "[hidden]" },
            "idempotency_header": sms.idempotency_header,
            "timeout": duration::print(sms.timeout),
        })),
        "recipients": names(&alerts.recipients, |site| json!(people(site))),
        "operators": people(&alerts.operators),
        "system": {
            "patience": duration::print(system.patience),
            "dead_letters": system.dead_letters,
            "window": duration::print(system.window),
            "oldest_alert": duration::print(system.oldest_alert),
            "oldest_submission": duration::print(system.oldest_submission),
            "oldest_delivery": duration::print(system.oldest_delivery),
            "oldest_anchor": duration::print(system.oldest_anchor),
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
        "jwks": {
            "url": config.auth.jwks.as_ref().map(|jwks| address::place(&jwks.url)),
            "tls": tls(&config.auth.jwks.as_ref().map(|jwks| jwks.tls.clone()).unwrap_or_default()),
            "refresh": config.auth.jwks.as_ref().map(|jwks| duration::print(jwks.refresh)),
        },
        "clients": config.auth.clients,
    })
}

fn intake(config: &Config) -> Value {
    let intake = &config.intake;
    json!({
        "listen": intake.listen.to_string(),
        "tls": server_tls(intake.tls.as_ref()),
        "trusted_proxies": intake.trusted_proxies.printable(),
        "limits": {"client": intake.limits.client, "patient": intake.limits.patient},
        "serve": intake.serve.iter().map(|serve| serve.as_str()).collect::<Vec<_>>(),
        "connections": intake.connections,
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

fn hospital(hospital: &HospitalConfig) -> Value {
    let mut tree = match &hospital.protocol {
        Protocol::Fhir(fhir) => json!({
            "url": fhir.url.as_str(),
            "auth": fhir_auth(&fhir.auth),
            "tls": tls(&fhir.tls),
            "medication": fhir.medication.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        }),
        Protocol::Hl7v2(mllp) => {
            let host = if mllp.host.contains(':') { format!("[{}]", mllp.host) } else { mllp.host.clone() };
            let scheme = if mllp.tls.is_some() { "mllps" } else { "mllp" };
            let party =
                |party: &super::Party| json!({"application": party.application, "facility": party.facility});
            json!({
                "url": format!("{scheme}://{host}:{}", mllp.port),
                "tls": mllp.tls.as_ref().map(tls),
                "sending": party(&mllp.sending),
                "receiving": party(&mllp.receiving),
                "processing_id": mllp.processing_id.as_str(),
                "charset": mllp.charset.as_str(),
            })
        }
    };
    tree["protocol"] = json!(hospital.protocol.as_str());
    tree["calls_per_second"] = json!(hospital.calls_per_second);
    tree["concurrency"] = json!(hospital.concurrency);
    tree["query_share"] = json!(hospital.query_share);
    tree["timeout"] = json!(duration::print(hospital.timeout));
    tree["breaker"] = breaker(&hospital.breaker);
    tree["attempts"] = json!(hospital.attempts);
    tree["age"] = json!(duration::print(hospital.age));
    tree
}

fn risk(risk: &RiskConfig) -> Value {
    json!({
        "url": risk.url.as_str(),
        "tls": tls(&risk.tls),
        "token": risk.token.as_ref().map(secret),
        "concurrency": risk.concurrency,
        "timeout": duration::print(risk.timeout),
        "breaker": breaker(&risk.breaker),
        "attempts": risk.attempts,
        "alert_at": risk.alert_at,
    })
}

fn breaker(breaker: &BreakerConfig) -> Value {
    json!({
        "window": duration::print(breaker.window),
        "buckets": breaker.buckets,
        "ratio": breaker.ratio,
        "minimum_calls": breaker.minimum_calls,
        "sleep": duration::print(breaker.sleep),
    })
}

fn fhir_auth(auth: &FhirAuth) -> Value {
    match auth {
        FhirAuth::None => json!({"kind": "none"}),
        FhirAuth::Basic { password, .. } => json!({
            "kind": "basic",
            "user": "[hidden]",
            "password": secret(password),
        }),
        FhirAuth::OAuth2 { token_url, client_secret, scope, tls: own, .. } => json!({
            "kind": "oauth2",
            "token_url": token_url.as_str(),
            "client_id": "[hidden]",
            "client_secret": secret(client_secret),
            "scope": scope,
            "tls": tls(own),
        }),
    }
}

fn tls(tls: &TlsConfig) -> Value {
    json!({
        "ca_file": tls.ca_file.as_deref().map(path),
        "certificate_file": tls.certificate_file.as_deref().map(path),
        "key_file": tls.key_file.as_deref().map(path),
    })
}

fn server_tls(tls: Option<&ServerTls>) -> Value {
    json!({
        "certificate_file": tls.map(|tls| path(&tls.certificate_file)),
        "key_file": tls.map(|tls| path(&tls.key_file)),
        "client_ca_file": tls.and_then(|tls| tls.client_ca_file.as_deref()).map(path),
    })
}

fn secret(secret: &Secret) -> String {
    match secret {
        Secret::Given(_) => "[hidden]".to_owned(),
        Secret::File(file) => format!("[in {}]", file.display()),
    }
}

fn names<T>(entries: &std::collections::BTreeMap<String, T>, print: impl Fn(&T) -> Value) -> Value {
    Value::Object(entries.iter().map(|(name, entry)| (name.clone(), print(entry))).collect())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
