//! The evening hour of 20,000 patients at ten times its real peak: the bell of the simulation, ten times as narrow, on
//! real processes, to a hospital that takes half of it and to people who are told of what is dangerous.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::finding::{Bound, Finding};
use super::notices;
use crate::bench::measure::percentile;
use crate::client::{Sent, phq9, sha256};
use crate::conservation::Account;
use crate::database::Link;
use crate::followed::{self, Expected};
use crate::raw_http::{Connection, post};
use crate::scaling::scenarios::bell;
use crate::sealed::{Keys, delivery_id};
use crate::service::Service;
use crate::stack::{Plan, Stack};
use crate::token::Minter;
use crate::{Inbox, SampleHospital, conservation};

const PATIENTS: usize = 20_000;
/// How much shorter the evening is, and how much higher its peak.
const HURRY: f64 = 10.0;
/// How long the bell rings, in seconds of this evening: an hour of the real one.
const RINGS: usize = 360;
/// Its parts of a second.
const STEPS: usize = 1000;
const STUDY: &str = "ONC-301";
/// The first has a hospital: a delivery follows on.
const SITES: [&str; 2] = ["H001", "H004"];
/// Ten times what a hospital takes by default, as the evening is ten times as short.
const CALLS_PER_SECOND: f64 = 100.0;
/// One in so many gives a dangerous answer, at both sites.
const DANGEROUS: usize = 12;
/// Each door has half of these connections, as a proxy keeps them.
const CONNECTIONS: usize = 64;
/// How often an app sends the same, and how long it waits before.
const TRIES: usize = 100;
const AGAIN: Duration = Duration::from_millis(50);
/// How long an app waits for an answer; a door answers within three seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lives through it; takes about four minutes.
pub async fn live() -> Result<Vec<Finding>> {
    let (inbox, hospital) = (Inbox::start().await?, SampleHospital::start().await?);
    let mut entry = hospital.by_fhir();
    entry["calls_per_second"] = json!(CALLS_PER_SECOND);
    let config = followed::config((SITES[0], entry), &inbox, &SITES);
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let doors = [stack.api().await?, stack.api().await?];
    let _workers = [stack.worker().await?, stack.worker().await?];
    let due = due();
    let most = busiest(&due);
    let patients = Patients::new(stack.minter(), due)?;
    patients.send(&doors).await?;
    let (log, told) = patients.ended();
    let link = stack.database().connect().await?;
    let expected = expected(&told, &Keys::read(stack.folder())?);
    let (followed, mails) = expected.judge(&link, &hospital, &inbox).await?;
    let account = conservation(&stack, &log).await?;
    let (stored, seen) = stored(&link).await?;
    let evening = Evening::of(&told, &stored, &mails)?;
    let mut findings = counted(&account, most, log.len() - told.len());
    findings.extend(followed.findings("evening: "));
    findings.extend(evening.findings(seen)?);
    Ok(findings)
}

/// What follows on from what was answered 202.
fn expected(told: &[Told], keys: &Keys) -> Expected {
    let at_the_hospital = told.iter().filter(|one| site(one.number) == SITES[0]);
    let delivery = |one: &Told| delivery_id(STUDY, keys.pseudonym(STUDY, &subject(one.number)), one.id);
    Expected {
        deliveries: at_the_hospital.map(delivery).collect(),
        dangerous: told.iter().filter(|one| is_dangerous(one.number)).map(|one| one.id).collect(),
    }
}

fn counted(account: &Account, most: usize, again: usize) -> Vec<Finding> {
    let lost = account.accepted as f64 - account.stored as f64;
    vec![
        Finding::new(
            "evening: patients who were answered 202",
            account.accepted as f64,
            Bound::Is(PATIENTS as f64),
        ),
        Finding::new("evening: in its busiest second", most as f64, Bound::Any),
        Finding::new("evening: of them lost", lost, Bound::Is(0.0)),
        Finding::new("evening: set aside", account.dead as f64, Bound::Is(0.0)),
        Finding::new("evening: sent again, for want of a 202", again as f64, Bound::Any),
    ]
}

/// When each patient presses send: the n-th when the bell has rung for so many.
fn due() -> Vec<Duration> {
    let rings = |step: usize| HURRY * bell(HURRY * step as f64 / STEPS as f64) / STEPS as f64;
    let all: f64 = (0..RINGS * STEPS).map(rings).sum();
    let (mut rung, mut due) = (0.0, Vec::with_capacity(PATIENTS));
    for step in 0..RINGS * STEPS {
        rung += rings(step) * PATIENTS as f64 / all;
        while due.len() < PATIENTS && rung >= due.len() as f64 + 0.5 {
            due.push(Duration::from_secs_f64(step as f64 / STEPS as f64));
        }
    }
    due
}

