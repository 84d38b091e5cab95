//! What was seen last of the broker and the tables, and when: one task looks, every page shows.
//!
//! A server is down if it doesn't answer at all. PostgreSQL under load that answers, but not to everything within a
//! look, is slow: the look goes on, and pages still ask it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use epro_process::shutdown::Shutdown;
use epro_store::alerts::{AlertNow, UndoneOf};
use epro_store::dead_letters::{DeadLetterState, DeadLetterSummary, Filter};
use epro_store::hospitals::HospitalStatus;
use epro_store::oldest::Oldest;
use epro_store::overview::Overview;
use epro_store::pause::Pause;
use epro_store::{Bound, Store, StoreError};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::desk::Desk;
use super::history::{History, Point};
use crate::queues::{self, Line, Numbers};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// How long pages wait for a look before they say that its server is slow or down.
const WITHIN: Duration = Duration::from_millis(1500);
/// Two for a look, one to ask whether PostgreSQL answers at all.
const CONNECTIONS: usize = 3;
/// SQLSTATE of a statement that the server gave up: it took too long.
const TOOK_TOO_LONG: &str = "57014";
/// Why a server is down that says nothing.
const SILENT: &str = "it doesn't answer";
/// Alerts and dead letters that are kept for when PostgreSQL is away.
pub(crate) const KEPT: u32 = 100;

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
    /// Since when it answers, but takes longer than a look may.
    pub slow: Option<OffsetDateTime>,
}

/// What came of a look.
enum Answer<T> {
    Seen(T),
    Slow,
    Down(String),
}

/// A look at the tables that may go on for longer than a round.
type UnderWay = Pin<Box<dyn Future<Output = Result<Tables, StoreError>> + Send>>;

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
    /// All that aren't done, by study and site.
    pub undone: Vec<UndoneOf>,
    /// The first open ones.
    pub dead_letters: Vec<DeadLetterSummary>,
}

impl Tables {
    /// How many alerts aren't done of those that belong to whoever is bound so, and of how many of them nobody was told.
    pub(crate) fn undone(&self, bound: &Bound) -> (i64, i64) {
        let theirs = self.undone.iter().filter(|of| bound.has(Some(&of.study_id), Some(&of.site_id)));
        theirs.fold((0, 0), |(all, untold), of| (all + of.undone, untold + of.untold))
    }
}

impl<T> Default for Source<T> {
    fn default() -> Self {
        Self { seen: None, down: None, slow: None }
    }
}

impl<T> Source<T> {
    /// What was seen last, however long ago.
    pub(crate) fn what(&self) -> Option<&T> {
        self.seen.as_ref().map(|seen| &seen.what)
    }

    /// What was seen last, unless that is older than a round.
    pub(crate) fn now(&self) -> Option<&T> {
        self.what().filter(|_| self.down.is_none() && self.slow.is_none())
    }

    fn look(&mut self, answer: Answer<T>) {
        let at = OffsetDateTime::now_utc();
        let (down, slow) = (self.down.take(), self.slow.take());
        match answer {
            Answer::Seen(what) => self.seen = Some(Seen { at, what }),
            Answer::Slow => self.slow = Some(slow.unwrap_or(at)),
            Answer::Down(why) => {
                let since = down.map_or(at, |down| down.since);
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
    let Ok(url) = desk.outside().database_url() else { return };
    let (store, mut under_way) = (Store::open(&url, CONNECTIONS), None);
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sites = desk.outside().hospitals();
    let mut picture = Picture::default();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.requested() => return,
        }
        let tables = look_at_tables(&store, &sites, &mut under_way);
        let (broker, tables) = tokio::join!(look_at_broker(&desk), tables);
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

async fn look_at_broker(desk: &Desk) -> Answer<Vec<(String, Option<Numbers>)>> {
    match tokio::time::timeout(WITHIN, queues::counted(&desk.outside())).await {
        Ok(Ok(counted)) => Answer::Seen(counted),
        Ok(Err(error)) => Answer::Down(format!("{error:#}")),
        Err(_) => Answer::Down(SILENT.to_owned()),
    }
}

/// As long as PostgreSQL answers at all, a look that takes long goes on in the next round: begun anew each time, it
/// would never end.
async fn look_at_tables(store: &Store, sites: &[String], under_way: &mut Option<UnderWay>) -> Answer<Tables> {
    let look = under_way.get_or_insert_with(|| begin(store.clone(), sites.to_vec()));
    let (looked, answers) =
        tokio::join!(tokio::time::timeout(WITHIN, look), tokio::time::timeout(WITHIN, store.ping()));
    let answers = matches!(answers, Ok(Ok(())));
    if looked.is_err() && answers {
        return Answer::Slow;
    }
    *under_way = None;
    match looked {
        Ok(Ok(tables)) => Answer::Seen(tables),
        Ok(Err(StoreError::Retry { sqlstate })) if sqlstate == TOOK_TOO_LONG && answers => Answer::Slow,
        Ok(Err(error)) => Answer::Down(error.to_string()),
        Err(_) => Answer::Down(SILENT.to_owned()),
    }
}

fn begin(store: Store, sites: Vec<String>) -> UnderWay {
    Box::pin(async move { tables(&store, &sites).await })
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
            let undone = store.undone_alerts_of_each().await?;
            Ok((hospitals, alerts, undone, store.dead_letters(&open).await?))
        },
    )?;
    let (overview, oldest, pauses) = first;
    let (hospitals, alerts, undone, dead_letters) = second;
    Ok(Tables { overview, oldest, pauses, hospitals, alerts, undone, dead_letters })
}
