//! The answers of a submission.

use super::Read;
use super::field::text;
use crate::json::number::{self, Number};
use crate::json::{Entry, Json};
use crate::phi::Phi;
use crate::submission::{Answer, Answers, MAX_ANSWERS, MAX_CHOICES, MAX_CODE, MAX_NAME, MAX_TEXT};
use crate::violation::Violations;

/// All answers; `None` if it isn't even an object of them.
pub(super) fn read(value: Json<'_>, problems: &mut Violations) -> Option<Answers> {
    let Json::Object(entries) = value else {
        problems.add("/answers", "must be an object");
        return None;
    };
    if entries.is_empty() || entries.len() > MAX_ANSWERS {
        problems.add("/answers", format!("must hold 1 to {MAX_ANSWERS} answers"));
        return None;
    }
    let mut answers = Vec::with_capacity(entries.len());
    for (n, entry) in entries.into_iter().enumerate() {
        let mut place = Place { pointer: Pointer { item: n + 1, choice: None }, problems };
        if let Some(answer) = place.entry(entry) {
            answers.push(answer);
        }
    }
    Some(answers.into_iter().collect())
}

/// Where in the answers we are.
#[derive(Clone, Copy)]
struct Pointer {
    item: usize,
    choice: Option<usize>,
}

struct Place<'p> {
    pointer: Pointer,
    problems: &'p mut Violations,
}

impl Place<'_> {
    fn entry(&mut self, entry: Entry<'_>) -> Option<(String, Answer)> {
        let rule = match entry.flaw {
            Some(flaw) => Some(flaw.rule()),
            None if is_link_id(&entry.key) => None,
            None => Some("must be under a linkId of 1 to 64 characters"),
        };
        if let Some(rule) = rule {
            self.problem("", rule);
        }
        let answer = self.answer(entry.value)?;
        rule.is_none().then(|| (entry.key.into_owned(), answer))
    }

    fn answer(&mut self, value: Json<'_>) -> Option<Answer> {
        match value {
            Json::Null => Some(Answer::Unanswered),
            Json::Array(choices) => self.many(choices),
            value => self.one(value),
        }
    }

    fn many(&mut self, choices: Vec<Json<'_>>) -> Option<Answer> {
        if choices.is_empty() || choices.len() > MAX_CHOICES {
            self.problem("", "must have 1 to 50 choices");
            return None;
        }
        let mut answers = Vec::with_capacity(choices.len());
        let asked = choices.len();
        for (n, choice) in choices.into_iter().enumerate() {
            self.pointer.choice = Some(n);
            match choice {
                Json::Null | Json::Array(_) => self.problem("", "must be a code"),
                choice => answers.extend(self.one(choice)),
            }
        }
        (answers.len() == asked).then_some(Answer::Many(answers))
    }

    fn one(&mut self, value: Json<'_>) -> Option<Answer> {
        match value {
            Json::Object(entries) => self.coding(entries),
            value => single(value).map_err(|rule| self.problem("", rule)).ok(),
        }
    }

    fn coding(&mut self, entries: Vec<Entry<'_>>) -> Option<Answer> {
        let (mut system, mut code) = (None, None);
        let mut good = true;
        for (n, entry) in entries.into_iter().enumerate() {
            let (key, place) = match &*entry.key {
                "system" => ("/system".to_owned(), &mut system),
                "code" => ("/code".to_owned(), &mut code),
                _ => {
                    self.problem(
                        &format!("/#{}", n + 1),
                        entry.flaw.map_or("is not a field of a coding", |flaw| flaw.rule()),
                    );
                    good = false;
                    continue;
                }
            };
            let read = match (entry.flaw, entry.value) {
                (Some(flaw), _) => Err(flaw.rule()),
                (None, Json::Null) => continue,
                (None, value) => bounded(value, MAX_CODE),
            };
            match read {
                Ok(text) => *place = Some(text),
                Err(rule) => {
                    self.problem(&key, rule);
                    good = false;
                }
            }
        }
        if good && code.is_none() {
            self.problem("/code", "is required");
        }
        let code = code?;
        good.then_some(Answer::Coding { system, code })
    }

    fn problem(&mut self, below: &str, rule: &str) {
        let Pointer { item, choice } = self.pointer;
        let choice = choice.map_or_else(String::new, |n| format!("/{n}"));
        self.problems.add(format!("/answers/#{item}{choice}{below}"), rule);
    }
}

/// Whether answers may stand under a key.
pub(super) fn is_link_id(key: &str) -> bool {
    (1..=MAX_NAME).contains(&key.len())
}

/// An answer that is one value: yes or no, a number or a text.
pub(super) fn single(value: Json<'_>) -> Read<Answer> {
    match value {
        Json::Boolean(yes) => Ok(Answer::Boolean(yes)),
        Json::Number(text) => Ok(match number::read(text)? {
            Number::Whole(whole) => Answer::Integer(whole),
            Number::Decimal(decimal) => Answer::Decimal(decimal),
        }),
        value => bounded(value, MAX_TEXT).map(Answer::Text),
    }
}

fn bounded(value: Json<'_>, most: usize) -> Read<Phi<String>> {
    let text = text(value)?;
    // Bytes bound characters from above, so that most texts aren't counted.
    if text.len() > most && text.chars().count() > most {
        return Err(if most == MAX_TEXT {
            "must be at most 4000 characters"
        } else {
            "must be at most 256 characters"
        });
    }
    Ok(Phi::new(text.into_owned()))
}
