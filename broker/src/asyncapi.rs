//! docs/asyncapi.json: what travels through the broker, for those who look at it from outside. Made of the topology, the
//! headers and the JSON Schemas, and held to them by a test.

mod shape;

use std::collections::BTreeSet;
use std::path::Path;

use epro_schemas::{json_schema, kind};
use serde_json::{Map, Value, json};

use crate::message::Headers;
use crate::message::wire;
use crate::topology::{self, Topology, WORK};
use crate::wait::Tier;

/// What stands for any site.
const SITE: &str = "{site}";

/// A message: its name here, its type, the schema of what is under its seal where that is published, what it is.
type Told = (&'static str, &'static str, Option<&'static str>, &'static str);

const MESSAGES: [Told; 9] = [
    (
        "submission",
        kind::SUBMISSION,
        None,
        "What a patient sent, byte for byte, in an envelope that says who, when and from where.",
    ),
    ("alert", kind::ALERT, Some("alert"), "A wake-up: a dangerous answer is in `ops.alert`."),
    (
        "delivery",
        kind::DELIVERY,
        Some("delivery"),
        "A submission is to be brought to the hospital of its site.",
    ),
    ("question", kind::RISK, Some("risk"), "A study's risk model is to be asked about a submission."),
    ("acknowledgement", kind::ACKNOWLEDGEMENT, Some("acknowledgement"), "Somebody has an alert in hand."),
    ("auditNote", kind::AUDIT, Some("audit-note"), "What the door refused, or whom it let read, counted."),
    ("reportJob", kind::REPORT, None, "Staff ask what a hospital knows of a patient."),
    ("exportRequest", kind::EXPORT, Some("export-request"), "A bulk export is asked for."),
    ("exportCancel", kind::EXPORT_CANCEL, Some("export-cancel"), "One is no longer wanted."),
];

/// A queue: what is in it, who fills it, who consumes it, what it is for.
fn of_queue(queue: &str) -> (Vec<&'static str>, &'static str, &'static str, String) {
    let say = |messages: &[&'static str], by, to, what: &str| (messages.to_vec(), by, to, what.to_owned());
    match queue {
        topology::SUBMISSIONS_URGENT => {
            say(&["submission"], "door", "lane submissions.urgent", "Submissions whose answers alert.")
        }
        topology::SUBMISSIONS_ROUTINE => {
            say(&["submission"], "door", "lane submissions.routine", "All other submissions.")
        }
        topology::SUBMISSIONS_DEFERRED => say(
            &["submission"],
            "the wait tiers",
            "lane submissions.deferred",
            "Submissions that have waited.",
        ),
        topology::ALERTS => {
            say(&["alert"], "lanes submissions, risk, relay", "lane alerts", "Alerts to tell people of.")
        }
        topology::COMMANDS => {
            say(&["acknowledgement", "auditNote"], "door", "lane commands", "What is to be recorded.")
        }
        topology::RISK => {
            say(&["question"], "lanes submissions, relay", "lane risk", "Questions for risk models.")
        }
        topology::EXPORTS => {
            say(&["exportRequest", "exportCancel"], "door", "lane exports", "Requests for bulk exports.")
        }
        topology::DEAD => say(
            &names(),
            "the broker, the alternate exchange of epro.return",
            "lane dead",
            "What the broker gave up on; each becomes a row.",
        ),
        queue if queue == topology::his(SITE) => say(
            &["delivery"],
            "lanes submissions, relay",
            "lane hospitals",
            "What is for the hospital of a site. Consumed by whoever holds its lease.",
        ),
        queue if queue == topology::query(SITE) => say(
            &["reportJob"],
            "door",
            "lane hospitals",
            "What is asked of the hospital of a site. Consumed by whoever holds its lease.",
        ),
        queue => {
            let tier = Tier::ALL.into_iter().find(|tier| tier.exchange() == queue).unwrap();
            let what = format!(
                "Parked for {}, then back through epro.return to the work queue that the routing key names.",
                tier.name()
            );
            say(&names(), "workers", "nobody", &what)
        }
    }
}

fn names() -> Vec<&'static str> {
    MESSAGES.iter().map(|(name, ..)| *name).collect()
}