/// The most that press send within one second.
fn busiest(due: &[Duration]) -> usize {
    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    for due in due {
        *seconds.entry(due.as_secs()).or_default() += 1;
    }
    seconds.into_values().max().unwrap_or(0)
}

/// One patient: when the turn was and when the 202 came, in Unix seconds.
#[derive(Clone, Copy)]
struct Told {
    number: usize,
    id: Uuid,
    due: f64,
    at: f64,
}

/// All patients together; clones share everything.
#[derive(Clone)]
struct Patients {
    due: Arc<Vec<Duration>>,
    tokens: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
    log: Arc<Mutex<Vec<Sent>>>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Patients {
    /// A token each, made beforehand.
    fn new(minter: &Minter, due: Vec<Duration>) -> Result<Self> {
        let token = |number: usize| minter.patient(&subject(number), STUDY, site(number));
        Ok(Self {
            tokens: Arc::new((0..due.len()).map(token).collect::<Result<_>>()?),
            due: Arc::new(due),
            next: Arc::default(),
            log: Arc::default(),
            told: Arc::default(),
        })
    }

    /// Everybody sends when it is time; an error if one was never told 202.
    async fn send(&self, doors: &[Service; 2]) -> Result<()> {
        let (start, began) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64());
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS {
            let (patients, door) = (self.clone(), doors[number % doors.len()].listen().to_owned());
            tasks.spawn(async move {
                let mut line = None;
                loop {
                    let at = patients.next.fetch_add(1, Ordering::Relaxed);
                    let Some(due) = patients.due.get(at) else { return anyhow::Ok(()) };
                    sleep_until(start + *due).await;
                    let id = patients.one(at, &door, &mut line).await?;
                    let told = Told {
                        number: at,
                        id,
                        due: began + due.as_secs_f64(),
                        at: began + start.elapsed().as_secs_f64(),
                    };
                    patients.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    /// Sends one patient's answers until they are taken, under the same id and with a new `sent_at` each time.
    async fn one(&self, number: usize, door: &str, line: &mut Option<Connection>) -> Result<Uuid> {
        let mut submission = phq9(STUDY, site(number));
        let id = submission["submission_id"].as_str().and_then(|id| id.parse().ok()).context("an id")?;
        let now = || OffsetDateTime::now_utc().format(&Rfc3339);
        submission["answered_at"] = json!(now()?);
        if is_dangerous(number) {
            submission["answers"]["44260-8"] = json!(1);
        }
        for _ in 0..TRIES {
            submission["sent_at"] = json!(now()?);
            let bytes: Arc<[u8]> = submission.to_string().into_bytes().into();
            let wire = post("/api/v1/epro/submit", &self.tokens[number], &bytes);
            let status = once(&wire, door, line).await.ok();
            let sent = Sent { id, sha256: sha256(&bytes), bytes, status };
            self.log.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
            match status {
                Some(202) => return Ok(id),
                Some(503) | None => sleep(AGAIN).await,
                Some(status) => bail!("a patient was told {status}"),
            }
        }
        bail!("a patient was never told 202")
    }

    /// Everything that was sent, and when each was told 202.
    fn ended(self) -> (Vec<Sent>, Vec<Told>) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (log, told)
    }
}

async fn once(wire: &[u8], door: &str, line: &mut Option<Connection>) -> Result<u16> {
    let mut connection = match line.take().filter(|kept| !kept.is_closed()) {
        Some(kept) => kept,
        None => Connection::open(door).await?,
    };
    let status = tokio::time::timeout(PATIENCE, connection.send(wire)).await??;
    *line = Some(connection);
    Ok(status)
}

fn site(number: usize) -> &'static str {
    SITES[number % SITES.len()]
}

fn subject(number: usize) -> String {
    format!("E-{number:05}")
}

/// Two neighbours: one of each site.
fn is_dangerous(number: usize) -> bool {
    (number / SITES.len()).is_multiple_of(DANGEROUS)
}

/// When each submission was stored, in Unix seconds, and what of its transaction that is: only a database that notes
/// its commits knows when they were.
async fn stored(link: &Link) -> Result<(BTreeMap<Uuid, f64>, &'static str)> {
    let notes: String = link.client.query_one("SHOW track_commit_timestamp", &[]).await?.get(0);
    let (at, seen) = match notes.as_str() {
        "on" => ("pg_xact_commit_timestamp(xmin)", "COMMIT"),
        _ => ("stored_at", "its transaction's begin"),
    };
    let sql = format!("SELECT submission_id, extract(epoch FROM {at})::float8 FROM identified.submission");
    let rows = link.client.query(&sql, &[]).await?;
    Ok((rows.iter().map(|row| (row.get(0), row.get(1))).collect(), seen))
}

/// What an evening came to.
struct Evening {
    /// From each patient's turn to the 202.
    to_answer: Vec<Duration>,
    /// From each patient's turn to the row.
    to_row: Vec<Duration>,
    /// From the turn of each patient with a dangerous answer to the first mail about it.
    to_mail: Vec<Duration>,
    /// The most that were told 202 and not stored, at one moment.
    depth: i64,
}

impl Evening {
    fn of(told: &[Told], stored: &BTreeMap<Uuid, f64>, mails: &BTreeMap<Uuid, f64>) -> Result<Self> {
        let after = |from: f64, to: f64| Duration::from_secs_f64((to - from).max(0.0));
        let (mut to_answer, mut to_row, mut to_mail) = (Vec::new(), Vec::new(), Vec::new());
        let mut waits = Vec::new();
        for one in told {
            let row = *stored.get(&one.id).context("a patient who was told 202 and has no row")?;
            to_answer.push(after(one.due, one.at));
            to_row.push(after(one.due, row));
            to_mail.extend(mails.get(&one.id).map(|mail| after(one.due, *mail)));
            // Many are stored before their 202 has arrived.
            if row > one.at {
                waits.extend([(one.at, 1), (row, -1)]);
            }
        }
        waits.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (mut now, mut depth) = (0, 0);
        for (_, change) in waits {
            now += change;
            depth = depth.max(now);
        }
        Ok(Self { to_answer, to_row, to_mail, depth })
    }

    /// `seen`: what of a transaction is known.
    fn findings(mut self, seen: &str) -> Result<Vec<Finding>> {
        let stored = format!("evening: POST to stored ({seen})");
        let mut findings = Vec::new();
        for (what, figures, most) in [
            ("evening: POST to 202", &mut self.to_answer, 500.0),
            (stored.as_str(), &mut self.to_row, 1000.0),
            ("evening: POST to inbox, of the dangerous", &mut self.to_mail, notices::SOON),
        ] {
            let (median, p99) = (percentile(figures, 0.5)?, percentile(figures, 0.99)?);
            findings.push(Finding::new(format!("{what}, median, ms"), median, Bound::Any));
            findings.push(Finding::new(format!("{what}, p99, ms"), p99, Bound::AtMost(most)));
        }
        let depth = self.depth as f64;
        findings.push(Finding::new("evening: greatest depth, accepted and not stored", depth, Bound::Any));
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patient_has_a_turn_and_the_busiest_second_has_ten_times_the_real_peak() {
        let due = due();
        assert_eq!(due.len(), PATIENTS);
        assert!(due.is_sorted());
        let beside = busiest(&due) as f64 / (HURRY * bell(900.0));
        assert!((0.98..1.02).contains(&beside), "{beside}");
    }

    #[test]
    fn the_greatest_depth_is_of_those_that_wait_at_the_same_moment() {
        let told = |id: u128, at: f64| Told { number: 0, id: Uuid::from_u128(id), due: at - 0.5, at };
        let stored = BTreeMap::from(
            [(1, 3.0), (2, 4.0), (3, 9.0), (4, 7.0)].map(|(id, at)| (Uuid::from_u128(id), at)),
        );
        let mails = BTreeMap::from([(Uuid::from_u128(2), 4.5)]);
        let all = [told(1, 1.0), told(2, 2.0), told(3, 5.0), told(4, 8.0)];
        let evening = Evening::of(&all, &stored, &mails).unwrap();
        assert_eq!(evening.depth, 2);
        assert_eq!(evening.to_row[0], Duration::from_millis(2500));
        assert_eq!(evening.to_mail, [Duration::from_secs(3)]);
        assert!(Evening::of(&[told(5, 1.0)], &stored, &mails).is_err(), "it has no row");
    }

    #[test]
    fn a_twelfth_of_the_patients_of_each_site_gives_a_dangerous_answer() {
        let dangerous = |wanted: &str| {
            (0..PATIENTS).filter(|number| is_dangerous(*number) && site(*number) == wanted).count()
        };
        for site in SITES {
            assert_eq!(dangerous(site), (PATIENTS / SITES.len()).div_ceil(DANGEROUS));
        }
    }
}
