//! That the document is AsyncAPI 3.0, as its specification says it: required fields, no unknown ones, every reference
//! leads somewhere. Written from the specification, not from what makes the document.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The fields that an object has to have, and those that it may have.
type Fields = (&'static [&'static str], &'static [&'static str]);

const ROOT: Fields =
    (&["asyncapi", "info"], &["id", "servers", "defaultContentType", "channels", "operations", "components"]);
const INFO: Fields =
    (&["title", "version"], &["description", "termsOfService", "contact", "license", "tags", "externalDocs"]);
const SERVER: Fields = (
    &["host", "protocol"],
    &[
        "protocolVersion",
        "pathname",
        "description",
        "title",
        "summary",
        "variables",
        "security",
        "tags",
        "externalDocs",
        "bindings",
    ],
);
/// Address and messages are required of ours: without them nobody finds anything.
const CHANNEL: Fields = (
    &["address", "messages"],
    &["title", "summary", "description", "servers", "parameters", "tags", "externalDocs", "bindings"],
);
const PARAMETER: Fields = (&[], &["enum", "default", "description", "examples", "location"]);
const OPERATION: Fields = (
    &["action", "channel"],
    &[
        "title",
        "summary",
        "description",
        "security",
        "tags",
        "externalDocs",
        "bindings",
        "traits",
        "messages",
        "reply",
    ],
);
const MESSAGE: Fields = (
    &["payload"],
    &[
        "headers",
        "correlationId",
        "contentType",
        "name",
        "title",
        "summary",
        "description",
        "tags",
        "externalDocs",
        "bindings",
        "examples",
        "traits",
    ],
);
/// The AMQP bindings, version 0.3.0.
const OF_CHANNEL: Fields = (&["is", "bindingVersion"], &["queue", "exchange"]);
const OF_OPERATION: Fields = (
    &["bindingVersion"],
    &["expiration", "userId", "cc", "priority", "deliveryMode", "mandatory", "bcc", "timestamp", "ack"],
);
const OF_MESSAGE: Fields = (&["bindingVersion"], &["contentEncoding", "messageType"]);

/// An object with the fields that it has to have, and none that nobody knows.
fn object<'a>(place: &str, value: &'a Value, (required, others): Fields) -> &'a Map<String, Value> {
    let fields = value.as_object().unwrap_or_else(|| panic!("{place} is no object"));
    for name in required {
        assert!(fields.contains_key(*name), "{place} lacks {name}");
    }
    for name in fields.keys().filter(|name| !name.starts_with("x-")) {
        let known = required.iter().chain(others).any(|known| known == name);
        assert!(known, "{place}: nobody knows {name}");
    }
    fields
}

/// The objects of a map, each with its place; their names are ones that may be referred to.
fn each<'a>(document: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let map = document.pointer(path).and_then(Value::as_object).unwrap_or_else(|| panic!("no {path}"));
    assert!(!map.is_empty(), "nothing under {path}");
    let nameable = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let place = |(name, value): (&String, &'a Value)| {
        assert!(name.chars().all(nameable), "{path}: {name}");
        (format!("{path}/{name}"), value)
    };
    map.iter().map(place).collect()
}

fn amqp(place: &str, of: &Value, fields: Fields) {
    let Some(bindings) = of.get("bindings") else { return };
    object(place, bindings, (&["amqp"], &[]));
    object(place, &bindings["amqp"], fields);
    assert_eq!(bindings["amqp"]["bindingVersion"], "0.3.0", "{place}");
}

/// What a reference leads to.
fn referred<'a>(document: &'a Value, place: &str, value: &'a Value) -> (&'a str, &'a Value) {
    let path = value["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    let path = path.unwrap_or_else(|| panic!("{place} refers to nothing in this document"));
    (path, document.pointer(path).unwrap_or_else(|| panic!("{place}: {path} isn't there")))
}

fn every_reference(document: &Value, place: &str, part: &Value) {
    match part {
        Value::Object(fields) => {
            if fields.get("$ref").is_some_and(Value::is_string) {
                referred(document, place, part);
            }
            for (name, inner) in fields {
                every_reference(document, &format!("{place}/{name}"), inner);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| every_reference(document, place, item)),
        _ => {}
    }
}

fn placeholders(address: &str) -> BTreeSet<&str> {
    address.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

#[test]
fn the_document_is_what_asyncapi_3_says_one_is() {
    let document = super::document();
    object("the document", &document, ROOT);
    assert_eq!(document["asyncapi"], "3.0.0");
    object("info", &document["info"], INFO);
    for name in ["title", "version"] {
        assert!(document["info"][name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    for (place, server) in each(&document, "/servers") {
        object(&place, server, SERVER);
    }
    for (place, message) in each(&document, "/components/messages") {
        object(&place, message, MESSAGE);
        amqp(&place, message, OF_MESSAGE);
    }
    for (place, channel) in each(&document, "/channels") {
        object(&place, channel, CHANNEL);
        amqp(&place, channel, OF_CHANNEL);
        let none = Map::new();
        let parameters = channel.get("parameters").and_then(Value::as_object).unwrap_or(&none);
        for (name, parameter) in parameters {
            object(&format!("{place} {name}"), parameter, PARAMETER);
        }
        let named: BTreeSet<&str> = parameters.keys().map(String::as_str).collect();
        assert_eq!(placeholders(channel["address"].as_str().unwrap()), named, "{place}");
        for (name, message) in channel["messages"].as_object().unwrap() {
            let (path, _) = referred(&document, &place, message);
            assert_eq!(path, format!("/components/messages/{name}"), "{place}");
        }
    }
    for (place, operation) in each(&document, "/operations") {
        object(&place, operation, OPERATION);
        amqp(&place, operation, OF_OPERATION);
        assert!(["send", "receive"].contains(&operation["action"].as_str().unwrap()), "{place}");
        let (path, _) = referred(&document, &place, &operation["channel"]);
        assert!(path.starts_with("/channels/"), "{place}: {path}");
    }
    every_reference(&document, "", &document);
}
