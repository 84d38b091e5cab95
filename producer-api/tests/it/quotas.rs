//! Whoever asks too often is told so, and takes nothing from anybody else.

use anyhow::Result;
use epro_proving::Stack;
use epro_proving::stack::Plan;
use serde_json::{Value, json};

use crate::fhir::{BUNDLE, codes};
use crate::support::{BATCH, SITE, STUDY, SUBMIT, phq9, pointers, problem};

#[tokio::test]
async fn a_patient_above_the_quota_gets_429_and_a_time_and_the_next_patient_gets_202() -> Result<()> {
    let config = json!({"intake": {"limits": {"patient": 5, "client": 8}}, "auth": {"clients": ["diary"]}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let token = |sub: &str, scope: &str| {
        let claims = json!({"sub": sub, "scope": scope, "study": STUDY, "site": SITE, "client": "diary"});
        stack.minter().token(&claims)
    };
    let one = || phq9().to_string().into_bytes();
    let many =
        |count: usize| Value::from((0..count).map(|_| phq9()).collect::<Vec<_>>()).to_string().into_bytes();
    let first = token("P-1", "submit")?;
    let reply = client.post(SUBMIT, &first, one()).await?;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.header("ratelimit-policy"), Some("\"patient\";q=5;w=60"));
    assert_eq!(reply.header("ratelimit"), Some("\"patient\";r=4;t=0"));
    // Three of a batch are three; with the two that follow there are six.
    assert_eq!(client.post(BATCH, &first, many(3)).await?.status, 200);
    assert_eq!(client.post(SUBMIT, &first, one()).await?.status, 202);
    let reply = client.post(SUBMIT, &first, one()).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (429, "quota_used"));
    let wait: u64 = reply.header("retry-after").unwrap_or_default().parse()?;
    assert!((1..=13).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit"), Some(format!("\"patient\";r=0;t={wait}").as_str()));
    // Others have a quota of their own, until their client's is used up: by the five that were taken and their three,
    // and by nothing of what was refused.
    for (sub, status) in [("P-2", 202), ("P-3", 202), ("P-4", 202), ("P-5", 429)] {
        assert_eq!(client.post(SUBMIT, &token(sub, "submit")?, one()).await?.status, status, "{sub}");
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_that_no_quota_ever_holds_is_told_so_and_not_to_come_again() -> Result<()> {
    let config = json!({"intake": {"limits": {"patient": 5}}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let items = |count: usize| Value::from(vec![json!({}); count]);
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let reply = client.post(BATCH, &token, items(6).to_string().into_bytes()).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (413, "too_many"));
    assert_eq!((pointers(&reply)?, reply.header("retry-after")), (vec![String::new()], None));
    assert!(reply.body.contains("must hold at most 5 items"), "{}", reply.body);
    // Of the batch that was refused only the request itself counts.
    assert_eq!(reply.header("ratelimit"), Some("\"patient\";r=4;t=0"));
    // One that fits when nothing else was asked for is worth coming again with.
    let token = stack.minter().patient("P-2", STUDY, SITE)?;
    let five = items(5).to_string().into_bytes();
    assert_eq!(client.post(BATCH, &token, five.clone()).await?.status, 200);
    let reply = client.post(BATCH, &token, five).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (429, "quota_used"));
    assert!(reply.header("retry-after").is_some());

    let token = stack.minter().patient("P-3", STUDY, SITE)?;
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": items(6)});
    let reply = client.post_fhir(BUNDLE, &token, &[], &bundle).await?;
    let outcome = reply.json()?;
    assert_eq!((reply.status, codes(&outcome)), (413, vec!["too-costly".to_owned()]));
    assert_eq!(outcome["issue"][0]["expression"], json!(["Bundle.entry"]));
    Ok(())
}
