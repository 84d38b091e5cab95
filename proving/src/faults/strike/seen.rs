//! What shows that a fault struck: bytes on their way, or the kernel's word.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::Proxy;
use crate::faults::struck::Effect;
use crate::proxy::{Side, Then, Trigger};

/// Whether what sits behind a relay says so within that time, which passes in any case.
pub(super) async fn from_server(relay: &Proxy, says: Trigger, held: Duration) -> Effect {
    let end = Instant::now() + held;
    let trip = relay.arm(Side::Server, says, Then::Pass);
    let said = matches!(timeout_at(end, trip.tripped()).await, Ok(Ok(())));
    sleep_until(end).await;
    relay.disarm();
    Effect::shown(said)
}

/// Whether a process of ours is stopped by a signal.
pub(super) fn stands_still(pid: u32) -> bool {
    is_stopped(&std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default())
}

/// The state stands behind the name, which may hold anything.
fn is_stopped(stat: &str) -> bool {
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_stands_still_by_its_state_and_not_by_its_name() {
        assert!(is_stopped("7 (epro-worker) T 1 7 7"));
        assert!(!is_stopped("7 (a) T) S 1 7 7"));
        assert!(!is_stopped(""));
    }
}
