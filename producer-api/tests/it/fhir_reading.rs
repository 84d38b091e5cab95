//! What of a stored response is read back, by whom and in which form.

use std::time::Duration;

use anyhow::Result;
use epro_proving::{Client, Stack, until};
use serde_json::{Value, json};

use crate::fhir::{CREATE, codes, response, route};
use crate::support::{SITE, STUDY, phq9};

const BOUND: Duration = Duration::from_secs(60);

/// A token of staff with these scopes.
fn staff(stack: &Stack, scope: &str, study: &str, site: &str) -> Result<String> {
    stack.minter().token(&json!({"sub": "monitor", "scope": scope, "study": study, "site": site}))
}

/// Sends a resource for a patient; the place where it is read back.
async fn sent(stack: &Stack, client: &Client, study: &str, resource: &Value) -> Result<String> {
    let token = stack.minter().patient("P-1", study, SITE)?;
    let reply = client.post_fhir(CREATE, &token, &[], resource).await?;
    assert_eq!(reply.status, 201, "{}", reply.body);
    Ok(reply.header("location").unwrap_or_default().to_owned())
}

#[tokio::test]
async fn whoever_may_gets_what_was_sent_with_its_patient_and_that_is_audited() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let resource = response();
    let place = sent(&stack, &client, STUDY, &resource).await?;

    let read = client.get(&place, &staff(&stack, "read:identified", STUDY, SITE)?).await?;

    assert_eq!(read.status, 200, "{}", read.body);
    let (mut read, mut wanted) = (read.json()?, resource);
    assert_eq!(read["id"], json!(place.rsplit('/').next()));
    assert_eq!(read["meta"]["security"], Value::Null);
    for side in [&mut read, &mut wanted] {
        let object = side.as_object_mut().unwrap();
        object.remove("id");
        object.remove("meta");
    }
    assert_eq!(read, wanted);
    let link = stack.database().connect().await?;
    let audited = format!(
        "SELECT count(*) FROM audit.event WHERE action = 'submission.read_identified' AND outcome = 'ok' \
         AND actor LIKE 'delegate:%' AND submission_id = '{}'",
        place.rsplit('/').next().unwrap_or_default()
    );
    until("the reading in the audit trail", BOUND, || async {
        Ok((link.count(&audited).await? == 1).then_some(()))
    })
    .await
}

#[tokio::test]
async fn what_came_in_our_own_form_is_read_with_its_patient_as_well() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let submission = phq9();
    assert_eq!(client.submit("P-1", &submission).await?.status, 202);
    let place = format!("{CREATE}/{}", submission["submission_id"].as_str().unwrap_or_default());
    let token = staff(&stack, "read:identified", STUDY, SITE)?;
    let read = until("the submission to be stored", BOUND, || async {
        let reply = client.get(&place, &token).await?;
        Ok((reply.status == 200).then_some(reply))
    })
    .await?;
    let read = read.json()?;
    assert_eq!(read["subject"]["identifier"]["value"], "P-1");
    assert_eq!(read["authored"], submission["answered_at"]);
    let answers = submission["answers"].as_object().map(serde_json::Map::len);
    assert_eq!(read["item"].as_array().map(Vec::len), answers);
    Ok(())
}

#[tokio::test]
async fn without_that_scope_or_elsewhere_nobody_gets_the_patient() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let place = sent(&stack, &client, STUDY, &response()).await?;
    for token in [staff(&stack, "read:site", STUDY, SITE)?, stack.minter().patient("P-1", STUDY, SITE)?] {
        let read = client.get(&place, &token).await?;
        assert_eq!(read.status, 200);
        assert!(!read.body.contains("P-1") && !read.body.contains("narrative"), "{}", read.body);
    }
    for (study, site) in [(STUDY, "H002"), ("PAIN-7", SITE)] {
        let read = client.get(&place, &staff(&stack, "read:identified", study, site)?).await?;
        assert_eq!((read.status, codes(&read.json()?)), (404, vec!["not-found".to_owned()]));
    }
    Ok(())
}

#[tokio::test]
async fn a_safe_harbor_study_is_read_with_years_only() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let resource = response();
    let place = sent(&stack, &client, "PSY-12", &resource).await?;
    let token = staff(&stack, "read:site", "PSY-12", SITE)?;
    let reply = client.get(&place, &token).await?;
    let read = reply.json()?;
    assert_eq!(read["authored"], resource["authored"].as_str().unwrap_or_default()[..4]);
    assert_eq!((&read["meta"]["lastUpdated"], reply.header("last-modified")), (&Value::Null, None));
    Ok(())
}

#[tokio::test]
async fn a_client_that_has_it_gets_304_and_no_body() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let place = sent(&stack, &client, STUDY, &response()).await?;
    let token = staff(&stack, "read:site", STUDY, SITE)?;
    let etag = client.get(&place, &token).await?.header("etag").unwrap_or_default().to_owned();
    for known in [etag.as_str(), "*", "\"0\", \"1\""] {
        let reply = client.get_with(&place, &token, &[("if-none-match", known)]).await?;
        assert_eq!((reply.status, reply.body.as_str(), reply.header("etag")), (304, "", Some(etag.as_str())));
    }
    let reply = client.get_with(&place, &token, &[("if-none-match", "W/\"2\"")]).await?;
    assert_eq!(reply.status, 200);
    let more = staff(&stack, "read:identified", STUDY, SITE)?;
    let reply = client.get_with(&place, &more, &[("if-none-match", &etag)]).await?;
    assert!(reply.status == 200 && reply.body.contains("P-1"), "who has the other form hasn't got this one");
    Ok(())
}

#[tokio::test]
async fn a_client_that_takes_no_json_is_told_so_and_nothing_is_accepted() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let patient = stack.minter().patient("P-1", STUDY, SITE)?;
    let refused =
        client.post_fhir(CREATE, &patient, &[("accept", "application/fhir+xml")], &response()).await?;
    assert_eq!((refused.status, codes(&refused.json()?)), (406, vec!["not-supported".to_owned()]));
    let forced = format!("{CREATE}?_format=json");
    let taken =
        client.post_fhir(&forced, &patient, &[("accept", "application/fhir+xml")], &response()).await?;
    assert_eq!(taken.status, 201, "{}", taken.body);
    let place = taken.header("location").unwrap_or_default();
    let read = client.get(&format!("{place}?_format=xml"), &patient).await?;
    assert_eq!((read.status, read.header("content-type")), (406, Some("application/fhir+json")));
    let link = stack.database().connect().await?;
    assert_eq!(link.count("SELECT count(*) FROM identified.submission").await?, 1);
    Ok(())
}
