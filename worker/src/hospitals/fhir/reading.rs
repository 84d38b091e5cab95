//! What a FHIR service's answer means.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use time::OffsetDateTime;

use super::{outcome, transaction_response};
use crate::hospitals::answer::{CallError, Taken};
use crate::http::body::{self, Unread};
use crate::http::{media_type, retry_after, status_line};

/// The answer to a transaction of ours is far smaller.
const MOST: usize = 1 << 20;
/// How long the body of a refusal is waited for.
const SOON: Duration = Duration::from_millis(300);

/// Reads the answer to a transaction of `entries` entries.
pub(super) async fn read(response: Response, entries: usize) -> Result<Taken, CallError> {
    let status = response.status();
    let media = media_type(response.headers());
    let after = retry_after::read(response.headers(), OffsetDateTime::now_utc());
    let is_json = matches!(media.as_str(), "application/fhir+json" | "application/json");
    if status != StatusCode::OK && status != StatusCode::CREATED {
        // The status decides. What the body says beside it is worth a note, if it comes soon.
        let told = match tokio::time::timeout(SOON, body::read(response, MOST)).await {
            Ok(Ok(body)) if is_json => outcome::reduced(&body),
            _ => String::new(),
        };
        return Err(refusal(status, after, &told));
    }
    if !is_json {
        return Err(CallError::Denied { note: format!("{}, but not FHIR as JSON", status_line(status)) });
    }
    match body::read(response, MOST).await {
        Ok(body) => taken(status, &body, entries),
        Err(Unread::TooLong) => Err(CallError::Denied { note: "an answer of more than 1 MiB".to_owned() }),
        Err(Unread::Broken) => Err(CallError::Silent { note: "the answer broke off".to_owned() }),
    }
}

/// Taken only if the service answers for each entry that it is done.
fn taken(status: StatusCode, body: &[u8], entries: usize) -> Result<Taken, CallError> {
    let not_one =
        || CallError::Denied { note: format!("{}, but no transaction-response", status_line(status)) };
    let done = transaction_response::statuses(body, entries).ok_or_else(not_one)?;
    let done: Result<Vec<StatusCode>, _> = done.into_iter().map(StatusCode::from_u16).collect();
    let done = done.map_err(|_| not_one())?;
    match done.iter().find(|status| !status.is_success()) {
        Some(bad) => Err(refusal(*bad, None, "in an entry")),
        None => {
            let done = done.iter().map(|status| status.as_str().to_owned()).collect::<Vec<_>>();
            Ok(Taken { note: format!("{}: {}", status_line(status), done.join(" ")) })
        }
    }
}

/// Whose fault a status is.
pub(super) fn refusal(status: StatusCode, retry_after: Option<Duration>, told: &str) -> CallError {
    let line = status_line(status);
    let note = if told.is_empty() { line } else { format!("{line}: {told}") };
    match status.as_u16() {
        400 | 410 | 412 | 413 | 415 | 422 => CallError::Refused { note },
        // 409: two writers met; the next try finds the resource as it is.
        408 | 409 | 423 | 425 | 429 | 500..=599 => CallError::Busy { retry_after, note },
        _ => CallError::Denied { note },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, statuses: &[&str]) -> Vec<u8> {
        let entry = |status: &&str| serde_json::json!({"response": {"status": status}});
        let entries = statuses.iter().map(entry).collect::<Vec<_>>();
        let bundle = serde_json::json!({"resourceType": "Bundle", "type": kind, "entry": entries});
        bundle.to_string().into_bytes()
    }

    #[test]
    fn it_is_taken_only_if_every_entry_is_done() {
        let read = |kind, statuses: &[&str]| taken(StatusCode::OK, &body(kind, statuses), 2);
        let done = read("transaction-response", &["201 Created", "200"]).unwrap();
        assert_eq!(done.note, "200 OK: 201 200");
        for (kind, statuses) in [
            ("transaction-response", &["201 Created"][..]),
            ("transaction-response", &["201", "201", "201"]),
            ("transaction-response", &["201", "done"]),
            ("transaction", &["201", "201"]),
        ] {
            assert!(matches!(read(kind, statuses), Err(CallError::Denied { .. })), "{kind} {statuses:?}");
        }
        assert!(matches!(taken(StatusCode::OK, b"<html>", 2), Err(CallError::Denied { .. })));
        let refused = read("transaction-response", &["201", "422 Unprocessable Entity"]);
        assert!(matches!(refused, Err(CallError::Refused { .. })));
    }

    #[test]
    fn every_status_of_the_failure_table_has_its_verdict() {
        let word = |code: u16| match refusal(StatusCode::from_u16(code).unwrap(), None, "") {
            CallError::Refused { .. } => "refused",
            CallError::Denied { .. } | CallError::Stale { .. } => "denied",
            CallError::Busy { .. } => "busy",
            CallError::Silent { .. } => "silent",
        };
        for (codes, expected) in [
            (&[400, 410, 412, 413, 415, 422][..], "refused"),
            (&[401, 403, 404, 405, 301, 302, 307, 308, 204, 202, 406], "denied"),
            (&[408, 409, 423, 425, 429, 500, 502, 503, 504, 599], "busy"),
        ] {
            for code in codes {
                assert_eq!(word(*code), expected, "{code}");
            }
        }
    }
}
