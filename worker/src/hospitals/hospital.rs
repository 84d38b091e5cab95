//! One hospital while its lease is ours, and what all of them share.

use std::sync::Arc;
use std::time::Duration;

use epro_broker::Publisher;
use epro_process::config::{HospitalConfig, Protocol};
use epro_process::shutdown::Shutdown;
use epro_store::Store;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::caller::Caller;
use super::clock::Clock;
use super::gate::{Gate, Measures};
use super::lease::Lease;
use super::lines::Lines;
use super::verdict::Budget;
use crate::chains::Chains;
use crate::hold::Hold;
use crate::pauses::Paused;
use crate::starts::Starts;
use crate::submissions::route::Route;

/// What the lane works with, whichever the hospital.
pub(crate) struct Office {
    pub store: Store,
    /// The same with a connection of its own, so that no rush of calls delays a renewal.
    pub leases: Store,
    pub publisher: Publisher,
    pub route: Arc<Route>,
    pub lines: Lines,
    pub chains: Chains,
    pub starts: Starts,
    pub hold: Hold,
    pub paused: watch::Receiver<Option<Paused>>,
    pub shutdown: Shutdown,
    /// This replica, a new id for every start of the process.
    pub owner: Uuid,
    /// How long a delivery rests in hand while its hospital isn't called. Scaled.
    pub rest_in_hand: Duration,
    /// How long a delivery may wait for a key or an instrument. Scaled.
    pub wait_budget: Duration,
    /// Dead letters of one class in a row after which a hospital is paused.
    pub streak: u32,
    /// How long leaving may take.
    pub drain: Duration,
    /// As configured, for the breakers' sleep and the deliveries' age.
    pub time_scale: f64,
    /// How long a report is kept after its deadline. Scaled.
    pub keep_reports: Duration,
    /// Most pages that are read of one search.
    pub pages: u32,
}

/// A hospital that may be configured here.
pub(crate) struct Known {
    pub config: HospitalConfig,
    pub caller: Caller,
}

/// A hospital while its lease is ours. Another lease is another value, with an empty bucket.
pub(crate) struct Hospital {
    pub site: String,
    pub known: Arc<Known>,
    pub gate: Arc<Gate>,
    pub lease: Lease,
    /// Of the lease.
    pub term: i64,
    pub budget: Budget,
    pub office: Arc<Office>,
    /// One delivery at a time is looked up and waits for its call, so that what is looked up is fresh.
    pub turn: Mutex<()>,
    /// Nothing new is begun.
    pub leaving: watch::Sender<bool>,
}

impl Hospital {
    /// Takes it over.
    pub(crate) fn new(
        site: String,
        known: Arc<Known>,
        lease: Lease,
        term: i64,
        office: Arc<Office>,
    ) -> Arc<Self> {
        let config = &known.config;
        let scaled = |duration: Duration| duration.mul_f64(office.time_scale);
        let mut breaker = config.breaker;
        breaker.sleep = scaled(breaker.sleep);
        let measures = Measures {
            calls_per_second: config.calls_per_second,
            concurrency: config.concurrency,
            query_share: config.query_share,
            breaker,
        };
        Arc::new(Self {
            gate: Gate::new(measures, Clock::monotonic()),
            budget: Budget { attempts: config.attempts, age: scaled(config.age) },
            site,
            known,
            lease,
            term,
            office,
            turn: Mutex::new(()),
            leaving: watch::Sender::new(false),
        })
    }

    /// Unacked deliveries that the broker hands out: enough to keep the pace, few to be held.
    pub(crate) fn prefetch(&self) -> u16 {
        (2 * self.known.config.concurrency).clamp(8, 16)
    }

    /// Whether it speaks HL7, whose AR may concern every message.
    pub(crate) fn speaks_hl7(&self) -> bool {
        matches!(self.known.config.protocol, Protocol::Hl7v2(_))
    }

    /// What it speaks.
    pub(crate) fn protocol(&self) -> &'static str {
        if self.speaks_hl7() { "hl7v2" } else { "fhir" }
    }

    /// Resolves once nothing new may be begun.
    pub(crate) async fn left(&self) {
        let mut leaving = self.leaving.subscribe();
        // The sender lives in self.
        let _ = leaving.wait_for(|leaving| *leaving).await;
    }

    /// Does `work`, unless the lane leaves before it is done.
    pub(crate) async fn unless_left<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.left() => None,
            done = work => Some(done),
        }
    }

    /// Resolves once this process may do nothing more for it: the lease is lost, or the process drains.
    pub(crate) async fn over(&self) {
        tokio::select! {
            () = self.lease.lost() => {}
            () = self.office.shutdown.requested() => {}
        }
    }

    /// Why it is paused, if it is; `None`: nobody knows yet.
    pub(crate) fn is_paused(&self) -> Option<Option<String>> {
        self.office.paused.borrow().as_ref().map(|paused| paused.hospital(&self.site))
    }

    /// Resolves once it is paused.
    pub(crate) async fn paused(&self) {
        let mut paused = self.office.paused.clone();
        let is_paused = |paused: &Option<Paused>| {
            paused.as_ref().is_some_and(|paused| paused.hospital(&self.site).is_some())
        };
        if paused.wait_for(is_paused).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves once it is known that it isn't paused.
    pub(crate) async fn resumed(&self) {
        let mut paused = self.office.paused.clone();
        let goes_on = |paused: &Option<Paused>| {
            paused.as_ref().is_some_and(|paused| paused.hospital(&self.site).is_none())
        };
        if paused.wait_for(goes_on).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
