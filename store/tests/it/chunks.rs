//! A chunk of submissions, each verdict.

use crate::support::chain;
use crate::support::database::Database;
use crate::support::sample::{alerting, amendment, follow_ons, other_content, sent_again, submission, words};
use epro_store::AuditChain;
use epro_store::submissions::{NewSubmission, Waited};
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

async fn commit(database: &Database, chain: &mut AuditChain, chunk: &[NewSubmission]) -> Vec<&'static str> {
    words(&database.store().commit_chunk(chain, chunk, None).await.unwrap())
}

#[tokio::test]
async fn a_new_submission_is_stored_with_all_of_its_rows() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let new = alerting(submission());

    let outcomes = database.store().commit_chunk(&mut chain, std::slice::from_ref(&new), None).await.unwrap();

    assert_eq!(words(&outcomes), ["stored"]);
    assert_eq!(follow_ons(&outcomes), [2]);
    let row = &database
        .rows(
            "SELECT s.*, s.answered_at::text AS at_utc, r.answers->0->>'link_id' AS first_answer, d.state AS delivery, \
             a.state AS alert, e.action, e.outcome, e.actor, e.body_sha256 AS audited \
             FROM identified.submission s JOIN research.submission r USING (submission_id, pseudonym) \
             JOIN identified.subject USING (pseudonym) JOIN ops.delivery d USING (submission_id, pseudonym) \
             JOIN ops.alert a USING (submission_id, pseudonym) JOIN audit.event e USING (submission_id, pseudonym)",
        )
        .await[0];
    assert_eq!(row.get::<_, Uuid>("submission_id"), new.identified.submission_id);
    assert_eq!(row.get::<_, Uuid>("message_id"), new.source.message_id);
    assert_eq!(row.get::<_, Vec<u8>>("sealed"), new.identified.sealed);
    assert_eq!(row.get::<_, Vec<u8>>("body_sha256"), new.identified.body_sha256);
    assert_eq!(row.get::<_, Vec<u8>>("audited"), new.identified.body_sha256);
    assert_eq!(row.get::<_, i32>("answered_offset_s"), 8 * 3600);
    assert_eq!(row.get::<_, String>("first_answer"), "44250-9");
    assert_eq!(row.get::<_, String>("delivery"), "queued");
    assert_eq!(row.get::<_, String>("alert"), "queued");
    assert_eq!(row.get::<_, String>("action"), "submission.stored");
    assert_eq!(row.get::<_, String>("actor"), format!("subject:{}", new.identified.pseudonym));
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 1);
}

#[tokio::test]
async fn what_has_waited_says_so_in_its_audit_row_and_the_rest_says_nothing() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    // The chain's first commit goes step by step in any case.
    commit(&database, &mut chain, &[submission()]).await;
    let mut new = submission();
    let since = datetime!(2026-11-23 12:03:14.5 UTC);
    new.source.waited = Some(Waited { times: 3, since: Some(since) });
    assert_eq!(commit(&database, &mut chain, &[new, submission()]).await, ["stored", "stored"]);

    let details = "SELECT details::text FROM audit.event WHERE details IS NOT NULL";
    let details: Vec<String> = database.rows(details).await.iter().map(|row| row.get(0)).collect();
    let details: Vec<Value> = details.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(details, [json!({"waits": 3, "waiting_since": "2026-11-23T12:03:14.5Z"})]);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 3);
}

#[tokio::test]
async fn an_empty_chunk_changes_nothing() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    assert!(database.store().commit_chunk(&mut chain, &[], None).await.unwrap().is_empty());
    assert_eq!(database.count("audit.event").await, 0);
}

#[tokio::test]
async fn a_redelivery_is_told_apart_from_a_second_sending() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let first = submission();
    assert_eq!(commit(&database, &mut chain, std::slice::from_ref(&first)).await, ["stored"]);
    let again = [sent_again(&first), first.clone()];
    assert_eq!(commit(&database, &mut chain, &again).await, ["duplicate", "same delivery"]);
}

#[tokio::test]
async fn a_second_sending_in_a_later_chunk_is_a_duplicate() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let first = submission();
    commit(&database, &mut chain, std::slice::from_ref(&first)).await;

    assert_eq!(commit(&database, &mut chain, &[sent_again(&first)]).await, ["duplicate"]);

    assert_eq!(database.count("identified.submission").await, 1);
    assert_eq!(database.count("research.submission").await, 1);
    assert_eq!(database.count("audit.event WHERE action = 'submission.duplicate'").await, 1);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 2);
}

