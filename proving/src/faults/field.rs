//! Everything that runs: services of its own, two doors, two workers, a hospital, a mail server, hops between them.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::process::Command;

use super::judge::Seen;
use super::logins::Logins;
use super::noted::Noted;
use super::plan::{HOPS, Hop, Need, Whom};
use crate::database::Link;
use crate::own::{Kind, Own};
use crate::services::{Services, host_port};
use crate::stack::{Plan, Stack};
use crate::{Inbox, Proxy, SampleHospital, Service};

/// Calls a second that each of the hospital's two doors allows. The judge forgives one: at ten that is a call which is
/// a tenth of a second late, so that a busy machine is not taken for a pace.
pub(super) const PACE: f64 = 10.0;
/// What a hop held back passes in this many seconds once it goes on.
const FLUSH: f64 = 1.0;
/// Of ours with RabbitMQ, in seconds: a silence of the longer ones of a run is noticed at both ends.
const HEARTBEAT: u16 = 2;
/// Waits of seconds take tenths of it: a run is short.
const TIME_SCALE: f64 = 0.1;
pub(super) const LANES: &str = "[submissions, dead, relay, commands, hospitals, alerts]";
/// Nobody is there: a door's hop before there is a door.
const NOWHERE: &str = "127.0.0.1:9";

/// A RabbitMQ and a PostgreSQL that may be killed, for any number of runs.
pub struct Ground {
    pub(super) broker: Own,
    pub(super) postgres: Own,
    /// Where PostgreSQL keeps all tables, if that may be filled.
    pub(super) disk: Option<PathBuf>,
    faketime: Option<PathBuf>,
}

impl Ground {
    /// Starts both.
    pub async fn start() -> Result<Self> {
        let (broker, postgres) = (Own::start(Kind::Broker).await?, Own::start(Kind::Postgres).await?);
        let disk = small_disk(&postgres).await?;
        let faketime = faketime().await?;
        Ok(Self { broker, postgres, disk, faketime })
    }

    /// Whether that can be had here.
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::SmallDisk => self.disk.is_some(),
            Need::Faketime => self.faketime.is_some(),
        }
    }

    pub(super) fn services(&self) -> Result<Services> {
        Ok(Services { database: self.postgres.services()?.database, ..self.broker.services()? })
    }
}

/// Every database that is made from now on lies there.
async fn small_disk(postgres: &Own) -> Result<Option<PathBuf>> {
    if std::env::var_os("EPRO_TEST_OWN_MOUNTS").is_none() {
        return Ok(None);
    }
    let Ok(disk) = postgres.small_disk().await else { return Ok(None) };
    let link = Link::open(&postgres.services()?.database).await?;
    // Neither may be done in a transaction.
    for sql in [
        &*format!("CREATE TABLESPACE small LOCATION '{}'", disk.display()),
        "ALTER DATABASE template0 SET TABLESPACE small",
    ] {
        link.client.batch_execute(sql).await.context("a tablespace on the small disk")?;
    }
    Ok(Some(disk))
}

/// The library that sets a process's clock, if it really does.
async fn faketime() -> Result<Option<PathBuf>> {
    let Some(library) = std::env::var_os("EPRO_TEST_FAKETIME") else { return Ok(None) };
    let mut date = Command::new("date");
    let date = date.arg("+%s").env("LD_PRELOAD", &library).env("FAKETIME", "+7200").output().await?;
    let says = String::from_utf8_lossy(&date.stdout).trim().parse::<i64>().unwrap_or_default();
    let ahead = says - OffsetDateTime::now_utc().unix_timestamp();
    Ok((7100..7300).contains(&ahead).then(|| library.into()))
}

/// Now, by the clock that the hospital's log goes by.
pub(super) fn unix_seconds() -> f64 {
    OffsetDateTime::now_utc().unix_timestamp_nanos() as f64 / 1e9
}

/// Everything of a run that isn't our processes.
pub(super) struct World<'g> {
    pub(super) ground: &'g Ground,
    pub(super) stack: Stack,
    pub(super) hospital: SampleHospital,
    pub(super) inbox: Inbox,
    pub(super) noted: Noted,
    hops: Vec<Proxy>,
    /// From when to when a hop held back what passed it, in Unix seconds.
    held_back: Mutex<Vec<(Hop, f64, f64)>>,
    logins: Logins,
}

