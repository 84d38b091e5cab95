//! The same intake in the words of FHIR, with a worker behind it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use epro_proving::client::Reply;
use epro_proving::{Client, Stack};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ROUTINE, SITE, STUDY, door, opened, phq9, place};

pub(crate) const CREATE: &str = "/fhir/R4/QuestionnaireResponse";
pub(crate) const BUNDLE: &str = "/fhir/R4";

/// A response in the shape of US Core's example; its items sum to 12.
pub(crate) fn response() -> Value {
    let text = include_str!("../../../schemas/tests/fhir/phq-9-flat.json");
    let mut resource: Value = serde_json::from_str(text).unwrap_or_default();
    resource["identifier"]["value"] = format!("urn:uuid:{}", Uuid::now_v7()).into();
    resource
}

fn id(resource: &Value) -> String {
    let value = resource["identifier"]["value"].as_str().unwrap_or_default();
    value.trim_start_matches("urn:uuid:").to_owned()
}

/// The codes of an OperationOutcome's issues.
pub(crate) fn codes(outcome: &Value) -> Vec<String> {
    let issues = outcome["issue"].as_array().cloned().unwrap_or_default();
    issues.iter().map(|issue| issue["code"].as_str().unwrap_or("?").to_owned()).collect()
}

/// With a worker, so that something is stored.
pub(crate) async fn route() -> Result<(Stack, impl Sized, Client)> {
    let stack = Stack::new().await?;
    // With the rights that the door has in production, and no others.
    let login = stack.database().login("epro_intake").await?;
    let mut api = stack.spawn("epro-producer-api", &[("EPRO__POSTGRES__URL", login.url())])?;
    let ((), worker) = tokio::try_join!(api.ready(), stack.worker())?;
    let client = stack.client(&api)?;
    Ok((stack, (api, worker, login), client))
}

async fn create(stack: &Stack, client: &Client, resource: &Value) -> Result<Reply> {
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    client.post_fhir(CREATE, &token, &[], resource).await
}

async fn stored(stack: &Stack) -> Result<i64> {
    stack.database().connect().await?.count("SELECT count(*) FROM identified.submission").await
}

#[tokio::test]
async fn a_response_is_stored_with_its_known_score_and_read_back_without_its_patient() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let resource = response();
    let reply = create(&stack, &client, &resource).await?;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let place = format!("{CREATE}/{}", id(&resource));
    assert_eq!(reply.header("location"), Some(place.as_str()));
    assert_eq!(reply.header("etag"), Some("W/\"1\""));
    assert!(reply.header("last-modified").is_some_and(|at| at.ends_with(" GMT")));
    assert_eq!(reply.header("content-type"), Some("application/fhir+json"));
    let link = stack.database().connect().await?;
    let score = "SELECT count(*) FROM research.score WHERE score_id = 'total' AND value = 12";
    assert_eq!(link.count(score).await?, 1);

    let reader = stack.minter().reader("nurse", &[STUDY], &[SITE])?;
    let read = client.get(&place, &reader).await?;
    assert_eq!((read.status, read.json()?), (200, reply.json()?));
    let body = read.json()?;
    assert_eq!((&body["status"], &body["id"]), (&json!("completed"), &json!(id(&resource))));
    assert_eq!(body["item"].as_array().map(Vec::len), Some(9));
    assert_eq!(body["item"][0]["answer"][0]["valueCoding"]["code"], "LA6570-1");
    for word in ["P-1", "subject", "A name", "narrative"] {
        assert!(!read.body.contains(word), "{word}: {}", read.body);
    }
    let elsewhere = stack.minter().reader("nurse", &[STUDY], &["H002"])?;
    let reply = client.get(&place, &elsewhere).await?;
    assert_eq!((reply.status, codes(&reply.json()?)), (404, vec!["not-found".to_owned()]));
    Ok(())
}

