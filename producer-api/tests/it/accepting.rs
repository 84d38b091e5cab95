//! 202, and what it stands for.

use std::time::Duration;

use anyhow::Result;
use epro_proving::{Stack, conservation};
use serde_json::json;

use crate::support::{ROUTINE, SITE, STUDY, URGENT, alerting, door, opened, phq9, place};

#[tokio::test]
async fn a_202_means_that_the_queue_has_the_bytes_as_they_were_sent() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let submission = phq9();
    let reply = client.submit("P-1", &submission).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert_eq!(reply.json()?, json!({"status": "received", "submission_id": submission["submission_id"]}));
    assert_eq!(reply.header("location"), Some(&*place(&submission["submission_id"])));
    assert_eq!(stack.vhost().ready(ROUTINE).await?, 1);
    let envelope = opened(&stack, ROUTINE).await?;
    assert_eq!(envelope.bytes, submission.to_string().into_bytes());
    assert_eq!((envelope.subject.as_str(), envelope.actor.as_str()), ("P-1", "P-1"));
    Ok(())
}

#[tokio::test]
async fn what_meets_an_alert_rule_goes_the_urgent_way() -> Result<()> {
    let (stack, _api, client) = door().await?;
    assert_eq!(client.submit("P-1", &alerting()).await?.status, 202);
    assert_eq!(stack.vhost().ready(URGENT).await?, 1);
    assert_eq!(stack.vhost().ready(ROUTINE).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_backend_names_the_patient_and_stays_the_actor() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().backend("app", &[STUDY], &[SITE])?;
    let mut submission = phq9();
    submission["subject_id"] = "P-7".into();
    let reply = client.submit_bytes(&token, submission.to_string().into_bytes()).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let envelope = opened(&stack, ROUTINE).await?;
    assert_eq!((envelope.subject.as_str(), envelope.actor.as_str()), ("P-7", "app"));
    Ok(())
}

#[tokio::test]
async fn a_patient_may_name_themselves() -> Result<()> {
    let (_stack, _api, client) = door().await?;
    let mut submission = phq9();
    submission["subject_id"] = "P-1".into();
    assert_eq!(client.submit("P-1", &submission).await?.status, 202);
    Ok(())
}

#[tokio::test]
async fn five_posts_of_the_same_id_at_once_are_five_202s_and_one_stored_submission() -> Result<()> {
    let stack = Stack::new().await?;
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker())?;
    let client = stack.client(&api)?;
    let submission = phq9();
    let mut copies = Vec::new();
    for second in 10..15 {
        let mut copy = submission.clone();
        copy["sent_at"] = format!("2026-11-23T20:04:{second}+08:00").into();
        copies.push(copy);
    }
    let [a, b, c, d, e] = &copies[..] else { unreachable!() };
    let post = |copy| client.submit("P-1", copy);
    let replies = tokio::try_join!(post(a), post(b), post(c), post(d), post(e))?;
    let statuses = [replies.0, replies.1, replies.2, replies.3, replies.4].map(|reply| reply.status);
    assert_eq!(statuses, [202; 5]);
    let account = conservation(&stack, &client.log()).await?;
    assert_eq!((account.accepted, account.stored, account.dead), (5, 1, 0));
    Ok(())
}

#[tokio::test]
async fn a_submission_sent_again_after_a_drain_and_a_restart_is_still_one() -> Result<()> {
    let stack = Stack::new().await?;
    let mut first = stack.api().await?;
    let client = stack.client(&first)?;
    let submission = phq9();
    assert_eq!(client.submit("P-1", &submission).await?.status, 202);
    assert_eq!(first.drain(Duration::from_secs(30)).await?, 0);
    let (second, _worker) = tokio::try_join!(stack.api(), stack.worker())?;
    assert_eq!(client.at(&second.url()).submit("P-1", &submission).await?.status, 202);
    let account = conservation(&stack, &client.log()).await?;
    assert_eq!((account.stored, account.dead), (1, 0));
    Ok(())
}
