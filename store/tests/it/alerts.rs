//! Alerts: claimed by one at a time, told once, ended only by somebody.

use std::time::Duration;

use epro_store::alerts::{Ended, Next, Outcome, Party, Target};
use epro_store::audit::{Actor, AuditFacts};
use epro_store::follow_ons::{AlertFollowOn, FollowOn};
use epro_store::submissions::{NewSubmission, Outcome as Fate};
use epro_store::{AuditChain, Bound, Store};
use uuid::Uuid;

use crate::support::database::Database;
use crate::support::sample::{alerting, amendment, other_content, sent_again, submission};

const MINUTE: Duration = Duration::from_secs(60);

fn alert() -> AlertFollowOn {
    AlertFollowOn {
        alert_id: Uuid::new_v4(),
        submission_id: Uuid::now_v7(),
        site_id: "H001".into(),
        study_id: "ONC-301".into(),
        rule: "self-harm".into(),
        severity: "critical".into(),
        received_at: None,
    }
}

fn lee(channel: &str) -> Target {
    Target { channel: channel.into(), recipient: "dr-lee".into() }
}

fn sent(target: Target) -> Outcome {
    Outcome { target, error: None }
}

fn staff() -> Party {
    Party { studies: vec!["ONC-301".into()], sites: vec!["H001".into()] }
}

fn nurse() -> AuditFacts {
    AuditFacts::by(Actor::Delegate(Uuid::from_u128(5)))
}

async fn commit(store: &Store, chunk: &[NewSubmission]) -> Vec<usize> {
    let outcomes = store.commit_chunk(&mut AuditChain::new("test"), chunk, None).await.unwrap();
    let alerts =
        |follow_ons: &[FollowOn]| follow_ons.iter().filter(|f| matches!(f, FollowOn::Alert(_))).count();
    let count = |fate: &Fate| match fate {
        Fate::Stored { follow_ons, .. }
        | Fate::Duplicate { follow_ons, .. }
        | Fate::SetAside { follow_ons, .. }
        | Fate::BaseAbsent { follow_ons } => alerts(follow_ons),
    };
    outcomes.iter().map(count).collect()
}

/// The submission with alerts of these rules.
fn with_rules(mut submission: NewSubmission, rules: &[&str]) -> NewSubmission {
    let template = alerting(submission.clone()).alerts.remove(0);
    let row = |rule: &&str| {
        let mut row = template.clone();
        row.alert_id = Uuid::new_v4();
        row.rule = (*rule).to_owned();
        row
    };
    submission.alerts = rules.iter().map(row).collect();
    submission
}

#[tokio::test]
async fn a_due_alert_is_claimed_by_one_of_many_and_is_due_again_when_the_claim_ends() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let alert = alert();
    store.raise_alerts(&[(alert.clone(), Uuid::new_v4())]).await.unwrap();
    let claims = futures_util::future::join_all((0..4).map(|_| store.claim_due_alerts(MINUTE, 10))).await;
    let claims: Vec<_> = claims.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(claims.len(), 1);
    assert_eq!((claims[0].alert.alert_id, claims[0].level), (alert.alert_id, 1));
    assert!(store.claim_alert(&alert, MINUTE).await.unwrap().1.is_none(), "somebody is at it");
    database.run("UPDATE ops.alert SET next_at = now()").await;
    assert!(store.claim_alert(&alert, MINUTE).await.unwrap().1.is_some());
}

#[tokio::test]
async fn an_alert_without_a_row_gets_one_and_learns_its_patient_when_the_submission_is_stored() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let stored = alerting(submission());
    let mut early = alert();
    (early.alert_id, early.submission_id) = (stored.alerts[0].alert_id, stored.identified.submission_id);
    assert!(store.claim_alert(&early, MINUTE).await.unwrap().1.is_some());
    assert_eq!(commit(&store, std::slice::from_ref(&stored)).await, [1]);
    let rows = database.rows("SELECT pseudonym FROM ops.alert").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, Uuid>(0), stored.identified.pseudonym);
}

