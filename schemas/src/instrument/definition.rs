//! The form of an instrument file.
//!
//! These types are the YAML, read strictly: an unknown key is an error. What a
//! type can't hold is checked by [`Definition::problems`].

mod validate;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Name, Severity};

/// One instrument in one version.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    pub id: String,
    /// Same form. Whatever changes what an answer means needs a new version.
    pub version: String,
    /// Its name for people.
    pub title: String,
    /// LOINC code of the panel, if there is one.
    pub panel: Option<Name>,
    /// On what terms the content may be used and passed on.
    pub licence: String,
    /// Lists of options, by a name that items refer to.
    #[serde(default)]
    pub lists: BTreeMap<Name, OptionList>,
    /// The items, in the order of the questionnaire.
    pub items: Vec<Item>,
    /// What is computed from the answers.
    #[serde(default)]
    pub scores: Vec<ScoreRule>,
    /// What a reader of the data should know.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// What somebody has to hear about.
    #[serde(default)]
    pub alerts: Vec<AlertRule>,
}

/// The options of coded items.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionList {
    /// The code system of all options.
    pub system: String,
    /// The options, in the order in which they are shown.
    pub options: Vec<Choice>,
}

/// One option.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Its code.
    pub code: Name,
    /// What it counts in scores, and the number that stands for it. Left out
    /// for options like "prefer not to answer".
    pub score: Option<f64>,
    /// For people only: answers are never resolved by it.
    pub display: Option<String>,
}

/// One item.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its LOINC code, or an id of the instrument's own.
    pub link_id: Name,
    /// The question, if its licence lets us ship it.
    pub text: Option<String>,
    /// What kind of answer it takes.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Name of the list that a coded item's options are in.
    pub list: Option<Name>,
    /// Whether a coded item takes several options.
    #[serde(default)]
    pub several: bool,
    /// The least number that a numeric item takes. Each has to have one.
    pub minimum: Option<f64>,
    /// The greatest number that a numeric item takes. Each has to have one, and the bounds are those of what is
    /// measured: one that takes ten digits takes a telephone number to researchers.
    pub maximum: Option<f64>,
    /// Whether a numeric item is an age, in years: under Safe Harbor researchers see 90 for all above 89. An
    /// item whose LOINC code is an age's has to say so.
    #[serde(default)]
    pub age: bool,
    /// Whether a submission without an answer is refused. Where a patient may
    /// skip, say false: a refused submission is lost.
    #[serde(default)]
    pub required: bool,
}

/// Kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An option of a list.
    Coded,
    /// A whole number.
    Integer,
    /// Any number.
    Decimal,
    /// Yes or no.
    Boolean,
    /// The patient's own words; never leaves the identified store.
    Text,
}

/// One score.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreRule {
    /// 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    pub id: Name,
    /// Its LOINC code, if it has one.
    pub code: Option<Name>,
    /// How it is computed.
    pub kind: ScoreKind,
    /// For `sum`: linkIds of the items that are added up.
    #[serde(default)]
    pub items: Vec<Name>,
    /// For `pro_ctcae`: linkId of the frequency item.
    pub frequency: Option<Name>,
    /// For `pro_ctcae`: linkId of the severity item.
    pub severity: Option<Name>,
    /// For `pro_ctcae`: linkId of the interference item.
    pub interference: Option<Name>,
    /// Ranges of the value with a name.
    #[serde(default)]
    pub bands: Vec<Band>,
}

/// Kinds of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// The sum of items; none if one is missing.
    Sum,
    /// The composite grade of a PRO-CTCAE term, 0 to 3.
    ProCtcae,
}

/// A range of a score, both ends included.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Its name.
    pub id: Name,
    /// The least value in it.
    pub from: f64,
    /// The greatest value in it.
    pub to: f64,
}

/// One check.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its id.
    pub id: Name,
    /// What is looked at.
    pub kind: CheckKind,
    /// For `stated`: the score that is compared with what the client states.
    pub score: Option<Name>,
    /// For `unanswered`: the item that should have been answered.
    pub item: Option<Name>,
}

/// Kinds of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// A total that the client states is not ours.
    Stated,
    /// An item has no answer, or one without a score.
    Unanswered,
}

/// One alert rule: exactly one of `item` and `score`, and exactly one condition.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    pub id: Name,
    /// How much it matters.
    pub severity: Severity,
    /// The item that it looks at.
    pub item: Option<Name>,
    /// The score that it looks at.
    pub score: Option<Name>,
    /// Met from this value on: a score, a number, or the score of an option.
    pub at_least: Option<f64>,
    /// Met by this answer of a yes/no item.
    pub is: Option<bool>,
    /// Met by any of these codes.
    #[serde(default)]
    pub any_of: Vec<Name>,
}

impl JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 64 })
    }
}

impl Definition {
    /// Reads an instrument file.
    ///
    /// # Errors
    /// All problems: where the text isn't of this form, the first one, with its line.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let definition: Self =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| vec![error.to_string()])?;
        let problems = definition.problems();
        if problems.is_empty() { Ok(definition) } else { Err(problems) }
    }
}
