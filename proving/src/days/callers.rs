//! Submissions that are stored for hospitals, and replicas that call them.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::client::phq9;
use crate::database::Link;
use crate::hand::Hand;
use crate::service::Service;
use crate::stack::Stack;
use crate::until;

const STUDY: &str = "ONC-301";
/// How long anything here may take.
const BOUND: Duration = Duration::from_secs(120);

/// A stack whose submissions are stored; who calls is the day's matter.
pub(super) struct Callers {
    pub(super) stack: Stack,
    pub(super) link: Link,
    hand: Hand,
    pub(super) running: Vec<Service>,
}

impl Callers {
    pub(super) async fn on(stack: Stack) -> Result<Self> {
        let (link, hand) = (stack.database().connect().await?, Hand::on(&stack).await?);
        Ok(Self { stack, link, hand, running: Vec::new() })
    }

    /// One more replica, ready.
    pub(super) async fn add(&mut self) -> Result<()> {
        let mut caller = self.stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[hospitals]")])?;
        caller.ready().await?;
        self.running.push(caller);
        Ok(())
    }

    /// Puts that many submissions of a site into the intake queue.
    pub(super) async fn send(&self, site: &str, count: usize) -> Result<()> {
        let some: Vec<Value> = (0..count).map(|_| phq9(STUDY, site)).collect();
        self.hand.put_all("epro.submissions.routine", "P-1", &some).await
    }

    /// Waits until so many deliveries of a site are there, in whatever state.
    pub(super) async fn stored(&self, site: &str, count: usize) -> Result<()> {
        let sql = format!("SELECT count(*) FROM ops.delivery WHERE site_id = '{site}'");
        self.counts(&sql, count as i64, BOUND).await
    }

    /// Waits until so many deliveries of a site are done.
    pub(super) async fn done(&self, site: &str, count: usize, bound: Duration) -> Result<()> {
        let sql = format!("SELECT count(*) FROM ops.delivery WHERE site_id = '{site}' AND state = 'done'");
        self.counts(&sql, count as i64, bound).await
    }

    async fn counts(&self, sql: &str, wanted: i64, bound: Duration) -> Result<()> {
        until(&format!("{sql} to give {wanted}"), bound, || async {
            Ok((self.link.count(sql).await? == wanted).then_some(()))
        })
        .await
    }

    /// The place among the running ones of the holder of a site's lease.
    pub(super) async fn owner(&self, site: &str) -> Result<usize> {
        let sql = format!(
            "SELECT owner::text FROM ops.lease
             WHERE kind = 'hospital' AND key = '{site}' AND until > clock_timestamp()"
        );
        until(&format!("somebody to own {site}"), BOUND, || async {
            let row = self.link.client.query_opt(&sql, &[]).await?;
            let owner: Option<String> = row.and_then(|row| row.get(0));
            Ok(owner.and_then(|owner| self.running.iter().position(|one| one.output().contains(&owner))))
        })
        .await
    }

    /// Takes the owner of a site out of the running ones.
    pub(super) async fn take_owner(&mut self, site: &str) -> Result<Service> {
        let place = self.owner(site).await?;
        Ok(self.running.swap_remove(place))
    }

    /// Open dead letters.
    pub(super) async fn dead(&self) -> Result<f64> {
        self.number("SELECT count(*) FROM ops.dead_letter WHERE state = 'open'").await
    }

    /// Charged attempts at deliveries to a site.
    pub(super) async fn charged(&self, site: &str) -> Result<f64> {
        let sum = "SELECT COALESCE(sum(attempts), 0)::bigint FROM ops.delivery";
        self.number(&format!("{sum} WHERE site_id = '{site}'")).await
    }

    async fn number(&self, sql: &str) -> Result<f64> {
        Ok(self.link.count(sql).await.with_context(|| sql.to_owned())? as f64)
    }
}