#[tokio::test]
async fn a_notice_is_begun_once_it_failed_and_never_once_it_was_sent() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let alert = alert();
    let (_, claim) = store.claim_alert(&alert, MINUTE).await.unwrap();
    let (claim, both) = (claim.unwrap(), [lee("email"), lee("sms")]);
    let id = alert.alert_id;
    assert_eq!(store.begin_notices(id, &both).await.unwrap().len(), 2);
    let failed = Outcome { target: lee("sms"), error: Some("the gateway answers 503".into()) };
    let next = Next { level: 1, after: Some(Duration::ZERO) };
    store
        .finish_claim(&mut AuditChain::new("test"), &claim, &[sent(lee("email")), failed], next)
        .await
        .unwrap();
    let audited = "audit.event WHERE action = 'alert.told' AND details->>'alert' = (SELECT alert_id::text FROM ops.alert) \
        AND details #>> '{told,0,recipient}' = 'dr-lee' AND details #>> '{untold,0,channel}' = 'sms'";
    assert_eq!(database.count(audited).await, 1);
    let begun = store.begin_notices(id, &both).await.unwrap();
    assert_eq!(begun.into_iter().collect::<Vec<_>>(), [lee("sms")]);
    let again = store.claim_due_alerts(MINUTE, 1).await.unwrap().remove(0);
    let tries = |channel| again.notices.iter().find(|n| n.target == lee(channel)).map(|n| (n.sent, n.tries));
    assert_eq!((tries("email"), tries("sms")), (Some((true, 1)), Some((false, 2))));
    store.record_notices(id, &[Outcome { target: lee("email"), error: Some("late".into()) }]).await.unwrap();
    let rows = database.rows("SELECT state FROM ops.notice WHERE channel = 'email'").await;
    assert_eq!(rows[0].get::<_, String>(0), "sent", "what was sent stays sent");
}

#[tokio::test]
async fn who_held_a_claim_for_too_long_changes_nothing_for_the_one_after() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let alert = alert();
    let late = store.claim_alert(&alert, MINUTE).await.unwrap().1.unwrap();
    database.run("UPDATE ops.alert SET next_at = now()").await;
    let next = store.claim_alert(&alert, MINUTE).await.unwrap().1.unwrap();
    store
        .finish_claim(&mut AuditChain::new("test"), &late, &[], Next { level: 9, after: None })
        .await
        .unwrap();
    let level = "SELECT level FROM ops.alert WHERE next_at IS NOT NULL";
    assert_eq!(database.rows(level).await[0].get::<_, i32>(0), 1);
    store
        .finish_claim(&mut AuditChain::new("test"), &next, &[], Next { level: 2, after: None })
        .await
        .unwrap();
    assert_eq!(database.count("ops.alert WHERE level = 2 AND next_at IS NULL").await, 1);
    assert!(store.claim_due_alerts(MINUTE, 10).await.unwrap().is_empty(), "everybody is told");
}

