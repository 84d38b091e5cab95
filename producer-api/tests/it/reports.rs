//! Asking for a report: who may, what goes to the queue, and what is said meanwhile.

use anyhow::{Context as _, Result};
use epro_proving::hand::Letter;
use epro_proving::sealed::Keys;
use epro_proving::stack::Plan;
use epro_proving::{Hand, Proxy, Stack, services};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{SITE, STUDY, door, pointers, problem};

const QUERY: &str = "epro.query.H001";

fn asked() -> Value {
    json!({"study_id": STUDY, "site_id": SITE, "subject_id": "P-Marta"})
}

async fn only_letter(stack: &Stack) -> Result<Letter> {
    Hand::on(stack).await?.take(QUERY).await?.pop().context("an empty queue")
}

#[tokio::test]
async fn a_request_is_a_sealed_job_in_the_hospitals_query_queue_with_its_deadline() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().reporter("nurse", &[STUDY], &[SITE])?;
    let mut body = asked();
    body["within_seconds"] = json!(7);
    let reply = client.report(&token, &body, None).await?;
    assert_eq!((reply.status, reply.json()?["status"].as_str()), (202, Some("underway")));
    assert_eq!(reply.header("preference-applied"), None);
    let letter = only_letter(&stack).await?;
    let id: Uuid = letter.id.as_deref().context("no id")?.parse()?;
    assert_eq!(reply.header("location"), Some(format!("/api/v1/reports/{id}").as_str()));
    assert_eq!(letter.kind.as_deref(), Some("epro.report.v1"));
    assert_eq!((&letter.headers["epro-site"], &letter.headers["epro-study"]), (&json!(SITE), &json!(STUDY)));
    let job: Value =
        serde_json::from_slice(&Keys::read(stack.folder())?.open("epro.report.v1", id, &letter.body)?)?;
    assert_eq!((&job["subject_id"], &job["site_id"]), (&json!("P-Marta"), &json!(SITE)));
    assert!(job["deadline"].is_string() && letter.headers["epro-deadline"].is_i64());
    let wire =
        format!("{}{:?}{:?}", letter.properties, letter.headers, String::from_utf8_lossy(&letter.body));
    assert!(!wire.contains("Marta"), "{wire}");
    Ok(())
}

#[tokio::test]
async fn while_its_job_is_queued_every_door_tells_who_asked_and_nobody_else() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().reporter("nurse", &[STUDY], &[SITE])?;
    let reply = client.report(&token, &asked(), None).await?;
    let place = reply.header("location").context("no location")?.to_owned();
    // With the rights that the door has in production, and no others.
    let login = stack.database().login("epro_intake").await?;
    let mut other = stack.spawn("epro-producer-api", &[("EPRO__POSTGRES__URL", login.url())])?;
    other.ready().await?;
    let others = stack.client(&other)?;
    for client in [&client, &others] {
        let reply = client.get(&place, &token).await?;
        assert_eq!(
            (reply.status, reply.json()?["status"].as_str()),
            (202, Some("underway")),
            "{}",
            reply.body
        );
        assert_eq!(reply.header("location"), Some(place.as_str()));
    }
    let colleague = stack.minter().reporter("other", &[STUDY], &[SITE])?;
    let made_up = format!("/api/v1/reports/{}", Uuid::now_v7());
    for (path, token) in [(&place, &colleague), (&made_up, &token)] {
        let reply = others.get(path, token).await?;
        assert_eq!((reply.status, problem(&reply)?.as_str()), (404, "report_unknown"));
    }
    Ok(())
}

#[tokio::test]
async fn only_staff_with_the_scope_ask_and_only_for_their_study_and_site() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let minter = stack.minter();
    for (token, status, kind) in [
        (minter.reader("nurse", &[STUDY], &[SITE])?, 403, "scope_missing"),
        (minter.patient("P-Marta", STUDY, SITE)?, 403, "scope_missing"),
        (minter.reporter("nurse", &[STUDY], &["H002"])?, 403, "site_forbidden"),
        (minter.reporter("nurse", &["PAIN-7"], &[SITE])?, 403, "study_forbidden"),
        (minter.forger().reporter("nurse", &[STUDY], &[SITE])?, 401, "token_signature"),
    ] {
        let reply = client.report(&token, &asked(), Some(5)).await?;
        assert_eq!((reply.status, problem(&reply)?.as_str()), (status, kind), "{}", reply.body);
    }
    assert_eq!(stack.vhost().ready(QUERY).await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_can_not_be_asked_is_told_by_place_and_rule() -> Result<()> {
    let stack = Stack::with(Plan {
        config: json!({"reports": {"deadline": "5s", "longest": "30s"}}),
        ..Plan::default()
    })
    .await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let token = stack.minter().reporter("nurse", &[STUDY, "GONE"], &[SITE, "H004"])?;
    for (change, pointer) in [
        (json!({"within_seconds": 31}), "/within_seconds"),
        (json!({"within_seconds": 0}), "/within_seconds"),
        (json!({"site_id": "H004"}), "/site_id"),
        (json!({"study_id": "GONE"}), "/study_id"),
        (json!({"subject_id": " P-1"}), "/subject_id"),
        (json!({"Marta": 1}), "/#1"),
    ] {
        let mut body = change;
        for (key, value) in asked().as_object().into_iter().flatten() {
            body.as_object_mut().context("an object")?.entry(key.clone()).or_insert(value.clone());
        }
        let reply = client.report(&token, &body, None).await?;
        assert_eq!((reply.status, pointers(&reply)?), (422, vec![pointer.to_owned()]), "{}", reply.body);
        assert!(!reply.body.contains("Marta"));
    }
    let reply = client.post("/api/v1/reports", &token, b"{".to_vec()).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (400, "not_json"));
    let reply = client.post("/api/v1/reports", &token, vec![b' '; 5000]).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (413, "too_large"));
    Ok(())
}

#[tokio::test]
async fn a_wait_that_was_in_vain_ends_with_202_and_says_that_it_was_granted() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().reporter("nurse", &[STUDY], &[SITE])?;
    let reply = client.report(&token, &asked(), Some(1)).await?;
    assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("wait=1")));
    assert!(reply.header("location").is_some());
    Ok(())
}

#[tokio::test]
async fn with_postgresql_away_a_job_is_taken_and_a_report_can_not_be_read() -> Result<()> {
    let proxy = Proxy::to(&services::host_port(&services::Services::from_env()?.database)?).await?;
    let stack = Stack::with(Plan { postgres: Some(proxy.address()), ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let token = stack.minter().reporter("nurse", &[STUDY], &[SITE])?;
    proxy.cut();
    let reply = client.report(&token, &asked(), Some(1)).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let reply = client.get(reply.header("location").context("no location")?, &token).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (503, "unavailable"));
    assert!(reply.header("retry-after").is_some());
    Ok(())
}
