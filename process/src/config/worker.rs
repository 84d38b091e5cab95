//! `worker`: which lanes run, and their measures.

use std::time::Duration;

use super::Config;
use super::section::Section;

/// Connections of the lane that alerts, and of no other: whatever burns there, it waits for none of them.
pub const ALERT_CONNECTIONS: u32 = 4;

/// Connections of each slot for exports: the two pages that are fetched at once, and a word about how far it is, which
/// must not wait for a page that takes long, since it hears of a cancel.
pub const CONNECTIONS_A_SLOT: u32 = 3;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The submission queues, urgent, routine and deferred.
    Submissions,
    /// `epro.dead`, which becomes rows.
    Dead,
    /// `unsent` follow-ons, published again.
    Relay,
    /// `epro.commands`.
    Commands,
    /// `epro.alerts` and whatever alert is due: tells people.
    Alerts,
    /// `epro.his.<site>`, for the hospitals whose leases this replica holds.
    Hospitals,
    /// `epro.risk`: asks the risk models of the studies that have one.
    Risk,
    /// `epro.exports`, and the exports of the slots whose leases this replica holds.
    Exports,
}

impl Lane {
    const CHOICES: [(&'static str, Self); 8] = [
        ("submissions", Self::Submissions),
        ("dead", Self::Dead),
        ("relay", Self::Relay),
        ("commands", Self::Commands),
        ("alerts", Self::Alerts),
        ("hospitals", Self::Hospitals),
        ("risk", Self::Risk),
        ("exports", Self::Exports),
    ];

    /// The lane's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submissions => "submissions",
            Self::Dead => "dead",
            Self::Relay => "relay",
            Self::Commands => "commands",
            Self::Alerts => "alerts",
            Self::Hospitals => "hospitals",
            Self::Risk => "risk",
            Self::Exports => "exports",
        }
    }

    /// Whether a lane by its full name, such as `submissions.routine`, is of this kind.
    pub fn has(self, lane: &str) -> bool {
        lane.split('.').next() == Some(self.as_str())
    }
}

impl Config {
    /// Connections to PostgreSQL that a worker of this configuration opens at most: the pool that its lanes share, and
    /// what some have for themselves.
    pub fn worker_connections(&self) -> u32 {
        let own = |lane: &Lane| match lane {
            Lane::Alerts => ALERT_CONNECTIONS,
            // For the leases.
            Lane::Hospitals => 1,
            // And one for the leases.
            Lane::Exports => CONNECTIONS_A_SLOT * self.exports.slots + 1,
            Lane::Submissions | Lane::Dead | Lane::Relay | Lane::Commands | Lane::Risk => 0,
        };
        self.postgres.pool_size + self.worker.lanes.iter().map(own).sum::<u32>()
    }
}

/// Which lanes run, and their measures.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The lanes of this process.
    pub lanes: Vec<Lane>,
    /// Most submissions in one transaction.
    pub chunk: usize,
    /// How long a chunk waits after its first submission; one that fills, up to ten times as long.
    pub linger: Duration,
    /// Most unacked deliveries of a queue; at least two chunks.
    pub prefetch: u16,
    /// The same for the urgent queue, on its own channel.
    pub urgent_prefetch: u16,
    /// How long a chunk is held in hand while PostgreSQL is away.
    pub hold: Duration,
    /// How long a submission waits for its base or its instrument.
    pub wait_budget: Duration,
    /// How long leaving may take after SIGTERM.
    pub drain: Duration,
}

impl WorkerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let seconds = Duration::from_secs;
        let lanes = section.choices("lanes", &Lane::CHOICES.map(|(_, lane)| lane), &Lane::CHOICES);
        let chunk = section.integer("chunk", 256, 1, 10_000);
        let linger = section.duration("linger", Duration::from_millis(3), Duration::ZERO);
        let prefetch = section.integer("prefetch", 1536, 2, 60_000);
        if prefetch < 2 * chunk {
            section.problem(
                "prefetch",
                "has to be at least 2 x chunk, or a chunk can't fill while another commits",
            );
        }
        let urgent_prefetch = section.integer("urgent_prefetch", 64, 1, 60_000);
        let hold = section.duration("hold", seconds(300), seconds(1));
        let wait_budget = section.duration("wait_budget", seconds(24 * 3600), seconds(1));
        let drain = section.duration("drain", seconds(25), Duration::from_millis(1));
        section.finish();
        Self {
            lanes,
            chunk: usize::try_from(chunk).unwrap_or(usize::MAX),
            linger,
            prefetch: u16::try_from(prefetch).unwrap_or(u16::MAX),
            urgent_prefetch: u16::try_from(urgent_prefetch).unwrap_or(u16::MAX),
            hold,
            wait_budget,
            drain,
        }
    }
}
