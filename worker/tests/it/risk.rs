//! Risk models: asked about what is stored, behind the commit, at nobody's expense.

use epro_proving::foreign::Manner;
use epro_proving::foreign::manner::{Answer, Silent};
use epro_proving::{Hand, Inbox, RiskModel, Stack, until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    BOUND, DEAD, ROUTINE, STORED, STUDY, amendment, calm, counts, dead, empty, id, lie, link, many,
    parked_by_one_who_was_killed, with,
};

const RISK: &str = "epro.risk";
const SCORED: &str = "SELECT count(*) FROM research.risk";
const DONE: &str = "SELECT count(*) FROM ops.risk WHERE state = 'done'";
const AUDITED: &str = "SELECT count(*) FROM audit.event WHERE action = 'risk.scored'";
const ATTEMPTS: &str = "SELECT COALESCE(sum(attempts), 0)::bigint FROM ops.risk";
/// Another study, whose model is another one.
const OTHER: &str = "PAIN-7";

/// A study's model as configured, in a hurry.
fn model(model: &RiskModel) -> Value {
    json!({"url": model.url(), "timeout": "500ms", "attempts": 3})
}

/// A stack in a hurry that asks these models.
async fn asking(studies: Value, change: Value) -> Stack {
    let mut config = json!({
        "time_scale": 0.02,
        "studies": studies,
        "worker": {"lanes": ["submissions", "dead", "relay", "commands", "alerts", "risk"]},
    });
    for (key, value) in change.as_object().into_iter().flatten() {
        config[key.as_str()] = value.clone();
    }
    with(config).await
}

