//! `ops.hospital_state`: written by the owner, on change and at most once a second.

use std::time::{Duration, Instant};

use epro_store::hospitals::HospitalReport;

use super::gate::{Counted, Word};
use super::hospital::Hospital;

const EVERY: Duration = Duration::from_secs(1);

/// What was told last, and what could not be told yet.
pub(crate) struct Reports {
    word: Option<Word>,
    since: Instant,
    reason: Option<String>,
    untold: Counted,
    told: bool,
}

impl Reports {
    /// Nothing was told.
    pub(crate) fn new() -> Self {
        Self { word: None, since: Instant::now(), reason: None, untold: Counted::default(), told: false }
    }

    /// Tells it as long as it is polled.
    pub(crate) async fn keep(&mut self, hospital: &Hospital) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            every.tick().await;
            self.tell(hospital).await;
        }
    }

    /// Tells what has changed.
    pub(crate) async fn tell(&mut self, hospital: &Hospital) {
        let view = hospital.gate.look();
        if self.word != Some(view.word) {
            say(hospital, self.word, view.word, view.reason.as_deref());
            (self.word, self.since, self.told) = (Some(view.word), Instant::now(), false);
        }
        if self.reason != view.reason {
            (self.reason, self.told) = (view.reason.clone(), false);
        }
        // Kept until it is written: this may be dropped in the middle.
        self.untold.add(view.counted);
        if self.told && self.untold == Counted::default() {
            return;
        }
        let counted = &self.untold;
        let report = HospitalReport {
            site_id: &hospital.site,
            owner: hospital.office.owner,
            term: hospital.term,
            gate: view.word.as_str(),
            gate_reason: self.reason.as_deref(),
            gate_for: self.since.elapsed(),
            calls: counted.calls,
            taken: counted.taken,
            refused: counted.refused,
            failed: counted.failed,
            well: view.well_at.map(|at| at.elapsed()),
            error: counted.error.as_ref().map(|(note, at)| (note.as_str(), at.elapsed())),
        };
        match hospital.office.store.report_hospital(&report).await {
            Ok(()) => (self.told, self.untold) = (true, Counted::default()),
            Err(error) => tracing::debug!(site = hospital.site, %error, "its state can't be written now"),
        }
    }
}

/// One line when it begins, one when it is over: not one for each probe.
fn say(hospital: &Hospital, before: Option<Word>, now: Word, reason: Option<&str>) {
    let site = hospital.site.as_str();
    let is_closed = |word| word == Word::Closed;
    metrics::gauge!("epro_hospital_gate_open", "site" => site.to_owned()).set(if is_closed(now) {
        0.0
    } else {
        1.0
    });
    match before.is_none_or(is_closed) {
        true if !is_closed(now) => {
            tracing::warn!(site, gate = now.as_str(), reason, "the hospital isn't called for a while");
        }
        false if is_closed(now) => tracing::info!(site, "the hospital is called again"),
        _ => {}
    }
}
