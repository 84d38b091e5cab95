//! A page of an answer to a search, as a FHIR service sends it. Of bytes alone, so that `fuzz/hospital.rs` can read it.

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

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

/// Reads a page of resources of that kind; or says, in no word of theirs, what is wrong with it.
pub(super) fn read(body: &[u8], kind: &str, base: &Url) -> Result<Page, &'static str> {
    let bundle: Bundle = serde_json::from_slice(body).map_err(|_| "200 OK, but no Bundle")?;
    if bundle.resource_type != "Bundle" || bundle.r#type != "searchset" {
        return Err("200 OK, but no searchset");
    }
    let mut page = Page { bytes: body.len(), next: next(&bundle.link, base)?, ..Page::default() };
    for entry in bundle.entry {
        // What is included beside the matches, and what the server says about the search.
        if !matches!(entry.search.mode.as_deref(), None | Some("match")) {
            continue;
        }
        let raw = entry.resource.ok_or("an entry without a resource")?;
        let read: Option<Resource> = serde_json::from_str(raw.get()).ok();
        let resource = read.filter(|resource| resource.resource_type == kind);
        let subject = resource.ok_or("a resource of another type")?.subject;
        let named = subject.and_then(|subject| {
            let reference = subject.reference.map(|reference| whom(&reference, base));
            reference.or(subject.identifier.and_then(|identifier| identifier.value))
        });
        page.patients.push(named.ok_or("a resource that names no patient")?);
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
fn next(links: &[Link], base: &Url) -> Result<Option<Url>, &'static str> {
    let Some(link) = links.iter().find(|link| link.relation == "next") else { return Ok(None) };
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join(&link.url).map(Some).map_err(|_| "the next page's address is none")
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

    fn read_page(bundle: &str) -> Result<Page, &'static str> {
        read(bundle.as_bytes(), "Observation", &"https://his.example/fhir/R4".parse().unwrap())
    }

    #[test]
    fn a_page_keeps_its_matches_as_they_were_sent() {
        let page = read_page(
            r#"{"resourceType":"Bundle","type":"searchset",
            "link":[{"relation":"self","url":"x"},{"relation":"next","url":"pages/2"}],
            "entry":[
                {"resource":{"resourceType":"Observation","subject":{"reference":"Patient/1"},
                    "valueQuantity":{"value":37.10}},"search":{"mode":"match"}},
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
            assert!(read_page(&bundle).is_err(), "{bundle}");
        }
        let empty = read_page(r#"{"resourceType":"Bundle","type":"searchset"}"#).unwrap();
        assert!(empty.resources.is_empty() && empty.next.is_none());
    }
}
