//! The studies and sites of the configuration, and what they ask of a submission.

use std::collections::BTreeMap;
use std::sync::Arc;

use epro_process::config::{Config, Profile};

/// Studies and sites: their names may reach routing keys and labels, so no other is accepted.
pub(crate) struct Places {
    studies: BTreeMap<Arc<str>, Study>,
    sites: BTreeMap<Arc<str>, Site>,
}

/// A study that is configured here.
pub(crate) struct Study {
    /// Its id, shared by all of its rows.
    pub id: Arc<str>,
    /// How its answers are de-identified.
    pub profile: Profile,
    /// Whether its risk model is asked about each of its submissions.
    pub risk: bool,
}

/// A site that is configured here.
pub(crate) struct Site {
    /// Its id, shared by all of its rows.
    pub id: Arc<str>,
    /// Whether each of its submissions goes on to its hospital.
    pub hospital: bool,
}

impl Places {
    /// As configured.
    pub(crate) fn new(config: &Config) -> Self {
        let studies = config.studies.iter().map(|(id, study)| {
            let id: Arc<str> = id.as_str().into();
            (id.clone(), Study { id, profile: study.profile, risk: study.risk.is_some() })
        });
        let sites = config.sites.keys().map(|name| {
            let id: Arc<str> = name.as_str().into();
            (id.clone(), Site { id, hospital: config.hospitals.contains_key(name) })
        });
        Self { studies: studies.collect(), sites: sites.collect() }
    }

    /// The study of that id.
    pub(crate) fn study(&self, id: &str) -> Option<&Study> {
        self.studies.get(id)
    }

    /// The site of that id.
    pub(crate) fn site(&self, id: &str) -> Option<&Site> {
        self.sites.get(id)
    }

    /// Whether that study is configured.
    pub(crate) fn has_study(&self, study: &str) -> bool {
        self.studies.contains_key(study)
    }

    /// Whether that site is configured.
    pub(crate) fn has_site(&self, site: &str) -> bool {
        self.sites.contains_key(site)
    }
}