#[tokio::test]
async fn an_acknowledgement_ends_an_alert_once_for_those_whose_it_is_and_is_audited() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let alert = alert();
    let claim = store.claim_alert(&alert, MINUTE).await.unwrap().1.unwrap();
    let mut chain = AuditChain::new("test");
    let id = alert.alert_id;
    let elsewhere = Party { sites: vec!["H002".into()], ..staff() };
    let mut ended = Vec::new();
    for party in [&elsewhere, &staff(), &staff()] {
        ended.push(store.acknowledge_alert(&mut chain, id, party, &nurse(), None).await.unwrap().1);
    }
    assert_eq!(ended, [Ended::NotTheirs, Ended::Now, Ended::Already]);
    let suspect = Uuid::now_v7();
    store.suspect(suspect, "commands", Uuid::now_v7()).await.unwrap();
    let nobodys = store
        .acknowledge_alert(&mut chain, Uuid::new_v4(), &staff(), &nurse(), Some(suspect))
        .await
        .unwrap()
        .1;
    assert_eq!(nobodys, Ended::Absent);
    assert_eq!(database.count("ops.suspect").await, 1, "it may wait: nothing was decided");
    store.acknowledge_alert(&mut chain, id, &staff(), &nurse(), Some(suspect)).await.unwrap();
    assert_eq!(database.count("ops.suspect").await, 0);
    assert!(store.begin_notices(id, &[lee("email")]).await.unwrap().is_empty(), "nobody is told any more");
    store
        .finish_claim(
            &mut AuditChain::new("test"),
            &claim,
            &[],
            Next { level: 2, after: Some(Duration::ZERO) },
        )
        .await
        .unwrap();
    assert!(store.claim_due_alerts(MINUTE, 10).await.unwrap().is_empty());
    let rows = database
        .rows("SELECT outcome, actor FROM audit.event WHERE action = 'alert.acknowledged' ORDER BY seq")
        .await;
    let outcomes: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(outcomes, ["not_theirs", "ok", "already_done", "already_done"]);
    assert!(rows[1].get::<_, String>(1).starts_with("delegate:"));
}

#[tokio::test]
async fn an_operator_closes_an_alert_with_a_reason() {
    let database = Database::new().await;
    let worker = database.store_as("epro_worker");
    let alert = alert();
    worker.raise_alerts(&[(alert.clone(), Uuid::new_v4())]).await.unwrap();
    let store = database.store_as("epro_operator");
    let mut chain = AuditChain::new("epro");
    let id = alert.alert_id;
    assert_eq!(store.close_alert(&mut chain, id, "ann", "told by phone").await.unwrap(), Ended::Now);
    assert_eq!(store.close_alert(&mut chain, id, "ann", "again").await.unwrap(), Ended::Already);
    let (now, _) = store.alert(id).await.unwrap().unwrap();
    assert_eq!(now.closed_reason.as_deref(), Some("told by phone"));
    assert_eq!(store.alerts(true, None, 10).await.unwrap().len(), 0);
    assert_eq!(store.alerts(false, Some("H001"), 10).await.unwrap().len(), 1);
    assert_eq!(database.count("audit.event WHERE action = 'alert.closed' AND outcome = 'ok'").await, 1);
}

#[tokio::test]
async fn whoever_is_bound_sees_counts_and_closes_only_alerts_of_their_studies_and_sites() {
    let database = Database::new().await;
    let worker = database.store_as("epro_worker");
    let alert = alert();
    worker.raise_alerts(&[(alert.clone(), Uuid::new_v4())]).await.unwrap();
    let store = database.store_as("epro_operator");
    let mut chain = AuditChain::new("epro");
    let id = alert.alert_id;
    let own = Bound { studies: Some(vec![alert.study_id.clone()]), sites: Some(vec![alert.site_id.clone()]) };
    let other = Bound { studies: Some(vec!["ANOTHER".into()]), sites: None };
    let seen = async |bound: &Bound| store.alerts_within(true, None, bound, 10).await.unwrap().len();
    assert_eq!((seen(&own).await, seen(&other).await), (1, 0));
    let counted = store.undone_alerts_of_each().await.unwrap();
    let of = |counted: &epro_store::alerts::UndoneOf| (counted.undone, counted.untold);
    assert_eq!(counted.iter().map(of).collect::<Vec<_>>(), [(1, 1)]);
    assert_eq!((&counted[0].study_id, &counted[0].site_id), (&alert.study_id, &alert.site_id));
    for (bound, ended) in [(&other, Ended::NotTheirs), (&own, Ended::Now)] {
        let closed = store.close_alert_within(&mut chain, id, bound, "ann", "told by phone").await.unwrap();
        assert_eq!(closed, ended);
    }
    let places = store.places(alert.submission_id).await.unwrap();
    assert!(own.has_all(&places) && !other.has_all(&places), "{places:?}");
}

