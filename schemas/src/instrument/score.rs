//! What the answers add up to.

use serde::Serialize;

use super::definition::{Band, ScoreKind, ScoreRule};
use super::places::Operands;
use super::pro_ctcae::{self, Composite};
use super::{Instrument, Name, Resolved};

/// One score of an instrument.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Its id in the instrument file.
    pub id: Name,
    /// Its LOINC code, if it has one.
    pub code: Option<Name>,
    /// The score; `None` if an item that it needs is missing.
    pub value: Option<f64>,
    /// The band that the value lies in.
    pub band: Option<Name>,
    /// How many of the items that it needs are missing.
    pub missing: usize,
}

impl Instrument {
    /// The scores, in the instrument's order. A missing item means no value:
    /// what wasn't answered is unknown, not zero.
    #[must_use]
    pub fn score(&self, resolved: &Resolved) -> Vec<Score> {
        let numbers = self.numbers(resolved);
        let number = |place: usize| *numbers.get(place)?;
        let rules = self.definition.scores.iter().zip(self.places.scores());
        rules.map(|(rule, operands)| score(rule, operands, number)).collect()
    }

    /// The number behind each item's answer, by the item's place.
    fn numbers(&self, resolved: &Resolved) -> Vec<Option<f64>> {
        let mut numbers = vec![None; self.definition.items.len()];
        for item in &resolved.items {
            if let Some(number) = numbers.get_mut(item.place) {
                *number = item.value.number();
            }
        }
        numbers
    }
}

fn score(rule: &ScoreRule, operands: &Operands, number: impl Fn(usize) -> Option<f64>) -> Score {
    let (value, missing) = match rule.kind {
        ScoreKind::Sum => sum(&operands.items, number),
        ScoreKind::ProCtcae => composite(operands.attributes, number),
    };
    let within = |band: &&Band| value.is_some_and(|value| (band.from..=band.to).contains(&value));
    let band = rule.bands.iter().find(within).map(|band| band.id);
    Score { id: rule.id, code: rule.code, value, band, missing }
}

fn sum(items: &[usize], number: impl Fn(usize) -> Option<f64>) -> (Option<f64>, usize) {
    let (mut sum, mut missing) = (0.0, 0);
    for place in items {
        match number(*place) {
            Some(number) => sum += number,
            None => missing += 1,
        }
    }
    ((missing == 0).then_some(sum), missing)
}

fn composite(attributes: [Option<usize>; 3], number: impl Fn(usize) -> Option<f64>) -> (Option<f64>, usize) {
    let levels: Vec<Option<u8>> = attributes.iter().flatten().map(|place| level(number(*place)?)).collect();
    let [frequency, severity, interference] = attributes.map(|place| place.is_some());
    let grade =
        Composite::of(frequency, severity, interference).and_then(|composite| composite.grade(&levels));
    // What is missing behind a 0 wasn't asked, so it isn't missing.
    let mut after_zero = false;
    let missing = levels.iter().filter(|level| {
        let missing = level.is_none() && !after_zero;
        after_zero = **level == Some(0) || (after_zero && level.is_none());
        missing
    });
    let missing = missing.count();
    (grade.map(f64::from), missing)
}

/// The level of an attribute; the file was checked to have whole ones only.
fn level(number: f64) -> Option<u8> {
    (0..=pro_ctcae::HIGHEST).find(|level| f64::from(*level) == number)
}
