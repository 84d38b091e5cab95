//! What was decided about a delivery is committed, then the broker may forget it.

use std::time::Duration;

use epro_broker::{Delivery, Tier};
use epro_schemas::kind;
use epro_schemas::receipt::Receipt;
use epro_store::audit::{Actor, AuditFacts};
use epro_store::dead_letters::{Class, DeadLetter};
use epro_store::deliveries::{Call, DeliveryKey, Due};
use time::OffsetDateTime;
use uuid::Uuid;

use super::deliver::Done;
use super::hand::Held;
use super::hospital::Hospital;
use crate::failure::Failure;
use crate::fault::{self, Seam};
use crate::hold::{GivenUp, until_done};
use crate::in_flight::headers;
use crate::park::park;
use crate::settling::count_dead_letters;
use crate::spans;
use crate::starts::{Start, key_of_waited};
use crate::submissions::route::sha256;

/// What was decided, and why.
pub(crate) struct Decided {
    pub outcome: &'static str,
    /// Redacted.
    pub note: String,
    /// `None`: without a call.
    pub took: Option<Duration>,
    pub charged: bool,
    pub class: Class,
    pub stage: &'static str,
    pub traceparent: Option<String>,
}

impl Decided {
    /// Before any call.
    pub(crate) fn failure(class: Class, failure: &Failure) -> Self {
        Self {
            outcome: class.as_str(),
            note: failure.rule(),
            took: None,
            charged: false,
            class,
            stage: failure.stage(),
            traceparent: None,
        }
    }

    /// The message names no row.
    pub(crate) fn absent() -> Self {
        let note = "no such delivery is stored".to_owned();
        Self { note, stage: "look up", ..Self::failure(Class::Unknown, &Failure::Foreign) }
    }

    fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(|parent| parent.get(3..35))
    }
}

/// Settles one delivery of one hospital.
pub(crate) struct Settling<'a> {
    hospital: &'a Hospital,
    submission_id: Uuid,
    pseudonym: Uuid,
    generation: i32,
    /// It was handed out before: its starts are forgotten with what is decided, and this one is taken back in any case.
    start: Option<Start>,
    /// It has waited: what may be counted of it is forgotten, too.
    waited: Option<Uuid>,
}

impl<'a> Settling<'a> {
    pub(crate) fn new(hospital: &'a Hospital, held: &Held, start: Option<Start>) -> Self {
        let message = &held.message;
        let (submission_id, pseudonym) = (message.submission_id, message.pseudonym);
        let waited = key_of_waited(&held.delivery);
        Self { hospital, submission_id, pseudonym, generation: message.generation, start, waited }
    }

    /// There is nothing to do (any more).
    pub(crate) async fn nothing(mut self, held: Held, receipt: &impl Receipt, outcome: &'static str) -> Done {
        // No commit forgets it.
        if let Some(start) = &mut self.start {
            start.acquit();
        }
        self.count(outcome);
        held.delivery.ack(receipt);
        Done::Settled(None)
    }

    /// It was looked up and not called: it stays as it was.
    pub(crate) async fn not_called(&self, due: &Due) {
        if !due.first_call {
            return;
        }
        let (office, term) = (&self.hospital.office, self.hospital.term);
        let noted = office.store.delivery_not_begun(self.key(due.generation), office.owner, term).await;
        if let Err(error) = noted {
            tracing::debug!(%error, "a call that was not made stays written down as begun");
        }
    }

    /// The hospital has it.
    pub(crate) async fn done(self, held: Held, due: &Due, decided: Decided) -> Done {
        let (office, call) = (&self.hospital.office, self.call(Some(due), &decided));
        let mut chain = office.chains.take().await;
        let recorded = until_done!(
            office.hold,
            "delivered",
            office.store.delivered(chain.chain(), call, self.suspect())
        );
        drop(chain);
        let Ok(receipt) = recorded else { return Done::Undone(held.delivery) };
        fault::at(Seam::AfterRecord, Some(self.submission_id));
        self.count("done");
        let age = (OffsetDateTime::now_utc() - due.received_at).as_seconds_f64().max(0.0);
        metrics::histogram!("epro_hospital_delivery_age_seconds", "site" => self.hospital.site.clone())
            .record(age);
        held.delivery.ack(&receipt);
        Done::Settled(None)
    }

    /// It is tried again later.
    pub(crate) async fn wait(self, held: Held, due: &Due, decided: Decided, tier: Tier) -> Done {
        let (office, call) = (&self.hospital.office, self.call(Some(due), &decided));
        let parked = park(&held.delivery, tier, decided.charged, &office.publisher, &office.hold).await;
        let Some(receipt) = parked else { return Done::Undone(held.delivery) };
        let mut chain = office.chains.take().await;
        let recorded = until_done!(
            office.hold,
            "delivery waits",
            office.store.delivery_waits(chain.chain(), call, self.suspect())
        );
        drop(chain);
        if let Err(given_up) = recorded {
            tracing::warn!(site = self.hospital.site, ?given_up, "a failed call is not recorded");
        }
        self.count("waits");
        held.delivery.ack(&receipt);
        Done::Settled(None)
    }

