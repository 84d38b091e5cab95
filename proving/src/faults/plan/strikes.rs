//! Every fault that there is, and what it is called.

use crate::proxy::Side;

/// One of our processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A producer-api.
    Door(usize),
    /// A worker.
    Worker(usize),
}

/// A connection between two that goes through a relay of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Hop {
    /// Apps to the first door.
    FirstDoor,
    /// Apps to the second door.
    SecondDoor,
    /// Doors to RabbitMQ.
    DoorBroker,
    /// Doors to PostgreSQL.
    DoorPostgres,
    /// Workers to RabbitMQ.
    WorkerBroker,
    /// Workers to PostgreSQL.
    WorkerPostgres,
    /// Workers to the hospital, FHIR.
    Fhir,
    /// Workers to the hospital, MLLP.
    Mllp,
    /// Workers to the mail server.
    Mail,
}

/// All of them.
pub const HOPS: [Hop; 9] = [
    Hop::FirstDoor,
    Hop::SecondDoor,
    Hop::DoorBroker,
    Hop::DoorPostgres,
    Hop::WorkerBroker,
    Hop::WorkerPostgres,
    Hop::Fhir,
    Hop::Mllp,
    Hop::Mail,
];

impl Hop {
    /// The one from apps to that door.
    pub fn to_door(place: usize) -> Self {
        if place == 0 { Self::FirstDoor } else { Self::SecondDoor }
    }

    /// Words for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstDoor => "apps–first door",
            Self::SecondDoor => "apps–second door",
            Self::DoorBroker => "doors–RabbitMQ",
            Self::DoorPostgres => "doors–PostgreSQL",
            Self::WorkerBroker => "workers–RabbitMQ",
            Self::WorkerPostgres => "workers–PostgreSQL",
            Self::Fhir => "workers–hospital, FHIR",
            Self::Mllp => "workers–hospital, HL7 v2",
            Self::Mail => "workers–mail server",
        }
    }

    /// Bytes a second when it is slow: less than what usually passes there.
    pub fn when_slow(self) -> u32 {
        match self {
            Self::FirstDoor
            | Self::SecondDoor
            | Self::DoorBroker
            | Self::WorkerBroker
            | Self::WorkerPostgres => 20_000,
            Self::DoorPostgres | Self::Fhir | Self::Mllp | Self::Mail => 2_000,
        }
    }
}

/// A queue that an operator loses and puts back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// What is to be brought to the hospital by FHIR.
    Fhir,
    /// What is to be brought there by HL7 v2.
    Mllp,
    /// Alerts to be told.
    Alerts,
}

impl Queue {
    /// As the broker knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fhir => "epro.his.H001",
            Self::Mllp => "epro.his.H002",
            Self::Alerts => "epro.alerts",
        }
    }

    /// The lane that consumes it.
    pub fn lane(self) -> &'static str {
        match self {
            Self::Fhir | Self::Mllp => "hospitals",
            Self::Alerts => "alerts",
        }
    }
}

/// What a fault takes that isn't there everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A file system that may be filled.
    SmallDisk,
    /// A clock of a process's own.
    Faketime,
}

impl Need {
    /// Both.
    pub const ALL: [Self; 2] = [Self::SmallDisk, Self::Faketime];

    /// What is left out without it, and why.
    pub fn left_out(self) -> &'static str {
        match self {
            Self::SmallDisk => "disk full: it takes root, who may mount a small file system",
            Self::Faketime => "clock jump: it takes libfaketime (a package of that name)",
        }
    }
}

/// What a hop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its connections break; new ones pass.
    CutOnce,
    /// They break, and new ones are refused.
    Cut,
    /// Nothing passes either way, nothing is closed.
    Stall,
    /// A few bytes at a time.
    Slow,
    /// That side is heard, the other one isn't: no answer comes, or nobody hears what is asked.
    HalfOpen(Side),
}

/// All of that.
pub const HOW: [How; 6] =
    [How::CutOnce, How::Cut, How::Stall, How::Slow, How::HalfOpen(Side::Client), How::HalfOpen(Side::Server)];

impl How {
    /// A word for tables.
    pub fn name(self) -> &'static str {
        let kind = self.kind();
        kind.strip_prefix("hop ").unwrap_or(kind)
    }

    fn kind(self) -> &'static str {
        match self {
            Self::CutOnce => "hop cut once",
            Self::Cut => "hop cut",
            Self::Stall => "hop stalled",
            Self::Slow => "hop slow",
            Self::HalfOpen(Side::Client) => "hop half-open: no answer",
            Self::HalfOpen(Side::Server) => "hop half-open: not heard",
        }
    }

    /// Nothing passes at least one way, and nobody is told.
    pub fn is_silence(self) -> bool {
        matches!(self, Self::Stall | Self::HalfOpen(_))
    }

    /// What is asked waits, and passes all at once in the end, if it does.
    pub fn holds_questions_back(self) -> bool {
        matches!(self, Self::Stall | Self::Slow | Self::HalfOpen(Side::Server))
    }
}

