//! Tokens that were verified a moment ago. The evening's tokens come back: a patient's with each
//! questionnaire, a backend's with every request; and a signature costs more than anything else here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// How often everybody was forgotten.
    forgotten: u64,
}

/// When a token was found not to be believed yet. Once a key is withdrawn after that, whatever was verified since may
/// have been verified with that key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u64);

/// Who was believed, by the token's fingerprint, until the token expires.
#[derive(Default)]
pub(super) struct Believed(Mutex<Generations>);

impl Believed {
    /// The caller of a token that is still valid; the error: it has to be verified.
    pub(super) fn caller(&self, token: Fingerprint) -> Result<Arc<Caller>, Moment> {
        let mut generations = self.generations();
        let caller = generations.caller(token);
        caller.ok_or(Moment(generations.forgotten))
    }

    /// Forgets everybody: a key was withdrawn.
    pub(super) fn forget(&self) {
        let mut generations = self.generations();
        let forgotten = generations.forgotten + 1;
        *generations = Generations { forgotten, ..Generations::default() };
    }

    /// Remembers a caller whose token was verified after that moment and expires at `until` (Unix seconds), unless
    /// everybody was forgotten meanwhile.
    pub(super) fn add(&self, token: Fingerprint, caller: Arc<Caller>, until: f64, since: Moment) {
        let mut generations = self.generations();
        if since == Moment(generations.forgotten) {
            generations.add(token, Entry { caller, until });
        }
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn caller(&mut self, token: Fingerprint) -> Option<Arc<Caller>> {
        if let Some(entry) = self.young.get(&token) {
            return entry.valid();
        }
        let entry = self.old.remove(&token)?;
        let caller = entry.valid()?;
        self.add(token, entry);
        Some(caller)
    }

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
            names_studies: false,
            names_sites: false,
            client: None,
        })
    }

    fn add(believed: &Believed, token: Fingerprint, sub: &str, until: f64) {
        let since = believed.caller(token).unwrap_err();
        believed.add(token, caller(sub), until, since);
    }

    #[test]
    fn a_token_is_believed_again_until_it_expires() {
        let believed = Believed::default();
        let (valid, expired) = (Fingerprint::of("valid"), Fingerprint::of("expired"));
        add(&believed, valid, "P-1", LATER);
        add(&believed, expired, "P-2", 1.0);
        assert_eq!(believed.caller(valid).unwrap().sub.expose(), "P-1");
        assert!(believed.caller(expired).is_err());
        assert!(believed.caller(Fingerprint::of("valid ")).is_err());
    }

    #[test]
    fn a_token_that_keeps_coming_outlives_any_number_of_others_and_the_number_is_bounded() {
        let believed = Believed::default();
        let regular = Fingerprint::of("regular");
        add(&believed, regular, "P-1", LATER);
        for number in 0..3 * GENERATION {
            add(&believed, Fingerprint::of(&number.to_string()), "P-2", LATER);
            assert!(believed.caller(regular).is_ok(), "after {number} others");
        }
        assert!(believed.caller(Fingerprint::of("0")).is_err());
        let generations = believed.0.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }

    #[test]
    fn who_was_verified_before_everybody_was_forgotten_is_not_remembered_after_it() {
        let believed = Believed::default();
        let (before, after) = (Fingerprint::of("before"), Fingerprint::of("after"));
        let since = believed.caller(before).unwrap_err();
        believed.forget();
        believed.add(before, caller("P-1"), LATER, since);
        assert!(believed.caller(before).is_err());
        add(&believed, after, "P-2", LATER);
        assert!(believed.caller(after).is_ok());
        believed.forget();
        assert!(believed.caller(after).is_err());
    }
}
