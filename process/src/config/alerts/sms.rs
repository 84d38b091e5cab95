//! `alerts.sms`: the HTTP gateway that takes text messages.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::super::section::Section;
use super::super::{Secret, address};
use address::Scheme;

/// An HTTP gateway for text messages, described by the request that it wants.
#[derive(Debug, Clone)]
pub struct SmsConfig {
    /// Where a message is POSTed to; may hold a login.
    pub url: SecretString,
    /// PEM file of the only certificate authorities that are believed; without one, those of the system are.
    pub ca_file: Option<PathBuf>,
    /// Further headers by name, such as `Authorization`; values are secret.
    pub headers: BTreeMap<String, Secret>,
    /// What the body is, which decides how values are written into it.
    pub content: Content,
    /// The body; `{to}`, `{text}` and `{id}` are replaced, escaped as the content wants it.
    pub body: String,
    /// The header that carries the notice's id, so that the gateway can tell a repeat.
    pub idempotency_header: Option<String>,
    /// How long one message may take: connecting, asking, the answer. Never scaled.
    pub timeout: Duration,
}

/// What a gateway's request body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl Content {
    const CHOICES: [(&'static str, Self); 2] = [("json", Self::Json), ("form", Self::Form)];

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Form => "form",
        }
    }
}

impl SmsConfig {
    /// The body where none is given.
    pub(in crate::config) const BODY: &str = r#"{"to":"{to}","text":"{text}","id":"{id}"}"#;

    /// `None`: there is no URL, so there are no text messages.
    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Option<Self> {
        let url = address::read(&mut section, "url", "url_file", &Scheme::WEB, insecure);
        let ca_file = section.path("ca_file");
        let headers = headers(&mut section);
        let content = section.choice("content", Content::Json, &Content::CHOICES);
        let body = section.text("body").unwrap_or_else(|| Self::BODY.to_owned());
        for placeholder in ["{to}", "{text}"] {
            if !body.contains(placeholder) {
                section.problem("body", format!("has to hold {placeholder}"));
            }
        }
        if content == Content::Json && serde_json::from_str::<serde_json::Value>(&body).is_err() {
            section.problem("body", "is not JSON: placeholders stand within quotes");
        }
        let idempotency_header = section.text("idempotency_header");
        if idempotency_header.as_ref().is_some_and(|name| !is_header(name)) {
            section.problem("idempotency_header", "is not the name of a header");
        }
        let timeout = section.duration("timeout", Duration::from_secs(10), Duration::from_millis(100));
        section.finish();
        Some(Self { url: url?, ca_file, headers, content, body, idempotency_header, timeout })
    }
}

/// Values stand in `headers`, or in the files that `header_files` names.
fn headers(section: &mut Section<'_>) -> BTreeMap<String, Secret> {
    let mut found = BTreeMap::new();
    let mut given = section.section("headers");
    for name in given.names() {
        if !is_header(&name) {
            given.problem(&name, "is not the name of a header");
        }
        if let Some(value) = given.text_named(&name) {
            found.insert(name, Secret::Given(value.into()));
        }
    }
    given.finish();
    let mut files = section.section("header_files");
    for name in files.names() {
        if !is_header(&name) || found.contains_key(&name) {
            files.problem(&name, "is not the name of a header, or stands under headers, too");
        }
        if let Some(path) = files.path_named(&name) {
            found.insert(name, Secret::File(path));
        }
    }
    files.finish();
    found
}

fn is_header(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
