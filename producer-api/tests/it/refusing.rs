//! 4xx: what is wrong is said by place and rule, never by value.

use anyhow::Result;
use epro_proving::{Stack, until};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{BATCH, ROUTINE, SITE, STUDY, SUBMIT, URGENT, door, phq9, pointers, problem};

/// A value that must not be seen again.
const PLANTED: &str = "Marta-Planted";

fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut submission = phq9();
    change(&mut submission);
    submission.to_string()
}

/// Body, status, problem, pointers.
type Case = (String, u16, &'static str, &'static [&'static str]);

fn cases() -> Vec<Case> {
    let valid = phq9().to_string();
    vec![
        (String::new(), 400, "not_json", &[""]),
        (format!("{PLANTED} {valid}"), 400, "not_json", &[""]),
        (valid[..valid.len() - 1].to_owned(), 400, "not_json", &[""]),
        ("[]".to_owned(), 422, "invalid", &[""]),
        (with(|it| it[PLANTED] = 1.into()), 422, "invalid", &["/#1"]),
        (with(|it| it["submission_id"] = PLANTED.into()), 422, "invalid", &["/submission_id"]),
        (with(|it| it["answered_at"] = PLANTED.into()), 422, "invalid", &["/answered_at"]),
        (
            with(|it| it["amends"] = "0198f2a4-5b7e-7c31-9d42-6f0a1b2c3d4e".into()),
            422,
            "invalid",
            &["/reason"],
        ),
        (with(|it| it["instrument"] = "marta-planted|1.0".into()), 422, "invalid", &["/instrument"]),
        (with(|it| it["answers"]["44250-9"] = PLANTED.into()), 422, "invalid", &["/answers/44250-9"]),
        (with(|it| it["answers"]["44250-9"] = 4.into()), 422, "invalid", &["/answers/44250-9"]),
        (with(|it| it["answers"][PLANTED] = 1.into()), 422, "invalid", &["/answers/#10"]),
        (with(|it| it["study_id"] = "PAIN-7".into()), 403, "study_forbidden", &["/study_id"]),
        (with(|it| it["site_id"] = "H002".into()), 403, "site_forbidden", &["/site_id"]),
        (with(|it| it["subject_id"] = PLANTED.into()), 403, "subject_forbidden", &["/subject_id"]),
    ]
}

#[tokio::test]
async fn every_refusal_names_place_and_rule_and_no_value_leaves_in_answers_or_logs() -> Result<()> {
    let stack = Stack::new().await?;
    let mut api = stack.spawn("epro-producer-api", &[("RUST_LOG", "trace")])?;
    api.ready().await?;
    let client = stack.client(&api)?;
    let token = stack.minter().patient(PLANTED, STUDY, SITE)?;
    // The patient's own name would be right: this one is somebody else's.
    let other = stack.minter().patient("P-1", STUDY, SITE)?;
    for (body, status, name, places) in cases() {
        let token = if name == "subject_forbidden" { &other } else { &token };
        let reply = client.post(SUBMIT, token, body.clone().into_bytes()).await?;
        assert_eq!((reply.status, problem(&reply)?.as_str()), (status, name), "{body}: {}", reply.body);
        assert_eq!(pointers(&reply)?, places, "{body}: {}", reply.body);
        assert!(!reply.body.to_ascii_lowercase().contains("planted"), "{}", reply.body);
    }
    let log = api.output();
    assert!(!log.to_ascii_lowercase().contains("planted"), "{log}");
    assert_eq!(stack.vhost().ready(ROUTINE).await? + stack.vhost().ready(URGENT).await?, 0);
    Ok(())
}

#[tokio::test]
async fn every_problem_of_a_submission_is_told_at_once() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let body = with(|it| {
        it["submission_id"] = 7.into();
        it["sent_at"] = "yesterday".into();
        it["colour"] = "red".into();
    });
    let reply = client.post(SUBMIT, &token, body.into_bytes()).await?;
    assert_eq!(reply.status, 422);
    assert_eq!(pointers(&reply)?.len(), 3, "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn a_study_or_site_that_is_not_configured_is_refused_even_with_a_token_for_it() -> Result<()> {
    let (stack, _api, client) = door().await?;
    for (study, site, place) in [("ONC-999", SITE, "/study_id"), (STUDY, "H999", "/site_id")] {
        let token = stack.minter().patient("P-1", study, site)?;
        let body = with(|it| {
            it["study_id"] = study.into();
            it["site_id"] = site.into();
        });
        let reply = client.post(SUBMIT, &token, body.into_bytes()).await?;
        assert_eq!((reply.status, pointers(&reply)?), (422, vec![place.to_owned()]));
    }
    Ok(())
}

#[tokio::test]
async fn a_backend_that_names_nobody_is_told_so() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().backend("app", &[STUDY], &[SITE])?;
    let reply = client.post(SUBMIT, &token, phq9().to_string().into_bytes()).await?;
    assert_eq!((reply.status, pointers(&reply)?), (422, vec!["/subject_id".to_owned()]));
    Ok(())
}

#[tokio::test]
async fn another_content_type_is_415() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let body = phq9().to_string().into_bytes();
    for (path, kind) in [(SUBMIT, "text/plain"), (SUBMIT, "application/x-ndjson"), (BATCH, "text/csv")] {
        let reply = client.post_as(path, Some(&token), kind, body.clone()).await?;
        assert_eq!((reply.status, problem(&reply)?.as_str()), (415, "media_type"), "{path} {kind}");
    }
    let charset = "application/json; charset=utf-8";
    assert_eq!(client.post_as(SUBMIT, Some(&token), charset, body).await?.status, 202);
    Ok(())
}

#[tokio::test]
async fn a_body_above_256_kib_is_413_and_the_next_request_is_served() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    for size in [256 * 1024 + 1, 1024 * 1024] {
        let reply = client.post(SUBMIT, &token, vec![b' '; size]).await?;
        assert_eq!((reply.status, problem(&reply)?.as_str()), (413, "too_large"), "{size}");
    }
    // White space up to the bound is a submission all the same.
    let mut body = phq9().to_string().into_bytes();
    body.resize(256 * 1024, b' ');
    assert_eq!(client.post(SUBMIT, &token, body).await?.status, 202);
    Ok(())
}

#[tokio::test]
async fn what_is_not_a_route_is_404_and_another_method_405() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let reply = client.get("/api/v1/epro/nothing", &token).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (404, "route_unknown"));
    let reply = client.get(SUBMIT, &token).await?;
    assert_eq!((reply.status, problem(&reply)?.as_str()), (405, "method_unknown"));
    assert_eq!(reply.header("allow"), Some("POST"));
    Ok(())
}

#[tokio::test]
async fn refusals_are_counted_without_a_name() -> Result<()> {
    let (stack, api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    assert_eq!(client.post(SUBMIT, &token, b"{".to_vec()).await?.status, 400);
    let line = r#"epro_http_requests_total{route="/api/v1/epro/submit",status="400",class="not_json"} 1"#;
    let admin = client.at(&api.admin());
    until("the metric", Duration::from_secs(5), || async {
        Ok(admin.get_open("/metrics").await?.body.contains(line).then_some(()))
    })
    .await?;
    assert_eq!(json!(admin.get_open("/livez").await?.status), 200);
    Ok(())
}
