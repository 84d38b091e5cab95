//! Looking costs no more the more there is.

use crate::support::database::Database;
use crate::support::sample::{alerting, submission};
use epro_store::AuditChain;
use epro_store::dead_letters::{Class, DeadLetterState, Filter};
use epro_store::trace::TraceStep;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const MANY: &str = include_str!("../many.sql");
/// Enough for a planner to prefer an index to reading all.
const SUBMISSIONS: i64 = 20_000;
const DEAD_LETTERS: i64 = 2_000;

async fn many() -> Database {
    let database = Database::new().await;
    let counts = format!(
        "SET many.submissions = '{SUBMISSIONS}'; SET many.dead_letters = '{DEAD_LETTERS}'; SET jit = off;"
    );
    database.run(&counts).await;
    database.run(MANY).await;
    database
}

/// How often tables of that many rows were read from one end to the other.
async fn read_whole(database: &Database) -> Vec<(String, i64)> {
    let rows = database
        .rows(
            "SELECT schemaname || '.' || relname, seq_scan FROM pg_stat_user_tables WHERE n_live_tup > 1000 ORDER BY 1",
        )
        .await;
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// How often the trail was asked by an index. Told together with the rest of what a connection has done.
async fn asked(database: &Database) -> i64 {
    let sql = "SELECT idx_scan FROM pg_stat_user_tables WHERE schemaname = 'audit' AND relname = 'event'";
    database.rows(sql).await[0].get(0)
}

#[tokio::test]
async fn a_trace_reads_no_table_whole() {
    let database = many().await;
    let submission: Uuid = database.rows("SELECT md5('s1')::uuid").await[0].get(0);
    let mut looks = Vec::new();
    // What others did to these tables earlier may be counted late; what a trace does itself is counted at each.
    for _ in 0..3 {
        database.run("SELECT pg_stat_force_next_flush()").await;
        let (before, asked_before) = (read_whole(&database).await, asked(&database).await);
        assert!(before.len() >= 8, "{before:?}");
        let store = database.store();
        let trace = store.trace(submission).await.unwrap().unwrap();
        assert_eq!(store.trace_ids(&[submission]).await.unwrap().len(), 1);
        drop(store);
        while asked(&database).await == asked_before {
            tokio::task::yield_now().await;
        }
        let what: Vec<&str> = trace.steps.iter().map(|step| step.what.as_str()).collect();
        for step in
            ["received", "submission.stored", "alert", "notice", "delivery", "call", "risk", "dead letter"]
        {
            assert!(what.contains(&step), "{step}: {what:?}");
        }
        let after = read_whole(&database).await;
        if after == before {
            return;
        }
        looks.push((before, after));
    }
    panic!("{looks:#?}");
}

#[tokio::test]
async fn an_urgent_submission_that_overtook_does_not_make_the_routine_queue_look_young() {
    let database = Database::new().await;
    let (store, mut chain) = (database.store(), AuditChain::new("test"));
    let an_hour_ago = OffsetDateTime::now_utc() - Duration::hours(1);
    let mut routine = submission();
    routine.identified.received_at = an_hour_ago;
    let mut urgent = alerting(submission());
    urgent.identified.received_at = OffsetDateTime::now_utc();
    store.commit_chunk(&mut chain, &[routine, urgent], None).await.unwrap();
    // However slow this machine is, they were stored a moment ago.
    database.run("UPDATE identified.submission SET stored_at = now() + interval '1 hour'").await;

    let oldest = store.oldest().await.unwrap();
    let since = oldest.iter().find(|oldest| oldest.kind == "routine").unwrap().since.unwrap();
    assert!((since - an_hour_ago).abs() < Duration::seconds(1), "{since}");
}

#[tokio::test]
async fn of_very_many_steps_the_newest_are_shown_and_it_says_that_there_are_more() {
    let database = Database::new().await;
    let submission = Uuid::now_v7();
    let calls = |count: i64| {
        format!(
            "INSERT INTO ops.delivery_attempt (submission_id, pseudonym, generation, site_id, outcome, detail, \
             duration_ms, charged, owner, at) SELECT '{submission}', '{submission}', 1, 'H001', 'busy', n::text, 1, \
             false, '{submission}', now() + n * interval '1 second' FROM generate_series(1, {count}) AS n"
        )
    };
    let shown = async || {
        let trace = database.store().trace(submission).await.unwrap().unwrap();
        let ends = |step: Option<&TraceStep>| step.unwrap().detail.clone();
        (trace.steps.len(), trace.earlier_steps, ends(trace.steps.first()), ends(trace.steps.last()))
    };
    let call = |n: i64| format!("hospital of H001, busy, {n}");
    database.run(&calls(1_000)).await;
    assert_eq!(shown().await, (1_000, false, call(1), call(1_000)));
    database.run("DELETE FROM ops.delivery_attempt").await;
    database.run(&calls(1_001)).await;
    assert_eq!(shown().await, (1_000, true, call(2), call(1_001)));
}

#[tokio::test]
async fn every_filter_of_the_list_narrows() {
    let database = many().await;
    let store = database.store();
    let found = async |filter: Filter| {
        let filter = Filter { limit: Some(u32::MAX), ..filter };
        let (listed, counted) = tokio::join!(store.dead_letters(&filter), store.count_dead_letters(&filter));
        let (listed, counted) = (listed.unwrap().len(), counted.unwrap());
        assert_eq!(i64::try_from(listed).unwrap(), counted.iter().map(|some| some.count).sum::<i64>());
        listed
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(Filter { lane: text("hospitals"), ..Filter::default() }).await, 1_000);
    assert_eq!(found(Filter { class: Some(Class::Stale), ..Filter::default() }).await, 500);
    assert_eq!(found(Filter { stage: text("call"), ..Filter::default() }).await, 667);
    assert_eq!(found(Filter { site_id: text("H007"), ..Filter::default() }).await, 40);
    assert_eq!(found(Filter { study_id: text("ONC-6"), ..Filter::default() }).await, 285);
    assert_eq!(found(Filter { instrument: text("phq-9|2.0"), ..Filter::default() }).await, 0);
    assert_eq!(found(Filter { instrument: text("phq-9|1.0"), ..Filter::default() }).await, 2_000);
    assert_eq!(found(Filter { queue: text("epro.alerts"), ..Filter::default() }).await, 0);
    assert_eq!(found(Filter { state: Some(DeadLetterState::Discarded), ..Filter::default() }).await, 0);
    let submission: Uuid = database.rows("SELECT md5('s7')::uuid").await[0].get(0);
    assert_eq!(found(Filter { submission_id: Some(submission), ..Filter::default() }).await, 1);
    let middle = OffsetDateTime::now_utc() - Duration::seconds(1_000);
    let later = found(Filter { since: Some(middle), ..Filter::default() }).await;
    let earlier = found(Filter { until: Some(middle), ..Filter::default() }).await;
    assert!(later > 0 && earlier > 0 && later + earlier == 2_000, "{later} {earlier}");
    let ids: Vec<i64> = store
        .dead_letters(&Filter { limit: Some(3), ..Filter::default() })
        .await
        .unwrap()
        .iter()
        .map(|found| found.id)
        .collect();
    assert_eq!(found(Filter { ids: ids.clone(), ..Filter::default() }).await, 3);
    let both = Filter { class: Some(Class::Stale), site_id: text("H002"), ..Filter::default() };
    assert_eq!(found(both).await, 20);
}

#[tokio::test]
async fn replicas_are_counted_by_the_names_of_their_connections() {
    let mut database = Database::new().await;
    let mut connected = Vec::new();
    for name in ["epro-worker 1@a", "epro-worker 1@a", "epro-worker 2@a", "epro-producer-api 1@b"] {
        let client = database.one_more_client().await;
        client.batch_execute(&format!("SET application_name = '{name}'")).await.unwrap();
        connected.push(client);
    }
    let server = database.store_as("epro_operator").server().await.unwrap();
    assert_eq!((server.workers, server.doors), (2, 1));
}
