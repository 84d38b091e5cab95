//! The loop of one hospital's query queue, beside that of its deliveries: next job | job done | leave.
//!
//! A job asks for a report: [`collect`] fetches what the hospital knows, under the deadline that the job came with.

mod collect;
mod fetch;
mod finish;
mod job;
mod time_left;
mod unread;

use std::pin::pin;
use std::sync::Arc;

use epro_broker::{Consumer, Delivery, topology};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::hospital::Hospital;
use super::lane;
use crate::backoff;
use crate::fault::{self, Seam};

/// Jobs under way at once. Each waits for the hospital most of its time.
const PREFETCH: u16 = 8;

/// What became of a job.
enum Done {
    /// It is settled.
    Settled,
    /// It can't be settled now.
    Undone(Delivery),
}

/// Why the queue was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Over,
    Ended,
    Paused,
    NotNow,
}

/// What the jobs of one subscription share.
struct Desk {
    hospital: Arc<Hospital>,
    /// Nothing new is begun, nothing is waited for.
    leaving: watch::Sender<bool>,
    /// Held by a job that was handed out before: one that ends the process is told from its neighbours.
    again: Mutex<()>,
}

impl Desk {
    /// Does `work`, unless the queue is left before it is done.
    async fn unless_left<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut leaving = self.leaving.subscribe();
        tokio::select! {
            biased;
            // The sender lives in self.
            _ = leaving.wait_for(|leaving| *leaving) => None,
            done = work => Some(done),
        }
    }
}

/// Consumes the query queue until the lease is lost or the process drains.
pub(super) async fn run(hospital: &Arc<Hospital>) {
    let queue = topology::query(&hospital.site);
    loop {
        let (line, consumer) = tokio::select! {
            biased;
            () = hospital.over() => return,
            subscribed = lane::subscribe(hospital, &queue, PREFETCH) => subscribed,
        };
        let left = consume(hospital, consumer).await;
        drop(line);
        tracing::debug!(site = hospital.site, ?left, "left the hospital's query queue");
        match left {
            Left::Over => return,
            Left::Ended | Left::Paused => {}
            Left::NotNow => tokio::time::sleep(backoff::LONGEST / 4).await,
        }
    }
}

async fn consume(hospital: &Arc<Hospital>, mut consumer: Consumer) -> Left {
    let (leaving, again) = (watch::Sender::new(false), Mutex::default());
    let desk = Arc::new(Desk { hospital: Arc::clone(hospital), leaving, again });
    let mut running: JoinSet<Done> = JoinSet::new();
    let mut undone = Vec::new();
    let (mut over, mut paused) = (pin!(hospital.over()), pin!(hospital.paused()));
    let left = loop {
        tokio::select! {
            biased;
            () = &mut over => break Left::Over,
            () = &mut paused => break Left::Paused,
            Some(done) = running.join_next() => {
                match done {
                    Ok(Done::Settled) => {}
                    Ok(Done::Undone(delivery)) => { undone.push(delivery); break Left::NotNow }
                    // Its delivery was dropped unsettled, which requeues it; it comes again, alone.
                    Err(_) => tracing::error!(site = hospital.site, "a job was lost to a panic"),
                }
                if consumer.settle_past_stragglers().await.is_err() {
                    break Left::Ended;
                }
            }
            // The prefetch bounds what is under way.
            delivery = consumer.next() => match delivery {
                Some(delivery) => { running.spawn(job::answer(Arc::clone(&desk), delivery)); }
                None => break Left::Ended,
            },
        }
    };
    leave(&desk, left, consumer, running, undone).await
}

/// Stop dispatching, finish or give up, ack, cancel, give back the rest, close the channel: in this order.
async fn leave(
    desk: &Desk,
    left: Left,
    mut consumer: Consumer,
    mut running: JoinSet<Done>,
    mut undone: Vec<Delivery>,
) -> Left {
    desk.leaving.send_replace(true);
    fault::at(Seam::Drain, None);
    let deadline = Instant::now() + desk.hospital.office.drain.mul_f64(0.7);
    while let Ok(Some(done)) = tokio::time::timeout_at(deadline, running.join_next()).await {
        if let Ok(Done::Undone(delivery)) = done {
            undone.push(delivery);
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
    for delivery in undone {
        delivery.release();
    }
    consumer.leave().await;
    left
}
