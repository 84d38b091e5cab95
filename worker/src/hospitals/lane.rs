//! The loop of one hospital, as long as its lease is ours: next delivery | call done | rest over | leave.

use std::pin::pin;
use std::sync::Arc;

use epro_broker::consumer::SubscribeError;
use epro_broker::{Connection, Consumer, Delivery, topology, wait};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::deliver::{Done, deliver};
use super::hand::{Hand, Held, Read};
use super::hospital::Hospital;
use super::questions;
use super::report::Reports;
use super::unread;
use crate::backoff;
use crate::fault::{self, Seam};
use crate::park::park;
use crate::seldom::Seldom;
use crate::streak::Streak;

/// An outage concerns all hospitals, and is said once in a while.
static AWAY: Seldom = Seldom::new();

/// Why the hospital's queue can't be consumed.
enum Trouble {
    /// RabbitMQ or PostgreSQL is away.
    Service(String),
    /// This queue is missing, or refused.
    Queue(String),
}

/// Why the hospital's queue was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Over,
    Ended,
    Paused,
    NotNow,
    Streak(&'static str),
}

/// Consumes the hospital's queue until the lease is lost or the process drains.
pub(crate) async fn run(hospital: Arc<Hospital>) {
    metrics::counter!("epro_hospital_self_paused_total", "site" => hospital.site.clone()).increment(0);
    let mut reports = Reports::new();
    tokio::select! {
        ((), ()) = async { tokio::join!(consume_until_over(&hospital), questions::run(&hospital)) } => {}
        () = reports.keep(&hospital) => {}
    }
    let _ = tokio::time::timeout(backoff::LONGEST, reports.tell(&hospital)).await;
    // From now on that is somebody else's to say.
    paused(&hospital.site, false);
    metrics::gauge!("epro_hospital_gate_open", "site" => hospital.site.clone()).set(0.0);
    let release = hospital.office.leases.release_lease(
        super::KIND,
        hospital.office.owner,
        &hospital.site,
        hospital.term,
    );
    if !matches!(tokio::time::timeout(backoff::LONGEST, release).await, Ok(Ok(()))) {
        tracing::debug!(site = hospital.site, "the lease expires by itself");
    }
}

async fn consume_until_over(hospital: &Arc<Hospital>) {
    let (site, queue) = (hospital.site.as_str(), topology::his(&hospital.site));
    loop {
        let subscribed = tokio::select! {
            biased;
            () = hospital.over() => return,
            subscribed = subscribe(hospital, &queue, hospital.prefetch()) => subscribed,
        };
        let (line, consumer) = subscribed;
        hospital.leaving.send_replace(false);
        metrics::gauge!("epro_hospital_consuming", "site" => site.to_owned()).set(1.0);
        let left = consume(hospital, consumer).await;
        metrics::gauge!("epro_hospital_consuming", "site" => site.to_owned()).set(0.0);
        drop(line);
        tracing::debug!(site, ?left, "left the hospital's queue");
        match left {
            Left::Over => return,
            Left::Ended | Left::Paused => {}
            Left::NotNow => tokio::time::sleep(backoff::LONGEST / 4).await,
            Left::Streak(class) => pause_self(hospital, class).await,
        }
    }
}

/// Waits until it may consume a queue of the hospital's, and subscribes.
pub(super) async fn subscribe(
    hospital: &Hospital,
    queue: &str,
    prefetch: u16,
) -> (Arc<Connection>, Consumer) {
    let site = hospital.site.as_str();
    let (mut delays, said) = (backoff::steady(), Seldom::new());
    loop {
        if let Some(Some(reason)) = hospital.is_paused() {
            tracing::warn!(
                site,
                reason,
                "nothing goes to the hospital: it is paused, `epro resume` lifts it"
            );
            paused(site, true);
        }
        hospital.resumed().await;
        paused(site, false);
        match ready(hospital, queue, prefetch).await {
            Ok(subscribed) => return subscribed,
            Err(Trouble::Queue(trouble)) if said.is_due() => {
                tracing::warn!(site, trouble, "can't consume the hospital's queue yet");
            }
            Err(Trouble::Service(trouble)) if AWAY.is_due() => {
                tracing::warn!(site, trouble, "can't consume hospitals' queues yet");
            }
            Err(_) => {}
        }
        tokio::time::sleep(delays.next().unwrap_or(backoff::LONGEST)).await;
    }
}

async fn ready(
    hospital: &Hospital,
    queue: &str,
    prefetch: u16,
) -> Result<(Arc<Connection>, Consumer), Trouble> {
    let away = |error: &dyn std::fmt::Display| Trouble::Service(error.to_string());
    hospital.office.store.ping().await.map_err(|error| away(&error))?;
    let line = hospital.office.lines.line().await.map_err(|error| away(&error))?;
    match Consumer::subscribe(&line, queue, prefetch).await {
        Ok(consumer) => Ok((line, consumer)),
        Err(error @ SubscribeError::Away(_)) => Err(away(&error)),
        Err(error) => Err(Trouble::Queue(error.to_string())),
    }
}

