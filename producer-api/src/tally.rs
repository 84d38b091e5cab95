//! What is counted of requests and submissions. What almost each of them counts is looked up once: by its name and
//! labels it would cost a list, a hash and a lock every time.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Histogram};

use crate::refusal::Refusal;
use crate::router::Route;

/// What a native submission counts that is received. Looked up when it first is: a series that nothing was added to
/// isn't shown.
#[derive(Default)]
pub(crate) struct Tally {
    accepted: OnceLock<Counter>,
    seconds: OnceLock<Histogram>,
    received: OnceLock<Counter>,
}

impl Tally {
    /// An answer to a request, and how long it took.
    pub(crate) fn answered(&self, route: Route, status: u16, class: &'static str, took: Duration) {
        let (native, path, digits) = (route == Route::Submit, route.path(), digits(status));
        let requests = || metrics::counter!("epro_http_requests_total", "route" => path, "status" => digits, "class" => class);
        let seconds = || metrics::histogram!("epro_http_request_seconds", "route" => path);
        if native && status == 202 && class == "ok" {
            self.accepted.get_or_init(requests).increment(1);
        } else {
            requests().increment(1);
        }
        if native {
            self.seconds.get_or_init(seconds).record(took);
        } else {
            seconds().record(took);
        }
    }

    /// What became of one submission.
    pub(crate) fn submission<T>(&self, through: &'static str, outcome: &Result<T, Refusal>) {
        let class = outcome.as_ref().err().map_or("received", |refusal| refusal.kind.class());
        let submissions =
            || metrics::counter!("epro_intake_submissions_total", "door" => through, "outcome" => class);
        if through == "native" && outcome.is_ok() {
            self.received.get_or_init(submissions).increment(1);
        } else {
            submissions().increment(1);
        }
    }
}

/// The statuses that we give, as labels that cost nothing.
fn digits(status: u16) -> &'static str {
    match status {
        200 => "200",
        201 => "201",
        202 => "202",
        206 => "206",
        304 => "304",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        406 => "406",
        408 => "408",
        409 => "409",
        412 => "412",
        413 => "413",
        415 => "415",
        416 => "416",
        422 => "422",
        429 => "429",
        499 => "499",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}
