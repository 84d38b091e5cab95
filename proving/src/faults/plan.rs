//! What is struck when. Two sequences at the same time: one at our processes, one at the world around them.

mod strikes;

use super::dice::Dice;
pub use strikes::{HOPS, Hop, How, Need, Queue, Strike, Whom};

/// The two processes that are killed, restarted and rolled out. The first door and the first worker live through a
/// whole run, with every other fault: whether a process keeps memory shows in one that stays.
pub const GOING: [Whom; 2] = [Whom::Door(1), Whom::Worker(1)];

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
    match dice.below(14) {
        0..=5 => (Strike::Kill(going(whom)), dice.between(0.0, 2.0)),
        // Beyond a lease's six seconds, too.
        6..=9 => (Strike::Freeze(whom), dice.between(0.1, 9.0)),
        10 | 11 => (Strike::Replace(going(whom)), dice.between(0.0, 0.5)),
        12 => (Strike::Rollout, 0.0),
        _ => (Strike::Clock(whom, jump(whom, dice)), dice.between(2.0, 6.0)),
    }
}

/// The one of its kind that goes.
fn going(whom: Whom) -> Whom {
    let [door, worker] = GOING;
    if matches!(whom, Whom::Door(_)) { door } else { worker }
}

/// A door judges tokens of an hour by its clock, with half a minute of leeway: beyond that it rightly refuses them.
fn jump(whom: Whom, dice: &mut Dice) -> i32 {
    match whom {
        Whom::Door(_) => dice.one_of(&[-60, -5, 5, 1800]),
        Whom::Worker(_) => dice.one_of(&[-7200, -60, 60, 7200]),
    }
}

fn at_the_world(dice: &mut Dice) -> (Strike, f64) {
    match dice.below(46) {
        0..=17 => at_a_hop(dice),
        18..=24 => at_the_broker(dice),
        25..=33 => at_postgres(dice),
        34..=36 => (
            Strike::QueueLost(dice.one_of(&[Queue::Fhir, Queue::Mllp, Queue::Alerts])),
            dice.between(0.0, 3.0),
        ),
        37..=41 => at_the_hospital(dice),
        _ => at_mail(dice),
    }
}

fn at_a_hop(dice: &mut Dice) -> (Strike, f64) {
    const HOW: [How; 5] = [How::CutOnce, How::Cut, How::Stall, How::Slow, How::HalfOpen];
    (Strike::Hop(dice.one_of(&HOPS), dice.one_of(&HOW)), dice.between(0.1, 4.0))
}

fn at_the_broker(dice: &mut Dice) -> (Strike, f64) {
    match dice.below(8) {
        0 => (Strike::BrokerKill, dice.between(0.0, 1.0)),
        1 => (Strike::BrokerFreeze, dice.between(0.5, 9.0)),
        2 | 3 => (Strike::BrokerAlarm, dice.between(0.5, 4.0)),
        4 | 5 => (Strike::BrokerCloses, 0.0),
        6 => (Strike::BrokerFull, dice.between(0.5, 4.0)),
        _ => (Strike::AckTimeout, dice.between(2.5, 4.0)),
    }
}

fn at_postgres(dice: &mut Dice) -> (Strike, f64) {
    match dice.below(8) {
        0 => (Strike::PostgresKill, dice.between(0.0, 2.0)),
        1 | 2 => (Strike::PostgresFreeze, dice.between(0.5, 9.0)),
        3 | 4 => (Strike::PostgresEnds, 0.0),
        5 => (Strike::PostgresFull, dice.between(0.5, 4.0)),
        _ => (Strike::DiskFull, dice.between(0.5, 5.0)),
    }
}

fn at_the_hospital(dice: &mut Dice) -> (Strike, f64) {
    let strike = match dice.below(4) {
        0 | 1 => Strike::HospitalFails,
        2 => Strike::HospitalSilent,
        _ => Strike::HospitalDown,
    };
    (strike, dice.between(0.5, 5.0))
}

fn at_mail(dice: &mut Dice) -> (Strike, f64) {
    let strikes = [Strike::MailLater, Strike::MailLater, Strike::MailRefuses, Strike::MailDown];
    (dice.one_of(&strikes), dice.between(0.5, 5.0))
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
    fn the_first_door_and_the_first_worker_have_every_fault_but_an_end() {
        let (first, mut had) = ([Whom::Door(0), Whom::Worker(0)], std::collections::BTreeSet::new());
        for planned in (0..60).flat_map(|seed| Plan::of(seed, 60.0).processes) {
            match planned.strike {
                Strike::Kill(whom) | Strike::Replace(whom) => assert!(GOING.contains(&whom), "{planned:?}"),
                Strike::Freeze(whom) | Strike::Clock(whom, _) if first.contains(&whom) => {
                    had.insert(planned.strike.kind());
                }
                _ => {}
            }
        }
        assert_eq!(had.len(), 4, "{had:?}");
    }

    #[test]
    fn every_kind_of_fault_is_struck_within_a_few_dozen_runs() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let plan = Plan::of(seed, 60.0);
            kinds.extend(plan.processes.iter().chain(&plan.world).map(|planned| planned.strike.kind()));
        }
        assert_eq!(kinds.len(), 32, "{kinds:?}");
    }
}