#[tokio::test]
async fn the_same_response_again_is_200_and_stored_once_whichever_door_it_came_through() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let resource = response();
    assert_eq!(create(&stack, &client, &resource).await?.status, 201);
    assert_eq!(create(&stack, &client, &resource).await?.status, 200);
    let mut native = phq9();
    native["submission_id"] = id(&resource).into();
    native["answered_at"] = resource["authored"].clone();
    assert_eq!(client.submit("P-1", &native).await?.status, 202);
    let other = phq9();
    assert_eq!(client.submit("P-1", &other).await?.status, 202);
    let mut again = resource.clone();
    again["identifier"]["value"] = other["submission_id"].clone();
    again["authored"] = other["answered_at"].clone();
    assert_eq!(create(&stack, &client, &again).await?.status, 200);
    assert_eq!(stored(&stack).await?, 2);
    let link = stack.database().connect().await?;
    assert_eq!(link.count("SELECT count(*) FROM ops.dead_letter").await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_identifier_that_is_no_uuid_names_the_same_submission_each_time() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let text = include_str!("../../../schemas/tests/fhir/phq-9-nested.json");
    let resource: Value = serde_json::from_str(text)?;
    let first = create(&stack, &client, &resource).await?;
    let second = create(&stack, &client, &resource).await?;
    assert_eq!((first.status, second.status), (201, 200), "{}{}", first.body, second.body);
    assert_eq!(first.header("location"), second.header("location"));
    let link = stack.database().connect().await?;
    // What it states as its total is wrong: ours counts, and a dangerous answer alerts as through any door.
    let score = "SELECT count(*) FROM research.score WHERE score_id = 'total' AND value = 10";
    assert_eq!(link.count(score).await?, 1);
    assert_eq!(link.count("SELECT count(*) FROM ops.alert WHERE rule = 'self-harm'").await?, 1);
    let mismatch = "SELECT count(*) FROM research.response WHERE checks::text LIKE '%stated-total%'";
    assert_eq!(link.count(mismatch).await?, 1);
    Ok(())
}

#[tokio::test]
async fn other_content_under_the_same_identifier_is_409_and_set_aside() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let mut resource = response();
    assert_eq!(create(&stack, &client, &resource).await?.status, 201);
    resource["item"][0]["answer"][0]["valueCoding"]["code"] = "LA6568-5".into();
    let reply = create(&stack, &client, &resource).await?;
    assert_eq!((reply.status, codes(&reply.json()?)), (409, vec!["conflict".to_owned()]));
    assert_eq!(stored(&stack).await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_amended_response_replaces_its_base_once() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let base = response();
    assert_eq!(create(&stack, &client, &base).await?.status, 201);
    let amend = || {
        let mut resource = response();
        resource["status"] = "amended".into();
        resource["extension"] = json!([
            {"url": "urn:epro-relay:amends", "valueIdentifier": base["identifier"]},
            {"url": "urn:epro-relay:reason", "valueString": "wrong button"},
        ]);
        resource
    };
    let reply = create(&stack, &client, &amend()).await?;
    assert_eq!((reply.status, &reply.json()?["status"]), (201, &json!("amended")), "{}", reply.body);
    assert_eq!(create(&stack, &client, &amend()).await?.status, 409);
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let status = client.get(&place(&id(&base).into()), &token).await?.json()?;
    assert!(status["amended_by"].is_string(), "{status}");
    Ok(())
}

#[tokio::test]
async fn without_a_worker_a_response_is_202_and_its_bytes_are_in_the_queue_as_they_came() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let resource = response();
    let asked = Instant::now();
    let reply = create(&stack, &client, &resource).await?;
    assert_eq!((reply.status, codes(&reply.json()?)), (202, vec!["informational".to_owned()]));
    // Two seconds are for the store.
    assert!(asked.elapsed() >= Duration::from_millis(1900), "{:?}", asked.elapsed());
    assert_eq!(reply.header("location"), Some(&*place(&id(&resource).into())));
    let envelope = opened(&stack, ROUTINE).await?;
    assert_eq!(envelope.bytes, resource.to_string().into_bytes());
    assert_eq!(envelope.subject, "P-1");
    Ok(())
}

