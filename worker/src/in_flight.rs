//! A delivery on its way through a lane, with what became known of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Delivery, RawHeaders, topology};
use epro_process::traces::Span;
use epro_schemas::kind;
use epro_schemas::seal::{Sealer, key_id_of};
use epro_store::dead_letters::{Class, DeadLetter};
use epro_store::follow_ons::AlertFollowOn;
use epro_store::submissions::{HeadersForRedrive, NewSubmission, Waited};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::failure::Failure;
use crate::settling::now;
use crate::spans;
use crate::submissions::places::Places;
use crate::submissions::route::{Known, Received, Route, sha256, unknown_sender};
use crate::submissions::stages;

/// The study or site of an alert where none is known.
const NOWHERE: &str = "unknown";

/// A delivery that is neither acked nor given back.
pub(crate) struct InFlight {
    pub delivery: Delivery,
    /// Its place in the chunk.
    pub place: usize,
    pub known: Known,
    /// The lane that gives up on it if it fails.
    pub lane: &'static str,
    /// Ends when this is dropped.
    pub span: Span,
}

/// A dead letter without what it can do without, which came from outside or was made of that. What is left are
/// ids, hashes, names of ours and the sealed body: enough to redrive it.
pub(crate) fn bare(letter: DeadLetter) -> DeadLetter {
    DeadLetter {
        stage: None,
        detail: None,
        site_id: None,
        study_id: None,
        instrument: None,
        headers: Value::Object(Map::new()),
        audit: unknown_sender(),
        ..letter
    }
}

impl InFlight {
    /// Takes a delivery in hand.
    pub(crate) fn new(delivery: Delivery, place: usize, lane: &'static str) -> Self {
        let span = spans::taken(&delivery, lane);
        Self { delivery, place, known: Known::default(), lane, span }
    }

    /// The trace that it belongs to, for a log line.
    pub(crate) fn trace_id(&self) -> Option<&str> {
        spans::trace_id(&self.delivery)
    }

    /// Whether it has waited for less than that.
    pub(crate) fn may_wait(&self, budget: Duration) -> bool {
        let Some((_, Some(since))) = self.delivery.waited() else { return true };
        let waited = u64::try_from(now().saturating_sub(since)).unwrap_or(0);
        Duration::from_millis(waited) < budget
    }

