//! Telling people of one alert: marked before, sent, recorded after.

use std::time::Duration;

use epro_process::config::{AlertsConfig, Config};
use epro_process::traces::Context;
use epro_store::alerts::{Claim, Outcome, Target};
use epro_store::follow_ons::AlertFollowOn;
use epro_store::{Committed, Store, StoreError};
use uuid::Uuid;

use super::ANSWER;
use super::channels::{Channels, Way};
use super::ladder::{Ladder, level_of};
use super::memory::Memory;
use super::notice::{self, Notice};
use crate::chains::Chains;
use crate::fault::{self, Seam};
use crate::seldom::Seldom;

/// A channel that is dead fails for every alert.
static FAILED: Seldom = Seldom::new();
static NOBODY: Seldom = Seldom::new();

/// Tells people, and writes down that it did.
pub(crate) struct Teller {
    /// A pool of its own: whatever burns elsewhere, an alert waits for no connection.
    pub(crate) store: Store,
    config: AlertsConfig,
    channels: Channels,
    ladder: Ladder,
    memory: Memory,
    chains: Chains,
    claim: Duration,
}

impl Teller {
    /// One for the whole process.
    pub(crate) fn new(config: &Config, channels: Channels, store: Store) -> Self {
        let alerts = config.alerts.clone();
        let timeouts = [alerts.smtp.as_ref().map(|c| c.timeout), alerts.sms.as_ref().map(|c| c.timeout)];
        let longest = timeouts.into_iter().flatten().max().unwrap_or_default();
        // Its turn, the sending itself, and marking and recording.
        let claim = 2 * longest + Duration::from_secs(5);
        let ladder = Ladder { escalation: config.scaled(alerts.escalation), scale: config.time_scale };
        let (memory, chains) = (Memory::default(), Chains::new("epro-worker/notices"));
        Self { store, config: alerts, channels, ladder, memory, chains, claim }
    }

    /// What was told elsewhere and isn't recorded.
    pub(super) fn remember(&self, alert: Uuid, told: &[Target]) {
        self.memory.add(alert, told);
    }

    /// Records what a parked message says that it told.
    pub(super) async fn record_told(&self, alert: Uuid, told: &[Target]) -> Result<(), StoreError> {
        if told.is_empty() {
            return Ok(());
        }
        let sent: Vec<Outcome> =
            told.iter().map(|target| Outcome { target: target.clone(), error: None }).collect();
        self.store.record_notices(alert, &sent).await.map(drop)
    }

    /// Claims this alert, if it is due.
    pub(super) async fn claim(
        &self,
        alert: &AlertFollowOn,
    ) -> Result<(Committed, Option<Claim>), StoreError> {
        self.store.claim_alert(alert, self.claim).await
    }

    /// Claims up to so many alerts that are due.
    pub(super) async fn claim_due(&self, limit: u32) -> Result<Vec<Claim>, StoreError> {
        self.store.claim_due_alerts(self.claim, limit).await
    }

