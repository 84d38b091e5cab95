//! What operators are told of, by the tables.

use crate::support::database::Database;
use epro_store::conditions::Thresholds;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn exports_that_fail_or_wait_for_too_long_are_signals_and_others_are_not() {
    let database = Database::new().await;
    database
        .run(
            "INSERT INTO ops.export (export_id, study_ids, site_id, instruments, period_from, period_to, format, \
                identified, snapshot, actor, requested_at, state, state_at, attempts, last_error) \
             SELECT gen_random_uuid(), '{PSY-12}', site, '{}', now(), now(), 'csv', false, '1:1:', 'x', now() - asked, \
                state, now() - since, attempts, 'the object storage is full' \
             FROM (VALUES ('H001', interval '1 min', 'queued', interval '0', 2), \
                ('H001', interval '9 h', 'failed', interval '1 min', 6), \
                ('H002', interval '9 h', 'failed', interval '2 h', 6), \
                ('H003', interval '9 h', 'queued', interval '0', 0), \
                ('H004', interval '1 min', 'queued', interval '0', 1), \
                ('H004', interval '9 h', 'done', interval '0', 5), \
                ('H004', interval '9 h', 'running', interval '0', 0)) AS e (site, asked, state, since, attempts)",
        )
        .await;
    let thresholds = Thresholds {
        window: HOUR,
        dead_letters: 1,
        oldest_alert: HOUR,
        oldest_submission: HOUR,
        oldest_delivery: HOUR,
    };
    let mut seen = database.store_as("epro_worker").signals(&thresholds).await.unwrap();
    seen.sort_by(|one, other| one.kind.cmp(&other.kind));
    let seen: Vec<_> = seen.iter().map(|one| (&*one.kind, &*one.key, one.count, &*one.detail)).collect();
    let full = "2 not made: the object storage is full";
    let waits = "1 that nobody has begun";
    assert_eq!(seen, [("export-failing", "H001", 2, full), ("export-overdue", "H003", 1, waits)]);
}