async fn consume(hospital: &Arc<Hospital>, mut consumer: Consumer) -> Left {
    let (rest, ring) = (hospital.office.rest_in_hand, &*hospital.office.route.keys.seal);
    let mut hand = Hand::default();
    let mut running: JoinSet<Done> = JoinSet::new();
    let mut streak = Streak::new(Some(hospital.office.streak));
    let mut undone: Vec<Delivery> = Vec::new();
    let most = usize::from(hospital.known.config.concurrency) + 1;
    let (mut over, mut paused) = (pin!(hospital.over()), pin!(hospital.paused()));
    let left = loop {
        let closed = hospital.gate.closed(&hospital.lease);
        while closed.is_none()
            && running.len() < most
            && let Some(held) = hand.next()
        {
            begin(hospital, &mut running, &mut hand, held);
        }
        for held in hand.overdue(rest) {
            running.spawn(park_held(Arc::clone(hospital), held));
        }
        let ask_again = closed.filter(|_| !hand.is_empty()).map(|not_now| Instant::from(not_now.until));
        tokio::select! {
            biased;
            () = &mut over => break Left::Over,
            () = &mut paused => break Left::Paused,
            Some(done) = running.join_next_with_id() => {
                let class = match ended(hospital, &mut hand, done) {
                    Done::Settled(class) => class,
                    Done::Back(held) => { hand.take_back(held); continue }
                    Done::Undone(delivery) => { undone.push(delivery); break Left::NotNow }
                };
                if consumer.settle_past_stragglers().await.is_err() {
                    break Left::Ended;
                }
                if let Some(class) = streak.ended_by([class]) {
                    break Left::Streak(class);
                }
            }
            () = at(ask_again) => {}
            () = at(hand.due(rest)) => {}
            delivery = consumer.next() => match delivery {
                None => break Left::Ended,
                Some(delivery) => match Read::of(delivery, &hospital.site, ring) {
                    Read::Ours(held) => hand.take(held),
                    Read::Unread(delivery, failure) => {
                        let hospital = Arc::clone(hospital);
                        running.spawn(
                            async move { unread::dispose(&hospital, delivery, &failure, None).await },
                        );
                    }
                },
            },
        }
    };
    leave(hospital, left, consumer, hand, running, undone).await
}

fn begin(hospital: &Arc<Hospital>, running: &mut JoinSet<Done>, hand: &mut Hand, held: Held) {
    let (patient, again) = (held.message.pseudonym, held.delivery.redelivered());
    let task = running.spawn(deliver(Arc::clone(hospital), held));
    hand.begins(task.id(), patient, again);
}

fn ended(
    hospital: &Hospital,
    hand: &mut Hand,
    done: Result<(tokio::task::Id, Done), tokio::task::JoinError>,
) -> Done {
    match done {
        Ok((task, done)) => {
            hand.ended(task);
            done
        }
        Err(error) => {
            // Its delivery was dropped unsettled, which requeues it; it comes again, alone.
            hand.ended(error.id());
            tracing::error!(
                site = hospital.site,
                panicked = error.is_panic(),
                "a delivery was lost to a panic"
            );
            Done::Settled(None)
        }
    }
}

/// The hospital isn't called for so long that the delivery had better lie in the broker.
async fn park_held(hospital: Arc<Hospital>, held: Held) -> Done {
    let office = &hospital.office;
    let tier = wait::Tier::after(held.delivery.headers().waits).min(wait::Tier::M10);
    match park(&held.delivery, tier, false, &office.publisher, &office.hold).await {
        Some(receipt) => {
            held.delivery.ack(&receipt);
            Done::Settled(None)
        }
        None => Done::Undone(held.delivery),
    }
}

/// Stop dispatching, finish, record, ack, cancel, give back the rest, close the channel: in this order.
async fn leave(
    hospital: &Hospital,
    left: Left,
    mut consumer: Consumer,
    hand: Hand,
    mut running: JoinSet<Done>,
    mut undone: Vec<Delivery>,
) -> Left {
    hospital.leaving.send_replace(true);
    fault::at(Seam::Drain, None);
    let deadline = Instant::now() + hospital.office.drain.mul_f64(0.7);
    while let Ok(Some(done)) = tokio::time::timeout_at(deadline, running.join_next()).await {
        match done {
            Ok(Done::Back(held)) => undone.push(held.delivery),
            Ok(Done::Undone(delivery)) => undone.push(delivery),
            Ok(Done::Settled(_)) | Err(_) => {}
        }
        if left != Left::Ended && consumer.settle_past_stragglers().await.is_err() {
            break;
        }
    }
    running.shutdown().await;
    if left == Left::Ended {
        // The broker has taken everything back already: no late acks.
        return left;
    }
    for delivery in hand.empty().chain(undone) {
        delivery.release();
    }
    consumer.leave().await;
    left
}

/// Whether a hospital of ours is paused.
fn paused(site: &str, so: bool) {
    metrics::gauge!("epro_hospital_paused", "site" => site.to_owned()).set(if so { 1.0 } else { 0.0 });
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Pauses the hospital after too many dead letters of one class in a row; returns once that is known.
async fn pause_self(hospital: &Hospital, class: &str) {
    let (site, office) = (hospital.site.as_str(), &hospital.office);
    let reason = format!("{} dead letters of class {class} in a row", office.streak);
    tracing::error!(site, reason, "the hospital is paused: look at the dead letters, then `epro resume`");
    metrics::counter!("epro_hospital_self_paused_total", "site" => site.to_owned()).increment(1);
    tokio::select! {
        () = hospital.over() => {}
        () = async {
            crate::pauses::pause_self(&office.store, crate::pauses::HOSPITAL, site, &reason).await;
            let _ = tokio::time::timeout(crate::pauses::KNOWN_WITHIN, hospital.paused()).await;
        } => {}
    }
}
