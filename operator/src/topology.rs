//! `epro topology apply|check`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use epro_broker::topology::{Policy, Setting};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use crate::outside::Outside;
use crate::screen;

/// A quorum queue is not crash-safe in its first second: nothing may be confirmed before.
const SETTLE: Duration = Duration::from_secs(2);

/// Declares what is missing, then sets the policies if the management API is configured.
pub(crate) async fn apply(outside: &Outside<'_>, json: bool) -> anyhow::Result<ExitCode> {
    let topology = outside.topology();
    let connection = outside.broker().await?;
    let report = topology.apply(&connection).await;
    connection.close().await;
    let report = report?;
    let policies = topology.policies();
    let set = match &outside.config.broker.management_url {
        Some(url) => Some(set_policies(url.expose_secret(), outside, &policies).await?),
        None => None,
    };
    if !report.created.is_empty() {
        tokio::time::sleep(SETTLE).await;
    }
    if json {
        screen::json(
            &json!({"created": report.created, "unchanged": report.unchanged.len(), "policies": set}),
        )?;
    } else {
        let (created, unchanged) = (report.created.len(), report.unchanged.len());
        screen::line(format!("topology: {created} declared, {unchanged} were there"));
        match set {
            Some(count) => screen::line(format!("topology: {count} policies set")),
            None => by_hand(outside, &policies)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Names what is missing; exit code 1 if anything is.
pub(crate) async fn check(outside: &Outside<'_>, json: bool) -> anyhow::Result<ExitCode> {
    let connection = outside.broker().await?;
    let missing = outside.topology().check(&connection).await;
    connection.close().await;
    let missing: Vec<String> = missing?.iter().map(ToString::to_string).collect();
    if json {
        screen::json(&json!({"missing": missing}))?;
    } else if missing.is_empty() {
        screen::line("topology: complete");
    } else {
        screen::line(format!("topology: missing {}; run `epro topology apply`", missing.join(", ")));
    }
    Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn set_policies(url: &str, outside: &Outside<'_>, policies: &[Policy]) -> anyhow::Result<usize> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let base = reqwest::Url::parse(url).context("broker.management_url")?;
    let vhost = vhost(outside)?;
    for policy in policies {
        let mut url = base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("broker.management_url can't hold a path"))?
            .pop_if_empty()
            .extend(["api", "policies", &vhost, policy.name]);
        let body = json!({
            "pattern": policy.pattern,
            "priority": policy.priority,
            "apply-to": "queues",
            "definition": definition(policy),
        });
        // The client takes user and password out of the URL; an error must not show what is left of it.
        let response = client.put(url).json(&body).send().await;
        let status = response.map_err(reqwest::Error::without_url).context("the management API")?.status();
        anyhow::ensure!(status.is_success(), "the management API refuses policy {}: {status}", policy.name);
    }
    Ok(policies.len())
}

fn by_hand(outside: &Outside<'_>, policies: &[Policy]) -> anyhow::Result<()> {
    screen::line("topology: broker.management_url is not set; set the policies by hand:");
    let vhost = vhost(outside)?;
    for policy in policies {
        let (name, pattern, priority) = (policy.name, policy.pattern, policy.priority);
        let definition = serde_json::to_string(&definition(policy))?;
        screen::line(format!(
            "  rabbitmqctl set_policy -p '{vhost}' --apply-to queues --priority {priority} {name} '{pattern}' '{definition}'"
        ));
    }
    Ok(())
}

fn definition(policy: &Policy) -> Value {
    let entries = policy.definition.iter().map(|(key, setting)| {
        let value = match setting {
            Setting::Number(number) => json!(number),
            Setting::Text(text) => json!(text),
        };
        ((*key).to_owned(), value)
    });
    Value::Object(Map::from_iter(entries))
}

fn vhost(outside: &Outside<'_>) -> anyhow::Result<String> {
    let url: epro_broker::BrokerUrl = outside.config.broker.url.expose_secret().parse()?;
    Ok(url.vhost().to_owned())
}
