//! Asking a FHIR service: searches by POST, so that no URL of ours names a patient, and their further pages.

use epro_schemas::phi::Phi;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{RequestBuilder, StatusCode, Url};

use super::page::Page;
use super::parameter::token;
use super::{FHIR_JSON, Fhir, no_answer, searchset};
use crate::hospitals::answer::CallError;
use crate::http;

/// What a server that reads only some of a question must not do: answer another one, about everybody.
const STRICT: &str = "handling=strict";
/// Resources that we would like on a page.
const COUNT: &str = "100";

/// One kind of resource, or a category of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Search {
    pub kind: &'static str,
    pub category: Option<&'static str>,
}

/// One page of an answer.
pub(crate) enum Ask<'a> {
    /// The first, about whom the study calls that.
    First { study: &'a str, subject: &'a Phi<String> },
    /// A further one, where the one before it said.
    Next(Url),
}

/// Why there is no page. Notes as those of [`CallError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SearchError {
    /// The hospital refuses the question; it answers.
    Refused { note: String },
    /// What it answered is no search result.
    Unusable { note: String },
    /// The answer goes on elsewhere.
    Elsewhere,
    /// The page is too large.
    TooLarge,
    /// Nobody can be asked there.
    NotSupported,
    /// Nothing was answered, or not now.
    Call(CallError),
}

impl From<CallError> for SearchError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Fhir {
    /// One page. Who calls bounds the time.
    pub(in crate::hospitals) async fn search(
        &self,
        search: Search,
        ask: &Ask<'_>,
        traceparent: Option<&str>,
    ) -> Result<Page, SearchError> {
        let mut request = match ask {
            Ask::First { study, subject } => self.first(search, study, subject)?,
            // Our credentials go nowhere else.
            Ask::Next(url) if url.origin() != self.url.origin() => return Err(SearchError::Elsewhere),
            Ask::Next(url) => self.client.get(url.clone()),
        };
        request = request.header(ACCEPT, FHIR_JSON);
        let shown = self.credentials.get().await?;
        if let Some(shown) = &shown {
            request = request.header(AUTHORIZATION, shown.header());
        }
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let response = request.send().await.map_err(|error| no_answer(&error, ""))?;
        if let Some(shown) = shown.filter(|_| response.status() == StatusCode::UNAUTHORIZED)
            && self.credentials.refused(shown).await
        {
            return Err(CallError::Stale { note: http::status_line(response.status()) }.into());
        }
        searchset::read(response, search.kind, &self.url).await
    }

    fn first(
        &self,
        search: Search,
        study: &str,
        subject: &Phi<String>,
    ) -> Result<RequestBuilder, SearchError> {
        let mut url = self.url.clone();
        let no_base = |()| SearchError::Unusable { note: "our URL of it has no path".to_owned() };
        url.path_segments_mut().map_err(no_base)?.pop_if_empty().extend([search.kind, "_search"]);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let whom = token(&format!("urn:epro:study:{study}"), subject.expose());
        form.append_pair("patient.identifier", &whom);
        if let Some(category) = search.category {
            form.append_pair("category", category);
        }
        form.append_pair("_count", COUNT);
        let request = self.client.post(url).body(form.finish());
        Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header("prefer", STRICT))
    }
}

/// A search for resources of a kind.
pub(crate) const fn of(kind: &'static str, category: Option<&'static str>) -> Search {
    Search { kind, category }
}
