//! How much one client and one patient may ask for: so many a minute, in this process, as much of it at once as they
//! like. Whoever is above it is told when there is room again.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use epro_process::auth::Caller;
use epro_process::config::LimitsConfig;
use epro_process::shutdown::Shutdown;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// How often those are forgotten who have their whole quota again.
const SWEEP: Duration = Duration::from_secs(60);

type Limiter = RateLimiter<u64, HashMapStateStore<u64>, DefaultClock, StateInformationMiddleware>;

/// The limits that are configured.
pub(crate) struct Quotas {
    client: Option<Limit>,
    patient: Option<Limit>,
    /// Whose quota it is stands in memory as a number that nobody else can make.
    names: RandomState,
}

struct Limit {
    name: &'static str,
    per_minute: NonZeroU32,
    limiter: Limiter,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    name: &'static str,
    per_minute: u32,
    remaining: u32,
    /// Until there is room for one more.
    wait: Option<Duration>,
}

impl Quotas {
    pub(crate) fn new(config: &LimitsConfig) -> Self {
        Self {
            client: config.client.map(|per_minute| Limit::new("client", per_minute)),
            patient: config.patient.map(|per_minute| Limit::new("patient", per_minute)),
            names: RandomState::new(),
        }
    }

    /// Takes `count` of the caller's quotas. What is left of the scarcer one; the error: it isn't enough.
    ///
    /// Of what nobody else has first: who is above it takes nothing of what all patients of a client share. The other
    /// way round nothing is given back: it would be room for more than a minute's, and it comes again with time.
    pub(crate) fn take(&self, caller: &Caller, count: u32) -> Result<Option<Left>, Left> {
        let Some(count) = NonZeroU32::new(count) else { return Ok(None) };
        self.of(caller).try_fold(None, |scarcer: Option<Left>, (limit, key)| {
            let left = limit.take(key, count)?;
            Ok(Some(scarcer.filter(|scarcer| scarcer.remaining <= left.remaining).unwrap_or(left)))
        })
    }

    /// A quota of the caller's that never holds so many at once: whose it is, and how many it holds.
    pub(crate) fn too_small(&self, caller: &Caller, count: usize) -> Option<(&'static str, u32)> {
        self.of(caller)
            .map(|(limit, _)| (limit.name, limit.per_minute.get()))
            .filter(|(_, holds)| usize::try_from(*holds).is_ok_and(|holds| holds < count))
            .min_by_key(|(_, holds)| *holds)
    }

    /// The quotas that a caller has, each with the key it is kept by: a patient's own before that of their client.
    fn of(&self, caller: &Caller) -> impl Iterator<Item = (&Limit, u64)> {
        let sub = caller.sub.expose();
        let patient = self.patient.as_ref().filter(|_| caller.may_submit && !caller.may_submit_any);
        let patient = patient.map(|limit| (limit, self.names.hash_one(("patient", sub))));
        let client = self.client.as_ref().map(|limit| {
            // Clients that aren't configured have one name in common: they must not be able to starve each other.
            let key = match caller.client.as_deref() {
                Some(name) if name != "other" => self.names.hash_one(("client", name)),
                _ => self.names.hash_one(("sub", sub)),
            };
            (limit, key)
        });
        [patient, client].into_iter().flatten()
    }

    /// Forgets whoever has the whole quota again, until asked to leave.
    pub(crate) async fn sweep(&self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => {}
                () = shutdown.requested() => return,
            }
            for limit in [&self.client, &self.patient].into_iter().flatten() {
                limit.limiter.retain_recent();
            }
        }
    }
}

impl Limit {
    fn new(name: &'static str, per_minute: NonZeroU32) -> Self {
        let limiter = RateLimiter::hashmap(Quota::per_minute(per_minute)).with_middleware();
        Self { name, per_minute, limiter }
    }

    fn take(&self, key: u64, count: NonZeroU32) -> Result<Left, Left> {
        let left =
            |remaining, wait| Left { name: self.name, per_minute: self.per_minute.get(), remaining, wait };
        match self.limiter.check_key_n(&key, count) {
            Ok(Ok(state)) => Ok(left(state.remaining_burst_capacity(), None)),
            Ok(Err(no)) => Err(left(0, Some(no.wait_time_from(DefaultClock::default().now())))),
            // More at once than a whole minute's, which was refused before: nothing was taken.
            Err(_) => Err(left(self.per_minute.get(), None)),
        }
    }
}

impl Left {
    /// Says it in the headers of an answer (draft-ietf-httpapi-ratelimit-headers).
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        let Self { name, per_minute, remaining, wait } = self;
        let wait = wait.map_or(0, |wait| wait.as_secs() + 1);
        let policy = format!("\"{name}\";q={per_minute};w=60");
        let limit = format!("\"{name}\";r={remaining};t={wait}");
        for (name, value) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        if wait > 0 {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
    }
}

#[cfg(test)]
mod tests {
    use epro_schemas::phi::Phi;

    use super::*;

    fn quotas() -> Quotas {
        Quotas::new(&LimitsConfig { client: NonZeroU32::new(8), patient: NonZeroU32::new(5) })
    }

    /// A patient of the client `diary`.
    fn patient(sub: &str) -> Caller {
        Caller {
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
            until: 1e12,
            studies: Vec::new(),
            sites: Vec::new(),
            names_studies: false,
            names_sites: false,
            client: Some("diary".into()),
        }
    }

    /// Whose quota isn't enough.
    fn short(taken: Result<Option<Left>, Left>) -> Option<&'static str> {
        taken.err().map(|left| left.name)
    }

    #[test]
    fn whoever_is_above_their_own_quota_takes_nothing_of_their_clients() {
        let quotas = quotas();
        assert_eq!(short(quotas.take(&patient("P-1"), 5)), None);
        for _ in 0..100 {
            assert_eq!(short(quotas.take(&patient("P-1"), 1)), Some("patient"));
        }
        // Eight of the client's, but for the five that were taken.
        for sub in ["P-2", "P-3", "P-4"] {
            assert_eq!(short(quotas.take(&patient(sub), 1)), None, "{sub}");
        }
        assert_eq!(short(quotas.take(&patient("P-5"), 1)), Some("client"));
    }

    #[test]
    fn what_is_left_is_told_of_the_scarcer_quota() {
        let quotas = quotas();
        let of = |sub: &str, count| {
            quotas.take(&patient(sub), count).unwrap().map(|left| (left.name, left.remaining))
        };
        assert_eq!(of("P-1", 1), Some(("patient", 4)));
        assert_eq!(of("P-2", 4), Some(("patient", 1)));
        assert_eq!(of("P-3", 1), Some(("client", 2)));
        assert_eq!(of("P-3", 0), None);
    }

    #[test]
    fn more_at_once_than_a_quota_ever_holds_is_told_from_what_fits_later() {
        let quotas = quotas();
        let mut backend = patient("diary-backend");
        (backend.may_submit, backend.may_submit_any) = (false, true);
        for (caller, fits, quota) in
            [(patient("P-1"), 5, Some(("patient", 5))), (backend, 8, Some(("client", 8)))]
        {
            // Also when nothing is left of it.
            for _ in 0..3 {
                assert_eq!(quotas.too_small(&caller, fits), None);
                assert_eq!(quotas.too_small(&caller, fits + 1), quota);
                let _ = quotas.take(&caller, 3);
            }
        }
        let none = Quotas::new(&LimitsConfig { client: None, patient: None });
        assert_eq!(none.too_small(&patient("P-1"), usize::MAX), None);
    }
}
