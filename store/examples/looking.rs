//! How long an operator waits: for a list of dead letters by each filter, for the way of a submission, and for what the
//! console looks at every two seconds while much is on its way. Each figure beside its goal; exits 1 above one.
//!
//! `./dev bench --looking [dead letters] [submissions]`
//!
//! It makes a database of its own and drops it. Each figure is the slowest of its looks; a list is a page of 100 with
//! the counts by class beside it, as the console shows it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, not a service")]

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use epro_store::audit::Search;
use epro_store::dead_letters::{Class, DeadLetterState, Filter};
use epro_store::{Bound, DatabaseUrl, Store, StoreError, migrate};
use time::OffsetDateTime;
use tokio_postgres::NoTls;
use uuid::Uuid;

const MANY: &str = include_str!("../tests/many.sql");
/// Looks of each kind; the first ones find nothing in memory yet.
const LOOKS: usize = 10;
/// Deliveries that haven't reached their hospital, and what else of these submissions isn't done.
const OPEN: u32 = 100_000;

/// What a list of dead letters may take, ms.
const LIST: f64 = 1_000.0;
/// What a trace may take, ms.
const TRACE: f64 = 200.0;
/// How long the console waits for the tables, ms.
const CONSOLE: f64 = 1_500.0;

/// The slowest look of its kind.
struct Figure {
    what: String,
    ms: f64,
    goal: f64,
}

