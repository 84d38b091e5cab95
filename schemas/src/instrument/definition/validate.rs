//! What a well-formed instrument file may still get wrong.

use std::collections::BTreeSet;

use super::{AlertRule, Check, CheckKind, Definition, Item, Kind, Name, OptionList, ScoreKind, ScoreRule};
use crate::alert::RISK_RULE;
use crate::instrument::pro_ctcae;
use crate::submission::InstrumentRef;

/// LOINC's ages: estimated, reported, calculated, as such, and at the onset of an adverse event.
const AGES: [&str; 5] = ["21611-9", "21612-7", "29553-5", "30525-0", "30972-4"];

impl Definition {
    /// Everything that is wrong, one line each: place, then rule.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Problems(Vec::new());
        found.unless(
            InstrumentRef::new(&self.id, &self.version).is_ok(),
            "id, version",
            "must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
        );
        found.unless(
            !self.licence.trim().is_empty(),
            "licence",
            "must say on what terms the content may be used",
        );
        found.unless(!self.items.is_empty(), "items", "must not be empty");
        found.once("items", self.items.iter().map(|item| &item.link_id));
        found.once("scores", self.scores.iter().map(|score| &score.id));
        found.once("checks", self.checks.iter().map(|check| &check.id));
        found.once("alerts", self.alerts.iter().map(|alert| &alert.id));
        for (name, list) in &self.lists {
            list_problems(&mut found, name, list);
        }
        for item in &self.items {
            self.item(&mut found, item);
        }
        for score in &self.scores {
            self.score(&mut found, score);
        }
        for check in &self.checks {
            self.check(&mut found, check);
        }
        for alert in &self.alerts {
            self.alert(&mut found, alert);
        }
        found.0
    }

    fn find(&self, link_id: &Name) -> Option<&Item> {
        self.items.iter().find(|item| item.link_id == *link_id)
    }

    fn list(&self, item: &Item) -> Option<&OptionList> {
        self.lists.get(item.list.as_ref()?)
    }

    fn item(&self, found: &mut Problems, item: &Item) {
        let at = format!("item {}", item.link_id);
        found.word(&at, &item.link_id);
        let coded = item.kind == Kind::Coded;
        found.unless(coded == item.list.is_some(), &at, "must have a list exactly if it is coded");
        found.unless(item.list.is_none() || self.list(item).is_some(), &at, "must name a list of this file");
        found.unless(coded || !item.several, &at, "must be coded to take several options");
        number_problems(found, &at, item);
    }

    fn score(&self, found: &mut Problems, score: &ScoreRule) {
        let at = format!("score {}", score.id);
        found.word(&at, &score.id);
        let attributes = [&score.frequency, &score.severity, &score.interference];
        match score.kind {
            ScoreKind::Sum => {
                found.unless(!score.items.is_empty(), &at, "must name the items that it adds up");
                found.unless(
                    attributes.iter().all(|a| a.is_none()),
                    &at,
                    "must not have attributes of PRO-CTCAE",
                );
                found.once(&at, score.items.iter());
                for link_id in &score.items {
                    let numeric = self.find(link_id).is_some_and(|item| {
                        !item.several && matches!(item.kind, Kind::Coded | Kind::Integer | Kind::Decimal)
                    });
                    found.unless(
                        numeric,
                        &at,
                        &format!("must add up numeric or coded items of this file, not {link_id}"),
                    );
                    // Safe Harbor doesn't tell it; no sum may, either.
                    let age = self.find(link_id).is_some_and(|item| item.age);
                    found.unless(!age, &at, &format!("must not add up an age, like {link_id}"));
                }
            }
            ScoreKind::ProCtcae => {
                found.unless(score.items.is_empty(), &at, "must have attributes in place of items");
                found.unless(attributes.iter().any(|a| a.is_some()), &at, "must have at least one attribute");
                for link_id in attributes.into_iter().flatten() {
                    found.unless(
                        self.is_attribute(link_id),
                        &at,
                        &format!("must have items with scores 0 to 4, unlike {link_id}"),
                    );
                }
            }
        }
        for (n, band) in score.bands.iter().enumerate() {
            let apart = score.bands.iter().take(n).all(|other| other.to < band.from || band.to < other.from);
            found.unless(
                band.from <= band.to && apart,
                &at,
                &format!("must have bands that don't overlap, unlike {}", band.id),
            );
        }
    }

    fn is_attribute(&self, link_id: &Name) -> bool {
        let Some(item) = self.find(link_id) else { return false };
        let level =
            |score: f64| score.fract() == 0.0 && (0.0..=f64::from(pro_ctcae::HIGHEST)).contains(&score);
        match item.kind {
            Kind::Integer => item.minimum.is_some_and(level) && item.maximum.is_some_and(level),
            Kind::Coded => {
                !item.several
                    && self
                        .list(item)
                        .is_some_and(|list| list.options.iter().filter_map(|o| o.score).all(level))
            }
            Kind::Decimal | Kind::Boolean | Kind::Text => false,
        }
    }

    fn check(&self, found: &mut Problems, check: &Check) {
        let at = format!("check {}", check.id);
        found.word(&at, &check.id);
        let score = check.score.as_ref().map(|id| self.scores.iter().any(|score| score.id == *id));
        let item = check.item.as_ref().map(|id| self.find(id).is_some());
        let (good, rule) = match check.kind {
            CheckKind::Stated => {
                ((score, item) == (Some(true), None), "must name a score of this file, and no item")
            }
            CheckKind::Unanswered => {
                ((score, item) == (None, Some(true)), "must name an item of this file, and no score")
            }
        };
        found.unless(good, &at, rule);
    }

    fn alert(&self, found: &mut Problems, alert: &AlertRule) {
        let at = format!("alert {}", alert.id);
        found.word(&at, &alert.id);
        found.unless(alert.id.as_str() != RISK_RULE, &at, "must have another id: this one is a risk model's");
        let conditions = [alert.at_least.is_some(), alert.is.is_some(), !alert.any_of.is_empty()];
        found.unless(
            conditions.iter().filter(|given| **given).count() == 1,
            &at,
            "must have one of at_least, is, any_of",
        );
        found.unless(alert.at_least.is_none_or(f64::is_finite), &at, "must have a finite threshold");
        match (&alert.item, &alert.score) {
            (None, Some(id)) => {
                found.unless(
                    self.scores.iter().any(|score| score.id == *id),
                    &at,
                    "must name a score of this file",
                );
                found.unless(alert.at_least.is_some(), &at, "must have at_least for a score");
            }
            (Some(link_id), None) => match self.find(link_id) {
                None => found.unless(false, &at, "must name an item of this file"),
                Some(item) => self.alert_on_item(found, &at, alert, item),
            },
            _ => found.unless(false, &at, "must name either an item or a score"),
        }
    }

    fn alert_on_item(&self, found: &mut Problems, at: &str, alert: &AlertRule, item: &Item) {
        let (at_least, is, any_of) = match item.kind {
            Kind::Coded => (true, false, true),
            Kind::Integer | Kind::Decimal => (true, false, false),
            Kind::Boolean => (false, true, false),
            Kind::Text => (false, false, false),
        };
        let fits = (at_least || alert.at_least.is_none())
            && (is || alert.is.is_none())
            && (any_of || alert.any_of.is_empty());
        found.unless(fits, at, "must have a condition that its item can meet");
        let known =
            |code: &Name| self.list(item).is_some_and(|list| list.options.iter().any(|o| o.code == *code));
        found.unless(alert.any_of.iter().all(known), at, "must have codes of its item's list");
        // A threshold that no option reaches is a rule that never speaks.
        if let (Some(least), Some(list)) = (alert.at_least, self.list(item)) {
            let reached = list.options.iter().any(|option| option.score.is_some_and(|score| score >= least));
            found.unless(reached, at, "must have a threshold that an option reaches");
        }
    }
}