    /// It is not tried again.
    pub(crate) async fn set_aside(self, held: Held, due: Option<&Due>, decided: Decided) -> Done {
        let (office, call) = (&self.hospital.office, self.call(due, &decided));
        let Some(mut dead_letter) =
            dead_letter(self.hospital, &held.delivery, decided.class, decided.stage, &decided.note)
        else {
            return Done::Undone(held.delivery);
        };
        dead_letter.submission_id = Some(self.submission_id);
        dead_letter.pseudonym = Some(self.pseudonym);
        dead_letter.study_id = due.map(|due| due.study_id.clone());
        dead_letter.instrument = due.map(|due| due.instrument.clone());
        dead_letter.received_at = due.map(|due| due.received_at);
        let mut chain = office.chains.take().await;
        let recorded = until_done!(
            office.hold,
            "dead letter",
            office.store.set_delivery_aside(chain.chain(), call, &dead_letter, self.suspect())
        );
        drop(chain);
        let receipt = match recorded {
            Ok(receipt) => receipt,
            Err(given_up) => return not_set_aside(self.hospital, held.delivery, &given_up).await,
        };
        fault::at(Seam::AfterRecord, Some(self.submission_id));
        say(self.hospital, decided.class, &decided.note, decided.trace_id());
        self.count(decided.class.as_str());
        count_dead_letters(super::NAME, 1);
        held.delivery.ack(&receipt);
        Done::Settled(Some(decided.class.as_str()))
    }

    fn suspect(&self) -> Option<Uuid> {
        self.start.as_ref().map(Start::key).or(self.waited)
    }

    fn key(&self, generation: i32) -> DeliveryKey {
        DeliveryKey { submission_id: self.submission_id, pseudonym: self.pseudonym, generation }
    }

    fn call<'c>(&'c self, due: Option<&'c Due>, decided: &'c Decided) -> Call<'c> {
        Call {
            key: self.key(due.map_or(self.generation, |due| due.generation)),
            site_id: &self.hospital.site,
            study_id: due.map(|due| due.study_id.as_str()),
            outcome: decided.outcome,
            detail: &decided.note,
            took: decided.took,
            charged: decided.charged,
            owner: self.hospital.office.owner,
            trace_id: decided.trace_id(),
        }
    }

    fn count(&self, outcome: &'static str) {
        let site = self.hospital.site.clone();
        metrics::counter!("epro_hospital_deliveries_total", "site" => site, "outcome" => outcome)
            .increment(1);
    }
}

/// What can't be understood, or must not be tried again.
pub(super) async fn set_unread_aside(
    hospital: &Hospital,
    delivery: Delivery,
    failure: &Failure,
    class: Class,
    suspect: Option<Uuid>,
) -> Done {
    let office = &hospital.office;
    let Some(dead_letter) = dead_letter(hospital, &delivery, class, failure.stage(), &failure.rule()) else {
        return Done::Undone(delivery);
    };
    let suspect = suspect.or_else(|| key_of_waited(&delivery));
    let mut chain = office.chains.take().await;
    let dead_letters = [dead_letter];
    let recorded = until_done!(
        office.hold,
        "dead letter",
        office.store.set_aside(chain.chain(), &dead_letters, suspect)
    );
    drop(chain);
    match recorded.as_deref() {
        Ok([receipt, ..]) => {
            say(hospital, class, &failure.rule(), spans::trace_id(&delivery));
            count_dead_letters(super::NAME, 1);
            delivery.ack(receipt);
            Done::Settled(Some(class.as_str()))
        }
        Ok([]) => Done::Undone(delivery),
        Err(given_up) => not_set_aside(hospital, delivery, given_up).await,
    }
}

/// Where PostgreSQL refuses even its dead letter it waits, so that it wedges nobody.
async fn not_set_aside(hospital: &Hospital, delivery: Delivery, given_up: &GivenUp) -> Done {
    let GivenUp::Row(error) = given_up else { return Done::Undone(delivery) };
    tracing::error!(site = hospital.site, %error, "PostgreSQL refuses a dead letter: this is a defect");
    let office = &hospital.office;
    match park(&delivery, Tier::M10, false, &office.publisher, &office.hold).await {
        Some(receipt) => {
            delivery.ack(&receipt);
            Done::Settled(None)
        }
        None => Done::Undone(delivery),
    }
}

fn say(hospital: &Hospital, class: Class, note: &str, trace_id: Option<&str>) {
    let (lane, site, class) = (super::NAME, &hospital.site, class.as_str());
    tracing::warn!(lane, site, class, trace_id, "set aside: {note}");
}

/// Its body is under a seal of ours, around that of its sender: what came may be anything.
fn dead_letter(
    hospital: &Hospital,
    delivery: &Delivery,
    class: Class,
    stage: &str,
    detail: &str,
) -> Option<DeadLetter> {
    let (body, message_id) = (delivery.body(), delivery.message_id());
    let keys = &hospital.office.route.keys.seal;
    let sealed = keys.seal(kind::DEAD_LETTER, message_id.unwrap_or(Uuid::nil()), &body).ok()?;
    Some(DeadLetter {
        lane: super::NAME.to_owned(),
        queue: delivery.queue().to_owned(),
        message_id,
        content_sha256: sha256(&body),
        class,
        stage: Some(stage.to_owned()),
        detail: Some(detail.to_owned()),
        submission_id: None,
        pseudonym: None,
        site_id: Some(hospital.site.clone()),
        study_id: None,
        instrument: None,
        received_at: None,
        body: sealed,
        wrapped: true,
        kind: delivery.kind().map(str::to_owned),
        headers: headers(&delivery.raw_headers(), &hospital.office.route),
        audit: AuditFacts::by(Actor::System("epro-worker".to_owned())),
    })
}
