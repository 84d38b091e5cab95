//! What a FHIR service's answer to a search means.

use std::time::Duration;

use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::search::SearchError;
use super::{outcome, reading};
use crate::hospitals::answer::CallError;
use crate::http::body::{self, Unread};
use crate::http::{media_type, retry_after, status_line};

/// The largest page that is read.
const MOST: usize = 4 << 20;
/// The largest refusal that is read, and how long it is waited for.
const REFUSAL: usize = 64 * 1024;
const SOON: Duration = Duration::from_millis(300);

/// One page of an answer.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The resources, as they were sent.
    pub resources: Vec<Box<RawValue>>,
    /// Whom each of them is about, as the hospital names them.
    pub patients: Vec<String>,
    /// Where the answer goes on.
    pub next: Option<Url>,
    /// Of the page.
    pub bytes: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    resource_type: String,
    r#type: String,
    #[serde(default)]
    entry: Vec<Entry>,
    #[serde(default)]
    link: Vec<Link>,
}

#[derive(Deserialize)]
struct Entry {
    resource: Option<Box<RawValue>>,
    #[serde(default)]
    search: Mode,
}

#[derive(Deserialize, Default)]
struct Mode {
    mode: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    relation: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource_type: String,
    subject: Option<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    reference: Option<String>,
    identifier: Option<Identifier>,
}

#[derive(Deserialize)]
struct Identifier {
    value: Option<String>,
}

/// Reads one page of resources of that kind.
pub(super) async fn read(response: Response, kind: &str, base: &Url) -> Result<Page, SearchError> {
    let status = response.status();
    let is_json =
        matches!(media_type(response.headers()).as_str(), "application/fhir+json" | "application/json");
    if status != StatusCode::OK {
        let after = retry_after::read(response.headers(), OffsetDateTime::now_utc());
        let told = match tokio::time::timeout(SOON, body::read(response, REFUSAL)).await {
            Ok(Ok(body)) if is_json => outcome::reduced(&body),
            _ => String::new(),
        };
        return Err(match reading::refusal(status, after, &told) {
            CallError::Refused { note } | CallError::Denied { note } => SearchError::Refused { note },
            other => SearchError::Call(other),
        });
    }
    if !is_json {
        let note = format!("{}, but not FHIR as JSON", status_line(status));
        return Err(SearchError::Unusable { note });
    }
    match body::read(response, MOST).await {
        Ok(body) => page(&body, kind, base),
        Err(Unread::TooLong) => Err(SearchError::TooLarge),
        Err(Unread::Broken) => Err(CallError::Silent { note: "the answer broke off".to_owned() }.into()),
    }
}

fn page(body: &[u8], kind: &str, base: &Url) -> Result<Page, SearchError> {
    let unusable = |note: &str| SearchError::Unusable { note: note.to_owned() };
    let bundle: Bundle = serde_json::from_slice(body).map_err(|_| unusable("200 OK, but no Bundle"))?;
    if bundle.resource_type != "Bundle" || bundle.r#type != "searchset" {
        return Err(unusable("200 OK, but no searchset"));
    }
    let mut page = Page { bytes: body.len(), next: next(&bundle.link, base)?, ..Page::default() };
    for entry in bundle.entry {
        // What is included beside the matches, and what the server says about the search.
        if !matches!(entry.search.mode.as_deref(), None | Some("match")) {
            continue;
        }
        let raw = entry.resource.ok_or_else(|| unusable("an entry without a resource"))?;
        let read: Option<Resource> = serde_json::from_str(raw.get()).ok();
        let resource = read.filter(|resource| resource.resource_type == kind);
        let subject = resource.ok_or_else(|| unusable("a resource of another type"))?.subject;
        let named = subject.and_then(|subject| {
            let reference = subject.reference.map(|reference| whom(&reference, base));
            reference.or(subject.identifier.and_then(|identifier| identifier.value))
        });
        page.patients.push(named.ok_or_else(|| unusable("a resource that names no patient"))?);
        page.resources.push(raw);
    }
    Ok(page)
}

/// One patient may be named relative to the base or whole, and in one version or any: by the shortest of these.
fn whom(reference: &str, base: &Url) -> String {
    let inside = reference.strip_prefix(base.as_str().trim_end_matches('/'));
    let relative = inside.and_then(|inside| inside.strip_prefix('/')).unwrap_or(reference);
    relative.split_once("/_history/").map_or(relative, |(whom, _)| whom).to_owned()
}

/// A relative address is meant from the base, as every one of FHIR.
fn next(links: &[Link], base: &Url) -> Result<Option<Url>, SearchError> {
    let Some(link) = links.iter().find(|link| link.relation == "next") else { return Ok(None) };
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    let unusable = |_| SearchError::Unusable { note: "the next page's address is none".to_owned() };
    base.join(&link.url).map(Some).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_patient_is_one_in_every_spelling() {
        let base = "https://his.example/fhir/R4/".parse().unwrap();
        for spelling in [
            "Patient/1",
            "Patient/1/_history/7",
            "https://his.example/fhir/R4/Patient/1",
            "https://his.example/fhir/R4/Patient/1/_history/7",
        ] {
            assert_eq!(whom(spelling, &base), "Patient/1", "{spelling}");
        }
        let elsewhere = "https://other.example/fhir/R4/Patient/1";
        assert_eq!(whom(elsewhere, &base), elsewhere);
    }

    fn read_page(bundle: &str) -> Result<Page, SearchError> {
        page(bundle.as_bytes(), "Observation", &"https://his.example/fhir/R4".parse().unwrap())
    }

    #[test]
    fn a_page_keeps_its_matches_as_they_were_sent() {
        let page = read_page(
            r#"{"resourceType":"Bundle","type":"searchset",
            "link":[{"relation":"self","url":"x"},{"relation":"next","url":"pages/2"}],
            "entry":[
                {"resource":{"resourceType":"Observation","subject":{"reference":"Patient/1"},"valueQuantity":{"value":37.10}},"search":{"mode":"match"}},
                {"resource":{"resourceType":"Patient"},"search":{"mode":"include"}},
                {"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}]}"#,
        )
        .unwrap();
        assert_eq!(page.next.unwrap().as_str(), "https://his.example/fhir/R4/pages/2");
        assert_eq!((page.resources.len(), page.patients), (1, vec!["Patient/1".to_owned()]));
        assert!(page.resources[0].get().contains("37.10"), "a decimal keeps its digits");
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_unusable() {
        let entry = |resource: &str| {
            format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"resource":{resource}}}]}}"#)
        };
        for bundle in [
            "<html>".to_owned(),
            "{}".to_owned(),
            r#"{"resourceType":"Bundle","type":"collection"}"#.to_owned(),
            entry(r#"{"resourceType":"Patient","subject":{"reference":"Patient/1"}}"#),
            entry(r#"{"resourceType":"Observation"}"#),
            entry("7"),
        ] {
            assert!(matches!(read_page(&bundle), Err(SearchError::Unusable { .. })), "{bundle}");
        }
        let empty = read_page(r#"{"resourceType":"Bundle","type":"searchset"}"#).unwrap();
        assert!(empty.resources.is_empty() && empty.next.is_none());
    }
}
