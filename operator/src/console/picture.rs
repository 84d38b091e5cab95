//! What was seen last of the broker and the tables, and when: one task looks, every page shows.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use epro_process::shutdown::Shutdown;
use epro_store::alerts::AlertNow;
use epro_store::dead_letters::{DeadLetterState, DeadLetterSummary, Filter};
use epro_store::hospitals::HospitalStatus;
use epro_store::oldest::Oldest;
use epro_store::overview::Overview;
use epro_store::pause::Pause;
use epro_store::{Store, StoreError};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::desk::Desk;
use super::history::{History, Point};
use crate::queues::{self, Line, Numbers};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// How long one look may take.
const WITHIN: Duration = Duration::from_millis(1500);
/// Alerts and dead letters that are kept for when PostgreSQL is away.
const KEPT: u32 = 100;

/// What was seen last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    pub broker: Source<Vec<(String, Option<Numbers>)>>,
    pub tables: Source<Tables>,
    pub history: History,
}

/// One server: what it said last, and whether it still answers.
#[derive(Clone, Debug)]
pub(crate) struct Source<T> {
    pub seen: Option<Seen<T>>,
    pub down: Option<Down>,
}

/// What a server said, and when.
#[derive(Clone, Debug)]
pub(crate) struct Seen<T> {
    pub at: OffsetDateTime,
    pub what: T,
}

/// A server that doesn't answer.
#[derive(Clone, Debug)]
pub(crate) struct Down {
    pub since: OffsetDateTime,
    pub why: String,
}

/// What the tables say.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub overview: Overview,
    pub oldest: Vec<Oldest>,
    pub pauses: Vec<Pause>,
    pub hospitals: Vec<HospitalStatus>,
    /// Those that aren't done, the newest first.
    pub alerts: Vec<AlertNow>,
    /// All that aren't done, and all of them that nobody was told of.
    pub undone: (i64, i64),
    /// The first open ones.
    pub dead_letters: Vec<DeadLetterSummary>,
}

impl<T> Default for Source<T> {
    fn default() -> Self {
        Self { seen: None, down: None }
    }
}

impl<T> Source<T> {
    /// What was seen last, however long ago.
    pub(crate) fn what(&self) -> Option<&T> {
        self.seen.as_ref().map(|seen| &seen.what)
    }

    fn look(&mut self, answer: Result<T, String>) {
        let at = OffsetDateTime::now_utc();
        match answer {
            Ok(what) => (self.seen, self.down) = (Some(Seen { at, what }), None),
            Err(why) => {
                let since = self.down.take().map_or(at, |down| down.since);
                self.down = Some(Down { since, why });
            }
        }
    }
}

impl Picture {
    /// Every queue as it was seen last.
    pub(crate) fn queues(&self, sites: &[String]) -> Vec<Line> {
        let (oldest, pauses) =
            self.tables.what().map_or((&[][..], &[][..]), |tables| (&tables.oldest[..], &tables.pauses[..]));
        let counted = self.broker.what().map_or(&[][..], |counted| &counted[..]);
        queues::lines(sites, counted, oldest, pauses)
    }
}

/// Looks until the process leaves.
pub(crate) async fn keep(desk: Arc<Desk>, watch: watch::Sender<Arc<Picture>>, shutdown: Shutdown) {
    let Ok(store) = desk.outside().store() else { return };
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sites = desk.outside().hospitals();
    let mut picture = Picture::default();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.requested() => return,
        }
        let broker =
            within(async { queues::counted(&desk.outside()).await.map_err(|error| format!("{error:#}")) });
        let tables = within(async { tables(&store, &sites).await.map_err(|error| error.to_string()) });
        let (broker, tables) = tokio::join!(broker, tables);
        let before = (picture.broker.down.is_some(), picture.tables.down.is_some());
        picture.broker.look(broker);
        picture.tables.look(tables);
        tell(before, &picture);
        let point = Point::of(&picture, &sites);
        picture.history.add(point);
        watch.send_replace(Arc::new(picture.clone()));
    }
}

/// Once when it starts, once when it is over.
fn tell(before: (bool, bool), picture: &Picture) {
    let now = [
        ("RabbitMQ", before.0, picture.broker.down.as_ref()),
        ("PostgreSQL", before.1, picture.tables.down.as_ref()),
    ];
    for (server, was_down, down) in now {
        match down {
            Some(down) if !was_down => {
                tracing::warn!(server, why = down.why, "the console sees nothing of it")
            }
            None if was_down => tracing::info!(server, "the console sees it again"),
            _ => {}
        }
    }
}

async fn within<T>(look: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(WITHIN, look).await.unwrap_or_else(|_| Err("it doesn't answer".to_owned()))
}

async fn tables(store: &Store, sites: &[String]) -> Result<Tables, StoreError> {
    let open = Filter { state: Some(DeadLetterState::Open), limit: Some(KEPT), ..Filter::default() };
    let (first, second) = tokio::try_join!(
        async {
            let overview = store.overview().await?;
            Ok::<_, StoreError>((overview, store.oldest().await?, store.pauses().await?))
        },
        async {
            let hospitals = store.hospitals(sites).await?;
            let alerts = store.alerts(true, None, KEPT).await?;
            let undone = store.undone_alerts().await?;
            Ok((hospitals, alerts, undone, store.dead_letters(&open).await?))
        },
    )?;
    let (overview, oldest, pauses) = first;
    let (hospitals, alerts, undone, dead_letters) = second;
    let undone = undone.iter().fold((0, 0), |(all, untold), site| (all + site.undone, untold + site.untold));
    Ok(Tables { overview, oldest, pauses, hospitals, alerts, undone, dead_letters })
}