#[tokio::test]
async fn the_client_chooses_what_the_answer_holds_and_may_say_if_none_exist() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let post = async |headers: &[(&str, &str)], resource: &Value| {
        client.post_fhir(CREATE, &token, headers, resource).await
    };
    let resource = response();
    let reply = post(&[("prefer", "return=minimal")], &resource).await?;
    assert_eq!((reply.status, reply.body.as_str()), (201, ""));
    let reply = post(&[("prefer", "return=OperationOutcome")], &resource).await?;
    assert_eq!((reply.status, &reply.json()?["resourceType"]), (200, &json!("OperationOutcome")));
    let condition = format!("identifier=urn:ietf:rfc:3986|urn:uuid:{}", id(&resource));
    let reply =
        post(&[("if-none-exist", &condition), ("prefer", "return=representation")], &resource).await?;
    assert_eq!((reply.status, &reply.json()?["resourceType"]), (200, &json!("QuestionnaireResponse")));
    let reply = post(&[("if-none-exist", "subject=Patient/P-1")], &response()).await?;
    assert_eq!((reply.status, codes(&reply.json()?)), (412, vec!["not-supported".to_owned()]));
    assert_eq!(stored(&stack).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_batch_has_an_answer_for_each_entry_in_its_order() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let request = json!({"method": "POST", "url": "QuestionnaireResponse"});
    let entry = |resource: &Value| json!({"fullUrl": "urn:uuid:x", "resource": resource, "request": request});
    let (first, last) = (response(), response());
    let mut broken = response();
    broken["item"][3]["linkId"] = "nothing".into();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        entry(&first), entry(&broken), entry(&json!({"resourceType": "Patient"})),
        {"request": {"method": "GET", "url": "Patient/1"}}, entry(&first), entry(&last),
    ]});
    let reply = client.post_fhir(BUNDLE, &token, &[], &bundle).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = reply.json()?;
    assert_eq!(body["type"], "batch-response");
    let entries = body["entry"].as_array().context("no entries")?;
    let status = |n: usize| entries[n]["response"]["status"].as_str().unwrap_or_default().to_owned();
    // The first comes twice: one of the two created it.
    let mut twins = [status(0), status(4)];
    twins.sort();
    assert_eq!(twins, ["200 OK", "201 Created"]);
    assert_eq!(status(5), "201 Created");
    for n in [1, 2, 3] {
        assert_eq!(status(n), "422 Unprocessable Entity");
        assert_eq!(entries[n]["response"]["outcome"]["resourceType"], "OperationOutcome");
    }
    let places = &entries[1]["response"]["outcome"]["issue"][0]["expression"];
    assert_eq!(places, &json!(["QuestionnaireResponse.item[3]"]));
    assert_eq!(entries[5]["response"]["location"], format!("{CREATE}/{}", id(&last)));
    assert_eq!(stored(&stack).await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_thousand_entries_of_a_batch_are_all_taken_and_one_more_is_413() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let client = client.giving_up_after(Duration::from_secs(30))?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let request = json!({"method": "POST", "url": "QuestionnaireResponse"});
    let bundle = |n: usize| {
        let entries: Vec<Value> =
            (0..n).map(|_| json!({"resource": response(), "request": request})).collect();
        json!({"resourceType": "Bundle", "type": "batch", "entry": entries})
    };
    let reply = client.post_fhir(BUNDLE, &token, &[], &bundle(1000)).await?;
    ensure!(reply.status == 200, "{}", reply.body);
    assert_eq!(reply.body.matches("202 Accepted").count(), 1000);
    assert_eq!(stack.vhost().ready(ROUTINE).await?, 1000);
    let reply = client.post_fhir(BUNDLE, &token, &[], &bundle(1001)).await?;
    assert_eq!((reply.status, codes(&reply.json()?)), (413, vec!["too-costly".to_owned()]));
    Ok(())
}

#[tokio::test]
async fn a_transaction_of_one_is_answered_and_one_of_several_is_not_supported() -> Result<()> {
    let (stack, _services, client) = route().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let entry =
        || json!({"resource": response(), "request": {"method": "POST", "url": "QuestionnaireResponse"}});
    let bundle =
        |entries: Vec<Value>| json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let reply = client.post_fhir("/fhir/R4/", &token, &[], &bundle(vec![entry()])).await?;
    assert_eq!(
        (reply.status, &reply.json()?["type"]),
        (200, &json!("transaction-response")),
        "{}",
        reply.body
    );
    let reply = client.post_fhir(BUNDLE, &token, &[], &bundle(vec![entry(), entry()])).await?;
    assert_eq!((reply.status, codes(&reply.json()?)), (422, vec!["not-supported".to_owned()]));
    assert_eq!(stored(&stack).await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_capability_statement_is_open_and_says_what_there_is() -> Result<()> {
    let (_stack, _api, client) = door().await?;
    let reply = client.get_open("/fhir/R4/metadata").await?;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/fhir+json")));
    let body = reply.json()?;
    assert_eq!(
        (&body["resourceType"], &body["fhirVersion"]),
        (&json!("CapabilityStatement"), &json!("4.0.1"))
    );
    assert_eq!(body["rest"][0]["resource"][0]["type"], "QuestionnaireResponse");
    Ok(())
}
