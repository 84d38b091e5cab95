//! The studies and sites of the configuration, and what they ask of a submission.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use epro_process::config::{Config, Profile, StudyConfig};

/// Studies and sites: their names may reach routing keys and labels, so no other is accepted.
pub(crate) struct Places {
    studies: BTreeMap<Arc<str>, StudyConfig>,
    sites: BTreeSet<Arc<str>>,
    hospitals: BTreeSet<String>,
}

impl Places {
    /// As configured.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            studies: config.studies.iter().map(|(id, study)| (id.as_str().into(), study.clone())).collect(),
            sites: config.sites.keys().map(|id| id.as_str().into()).collect(),
            hospitals: config.hospitals.keys().cloned().collect(),
        }
    }

    /// The study's id, shared by all of its rows.
    pub(crate) fn study_name(&self, study: &str) -> Arc<str> {
        self.studies.get_key_value(study).map_or_else(|| study.into(), |(name, _)| name.clone())
    }

    /// The site's id, shared by all of its rows.
    pub(crate) fn site_name(&self, site: &str) -> Arc<str> {
        self.sites.get(site).cloned().unwrap_or_else(|| site.into())
    }

    /// Whether both are configured.
    pub(crate) fn know(&self, study: &str, site: &str) -> bool {
        self.has_study(study) && self.has_site(site)
    }

    /// Whether that study is configured.
    pub(crate) fn has_study(&self, study: &str) -> bool {
        self.studies.contains_key(study)
    }

    /// Whether that site is configured.
    pub(crate) fn has_site(&self, site: &str) -> bool {
        self.sites.contains(site)
    }

    /// How the study's answers are de-identified.
    pub(crate) fn profile(&self, study: &str) -> Profile {
        // Safe Harbor reveals least: the right answer for a study that nobody configured.
        self.studies.get(study).map_or(Profile::SafeHarbor, |study| study.profile)
    }

    /// Whether the study's risk model is asked about each of its submissions.
    pub(crate) fn has_risk_model(&self, study: &str) -> bool {
        self.studies.get(study).is_some_and(|study| study.risk.is_some())
    }

    /// Whether each of the site's submissions goes on to its hospital.
    pub(crate) fn has_hospital(&self, site: &str) -> bool {
        self.hospitals.contains(site)
    }
}