/// What becomes of a hop that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What it held back passes.
    Passes,
    /// Its connections break: what it held back never arrives.
    Breaks,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// kill -9, and a new one.
    Kill(Whom),
    /// SIGSTOP, then SIGCONT.
    Freeze(Whom),
    /// SIGTERM, its drain, and a new one.
    Replace(Whom),
    /// Each that goes, one after the other, as a rollout does: the new one is ready before the old one is told to leave.
    Rollout,
    /// Its clock jumps by so many seconds, and back.
    Clock(Whom, i32),
    /// A hop fails.
    Hop(Hop, How, End),
    /// kill -9 of RabbitMQ, and started again.
    BrokerKill,
    /// SIGSTOP of RabbitMQ, then SIGCONT.
    BrokerFreeze,
    /// RabbitMQ blocks publishers: its memory alarm.
    BrokerAlarm,
    /// RabbitMQ closes every connection.
    BrokerCloses,
    /// Nobody may connect to RabbitMQ, and everybody has to.
    BrokerFull,
    /// RabbitMQ gives up on acks while PostgreSQL stalls.
    AckTimeout,
    /// A queue is deleted with all that is in it, declared again, and reconciled.
    QueueLost(Queue),
    /// kill -9 of PostgreSQL, and started again.
    PostgresKill,
    /// SIGSTOP of PostgreSQL with its backends, then SIGCONT.
    PostgresFreeze,
    /// PostgreSQL ends every session of ours.
    PostgresEnds,
    /// PostgreSQL has no connection left, and ends those that it gave us.
    PostgresFull,
    /// The disk with PostgreSQL's tables is full.
    DiskFull,
    /// The hospital answers 503 and AE.
    HospitalFails,
    /// The hospital takes calls and never answers.
    HospitalSilent,
    /// The hospital is down.
    HospitalDown,
    /// The mail server says: later.
    MailLater,
    /// The mail server refuses every recipient.
    MailRefuses,
    /// The mail server is down.
    MailDown,
}

impl Strike {
    /// A word for tables: the kind, not the target.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Kill(Whom::Door(_)) => "kill -9 door",
            Self::Kill(Whom::Worker(_)) => "kill -9 worker",
            Self::Freeze(Whom::Door(_)) => "SIGSTOP door",
            Self::Freeze(Whom::Worker(_)) => "SIGSTOP worker",
            Self::Replace(Whom::Door(_)) => "restart door",
            Self::Replace(Whom::Worker(_)) => "restart worker",
            Self::Rollout => "rolling restart",
            Self::Clock(Whom::Door(_), _) => "clock jump door",
            Self::Clock(Whom::Worker(_), _) => "clock jump worker",
            Self::Hop(_, how, _) => how.kind(),
            Self::BrokerKill => "kill -9 RabbitMQ",
            Self::BrokerFreeze => "SIGSTOP RabbitMQ",
            Self::BrokerAlarm => "memory alarm",
            Self::BrokerCloses => "RabbitMQ closes",
            Self::BrokerFull => "RabbitMQ takes no connection",
            Self::AckTimeout => "ack timeout",
            Self::QueueLost(Queue::Alerts) => "alerts' queue lost",
            Self::QueueLost(_) => "hospital's queue lost",
            Self::PostgresKill => "kill -9 PostgreSQL",
            Self::PostgresFreeze => "SIGSTOP PostgreSQL",
            Self::PostgresEnds => "PostgreSQL ends sessions",
            Self::PostgresFull => "no connection left",
            Self::DiskFull => "disk full",
            Self::HospitalFails => "hospital 503, AE",
            Self::HospitalSilent => "hospital silent",
            Self::HospitalDown => "hospital down",
            Self::MailLater => "mail server 4xx",
            Self::MailRefuses => "mail server 5xx",
            Self::MailDown => "mail server down",
        }
    }

    /// Whoever is struck stands still, or hears nothing, and its connections stay.
    pub fn is_silence(self) -> bool {
        match self {
            Self::Freeze(_) | Self::BrokerFreeze | Self::PostgresFreeze => true,
            Self::Hop(_, how, _) => how.is_silence(),
            _ => false,
        }
    }

    /// What it takes.
    pub fn need(self) -> Option<Need> {
        match self {
            Self::DiskFull => Some(Need::SmallDisk),
            Self::Clock(..) => Some(Need::Faketime),
            _ => None,
        }
    }
}
