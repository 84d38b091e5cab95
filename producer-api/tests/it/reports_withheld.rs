//! A report that is there while its client waits for it, and the broker fails at the note of its reading.

use std::time::Duration;

use anyhow::{Context as _, Result};
use epro_proving::database::Link;
use epro_proving::proxy::{Side, Then, Trigger};
use epro_proving::stack::Plan;
use epro_proving::{Proxy, SampleHospital, Service, Stack, services, until};
use serde_json::json;

use crate::support::{SITE, STUDY};

const BOUND: Duration = Duration::from_secs(60);
const PATIENT: &str = "P-Marta-0007";
/// What the hospital has measured.
const MEASURED: &str = "37.10";
/// The routes of who asks and waits, and of who comes for it.
const ASKING: &str = "/api/v1/reports";
const COMING: &str = "/api/v1/reports/{id}";

/// A job is queued, and its client waits for what becomes of it.
async fn somebody_waits(api: &Service) -> Result<()> {
    until("somebody to wait", BOUND, || async {
        let metrics = api.metrics().await?;
        Ok(metrics.lines().any(|line| line == "epro_report_waits 1").then_some(()))
    })
    .await
}

/// Readings of that report that the trail tells of, by one route.
async fn readings(link: &Link, id: &str, route: &str) -> Result<i64> {
    let sql = format!(
        "SELECT count(*) FROM audit.event WHERE action = 'report.read' AND outcome = 'ok' \
         AND actor LIKE 'delegate:%' AND details::jsonb->>'report' = '{id}' AND details::jsonb->>'route' = '{route}'"
    );
    link.count(&sql).await
}

/// The broker fails so at the note of a reading: who waits gets no report, and who comes once the broker is back does.
/// `noted`: how often the trail then tells of the reading that was withheld.
async fn is_withheld(side: Side, trigger: Trigger, then: Then, noted: i64) -> Result<()> {
    let hospital = SampleHospital::start().await?;
    let config = json!({"hospitals": {SITE: hospital.by_fhir()}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let proxy = Proxy::to(&services::host_port(stack.vhost().url())?).await?;
    let broker = proxy.lead(stack.vhost().url())?;
    let mut api = stack.spawn("epro-producer-api", &[("EPRO__BROKER__URL", broker.as_str())])?;
    api.ready().await?;
    let client = stack.client(&api)?.giving_up_after(BOUND)?;
    let token = stack.minter().reporter("nurse", &[STUDY], &[SITE])?;
    let asked = json!({"study_id": STUDY, "site_id": SITE, "subject_id": PATIENT, "within_seconds": 50});

    let failing = async {
        somebody_waits(&api).await?;
        let trip = proxy.arm(side, trigger, then);
        // Nobody makes it before: the next that the door publishes is the note.
        let worker = stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[hospitals, commands]")])?;
        tokio::time::timeout(BOUND, trip.tripped()).await.context("no note came")??;
        anyhow::Ok(worker)
    };
    let (reply, _worker) = tokio::try_join!(client.report(&token, &asked, Some(51)), failing)?;
    assert_eq!((reply.status, reply.header("preference-applied")), (202, None), "{}", reply.body);
    let place = reply.header("location").context("no location")?.to_owned();
    let id = place.rsplit('/').next().unwrap_or_default();
    assert_eq!(reply.json()?, json!({"status": "underway", "report_id": id}), "nothing else is told");

    // What was held back stays back.
    proxy.cut_once();
    let read = until("the report", BOUND, || async {
        let reply = client.get(&place, &token).await?;
        Ok((reply.status == 200).then_some(reply))
    })
    .await?;
    assert!(read.body.contains(PATIENT) && read.body.contains(MEASURED), "{}", read.body);
    let link = stack.database().connect().await?;
    until("the note of this reading", BOUND, || async {
        Ok((readings(&link, id, COMING).await? > 0).then_some(()))
    })
    .await?;
    until("the notes of the other", BOUND, || async {
        Ok((readings(&link, id, ASKING).await? == noted).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_whose_note_never_reaches_the_broker_is_not_given_to_who_waits_and_is_to_who_comes_later()
-> Result<()> {
    is_withheld(Side::Client, Trigger::publish(), Then::CutBefore, 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_whose_note_is_not_confirmed_is_not_given_to_who_waits_and_is_to_who_comes_later()
-> Result<()> {
    is_withheld(Side::Server, Trigger::ack(), Then::StallBefore, 1).await
}
