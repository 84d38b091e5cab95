//! What a FHIR service's answer to a search means.

use std::time::Duration;

use reqwest::{Response, StatusCode, Url};
use time::OffsetDateTime;

use super::page::{self, Page};
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
    let unusable = |note: String| SearchError::Unusable { note };
    if !is_json {
        return Err(unusable(format!("{}, but not FHIR as JSON", status_line(status))));
    }
    match body::read(response, MOST).await {
        Ok(body) => page::read(&body, kind, base).map_err(|rule| unusable(rule.to_owned())),
        Err(Unread::TooLong) => Err(SearchError::TooLarge),
        Err(Unread::Broken) => Err(CallError::Silent { note: "the answer broke off".to_owned() }.into()),
    }
}
