//! Where a submission stands, and who may know.

use std::time::Duration;

use anyhow::Result;
use epro_proving::{Stack, until};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{SITE, STUDY, alerting, door, place, problem};

#[tokio::test]
async fn a_stored_submission_is_told_to_its_patient_and_its_site_and_to_nobody_else() -> Result<()> {
    let stack = Stack::new().await?;
    // With the rights that the door has in production, and no others.
    let login = stack.database().login("epro_intake").await?;
    let mut api = stack.spawn("epro-producer-api", &[("EPRO__POSTGRES__URL", login.url())])?;
    let ((), _worker) = tokio::try_join!(api.ready(), stack.worker())?;
    let client = stack.client(&api)?;
    let submission = alerting();
    assert_eq!(client.submit("P-1", &submission).await?.status, 202);
    let place = place(&submission["submission_id"]);
    let minter = stack.minter();
    let own = minter.patient("P-1", STUDY, SITE)?;
    let body = until("the submission to be stored", Duration::from_secs(20), || async {
        let reply = client.get(&place, &own).await?;
        if reply.status == 200 { Ok(Some(reply.json()?)) } else { Ok(None) }
    })
    .await?;
    assert_eq!(body["status"], "stored");
    assert_eq!(body["submission_id"], submission["submission_id"]);
    assert_eq!(body["instrument"], "phq-9|1.0");
    assert_eq!(body["alerts"].as_array().map(Vec::len), Some(1), "{body}");
    assert_eq!(body["hospital"]["site_id"], SITE);
    for time in ["received_at", "stored_at"] {
        assert!(body[time].is_string(), "{body}");
    }
    let seen = |status| (status, if status == 200 { body["status"].clone() } else { Value::Null });
    for (token, status) in [
        (minter.reader("nurse", &[STUDY], &[SITE])?, 200),
        (minter.reader("nurse", &[STUDY], &["H002"])?, 404),
        (minter.reader("nurse", &["PAIN-7"], &[SITE])?, 404),
        (minter.reader("nurse", &[], &[])?, 404),
        (minter.patient("P-2", STUDY, SITE)?, 404),
        (minter.patient("P-1", "PAIN-7", SITE)?, 404),
        (minter.backend("P-1", &[STUDY], &[SITE])?, 403),
    ] {
        let reply = client.get(&place, &token).await?;
        assert_eq!((reply.status, reply.json()?["status"].clone()).0, seen(status).0, "{}", reply.body);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    Ok(())
}

#[tokio::test]
async fn what_nobody_sent_is_404_and_what_is_no_id_400() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let unknown = format!("/api/v1/epro/submissions/{}", Uuid::now_v7());
    let reply = client.get(&unknown, &token).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (404, "submission_unknown"));
    assert!(reply.body.contains("may still be queued"));
    for id in ["marta", "%FF", "0198f2a4"] {
        let reply = client.get(&format!("/api/v1/epro/submissions/{id}"), &token).await?;
        assert_eq!((reply.status, problem(&reply)?.as_str()), (400, "id_malformed"), "{id}");
    }
    assert_eq!(client.get_open(&unknown).await?.status, 401);
    Ok(())
}
