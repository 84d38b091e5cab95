//! Every refusal of the FHIR routes is an OperationOutcome, by place and rule, never by value.

use std::time::Duration;

use anyhow::{Context as _, Result};
use epro_proving::client::Reply;
use epro_proving::proxy::{Side, Then, Trigger};
use epro_proving::{Proxy, Stack, services, stack::Plan};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fhir::{BUNDLE, CREATE, codes, response};
use crate::support::{ROUTINE, SITE, STUDY, URGENT, door};

/// A value that must not be seen again.
const PLANTED: &str = "Marta-Planted";

/// Status, codes and expressions of an OperationOutcome.
fn told(reply: &Reply) -> Result<(u16, Vec<String>, Vec<String>)> {
    let body = reply.json().with_context(|| format!("{reply:?}"))?;
    assert_eq!(body["resourceType"], "OperationOutcome", "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/fhir+json"));
    let issues = body["issue"].as_array().cloned().unwrap_or_default();
    assert!(issues.iter().all(|issue| issue["severity"].is_string()), "{body}");
    let place = |issue: &Value| issue["expression"][0].as_str().map(str::to_owned);
    Ok((reply.status, codes(&body), issues.iter().filter_map(place).collect()))
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut resource = response();
    change(&mut resource);
    resource
}

#[tokio::test]
async fn every_refusal_names_place_and_rule_and_no_value_leaves_in_answers_or_logs() -> Result<()> {
    let stack = Stack::new().await?;
    let mut api = stack.spawn("epro-producer-api", &[("RUST_LOG", "trace")])?;
    api.ready().await?;
    let client = stack.client(&api)?;
    let own = stack.minter().patient("P-1", STUDY, SITE)?;
    let backend = stack.minter().backend("app", &[STUDY, "PAIN-7"], &[SITE])?;
    let coding = |code: &str| json!({"valueCoding": {"system": "http://loinc.org", "code": code}});
    let cases = [
        (&own, with(|it| it["resourceType"] = PLANTED.into()), 422, "value", ""),
        (&own, with(|it| it["status"] = PLANTED.into()), 422, "value", "QuestionnaireResponse.status"),
        (&own, with(|it| it[PLANTED] = 1.into()), 422, "value", "QuestionnaireResponse"),
        (
            &own,
            with(|it| it["item"][2]["linkId"] = PLANTED.into()),
            422,
            "value",
            "QuestionnaireResponse.item[2]",
        ),
        (
            &own,
            with(|it| it["item"][2]["answer"][0] = coding(PLANTED)),
            422,
            "code-invalid",
            "QuestionnaireResponse.item[2]",
        ),
        (
            &own,
            with(|it| it["item"][2]["answer"][0] = json!({})),
            422,
            "value",
            "QuestionnaireResponse.item[2].answer[0]",
        ),
        (
            &own,
            with(|it| it["questionnaire"] = "http://x.example/marta-planted|1".into()),
            422,
            "value",
            "QuestionnaireResponse.questionnaire",
        ),
        (
            &own,
            with(|it| it["identifier"] = json!({"system": PLANTED})),
            422,
            "required",
            "QuestionnaireResponse.identifier.value",
        ),
        (
            &own,
            with(|it| it["subject"]["reference"] = format!("Patient/{PLANTED}").into()),
            403,
            "forbidden",
            "QuestionnaireResponse.subject",
        ),
        (
            &backend,
            with(|it| it["subject"]["reference"] = format!("Patient/{PLANTED}").into()),
            422,
            "required",
            "QuestionnaireResponse.extension",
        ),
        (
            &backend,
            with(|it| {
                it["extension"] = json!([{"url": "urn:epro-relay:study", "valueString": STUDY}]);
                drop(it.as_object_mut().map(|it| it.remove("subject")));
            }),
            422,
            "required",
            "QuestionnaireResponse.subject",
        ),
        (
            &own,
            with(|it| it["extension"] = json!([{"url": "urn:epro-relay:site", "valueString": PLANTED}])),
            403,
            "forbidden",
            "QuestionnaireResponse.extension",
        ),
    ];
    for (token, resource, status, code, place) in cases {
        let reply = client.post_fhir(CREATE, token, &[], &resource).await?;
        let places = if place.is_empty() { vec![] } else { vec![place.to_owned()] };
        assert_eq!(told(&reply)?, (status, vec![code.to_owned()], places), "{resource}: {}", reply.body);
        assert!(!reply.body.to_ascii_lowercase().contains("planted"), "{}", reply.body);
    }
    let reply = client.post(CREATE, &own, PLANTED.into()).await?;
    assert_eq!(told(&reply)?.0, 400);
    // One that is taken: its patient, its words and what identifies it stay inside as well.
    let taken = with(|it| {
        it["subject"]["reference"] = format!("Patient/{PLANTED}").into();
        it["identifier"] = json!({"system": PLANTED, "value": PLANTED});
        it["text"]["div"] = PLANTED.into();
    });
    let token = stack.minter().patient(PLANTED, STUDY, SITE)?;
    let reply = client.post_fhir(CREATE, &token, &[], &taken).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert!(!format!("{reply:?}").to_ascii_lowercase().contains("planted"), "{reply:?}");
    let log = api.output();
    assert!(!log.to_ascii_lowercase().contains("planted"), "{log}");
    assert_eq!(stack.vhost().ready(ROUTINE).await? + stack.vhost().ready(URGENT).await?, 1);
    Ok(())
}

