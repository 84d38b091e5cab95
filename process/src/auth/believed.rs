//! Tokens that were verified a moment ago. The evening's tokens come back: a patient's with each
//! questionnaire, a backend's with every request; and a signature costs more than anything else here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};

use super::caller::Caller;

/// How many tokens a generation holds. There are two, so twice this is remembered at most.
const GENERATION: usize = 5_000;

/// A token without the token: whoever reads our memory finds nothing to sign in with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

struct Entry {
    caller: Arc<Caller>,
    /// Unix seconds.
    until: f64,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Fingerprint, Entry>,
    old: HashMap<Fingerprint, Entry>,
}

/// Who was believed, by the token's fingerprint, until the token expires.
#[derive(Default)]
pub(super) struct Believed(Mutex<Generations>);

impl Believed {
    /// The caller of a token that is still valid.
    pub(super) fn caller(&self, token: Fingerprint) -> Option<Arc<Caller>> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = generations.young.get(&token) {
            return entry.valid();
        }
        let entry = generations.old.remove(&token)?;
        let caller = entry.valid()?;
        generations.add(token, entry);
        Some(caller)
    }

    /// Remembers a caller whose token was just verified and expires at `until` (Unix seconds).
    pub(super) fn add(&self, token: Fingerprint, caller: Arc<Caller>, until: f64) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.add(token, Entry { caller, until });
    }
}

impl Generations {
    fn add(&mut self, token: Fingerprint, entry: Entry) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, entry);
    }
}

impl Entry {
    fn valid(&self) -> Option<Arc<Caller>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        (now < self.until).then(|| self.caller.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use epro_schemas::phi::Phi;

    const LATER: f64 = 1e12;

    fn caller(sub: &str) -> Arc<Caller> {
        Arc::new(Caller {
            sub: Phi::new(sub.to_owned()),
            may_submit: true,
            may_submit_any: false,
            may_read_site: false,
            may_read_identified: false,
            may_acknowledge: false,
            may_report: false,
            may_export: false,
            may_export_identified: false,
            may_view: false,
            may_operate: false,
            may_reveal: false,
            until: LATER,
            studies: Vec::new(),
            sites: Vec::new(),
            client: None,
        })
    }

    #[test]
    fn a_token_is_believed_again_until_it_expires() {
        let believed = Believed::default();
        let (valid, expired) = (Fingerprint::of("valid"), Fingerprint::of("expired"));
        believed.add(valid, caller("P-1"), LATER);
        believed.add(expired, caller("P-2"), 1.0);
        assert_eq!(believed.caller(valid).unwrap().sub.expose(), "P-1");
        assert!(believed.caller(expired).is_none());
        assert!(believed.caller(Fingerprint::of("valid ")).is_none());
    }

    #[test]
    fn a_token_that_keeps_coming_outlives_any_number_of_others_and_the_number_is_bounded() {
        let believed = Believed::default();
        let regular = Fingerprint::of("regular");
        believed.add(regular, caller("P-1"), LATER);
        for number in 0..3 * GENERATION {
            believed.add(Fingerprint::of(&number.to_string()), caller("P-2"), LATER);
            assert!(believed.caller(regular).is_some(), "after {number} others");
        }
        assert!(believed.caller(Fingerprint::of("0")).is_none());
        let generations = believed.0.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
