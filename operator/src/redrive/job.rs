//! A redrive being worked at: one dead letter after the other, at its pace, until it is done or somebody ends it.
//!
//! Publish with the broker's confirm, then mark the row, in this order: what ends between the two is
//! redriven once more, and is stored once. What is marked is not published again, also by the next runner.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use epro_broker::Publisher;
use epro_schemas::seal::KeyRing;
use epro_store::audit::AuditFacts;
use epro_store::dead_letters::{DeadLetterRow, DeadLetterState, Filter, Mark};
use epro_store::redrives::{self, Item, NewRedrive, Next};
use epro_store::{AuditChain, Store};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::message::{self, Away, FollowsOn};
use crate::deed;
use crate::outside::Outside;

/// Dead letters a second, unless an operator says otherwise.
pub(crate) const RATE: u32 = 50;
/// Dead letters in one redrive, unless an operator says otherwise.
pub(crate) const LIMIT: u32 = 5_000;

/// Why a runner stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Each of its dead letters has had its turn.
    Done,
    /// It was cancelled, or another runner has taken it over.
    Stopped,
}

/// Somebody who makes redrives, and works at them.
pub(crate) struct Runner {
    store: Store,
    publisher: Publisher,
    ring: Arc<KeyRing>,
    chain: AuditChain,
    by: AuditFacts,
    id: Uuid,
}

impl Runner {
    pub(crate) fn new(outside: &Outside<'_>, by: impl Into<AuditFacts>) -> anyhow::Result<Self> {
        let ring = outside.config.keys.ring().map_err(crate::outside::Misconfigured)?;
        Self::over(outside.store()?, outside, Arc::new(ring), by)
    }

    /// The same over connections and with keys that others use as well.
    pub(crate) fn over(
        store: Store,
        outside: &Outside<'_>,
        ring: Arc<KeyRing>,
        by: impl Into<AuditFacts>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            store,
            publisher: outside.publisher()?,
            ring,
            chain: deed::chain(),
            by: by.into(),
            id: Uuid::now_v7(),
        })
    }

    /// Who makes them.
    pub(crate) fn by(&self) -> AuditFacts {
        self.by.clone()
    }

    /// Makes a redrive of what the filter finds now. `None`: it finds nothing.
    pub(crate) async fn create(
        &mut self,
        filter: &Filter,
        rate: u32,
        reason: &str,
    ) -> anyhow::Result<Option<i64>> {
        let rate = i32::try_from(rate).context("the rate")?;
        let wanted = NewRedrive { filter, rate, by: &self.by, reason, runner: self.id };
        Ok(self.store.create_redrive(&mut self.chain, &wanted).await?)
    }

    /// Takes over a redrive that was cancelled, or whose runner died. `false`: it is done, or there is none.
    pub(crate) async fn resume(&mut self, redrive: i64, reason: &str) -> anyhow::Result<bool> {
        Ok(self.store.resume_redrive(&mut self.chain, redrive, self.id, (&self.by, reason)).await?)
    }

    /// Works at a redrive until it ends. An error means that RabbitMQ or PostgreSQL doesn't answer: what waits goes
    /// on waiting, and the redrive can be resumed.
    pub(crate) async fn run(&mut self, redrive: i64) -> anyhow::Result<Ended> {
        let status = self.store.redrive(redrive).await?.context("there is no such redrive")?;
        let rate = u32::try_from(status.rate).unwrap_or(RATE).max(1);
        let mut pace = interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.store.next_of_redrive(redrive, self.id).await? {
                Next::Item(item) => {
                    pace.tick().await;
                    self.step(redrive, &status.reason, item).await?;
                }
                Next::Done => return Ok(Ended::Done),
                Next::Stopped => return Ok(Ended::Stopped),
            }
        }
    }

    async fn step(&mut self, redrive: i64, reason: &str, item: Item) -> anyhow::Result<()> {
        let Some(found) = self.store.dead_letter(item.id).await? else {
            return self.leave(redrive, item.id, false, "there is no such dead letter".into()).await;
        };
        if found.summary.state != DeadLetterState::Open {
            let outcome = found.summary.settled_at.map_or_else(String::new, redrives::settled_already);
            return self.leave(redrive, item.id, true, outcome).await;
        }
        if found.summary.times != item.times {
            let outcome = "it failed again since the redrive was made: it stays open".into();
            return self.leave(redrive, item.id, false, outcome).await;
        }
        match self.redrive(redrive, reason, found).await {
            Err(error) if !error.is::<Away>() && !error.is::<epro_store::StoreError>() => {
                self.leave(redrive, item.id, false, format!("not redriven: {error:#}")).await
            }
            done => done,
        }
    }

    async fn leave(&self, redrive: i64, id: i64, settled: bool, outcome: String) -> anyhow::Result<()> {
        Ok(self.store.not_redriven(redrive, id, settled, outcome).await?)
    }

    async fn redrive(&mut self, redrive: i64, reason: &str, found: DeadLetterRow) -> anyhow::Result<()> {
        let seen = found.summary.clone();
        let mut message = message::of(&self.ring, found, self.by.trace_id.as_deref())?;
        let why = (&self.by, reason);
        let follows = message::renew(&self.ring, &self.store, &mut self.chain, why, &mut message).await?;
        let outcome = match &follows {
            FollowsOn::Over(state) => format!("it is {state}: nothing to publish"),
            FollowsOn::None | FollowsOn::Renewed(_) => {
                message::publish(&self.publisher, message).await?;
                format!("redriven to {}", seen.queue)
            }
        };
        crate::fault::at_redrive().await;
        let published = !matches!(follows, FollowsOn::Over(_));
        let follow_on = match &follows {
            FollowsOn::Renewed(follow_on) => Some(follow_on),
            FollowsOn::None | FollowsOn::Over(_) => None,
        };
        let (by, redrive_id, outcome) = (&self.by, redrive, outcome.as_str());
        let mark = Mark { redrive_id, seen: &seen, by, reason, published, follow_on, outcome };
        self.store.mark_redriven(&mut self.chain, &mark).await?;
        Ok(())
    }
}
