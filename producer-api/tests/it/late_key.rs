//! A seal key that reaches one door later than what lies under it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use epro_proving::service::Start;
use epro_proving::stack::Plan;
use epro_proving::{Client, SampleHospital, Service, Stack, until};
use serde_json::{Value, json};

use crate::fhir::{CREATE, response};
use crate::support::{SITE, STUDY};

const BOUND: Duration = Duration::from_secs(60);
/// As the sample resource calls its patient.
const PATIENT: &str = "P-1";
/// A key of 32 bytes, as a file holds it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The configuration of a stack from which on k2 seals, and the one before.
fn rotate(stack: &Stack) -> Result<(String, String)> {
    let file = stack.folder().join("keys/seal-k2");
    std::fs::write(&file, KEY)?;
    let before = std::fs::read_to_string(stack.config())?;
    let mut config: Value = serde_json::from_str(&before)?;
    config["keys"]["seal"]["files"]["k2"] = json!(file);
    config["keys"]["seal"]["current"] = json!("k2");
    std::fs::write(stack.config(), config.to_string())?;
    Ok((config.to_string(), before))
}

/// Until what is there is given.
async fn is_given(client: &Client, place: &str, token: &str) -> Result<()> {
    until(place, BOUND, || async {
        let reply = client.get(place, token).await?;
        Ok((reply.status == 200 && reply.body.contains(PATIENT)).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_under_a_key_that_a_door_does_not_have_yet_is_503_there_until_the_key_comes() -> Result<()>
{
    let hospital = SampleHospital::start().await?;
    let lanes = ["submissions", "hospitals", "commands"];
    let config = json!({"hospitals": {SITE: hospital.by_fhir()}, "worker": {"lanes": lanes}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let (after, before) = rotate(&stack)?;
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker())?;
    let client = stack.client(&api)?;
    let patient = stack.minter().patient(PATIENT, STUDY, SITE)?;
    let sent = client.post_fhir(CREATE, &patient, &[], &response()).await?;
    assert_eq!(sent.status, 201, "{}", sent.body);
    let stored = sent.header("location").context("no location")?.to_owned();
    let claims = json!({"sub": "nurse", "scope": "read:identified report", "study": [STUDY], "site": [SITE]});
    let nurse = stack.minter().token(&claims)?;
    let asked = json!({"study_id": STUDY, "site_id": SITE, "subject_id": PATIENT, "within_seconds": 50});
    let sent = client.report(&nurse, &asked, None).await?;
    assert_eq!(sent.status, 202, "{}", sent.body);
    let report = sent.header("location").context("no location")?.to_owned();
    for place in [&stored, &report] {
        is_given(&client, place, &nurse).await?;
    }

    let (config, output) = (stack.folder().join("late.yaml"), stack.folder().join("late.log"));
    std::fs::write(&config, before)?;
    let start = Start { binary: "epro-producer-api", command: None, config: &config, env: &[], output };
    let mut late = Service::start(&start)?;
    late.ready().await?;
    let client = stack.client(&late)?.giving_up_after(BOUND)?;
    for place in [&stored, &report] {
        let reply = client.get(place, &nurse).await?;
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.header("retry-after").is_some() && !reply.body.contains(PATIENT), "{}", reply.body);
    }
    // Who has waited for a report is told where it is: it was made.
    let reply = client.report(&nurse, &asked, Some(51)).await?;
    assert_eq!((reply.status, reply.header("preference-applied")), (202, None), "{}", reply.body);

    std::fs::write(&config, after)?;
    for place in [&stored, &report] {
        is_given(&client, place, &nurse).await?;
    }
    Ok(())
}
