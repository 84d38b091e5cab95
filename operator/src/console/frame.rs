//! What is around every page: where one is, who is signed in, which server is down or slow.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

use super::desk::Desk;
use super::files;
use super::picture::{Picture, Source};
use super::visitor::Visitor;
use super::words;

/// The pages that the navigation leads to.
pub(crate) const PAGES: [(&str, &str); 8] = [
    ("/", "Overview"),
    ("/queues", "Queues"),
    ("/hospitals", "Hospitals"),
    ("/alerts", "Alerts"),
    ("/dead-letters", "Dead letters"),
    ("/submissions", "Submissions"),
    ("/audit", "Audit"),
    ("/pauses", "Pauses"),
];

/// What is around a page.
#[derive(Debug)]
pub(crate) struct Frame {
    pub title: String,
    /// The path of the navigation's entry that one is at.
    pub here: &'static str,
    pub visitor: Option<Visitor>,
    /// Where what changes comes from; `None`: the page stands still.
    pub stream: Option<String>,
    /// What is down or slow, as HTML.
    pub banner: String,
    /// What was just done.
    pub told: Option<&'static str>,
}

/// What is down or slow, and how old what is shown of it is.
#[derive(Template)]
#[template(path = "banner.html")]
struct Banner {
    lines: Vec<Line>,
}

struct Line {
    server: &'static str,
    state: &'static str,
    since: String,
    ago: String,
    why: String,
    age: Option<String>,
}

impl Frame {
    /// Around a page of somebody who is signed in.
    pub(crate) fn of(desk: &Desk, visitor: Visitor, here: &'static str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            here,
            visitor: Some(visitor),
            stream: Some("/live/banner".to_owned()),
            banner: banner(desk, &desk.picture()),
            told: None,
        }
    }

    /// Around a page for anybody.
    pub(crate) fn bare(title: impl Into<String>) -> Self {
        Self { title: title.into(), here: "", visitor: None, stream: None, banner: String::new(), told: None }
    }

    /// Says what was just done, by its word in the address.
    pub(crate) fn telling(mut self, told: Option<&str>) -> Self {
        self.told = match told {
            Some("paused") => Some("Paused. Every replica obeys within two seconds."),
            Some("paused_before") => Some("It was paused already, and stays as it was."),
            Some("resumed") => Some("It goes on. Every replica obeys within two seconds."),
            Some("not_paused") => Some("It was not paused."),
            Some("closed") => Some("The alert is closed: nobody is told of it any more."),
            Some("done_before") => Some("It was done already, and stays as it was."),
            Some("discarded") => Some("Discarded. It stays here, with your reason."),
            Some("cancelled") => Some("No more of it is published."),
            _ => None,
        };
        self
    }

    /// The navigation's entries.
    pub(crate) fn pages(&self) -> &'static [(&'static str, &'static str)] {
        &PAGES
    }

    /// What a form has to carry.
    pub(crate) fn form_token(&self) -> &str {
        self.visitor.as_ref().map_or("", |visitor| &visitor.form_token)
    }

    /// Whether they may pause, redrive, close and discard.
    pub(crate) fn operates(&self) -> bool {
        self.visitor.as_ref().is_some_and(|visitor| visitor.session.operates)
    }

    /// Whether they may see what a patient said.
    pub(crate) fn reveals(&self) -> bool {
        self.visitor.as_ref().is_some_and(|visitor| visitor.session.reveals)
    }

    /// The address of a file of ours; another one when the file changes, so that browsers may keep it.
    pub(crate) fn file(&self, name: &str) -> String {
        files::address(name)
    }
}

/// What is down or slow; empty if nothing is.
pub(crate) fn banner(desk: &Desk, picture: &Picture) -> String {
    // Who is asked: RabbitMQ itself may be well without its management API.
    let by_management = desk.outside().config.broker.management_url.is_some();
    let broker = if by_management { "The management API of RabbitMQ" } else { "RabbitMQ" };
    let lines = [line(broker, &picture.broker), line("PostgreSQL", &picture.tables)];
    let banner = Banner { lines: lines.into_iter().flatten().collect() };
    banner.render().unwrap_or_default()
}

fn line<T>(server: &'static str, source: &Source<T>) -> Option<Line> {
    let (state, since, why) = match (&source.down, source.slow) {
        (Some(down), _) => ("down", down.since, down.why.clone()),
        (None, Some(since)) => ("slow", since, "it answers, but not to everything in time".to_owned()),
        (None, None) => return None,
    };
    Some(Line {
        server,
        state,
        since: words::instant(since),
        ago: words::age(since),
        why,
        age: source.seen.as_ref().map(|seen| words::age(seen.at)),
    })
}

/// A page.
pub(crate) fn page(template: &impl Template) -> Response {
    page_as(StatusCode::OK, template)
}

/// A page with another status.
pub(crate) fn page_as(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
