//! Lane `submissions`: what patients sent becomes rows; and lane `dead`: what the broker set aside becomes rows.
//!
//! A delivery is acked when its rows are committed and each follow-on is confirmed or written as `unsent`,
//! or when its dead letter is committed, or when it is parked and that is confirmed. Nothing else acks.

pub(crate) mod clean;
pub(crate) mod deidentify;
pub(crate) mod follow_on;
pub(crate) mod places;
pub(crate) mod route;
pub(crate) mod score;
pub(crate) mod stages;
pub(crate) mod structure;

mod apart;
mod commit;
mod disposal;
mod json;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use epro_broker::{Publisher, wait};
use epro_process::traces::conventions;
use epro_schemas::seal::Sealer;
use epro_store::Store;
use epro_store::follow_ons::FollowOn;
use epro_store::submissions::{NewSubmission, Outcome};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::chains::Chains;
use crate::failure::Failure;
use crate::fault::{self, Seam};
use crate::hold::{GivenUp, Hold};
use crate::in_flight::InFlight;
use crate::lane::{Chunk, Handled, Work};
use crate::settling::{Settling, count_dead_letters};
use crate::starts::{MOST_STARTS, Start, Starts};
use apart::apart;
use commit::Fate;
use follow_on::{Out, Parents};
use route::Route;
use stages::Spent;

/// The work of one submission queue, or of `epro.dead`.
pub(crate) struct Submissions {
    /// The lane's name.
    pub lane: &'static str,
    /// Its queue holds dangerous answers: the alert goes out even when nothing can be stored.
    pub urgent: bool,
    /// Its queue holds what the broker gave up on: a dead letter each, whatever is in it.
    pub terminal: bool,
    pub route: Arc<Route>,
    pub store: Store,
    pub publisher: Publisher,
    pub hold: Hold,
    pub chains: Chains,
    pub starts: Starts,
    /// How long something may wait for what is missing.
    pub wait_budget: Duration,
    /// As [`crate::lane::Lane::streak`].
    pub streak: Option<u32>,
}

impl Work for Submissions {
    async fn handle(self: Arc<Self>, chunk: Chunk) -> Handled {
        let mut handled = Handled::default();
        fault::at(Seam::Received, None);
        // How many are live shows as they are taken: a vector that is collected would grow with them.
        let mut in_flight: Vec<InFlight> = Vec::with_capacity(chunk.deliveries.len());
        let live = chunk.deliveries.into_iter().filter(epro_broker::Delivery::is_live).enumerate();
        in_flight.extend(live.map(|(place, delivery)| InFlight::new(delivery, place, self.lane)));
        let mut start = None;
        if let Some(first) = in_flight.first_mut().filter(|_| chunk.suspect) {
            match self.start(first).await {
                Ok(counted) => start = Some(counted),
                Err(_) => {
                    self.name(&mut in_flight);
                    self.not_now(in_flight, &mut handled).await;
                    return handled;
                }
            }
        }
        let (key, starts) = (start.as_ref().map(Start::key), start.as_ref().map_or(0, Start::count));
        let (mut rows, mut failures) = (Vec::with_capacity(in_flight.len()), Vec::new());
        let mut spent = Spent::default();
        let mut sealer = self.route.keys.seal.sealer(in_flight.len());
        for (place, one) in in_flight.iter_mut().enumerate() {
            let result = if starts < MOST_STARTS {
                one.travel(&self.route, &mut sealer)
            } else {
                self.quarantine(one, &sealer, starts)
            };
            spent.add(&one.known.spent);
            match self.verdict_of_queue(one, result) {
                Ok(row) => rows.push(row),
                Err(failure) => failures.push((place, failure)),
            }
        }
        // What it drew and didn't use must not lie around while the chunk waits for its commit.
        drop(sealer);
        spent.record(in_flight.len());
        let (carriers, mut failed) = apart(in_flight, failures);
        self.store_rows(rows, carriers, key, &mut failed, &mut handled).await;
        let panicked = failed.iter().any(|(_, failure)| *failure == Failure::Panicked);
        if let Some(start) = start.take_if(|_| panicked) {
            start.stays();
        }
        self.dispose(failed, start.as_mut(), &mut handled).await;
        if let Some(start) = start.filter(|_| handled.any_settled()) {
            start.forgotten();
        }
        handled
    }
}

