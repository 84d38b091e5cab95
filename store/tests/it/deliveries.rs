//! A delivery's way to its hospital: only the newest version goes, and what became of each call is kept.

use crate::support::database::Database;
use crate::support::sample::{amendment, submission};
use epro_store::audit::{Actor, AuditFacts};
use epro_store::dead_letters::{Class, DeadLetter};
use epro_store::deliveries::{Begun, Call, DeliveryKey, Due, Renewed};
use epro_store::lease::LeaseRound;
use epro_store::submissions::NewSubmission;
use epro_store::{AuditChain, Store};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

async fn store(database: &Database, submissions: &[NewSubmission]) -> Store {
    let store = database.store_as("epro_worker");
    store.commit_chunk(&mut AuditChain::new("test"), submissions, None).await.unwrap();
    store
}

fn key(submission: &NewSubmission) -> DeliveryKey {
    let row = &submission.identified;
    DeliveryKey { submission_id: row.submission_id, pseudonym: row.pseudonym, generation: 1 }
}

fn call(submission: &NewSubmission) -> Call<'static> {
    Call {
        key: key(submission),
        site_id: "H001",
        study_id: Some("ONC-301"),
        outcome: "busy",
        detail: "503",
        took: Some(Duration::from_millis(12)),
        charged: false,
        owner: Uuid::nil(),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c"),
    }
}

fn taken(submission: &NewSubmission) -> Call<'static> {
    Call { outcome: "taken", detail: "201 Created", ..call(submission) }
}

async fn due(store: &Store, submission: &NewSubmission) -> Due {
    match store.begin_delivery(key(submission)).await.unwrap() {
        Begun::Due(due) => *due,
        other => panic!("{other:?}"),
    }
}

async fn state(database: &Database, submission: &NewSubmission) -> String {
    let id = submission.identified.submission_id;
    let sql = format!("SELECT state FROM ops.delivery WHERE submission_id = '{id}'");
    database.rows(&sql).await[0].get(0)
}

#[tokio::test]
async fn what_is_stored_is_due_with_what_a_hospital_needs() {
    let database = Database::new().await;
    let first = submission();
    let store = store(&database, std::slice::from_ref(&first)).await;
    let due = due(&store, &first).await;
    assert_eq!((due.generation, due.attempts, due.correction), (1, 0, false));
    assert_eq!((due.root, due.message_id), (first.identified.submission_id, first.source.message_id));
    assert_eq!((due.site_id.as_str(), due.study_id.as_str()), ("H001", "ONC-301"));
    assert_eq!((due.instrument.as_str(), &due.sealed[..]), ("phq-9|1.0", &first.identified.sealed[..]));
    assert!(!due.well_since_failure);
    let absent = DeliveryKey { submission_id: Uuid::now_v7(), ..key(&first) };
    assert!(matches!(store.begin_delivery(absent).await.unwrap(), Begun::Absent));
}

#[tokio::test]
async fn what_is_done_is_over_and_audited_and_its_calls_are_kept() {
    let database = Database::new().await;
    let first = submission();
    let store = store(&database, std::slice::from_ref(&first)).await;
    let mut chain = AuditChain::new("test");
    store.delivery_waits(&mut chain, call(&first), None).await.unwrap();
    store.delivery_waits(&mut chain, Call { charged: true, ..call(&first) }, None).await.unwrap();
    assert_eq!(state(&database, &first).await, "waits");
    assert_eq!(due(&store, &first).await.attempts, 1, "one of them was charged");
    store.delivered(&mut chain, taken(&first), None).await.unwrap();
    assert_eq!(state(&database, &first).await, "done");
    assert!(matches!(store.begin_delivery(key(&first)).await.unwrap(), Begun::Over(_)));
    let kept = database
        .rows("SELECT outcome, detail, duration_ms, charged FROM ops.delivery_attempt ORDER BY id")
        .await;
    let kept: Vec<(String, String, i32, bool)> =
        kept.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let one = |outcome: &str, detail: &str, charged| (outcome.into(), detail.into(), 12, charged);
    let calls = [one("busy", "503", false), one("busy", "503", true), one("taken", "201 Created", false)];
    assert_eq!(kept, calls);
    let audited = "audit.event WHERE action = 'delivery.done' AND trace_id IS NOT NULL AND site_id = 'H001'";
    assert_eq!(database.count(audited).await, 1);
}

#[tokio::test]
async fn a_base_that_was_never_sent_is_superseded_and_the_newest_version_goes_as_a_first_one() {
    let database = Database::new().await;
    let base = submission();
    let (second, third) = (amendment(&base), amendment(&base));
    let mut third = third;
    third.identified.amends = Some(second.identified.submission_id);
    let store = store(&database, &[base.clone(), second.clone(), third.clone()]).await;
    for old in [&base, &second] {
        assert!(matches!(store.begin_delivery(key(old)).await.unwrap(), Begun::Superseded(_)));
        assert_eq!(state(&database, old).await, "superseded");
    }
    let due = due(&store, &third).await;
    assert_eq!((due.root, due.correction), (base.identified.submission_id, false));
}

