//! What is struck when. Two sequences at the same time: one at our processes, one at the world around them.

mod strikes;

use super::dice::Dice;
pub use strikes::{End, HOPS, HOW, Hop, How, Need, Queue, Strike, Whom};

/// A silence of so many seconds is long: whoever waits has given up by then. RabbitMQ misses the runs' heartbeats after
/// six, a statement or an answer of PostgreSQL's may take ten or fifteen.
pub const LONG: f64 = 12.0;
const LONGEST: f64 = 20.0;
/// In a run that is shorter than this no silence is long.
const ROOM: f64 = 30.0;

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
        let (mut dice, mut deck) = (Dice::new(seed), Deck::of(seed));
        Self {
            processes: sequence(&mut dice, seconds, at_processes),
            world: sequence(&mut dice, seconds, |dice| at_the_world(dice, &mut deck)),
        }
    }
}

/// In every second one a single silence is long, the first that begins after a time that is drawn, too.
fn sequence(dice: &mut Dice, seconds: f64, mut roll: impl FnMut(&mut Dice) -> (Strike, f64)) -> Vec<Planned> {
    let (mut planned, mut now) = (Vec::new(), 0.0);
    let mut long = (seconds >= ROOM && dice.below(2) == 0).then(|| dice.between(LONG, LONGEST));
    let not_before = dice.between(0.0, seconds / 2.0);
    while now < seconds {
        let after = dice.between(0.2, 2.0);
        let (strike, mut held) = roll(dice);
        if now >= not_before && strike.is_silence() {
            held = long.take().unwrap_or(held);
        }
        now += after + held;
        planned.push(Planned { after, strike, held });
    }
    planned
}

/// Every hop with everything that it can do.
const PAIRS: usize = HOPS.len() * HOW.len();
/// So far is one pair from the next, which has another hop and another failure. It shares no factor with their number,
/// so that all come before any comes again.
const STRIDE: usize = 25;
/// So many pairs lie between where a seed begins and where the next one does. It shares none either: of as many seeds
/// as there are pairs, in a row, each begins with another one.
const DEAL: usize = 5;

/// Which hop fails how, in turn: what is left to chance leaves out some pair of any sixty runs.
struct Deck(usize);

impl Deck {
    fn of(seed: u64) -> Self {
        Self((seed % PAIRS as u64) as usize * DEAL)
    }

    fn deal(&mut self) -> (Hop, How) {
        let pair = self.0 * STRIDE % PAIRS;
        self.0 += 1;
        (HOPS[pair % HOPS.len()], HOW[pair / HOPS.len()])
    }
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

fn at_the_world(dice: &mut Dice, deck: &mut Deck) -> (Strike, f64) {
    match dice.below(46) {
        0..=17 => at_a_hop(dice, deck),
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

fn at_a_hop(dice: &mut Dice, deck: &mut Deck) -> (Strike, f64) {
    let (hop, how) = deck.deal();
    let breaks = how.is_silence() && dice.below(2) == 0;
    let end = if breaks { End::Breaks } else { End::Passes };
    (Strike::Hop(hop, how, end), dice.between(0.1, 4.0))
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
        assert_eq!(kinds.len(), 34, "{kinds:?}");
    }

    #[test]
    fn every_hop_fails_in_every_way_within_sixty_runs_wherever_these_begin() {
        for first in [0, 7, 1_764_000_000] {
            let mut pairs = std::collections::BTreeSet::new();
            for seed in first..first + 60 {
                // Its first alone: how far a run comes in its time is not the plan's to say.
                let plan = Plan::of(seed, 60.0);
                pairs.extend(plan.world.iter().find_map(|planned| match planned.strike {
                    Strike::Hop(hop, how, _) => Some((hop.name(), how.name())),
                    _ => None,
                }));
            }
            assert_eq!(pairs.len(), PAIRS, "{pairs:?}");
        }
    }

    #[test]
    fn no_pair_of_hop_and_failure_is_dealt_again_before_every_other_one_was() {
        let mut deck = Deck::of(3);
        let pairs: std::collections::BTreeSet<_> = (0..PAIRS)
            .map(|_| {
                let (hop, how) = deck.deal();
                (hop.name(), how.name())
            })
            .collect();
        assert_eq!(pairs.len(), PAIRS, "{pairs:?}");
    }

    #[test]
    fn some_silences_are_long_at_most_two_a_run_and_nothing_else_is() {
        let mut long = 0;
        for seed in 0..60 {
            let plan = Plan::of(seed, 60.0);
            for sequence in [&plan.processes, &plan.world] {
                let these: Vec<_> = sequence.iter().filter(|planned| planned.held >= LONG).collect();
                assert!(these.len() <= 1, "{these:?}");
                assert!(these.iter().all(|one| one.strike.is_silence() && one.held <= LONGEST), "{these:?}");
                long += these.len();
            }
        }
        assert!((30..=90).contains(&long), "{long}");
    }

    #[test]
    fn about_half_of_the_hops_that_fell_silent_break_in_the_end_and_no_other_does() {
        let (mut silent, mut broken) = (0, 0);
        for seed in 0..60 {
            for planned in Plan::of(seed, 60.0).world {
                let Strike::Hop(_, how, end) = planned.strike else { continue };
                silent += usize::from(how.is_silence());
                broken += usize::from(end == End::Breaks);
                assert!(how.is_silence() || end == End::Passes, "{planned:?}");
            }
        }
        assert!(3 * broken > silent && 3 * broken < 2 * silent, "{broken} of {silent}");
    }
}
