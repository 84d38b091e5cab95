//! One request, from its arrival to what is told about it: metrics, and a note for the audit trail
//! when no submission will carry one.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse as _, Response};
use epro_process::auth::Caller;
use epro_process::traces::{self, Span, conventions};
use epro_store::audit::network;
use uuid::Uuid;

use crate::audit::{Event, Origin, REFUSED};
use crate::door::Door;
use crate::quota::Left;
use crate::refusal::{Kind, Refusal};
use crate::router::Route;
use crate::submit;
use crate::trace::{Given, Trace};

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Where a request came from.
pub(crate) fn origin(request: &Request) -> Origin {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    Origin { address: from.map(|ConnectInfo(from)| from.ip()), given: Given::of(request.headers()) }
}

/// Lets every visit within a request know where that came from.
pub(crate) fn with_origin<A: Future>(origin: Origin, answering: A) -> impl Future<Output = A::Output> {
    ORIGIN.scope(origin, answering)
}

/// One request. Dropped without an answer, its handler panicked, or it counts as abandoned: the
/// client went away.
pub(crate) struct Visit<'d> {
    door: &'d Door,
    route: Route,
    origin: Origin,
    started: Instant,
    client: Option<Arc<str>>,
    actor: OnceLock<Uuid>,
    sender: Option<Arc<Caller>>,
    submission_id: Option<Uuid>,
    report_id: Option<Uuid>,
    action: &'static str,
    export_id: Option<Uuid>,
    left: Option<Left>,
    /// The trail has been told how it ends well.
    witnessed: bool,
    answered: bool,
    span: Span,
}

impl<'d> Visit<'d> {
    pub(crate) fn begin(door: &'d Door, route: Route) -> Self {
        let started = Instant::now();
        Self {
            door,
            route,
            origin: ORIGIN.try_with(Clone::clone).unwrap_or_default(),
            started,
            client: None,
            actor: OnceLock::new(),
            sender: None,
            submission_id: None,
            report_id: None,
            action: route.action(),
            export_id: None,
            left: None,
            witnessed: false,
            answered: false,
            span: Span::none(),
        }
    }

    /// The trace that the request belongs to. Its span is made here, once the caller is believed: a stranger must not
    /// fill the traces.
    pub(crate) fn trace(&mut self) -> Trace {
        let given = self.origin.given.as_ref();
        let trace = Trace::of(given);
        if traces::are_on() {
            let began = SystemTime::now() - self.started.elapsed();
            let (method, route) = (self.route.method_name(), self.route.path());
            self.span = conventions::request(&trace.parent, given.map(Given::header), method, route, began);
        }
        trace
    }

    /// A token was believed; the error: its quota is used up.
    pub(crate) fn by(&mut self, caller: &Caller) -> Result<(), Refusal> {
        self.client.clone_from(&caller.client);
        self.take(caller, 1)
    }

    /// The same for all items of a batch, of which the first was charged when it came. `place`: where they stand in the
    /// body, which is refused for good if a quota never holds as many.
    pub(crate) fn charge(&mut self, caller: &Caller, items: usize, place: &str) -> Result<(), Refusal> {
        if let Some((whose, holds)) = self.door.quotas.too_small(caller, items) {
            let rule =
                format!("must hold at most {holds} items: the quota of a {whose} has no more in a minute");
            return Err(Refusal::at(Kind::TooMany, place, &rule));
        }
        self.take(caller, items.saturating_sub(1))
    }

    fn take(&mut self, caller: &Caller, count: usize) -> Result<(), Refusal> {
        match self.door.quotas.take(caller, u32::try_from(count).unwrap_or(u32::MAX)) {
            Ok(left) => {
                self.left = left.or(self.left);
                Ok(())
            }
            Err(left) => {
                self.left = Some(left);
                Err(Kind::QuotaUsed.into())
            }
        }
    }

    /// Who asked, under a pseudonym: a patient's in one study, a delegate's in none.
    pub(crate) fn actor(&mut self, actor: Uuid) {
        self.actor = actor.into();
    }

