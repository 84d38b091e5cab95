//! One delivery's way through the stages, without I/O: open -> clean -> de-identify -> structure -> score.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use epro_schemas::alert::alert_id;
use epro_schemas::canonical;
use epro_schemas::envelope::Envelope;
use epro_schemas::instrument::{Instruments, Signal};
use epro_schemas::kind;
use epro_schemas::pseudonym::PseudonymKey;
use epro_schemas::seal::{KeyRing, Sealer};
use epro_schemas::submission::Submission;
use epro_store::audit::{Actor, AuditFacts, network};
use epro_store::follow_ons::AlertFollowOn;
use epro_store::submissions::{AlertRow, HeadersForRedrive, IdentifiedRow, NewSubmission, Source, Waited};
use time::OffsetDateTime;
use uuid::Uuid;

use super::clean::{Cleaned, Named, clean, parse};
use super::deidentify::deidentify;
use super::places::Places;
use super::score::{Scored, score};
use super::stages::Spent;
use super::structure::structure;
use crate::failure::Failure;
use crate::fault::{self, Seam};

/// What envelopes are opened with, and what pseudonyms are made with.
pub(crate) struct Keys {
    pub seal: Arc<KeyRing>,
    pub pseudonym: PseudonymKey,
}

/// What the stages need to know.
pub(crate) struct Route {
    pub keys: Keys,
    pub instruments: Instruments,
    pub places: Places,
    /// What arrives later than this after it was answered is flagged late.
    pub late_after: Duration,
}

/// What the stages get.
pub(crate) struct Received<'a> {
    pub lane: &'static str,
    pub queue: Arc<str>,
    pub kind: Option<&'a str>,
    pub message_id: Option<Uuid>,
    pub headers: HeadersForRedrive,
    pub waited: Option<Waited>,
    pub body: &'a Bytes,
    /// Whether its stages are timed.
    pub timed: bool,
}

/// What became known of a message on its way, also when it did not get to the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub submission_id: Option<Uuid>,
    pub pseudonym: Option<Uuid>,
    pub study_id: Option<Arc<str>>,
    pub site_id: Option<Arc<str>>,
    pub instrument: Option<Arc<str>>,
    pub received_at: Option<OffsetDateTime>,
    pub body_sha256: Option<[u8; 32]>,
    pub facts: Option<Arc<AuditFacts>>,
    /// What the answers signal by the instrument's rules.
    pub alerts: Vec<AlertFollowOn>,
    /// How long the stages took, if they were timed.
    pub spent: Spent,
}

/// What a message holds under its seal, and the id that the seal is bound to.
pub(crate) struct Opened {
    message_id: Uuid,
    envelope: Envelope,
}

/// A submission of which it is known whose it is.
pub(crate) struct Identified<'a> {
    opened: Opened,
    submission: Submission,
    pseudonym: Uuid,
    named: Named<'a>,
}

impl Route {
    /// Takes one message through all stages. What became known stays in `known`, whatever the result.
    pub(crate) fn travel(
        &self,
        received: Received<'_>,
        sealer: &mut Sealer,
        known: &mut Known,
    ) -> Result<NewSubmission, Failure> {
        let mut spent = Spent::default();
        let mut lap = spent.start(received.timed);
        let Identified { opened, submission, pseudonym, named } = self.identify(&received, sealer, known)?;
        fault::at(Seam::Process, known.submission_id);
        lap.next();

        let cleaned = clean(submission, named)?;
        lap.next();
        let deidentified = deidentify(&cleaned);
        lap.next();
        let structured = structure(deidentified);
        lap.next();
        let scored =
            score(structured, &cleaned, cleaned.instrument).map_err(|_| Failure::Inconsistent(Vec::new()))?;
        lap.next();
        known.spent = spent;
        known.alerts = alerts(&cleaned, pseudonym, &scored.signals, opened.envelope.received_at);
        self.row(received, &opened, &cleaned, scored, sealer, known)
    }