impl Submissions {
    /// Counts the start of what came again. Before it waits for others, whoever must be told of a dangerous answer is
    /// told. The urgent queue waits all the same, or an outage could quarantine what is most dangerous. Nor does that
    /// keep the next from being told for long: a panic is not waited for, so it takes two processes that ended over a
    /// message, each of which cost the lane more than the wait does.
    async fn start(&self, one: &mut InFlight) -> Result<Start, GivenUp> {
        let (key, hold) = (one.delivery.message_id().unwrap_or(Uuid::nil()), self.hold());
        let start = self.starts.count(key, self.lane, &hold).await?;
        if self.urgent && start.waits_for_others() {
            // As in a quarantine: the start after this one does without its name.
            if start.count() == MOST_STARTS {
                self.name(std::slice::from_mut(one));
            }
            self.raise(std::iter::once(&*one)).await?;
        }
        self.starts.once_others_paid(start, &hold).await
    }

    /// Set aside, with the name of the submission: whoever sent it will ask. If learning that ends the
    /// process once more, the next start does without.
    fn quarantine(&self, one: &mut InFlight, sealer: &Sealer, starts: i32) -> Result<NewSubmission, Failure> {
        if starts == MOST_STARTS && one.identify(&self.route, sealer).is_err() {
            tracing::debug!(lane = self.lane, "nobody knows whose submission is quarantined");
        }
        Err(Failure::Quarantined)
    }

    /// What is told to a human without its row names the submission, as the commit will later: the same
    /// alert, not a second one that nobody finds.
    fn name(&self, untried: &mut [InFlight]) {
        // It seals nothing, and draws nothing for that.
        let sealer = self.route.keys.seal.sealer(0);
        for one in untried.iter_mut().filter(|_| self.urgent) {
            if one.identify(&self.route, &sealer).is_err() {
                tracing::debug!(lane = self.lane, "nobody knows whose submission this is");
            }
        }
    }