#[tokio::test]
async fn the_same_submission_five_times_in_one_chunk_is_stored_once() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let first = alerting(submission());
    let chunk: Vec<_> = std::iter::once(first.clone()).chain((0..4).map(|_| sent_again(&first))).collect();

    let outcomes = database.store().commit_chunk(&mut chain, &chunk, None).await.unwrap();

    assert_eq!(words(&outcomes), ["stored", "duplicate", "duplicate", "duplicate", "duplicate"]);
    assert_eq!(follow_ons(&outcomes), [2, 0, 0, 0, 0], "the copies' follow-ons travel with the first");
    assert_eq!(database.count("identified.submission").await, 1);
    assert_eq!(database.count("ops.alert").await, 1);
    assert_eq!(database.count("audit.event").await, 5);
}

#[tokio::test]
async fn a_duplicate_asks_to_publish_only_what_is_not_done() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let store = database.store();
    let first = alerting(submission());
    store.commit_chunk(&mut chain, std::slice::from_ref(&first), None).await.unwrap();
    let again = [sent_again(&first)];

    let outcomes = store.commit_chunk(&mut chain, &again, None).await.unwrap();
    assert_eq!(follow_ons(&outcomes), [2]);
    database.run("UPDATE ops.alert SET state = 'done'").await;
    let outcomes = store.commit_chunk(&mut chain, &again, None).await.unwrap();
    assert_eq!(follow_ons(&outcomes), [1]);
    database.run("UPDATE ops.delivery SET state = 'done'").await;
    let outcomes = store.commit_chunk(&mut chain, &again, None).await.unwrap();
    assert_eq!(follow_ons(&outcomes), [0]);
}

#[tokio::test]
async fn other_content_under_the_same_identity_is_set_aside_and_overwrites_nothing() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let first = submission();
    commit(&database, &mut chain, std::slice::from_ref(&first)).await;
    let other = other_content(&first);

    assert_eq!(commit(&database, &mut chain, std::slice::from_ref(&other)).await, ["conflict"]);

    let kept: Vec<u8> = database.rows("SELECT content_hash FROM identified.submission").await[0].get(0);
    assert_eq!(kept, first.identified.content_hash);
    let dead = &database.rows("SELECT * FROM ops.dead_letter").await[0];
    assert_eq!(dead.get::<_, String>("class"), "conflict");
    assert_eq!(dead.get::<_, Uuid>("message_id"), other.source.message_id);
    assert_eq!(dead.get::<_, Vec<u8>>("body"), other.identified.sealed);
    assert_eq!(dead.get::<_, Vec<u8>>("content_sha256"), other.identified.body_sha256);
    assert_eq!(dead.get::<_, String>("queue"), "epro.submissions.routine");
    let audited = &database.rows("SELECT * FROM audit.event WHERE action = 'submission.set_aside'").await[0];
    assert_eq!(audited.get::<_, Vec<u8>>("body_sha256"), other.identified.body_sha256);
}

#[tokio::test]
async fn the_first_of_two_contents_in_one_chunk_is_stored_and_the_second_set_aside() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let first = submission();
    let other = other_content(&first);
    let chunk = [first.clone(), other.clone(), sent_again(&first), sent_again(&other)];
    assert_eq!(commit(&database, &mut chain, &chunk).await, ["stored", "conflict", "duplicate", "conflict"]);
    assert_eq!(database.count("ops.dead_letter").await, 2, "a dead letter for each message");
}

#[tokio::test]
async fn the_same_id_from_another_subject_is_another_submission() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let first = submission();
    let mut theirs = submission();
    theirs.identified.submission_id = first.identified.submission_id;
    assert_eq!(commit(&database, &mut chain, &[first, theirs]).await, ["stored", "stored"]);
}

#[tokio::test]
async fn an_amendment_before_its_base_waits_and_leaves_only_its_alert() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let base = submission();
    let amends = alerting(amendment(&base));

    let outcomes =
        database.store().commit_chunk(&mut chain, std::slice::from_ref(&amends), None).await.unwrap();
    assert_eq!(words(&outcomes), ["base absent"]);
    assert_eq!(follow_ons(&outcomes), [1], "the alert doesn't wait");
    assert_eq!(database.count("identified.submission").await, 0);
    assert_eq!(database.count("ops.alert").await, 1);
    assert_eq!(database.count("audit.event").await, 0, "nothing was decided");

    assert_eq!(commit(&database, &mut chain, &[base]).await, ["stored"]);
    assert_eq!(commit(&database, &mut chain, &[amends]).await, ["stored"]);
    assert_eq!(database.count("ops.alert").await, 1);
}

