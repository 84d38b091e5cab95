//! Which dead letters: the fields of a filter, as an address or a form carries them.

use std::collections::HashMap;

use epro_store::dead_letters::{self, DeadLetterState};
use serde::Deserialize;

use super::act::Form;
use super::visitor::url_encoded;
use crate::arguments::Filter;
use crate::{dead_letters as terminal, instant};

/// As written; an empty field filters nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    pub id: String,
    pub lane: String,
    pub class: String,
    pub stage: String,
    pub site: String,
    pub study: String,
    pub instrument: String,
    pub submission: String,
    pub since: String,
    pub until: String,
    pub state: String,
    pub after: String,
}

impl Wanted {
    /// As a form carries it.
    pub(crate) fn of(form: &Form) -> Self {
        let field = |name| form.field(name).unwrap_or_default().to_owned();
        Self {
            id: field("id"),
            lane: field("lane"),
            class: field("class"),
            stage: field("stage"),
            site: field("site"),
            study: field("study"),
            instrument: field("instrument"),
            submission: field("submission"),
            since: field("since"),
            until: field("until"),
            ..Self::default()
        }
    }

    /// The fields that narrow, with their names.
    pub(crate) fn fields(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("id", &self.id),
            ("lane", &self.lane),
            ("class", &self.class),
            ("stage", &self.stage),
            ("site", &self.site),
            ("study", &self.study),
            ("instrument", &self.instrument),
            ("submission", &self.submission),
            ("since", &self.since),
            ("until", &self.until),
        ];
        all.into_iter().map(|(name, text)| (name, text.trim())).filter(|(_, text)| !text.is_empty()).collect()
    }

    /// The page behind the last one shown.
    pub(crate) fn next(&self, last: i64) -> String {
        let mut fields: Vec<String> =
            self.fields().iter().map(|(name, text)| format!("{name}={}", url_encoded(text))).collect();
        if !self.state.is_empty() {
            fields.push(format!("state={}", url_encoded(&self.state)));
        }
        fields.push(format!("after={last}"));
        format!("/dead-letters?{}", fields.join("&"))
    }

    /// As the terminal takes it.
    pub(crate) fn filter(&self) -> Result<Filter, String> {
        let fields: HashMap<&str, &str> = self.fields().into_iter().collect();
        let some = |name: &str| fields.get(name).map(|text| (*text).to_owned());
        let at = |name: &str| {
            let text = fields.get(name).copied();
            text.map(instant::parse).transpose().map_err(|rule| format!("“{name}” {rule}"))
        };
        let ids = fields.get("id").copied().unwrap_or_default();
        let ids = ids.split([',', ' ']).filter(|id| !id.is_empty()).map(str::parse);
        Ok(Filter {
            ids: ids
                .collect::<Result<_, _>>()
                .map_err(|_| "an id of a dead letter is a number".to_owned())?,
            lane: some("lane"),
            class: some("class"),
            stage: some("stage"),
            site: some("site"),
            study: some("study"),
            instrument: some("instrument"),
            submission: some("submission")
                .map(|id| id.parse())
                .transpose()
                .map_err(|_| "a submission's id is a UUID".to_owned())?,
            since: at("since")?,
            until: at("until")?,
        })
    }

    /// As the store takes it, with the state and the page.
    pub(crate) fn listed(&self, limit: u32) -> Result<dead_letters::Filter, String> {
        let mut filter = terminal::narrowed(&self.filter()?).map_err(|error| format!("{error:#}"))?;
        match self.state.as_str() {
            "" => {}
            "open" => filter.state = Some(DeadLetterState::Open),
            "redriven" => filter.state = Some(DeadLetterState::Redriven),
            "discarded" => filter.state = Some(DeadLetterState::Discarded),
            "all" => filter.state = None,
            _ => return Err("a state is open, redriven or discarded".to_owned()),
        }
        filter.after = self.after.parse().ok();
        filter.limit = Some(limit);
        Ok(filter)
    }
}
