//! Whom to tell now, and when to look again.

use std::time::Duration;

use epro_process::config::Person;
use epro_store::alerts::{Claim, Next};

/// The first wait before a channel that failed is tried again; it doubles, up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The measures of escalation, under the time scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ladder {
    /// Not acknowledged for so long: the next level.
    pub(super) escalation: Duration,
    /// What the waits between tries are multiplied with.
    pub(super) scale: f64,
}

/// Where an alert stands on the ladder now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Everybody up to this level is told.
    pub(super) level: i32,
    /// How long until the level after it, if there is one.
    pub(super) until_next: Option<Duration>,
}

impl Ladder {
    /// Where a claimed alert stands: one level up if its time at its own is over.
    pub(super) fn step(&self, people: &[Person], claim: &Claim) -> Step {
        self.at(people, claim.level, claim.level_for)
    }

    fn at(&self, people: &[Person], level: i32, level_for: Duration) -> Step {
        let lowest = people.iter().map(level_of).min().unwrap_or(level);
        let before = level.max(lowest);
        let above = |level: i32| people.iter().map(level_of).filter(|other| *other > level).min();
        match above(before) {
            Some(next) if level_for >= self.escalation => {
                Step { level: next, until_next: above(next).map(|_| self.escalation) }
            }
            Some(_) => Step { level: before, until_next: Some(self.escalation - level_for) },
            None => Step { level: before, until_next: None },
        }
    }

    /// When the alert is due again; `failed`: how often the channel that failed most was tried.
    pub(super) fn next(&self, step: Step, failed: Option<i32>) -> Next {
        let retry = failed.map(|tries| {
            let doubled =
                FIRST_RETRY * 2_u32.saturating_pow(u32::try_from(tries.max(1) - 1).unwrap_or(0).min(16));
            doubled.min(LONGEST_RETRY).mul_f64(self.scale)
        });
        let after = [retry, step.until_next].into_iter().flatten().min();
        Next { level: step.level, after }
    }

    /// When to look again whether somebody is configured.
    pub(super) fn nobody(&self, level: i32) -> Next {
        Next { level, after: Some(LONGEST_RETRY.mul_f64(self.scale)) }
    }
}

/// The level as the database counts.
pub(super) fn level_of(person: &Person) -> i32 {
    i32::try_from(person.level).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: Ladder = Ladder { escalation: Duration::from_secs(900), scale: 1.0 };

    fn people(levels: &[u32]) -> Vec<Person> {
        let person = |level: &u32| Person {
            name: format!("p{level}"),
            role: "investigator".into(),
            level: *level,
            email: None,
            phone: None,
        };
        levels.iter().map(person).collect()
    }

    fn seconds(step: Step) -> (i32, Option<u64>) {
        (step.level, step.until_next.map(|after| after.as_secs()))
    }

    #[test]
    fn the_next_level_comes_when_the_time_of_the_one_before_is_over() {
        let people = people(&[1, 1, 2, 5]);
        let at = |level, secs| seconds(LADDER.at(&people, level, Duration::from_secs(secs)));
        assert_eq!(at(1, 0), (1, Some(900)));
        assert_eq!(at(1, 899), (1, Some(1)));
        assert_eq!(at(1, 900), (2, Some(900)));
        assert_eq!(at(2, 5000), (5, None), "one level at a time, and then nobody is left");
        assert_eq!(at(5, 5000), (5, None));
    }

    #[test]
    fn nobody_is_passed_over_where_the_first_level_is_not_1() {
        assert_eq!(seconds(LADDER.at(&people(&[3, 4]), 1, Duration::ZERO)), (3, Some(900)));
        assert_eq!(seconds(LADDER.at(&[], 1, Duration::ZERO)), (1, None));
    }

    #[test]
    fn a_channel_that_fails_is_tried_again_ever_more_slowly_and_never_given_up() {
        let alone = Step { level: 1, until_next: None };
        let after = |tries| LADDER.next(alone, Some(tries)).after.unwrap().as_secs();
        assert_eq!([1, 2, 3, 7, 8, 100_000].map(after), [1, 2, 4, 60, 60, 60]);
        assert_eq!(LADDER.next(alone, None).after, None);
        let next = Step { level: 1, until_next: Some(Duration::from_secs(30)) };
        assert_eq!(LADDER.next(next, Some(100)).after, Some(Duration::from_secs(30)));
    }
}
