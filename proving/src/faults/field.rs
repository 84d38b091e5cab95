//! Everything that runs: services of its own, two doors, two workers, a hospital, a mail server, hops between them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::plan::{HOPS, Hop, Whom};
use crate::own::{Kind, Own};
use crate::services::{Services, host_port};
use crate::stack::{Plan, Stack};
use crate::{Inbox, Proxy, SampleHospital, Service};

/// Calls a second that each of the hospital's two doors allows.
pub(super) const PACE: f64 = 25.0;
/// Waits of seconds take tenths of it: a run is short.
const TIME_SCALE: f64 = 0.1;
const LANES: &str = "[submissions, dead, relay, commands, hospitals, alerts]";

/// A RabbitMQ and a PostgreSQL that may be killed, for any number of runs.
pub struct Ground {
    pub(super) broker: Own,
    pub(super) postgres: Own,
}

impl Ground {
    /// Starts both.
    pub async fn start() -> Result<Self> {
        Ok(Self { broker: Own::start(Kind::Broker).await?, postgres: Own::start(Kind::Postgres).await? })
    }

    fn services(&self) -> Result<Services> {
        Ok(Services { database: self.postgres.services()?.database, ..self.broker.services()? })
    }
}

/// Everything of a run that isn't our processes.
pub(super) struct World<'g> {
    pub(super) ground: &'g Ground,
    pub(super) stack: Stack,
    pub(super) hospital: SampleHospital,
    pub(super) inbox: Inbox,
    hops: Vec<Proxy>,
}

/// Our processes.
pub(super) struct Crew {
    pub(super) doors: [Service; 2],
    pub(super) workers: [Service; 2],
    /// Where the doors are now.
    pub(super) at: watch::Sender<Vec<String>>,
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
                Hop::DoorBroker | Hop::WorkerBroker => broker.clone(),
                Hop::DoorPostgres | Hop::WorkerPostgres => postgres.clone(),
                Hop::Fhir => host_port(&hospital.fhir_url())?,
                Hop::Mllp => host_port(&hospital.mllp_url())?,
                Hop::Mail => format!("127.0.0.1:{}", inbox.port()),
            };
            hops.push(Proxy::to(&target).await?);
        }
        let config = config(&hospital, &inbox, &hops)?;
        let stack = Stack::on(services, Plan { config, ..Plan::default() }).await?;
        Ok(Self { ground, stack, hospital, inbox, hops })
    }

    pub(super) fn hop(&self, hop: Hop) -> &Proxy {
        &self.hops[hop as usize]
    }

    fn door(&self) -> Result<Service> {
        self.led("epro-producer-api", Hop::DoorBroker, Hop::DoorPostgres)
    }

    fn worker(&self) -> Result<Service> {
        self.led("epro-worker", Hop::WorkerBroker, Hop::WorkerPostgres)
    }

    fn led(&self, binary: &'static str, broker: Hop, postgres: Hop) -> Result<Service> {
        let broker = self.hop(broker).lead(self.stack.vhost().url())?;
        let postgres = self.hop(postgres).lead(self.stack.database().url())?;
        let env = [
            ("EPRO__BROKER__URL", broker.as_str()),
            ("EPRO__POSTGRES__URL", postgres.as_str()),
            ("EPRO__WORKER__LANES", LANES),
        ];
        self.stack.spawn(binary, &env)
    }
}

impl Crew {
    /// Starts them and waits until they are ready.
    pub(super) async fn start(world: &World<'_>) -> Result<Self> {
        let doors = [world.door()?, world.door()?];
        let at = watch::Sender::new(doors.iter().map(Service::url).collect());
        let mut crew = Self { doors, workers: [world.worker()?, world.worker()?], at };
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
        match whom {
            Whom::Door(place) => {
                self.doors[place] = world.door()?;
                self.at.send_replace(self.doors.iter().map(Service::url).collect());
            }
            Whom::Worker(place) => self.workers[place] = world.worker()?,
        }
        Ok(())
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

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn config(hospital: &SampleHospital, inbox: &Inbox, hops: &[Proxy]) -> Result<Value> {
    let at = |hop: Hop| hops[hop as usize].address();
    let through = |mut entry: Value, hop: Hop| -> Result<Value> {
        let url = entry["url"].as_str().context("a hospital's URL")?;
        entry["url"] = json!(crate::services::with_host_port(url, &at(hop))?);
        entry["calls_per_second"] = json!(PACE);
        entry["timeout"] = json!("2s");
        Ok(entry)
    };
    let mut smtp = inbox.config();
    let port = at(Hop::Mail).rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    smtp["port"] = json!(port.context("a port")?);
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