fn document() -> Value {
    let topology = Topology::new(&[SITE.to_owned()], 1.0);
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for queue in topology.queues() {
        let (messages, by, to, what) = of_queue(&queue);
        let name = queue.replace(".{site}", "");
        let refer = |message: &&str| {
            ((*message).to_owned(), json!({ "$ref": format!("#/components/messages/{message}") }))
        };
        let exchanges: Vec<Value> = topology
            .bindings()
            .iter()
            .filter(|binding| binding.queue == queue)
            .map(|binding| json!({ "exchange": binding.exchange, "routingKey": binding.key }))
            .collect();
        let mut channel = json!({
            "address": queue,
            "description": format!("{what} Filled by {by}; consumed by {to}."),
            "messages": Map::from_iter(messages.iter().map(refer)),
            "bindings": { "amqp": {
                "is": "queue",
                "queue": { "name": queue, "durable": true, "exclusive": false, "autoDelete": false },
                "bindingVersion": "0.3.0",
            }},
            "x-bound-to": exchanges,
        });
        if queue.contains(SITE) {
            channel["parameters"] =
                json!({ "site": { "description": "A configured site that has a hospital." } });
        }
        let on = |action: &str, summary: String, bindings: Value| {
            json!({
                "action": action,
                "summary": summary,
                "channel": { "$ref": format!("#/channels/{name}") },
                "bindings": { "amqp": bindings },
            })
        };
        if to != "nobody" {
            let acked = json!({ "ack": true, "bindingVersion": "0.3.0" });
            let summary = format!("{to}: acked once it is committed, or parked with a confirm");
            operations.insert(format!("receive.{name}"), on("receive", summary, acked));
        }
        if exchanges.iter().any(|bound| bound["exchange"] == WORK || bound["exchange"] == queue.as_str())
            && queue != topology::DEAD
        {
            let sent = json!({ "deliveryMode": 2, "mandatory": true, "bindingVersion": "0.3.0" });
            operations.insert(
                format!("send.{name}"),
                on("send", format!("{by}: done once the broker confirms"), sent),
            );
        }
        channels.insert(name, channel);
    }
    let mut schemas = Map::new();
    let messages =
        MESSAGES.iter().map(|told| (told.0.to_owned(), message(told, &mut schemas))).collect::<Map<_, _>>();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "epro-relay: what travels through RabbitMQ",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "For those who look at the queues from outside. Nobody but epro-relay publishes here or consumes: apps speak HTTP (OpenAPI at /openapi.json of the door). All queues are quorum queues; everything is published persistent and mandatory, with confirms. Every body is under a seal, and one that isn't is set aside unread; headers are in the clear. `epro topology apply` declares it.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/octet-stream",
        "servers": { "rabbitmq": {
            "host": "rabbitmq.example:5672",
            "protocol": "amqp",
            "protocolVersion": "0.9.1",
            "description": "RabbitMQ 3.10 or later; the virtual host is that of broker.url.",
        }},
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn message((_, kind, says, what): &Told, schemas: &mut Map<String, Value>) -> Value {
    let sealed = "Sealed by the key that the header epro-key names (AES-256-GCM, bound to type and message id): only who has the key can read it, or make one that is believed.";
    let mut body = json!({ "type": "string", "format": "binary", "description": sealed });
    if let Some(name) = says {
        body["x-under-the-seal"] = schema(name, schemas);
    }
    json!({
        "name": kind,
        "title": kind,
        "summary": what,
        "contentType": "application/octet-stream",
        "headers": headers(),
        "payload": body,
        "bindings": { "amqp": { "messageType": kind, "bindingVersion": "0.3.0" } },
    })
}

/// A JSON Schema in a place where it can be referred to.
fn schema(name: &str, schemas: &mut Map<String, Value>) -> Value {
    let (_, schema) = json_schema::all().into_iter().find(|(known, _)| *known == name).unwrap();
    let text = schema.to_value().to_string().replace("#/$defs/", "#/components/schemas/");
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    let fields = schema.as_object_mut().unwrap();
    fields.remove("$schema");
    if let Some(Value::Object(more)) = fields.remove("$defs") {
        schemas.extend(more);
    }
    let title = fields["title"].as_str().unwrap().to_owned();
    schemas.insert(title.clone(), schema);
    json!({ "$ref": format!("#/components/schemas/{title}") })
}

fn headers() -> Value {
    let number = |says: &str| json!({ "type": "integer", "description": says });
    let text = |says: &str| json!({ "type": "string", "description": says });
    json!({ "type": "object", "properties": {
        "traceparent": text("W3C trace context of the publish; stays through waits and redrives."),
        "epro-attempt": number("The try that is being charged, from 1; absent is 1."),
        "epro-deadline": number("Unix milliseconds after which nobody waits for the outcome."),
        "epro-waits": number("How often it was parked; absent is 0."),
        "epro-waiting-since": number("Unix milliseconds of the first time it was parked."),
        "epro-key": text("Id of the key that seals the body."),
        "epro-site": text("A configured site."),
        "epro-study": text("A configured study."),
        "epro-signals": text("What the door found dangerous: rule=severity,rule=severity."),
        "epro-ticket": number("By this the publisher knows a returned message again; nobody else reads it."),
    }})
}

#[test]
fn the_document_is_made_of_the_topology_and_names_every_header() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/asyncapi.json");
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let found: Value = serde_json::from_str(&found).unwrap_or_default();
    assert!(found == document(), "docs/asyncapi.json has drifted: UPDATE_DOCS=1 cargo test -p epro-broker");

    let some = || Some("a".to_owned());
    let full = Headers {
        traceparent: some(),
        attempt: 2,
        deadline: Some(1),
        waits: 1,
        waiting_since: Some(1),
        key_id: some(),
        site: some(),
        study: some(),
        signals: some(),
    };
    let written: BTreeSet<String> = wire::write(full, 1).inner().keys().map(ToString::to_string).collect();
    let told = headers()["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(told, written);
}
