//! The studies and sites of the configuration, and what they ask of a submission.

use std::collections::{BTreeMap, BTreeSet};

use epro_process::config::{Config, Profile, StudyConfig};

/// Studies and sites: their names may reach routing keys and labels, so no other is accepted.
pub(crate) struct Places {
    studies: BTreeMap<String, StudyConfig>,
    sites: BTreeSet<String>,
    hospitals: BTreeSet<String>,
}

impl Places {
    /// As configured.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            studies: config.studies.clone(),
            sites: config.sites.keys().cloned().collect(),
            hospitals: config.hospitals.keys().cloned().collect(),
        }
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

    /// Whether each of the site's submissions goes on to its hospital.
    pub(crate) fn has_hospital(&self, site: &str) -> bool {
        self.hospitals.contains(site)
    }
}