    fn settling(&self) -> Settling<'_> {
        Settling {
            lane: self.lane,
            counted: "epro_submissions_total",
            route: &self.route,
            store: &self.store,
            publisher: &self.publisher,
            chains: &self.chains,
            hold: self.hold(),
            parking: self.hold.clone(),
        }
    }

    fn verdict_of_queue(
        &self,
        one: &InFlight,
        result: Result<NewSubmission, Failure>,
    ) -> Result<NewSubmission, Failure> {
        if !self.terminal {
            return result;
        }
        // What died of its wait's end came back to no queue: that was deleted meanwhile.
        let death = one.delivery.death().filter(|death| !wait::is_wait(&death.queue));
        Err(Failure::SetAsideByBroker { reason: death.map_or_else(String::new, |death| death.reason) })
    }

    /// The way out of follow-ons.
    fn out(&self) -> Out<'_> {
        Out { ring: &self.route.keys.seal, publisher: &self.publisher }
    }

    /// The urgent queue holds nothing in hand: its alerts go out, and it makes room for the next.
    fn hold(&self) -> Hold {
        if self.urgent { self.hold.brief() } else { self.hold.clone() }
    }

    /// From the door to the COMMIT, of the oldest of a chunk.
    fn measure_age(&self, oldest: Option<OffsetDateTime>) {
        if let Some(oldest) = oldest {
            let age = (OffsetDateTime::now_utc() - oldest).as_seconds_f64().max(0.0);
            metrics::histogram!("epro_submission_age_seconds", "lane" => self.lane).record(age);
        }
    }

    /// Commits the rows, publishes their follow-ons, acks.
    async fn store_rows(
        &self,
        rows: Vec<NewSubmission>,
        mut carriers: Vec<InFlight>,
        suspect: Option<Uuid>,
        failed: &mut Vec<(InFlight, Failure)>,
        handled: &mut Handled,
    ) {
        if rows.is_empty() {
            return;
        }
        fault::at(Seam::BeforeCommit, only(&carriers));
        let span = conventions::commit(self.lane, carriers.iter_mut().map(|one| &mut one.span));
        let fates = commit::commit(&self.store, &self.chains, &self.hold(), &rows, suspect).await;
        drop(span);
        let parents = Parents::of(&carriers);
        let oldest = rows.iter().map(|row| row.identified.received_at).min();
        drop(rows);
        self.measure_age(oldest);
        fault::at(Seam::AfterCommit, only(&carriers));
        let (mut follow_ons, mut receipts) = (Vec::new(), Vec::with_capacity(carriers.len()));
        let (mut failures, mut undone) = (Vec::new(), Vec::new());
        for (place, (one, fate)) in carriers.iter_mut().zip(fates).enumerate() {
            let failure = match fate {
                Fate::Refused(error) => Some(Failure::Refused(error)),
                Fate::Undone => None,
                Fate::Done(outcome) => match take(outcome, &mut follow_ons) {
                    Some((receipt, what)) => {
                        one.span.outcome(what);
                        receipts.push((receipt, what));
                        continue;
                    }
                    None => Some(Failure::BaseAbsent),
                },
            };
            failures.push((place, failure));
        }
        let (committed, without_receipt) = apart(carriers, failures);
        for (one, failure) in without_receipt {
            match failure {
                Some(failure) => failed.push((one, failure)),
                None => undone.push(one),
            }
        }
        let sent = follow_on::send(follow_ons, &parents, self.out(), &self.store, &self.hold()).await;
        match sent {
            Ok(()) => self.ack(committed, receipts, handled),
            // The rows are there, a follow-on is not: it comes again, as a duplicate that publishes it.
            Err(_) => undone.extend(committed),
        }
        self.not_now(undone, handled).await;
    }

    /// Acks each with its receipt, and counts what became of them.
    fn ack(
        &self,
        committed: Vec<InFlight>,
        receipts: Vec<(epro_store::Committed, &'static str)>,
        handled: &mut Handled,
    ) {
        fault::at(Seam::BeforeAck, None);
        let mut counted: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (one, (receipt, what)) in committed.into_iter().zip(receipts) {
            *counted.entry(what).or_default() += 1;
            one.delivery.ack(&receipt);
            handled.settled(one.place, None);
        }
        for (what, count) in counted {
            metrics::counter!("epro_submissions_total", "lane" => self.lane, "outcome" => what)
                .increment(count);
            if !["stored", "duplicate"].contains(&what) {
                count_dead_letters(self.lane, count);
            }
        }
    }
}

/// Splits an outcome into what is to be published and what can be acked. `None`: its base isn't there.
fn take(outcome: Outcome, follow_ons: &mut Vec<FollowOn>) -> Option<(epro_store::Committed, &'static str)> {
    match outcome {
        Outcome::Stored { receipt, follow_ons: mut more } => {
            follow_ons.append(&mut more);
            Some((receipt, "stored"))
        }
        Outcome::Duplicate { receipt, follow_ons: mut more, .. } => {
            follow_ons.append(&mut more);
            Some((receipt, "duplicate"))
        }
        Outcome::SetAside { receipt, class, follow_ons: mut more } => {
            follow_ons.append(&mut more);
            Some((receipt, class.as_str()))
        }
        Outcome::BaseAbsent { follow_ons: mut more } => {
            follow_ons.append(&mut more);
            None
        }
    }
}

fn only(carriers: &[InFlight]) -> Option<Uuid> {
    match carriers {
        [one] => one.known.submission_id,
        _ => None,
    }
}
