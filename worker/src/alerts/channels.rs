//! The ways to people: mail and text messages, whichever are configured.

use std::time::Duration;

use epro_process::config::{AlertsConfig, Config, Lane, Person, Problem};
use epro_process::traces::{Context, conventions};
use epro_schemas::alert::notice_id;
use epro_store::alerts::{Outcome, Target};
use futures_util::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::email::Email;
use super::notice::Notice;
use super::sms::Sms;

/// A way to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Mail.
    Email,
    /// Text messages.
    Sms,
}

impl Channel {
    /// Its word in tables and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

/// Notices that one channel is given at the same time: mail servers count connections. Those that wait for
/// one that is dead hold up no other channel.
const AT_ONCE: usize = 16;

/// The channels that are configured.
pub(crate) struct Channels {
    email: Option<Email>,
    sms: Option<Sms>,
    emails: Semaphore,
    texts: Semaphore,
}

/// One person by one channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'p> {
    channel: Channel,
    person: &'p Person,
    address: &'p str,
}

impl Way<'_> {
    /// As it is written down.
    pub(crate) fn target(&self) -> Target {
        Target { channel: self.channel.as_str().to_owned(), recipient: self.person.name.clone() }
    }

    /// Who it leads to.
    pub(crate) fn person(&self) -> &Person {
        self.person
    }
}

impl Channels {
    /// As configured, with every problem of the files at once; a process that tells nobody reads none of them.
    pub(crate) fn new(config: &Config) -> Result<Self, Vec<Problem>> {
        let tells = config.worker.lanes.contains(&Lane::Alerts);
        let config = Some(&config.alerts).filter(|_| tells);
        let mut problems = config.map(AlertsConfig::unusable).unwrap_or_default();
        let email = config.and_then(|config| config.smtp.as_ref()).map(Email::new).transpose();
        let sms = config.and_then(|config| config.sms.as_ref()).map(Sms::new).transpose();
        let email = email.map_err(|mut more| problems.append(&mut more));
        let sms = sms.map_err(|mut more| problems.append(&mut more));
        problems.sort();
        problems.dedup_by(|later, earlier| later.path == earlier.path);
        match (email, sms) {
            (Ok(email), Ok(sms)) if problems.is_empty() => {
                Ok(Self { email, sms, emails: Semaphore::new(AT_ONCE), texts: Semaphore::new(AT_ONCE) })
            }
            _ => Err(problems),
        }
    }

    /// Every way to these people.
    pub(crate) fn ways<'p>(&self, people: impl IntoIterator<Item = &'p Person>) -> Vec<Way<'p>> {
        let way = |channel, person, address: &'p Option<String>| {
            address.as_deref().map(|address| Way { channel, person, address })
        };
        let each = |person: &'p Person| {
            let email = self.email.as_ref().and_then(|_| way(Channel::Email, person, &person.email));
            let sms = self.sms.as_ref().and_then(|_| way(Channel::Sms, person, &person.phone));
            [email, sms].into_iter().flatten()
        };
        people.into_iter().flat_map(each).collect()
    }

    /// Sends the notice by all of these ways at once, each within its channel's timeout, and as long again in
    /// which it may have to wait for others.
    pub(crate) async fn send(
        &self,
        notice: &Notice,
        ways: &[Way<'_>],
        within: Option<Context>,
    ) -> Vec<Outcome> {
        let sent = ways.iter().map(async |way| {
            let mut span = conventions::notice(within, way.channel.as_str());
            let error = self.send_one(notice, way).await.err();
            let outcome = if error.is_none() { "sent" } else { "failed" };
            if error.is_some() {
                span.failed(outcome);
            }
            metrics::counter!("epro_notices_total", "channel" => way.channel.as_str(), "outcome" => outcome)
                .increment(1);
            Outcome { target: way.target(), error }
        });
        join_all(sent).await
    }

    async fn send_one(&self, notice: &Notice, way: &Way<'_>) -> Result<(), String> {
        let id: Uuid = notice_id(notice.about, way.channel.as_str(), &way.person.name);
        match (way.channel, &self.email, &self.sms) {
            (Channel::Email, Some(email), _) => {
                let _turn = turn(&self.emails, email.timeout()).await?;
                email.send(id, way.address, notice).await
            }
            (Channel::Sms, _, Some(sms)) => {
                let _turn = turn(&self.texts, sms.timeout()).await?;
                sms.send(id, way.address, &notice.short).await
            }
            _ => Err("not configured".to_owned()),
        }
    }
}

async fn turn(turns: &Semaphore, within: Duration) -> Result<SemaphorePermit<'_>, String> {
    match tokio::time::timeout(within, turns.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err("too many notices wait for this channel".to_owned()),
    }
}