    /// Whether it is here because the broker gave up on it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.delivery.queue() == topology::DEAD
    }

    /// The work queue that it belongs to, where a redrive publishes it.
    fn queue(&self) -> Arc<str> {
        // What the broker set aside keeps the name of its work queue as its routing key.
        let work_queue = if self.is_terminal() { self.delivery.work_queue() } else { None };
        work_queue.map_or_else(|| self.delivery.shared_queue(), Arc::from)
    }

    /// Takes it through the stages. A panic of a stage concerns this message only.
    pub(crate) fn travel(
        &mut self,
        route: &Arc<Route>,
        sealer: &mut Sealer,
    ) -> Result<NewSubmission, Failure> {
        let result = self.guarded(route, |received, known| route.travel(received, sealer, known));
        if let Err(failure) = &result {
            let message_id = self.delivery.message_id();
            let (lane, stage, trace_id) = (self.lane, failure.stage(), self.trace_id());
            tracing::debug!(lane, ?message_id, stage, trace_id, "did not get to the end");
        }
        result
    }

    /// Learns whose it is and no more, where the stages must not see it again.
    pub(crate) fn identify(&mut self, route: &Arc<Route>, sealer: &Sealer) -> Result<(), Failure> {
        self.guarded(route, |received, known| route.identify(&received, sealer, known).map(drop))
    }

    fn guarded<T>(
        &mut self,
        route: &Arc<Route>,
        way: impl FnOnce(Received<'_>, &mut Known) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let body = self.delivery.body();
        let received = Received {
            lane: self.lane,
            queue: self.queue(),
            kind: self.delivery.kind(),
            message_id: self.delivery.message_id(),
            headers: HeadersForRedrive::new(headers_later(&self.delivery, route)),
            waited: waited(&self.delivery),
            body: &body,
            timed: stages::is_timed(self.place),
        };
        let known = &mut self.known;
        guarded(|| way(received, known))
    }

    /// What must be told to a human because of it: by the rules of its instrument, or, where the body
    /// tells nothing, by what intake found.
    pub(crate) fn alerts(&self, places: &Places) -> Vec<AlertFollowOn> {
        if self.known.alerts.is_empty() { self.alerts_of_intake(places) } else { self.known.alerts.clone() }
    }

    fn alerts_of_intake(&self, places: &Places) -> Vec<AlertFollowOn> {
        let id = self.known.submission_id.or(self.delivery.message_id());
        let (Some(signals), Some(id)) = (self.delivery.headers().signals, id) else {
            return Vec::new();
        };
        // Nobody may miss it because it came from a place that isn't configured here (yet).
        let (study, site) = self.place(places);
        let (study, site) = (study.unwrap_or_else(|| NOWHERE.into()), site.unwrap_or_else(|| NOWHERE.into()));
        let subject = self.known.pseudonym.unwrap_or(id);
        let published_at = self.delivery.published_at().and_then(|at| i64::try_from(at).ok());
        let published_at = published_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        let received_at = self.known.received_at.or(published_at);
        let alert = |(rule, severity): (&str, &str)| AlertFollowOn {
            alert_id: epro_schemas::alert::alert_id(&study, subject, id, rule),
            submission_id: id,
            site_id: site.clone(),
            study_id: study.clone(),
            rule: rule.to_owned(),
            severity: severity.to_owned(),
            received_at,
        };
        signals.split(',').filter_map(|signal| signal.split_once('=')).map(alert).collect()
    }

    /// Study and site: as the sealed body says, or, where that tells nothing, as its headers say. Anyone may
    /// write those, so they are believed if they are configured.
    fn place(&self, places: &Places) -> (Option<String>, Option<String>) {
        let (known, headers) = (&self.known, self.delivery.headers());
        let study = headers.study.filter(|study| places.has_study(study));
        let site = headers.site.filter(|site| places.has_site(site));
        let known_id = |id: &Option<Arc<str>>| id.as_deref().map(str::to_owned);
        (known_id(&known.study_id).or(study), known_id(&known.site_id).or(site))
    }

    /// The dead letter that it becomes. Its body is under a seal, the sender's or one of ours.
    pub(crate) fn dead_letter(&self, failure: &Failure, class: Class, route: &Route) -> Option<DeadLetter> {
        let body = self.delivery.body();
        let message_id = self.delivery.message_id();
        let wrapped = key_id_of(&body).is_none()
            || matches!(failure, Failure::Foreign | Failure::NotSealed | Failure::NoEnvelope);
        let sealed = if wrapped {
            route.keys.seal.seal(kind::DEAD_LETTER, message_id.unwrap_or(Uuid::nil()), &body).ok()?
        } else {
            body.to_vec()
        };
        let (study_id, site_id) = self.place(&route.places);
        let known = &self.known;
        Some(DeadLetter {
            lane: self.lane.to_owned(),
            queue: self.queue().to_string(),
            message_id,
            content_sha256: known.body_sha256.unwrap_or_else(|| sha256(&body)),
            class,
            stage: Some(failure.stage().to_owned()),
            detail: Some(failure.rule()),
            submission_id: known.submission_id,
            pseudonym: known.pseudonym,
            site_id,
            study_id,
            instrument: known.instrument.as_deref().map(str::to_owned),
            received_at: known.received_at,
            body: sealed,
            wrapped,
            kind: self.delivery.kind().map(str::to_owned),
            headers: headers(&self.delivery.raw_headers(), route),
            audit: known.facts.as_deref().cloned().unwrap_or_else(unknown_sender),
        })
    }
}

/// Does something with one message. A panic concerns that message only.
pub(crate) fn guarded<T>(what: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(what)).unwrap_or(Err(Failure::Panicked))
}

/// Its waits, as its headers say.
fn waited(delivery: &Delivery) -> Option<Waited> {
    let (times, since) = delivery.waited()?;
    let instant = |at: i64| OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000).ok();
    Some(Waited { times, since: since.and_then(instant) })
}

/// The headers that a redrive needs, as a dead letter keeps them.
pub(crate) fn headers(raw: &RawHeaders, route: &Route) -> Value {
    let (places, seal) = (&route.places, &route.keys.seal);
    let shown = raw.shown(|name| places.has_study(name) || places.has_site(name) || seal.has(name));
    let headers = shown.into_iter().map(|(name, value)| (name, Value::String(value)));
    Value::Object(Map::from_iter(headers))
}

fn headers_later(delivery: &Delivery, route: &Arc<Route>) -> impl Fn() -> Value + Send + Sync + 'static {
    let (raw, route) = (delivery.raw_headers(), Arc::clone(route));
    move || headers(&raw, &route)
}