/// A number crosses de-identification. Without both bounds it may be any, a telephone number among them.
fn number_problems(found: &mut Problems, at: &str, item: &Item) {
    let numeric = matches!(item.kind, Kind::Integer | Kind::Decimal);
    let bounds = [item.minimum, item.maximum];
    found.unless(numeric || bounds == [None, None], at, "must be numeric to have a range");
    let bounded = bounds.iter().all(Option::is_some);
    found.unless(bounded || !numeric, at, "must have a minimum and a maximum if it is numeric");
    found.unless(bounds.iter().flatten().all(|bound| bound.is_finite()), at, "must have finite bounds");
    if let [Some(minimum), Some(maximum)] = bounds {
        found.unless(minimum <= maximum, at, "must have its minimum below its maximum");
    }
    found.unless(numeric || !item.age, at, "must be numeric to be an age");
    let unsaid = numeric && !item.age && AGES.contains(&item.link_id.as_str());
    found.unless(!unsaid, at, "must say age: true, as its LOINC code is an age's");
}

fn list_problems(found: &mut Problems, name: &Name, list: &OptionList) {
    let at = format!("list {name}");
    found.unless(!list.system.is_empty(), &at, "must have a system");
    found.unless(!list.options.is_empty(), &at, "must have options");
    found.once(&at, list.options.iter().map(|option| &option.code));
    for option in &list.options {
        found.unless((1..=64).contains(&option.code.len()), &at, "must have codes of 1 to 64 characters");
        found.unless(option.score.is_none_or(f64::is_finite), &at, "must have finite scores");
        // "2" must not be the code of one option and the number of another.
        let number = option.code.parse::<f64>().ok();
        let clash = number.is_some()
            && list.options.iter().any(|other| other.score == number && other.code != option.code);
        found.unless(
            !clash,
            &at,
            &format!("must not have a code that is another option's score, like {}", option.code),
        );
    }
}

struct Problems(Vec<String>);

impl Problems {
    fn unless(&mut self, good: bool, at: &str, rule: &str) {
        if !good {
            self.0.push(format!("{at}: {rule}"));
        }
    }

    fn word(&mut self, at: &str, word: &Name) {
        let good = crate::submission::is_name(word);
        self.unless(good, at, "must be 1 to 64 characters of A-Z a-z 0-9 . _ -");
    }

    fn once<'n>(&mut self, at: &str, names: impl Iterator<Item = &'n Name>) {
        let mut seen = BTreeSet::new();
        for name in names {
            let first = seen.insert(name);
            self.unless(first, at, &format!("must not have {name} twice"));
        }
    }
}
