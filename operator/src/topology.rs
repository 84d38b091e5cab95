//! `epro topology apply|check`.

use std::process::ExitCode;
use std::time::Duration;

use epro_broker::topology::{Policy, Setting};
use serde_json::{Map, Value, json};

use crate::arguments::By;
use crate::deed;
use crate::management::Management;
use crate::outside::Outside;
use crate::screen;

/// A quorum queue is not crash-safe in its first second: nothing may be confirmed before.
const SETTLE: Duration = Duration::from_secs(2);

/// Declares what is missing, then sets the policies if the management API is configured.
pub(crate) async fn apply(outside: &Outside<'_>, by: &By, json: bool) -> anyhow::Result<ExitCode> {
    let topology = outside.topology();
    let connection = outside.broker().await?;
    let report = topology.apply(&connection).await;
    connection.close().await;
    let report = report?;
    let policies = topology.policies();
    let management = Management::of(outside)?;
    if let Some(management) = &management {
        for policy in &policies {
            management.set(policy, &definition(policy)).await?;
        }
    }
    let set = management.map(|_| policies.len());
    if !report.created.is_empty() {
        tokio::time::sleep(SETTLE).await;
    }
    if json {
        screen::json(
            &json!({"created": report.created, "unchanged": report.unchanged.len(), "policies": set}),
        )?;
    } else {
        let (created, unchanged) = (report.created.len(), report.unchanged.len());
        screen::line(format!("topology: {created} declared, {unchanged} were there"))?;
        match set {
            Some(count) => screen::line(format!("topology: {count} policies set"))?,
            None => by_hand(outside, &policies)?,
        }
    }
    if report.created.is_empty() && set.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let declared: Vec<String> = report.created.iter().map(ToString::to_string).collect();
    deed::record(outside, "topology.applied", by, json!({"declared": declared, "policies": set})).await
}

/// Names what is missing; exit code 1 if anything is. AMQP can't show bindings: they are looked at where the
/// management API is configured.
pub(crate) async fn check(outside: &Outside<'_>, json: bool) -> anyhow::Result<ExitCode> {
    let connection = outside.broker().await?;
    let topology = outside.topology();
    let missing = topology.check(&connection).await;
    connection.close().await;
    let mut missing: Vec<String> = missing?.iter().map(ToString::to_string).collect();
    let management = Management::of(outside)?;
    if let Some(management) = &management {
        let there = management.bindings().await?;
        let unbound = topology.bindings().iter().filter(|wanted| !there.contains(wanted));
        missing.extend(unbound.map(ToString::to_string));
    }
    if json {
        screen::json(&json!({"missing": missing, "bindings_checked": management.is_some()}))?;
    } else if missing.is_empty() {
        let but = if management.is_some() {
            ""
        } else {
            "; bindings are not looked at without broker.management_url"
        };
        screen::line(format!("topology: complete{but}"))?;
    } else {
        screen::line(format!("topology: missing {}; run `epro topology apply`", missing.join(", ")))?;
    }
    Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn by_hand(outside: &Outside<'_>, policies: &[Policy]) -> anyhow::Result<()> {
    screen::line("topology: broker.management_url is not set; set the policies by hand:")?;
    let vhost = outside.vhost()?;
    for policy in policies {
        let (name, pattern, priority) = (policy.name, policy.pattern, policy.priority);
        let definition = serde_json::to_string(&definition(policy))?;
        screen::line(format!(
            "  rabbitmqctl set_policy -p '{vhost}' --apply-to queues --priority {priority} {name} '{pattern}' '{definition}'"
        ))?;
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
