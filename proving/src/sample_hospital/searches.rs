//! Searches of the FHIR service, after <http://hl7.org/fhir/R4/search.html> and `http.html#paging`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fhir::{FHIR_JSON, outcome};
use super::fhir_rules::Issue;
use super::tokens::{self, Identifier, Token};
use super::{Shared, access};
use crate::foreign::calls::Going;
use crate::foreign::http_door;
use crate::foreign::manner::Manner;

/// The largest form that it reads.
const MOST: usize = 64 * 1024;

/// How the searches for one kind of resource are answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Searches {
    /// In which manner; that of the whole hospital, if this one is as by default.
    pub manner: Manner,
    /// How many resources there are of each patient.
    pub resources: usize,
    /// How many of them are on a page.
    pub page: usize,
    /// What goes before the address of a further page, instead of the hospital's own.
    pub elsewhere: Option<String>,
    /// How many patients they are about.
    pub patients: usize,
}

impl Default for Searches {
    fn default() -> Self {
        Self { manner: Manner::default(), resources: 2, page: 50, elsewhere: None, patients: 1 }
    }
}

/// What is known of the patients, and the pages that were promised.
#[derive(Clone, Debug, Default)]
pub(super) struct Charts(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    /// By kind and category: `Observation laboratory`.
    searches: BTreeMap<String, Searches>,
    pages: HashMap<String, Page>,
    /// Who is there; nobody in particular as long as it is empty.
    patients: Vec<Identifier>,
}

/// A page of an answer.
#[derive(Clone, Debug)]
struct Page {
    kind: String,
    what: String,
    whom: Vec<Identifier>,
    first: usize,
}

impl Charts {
    pub(super) fn set(&self, what: &str, searches: Searches) {
        self.lock().searches.insert(what.to_owned(), searches);
    }

    pub(super) fn admit(&self, patient: Identifier) {
        self.lock().patients.push(patient);
    }

    /// Who is there of those that are asked for.
    fn whom(&self, asked: &[Token]) -> Vec<Identifier> {
        let inside = self.lock();
        if inside.patients.is_empty() {
            return asked.iter().filter_map(Token::of_a_study).collect();
        }
        let meant = |patient: &&Identifier| asked.iter().any(|token| token.means(patient));
        inside.patients.iter().filter(meant).cloned().collect()
    }

    fn searches(&self, what: &str) -> Searches {
        self.lock().searches.get(what).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `POST /fhir/{kind}/_search`.
pub(super) async fn first(
    State(hospital): State<Shared>,
    Path(kind): Path<String>,
    request: Request,
) -> Response {
    let call = hospital.calls.came("search");
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST).await.unwrap_or_default();
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let what = match form.get("category") {
        Some(category) => format!("{kind} {category}"),
        None => kind.clone(),
    };
    call.names(&what);
    let searches = hospital.charts.searches(&what);
    http_door::behave(&hospital.manner_of(&searches), &call, || {
        let asked = form.get("patient.identifier").and_then(|text| tokens::read(text));
        if let Some(refused) = hospital.refuses(&call, &parts.headers, &form, asked.is_some()) {
            return refused;
        }
        let whom = hospital.charts.whom(&asked.unwrap_or_default());
        hospital.page(&call, &Page { kind, what, whom, first: 0 })
    })
    .await
}

/// `GET /fhir/pages/{token}`.
pub(super) async fn further(
    State(hospital): State<Shared>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let call = hospital.calls.came("page");
    let page = hospital.charts.lock().pages.get(&token).cloned();
    let Some(page) = page else {
        call.did("refused 410");
        call.answered();
        return outcome(StatusCode::GONE, &[Issue::new("not-found", "Bundle.link")]);
    };
    call.names(&page.what);
    let searches = hospital.charts.searches(&page.what);
    http_door::behave(&hospital.manner_of(&searches), &call, || {
        if !hospital.gate.lets_in(&headers) {
            call.did("refused 401");
            return access::unauthorized();
        }
        hospital.page(&call, &page)
    })
    .await
}

impl Shared {
    fn manner_of(&self, searches: &Searches) -> Manner {
        if searches.manner == Manner::default() { self.manner.for_a_call() } else { searches.manner.clone() }
    }

    /// What it doesn't know it refuses: whoever asks says that with `handling=strict`. `understood`: whom it is about.
    fn refuses(
        &self,
        call: &Going,
        headers: &HeaderMap,
        form: &HashMap<String, String>,
        understood: bool,
    ) -> Option<Response> {
        if !self.gate.lets_in(headers) {
            call.did("refused 401");
            return Some(access::unauthorized());
        }
        let is =
            |name, value: &str| headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes());
        let known =
            form.keys().all(|key| ["patient.identifier", "category", "_count"].contains(&key.as_str()));
        let sound = is("content-type", "application/x-www-form-urlencoded")
            && is("prefer", "handling=strict")
            && known
            && understood;
        if sound {
            return None;
        }
        call.did("refused 400");
        Some(outcome(StatusCode::BAD_REQUEST, &[Issue::new("not-supported", "Bundle")]))
    }

    fn page(&self, call: &Going, page: &Page) -> Response {
        let searches = self.charts.searches(&page.what);
        let all = page.whom.len() * searches.resources;
        let last = all.min(page.first + searches.page);
        let of_each = page.whom.iter().flat_map(|whom| (0..searches.resources).map(move |n| (whom, n)));
        let on_it = of_each.skip(page.first).take(searches.page);
        let entries: Vec<String> =
            on_it.map(|(whom, n)| entry(page, whom, n, n % searches.patients.max(1))).collect();
        let mut links = String::new();
        if last < all {
            let token = uuid::Uuid::new_v4().simple().to_string();
            let base = searches.elsewhere.unwrap_or_default();
            links = format!(r#"{{"relation":"next","url":"{base}pages/{token}"}}"#);
            self.charts.lock().pages.insert(token, Page { first: last, ..page.clone() });
        }
        call.did(&format!("found {}", entries.len()));
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"searchset","link":[{links}],"entry":[{}]}}"#,
            entries.join(",")
        );
        ([(header::CONTENT_TYPE, FHIR_JSON)], bundle).into_response()
    }
}

/// By hand: a decimal is written with the digits that it was measured with.
fn entry(page: &Page, whom: &Identifier, n: usize, patient: usize) -> String {
    let Page { kind, what, .. } = page;
    let Identifier { system, value } = whom;
    let named = format!("{system}|{value}");
    let number = named.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let identifier = json!({"system": system, "value": value});
    format!(
        r#"{{"search":{{"mode":"match"}},"resource":{{"resourceType":"{kind}","id":"{n}","status":"final",
        "subject":{{"reference":"Patient/{number}-{patient}","identifier":{identifier},"display":"Marta Planted"}},
        "code":{{"text":"{what}"}},"valueQuantity":{{"value":37.{n}0}}}}}}"#
    )
}
