//! Of which studies and sites somebody may see and touch what is there.

use serde::{Deserialize, Serialize};

/// What somebody is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Only these studies; `None`: all of them.
    pub studies: Option<Vec<String>>,
    /// Only these sites; `None`: all of them.
    pub sites: Option<Vec<String>>,
}

/// Where something belongs, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its study.
    pub study_id: Option<String>,
    /// Its site.
    pub site_id: Option<String>,
}

impl Bound {
    /// Whether nothing binds them.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.studies.is_none() && self.sites.is_none()
    }

    /// Whether what belongs to that study is theirs. Of what nobody knows where it belongs nothing is anybody's who is
    /// bound.
    #[must_use]
    pub fn has_study(&self, study: Option<&str>) -> bool {
        within(self.studies.as_deref(), study)
    }

    /// The same of a site.
    #[must_use]
    pub fn has_site(&self, site: Option<&str>) -> bool {
        within(self.sites.as_deref(), site)
    }

    /// Both.
    #[must_use]
    pub fn has(&self, study: Option<&str>, site: Option<&str>) -> bool {
        self.has_study(study) && self.has_site(site)
    }

    /// Whether something is theirs that is known from several places, not all of which say everything: none may be
    /// another's, and one has to be theirs.
    #[must_use]
    pub fn has_all(&self, places: &[Place]) -> bool {
        all_within(self.studies.as_deref(), places.iter().filter_map(|place| place.study_id.as_deref()))
            && all_within(self.sites.as_deref(), places.iter().filter_map(|place| place.site_id.as_deref()))
    }
}

fn within(own: Option<&[String]>, of: Option<&str>) -> bool {
    own.is_none_or(|own| of.is_some_and(|of| own.iter().any(|own| own == of)))
}

fn all_within<'p>(own: Option<&[String]>, known: impl Iterator<Item = &'p str>) -> bool {
    let mut known = known.peekable();
    own.is_none() || (known.peek().is_some() && known.all(|of| within(own, Some(of))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn place(study: Option<&str>, site: Option<&str>) -> Place {
        Place { study_id: study.map(str::to_owned), site_id: site.map(str::to_owned) }
    }

    #[test]
    fn who_is_bound_has_what_is_known_to_be_theirs_and_who_is_not_has_everything() {
        let free = Bound::default();
        assert!(free.is_free() && free.has(None, None) && free.has_all(&[]));
        let bound = Bound { studies: names(&["A", "B"]), sites: None };
        assert!(bound.has(Some("B"), None) && bound.has(Some("A"), Some("H001")));
        assert!(!bound.has(Some("C"), None) && !bound.has(None, Some("H001")));
        let both = Bound { sites: names(&["H001"]), ..bound };
        assert!(both.has(Some("A"), Some("H001")) && !both.has(Some("A"), Some("H002")));
        assert!(!both.has(Some("A"), None));
        let nobodys = Bound { studies: names(&[]), sites: None };
        assert!(!nobodys.is_free() && !nobodys.has(Some("A"), None) && !nobodys.has_all(&[]));
    }

    #[test]
    fn what_is_known_from_several_places_is_theirs_if_none_is_anothers() {
        let bound = Bound { studies: names(&["A"]), sites: names(&["H001"]) };
        assert!(bound.has_all(&[place(None, Some("H001")), place(Some("A"), None)]));
        assert!(!bound.has_all(&[place(Some("A"), None)]), "at which site?");
        assert!(!bound.has_all(&[place(Some("A"), Some("H001")), place(Some("B"), None)]));
    }
}
