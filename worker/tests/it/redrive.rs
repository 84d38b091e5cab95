//! `epro dead-letters list|show|redrive`: what was set aside goes back once its cause is gone.

use epro_proving::hand::plain;
use epro_proving::sealed::SUBMISSION;
use epro_proving::{Hand, Service, Stack, conservation};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{DEAD, ROUTINE, STORED, amendment, calm, counts, dead, hurried, id, link, with};

pub(crate) const REFUSE: &str =
    "ALTER TABLE identified.submission ADD CONSTRAINT not_now CHECK (late AND NOT late)";
pub(crate) const ALLOW: &str = "ALTER TABLE identified.submission DROP CONSTRAINT not_now";

/// A submission that was refused for a reason that is gone by now.
async fn refused() -> (Stack, Service, Hand, Value, String) {
    let stack = hurried().await;
    let (worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    link.client.batch_execute(REFUSE).await.unwrap();
    let submission = calm();
    hand.put(ROUTINE, "P-Quillon", &submission).await.unwrap();
    let number = dead(&link, 1).await[0].id.to_string();
    link.client.batch_execute(ALLOW).await.unwrap();
    (stack, worker, hand, submission, number)
}

fn redrive(number: &str) -> [&str; 6] {
    ["dead-letters", "redrive", number, "--yes", "--reason", "constraint dropped"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_shown_redriven_and_stored_and_a_second_redrive_says_so() {
    let (stack, _worker, hand, submission, number) = refused().await;
    let link = link(&stack).await;
    let list = stack.epro(&["dead-letters", "list", "--json"]).await.unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["submission_id"], submission["submission_id"]);
    assert_eq!((&list[0]["class"], &list[0]["site_id"]), (&json!("refused"), &json!("H004")));
    let shown = stack.epro(&["dead-letters", "show", &number]).await.unwrap();
    assert!(shown.contains("not_now") && shown.contains("23514"), "{shown}");
    assert!(!shown.contains("Quillon") && !shown.contains("LA65"), "{shown}");

    let said = stack.epro(&redrive(&number)).await.unwrap();
    assert!(said.contains(&format!("redriven to {ROUTINE}")), "{said}");
    counts(&link, STORED, 1).await;
    let again = stack.epro(&redrive(&number)).await.unwrap();
    assert!(again.contains("was settled already at"), "{again}");
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 0));
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'dead_letter.redriven'
                   AND details::text LIKE '%constraint dropped%' AND submission_id IS NOT NULL";
    assert_eq!(link.count(audited).await.unwrap(), 1);
    let copies = "SELECT count(*) FROM audit.event WHERE action = 'submission.duplicate'";
    assert_eq!(link.count(copies).await.unwrap(), 0, "the second one published nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_publishing_and_marking_a_redrive_done_again_ends_in_one_stored_row() {
    let (stack, _worker, hand, submission, number) = refused().await;
    let link = link(&stack).await;
    let fault = [("EPRO_FAULT", "redrive=abort")];
    let (code, out, _) = stack.epro_with(&fault, &redrive(&number)).await.unwrap();
    assert_eq!(code, None, "it was to be ended by a signal: {out}");
    counts(&link, STORED, 1).await;
    assert_eq!(link.count(DEAD).await.unwrap(), 1, "not marked");
    let said = stack.epro(&redrive(&number)).await.unwrap();
    assert!(said.contains("redriven to"), "{said}");
    let copies = "SELECT count(*) FROM audit.event WHERE action = 'submission.duplicate'";
    counts(&link, copies, 1).await;
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 0));
    let stored = format!("{STORED} WHERE submission_id = '{}'", id(&submission));
    assert_eq!(link.count(&stored).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_before_it_is_marked_stays_open_and_the_operator_is_told() {
    let (stack, _worker, hand, submission, number) = refused().await;
    let link = link(&stack).await;
    link.client.batch_execute(REFUSE).await.unwrap();
    let file = stack.folder().join("go-on");
    let fault = format!("redrive=until:{}", file.display());
    let again = async {
        counts(&link, &format!("{DEAD} AND times = 2"), 1).await;
        std::fs::write(&file, "").unwrap();
    };
    let env = [("EPRO_FAULT", fault.as_str())];
    let line = redrive(&number);
    let (said, ()) = tokio::join!(stack.epro_with(&env, &line), again);
    let (code, out, _) = said.unwrap();
    assert!(code == Some(1) && out.contains("came back"), "{code:?} {out}");
    assert_eq!(dead(&link, 1).await[0].submission.as_deref(), Some(id(&submission)));
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_redrive_it_into_one_row() {
    let (stack, _worker, hand, _, number) = refused().await;
    let line = redrive(&number);
    let (one, two) = tokio::join!(stack.epro(&line), stack.epro(&line));
    let said = format!("{}{}", one.unwrap(), two.unwrap());
    assert!(said.contains("redriven to"), "{said}");
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 0));
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'dead_letter.redriven'";
    assert_eq!(link(&stack).await.count(audited).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_redriven_without_yes_without_a_reason_or_by_an_empty_filter() {
    let (stack, _worker, hand, _, number) = refused().await;
    let said = stack.epro(&["dead-letters", "redrive", &number, "--reason", "x"]).await.unwrap();
    assert!(said.contains("nothing was done"), "{said}");
    let said = stack.epro(&["dead-letters", "redrive", &number, "--dry-run"]).await.unwrap();
    assert!(said.contains(ROUTINE) && said.contains("nothing was done"), "{said}");
    let (code, ..) = stack.epro_status(&["dead-letters", "redrive", &number, "--yes"]).await.unwrap();
    assert_eq!(code, Some(2));
    let line = ["dead-letters", "redrive", "--yes", "--reason", "x"];
    let (code, _, error) = stack.epro_status(&line).await.unwrap();
    assert!(code == Some(1) && error.contains("--all"), "{error}");
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_is_redriven_as_it_came_and_counted_when_it_comes_back() {
    let stack = hurried().await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    hand.publish(&plain(ROUTINE, Uuid::now_v7(), SUBMISSION, b"no seal at all".to_vec())).await.unwrap();
    let first = dead(&link, 1).await.remove(0);
    assert!(first.wrapped);
    stack.epro(&redrive(&first.id.to_string())).await.unwrap();
    counts(&link, "SELECT count(*) FROM ops.dead_letter WHERE state = 'open' AND times = 2", 1).await;
    let second = dead(&link, 1).await.remove(0);
    assert_eq!((second.id, second.times), (first.id, 2), "its bytes are the same");
    let list = stack.epro(&["dead-letters", "list"]).await.unwrap();
    assert!(list.contains("failed again the same way"), "{list}");
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_patient_said_is_shown_for_a_reason_that_is_in_the_audit_trail() {
    let (stack, _worker, _hand, _, number) = refused().await;
    let link = link(&stack).await;
    let (code, ..) = stack.epro_status(&["dead-letters", "show", &number, "--reveal"]).await.unwrap();
    assert_eq!(code, Some(2), "without a reason");
    let reveal = ["dead-letters", "show", &number, "--reveal", "--reason", "asked by the site"];
    let shown = stack.epro(&reveal).await.unwrap();
    assert!(shown.contains("P-Quillon") && shown.contains("44250-9"), "{shown}");
    let audited = "SELECT count(*) FROM audit.event WHERE action = 'dead_letter.revealed'
                   AND details::text LIKE '%asked by the site%' AND submission_id IS NOT NULL";
    assert_eq!(link.count(audited).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gave_up_waiting_is_redriven_once_its_base_is_there() {
    let stack = with(json!({"time_scale": 0.01, "worker": {"wait_budget": "1s"}})).await;
    let (_worker, link) = (stack.worker().await.unwrap(), link(&stack).await);
    let hand = Hand::on(&stack).await.unwrap();
    let base = calm();
    hand.put(ROUTINE, "P-1", &amendment(&base, "too early")).await.unwrap();
    assert_eq!(dead(&link, 1).await[0].class, "base_absent");
    hand.put(ROUTINE, "P-1", &base).await.unwrap();
    counts(&link, STORED, 1).await;
    let line = ["dead-letters", "redrive", "--class", "base_absent", "--yes", "--reason", "its base came"];
    stack.epro(&line).await.unwrap();
    counts(&link, STORED, 2).await;
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (2, 0));
}