async fn of_one(risk: &RiskModel) -> Stack {
    asking(json!({STUDY: {"risk": model(risk)}}), json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_scored_once_with_the_models_version_and_an_audit_row() {
    let risk = RiskModel::start().await.unwrap();
    risk.opinion("risk-2.1", 0.25);
    let stack = of_one(&risk).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    let (submission, mut elsewhere) = (calm(), calm());
    elsewhere["study_id"] = json!(OTHER);
    hand.put(ROUTINE, "P-Quillon", &submission).await.unwrap();
    hand.put(ROUTINE, "P-Quillon", &elsewhere).await.unwrap();
    counts(&link, STORED, 2).await;
    counts(&link, DONE, 1).await;
    let row = link.client.query_one("SELECT submission_id::text, version, score FROM research.risk", &[]);
    let row = row.await.unwrap();
    let found: (String, String, f64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(found, (id(&submission).to_owned(), "risk-2.1".to_owned(), 0.25));
    assert_eq!(link.count(AUDITED).await.unwrap(), 1);
    assert_eq!(link.count("SELECT count(*) FROM ops.risk").await.unwrap(), 1, "the other study has no model");
    assert_eq!(link.count("SELECT count(*) FROM research.risk_score WHERE score = 0.25").await.unwrap(), 1);
    empty(&stack, RISK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_told_what_researchers_may_see_and_no_more() {
    let risk = RiskModel::start().await.unwrap();
    let stack = of_one(&risk).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    let submission = calm();
    hand.put(ROUTINE, "P-Quillon", &submission).await.unwrap();
    counts(&link, DONE, 1).await;
    let asked = risk.asked();
    let question = &asked[0];
    assert_eq!((&question["instrument"], &question["study_id"]), (&json!("phq-9|1.0"), &json!(STUDY)));
    assert_eq!(question["answers"].as_array().map(Vec::len), Some(9), "{question}");
    assert!(question["scores"][0]["value"].is_number(), "{question}");
    let mut keys: Vec<&str> = question.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["answered_at", "answered_year", "answers", "id", "instrument", "pseudonym", "scores", "study_id"]
    );
    for planted in ["Quillon", id(&submission)] {
        assert!(!question.to_string().contains(planted), "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_comes_again_is_not_asked_again() {
    let risk = RiskModel::start().await.unwrap();
    let stack = of_one(&risk).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    let submission = calm();
    hand.put(ROUTINE, "P-1", &submission).await.unwrap();
    counts(&link, DONE, 1).await;
    let row = link.client.query_one("SELECT pseudonym::text FROM ops.risk", &[]).await.unwrap();
    let pseudonym: String = row.get(0);
    let body = json!({"submission_id": id(&submission), "pseudonym": pseudonym, "study_id": STUDY});
    let again = hand.sealed(RISK, Uuid::now_v7(), "epro.risk.v1", &body).unwrap();
    hand.publish(&again).await.unwrap();
    // The next one is behind it in the queue.
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    counts(&link, DONE, 2).await;
    empty(&stack, RISK).await;
    assert_eq!((risk.asked().len(), link.count(SCORED).await.unwrap()), (2, 2));
    assert_eq!((link.count(AUDITED).await.unwrap(), link.count(DEAD).await.unwrap()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_away_costs_nothing_and_gets_all_its_questions_when_it_is_back() {
    let risk = RiskModel::start().await.unwrap();
    risk.manner(Manner { status: Some(503), ..Manner::default() });
    let stack = of_one(&risk).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let worker = stack.worker().await.unwrap();
    hand.put_all(ROUTINE, "P-1", &many(20)).await.unwrap();
    counts(&link, STORED, 20).await;
    // Its breaker has opened, and probes go out.
    until("probes", BOUND, || async { Ok((risk.calls().len() > 10).then_some(())) }).await.unwrap();
    assert!(worker.output().contains("the risk model isn't asked for a while"), "{}", worker.output());
    assert_eq!((link.count(ATTEMPTS).await.unwrap(), link.count(DEAD).await.unwrap()), (0, 0));
    assert_eq!(link.count(SCORED).await.unwrap(), 0);
    risk.manner(Manner { down: true, ..Manner::default() });
    counts(&link, "SELECT LEAST(count(*), 1) FROM ops.risk WHERE last_outcome = 'away'", 1).await;
    risk.manner(Manner::default());
    counts(&link, DONE, 20).await;
    assert_eq!((link.count(ATTEMPTS).await.unwrap(), link.count(DEAD).await.unwrap()), (0, 0));
    assert_eq!(link.count(SCORED).await.unwrap(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_model_delays_no_other_study() {
    let (silent, well) = (RiskModel::start().await.unwrap(), RiskModel::start().await.unwrap());
    silent.manner(Manner { silent: Some(Silent::Before), ..Manner::default() });
    let studies = json!({STUDY: {"risk": model(&silent)}, OTHER: {"risk": model(&well)}});
    let stack = asking(studies, json!({})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let mut others = many(30);
    others.iter_mut().for_each(|other| other["study_id"] = json!(OTHER));
    // All of those that nobody answers come first.
    hand.put_all(ROUTINE, "P-1", &many(100)).await.unwrap();
    hand.put_all(ROUTINE, "P-1", &others).await.unwrap();
    let _worker = stack.worker().await.unwrap();
    counts(&link, "SELECT count(*) FROM ops.risk WHERE state = 'done' AND study_id = 'PAIN-7'", 30).await;
    assert_eq!(link.count("SELECT count(*) FROM ops.risk WHERE state = 'done'").await.unwrap(), 30);
    assert_eq!((link.count(ATTEMPTS).await.unwrap(), link.count(DEAD).await.unwrap()), (0, 0));
    silent.manner(Manner::default());
    counts(&link, DONE, 130).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_at_the_threshold_alerts_once_and_one_below_it_does_not() {
    let (risk, inbox) = (RiskModel::start().await.unwrap(), Inbox::start().await.unwrap());
    let mut configured = model(&risk);
    configured["alert_at"] = json!(0.8);
    let lee = json!({"name": "dr-lee", "email": "lee@h004.example"});
    let alerts = json!({"smtp": inbox.config(), "recipients": {"H004": [lee]}});
    let stack = asking(json!({STUDY: {"risk": configured}}), json!({"alerts": alerts})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    risk.opinion("risk-1", 0.79);
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    counts(&link, DONE, 1).await;
    assert_eq!(link.count("SELECT count(*) FROM ops.alert").await.unwrap(), 0);
    risk.opinion("risk-1", 0.8);
    let high = calm();
    hand.put(ROUTINE, "P-1", &high).await.unwrap();
    let mails = inbox.holds(1).await.unwrap();
    assert!(mails[0].text.contains("risk"), "{}", mails[0].text);
    let row = link.client.query_one("SELECT rule, severity, submission_id::text FROM ops.alert", &[]).await;
    let row = row.unwrap();
    let found: (String, String, String) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(found, ("risk".to_owned(), "critical".to_owned(), id(&high).to_owned()));
    // What amends it is as risky: the same alert, told once and not withdrawn.
    hand.put(ROUTINE, "P-1", &amendment(&high, "a slip")).await.unwrap();
    counts(&link, DONE, 3).await;
    counts(&link, "SELECT count(*) FROM ops.alert WHERE repeats IS NOT NULL AND state = 'done'", 1).await;
    assert_eq!(link.count("SELECT count(*) FROM ops.alert WHERE withdrawn_by IS NOT NULL").await.unwrap(), 0);
    assert_eq!(inbox.mails().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_can_not_be_used_is_set_aside_in_the_end_and_a_redrive_asks_again() {
    let risk = RiskModel::start().await.unwrap();
    risk.opinion("risk-1", 7.0);
    let stack = of_one(&risk).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = stack.worker().await.unwrap();
    let submission = calm();
    hand.put(ROUTINE, "P-Quillon", &submission).await.unwrap();
    let found = &dead(&link, 1).await[0];
    assert_eq!(
        (found.class.as_str(), found.lane.as_str(), found.queue.as_str()),
        ("not_scored", "risk", RISK)
    );
    assert_eq!(found.detail, "the answer's score isn't from 0 to 1");
    assert_eq!(found.submission.as_deref(), Some(id(&submission)));
    assert_eq!(risk.asked().len(), 3, "as often as it may be asked");
    assert_eq!(link.count("SELECT count(*) FROM ops.risk WHERE state = 'set_aside'").await.unwrap(), 1);
    risk.opinion("risk-1", 0.7);
    let number = found.id.to_string();
    let said = stack
        .epro(&[
            "dead-letters",
            "redrive",
            &number,
            "--yes",
            "--by",
            "ann",
            "--reason",
            "the model is mended",
        ])
        .await
        .unwrap();
    assert!(said.contains("redriven to epro.risk"), "{said}");
    counts(&link, DONE, 1).await;
    assert_eq!((link.count(SCORED).await.unwrap(), link.count(DEAD).await.unwrap()), (1, 0));
    for (action, outcome, actor, key, why) in [
        ("risk.set_aside", "not_scored", "system:epro-worker", "detail", found.detail.as_str()),
        ("risk.renewed", "ok", "operator:ann", "reason", "the model is mended"),
    ] {
        let rows = "SELECT outcome, actor, details ->> $3::text FROM audit.event
                    WHERE action = $1 AND submission_id::text = $2";
        let rows = link.client.query(rows, &[&action, &id(&submission), &key]).await.unwrap();
        let [row] = &rows[..] else { panic!("{} rows of {action}", rows.len()) };
        let said: [&str; 3] = std::array::from_fn(|at| row.get(at));
        assert_eq!(said, [outcome, actor, why], "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_answers_besides_a_score_costs_what_it_should() {
    for (manner, charged) in [
        (Manner { answer: Answer::Html, ..Manner::default() }, true),
        (Manner { answer: Answer::Giant, ..Manner::default() }, true),
        (Manner { status: Some(422), ..Manner::default() }, true),
        (Manner { answer: Answer::Broken, ..Manner::default() }, false),
        (Manner { answer: Answer::Drip, ..Manner::default() }, false),
        (Manner { status: Some(401), ..Manner::default() }, false),
        (Manner { status: Some(302), ..Manner::default() }, false),
    ] {
        let risk = RiskModel::start().await.unwrap();
        risk.manner(Manner { times: Some(1), ..manner.clone() });
        let stack = of_one(&risk).await;
        let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
        let _worker = stack.worker().await.unwrap();
        hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
        counts(&link, DONE, 1).await;
        assert_eq!(risk.calls().len(), 2, "{manner:?}");
        assert_eq!(link.count(ATTEMPTS).await.unwrap(), i64::from(charged), "{manner:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_has_waited_leaves_no_start_behind() {
    let risk = RiskModel::start().await.unwrap();
    let stack = of_one(&risk).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    let storing = stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[submissions]")]).unwrap();
    lie(&stack, RISK, 1).await;
    drop(storing);
    let letter = hand.take(RISK).await.unwrap().remove(0);
    hand.publish(&parked_by_one_who_was_killed(&link, letter).await).await.unwrap();
    let _asking = stack.worker().await.unwrap();
    counts(&link, DONE, 1).await;
    counts(&link, "SELECT count(*) FROM ops.suspect", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_between_the_answer_and_the_commit_ends_in_one_score() {
    let risk = RiskModel::start().await.unwrap();
    let stack = of_one(&risk).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    let mut broken = stack.spawn("epro-worker", &[("EPRO_FAULT", "aftercall=abort")]).unwrap();
    broken.ended(BOUND).await.unwrap();
    assert_eq!((risk.asked().len(), link.count(SCORED).await.unwrap()), (1, 0));
    let _sound = stack.worker().await.unwrap();
    counts(&link, DONE, 1).await;
    empty(&stack, RISK).await;
    assert_eq!((risk.asked().len(), link.count(SCORED).await.unwrap()), (2, 1));
    assert_eq!((link.count(AUDITED).await.unwrap(), link.count(DEAD).await.unwrap()), (1, 0));
    counts(&link, "SELECT count(*) FROM ops.suspect", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_between_the_commit_and_the_ack_asks_nothing_again() {
    let risk = RiskModel::start().await.unwrap();
    let stack = of_one(&risk).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    hand.put(ROUTINE, "P-1", &calm()).await.unwrap();
    let mut broken = stack.spawn("epro-worker", &[("EPRO_FAULT", "afterrecord=abort")]).unwrap();
    broken.ended(BOUND).await.unwrap();
    assert_eq!((risk.asked().len(), link.count(SCORED).await.unwrap()), (1, 1));
    let _sound = stack.worker().await.unwrap();
    empty(&stack, RISK).await;
    assert_eq!((risk.asked().len(), link.count(SCORED).await.unwrap()), (1, 1));
    assert_eq!(link.count(AUDITED).await.unwrap(), 1);
}