    /// The way up to where it is known whose submission it is.
    pub(crate) fn identify(
        &self,
        received: &Received<'_>,
        sealer: &Sealer,
        known: &mut Known,
    ) -> Result<Identified<'_>, Failure> {
        let opened = open(received, sealer)?;
        let envelope = &opened.envelope;
        known.received_at = Some(envelope.received_at);
        known.body_sha256 = Some(sha256(&envelope.bytes));
        let submission = parse(envelope)?;
        let subject = envelope.subject_id.expose();
        let pseudonym = self.keys.pseudonym.pseudonym(&submission.study_id, subject);
        known.submission_id = Some(submission.submission_id);
        known.pseudonym = Some(pseudonym);
        let named = Named {
            instrument: self.instruments.get(&submission.instrument),
            study: self.places.study(&submission.study_id),
            site: self.places.site(&submission.site_id),
        };
        // What is configured shares its id with all of its rows.
        let study = named.study.map(|study| study.id.clone());
        known.study_id = study.or_else(|| Some(submission.study_id.as_str().into()));
        let site = named.site.map(|site| site.id.clone());
        known.site_id = site.or_else(|| Some(submission.site_id.as_str().into()));
        let instrument = named.instrument.map(|instrument| instrument.name().clone());
        known.instrument = instrument.or_else(|| Some(submission.instrument.to_string().into()));
        known.facts = Some(Arc::new(self.facts(envelope, &submission.study_id, pseudonym)));
        Ok(Identified { opened, submission, pseudonym, named })
    }

    fn facts(&self, envelope: &Envelope, study: &str, pseudonym: Uuid) -> AuditFacts {
        let actor = if envelope.actor == envelope.subject_id {
            Actor::Subject(pseudonym)
        } else {
            Actor::Delegate(self.keys.pseudonym.pseudonym(study, envelope.actor.expose()))
        };
        let from = envelope.from.expose().parse::<IpAddr>().ok();
        AuditFacts {
            actor,
            client: envelope.client.clone(),
            from_network: from.map(network),
            trace_id: envelope.trace_id.clone(),
        }
    }

    fn row(
        &self,
        received: Received<'_>,
        opened: &Opened,
        cleaned: &Cleaned<'_>,
        scored: Scored,
        sealer: &mut Sealer,
        known: &Known,
    ) -> Result<NewSubmission, Failure> {
        let Opened { message_id, envelope } = opened;
        let pseudonym = known.pseudonym.unwrap_or_default();
        let subject = envelope.subject_id.expose();
        let Cleaned { submission, study, site, .. } = cleaned;
        let content_hash = canonical::content_hash(subject, submission, &cleaned.resolved);
        let subject_sealed = sealer.seal(kind::SUBJECT, pseudonym, subject.as_bytes());
        Ok(NewSubmission {
            identified: IdentifiedRow {
                submission_id: submission.submission_id,
                pseudonym,
                instrument: cleaned.instrument.name().clone(),
                answered_at: submission.answered_at,
                sent_at: submission.sent_at,
                received_at: envelope.received_at,
                late: envelope.received_at - submission.answered_at > self.late_after,
                amends: submission.amends,
                content_version: canonical::VERSION,
                content_hash,
                body_sha256: known.body_sha256.unwrap_or_default(),
                sealed: received.body.clone(),
                subject_sealed: subject_sealed.map_err(|_| Failure::Panicked)?,
                pseudonym_key_id: self.keys.pseudonym.id().clone(),
                study_id: study.id.clone(),
                site_id: site.id.clone(),
            },
            research: scored.research,
            delivery_site: site.hospital.then(|| site.id.clone()),
            risk: study.risk,
            alerts: known.alerts.iter().map(alert_row).collect(),
            audit: known.facts.clone().unwrap_or_else(|| Arc::new(unknown_sender())),
            source: Source {
                lane: received.lane,
                queue: received.queue,
                message_id: *message_id,
                headers: received.headers,
                waited: received.waited,
            },
        })
    }
}

fn open(received: &Received<'_>, sealer: &Sealer) -> Result<Opened, Failure> {
    let (Some(kind::SUBMISSION), Some(message_id)) = (received.kind, received.message_id) else {
        return Err(Failure::Foreign);
    };
    let bytes = sealer.open(kind::SUBMISSION, message_id, received.body)?;
    let envelope = Envelope::decode(bytes.into()).map_err(|_| Failure::NoEnvelope)?;
    Ok(Opened { message_id, envelope })
}

/// SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

/// Nobody knows who sent it: it can't be opened.
pub(crate) fn unknown_sender() -> AuditFacts {
    AuditFacts { actor: Actor::Unknown, client: None, from_network: None, trace_id: None }
}

fn alerts(
    cleaned: &Cleaned<'_>,
    pseudonym: Uuid,
    signals: &[Signal],
    received_at: OffsetDateTime,
) -> Vec<AlertFollowOn> {
    let submission = &cleaned.submission;
    let alert = |signal: &Signal| AlertFollowOn {
        alert_id: alert_id(&submission.study_id, pseudonym, submission.submission_id, &signal.rule),
        submission_id: submission.submission_id,
        site_id: submission.site_id.clone(),
        study_id: submission.study_id.clone(),
        rule: signal.rule.to_string(),
        severity: signal.severity.to_string(),
        received_at: Some(received_at),
    };
    signals.iter().map(alert).collect()
}

fn alert_row(alert: &AlertFollowOn) -> AlertRow {
    AlertRow { alert_id: alert.alert_id, rule: alert.rule.clone(), severity: alert.severity.clone() }
}