impl Figure {
    fn holds(&self) -> bool {
        self.ms <= self.goal
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds() { "ok" } else { "short" };
        write!(f, "{:<30} {:>8.1} ms   <= {:>5.0}  {word}", self.what, self.ms, self.goal)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let argument = |n: usize, otherwise: u32| {
        std::env::args().nth(n).map_or(otherwise, |argument| argument.parse().unwrap())
    };
    let (dead_letters, submissions) = (argument(1, 100_000), argument(2, 1_000_000));
    let server = std::env::var("EPRO_TEST_DATABASE_URL").unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let name = format!("epro_looking_{}", Uuid::new_v4().simple());
    let url = format!("{base}/{name}");
    administer(&server, &format!("CREATE DATABASE {name}")).await;
    let parsed: DatabaseUrl = url.parse().unwrap();
    migrate::run(&parsed).await.unwrap();
    let counts = format!(
        "SET many.submissions = '{submissions}'; SET many.dead_letters = '{dead_letters}'; SET many.open = '{OPEN}';"
    );
    administer(&url, &format!("{counts}{MANY}")).await;

    let store = Store::open(&parsed, 2);
    let mut figures = lists(&store, some(&url, 7).await).await;
    let mut traced = Vec::new();
    for n in 0..LOOKS {
        traced.push(some(&url, u32::try_from(n).unwrap_or(0) * submissions / 10 + 1).await);
    }
    figures.push(trace(&store, &traced).await);
    figures.extend(console(&store, traced[0]).await);
    drop(store);
    administer(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;

    println!(
        "{dead_letters} dead letters, {submissions} submissions, {OPEN} of them open; slowest of {LOOKS}:"
    );
    figures.iter().for_each(|figure| println!("{figure}"));
    if figures.iter().all(Figure::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The slowest of some looks, ms.
async fn slowest<T>(look: impl AsyncFn(usize) -> Result<T, StoreError>) -> f64 {
    let mut slowest = Duration::ZERO;
    for n in 0..LOOKS {
        let begun = Instant::now();
        look(n).await.unwrap();
        slowest = slowest.max(begun.elapsed());
    }
    slowest.as_secs_f64() * 1e3
}

async fn lists(store: &Store, submission: Uuid) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, filter) in filters(submission) {
        let ms = slowest(async |_| {
            tokio::try_join!(store.dead_letters(&filter), store.count_dead_letters(&filter))
        })
        .await;
        figures.push(Figure { what: format!("dead-letters list --{what}"), ms, goal: LIST });
    }
    figures
}

async fn trace(store: &Store, submissions: &[Uuid]) -> Figure {
    let ms = slowest(async |n| {
        let found = store.trace(submissions[n]).await;
        assert!(matches!(found, Ok(Some(_))), "{found:?}");
        found
    })
    .await;
    Figure { what: "trace".into(), ms, goal: TRACE }
}

/// The console's statements each, then its whole look as `operator/src/console/picture.rs` takes it, and its search of
/// the audit trail.
async fn console(store: &Store, submission: Uuid) -> Vec<Figure> {
    let sites: Vec<String> = (1..=4).map(|n| format!("H00{n}")).collect();
    let open = Filter { state: Some(DeadLetterState::Open), ..Filter::default() };
    let whole = slowest(async |_| {
        tokio::try_join!(
            async {
                store.overview().await?;
                store.oldest().await?;
                store.pauses().await
            },
            async {
                store.hospitals(&sites).await?;
                store.alerts(true, None, 100).await?;
                store.undone_alerts_of_each().await?;
                store.dead_letters(&open).await
            },
        )
    })
    .await;
    let mut figures = vec![
        ("console: overview".to_owned(), slowest(async |_| store.overview().await).await),
        ("console: oldest".to_owned(), slowest(async |_| store.oldest().await).await),
        ("console: hospitals".to_owned(), slowest(async |_| store.hospitals(&sites).await).await),
        ("console: undone alerts".to_owned(), slowest(async |_| store.undone_alerts_of_each().await).await),
        ("console: all of one look".to_owned(), whole),
    ];
    for (what, search) in searches(submission) {
        let ms = slowest(async |_| store.search_audit(&search).await).await;
        figures.push((format!("console: audit, {what}"), ms));
    }
    figures.into_iter().map(|(what, ms)| Figure { what, ms, goal: CONSOLE }).collect()
}

fn filters(submission: Uuid) -> Vec<(&'static str, Filter)> {
    let now = OffsetDateTime::now_utc();
    let open = Filter { state: Some(DeadLetterState::Open), ..Filter::default() };
    let text = |text: &str| Some(text.to_owned());
    vec![
        ("all", open.clone()),
        ("id", Filter { ids: vec![1, 50, 99], ..open.clone() }),
        ("lane", Filter { lane: text("hospitals"), ..open.clone() }),
        ("class", Filter { class: Some(Class::Stale), ..open.clone() }),
        ("class (none)", Filter { class: Some(Class::Quarantined), ..open.clone() }),
        ("stage", Filter { stage: text("call"), ..open.clone() }),
        ("site", Filter { site_id: text("H049"), ..open.clone() }),
        ("study", Filter { study_id: text("ONC-6"), ..open.clone() }),
        ("instrument", Filter { instrument: text("gad-7|1.0"), ..open.clone() }),
        ("since", Filter { since: Some(now - time::Duration::minutes(5)), ..open.clone() }),
        ("until", Filter { until: Some(now - time::Duration::hours(24)), ..open.clone() }),
        ("site, class", Filter { site_id: text("H007"), class: Some(Class::Invalid), ..open.clone() }),
        ("submission", Filter { submission_id: Some(submission), ..open.clone() }),
        ("submission (none)", Filter { submission_id: Some(Uuid::nil()), ..open }),
    ]
}

fn searches(submission: Uuid) -> Vec<(&'static str, Search)> {
    let now = OffsetDateTime::now_utc();
    let (from, until) = (now - time::Duration::hours(24), now + time::Duration::hours(1));
    let (action, actor, outcome, site_id) = (None, None, None, None);
    let (submission_id, bound) = (None, Bound::default());
    let day = Search { from, until, action, actor, outcome, site_id, submission_id, bound, limit: 100 };
    let text = |text: &str| Some(text.to_owned());
    vec![
        ("a day", day.clone()),
        ("action", Search { action: text("submission"), ..day.clone() }),
        ("action (none)", Search { action: text("pause"), ..day.clone() }),
        ("actor (none)", Search { actor: text("nobody"), ..day.clone() }),
        ("site (none)", Search { site_id: text("H099"), ..day.clone() }),
        ("submission", Search { submission_id: Some(submission), ..day }),
    ]
}

/// One of the submissions.
async fn some(url: &str, n: u32) -> Uuid {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let asking =
        async move { client.query_one("SELECT md5('s' || $1::bigint)::uuid", &[&i64::from(n)]).await };
    tokio::join!(asking, connection).0.unwrap().get(0)
}

async fn administer(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let doing = async move { client.batch_execute(sql).await };
    tokio::join!(doing, connection).0.unwrap();
}