#[tokio::test]
async fn an_amendment_alerts_only_about_what_its_base_did_not_say() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let base = with_rules(submission(), &["self-harm"]);
    assert_eq!(commit(&store, std::slice::from_ref(&base)).await, [1]);
    let keeps = with_rules(amendment(&base), &["self-harm", "pain"]);
    assert_eq!(commit(&store, std::slice::from_ref(&keeps)).await, [1], "the pain is new");
    let keeps_still = with_rules(amendment(&keeps), &["self-harm"]);
    assert_eq!(commit(&store, std::slice::from_ref(&keeps_still)).await, [0]);
    let repeats = database
        .rows("SELECT repeats, state FROM ops.alert WHERE rule = 'self-harm' AND repeats IS NOT NULL")
        .await;
    assert_eq!(repeats.len(), 2);
    for row in &repeats {
        assert_eq!(row.get::<_, Uuid>(0), base.alerts[0].alert_id, "people know the first one");
        assert_eq!(row.get::<_, String>(1), "done");
    }
    let withdrawn =
        database.rows("SELECT rule, withdrawn_by FROM ops.alert WHERE withdrawn_by IS NOT NULL").await;
    assert_eq!(withdrawn.len(), 1);
    assert_eq!(withdrawn[0].get::<_, String>(0), "pain");
    assert_eq!(withdrawn[0].get::<_, Uuid>(1), keeps_still.identified.submission_id);
    // An acknowledgement of a repeat is one of the alert that people know.
    let repeat = keeps_still.alerts[0].alert_id;
    let mut chain = AuditChain::new("test");
    assert_eq!(
        store.acknowledge_alert(&mut chain, repeat, &staff(), &nurse(), None).await.unwrap().1,
        Ended::Now
    );
    assert_eq!(database.count("ops.alert WHERE acknowledged_at IS NOT NULL AND repeats IS NULL").await, 1);
}

#[tokio::test]
async fn an_amendment_that_withdraws_is_noted_on_the_alert_and_audited_and_ends_nothing() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let base = with_rules(submission(), &["self-harm"]);
    let keeps = with_rules(amendment(&base), &["self-harm"]);
    // All in one chunk: the base's alert isn't in the table yet when the amendment is judged.
    let withdraws = amendment(&keeps);
    assert_eq!(commit(&store, &[base.clone(), keeps, withdraws.clone()]).await, [1, 0, 0]);
    let row = &database.rows("SELECT withdrawn_by, state FROM ops.alert WHERE repeats IS NULL").await[0];
    assert_eq!(row.get::<_, Uuid>(0), withdraws.identified.submission_id);
    assert_eq!(row.get::<_, String>(1), "queued", "somebody still has to look at it");
    assert_eq!(database.count("audit.event WHERE action = 'alert.withdrawn'").await, 2);
    let claim = store.claim_due_alerts(MINUTE, 10).await.unwrap();
    assert_eq!(claim.len(), 1);
    assert!(claim[0].withdrawn);
}

#[tokio::test]
async fn repeats_and_conflicts_of_one_submission_are_one_alert() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let first = alerting(submission());
    let chunk = [first.clone(), sent_again(&first), other_content(&first)];
    commit(&store, &chunk).await;
    commit(&store, &chunk[1..]).await;
    assert_eq!(database.count("ops.alert").await, 1);
}

#[tokio::test]
async fn what_was_told_under_its_messages_id_is_not_told_again_under_its_own() {
    let database = Database::new().await;
    let store = database.store_as("epro_worker");
    let opened = with_rules(submission(), &["self-harm"]);
    let mut unopened = alert();
    unopened.submission_id = opened.source.message_id;
    store.raise_alerts(&[(unopened.clone(), unopened.submission_id)]).await.unwrap();
    assert_eq!(commit(&store, std::slice::from_ref(&opened)).await, [0]);
    assert_eq!(database.count("ops.alert WHERE state <> 'done'").await, 1);
    let rows = database.rows("SELECT repeats FROM ops.alert WHERE repeats IS NOT NULL").await;
    assert_eq!(rows[0].get::<_, Uuid>(0), unopened.alert_id);
}