/// Our processes.
pub(super) struct Crew {
    pub(super) doors: [Service; 2],
    pub(super) workers: [Service; 2],
}

impl<'g> World<'g> {
    /// Starts all of it.
    pub(super) async fn new(ground: &'g Ground) -> Result<Self> {
        let services = ground.services()?;
        let (hospital, inbox) = (SampleHospital::start().await?, Inbox::start().await?);
        let (broker, postgres) = (host_port(&services.amqp)?, host_port(&services.database)?);
        let mut hops = Vec::with_capacity(HOPS.len());
        for hop in HOPS {
            let target = match hop {
                Hop::FirstDoor | Hop::SecondDoor => NOWHERE.to_owned(),
                Hop::DoorBroker | Hop::WorkerBroker => broker.clone(),
                Hop::DoorPostgres | Hop::WorkerPostgres => postgres.clone(),
                Hop::Fhir => host_port(&hospital.fhir_url())?,
                Hop::Mllp => host_port(&hospital.mllp_url())?,
                Hop::Mail => format!("127.0.0.1:{}", inbox.port()),
            };
            hops.push(Proxy::to(&target).await?);
        }
        let config = config(&hospital, &inbox, |hop| Some(hops[hop as usize].address()))?;
        let stack = Stack::on(services, Plan { config, ..Plan::default() }).await?;
        let logins = Logins::on(&stack).await.context("users for doors and workers")?;
        let (noted, held_back) = (Noted::default(), Mutex::default());
        Ok(Self { ground, stack, hospital, inbox, noted, hops, held_back, logins })
    }

    pub(super) fn hop(&self, hop: Hop) -> &Proxy {
        &self.hops[hop as usize]
    }

    /// Notes that a hop has held back since then, in Unix seconds, and does so no more.
    pub(super) fn held_back_since(&self, hop: Hop, since: f64) {
        let mut held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner);
        held_back.push((hop, since, unix_seconds() + FLUSH));
    }

    /// What the judge looks at.
    pub(super) fn seen(&self) -> Seen<'_> {
        let held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (stack, hospital, inbox) = (&self.stack, &self.hospital, &self.inbox);
        Seen { stack, hospital, inbox, held_back, kills: self.noted.kills(), losses: self.noted.losses() }
    }

    /// Where apps find the doors.
    pub(super) fn doors(&self) -> [String; 2] {
        [Hop::FirstDoor, Hop::SecondDoor].map(|hop| format!("http://{}", self.hop(hop).address()))
    }

    /// Starts a process; nobody is led to it yet.
    pub(super) fn start(&self, whom: Whom) -> Result<Service> {
        let (binary, broker, postgres) = match whom {
            Whom::Door(_) => ("epro-producer-api", Hop::DoorBroker, Hop::DoorPostgres),
            Whom::Worker(_) => ("epro-worker", Hop::WorkerBroker, Hop::WorkerPostgres),
        };
        let login = self.logins.of(whom);
        let broker = format!("{}?heartbeat={HEARTBEAT}", self.hop(broker).lead(login.broker.url())?);
        let postgres = self.hop(postgres).lead(login.postgres.url())?;
        let mut env = vec![
            ("EPRO__BROKER__URL", broker.as_str()),
            ("EPRO__POSTGRES__URL", postgres.as_str()),
            ("EPRO__WORKER__LANES", LANES),
        ];
        let clock = self.clock(whom);
        if let Some(library) = &self.ground.faketime {
            self.set_clock(whom, 0)?;
            env.extend([
                ("LD_PRELOAD", library.to_str().context("a path in UTF-8")?),
                ("FAKETIME_TIMESTAMP_FILE", clock.to_str().context("a path in UTF-8")?),
                ("FAKETIME_CACHE_DURATION", "1"),
                ("FAKETIME_DISABLE_SHM", "1"),
                // What measures durations goes on: a wall clock that is set does nothing to it.
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ]);
        }
        self.stack.spawn(binary, &env)
    }

    /// From now on its clock is so many seconds ahead.
    pub(super) fn set_clock(&self, whom: Whom, seconds: i32) -> Result<()> {
        let file = self.clock(whom);
        let new = file.with_extension("new");
        // Whoever reads it meanwhile must not find half of it.
        std::fs::write(&new, format!("{seconds:+}\n"))?;
        Ok(std::fs::rename(&new, &file)?)
    }

    /// Whether it has looked at its clock since that was set: nobody else reads that file. A file system keeps the time
    /// of a first look even where it keeps no others (`relatime`); without that either, nothing shows it.
    pub(super) fn goes_by_its_clock(&self, whom: Whom) -> Result<bool> {
        let file = std::fs::metadata(self.clock(whom))?;
        Ok(file.accessed()? > file.modified()?)
    }

    fn clock(&self, whom: Whom) -> PathBuf {
        let (kind, place) = match whom {
            Whom::Door(place) => ("door", place),
            Whom::Worker(place) => ("worker", place),
        };
        self.stack.folder().join(format!("clock-{kind}-{place}"))
    }
}

