//! `epro dead-letters redrive`: moves dead letters back to their work queue.
//!
//! Publish with the broker's confirm, then mark the row, in this order: what ends between the two is
//! redriven once more, and is stored once. A delivery to a hospital gets a new generation first, a question for
//! a risk model a new budget: its row says `unsent` until the relay, or this command, has published it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use epro_broker::{Headers, Message, Publisher};
use epro_schemas::alert::{DeliveryMessage, RiskMessage};
use epro_schemas::kind;
use epro_store::dead_letters::{DeadLetterRow, DeadLetterState, Redriven};
use epro_store::deliveries::Renewed;
use epro_store::follow_ons::FollowOn;
use epro_store::{AuditChain, Store, StoreError};
use serde::Serialize;
use uuid::Uuid;

use crate::arguments::Redrive;
use crate::outside::Outside;
use crate::{dead_letters, screen};

/// How long the confirm of one message may take, the connection included.
const WITHIN: Duration = Duration::from_secs(15);
/// Dead letters that are looked up in one go.
const PAGE: u32 = 500;
/// Exit code when some were published and some were not.
const IN_PART: u8 = 3;

#[derive(Serialize)]
struct Line {
    id: i64,
    class: String,
    outcome: String,
}

/// Redrives the dead letters that are wanted, and says what became of each.
pub(crate) async fn run(outside: &Outside<'_>, wanted: Redrive, json: bool) -> anyhow::Result<ExitCode> {
    let store = outside.store()?;
    let ids = ids(&store, &wanted).await?;
    if ids.is_empty() {
        screen::line("no dead letters")?;
        return Ok(ExitCode::SUCCESS);
    }
    let doing = wanted.yes && !wanted.dry_run;
    let publisher = doing.then(|| outside.publisher()).transpose()?;
    let mut one = Redriving { outside, store, publisher, chain: AuditChain::new("epro"), wanted: &wanted };
    let mut lines = Vec::with_capacity(ids.len());
    let mut failed = 0;
    for id in ids {
        let (line, ok) = one.redrive(id).await;
        failed += usize::from(!ok);
        lines.push(line);
    }
    let all = lines.len();
    if json {
        screen::json(&lines)?;
    } else {
        let rows = lines.into_iter().map(|line| vec![line.id.to_string(), line.class, line.outcome]);
        screen::table(&["id", "class", "outcome"], rows)?;
        if !doing {
            screen::line("nothing was done; --yes does it")?;
        }
    }
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ if failed == all => ExitCode::FAILURE,
        _ => ExitCode::from(IN_PART),
    })
}

async fn ids(store: &Store, wanted: &Redrive) -> anyhow::Result<Vec<i64>> {
    if !wanted.ids.is_empty() {
        return Ok(wanted.ids.clone());
    }
    let filter = &wanted.filter;
    let empty = filter.lane.is_none()
        && filter.class.is_none()
        && filter.site.is_none()
        && filter.study.is_none()
        && filter.submission.is_none();
    anyhow::ensure!(!empty || wanted.all, "that would be every open dead letter; say --all if you mean it");
    let (mut ids, most) = (Vec::new(), filter.limit.map_or(usize::MAX, |most| most as usize));
    let mut page = dead_letters::wanted(filter)?;
    page.limit = Some(PAGE);
    loop {
        let found = store.dead_letters(&page).await?;
        page.after = found.last().map(|last| last.id);
        let all = found.len() < PAGE as usize;
        ids.extend(found.into_iter().map(|found| found.id));
        if all || ids.len() >= most {
            ids.truncate(most);
            return Ok(ids);
        }
    }
}

struct Redriving<'a> {
    outside: &'a Outside<'a>,
    store: Store,
    publisher: Option<Publisher>,
    chain: AuditChain,
    wanted: &'a Redrive,
}