    /// Tells whoever is to be told of a claimed alert now, and records it.
    pub(super) async fn tell(&self, claim: Claim, within: Option<Context>) -> Result<Committed, StoreError> {
        let alert = &claim.alert;
        let people = self.config.people_of(&alert.site_id);
        let step = self.ladder.step(people, &claim);
        let ways = self.channels.ways(people.iter().filter(|person| level_of(person) <= step.level));
        if ways.is_empty() {
            self.nobody(alert);
            let next = self.ladder.nobody(step.level);
            return self.store.finish_claim(self.chains.take().await.chain(), &claim, &[], next).await;
        }
        let sent_before = |way: &Way<'_>| {
            let target = way.target();
            claim.notices.iter().any(|notice| notice.sent && notice.target == target)
        };
        let open: Vec<Way<'_>> = ways.into_iter().filter(|way| !sent_before(way)).collect();
        let notice = notice::of_alert(alert, claim.withdrawn, &self.config);
        let outcomes = self.send_marked(&claim, &notice, &open, within).await;
        self.measure(&claim, &open, &outcomes);
        let failed = outcomes.iter().filter(|outcome| outcome.error.is_some());
        let tries = failed.map(|outcome| 1 + tries_before(&claim, &outcome.target)).max();
        let next = self.ladder.next(step, tries);
        let mut chain = self.chains.take().await;
        let receipt = self.store.finish_claim(chain.chain(), &claim, &outcomes, next).await?;
        drop(chain);
        self.memory.forget(alert.alert_id);
        fault::at(Seam::NoticeRecorded, Some(alert.submission_id));
        Ok(receipt)
    }

    /// Marks, sends, and gives what became of each; what is remembered as told isn't sent again.
    async fn send_marked(
        &self,
        claim: &Claim,
        notice: &Notice,
        ways: &[Way<'_>],
        within: Option<Context>,
    ) -> Vec<Outcome> {
        let (about, submission) = (claim.alert.alert_id, claim.alert.submission_id);
        let remembered = self.memory.of(about);
        let told = |way: &Way<'_>| remembered.contains(&way.target());
        let mut outcomes: Vec<Outcome> = ways
            .iter()
            .filter(|way| told(way))
            .map(|way| Outcome { target: way.target(), error: None })
            .collect();
        let mut open: Vec<Way<'_>> = ways.iter().copied().filter(|way| !told(way)).collect();
        if open.is_empty() {
            return outcomes;
        }
        let targets: Vec<Target> = open.iter().map(Way::target).collect();
        let begun = tokio::time::timeout(ANSWER, self.store.begin_notices(about, &targets)).await;
        match begun.unwrap_or(Err(StoreError::SILENT)) {
            Ok(begun) => open.retain(|way| begun.contains(&way.target())),
            // A human hears of it whether or not that can be written down.
            Err(error) => tracing::debug!(%error, "notices can't be marked now, sending them all the same"),
        }
        fault::at(Seam::BeforeNotice, Some(submission));
        outcomes.extend(self.send(about, notice, &open, within).await);
        fault::at(Seam::AfterNotice, Some(submission));
        outcomes
    }

    /// Sends and remembers; says seldom that a channel fails.
    async fn send(
        &self,
        about: Uuid,
        notice: &Notice,
        ways: &[Way<'_>],
        within: Option<Context>,
    ) -> Vec<Outcome> {
        let outcomes = self.channels.send(notice, ways, within).await;
        let sent = outcomes.iter().filter(|outcome| outcome.error.is_none());
        self.memory.add(about, &sent.map(|outcome| outcome.target.clone()).collect::<Vec<_>>());
        for outcome in &outcomes {
            if let Some(error) = &outcome.error
                && FAILED.is_due()
            {
                let Target { channel, recipient } = &outcome.target;
                tracing::warn!(channel, recipient, error, "a notice could not be sent, it is tried again");
            }
        }
        outcomes
    }

    /// With PostgreSQL away: tells the people of the first level, unless that is remembered. Gives all who
    /// have been told by now.
    pub(super) async fn tell_unwritten(&self, alert: &AlertFollowOn, within: Option<Context>) -> Vec<Target> {
        let people = self.config.people_of(&alert.site_id);
        let first = people.iter().map(level_of).min().unwrap_or_default();
        let remembered = self.memory.of(alert.alert_id);
        let ways = self.channels.ways(people.iter().filter(|person| level_of(person) == first));
        if ways.is_empty() {
            self.nobody(alert);
        }
        let open: Vec<Way<'_>> = ways.into_iter().filter(|way| !remembered.contains(&way.target())).collect();
        let notice = notice::of_alert(alert, false, &self.config);
        fault::at(Seam::BeforeNotice, Some(alert.submission_id));
        self.send(alert.alert_id, &notice, &open, within).await;
        fault::at(Seam::AfterNotice, Some(alert.submission_id));
        self.memory.of(alert.alert_id)
    }

    /// Tells every operator by every channel, those who weren't told before. Whether all are told by now.
    pub(crate) async fn tell_operators(&self, notice: &Notice) -> Result<bool, StoreError> {
        let mut ways = self.channels.ways(&self.config.operators);
        let targets: Vec<Target> = ways.iter().map(Way::target).collect();
        if !targets.is_empty() {
            let begun = self.store.begin_notices(notice.about, &targets).await?;
            ways.retain(|way| begun.contains(&way.target()));
        }
        if ways.is_empty() {
            return Ok(true);
        }
        let outcomes = self.channels.send(notice, &ways, None).await;
        self.store.record_notices(notice.about, &outcomes).await?;
        Ok(outcomes.iter().all(|outcome| outcome.error.is_none()))
    }

    /// The same where that can't be written down: it is remembered who was told.
    pub(crate) async fn tell_operators_unwritten(&self, notice: &Notice) -> bool {
        let remembered = self.memory.of(notice.about);
        let mut ways = self.channels.ways(&self.config.operators);
        ways.retain(|way| !remembered.contains(&way.target()));
        let outcomes = self.send(notice.about, notice, &ways, None).await;
        let all = outcomes.iter().all(|outcome| outcome.error.is_none());
        if all {
            self.memory.forget(notice.about);
        }
        all
    }

    fn nobody(&self, alert: &AlertFollowOn) {
        metrics::counter!("epro_alerts_unaddressed_total", "site" => alert.site_id.clone()).increment(1);
        if NOBODY.is_due() {
            let site = &alert.site_id;
            tracing::error!(
                site,
                "an alert has nobody to be told: configure alerts.recipients and a channel"
            );
        }
    }

    /// From the receipt of the submission to the channel's word that it has the notice.
    fn measure(&self, claim: &Claim, ways: &[Way<'_>], outcomes: &[Outcome]) {
        for outcome in outcomes.iter().filter(|outcome| outcome.error.is_none()) {
            let way = ways.iter().find(|way| way.target() == outcome.target);
            let first = way.is_some_and(|way| way.person().level == 1);
            if first {
                let age = notice::age(&claim.alert, claim.created_at);
                metrics::histogram!("epro_alert_notice_seconds", "channel" => outcome.target.channel.clone())
                    .record(age.as_secs_f64());
            }
        }
    }
}

fn tries_before(claim: &Claim, target: &Target) -> i32 {
    claim.notices.iter().find(|notice| notice.target == *target).map_or(0, |notice| notice.tries)
}
