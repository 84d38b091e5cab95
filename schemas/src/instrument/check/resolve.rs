//! From answers as sent to values of the instrument.

use std::iter::repeat_with;

use super::{Resolved, ResolvedItem, Value};
use crate::instrument::Instrument;
use crate::instrument::definition::{Choice, Item, Kind, OptionList};
use crate::phi::Phi;
use crate::submission::{Answer, Submission};
use crate::violation::{Violation, Violations};

impl Instrument {
    /// Understands the answers of a submission: by linkId; by system and code,
    /// by bare code, or by the number that stands for exactly one option. Never
    /// by display text.
    ///
    /// # Errors
    /// Every problem at once. Items of the instrument are named, others by
    /// their place: `/answers/#2`.
    pub fn resolve(&self, submission: &Submission) -> Result<Resolved, Vec<Violation>> {
        let mut problems = Violations::default();
        let mut values: Vec<Option<Value>> = repeat_with(|| None).take(self.definition.items.len()).collect();
        let mut before = None;
        for (n, (link_id, answer)) in submission.answers.iter().enumerate() {
            let found = self
                .places
                .find(link_id, before)
                .and_then(|place| Some((place, self.definition.items.get(place)?, values.get_mut(place)?)));
            let Some((place, item, value)) = found else {
                if self.totals(link_id) {
                    if !matches!(answer, Answer::Integer(_) | Answer::Decimal(_) | Answer::Unanswered) {
                        problems.add(format!("/answers/#{}", n + 1), "must be a number");
                    }
                    continue;
                }
                problems.add(format!("/answers/#{}", n + 1), "is not an item of the instrument");
                continue;
            };
            before = Some(place);
            match meaning(item, self.places.options(place), answer) {
                Ok(_) if value.is_some() => problems.add(pointer(item), "is given twice"),
                Ok(understood) => *value = understood,
                Err(rule) => problems.add(pointer(item), rule),
            }
        }
        for (item, value) in self.definition.items.iter().zip(&values) {
            // A required item whose answer was refused has its problem already.
            let skipped = || matches!(submission.answers.get(&item.link_id), None | Some(Answer::Unanswered));
            if item.required && value.is_none() && skipped() {
                problems.add(pointer(item), "is required");
            }
        }
        for (n, id) in submission.stated.keys().enumerate() {
            if !self.definition.scores.iter().any(|score| score.id == id.as_str()) {
                problems.add(format!("/stated/#{}", n + 1), "is not a score of the instrument");
            }
        }
        let answered = self.places.items().iter().zip(values).enumerate();
        let mut items = Vec::with_capacity(self.definition.items.len().min(submission.answers.len()));
        items.extend(answered.filter_map(|(place, (item, value))| {
            Some(ResolvedItem { link_id: item.link_id, place, rank: item.rank, value: value? })
        }));
        problems.or(Some(Resolved { items }))
    }

    /// Whether a linkId is the code of a score. Its answer is a stated total: data, not an item.
    fn totals(&self, link_id: &str) -> bool {
        self.definition.scores.iter().any(|score| score.code.as_ref().is_some_and(|code| *code == *link_id))
    }
}

/// What an answer means to its item, whose options those are if it is coded; `None` if it is none.
fn meaning(
    item: &Item,
    options: Option<&OptionList>,
    answer: &Answer,
) -> Result<Option<Value>, &'static str> {
    let value = match (item.kind, answer) {
        (_, Answer::Unanswered) => return Ok(None),
        (Kind::Coded, answer) => {
            coded(options.ok_or("has no list in its instrument")?, item.several, answer)?
        }
        (Kind::Integer, Answer::Integer(whole)) => {
            within(item, *whole as f64)?;
            Value::Integer(*whole)
        }
        (Kind::Integer, _) => return Err("must be a whole number"),
        (Kind::Decimal, Answer::Integer(whole)) => Value::Decimal(within(item, *whole as f64)?),
        (Kind::Decimal, Answer::Decimal(decimal)) => Value::Decimal(within(item, *decimal)?),
        (Kind::Decimal, _) => return Err("must be a number"),
        (Kind::Boolean, Answer::Boolean(yes)) => Value::Boolean(*yes),
        (Kind::Boolean, _) => return Err("must be true or false"),
        (Kind::Text, Answer::Text(text)) => Value::Text(Phi::new(text.expose().clone())),
        (Kind::Text, _) => return Err("must be a string"),
    };
    Ok(Some(value))
}

fn pointer(item: &Item) -> String {
    format!("/answers/{}", item.link_id)
}

fn within(item: &Item, number: f64) -> Result<f64, &'static str> {
    let low = item.minimum.is_some_and(|minimum| number < minimum);
    let high = item.maximum.is_some_and(|maximum| number > maximum);
    // Adding 0.0 makes 0.0 of -0.0.
    if low || high || !number.is_finite() { Err("must lie in the item's range") } else { Ok(number + 0.0) }
}

fn coded(list: &OptionList, several: bool, answer: &Answer) -> Result<Value, &'static str> {
    let value = |option: &Choice| Value::Coded { code: option.code, score: option.score };
    let answers = match answer {
        Answer::Many(answers) if several => answers.as_slice(),
        Answer::Many(_) => return Err("must be one option"),
        one if several => std::slice::from_ref(one),
        one => return choice(list, one).map(|(_, option)| value(option)),
    };
    let mut chosen = answers.iter().map(|answer| choice(list, answer)).collect::<Result<Vec<_>, _>>()?;
    chosen.sort_unstable_by_key(|(place, _)| *place);
    if chosen.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        return Err("must not have an option twice");
    }
    Ok(Value::Many(chosen.into_iter().map(|(_, option)| value(option)).collect()))
}

/// The option that an answer means, with its place in the list.
fn choice<'l>(list: &'l OptionList, answer: &Answer) -> Result<(usize, &'l Choice), &'static str> {
    const OUTSIDE: &str = "is outside its list";
    match answer {
        Answer::Text(code) => by_code(list, code.expose())
            .or_else(|| by_number(list, plain_number(code.expose())?))
            .ok_or(OUTSIDE),
        Answer::Coding { system, code } => {
            if system.as_ref().is_some_and(|system| *system.expose() != list.system) {
                return Err("must be of the item's code system");
            }
            by_code(list, code.expose()).ok_or(OUTSIDE)
        }
        Answer::Integer(whole) => by_number(list, *whole as f64).ok_or(OUTSIDE),
        Answer::Decimal(decimal) => by_number(list, *decimal).ok_or(OUTSIDE),
        Answer::Boolean(_) | Answer::Many(_) | Answer::Unanswered => Err("must be a code"),
    }
}

fn by_code<'l>(list: &'l OptionList, code: &str) -> Option<(usize, &'l Choice)> {
    list.options.iter().enumerate().find(|(_, option)| option.code == *code)
}

/// The option with this score, if it is the only one.
fn by_number(list: &OptionList, number: f64) -> Option<(usize, &Choice)> {
    let mut options = list.options.iter().enumerate().filter(|(_, option)| option.score == Some(number));
    options.next().filter(|_| options.next().is_none())
}

/// The number that a string like "2" spells; nothing for "2 or more", " 2" or "+2".
fn plain_number(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let plain = digits && (1..=4).contains(&text.len()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
