//! When refusals are told: every few seconds, and ever more seldom while a flood of them lasts.

/// So many refusals between two ticks are a flood.
const FLOOD: u32 = 32;
/// After so many ticks without one (a minute) it has ended.
const CALM: u32 = 12;
/// Most ticks between two tellings (ten minutes and forty seconds).
const LONGEST: u32 = 128;

/// Counted from tick to tick of the post: every five seconds.
#[derive(Default)]
pub(super) struct Pace {
    /// Refusals since the last tick.
    refused: u32,
    /// Ticks until a flood has ended.
    flooded: u32,
    /// Ticks since refusals were told.
    waited: u32,
    /// Ticks between two tellings.
    interval: u32,
}

impl Pace {
    /// Something was refused.
    pub(super) fn refused(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// A tick: whether what was refused is to be told now.
    pub(super) fn is_due(&mut self) -> bool {
        let flood = std::mem::take(&mut self.refused) >= FLOOD;
        self.flooded = if flood { CALM } else { self.flooded.saturating_sub(1) };
        if self.flooded == 0 {
            self.interval = 1;
        }
        self.waited += 1;
        if self.waited < self.interval {
            return false;
        }
        self.waited = 0;
        if self.flooded > 0 {
            self.interval = (self.interval.max(1) * 2).min(LONGEST);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ticks at which refusals are told, of so many with so many refusals each.
    fn told(pace: &mut Pace, ticks: u32, refusals: u32) -> Vec<u32> {
        let mut due = || {
            (0..refusals).for_each(|_| pace.refused());
            pace.is_due()
        };
        (1..=ticks).filter(|_| due()).collect()
    }

    #[test]
    fn while_a_flood_lasts_refusals_are_told_ever_more_seldom() {
        let mut pace = Pace::default();
        assert_eq!(told(&mut pace, 400, FLOOD), [1, 3, 7, 15, 31, 63, 127, 255, 383]);
    }

    #[test]
    fn a_few_refusals_are_told_at_each_tick() {
        let mut pace = Pace::default();
        assert_eq!(told(&mut pace, 100, FLOOD - 1).len(), 100);
    }

    #[test]
    fn a_minute_after_the_last_of_a_flood_each_tick_tells_again() {
        let mut pace = Pace::default();
        told(&mut pace, 383, FLOOD);
        assert_eq!(told(&mut pace, 20, 0), (CALM..=20).collect::<Vec<u32>>());
    }

    #[test]
    fn a_flood_that_rests_now_and_then_is_still_one() {
        let mut pace = Pace::default();
        let mut rows = 0;
        for _ in 0..100 {
            rows += told(&mut pace, 1, FLOOD).len() + told(&mut pace, CALM - 1, 1).len();
        }
        assert!(rows < 20, "{rows} tellings in 1,200 ticks");
    }
}