#[tokio::test]
async fn amendments_in_the_chunk_of_their_base_are_stored_in_whatever_order_they_come() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let base = submission();
    let second = amendment(&base);
    let third = amendment(&second);
    let fourth = amendment(&third);
    let chunk = [fourth, second.clone(), base, third, sent_again(&second)];
    assert_eq!(
        commit(&database, &mut chain, &chunk).await,
        ["stored", "stored", "stored", "stored", "duplicate"]
    );
}

#[tokio::test]
async fn a_base_that_has_a_successor_makes_the_next_amendment_stale() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let base = submission();
    let first = amendment(&base);
    assert_eq!(commit(&database, &mut chain, &[base.clone(), first.clone()]).await, ["stored", "stored"]);

    assert_eq!(commit(&database, &mut chain, &[amendment(&base)]).await, ["stale"]);
    assert_eq!(
        commit(&database, &mut chain, &[first]).await,
        ["same delivery"],
        "the winner stays the winner"
    );
    assert_eq!(database.count("ops.dead_letter WHERE class = 'stale'").await, 1);
}

#[tokio::test]
async fn two_amendments_of_one_base_in_one_chunk_leave_one() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let base = submission();
    let chunk = [amendment(&base), amendment(&base), base];
    let mut outcomes = commit(&database, &mut chain, &chunk).await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["stale", "stored", "stored"]);
}

#[tokio::test]
async fn amendments_in_a_circle_wait_for_a_base_that_never_comes() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let mut one = submission();
    let mut two = amendment(&one);
    one.identified.amends = Some(two.identified.submission_id);
    two.identified.amends = Some(one.identified.submission_id);
    let mut itself = submission();
    itself.identified.amends = Some(itself.identified.submission_id);
    let outcomes = commit(&database, &mut chain, &[one, two, itself]).await;
    assert_eq!(outcomes, ["base absent", "base absent", "base absent"]);
}

#[tokio::test]
async fn an_amendment_of_another_subjects_submission_has_no_base() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let theirs = submission();
    let mut mine = amendment(&theirs);
    mine.identified.pseudonym = Uuid::new_v4();
    assert_eq!(commit(&database, &mut chain, &[theirs, mine]).await, ["stored", "base absent"]);
}

#[tokio::test]
async fn an_alert_is_raised_whatever_the_verdict() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let first = submission();
    let base = submission();
    let successor = amendment(&base);
    commit(&database, &mut chain, &[first.clone(), base.clone(), successor]).await;
    let chunk =
        [alerting(sent_again(&first)), alerting(amendment(&base)), alerting(amendment(&submission()))];
    let outcomes = database.store().commit_chunk(&mut chain, &chunk, None).await.unwrap();
    assert_eq!(words(&outcomes), ["duplicate", "stale", "base absent"]);
    assert_eq!(database.count("ops.alert").await, 3);

    let conflict = [alerting(other_content(&first))];
    let outcomes = database.store().commit_chunk(&mut chain, &conflict, None).await.unwrap();
    assert_eq!((words(&outcomes), follow_ons(&outcomes)), (vec!["conflict"], vec![1]));
    assert_eq!(database.count("ops.alert").await, 3, "the same finding is the same alert");
    database.run("UPDATE ops.alert SET state = 'done'").await;
    let outcomes = database.store().commit_chunk(&mut chain, &conflict, None).await.unwrap();
    assert_eq!(follow_ons(&outcomes), [0], "an alert that is done isn't raised again");
}

#[tokio::test]
async fn the_same_chunk_of_256_committed_twice_changes_nothing_the_second_time() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let chunk: Vec<_> = (0..256).map(|_| submission()).collect();
    assert!(commit(&database, &mut chain, &chunk).await.iter().all(|word| *word == "stored"));
    assert!(commit(&database, &mut chain, &chunk).await.iter().all(|word| *word == "same delivery"));
    assert_eq!(database.count("identified.submission").await, 256);
    assert_eq!(database.count("ops.delivery").await, 256);
    assert_eq!(chain::unbroken(&database).await[&chain.writer()], 512);
}

#[tokio::test]
async fn the_times_come_back_as_they_went_in() {
    let database = Database::new().await;
    let mut chain = AuditChain::new("test");
    let new = submission();
    commit(&database, &mut chain, std::slice::from_ref(&new)).await;
    let row = &database.rows("SELECT answered_at, sent_at, received_at FROM identified.submission").await[0];
    let answered: time::OffsetDateTime = row.get(0);
    assert_eq!((new.identified.answered_at - answered).whole_microseconds(), 0);
    assert_eq!(row.get::<_, Option<time::OffsetDateTime>>(1), new.identified.sent_at);
    let received: time::OffsetDateTime = row.get(2);
    assert_eq!((new.identified.received_at - received).whole_microseconds(), 0);
}