#[tokio::test]
async fn what_has_nothing_to_do_with_the_resource_is_an_operation_outcome_too() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let reader = stack.minter().reader("nurse", &[STUDY], &[SITE])?;
    let body = response().to_string().into_bytes();
    let one = |code: &str| vec![code.to_owned()];

    let reply = client.post_as(CREATE, None, "application/fhir+json", body.clone()).await?;
    assert_eq!(told(&reply)?, (401, one("login"), vec![]));
    assert!(reply.header("www-authenticate").is_some());
    let reply = client.post(CREATE, &reader, body.clone()).await?;
    assert_eq!(told(&reply)?, (403, one("forbidden"), vec![]));
    let reply = client.get("/fhir/R4/Patient/1", &token).await?;
    assert_eq!(told(&reply)?, (404, one("not-found"), vec![]));
    let reply = client.get(&format!("{CREATE}/{}", Uuid::now_v7()), &token).await?;
    assert_eq!(told(&reply)?, (404, one("not-found"), vec![]));
    let reply = client.get(&format!("{CREATE}/marta"), &token).await?;
    assert_eq!(told(&reply)?, (400, one("value"), vec![]));
    let reply = client.get(CREATE, &token).await?;
    assert_eq!(told(&reply)?, (405, one("not-supported"), vec![]));
    assert_eq!(reply.header("allow"), Some("POST"));
    let reply = client.post(CREATE, &token, vec![b' '; 256 * 1024 + 1]).await?;
    assert_eq!(told(&reply)?, (413, one("too-long"), vec![]));
    let reply = client.post_as(CREATE, Some(&token), "application/fhir+xml", body.clone()).await?;
    assert_eq!(told(&reply)?, (415, one("not-supported"), vec![]));
    let reply = client.post(BUNDLE, &token, body.clone()).await?;
    assert_eq!(told(&reply)?.0, 422);
    for kind in ["application/json", "application/fhir+json; charset=utf-8"] {
        assert_eq!(client.post_as(CREATE, Some(&token), kind, body.clone()).await?.status, 202, "{kind}");
    }
    stack.vhost().delete_queue(ROUTINE).await?;
    let reply = client.post(CREATE, &token, body).await?;
    assert_eq!(told(&reply)?, (503, one("transient"), vec![]));
    assert!(reply.header("retry-after").is_some());
    Ok(())
}

#[tokio::test]
async fn a_panic_is_a_fatal_outcome_and_the_next_response_is_taken() -> Result<()> {
    let stack = Stack::new().await?;
    let id = Uuid::now_v7();
    let resource = with(|it| it["identifier"]["value"] = id.to_string().into());
    let fault = format!("submit:{id}=panic");
    let mut api = stack.spawn("epro-producer-api", &[("EPRO_FAULT", fault.as_str())])?;
    api.ready().await?;
    let client = stack.client(&api)?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let reply = client.post_fhir(CREATE, &token, &[], &resource).await?;
    assert_eq!(told(&reply)?, (500, vec!["exception".to_owned()], vec![]));
    assert_eq!(client.post_fhir(CREATE, &token, &[], &response()).await?.status, 202);
    Ok(())
}

#[tokio::test]
async fn with_a_silent_broker_a_whole_batch_is_one_503() -> Result<()> {
    let amqp = services::Services::from_env()?.amqp;
    let proxy = Proxy::to(&services::host_port(&amqp)?).await?;
    let stack = Stack::with(Plan { broker: Some(proxy.address()), ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let entry =
        || json!({"resource": response(), "request": {"method": "POST", "url": "QuestionnaireResponse"}});
    let entries: Vec<Value> = (0..1000).map(|_| entry()).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    proxy.stall();
    let reply = client.post_fhir(BUNDLE, &token, &[], &bundle).await?;
    assert_eq!(told(&reply)?.0, 503);
    assert!(reply.header("retry-after").is_some());
    proxy.cut_once();
    Ok(())
}

#[tokio::test]
async fn entries_that_a_silent_broker_did_not_confirm_are_503_beside_those_that_it_did() -> Result<()> {
    let amqp = services::Services::from_env()?.amqp;
    let proxy = Proxy::to(&services::host_port(&amqp)?).await?;
    let stack = Stack::with(Plan { broker: Some(proxy.address()), ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?.giving_up_after(Duration::from_secs(60))?;
    let token = stack.minter().patient("P-1", STUDY, SITE)?;
    let entry =
        || json!({"resource": response(), "request": {"method": "POST", "url": "QuestionnaireResponse"}});
    let entries: Vec<Value> = (0..500).map(|_| entry()).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let trip = proxy.arm(Side::Client, Trigger::Bytes(400_000), Then::StallAfter);

    let reply = client.post_fhir(BUNDLE, &token, &[], &bundle).await?;

    trip.tripped().await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = reply.json()?;
    let entries = body["entry"].as_array().context("no entries")?;
    let taken = |entry: &&Value| entry["response"]["status"] == "202 Accepted";
    let (taken, shed): (Vec<_>, Vec<_>) = entries.iter().partition(taken);
    assert!(!taken.is_empty() && !shed.is_empty() && entries.len() == 500);
    for entry in shed {
        let response = &entry["response"];
        assert_eq!(response["status"], "503 Service Unavailable", "{response}");
        let code = response["outcome"]["issue"][0]["code"].as_str().unwrap_or_default();
        assert!(["transient", "throttled"].contains(&code), "{response}");
    }
    assert!(stack.vhost().ready(ROUTINE).await? as usize >= taken.len());
    proxy.cut_once();
    Ok(())
}
