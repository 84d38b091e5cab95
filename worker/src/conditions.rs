//! System alerts: what operators should know of the relay itself, told once when it starts and once when it
//! clears. One replica looks at a time, by lease; with PostgreSQL away the last one that did tells that.

mod away;
mod measures;
mod queues;

use std::sync::Arc;
use std::time::{Duration, Instant};

use epro_process::shutdown::Shutdown;
use epro_store::Store;
use epro_store::conditions::{Condition, Thresholds};
use epro_store::lease::LeaseRound;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::alerts::notice::{Notice, instant};
use crate::alerts::teller::Teller;
use away::Away;
pub(crate) use queues::Queues;

/// The kind and the only key of its lease.
const NAME: &str = "conditions";
/// How long the lease may take to be given back, when leaving.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is needed to look at the relay itself.
pub(crate) struct Conditions {
    pub store: Store,
    pub teller: Arc<Teller>,
    pub queues: Queues,
    pub shutdown: Shutdown,
    /// How often to look.
    pub every: Duration,
    /// How long something has to be so, and later to be over.
    pub patience: Duration,
    pub thresholds: Thresholds,
}

/// Looks until the process drains.
pub(crate) async fn run(mut conditions: Conditions) {
    let owner = Uuid::now_v7();
    let keys = [NAME.to_owned()];
    let ttl = conditions.every * 3 + Duration::from_secs(5);
    let shutdown = conditions.shutdown.clone();
    let store = conditions.store.clone();
    let mut away = Away::new(conditions.patience);
    loop {
        let round = LeaseRound { kind: NAME, owner, keys: &keys, ttl };
        tokio::select! {
            // In the middle of a round, too: a notice that isn't recorded goes out again under its id.
            () = shutdown.requested() => break,
            () = look_once(&mut conditions, &mut away, &round) => {}
        }
    }
    let released = tokio::time::timeout(FAREWELL, store.release_leases(NAME, owner)).await;
    if !matches!(released, Ok(Ok(()))) {
        tracing::debug!("the lease of the conditions expires by itself");
    }
}

async fn look_once(conditions: &mut Conditions, away: &mut Away, round: &LeaseRound<'_>) {
    let leases = conditions.store.leases(round).await;
    let untold = match &leases {
        Ok(leases) => away.answered(!leases.is_empty(), Instant::now()),
        Err(error) => away.silent(error, Instant::now()),
    };
    if let Some(condition) = untold
        && conditions.teller.tell_operators_unwritten(&notice(&condition)).await
    {
        say(&condition);
        away.told(&condition);
    }
    match leases {
        Ok(leases) if leases.is_empty() => {
            measures::open(&[]);
            conditions.queues.not_looking();
        }
        Ok(_) => look(conditions).await,
        Err(error) => tracing::debug!(%error, "the lease of the conditions can't be had now"),
    }
    tokio::time::sleep(conditions.every).await;
}

async fn look(conditions: &mut Conditions) {
    let seen = async {
        let mut seen = conditions.store.signals(&conditions.thresholds).await?;
        let late = conditions.store.stores_late(conditions.thresholds.oldest_submission).await?;
        seen.extend(conditions.queues.look(&conditions.store.pauses().await?, late).await);
        conditions.queues.measure().await;
        let untold = conditions.store.observe(&seen, conditions.patience).await?;
        Ok::<_, epro_store::StoreError>((untold, conditions.store.open_conditions().await?))
    };
    match seen.await {
        Ok((untold, open)) => {
            measures::open(&open);
            for condition in untold {
                tell(conditions, &condition).await;
            }
        }
        Err(error) => tracing::debug!(%error, "the conditions can't be written now"),
    }
}

async fn tell(conditions: &Conditions, condition: &Condition) {
    let cleared = condition.cleared_at.is_some();
    let told = conditions.teller.tell_operators(&notice(condition)).await;
    if !matches!(told, Ok(true)) {
        return;
    }
    say(condition);
    if let Err(error) = conditions.store.condition_told(condition.id, cleared).await {
        tracing::debug!(%error, "what operators were told can't be written now");
    }
}

fn say(condition: &Condition) {
    let Condition { kind, key, detail, .. } = condition;
    if condition.cleared_at.is_some() {
        tracing::info!(kind, key, "cleared, operators are told");
    } else {
        tracing::warn!(kind, key, detail, "operators are told");
    }
}

fn notice(condition: &Condition) -> Notice {
    let Condition { kind, key, detail, worst, .. } = condition;
    let since = instant(condition.began_at);
    let mut lines =
        vec![format!("what       {kind}"), format!("of         {key}"), format!("since      {since}")];
    let (about, word) = match condition.cleared_at {
        None => (condition.id, "trouble"),
        Some(at) => {
            let lasted = (at - condition.began_at).whole_seconds().max(0);
            lines.push(format!("until      {} ({lasted} s)", instant(at)));
            (condition.cleared_id, "cleared")
        }
    };
    lines.push(format!("detail     {detail}"));
    lines.push(format!("at most    {worst}"));
    lines.push(format!("told       {}", instant(OffsetDateTime::now_utc())));
    Notice {
        about,
        subject: format!("{word}: {kind} {key}"),
        text: lines.join("\r\n") + "\r\n",
        short: format!("{word}: {kind} {key}, since {since}: {detail}"),
    }
}
