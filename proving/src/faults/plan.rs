//! What is struck when. Two sequences at the same time: one at our processes, one at the world around them.

use super::dice::Dice;

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
pub const HOPS: [Hop; 7] = [
    Hop::DoorBroker,
    Hop::DoorPostgres,
    Hop::WorkerBroker,
    Hop::WorkerPostgres,
    Hop::Fhir,
    Hop::Mllp,
    Hop::Mail,
];

/// What a hop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its connections break; new ones pass.
    CutOnce,
    /// They break, and new ones are refused.
    Cut,
    /// Nothing passes either way, nothing is closed.
    Stall,
    /// 20 KB a second.
    Slow,
    /// What is asked passes, what is answered doesn't.
    HalfOpen,
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
    /// A hop fails.
    Hop(Hop, How),
    /// kill -9 of RabbitMQ, and started again.
    BrokerKill,
    /// RabbitMQ blocks publishers: its memory alarm.
    BrokerAlarm,
    /// RabbitMQ closes every connection.
    BrokerCloses,
    /// kill -9 of PostgreSQL, and started again.
    PostgresKill,
    /// PostgreSQL ends every session of ours.
    PostgresEnds,
    /// Nobody else may connect to PostgreSQL.
    PostgresFull,
    /// The hospital answers 503 and AE.
    HospitalFails,
    /// The hospital takes calls and never answers.
    HospitalSilent,
    /// The hospital is down.
    HospitalDown,
    /// The mail server says: later.
    MailLater,
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
            Self::Hop(_, How::CutOnce | How::Cut) => "hop cut",
            Self::Hop(_, How::Stall) => "hop stalled",
            Self::Hop(_, How::Slow) => "hop slow",
            Self::Hop(_, How::HalfOpen) => "hop half-open",
            Self::BrokerKill => "kill -9 RabbitMQ",
            Self::BrokerAlarm => "memory alarm",
            Self::BrokerCloses => "RabbitMQ closes",
            Self::PostgresKill => "kill -9 PostgreSQL",
            Self::PostgresEnds => "PostgreSQL ends sessions",
            Self::PostgresFull => "no connection left",
            Self::HospitalFails => "hospital 503, AE",
            Self::HospitalSilent => "hospital silent",
            Self::HospitalDown => "hospital down",
            Self::MailLater => "mail server 4xx",
        }
    }
}

/// A fault with its time.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Seconds before it, after the one before was undone.
    pub after: f64,
    /// What.
    pub strike: Strike,
    /// Seconds until it is undone.
    pub held: f64,
}

/// The faults of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// At our processes.
    pub processes: Vec<Planned>,
    /// At the world around them.
    pub world: Vec<Planned>,
}

impl Plan {
    /// Those of a seed, for a run of so many seconds.
    pub fn of(seed: u64, seconds: f64) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            processes: sequence(&mut dice, seconds, at_processes),
            world: sequence(&mut dice, seconds, at_the_world),
        }
    }
}

fn sequence(dice: &mut Dice, seconds: f64, roll: fn(&mut Dice) -> (Strike, f64)) -> Vec<Planned> {
    let (mut planned, mut now) = (Vec::new(), 0.0);
    while now < seconds {
        let after = dice.between(0.2, 2.0);
        let (strike, held) = roll(dice);
        now += after + held;
        planned.push(Planned { after, strike, held });
    }
    planned
}

fn at_processes(dice: &mut Dice) -> (Strike, f64) {
    let whom = if dice.below(5) < 2 { Whom::Door(dice.below(2)) } else { Whom::Worker(dice.below(2)) };
    match dice.below(6) {
        0..=2 => (Strike::Kill(whom), dice.between(0.0, 2.0)),
        // Beyond a lease's six seconds, too.
        3 | 4 => (Strike::Freeze(whom), dice.between(0.1, 9.0)),
        _ => (Strike::Replace(whom), dice.between(0.0, 0.5)),
    }
}

fn at_the_world(dice: &mut Dice) -> (Strike, f64) {
    const HOW: [How; 5] = [How::CutOnce, How::Cut, How::Stall, How::Slow, How::HalfOpen];
    match dice.below(28) {
        0..=13 => (Strike::Hop(dice.one_of(&HOPS), dice.one_of(&HOW)), dice.between(0.1, 4.0)),
        14 => (Strike::BrokerKill, dice.between(0.0, 1.0)),
        15 | 16 => (Strike::BrokerAlarm, dice.between(0.5, 4.0)),
        17 | 18 => (Strike::BrokerCloses, 0.0),
        19 => (Strike::PostgresKill, dice.between(0.0, 2.0)),
        20 | 21 => (Strike::PostgresEnds, 0.0),
        22 => (Strike::PostgresFull, dice.between(0.5, 4.0)),
        23 | 24 => (Strike::HospitalFails, dice.between(0.5, 5.0)),
        25 => (Strike::HospitalSilent, dice.between(0.5, 5.0)),
        26 => (Strike::HospitalDown, dice.between(0.5, 5.0)),
        _ => (Strike::MailLater, dice.between(0.5, 5.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_each_time_and_another_one_others() {
        let text = |seed| format!("{:?}", Plan::of(seed, 60.0));
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }

    #[test]
    fn every_kind_of_fault_is_struck_within_a_few_dozen_runs() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let plan = Plan::of(seed, 60.0);
            kinds.extend(plan.processes.iter().chain(&plan.world).map(|planned| planned.strike.kind()));
        }
        assert_eq!(kinds.len(), 20, "{kinds:?}");
    }
}
