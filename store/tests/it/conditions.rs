//! What operators are told of, by the tables.

use crate::support::database::Database;
use epro_schemas::audit::anchor::CHAIN;
use epro_store::conditions::Thresholds;
use std::time::Duration;
use uuid::Uuid;

const HOUR: Duration = Duration::from_secs(3600);
const THRESHOLDS: Thresholds = Thresholds {
    window: HOUR,
    dead_letters: 1,
    oldest_alert: HOUR,
    oldest_submission: HOUR,
    oldest_delivery: HOUR,
    oldest_anchor: HOUR,
};

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
    let mut seen = database.store_as("epro_worker").signals(&THRESHOLDS).await.unwrap();
    seen.sort_by(|one, other| one.kind.cmp(&other.kind));
    let seen: Vec<_> = seen.iter().map(|one| (&*one.kind, &*one.key, one.count, &*one.detail)).collect();
    let full = "2 not made: the object storage is full";
    let waits = "1 that nobody has begun";
    assert_eq!(seen, [("export-failing", "H001", 2, full), ("export-overdue", "H003", 1, waits)]);
}

/// An event of the trail, as long ago.
async fn written(database: &Database, writer: Uuid, seq: i64, ago: &str) {
    let sql = format!(
        "INSERT INTO audit.writer (writer, name) VALUES ('{writer}', 'a writer') ON CONFLICT DO NOTHING; \
         INSERT INTO audit.event (writer, seq, at, action, outcome, actor, prev_hash, hash) \
         VALUES ('{writer}', {seq}, now() - interval '{ago}', 'a.deed', 'ok', 'x', '', '')"
    );
    database.run(&sql).await;
}

#[tokio::test]
async fn a_trail_that_grows_and_is_no_longer_anchored_is_a_signal_and_one_that_never_was_is_none() {
    let (database, other) = (Database::new().await, Uuid::from_u128(1));
    let store = database.store_as("epro_worker");
    let seen = async || {
        let seen = store.signals(&THRESHOLDS).await.unwrap();
        seen.into_iter().map(|one| (one.kind, one.key, one.detail)).collect::<Vec<_>>()
    };
    written(&database, other, 1, "3 h").await;
    assert!(seen().await.is_empty(), "it was never anchored");
    written(&database, CHAIN, 1, "2 h").await;
    assert!(seen().await.is_empty(), "nothing was written since");
    written(&database, other, 2, "1 min").await;
    let now = seen().await;
    let [(kind, key, detail)] = &now[..] else { panic!("not one signal: {now:?}") };
    assert_eq!((&**kind, &**key), ("trail-unanchored", "audit"));
    assert!(detail.starts_with("the last anchor is of 2") && detail.ends_with('Z'), "{detail}");
    written(&database, CHAIN, 2, "2 min").await;
    assert!(seen().await.is_empty(), "anchors are made again");
    database.run(&format!("UPDATE audit.event SET at = '-infinity' WHERE writer = '{CHAIN}'")).await;
    assert_eq!(seen().await.len(), 1, "a time that nobody can read hides nothing");
}
