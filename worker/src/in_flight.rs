//! A delivery on its way through a lane, with what became known of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use epro_broker::{Delivery, topology};
use epro_schemas::kind;
use epro_schemas::seal::{KeyRing, key_id_of};
use epro_store::dead_letters::{Class, DeadLetter};
use epro_store::follow_ons::AlertFollowOn;
use epro_store::submissions::NewSubmission;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::failure::Failure;
use crate::submissions::route::{Known, Received, Route, sha256, unknown_sender};

/// A delivery that is neither acked nor given back.
pub(crate) struct InFlight {
    pub delivery: Delivery,
    /// Its place in the chunk.
    pub place: usize,
    pub known: Known,
    /// The work queue that it belongs to, where a redrive publishes it.
    pub queue: String,
    /// The lane that gives up on it if it fails.
    pub lane: &'static str,
}

impl InFlight {
    /// Takes a delivery in hand.
    pub(crate) fn new(delivery: Delivery, place: usize, lane: &'static str) -> Self {
        // What the broker set aside keeps the name of its work queue as its routing key.
        let terminal = delivery.queue() == topology::DEAD;
        let queue = if terminal { delivery.routing_key() } else { delivery.queue() }.to_owned();
        Self { delivery, place, known: Known::default(), queue, lane }
    }

    /// Takes it through the stages. A panic of a stage concerns this message only.
    pub(crate) fn travel(&mut self, route: &Route) -> Result<NewSubmission, Failure> {
        let result = self.guarded(|received, known| route.travel(received, known));
        if let Err(failure) = &result {
            let message_id = self.delivery.message_id();
            tracing::debug!(lane = self.lane, ?message_id, stage = failure.stage(), "did not get to the end");
        }
        result
    }

    /// Learns whose it is and no more, where the stages must not see it again.
    pub(crate) fn identify(&mut self, route: &Route) -> Result<(), Failure> {
        self.guarded(|received, known| route.identify(&received, known).map(drop))
    }

    fn guarded<T>(
        &mut self,
        way: impl FnOnce(Received<'_>, &mut Known) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let body = self.delivery.body();
        let received = Received {
            lane: self.lane,
            queue: &self.queue,
            kind: self.delivery.kind(),
            message_id: self.delivery.message_id(),
            headers: headers(&self.delivery),
            body: &body,
        };
        let known = &mut self.known;
        catch_unwind(AssertUnwindSafe(|| way(received, known))).unwrap_or(Err(Failure::Panicked))
    }

    /// What must be told to a human because of it: by the rules of its instrument, or, where the body
    /// tells nothing, by what intake found.
    pub(crate) fn alerts(&self) -> Vec<AlertFollowOn> {
        if self.known.alerts.is_empty() { self.alerts_of_intake() } else { self.known.alerts.clone() }
    }

    fn alerts_of_intake(&self) -> Vec<AlertFollowOn> {
        let headers = self.delivery.headers();
        let id = self.known.submission_id.or(self.delivery.message_id());
        let (Some(signals), Some(site), Some(study), Some(id)) =
            (headers.signals, headers.site, headers.study, id)
        else {
            return Vec::new();
        };
        let subject = self.known.pseudonym.unwrap_or(id);
        let alert = |(rule, severity): (&str, &str)| AlertFollowOn {
            alert_id: epro_schemas::alert::alert_id(&study, subject, id, rule),
            submission_id: id,
            site_id: site.clone(),
            study_id: study.clone(),
            rule: rule.to_owned(),
            severity: severity.to_owned(),
        };
        signals.split(',').filter_map(|signal| signal.split_once('=')).map(alert).collect()
    }

    /// The dead letter that it becomes. Its body is under a seal, the sender's or one of ours.
    pub(crate) fn dead_letter(&self, failure: &Failure, class: Class, keys: &KeyRing) -> Option<DeadLetter> {
        let body = self.delivery.body();
        let message_id = self.delivery.message_id();
        let wrapped = key_id_of(&body).is_none() || matches!(failure, Failure::Foreign | Failure::NoEnvelope);
        let sealed = if wrapped {
            keys.seal(kind::DEAD_LETTER, message_id.unwrap_or(Uuid::nil()), &body).ok()?
        } else {
            body.to_vec()
        };
        let (known, headers) = (&self.known, self.delivery.headers());
        Some(DeadLetter {
            lane: self.lane.to_owned(),
            queue: self.queue.clone(),
            message_id,
            content_sha256: known.body_sha256.unwrap_or_else(|| sha256(&body)),
            class,
            stage: Some(failure.stage().to_owned()),
            detail: Some(failure.rule()),
            submission_id: known.submission_id,
            pseudonym: known.pseudonym,
            site_id: known.site_id.clone().or(headers.site),
            study_id: known.study_id.clone().or(headers.study),
            instrument: known.instrument.clone(),
            received_at: known.received_at,
            body: sealed,
            wrapped,
            kind: self.delivery.kind().map(str::to_owned),
            headers: self::headers(&self.delivery),
            audit: known.facts.clone().unwrap_or_else(unknown_sender),
        })
    }
}

fn headers(delivery: &Delivery) -> Value {
    let headers = delivery.raw_headers().into_iter().map(|(name, value)| (name, Value::String(value)));
    Value::Object(Map::from_iter(headers))
}