impl Redriving<'_> {
    async fn redrive(&mut self, id: i64) -> (Line, bool) {
        let (class, outcome) = match self.store.dead_letter(id).await {
            Ok(Some(found)) => {
                let class = found.summary.class.to_string();
                (class, self.redrive_found(id, found).await)
            }
            Ok(None) => ("-".into(), Err(anyhow::anyhow!("there is no such dead letter"))),
            Err(error) => ("-".into(), Err(error.into())),
        };
        let ok = outcome.is_ok();
        let outcome = outcome.unwrap_or_else(|error| format!("not redriven: {error:#}"));
        (Line { id, class, outcome }, ok)
    }

    async fn redrive_found(&mut self, id: i64, found: DeadLetterRow) -> anyhow::Result<String> {
        if found.summary.state != DeadLetterState::Open {
            return Ok(already(found.summary.settled_at));
        }
        let (queue, times) = (found.summary.queue.clone(), found.summary.times);
        let Some(publisher) = &self.publisher else { return Ok(format!("would go to {queue}")) };
        let publisher = publisher.clone();
        let mut message = self.message(found)?;
        let renewed = self.renewed(&mut message).await?;
        if let FollowsOn::Over(state) = &renewed {
            self.mark(id, times).await?;
            return Ok(format!("it is {state}: nothing to publish"));
        }
        publish(&publisher, message).await?;
        if let FollowsOn::Renewed(follow_on) = renewed {
            // Not marked, the relay publishes it once more, which is harmless.
            let _ = self.store.mark_queued(&[follow_on]).await;
        }
        crate::fault::at_redrive().await;
        let marked = self.mark(id, times).await;
        Ok(match marked.context("published, but not marked: redriving it again is safe")? {
            Redriven::Now => format!("redriven to {queue}"),
            Redriven::Already { at } => already(Some(at)),
            Redriven::CameBack => anyhow::bail!("it went to {queue} and came back: it stays open"),
            Redriven::Absent => "published; the row is gone".into(),
        })
    }

    async fn renewed(&mut self, message: &mut Message) -> anyhow::Result<FollowsOn> {
        match message.kind.as_str() {
            kind::DELIVERY => self.renewed_delivery(message).await,
            kind::RISK => self.renewed_risk(message).await,
            _ => Ok(FollowsOn::None),
        }
    }

    /// Gives a delivery a new generation, in its row and in its message.
    async fn renewed_delivery(&mut self, message: &mut Message) -> anyhow::Result<FollowsOn> {
        let Ok(mut body) = serde_json::from_slice::<DeliveryMessage>(&message.body) else {
            return Ok(FollowsOn::None);
        };
        let (key, reason) = ((body.submission_id, body.pseudonym), self.wanted.reason.as_deref());
        let reason = reason.unwrap_or_default();
        match self.store.renew_delivery(&mut self.chain, key, &self.wanted.by, reason).await? {
            Renewed::Now(follow_on) => {
                body.generation = follow_on.generation;
                message.body = serde_json::to_vec(&body)?.into();
                message.message_id = Uuid::now_v7();
                Ok(FollowsOn::Renewed(FollowOn::Delivery(follow_on)))
            }
            Renewed::Over(state) => Ok(FollowsOn::Over(state)),
            Renewed::Absent => Ok(FollowsOn::None),
        }
    }

    /// Gives a question for a risk model a new budget.
    async fn renewed_risk(&mut self, message: &mut Message) -> anyhow::Result<FollowsOn> {
        let Ok(body) = serde_json::from_slice::<RiskMessage>(&message.body) else {
            return Ok(FollowsOn::None);
        };
        let (key, reason) = ((body.submission_id, body.pseudonym), self.wanted.reason.as_deref());
        let reason = reason.unwrap_or_default();
        let renewed = self.store.renew_risk(&mut self.chain, key, &self.wanted.by, reason).await?;
        message.message_id = Uuid::now_v7();
        Ok(renewed.map_or(FollowsOn::Over("done".into()), |risk| FollowsOn::Renewed(FollowOn::Risk(risk))))
    }

    async fn mark(&mut self, id: i64, times: i32) -> Result<Redriven, StoreError> {
        let reason = self.wanted.reason.as_deref().unwrap_or_default();
        self.store.mark_redriven(&mut self.chain, id, times, &self.wanted.by, reason).await
    }

    fn message(&self, found: DeadLetterRow) -> anyhow::Result<Message> {
        let summary = found.summary;
        let message_id = summary.message_id.unwrap_or_else(Uuid::now_v7);
        let body = if found.wrapped {
            let ring = self.outside.config.keys.ring().map_err(crate::outside::Misconfigured)?;
            let bound_to = summary.message_id.unwrap_or(Uuid::nil());
            ring.open(kind::DEAD_LETTER, bound_to, &found.body).context("the seal of the dead letter")?
        } else {
            found.body
        };
        let shown = found.headers.as_object().into_iter().flatten();
        let shown = shown.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let kind = summary.kind.unwrap_or_default();
        Ok(Message::work(&summary.queue, message_id, &kind, Headers::redriven(shown), Bytes::from(body)))
    }
}

/// What a message turned out to be.
enum FollowsOn {
    /// No follow-on with a row, or none that is known.
    None,
    /// Its row is as new.
    Renewed(FollowOn),
    /// It is done, or superseded.
    Over(String),
}

async fn publish(publisher: &Publisher, message: Message) -> anyhow::Result<()> {
    let mut state = publisher.watch();
    let connected = state.wait_for(|state| *state == epro_broker::PublisherState::Connected);
    tokio::time::timeout(WITHIN, connected).await.context("RabbitMQ doesn't answer")??;
    publisher.publish_within(message, WITHIN).await?;
    Ok(())
}

fn already(at: Option<time::OffsetDateTime>) -> String {
    let at = at.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
    format!("was settled already at {}", at.unwrap_or_else(|| "an unknown time".into()))
}
