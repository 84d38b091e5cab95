//! Text messages by an HTTP gateway: one POST a message, written as the gateway wants it.

use std::time::Duration;

use epro_process::config::{Content, Problem, SmsConfig, TlsConfig};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::ExposeSecret as _;
use url::form_urlencoded::byte_serialize;
use uuid::Uuid;

use super::email::seconds;

/// A gateway.
pub(super) struct Sms {
    config: SmsConfig,
    client: reqwest::Client,
}

impl Sms {
    pub(super) fn new(config: &SmsConfig) -> Result<Self, Vec<Problem>> {
        let believed = TlsConfig { ca_file: config.ca_file.clone(), ..TlsConfig::default() };
        let tls = epro_process::tls::client_config(&believed, "alerts.sms")?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(config.timeout)
            .build()
            .map_err(|_| vec![Problem::new("alerts.sms", "no HTTP client can be made")])?;
        Ok(Self { config: config.clone(), client })
    }

    /// How long one message may take.
    pub(super) fn timeout(&self) -> Duration {
        self.config.timeout
    }

    /// Hands one message over, under the notice's id.
    pub(super) async fn send(&self, id: Uuid, to: &str, text: &str) -> Result<(), String> {
        let config = &self.config;
        let content_type = match config.content {
            Content::Json => "application/json",
            Content::Form => "application/x-www-form-urlencoded",
        };
        let mut request = self
            .client
            .post(config.url.expose_secret())
            .header(CONTENT_TYPE, content_type)
            .body(fill(&config.body, config.content, to, text, &id.to_string()));
        for (name, secret) in &config.headers {
            let secret = secret.read().map_err(|error| format!("the file of a header {error}"))?;
            let name = HeaderName::try_from(name.as_str()).map_err(|_| "a header can't be sent")?;
            let value =
                HeaderValue::try_from(secret.expose_secret()).map_err(|_| "a header can't be sent")?;
            request = request.header(name, value);
        }
        if let Some(name) = &config.idempotency_header {
            request = request.header(name, id.to_string());
        }
        // The bound around all of it, should the client's own miss a part.
        let sent = tokio::time::timeout(config.timeout, request.send()).await;
        match sent {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("the gateway answers {}", answer.status().as_u16())),
            Ok(Err(error)) if error.is_timeout() => Err(format!("no end after {}", seconds(config.timeout))),
            Ok(Err(_)) => Err("no connection to the gateway".to_owned()),
            Err(_) => Err(format!("no end after {}", seconds(config.timeout))),
        }
    }
}

/// The body with its values, none of which can end the place that it stands in.
fn fill(body: &str, content: Content, to: &str, text: &str, id: &str) -> String {
    let write = |value: &str| match content {
        Content::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        }
        Content::Form => byte_serialize(value.as_bytes()).collect(),
    };
    let values = [("{to}", write(to)), ("{text}", write(text)), ("{id}", write(id))];
    let (mut filled, mut rest) = (String::with_capacity(body.len() + text.len()), body);
    // From left to right: a value that looks like a placeholder stays what it is.
    while let Some((at, (name, value))) =
        values.iter().filter_map(|pair| Some((rest.find(pair.0)?, pair))).min_by_key(|(at, _)| *at)
    {
        filled.push_str(&rest[..at]);
        filled.push_str(value);
        rest = &rest[at + name.len()..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_content_wants_them() {
        let json = fill(r#"{"a":"{to}","b":"{text}: {id}"}"#, Content::Json, "+1", "\"{id}\"\n", "7");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json, serde_json::json!({"a": "+1", "b": "\"{id}\"\n: 7"}));
        let form = fill("To={to}&From=%2B1&Body={text}", Content::Form, "+49 1", "a&b=c", "7");
        assert_eq!(form, "To=%2B49+1&From=%2B1&Body=a%26b%3Dc");
    }
}
