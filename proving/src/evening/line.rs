//! The lines of the evening as they stand in `evening/*.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One thing that a patient's app sends, and what must become of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Short and unique.
    pub name: String,
    /// What it is, for a reader of the table.
    pub what: String,
    /// Who says that this is what must become of it.
    pub source: String,
    /// The patient.
    pub subject: String,
    /// The study.
    pub study: String,
    /// The site.
    pub site: String,
    /// `id|version`; absent beside `body`.
    pub instrument: Option<String>,
    /// How long ago it was answered: `2h`, `10d`. An hour if absent.
    pub answered: Option<String>,
    /// The answers by linkId.
    pub answers: Option<Value>,
    /// Totals that the client states.
    pub stated: Option<Value>,
    /// Goes as a QuestionnaireResponse through the FHIR door; its answers are codes.
    #[serde(default)]
    pub fhir: bool,
    /// Which token it comes with.
    #[serde(default)]
    pub token: Token,
    /// A `subject_id` in the body though the token is a patient's.
    pub names: Option<String>,
    /// How many copies go out at once, each with its own `sent_at`.
    pub copies: Option<usize>,
    /// Uses the id of that line.
    pub id_of: Option<String>,
    /// Amends that line.
    pub amends: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Goes out once that line is settled.
    pub after: Option<String>,
    /// Goes out at the same time as its neighbours of the same word.
    pub together: Option<String>,
    /// A body written out.
    pub body: Option<String>,
    /// In place of `application/json`.
    pub content_type: Option<String>,
    /// So many spaces behind the body.
    pub pad: Option<usize>,
    /// What must become of it.
    pub expect: Expect,
}

/// Which token a line comes with.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Token {
    /// The patient's own, for study and site of the line.
    #[default]
    Patient,
    /// An app backend's, scope `submit:any`; the body names the patient.
    Backend,
    /// Signed with a key that nobody knows.
    WrongKey,
    /// Over since yesterday.
    Expired,
    /// Not there.
    None,
    /// With algorithm `none`.
    Unsigned,
    /// The patient's own, for another site.
    OtherSite,
}

/// What must become of a line: exactly one of these.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// It is a row.
    pub stored: Option<Stored>,
    /// It is a dead letter.
    pub set_aside: Option<SetAside>,
    /// Of its neighbours one is a row, the others are dead letters.
    pub one_of_two: Option<OneOfTwo>,
    /// The door refuses it, nothing is kept.
    pub refused: Option<Refused>,
}

/// A row; what is absent here is not compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its scores, by LOINC code.
    pub scores: Vec<Score>,
    /// How many alerts its id and patient have.
    pub alerts: Option<usize>,
    /// The items or scores that a finding is about.
    pub checks: Option<BTreeSet<String>>,
    /// Whether it goes to a hospital.
    #[serde(default)]
    pub hospital: Hospital,
    /// Whether it is flagged as late.
    #[serde(default)]
    pub late: bool,
    /// Whether researchers see the year only.
    #[serde(default)]
    pub year_only: bool,
}

/// Whether there is a delivery to a hospital.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hospital {
    /// There must be one.
    Yes,
    /// There must be none.
    No,
    /// Not compared: the newest version goes out once, whichever came first.
    #[default]
    Any,
}

impl<'de> Deserialize<'de> for Hospital {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(true) => Ok(Self::Yes),
            Value::Bool(false) => Ok(Self::No),
            Value::String(any) if any == "any" => Ok(Self::Any),
            other => Err(serde::de::Error::custom(format!("true, false or any, not {other}"))),
        }
    }
}

/// A score by hand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// LOINC code of the score.
    pub code: String,
    /// Its value; null when an item is missing.
    pub value: Option<f64>,
    /// Its band.
    pub band: Option<String>,
    /// How many items are missing.
    #[serde(default)]
    pub missing: usize,
}

/// A dead letter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAside {
    /// Its class.
    pub class: String,
    /// How many alerts its id and patient have.
    pub alerts: Option<usize>,
}

/// A race: whoever loses is a dead letter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneOfTwo {
    /// The scores if it wins.
    pub scores: Vec<Score>,
    /// The class if it loses.
    pub otherwise: String,
}

/// A refusal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// HTTP status, or several that would do.
    pub status: Value,
    /// A problem's pointer must begin so.
    pub pointer: Option<String>,
}

impl Refused {
    /// Whether that status will do.
    pub fn allows(&self, status: u16) -> bool {
        match &self.status {
            Value::Array(several) => several.iter().any(|one| *one == status),
            one => *one == status,
        }
    }
}

/// All lines in order.
#[derive(Clone, Debug)]
pub struct Lines(pub Vec<Line>);

impl Lines {
    /// The evening of this crate.
    pub fn shipped() -> Result<Self> {
        let files = [
            include_str!("../../evening/1-known-scores.yaml"),
            include_str!("../../evening/2-again.yaml"),
            include_str!("../../evening/3-refused.yaml"),
            include_str!("../../evening/4-fhir.yaml"),
        ];
        let mut lines = Vec::new();
        for (number, text) in files.iter().enumerate() {
            let value: Value =
                serde_saphyr::from_str(text).with_context(|| format!("evening file {}", number + 1))?;
            let all: Vec<Line> =
                serde_json::from_value(value).with_context(|| format!("evening file {}", number + 1))?;
            lines.extend(all);
        }
        let lines = Self(lines);
        lines.check()?;
        Ok(lines)
    }

    fn check(&self) -> Result<()> {
        let mut names = BTreeMap::new();
        for line in &self.0 {
            ensure!(names.insert(&line.name, ()).is_none(), "{} stands twice", line.name);
            let e = &line.expect;
            let ways =
                [e.stored.is_some(), e.set_aside.is_some(), e.one_of_two.is_some(), e.refused.is_some()];
            ensure!(ways.iter().filter(|way| **way).count() == 1, "{} must expect one thing", line.name);
            ensure!(line.body.is_some() != line.instrument.is_some(), "{}: body or instrument", line.name);
        }
        for line in &self.0 {
            for other in [&line.id_of, &line.amends, &line.after].into_iter().flatten() {
                ensure!(names.contains_key(other), "{} names {other}, which isn't there", line.name);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_what_it_expects_and_who_says_so() {
        let lines = Lines::shipped().unwrap().0;
        assert!(lines.len() > 30);
        assert!(lines.iter().all(|line| line.source.len() > 10));
    }
}
