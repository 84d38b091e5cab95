//! What is sent, and how much of it something follows on from.

use serde_json::{Value, json};

/// Nothing follows on from there.
const SITE: &str = "H004";
/// It has a hospital.
pub(super) const HOSPITAL: &str = "H001";
/// Somebody at each is told of dangerous answers.
pub(super) const SITES: [&str; 2] = [SITE, HOSPITAL];
/// One in so many goes on to the hospital, or fewer: see [`PACE`].
const TO_HOSPITAL: usize = 200;
/// One in so many is dangerous, or fewer.
const DANGEROUS: usize = 1000;
/// No more than so many a second of either: half of what a hospital takes by default, so that no queue grows.
const PACE: f64 = 5.0;

/// What a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Body {
    /// One answer on pain: an hour of it takes some 30 GB of disk
    Small,
    /// The nine answers that `./dev bench` measures with: some 50 GB
    Usual,
}

impl Body {
    /// What it is called where it is recorded.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Small => "one answer on pain",
            Self::Usual => "PHQ-9",
        }
    }

    /// Bytes on the disk that one takes in all tables and indexes; a little more than was ever seen.
    pub(super) fn stored(self) -> f64 {
        match self {
            Self::Small => 2000.0,
            Self::Usual => 3200.0,
        }
    }
}

/// All that is sent, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix {
    pub(super) body: Body,
    /// One in so many goes on to the hospital.
    to_hospital: usize,
    /// One in so many is dangerous.
    dangerous: usize,
}

impl Mix {
    /// At so many a second.
    pub(super) fn at(rate: f64, body: Body) -> Self {
        let every = |least: usize| least.max((rate / PACE).ceil() as usize);
        Self { body, to_hospital: every(TO_HOSPITAL), dangerous: every(DANGEROUS) }
    }

    /// Which of those for the hospital it is, if it goes on there.
    pub(super) fn to_hospital(self, number: usize) -> Option<usize> {
        number.is_multiple_of(self.to_hospital).then_some(number / self.to_hospital)
    }

    pub(super) fn site(self, number: usize) -> &'static str {
        if self.to_hospital(number).is_some() { HOSPITAL } else { SITE }
    }

    pub(super) fn is_dangerous(self, number: usize) -> bool {
        number % self.dangerous == self.dangerous / 2
    }

    /// Instrument and answers. Pain never alerts.
    pub(super) fn answers(self, number: usize) -> (&'static str, Value) {
        let dangerous = self.is_dangerous(number);
        if self.body == Body::Small && !dangerous {
            return ("nrs-pain|1.0", json!({"72514-3": number % 11}));
        }
        let answer = |item: usize| (number + item) % 4;
        (
            "phq-9|1.0",
            json!({
                "44250-9": answer(0), "44255-8": answer(1), "44259-0": answer(2), "44254-1": answer(3),
                "44251-7": answer(4), "44258-2": answer(5), "44252-5": answer(6), "44253-3": answer(7),
                "44260-8": u8::from(dangerous),
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many a second are so, in a minute.
    fn of(rate: usize, is: impl Fn(Mix, usize) -> bool) -> usize {
        let mix = Mix::at(rate as f64, Body::Usual);
        (0..60 * rate).filter(|number| is(mix, *number)).count().div_ceil(60)
    }

    #[test]
    fn a_part_goes_to_the_hospital_and_a_part_is_dangerous_and_never_more_than_five_a_second() {
        let to_hospital = |mix: Mix, number: usize| mix.site(number) == HOSPITAL;
        assert_eq!([100, 1000, 5000, 20_000].map(|rate| of(rate, to_hospital)), [1, 5, 5, 5]);
        assert_eq!([1000, 5000, 20_000].map(|rate| of(rate, Mix::is_dangerous)), [1, 5, 5]);
    }

    #[test]
    fn only_what_is_dangerous_has_item_nine_whatever_is_sent() {
        let mix = Mix::at(100.0, Body::Small);
        assert_eq!(mix.answers(0).0, "nrs-pain|1.0");
        assert_eq!(mix.answers(DANGEROUS / 2).1["44260-8"], 1);
        assert_eq!(Mix::at(100.0, Body::Usual).answers(0).1["44260-8"], 0);
    }
}
