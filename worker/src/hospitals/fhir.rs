//! A hospital that speaks FHIR R4: one transaction a document, harmless when it is repeated.

mod bundle;
mod credentials;
#[cfg(test)]
#[path = "../../../fuzz/hospital.rs"]
mod hostile;
mod issued;
mod observation;
mod outcome;
mod page;
mod parameter;
mod questionnaire_response;
mod reading;
pub(super) mod search;
mod searchset;
mod token;
mod transaction_response;

use epro_process::config::{FhirConfig, Problem};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};

use super::answer::{CallError, Taken};
use super::document::Document;
use crate::certificate;
use crate::http;
use credentials::Credentials;
pub(super) use page::Page;
pub(super) use search::SearchError;

const FHIR_JSON: HeaderValue = HeaderValue::from_static("application/fhir+json");

/// Calls one hospital's FHIR service.
pub(crate) struct Fhir {
    client: Client,
    url: Url,
    canonical: String,
    credentials: Credentials,
}

impl Fhir {
    /// Reads certificates and secrets; `path` is the hospital's in the configuration.
    pub(super) fn new(config: &FhirConfig, path: &str) -> Result<Self, Vec<Problem>> {
        let client = http::client(&config.tls, &format!("{path}.tls"));
        let credentials = Credentials::new(&config.auth, path);
        match (client, credentials) {
            (Ok(client), Ok(credentials)) => {
                Ok(Self { client, url: config.url.clone(), canonical: config.canonical.clone(), credentials })
            }
            (client, credentials) => {
                let problems = client.err().into_iter().chain(credentials.err()).flatten();
                Err(problems.collect())
            }
        }
    }

    /// Posts the document's transaction. Who calls bounds the time.
    pub(super) async fn call(&self, document: &Document<'_>) -> Result<Taken, CallError> {
        let bundle = bundle::transaction(document, &self.canonical);
        let entries = bundle["entry"].as_array().map_or(0, Vec::len);
        let shown = self.credentials.get().await?;
        let response = self.post(bundle.to_string(), document, shown.as_ref()).await?;
        let refused = shown.filter(|_| response.status() == StatusCode::UNAUTHORIZED);
        let renewed = match refused {
            Some(shown) => self.credentials.refused(shown).await,
            None => false,
        };
        if renewed {
            return Err(CallError::Stale { note: http::status_line(response.status()) });
        }
        reading::read(response, entries).await
    }

    async fn post(
        &self,
        body: String,
        document: &Document<'_>,
        shown: Option<&credentials::Shown>,
    ) -> Result<Response, CallError> {
        let mut request = self.client.post(self.url.clone()).body(body);
        request = request.header(CONTENT_TYPE, FHIR_JSON).header(ACCEPT, FHIR_JSON);
        request = request.header("prefer", "return=minimal");
        if let Some(shown) = shown {
            request = request.header(AUTHORIZATION, shown.header());
        }
        if let Some(traceparent) = &document.traceparent {
            request = request.header("traceparent", traceparent);
        }
        request.send().await.map_err(|error| no_answer(&error, ""))
    }
}

/// Why there was no answer at all, by the error's types; `whom` goes before the note.
fn no_answer(error: &reqwest::Error, whom: &str) -> CallError {
    if let Some(fault) = certificate::fault(error) {
        return CallError::Denied { note: format!("{whom}{fault}") };
    }
    let word = if error.is_connect() { "no connection" } else { "no answer, the connection broke" };
    CallError::Silent { note: format!("{whom}{word}") }
}