#[tokio::test]
async fn an_amendment_of_what_the_hospital_has_or_may_have_is_a_correction() {
    let database = Database::new().await;
    let (had, tried) = (submission(), submission());
    let store = store(&database, &[had.clone(), tried.clone()]).await;
    due(&store, &had).await;
    store.delivered(&mut AuditChain::new("test"), taken(&had), None).await.unwrap();
    // Begun, and nobody knows what became of it.
    due(&store, &tried).await;
    let amendments = [amendment(&had), amendment(&tried)];
    store.commit_chunk(&mut AuditChain::new("test"), &amendments, None).await.unwrap();
    for (amendment, base) in amendments.iter().zip([&had, &tried]) {
        let due = due(&store, amendment).await;
        assert_eq!((due.root, due.correction), (base.identified.submission_id, true));
    }
    assert!(matches!(store.begin_delivery(key(&tried)).await.unwrap(), Begun::Superseded(_)));
}

#[tokio::test]
async fn a_call_that_was_not_made_is_taken_back_by_who_holds_the_lease_and_by_nobody_whose_lease_is_over() {
    let database = Database::new().await;
    let (first, owner, sites) = (submission(), Uuid::now_v7(), ["H001".to_owned()]);
    let store = store(&database, std::slice::from_ref(&first)).await;
    let begun = async || database.count("ops.delivery WHERE begun").await;
    let round = LeaseRound { kind: "hospital", owner, keys: &sites, ttl: Duration::from_secs(60) };
    let term = store.leases(&round).await.unwrap()[0].term;

    assert!(due(&store, &first).await.first_call);
    store.delivery_not_begun(key(&first), owner, term).await.unwrap();
    assert_eq!(begun().await, 0);

    assert!(due(&store, &first).await.first_call);
    assert!(!due(&store, &first).await.first_call, "it may have been called");
    store.delivery_not_begun(key(&first), Uuid::now_v7(), term).await.unwrap();
    store.delivery_not_begun(key(&first), owner, term - 1).await.unwrap();
    database.rows("UPDATE ops.lease SET until = clock_timestamp() - interval '1 ms' RETURNING 1").await;
    store.delivery_not_begun(key(&first), owner, term).await.unwrap();
    assert_eq!(begun().await, 1);
}

#[tokio::test]
async fn a_message_of_an_older_generation_has_no_effect() {
    let database = Database::new().await;
    let first = submission();
    let store = store(&database, std::slice::from_ref(&first)).await;
    let operator = database.store_as("epro_operator");
    let mut chain = AuditChain::new("epro");
    let row = (first.identified.submission_id, first.identified.pseudonym);
    let Renewed::Now(follow_on) =
        operator.renew_delivery(&mut chain, row, "root", "its rule was mended").await.unwrap()
    else {
        panic!("it isn't over")
    };
    assert_eq!((follow_on.generation, state(&database, &first).await.as_str()), (2, "unsent"));
    assert!(matches!(store.begin_delivery(key(&first)).await.unwrap(), Begun::Over(_)));
    store.delivered(&mut AuditChain::new("test"), taken(&first), None).await.unwrap();
    assert_eq!(state(&database, &first).await, "unsent", "the new message is still to be answered");
    let new = DeliveryKey { generation: 2, ..key(&first) };
    assert!(matches!(store.begin_delivery(new).await.unwrap(), Begun::Due(_)));
    let audited = "audit.event WHERE action = 'delivery.renewed' AND details::text LIKE '%mended%'";
    assert_eq!(database.count(audited).await, 1);
}

#[tokio::test]
async fn what_is_done_is_not_renewed() {
    let database = Database::new().await;
    let first = submission();
    let store = store(&database, std::slice::from_ref(&first)).await;
    store.delivered(&mut AuditChain::new("test"), taken(&first), None).await.unwrap();
    let operator = database.store_as("epro_operator");
    let row = (first.identified.submission_id, first.identified.pseudonym);
    let renewed = operator.renew_delivery(&mut AuditChain::new("epro"), row, "root", "again").await.unwrap();
    assert_eq!(renewed, Renewed::Over("done".into()));
    let absent = (Uuid::now_v7(), Uuid::now_v7());
    let renewed = operator.renew_delivery(&mut AuditChain::new("epro"), absent, "root", "x").await.unwrap();
    assert_eq!(renewed, Renewed::Absent);
}

#[tokio::test]
async fn what_is_set_aside_is_a_dead_letter_an_audit_row_and_a_state_in_one_transaction() {
    let database = Database::new().await;
    let first = submission();
    let store = store(&database, std::slice::from_ref(&first)).await;
    let refused = Call { outcome: "refused", detail: "422", charged: true, ..call(&first) };
    let dead_letter = DeadLetter {
        lane: "hospitals".into(),
        queue: "epro.his.H001".into(),
        message_id: Some(Uuid::now_v7()),
        content_sha256: [1; 32],
        class: Class::HospitalRefused,
        stage: Some("call".into()),
        detail: Some("422".into()),
        submission_id: Some(first.identified.submission_id),
        pseudonym: Some(first.identified.pseudonym),
        site_id: Some("H001".into()),
        study_id: Some("ONC-301".into()),
        instrument: None,
        received_at: None,
        body: vec![1],
        wrapped: true,
        kind: None,
        headers: json!({}),
        audit: AuditFacts::by(Actor::System("epro-worker".into())),
    };
    let mut chain = AuditChain::new("test");
    store.set_delivery_aside(&mut chain, refused, &dead_letter, None).await.unwrap();
    assert_eq!(state(&database, &first).await, "set_aside");
    assert_eq!(database.count("ops.dead_letter WHERE class = 'hospital_refused'").await, 1);
    let audited = "audit.event WHERE action = 'delivery.set_aside' AND outcome = 'hospital_refused'";
    assert_eq!(database.count(audited).await, 1);
    assert!(matches!(store.begin_delivery(key(&first)).await.unwrap(), Begun::Over(_)));
}