    /// The same of somebody who submits. Of what is taken its own envelope says who sent it: their pseudonym is made
    /// once there is something else to tell, and then once.
    pub(crate) fn sender(&mut self, caller: &Arc<Caller>) {
        self.sender = Some(caller.clone());
    }

    fn who(&self) -> Option<Uuid> {
        match &self.sender {
            Some(caller) => Some(*self.actor.get_or_init(|| submit::sender(self.door, caller))),
            None => self.actor.get().copied(),
        }
    }

    /// The network that the request came from.
    pub(crate) fn network(&self) -> Option<String> {
        self.origin.address.map(network)
    }

    /// Which submission was asked about.
    pub(crate) fn about(&mut self, submission_id: Uuid) {
        self.submission_id = Some(submission_id);
    }

    /// Which report was asked about.
    pub(crate) fn about_report(&mut self, report_id: Uuid) {
        self.report_id = Some(report_id);
    }

    /// It does more than its route says.
    pub(crate) fn doing(&mut self, action: &'static str) {
        self.action = action;
    }

    /// Which export it is about.
    pub(crate) fn export(&mut self, export_id: Uuid) {
        self.export_id = Some(export_id);
    }

    /// Tells the audit trail that this request is answered with what shows a patient, before it is: without the
    /// broker's word that it has the note nothing of that may be given.
    pub(crate) async fn witness(&mut self, status: u16) -> Result<(), Refusal> {
        self.witness_of(self.action, status).await?;
        self.witnessed = true;
        Ok(())
    }

    /// The same of something else than the route is for.
    pub(crate) async fn witness_of(&self, action: &'static str, status: u16) -> Result<(), Refusal> {
        let note = self.event(action, "ok", status, "ok").alone(&self.origin);
        let _receipt = self.door.witness.tell(&note).await.map_err(|error| {
            tracing::debug!(%error, "what shows a patient was not given: its note was not confirmed");
            Kind::Unwitnessed
        })?;
        Ok(())
    }

    /// A note of something that ended within this request, as one item of a batch.
    pub(crate) fn note(&self, outcome: &'static str, status: u16, class: &'static str) {
        self.door.notes.add(self.event(self.action, outcome, status, class), &self.origin);
    }

    fn event(&self, action: &'static str, outcome: &'static str, status: u16, class: &'static str) -> Event {
        Event {
            action,
            outcome,
            route: self.route.path(),
            status,
            class,
            client: self.client.clone(),
            actor: self.who(),
            submission_id: self.submission_id,
            report_id: self.report_id,
            export_id: self.export_id,
        }
    }

    /// The answer, counted; refusals and readings are noted.
    pub(crate) fn answer(mut self, outcome: Result<Response, Refusal>) -> Response {
        self.answered = true;
        let mut response = self.response(outcome);
        if let Some(left) = self.left {
            left.tell(response.headers_mut());
        }
        response
    }

    fn response(&mut self, outcome: Result<Response, Refusal>) -> Response {
        match outcome {
            Ok(response) => {
                let status = response.status().as_u16();
                let noted = matches!(
                    self.route,
                    Route::Status
                        | Route::FhirRead
                        | Route::Report
                        | Route::ReportRequest
                        | Route::ExportStatus
                        | Route::ExportFile
                );
                if noted && !self.witnessed {
                    self.note("ok", status, "ok");
                }
                self.count(status, "ok");
                response
            }
            Err(refusal) => {
                let (status, class) = (refusal.kind.status(), refusal.kind.class());
                self.note(REFUSED, status, class);
                self.count(status, class);
                refusal.into_response()
            }
        }
    }

    fn count(&mut self, status: u16, class: &'static str) {
        conventions::answered(&mut self.span, status, class);
        self.door.tally.answered(self.route, status, class, self.started.elapsed());
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if std::thread::panicking() {
            let (status, class) = (Kind::Panicked.status(), Kind::Panicked.class());
            self.note(REFUSED, status, class);
            self.count(status, class);
        } else {
            self.count(499, "abandoned");
        }
    }
}
