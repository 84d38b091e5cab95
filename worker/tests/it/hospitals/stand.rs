//! Three hospitals, a worker that stores for them, and as many that call them as a test wants.

use std::collections::BTreeMap;

use epro_proving::client::phq9;
use epro_proving::database::Link;
use epro_proving::{Hand, Service, Stack, until};
use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::{BOUND, ROUTINE, STUDY, counts, link, with};

pub(crate) const ONE: &str = "H001";
pub(crate) const TWO: &str = "H002";
pub(crate) const THREE: &str = "H003";

pub(crate) struct Stand {
    pub(crate) stack: Stack,
    pub(crate) link: Link,
    pub(crate) hand: Hand,
    desks: BTreeMap<&'static str, Desk>,
    _storing: Service,
}

/// A patient and the submission of that patient.
pub(crate) type Sent = (String, Value);

impl Stand {
    /// A stand in a hurry: what takes a second takes ten milliseconds. `hospital` is laid over the
    /// configuration of each.
    pub(crate) async fn new(hospital: Value) -> Self {
        Self::paced(0.01, hospital).await
    }

    pub(crate) async fn paced(time_scale: f64, hospital: Value) -> Self {
        let mut desks = BTreeMap::new();
        let mut hospitals = json!({});
        for site in [ONE, TWO, THREE] {
            let desk = Desk::open().await;
            hospitals[site] = json!({"protocol": "fhir", "url": desk.url(), "calls_per_second": 100.0});
            for (key, value) in hospital.as_object().into_iter().flatten() {
                hospitals[site][key] = value.clone();
            }
            desks.insert(site, desk);
        }
        let stack = with(json!({"time_scale": time_scale, "hospitals": hospitals})).await;
        let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
        let storing = stack.worker().await.unwrap();
        Self { stack, link, hand, desks, _storing: storing }
    }

    pub(crate) fn desk(&self, site: &str) -> &Desk {
        &self.desks[site]
    }

    /// Another worker, which calls hospitals.
    pub(crate) async fn caller(&self) -> Service {
        let mut caller = self.caller_with(&[]);
        caller.ready().await.unwrap();
        caller
    }

    /// The same with more environment, not waited for.
    pub(crate) fn caller_with(&self, env: &[(&str, &str)]) -> Service {
        let lane = [("EPRO__WORKER__LANES", "[hospitals]")];
        let env: Vec<_> = lane.into_iter().chain(env.iter().copied()).collect();
        self.stack.spawn("epro-worker", &env).unwrap()
    }

    /// Stores that many submissions of that many patients for a site.
    pub(crate) async fn store(&self, site: &str, count: usize) -> Vec<Sent> {
        let mut sent = Vec::new();
        for _ in 0..count {
            let submission = phq9(STUDY, site);
            let patient = format!("P-{}", &submission["submission_id"].as_str().unwrap()[24..]);
            self.put(&patient, &submission).await;
            sent.push((patient, submission));
        }
        for (_, submission) in &sent {
            self.stored(submission).await;
        }
        sent
    }

    /// Puts one submission into the queue of the storing worker.
    pub(crate) async fn put(&self, patient: &str, submission: &Value) {
        self.hand.put(ROUTINE, patient, submission).await.unwrap();
    }

    /// Waits until it has a delivery.
    pub(crate) async fn stored(&self, submission: &Value) {
        let id = submission["submission_id"].as_str().unwrap();
        counts(&self.link, &format!("SELECT count(*) FROM ops.delivery WHERE submission_id = '{id}'"), 1)
            .await;
    }

    /// Waits until so many deliveries of a site are in that state.
    pub(crate) async fn are(&self, site: &str, state: &str, count: i64) {
        let sql = format!("SELECT count(*) FROM ops.delivery WHERE site_id = '{site}' AND state = '{state}'");
        counts(&self.link, &sql, count).await;
    }

    /// Waits until the desk of a site has been called more often than that.
    pub(crate) async fn called(&self, site: &str, more_than: usize) {
        until(&format!("{site} to be called more than {more_than} times"), BOUND, || async {
            Ok((self.desk(site).calls().len() > more_than).then_some(()))
        })
        .await
        .unwrap();
    }

    /// Waits until the gate of a site is said to be in that state.
    pub(crate) async fn gate(&self, site: &str, gates: &str) {
        let sql = format!(
            "SELECT count(*) FROM ops.hospital_state WHERE site_id = '{site}' AND gate = ANY ('{{{gates}}}')"
        );
        counts(&self.link, &sql, 1).await;
    }

    /// One number out of the database.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.link.count(sql).await.unwrap()
    }

    /// Charged tries, over all deliveries.
    pub(crate) async fn charged(&self) -> i64 {
        self.number("SELECT COALESCE(sum(attempts), 0)::bigint FROM ops.delivery").await
    }

    /// Open dead letters.
    pub(crate) async fn dead(&self) -> i64 {
        self.number("SELECT count(*) FROM ops.dead_letter WHERE state = 'open'").await
    }

    /// What became of the calls about a submission, in their order.
    pub(crate) async fn outcomes(&self, submission: &Value) -> Vec<String> {
        let id = submission["submission_id"].as_str().unwrap();
        let sql = format!(
            "SELECT outcome FROM ops.delivery_attempt WHERE submission_id = '{id}' ORDER BY delivery_attempt.id"
        );
        self.link.client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Which of these holds the lease of a site, once one does.
    pub(crate) async fn owner(&self, site: &str, callers: &[&Service]) -> usize {
        until(&format!("somebody to own {site}"), BOUND, || async {
            let sql = format!(
                "SELECT owner::text FROM ops.lease
                 WHERE kind = 'hospital' AND key = '{site}' AND until > clock_timestamp()"
            );
            let row = self.link.client.query_opt(&sql, &[]).await?;
            let owner: Option<String> = row.and_then(|row| row.get(0));
            Ok(owner.and_then(|owner| callers.iter().position(|caller| caller.output().contains(&owner))))
        })
        .await
        .unwrap()
    }
}
