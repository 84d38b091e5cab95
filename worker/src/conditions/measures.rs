//! The conditions that hold, as metrics.

use epro_store::conditions::Condition;

/// Every kind that there is.
const KINDS: [&str; 13] = [
    "hospital-closed",
    "paused-itself",
    "dead-letters",
    "lane-without-consumer",
    "queue-missing",
    "alert-unacknowledged",
    "submission-overdue",
    "delivery-overdue",
    "export-failing",
    "export-overdue",
    "trail-unanchored",
    "broker-away",
    "postgresql-away",
];

/// Those that hold now, as far as this replica looks.
pub(super) fn open(conditions: &[Condition]) {
    for kind in KINDS {
        let open = conditions.iter().filter(|condition| condition.kind == kind).count();
        metrics::gauge!("epro_conditions_open", "kind" => kind).set(open as f64);
    }
}