impl Crew {
    /// Starts them and waits until they are ready.
    pub(super) async fn start(world: &World<'_>) -> Result<Self> {
        let doors = [world.start(Whom::Door(0))?, world.start(Whom::Door(1))?];
        let workers = [world.start(Whom::Worker(0))?, world.start(Whom::Worker(1))?];
        for (place, door) in doors.iter().enumerate() {
            world.hop(Hop::to_door(place)).turn_to(door.listen());
        }
        let mut crew = Self { doors, workers };
        crew.ready().await?;
        Ok(crew)
    }

    /// Waits until every process is ready.
    pub(super) async fn ready(&mut self) -> Result<()> {
        for process in self.all() {
            process.ready_is(true, Duration::from_secs(120)).await?;
        }
        Ok(())
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Service> {
        self.doors.iter_mut().chain(&mut self.workers)
    }

    pub(super) fn one(&mut self, whom: Whom) -> &mut Service {
        match whom {
            Whom::Door(place) => &mut self.doors[place],
            Whom::Worker(place) => &mut self.workers[place],
        }
    }

    /// A new process in place of one that is gone.
    pub(super) fn replace(&mut self, whom: Whom, world: &World<'_>) -> Result<()> {
        let new = world.start(whom)?;
        self.put(whom, new, world);
        Ok(())
    }

    /// From now on apps are led to the new one; gives the old one.
    pub(super) fn put(&mut self, whom: Whom, new: Service, world: &World<'_>) -> Service {
        if let Whom::Door(place) = whom {
            world.hop(Hop::to_door(place)).turn_to(new.listen());
        }
        std::mem::replace(self.one(whom), new)
    }

    /// Nobody ends but by our hand.
    pub(super) fn all_run(&mut self) -> Result<()> {
        for process in self.all() {
            let runs = process.runs();
            ensure!(runs, "a process has ended by itself:\n{}", last_lines(&process.output()));
        }
        Ok(())
    }
}

pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Two hospitals with doors of their own, and whom to tell. Each is where it is, unless a hop leads there.
pub(super) fn config(
    hospital: &SampleHospital,
    inbox: &Inbox,
    led: impl Fn(Hop) -> Option<String>,
) -> Result<Value> {
    let through = |mut entry: Value, hop: Hop| -> Result<Value> {
        if let Some(at) = led(hop) {
            let url = entry["url"].as_str().context("a hospital's URL")?;
            entry["url"] = json!(crate::services::with_host_port(url, &at)?);
        }
        entry["calls_per_second"] = json!(PACE);
        entry["timeout"] = json!("2s");
        Ok(entry)
    };
    let mut smtp = inbox.config();
    if let Some(at) = led(Hop::Mail) {
        let port = at.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        smtp["port"] = json!(port.context("a port")?);
    }
    let somebody = |site: &str| json!([{"name": format!("lee.{site}"), "role": "investigator", "email": "lee@epro.example"}]);
    let recipients: serde_json::Map<_, _> =
        crate::sample::SITES.iter().map(|site| ((*site).to_owned(), somebody(site))).collect();
    Ok(json!({
        "time_scale": TIME_SCALE,
        "hospitals": {
            "H001": through(hospital.by_fhir(), Hop::Fhir)?,
            "H002": through(hospital.by_mllp(), Hop::Mllp)?,
        },
        "alerts": {"smtp": smtp, "recipients": recipients,
                   "operators": [{"name": "ann", "role": "operator", "email": "ann@epro.example"}]},
    }))
}
