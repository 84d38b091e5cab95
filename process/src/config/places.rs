//! `studies` and `sites`: the names that may reach routing keys and metric labels.

use std::collections::BTreeMap;

use super::risk::RiskConfig;
use super::section::Section;

/// How much of a date or an age may cross into the research tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Dates are kept (45 CFR 164.514(e)).
    LimitedDataSet,
    /// Dates become years, and ages above 89 are 90 (45 CFR 164.514(b)(2)).
    SafeHarbor,
}

impl Profile {
    /// The word of the configuration and of the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LimitedDataSet => "limited_data_set",
            Self::SafeHarbor => "safe_harbor",
        }
    }
}

/// A study.
#[derive(Debug, Clone)]
pub struct StudyConfig {
    /// How its answers are de-identified.
    pub profile: Profile,
    /// The model that scores the risk of each of its submissions, if there is one.
    pub risk: Option<RiskConfig>,
}

/// A site. It has a hospital if there is one for it under `hospitals`.
#[derive(Debug, Clone, Copy)]
pub struct SiteConfig {}

pub(super) fn read_studies(mut section: Section<'_>, insecure: bool) -> BTreeMap<String, StudyConfig> {
    let mut studies = BTreeMap::new();
    for id in section.names() {
        check_name(&mut section, &id);
        let mut study = section.named(&id);
        let words = [("limited_data_set", Profile::LimitedDataSet), ("safe_harbor", Profile::SafeHarbor)];
        let profile = study.choice("profile", Profile::LimitedDataSet, &words);
        let risk = RiskConfig::read(&mut study, insecure);
        study.finish();
        studies.insert(id, StudyConfig { profile, risk });
    }
    section.finish();
    studies
}

pub(super) fn read_sites(mut section: Section<'_>) -> BTreeMap<String, SiteConfig> {
    let mut sites = BTreeMap::new();
    for id in section.names() {
        check_name(&mut section, &id);
        section.named(&id).finish();
        sites.insert(id, SiteConfig {});
    }
    section.finish();
    sites
}

/// Whether a name may stand in routing keys, labels and tables.
pub(super) fn is_name(name: &str) -> bool {
    let harmless = name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    harmless && !name.is_empty() && name.len() <= 64
}

pub(super) fn check_name(section: &mut Section<'_>, name: &str) {
    if !is_name(name) {
        section.problem(name, "a name has 1 to 64 letters, digits, dots, - or _");
    }
}
