//! `POST /api/v1/alerts/{id}/acknowledge`: a command, published; what it says is checked before.

use anyhow::Result;
use epro_proving::services::{Services, host_port};
use epro_proving::stack::Plan;
use epro_proving::{Client, Proxy, Stack};
use uuid::Uuid;

use crate::support::{SITE, STUDY, door, problem, take};

const COMMANDS: &str = "epro.commands";

fn place(alert: &str) -> String {
    format!("/api/v1/alerts/{alert}/acknowledge")
}

/// An alert of the site.
async fn alert(stack: &Stack) -> Result<String> {
    let alert = Uuid::new_v4().to_string();
    let row = format!(
        "INSERT INTO ops.alert (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity)
         VALUES ('{alert}', '{alert}', '{alert}', '{STUDY}', '{SITE}', 'self-harm', 'critical')"
    );
    stack.database().connect().await?.client.batch_execute(&row).await?;
    Ok(alert)
}

async fn post(client: &Client, alert: &str, token: &str) -> Result<epro_proving::client::Reply> {
    client.post(&place(alert), token, Vec::new()).await
}

#[tokio::test]
async fn an_investigator_of_the_site_is_told_202_and_the_command_names_them_by_pseudonym() -> Result<()> {
    let (stack, _api, client) = door().await?;
    let alert = alert(&stack).await?;
    let token = stack.minter().investigator("dr.lee@h001.example", &[STUDY], &[SITE])?;
    let reply = post(&client, &alert, &token).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let body = reply.json()?;
    assert_eq!(
        (body["status"].as_str(), body["alert_id"].as_str()),
        (Some("received"), Some(alert.as_str()))
    );
    let taken = take(&stack, COMMANDS).await?;
    assert_eq!(taken.kind, "epro.acknowledgement.v1");
    let command = taken.says(&stack)?;
    assert_eq!(command["alert_id"], alert.as_str());
    assert_eq!((&command["studies"][0], &command["sites"][0]), (&STUDY.into(), &SITE.into()));
    assert!(!command.to_string().contains("dr.lee"), "{command}");
    assert!(command["trace_id"].is_string() && command["actor"].is_string(), "{command}");
    Ok(())
}

#[tokio::test]
async fn somebody_elses_alert_one_that_is_not_there_and_a_token_without_the_scope_are_refused() -> Result<()>
{
    let (stack, _api, client) = door().await?;
    let alert = alert(&stack).await?;
    let minter = stack.minter();
    let nowhere = Uuid::new_v4().to_string();
    let own = minter.investigator("dr-lee", &[STUDY], &[SITE])?;
    for (alert, token, status, class) in [
        (&alert, minter.investigator("dr-lee", &[STUDY], &["H002"])?, 404, "alert_unknown"),
        (&alert, minter.investigator("dr-lee", &["PAIN-7"], &[SITE])?, 404, "alert_unknown"),
        (&alert, minter.investigator("dr-lee", &[], &[])?, 404, "alert_unknown"),
        (&nowhere, own.clone(), 404, "alert_unknown"),
        (&"marta".to_owned(), own.clone(), 400, "id_malformed"),
        (&alert, minter.reader("nurse", &[STUDY], &[SITE])?, 403, "scope_missing"),
        (&alert, minter.patient("P-1", STUDY, SITE)?, 403, "scope_missing"),
    ] {
        let reply = post(&client, alert, &token).await?;
        assert_eq!((reply.status, problem(&reply)?.as_str()), (status, class), "{}", reply.body);
    }
    let reply = client.post_as(&place(&alert), None, "application/json", Vec::new()).await?;
    assert_eq!(reply.status, 401);
    let reply = client.get(&place(&alert), &own).await?;
    assert_eq!(reply.status, 405);
    Ok(())
}

#[tokio::test]
async fn with_postgresql_away_an_acknowledgement_is_taken_and_the_worker_finds_out_whose_it_is() -> Result<()>
{
    let proxy = Proxy::to(&host_port(&Services::from_env()?.database)?).await?;
    let stack = Stack::with(Plan { postgres: Some(proxy.address()), ..Plan::default() }).await?;
    let api = stack.api().await?;
    let client = stack.client(&api)?;
    proxy.cut();
    let token = stack.minter().investigator("dr-lee", &[STUDY], &[SITE])?;
    let reply = post(&client, &Uuid::new_v4().to_string(), &token).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert_eq!(take(&stack, COMMANDS).await?.kind, "epro.acknowledgement.v1");
    Ok(())
}
