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
    pub(crate) fn take(&self, caller: &Caller, count: u32) -> Result<Option<Left>, Left> {
        let Some(count) = NonZeroU32::new(count) else { return Ok(None) };
        let sub = caller.sub.expose();
        // Clients that aren't configured have one name in common: they must not be able to starve each other.
        let client = match caller.client.as_deref() {
            Some(name) if name != "other" => self.names.hash_one(("client", name)),
            _ => self.names.hash_one(("sub", sub)),
        };
        let client = self.client.as_ref().map(|limit| limit.take(client, count)).transpose()?;
        let patient = match &self.patient {
            Some(limit) if caller.may_submit && !caller.may_submit_any => {
                Some(limit.take(self.names.hash_one(("patient", sub)), count)?)
            }
            _ => None,
        };
        Ok([client, patient].into_iter().flatten().min_by_key(|left| left.remaining))
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
            // More at once than a whole minute's: it will never fit, and nothing was taken.
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
