//! What leaves no submission behind is audited all the same.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use epro_proving::sealed::Keys;
use epro_proving::stack::Plan;
use epro_proving::{Proxy, Stack, raw_http, services, until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fhir::{CREATE, response};
use crate::support::{SITE, STUDY, SUBMIT, door, phq9, take};

const COMMANDS: &str = "epro.commands";
const BOUND: Duration = Duration::from_secs(30);

#[tokio::test]
async fn refusals_of_a_kind_are_one_note_with_their_count_and_it_leaves_before_the_process() -> Result<()> {
    let config = json!({"auth": {"clients": ["diary"]}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let mut api = stack.api().await?;
    let client = stack.client(&api)?;
    let claims =
        |client| json!({"sub": "P-1", "scope": "submit", "study": STUDY, "site": "H002", "client": client});
    for name in ["diary", "diary", "Marta"] {
        let token = stack.minter().token(&claims(name))?;
        let reply = client.post(SUBMIT, &token, phq9().to_string().into_bytes()).await?;
        assert_eq!(reply.status, 403);
    }
    assert_eq!(api.drain(Duration::from_secs(30)).await?, 0);
    let mut notes = Vec::new();
    let mut count = 0;
    // The timer may have published some before the others came.
    while count < 3 {
        let taken = take(&stack, COMMANDS).await?;
        assert_eq!(taken.kind, "epro.audit.v1");
        let note = taken.says(&stack)?;
        count += note["count"].as_u64().context("no count")?;
        notes.push(note);
    }
    let actor = Keys::read(stack.folder())?.pseudonym(STUDY, "P-1").to_string();
    for note in &notes {
        assert_eq!(note["action"], "submission.submit");
        assert_eq!((&note["outcome"], &note["status"]), (&json!("refused"), &json!(403)));
        assert_eq!((&note["route"], &note["class"]), (&json!(SUBMIT), &json!("site_forbidden")));
        assert_eq!(note["actor"], *actor);
    }
    let by = |name: &str| {
        notes.iter().filter(|n| n["client"] == name).filter_map(|n| n["count"].as_u64()).sum::<u64>()
    };
    assert_eq!((by("diary"), by("other"), by("Marta")), (2, 1, 0), "a name nobody configured isn't told");
    Ok(())
}

/// The unit test beside `Notes` has the million; this is the way of a few thousand to the trail.
#[tokio::test]
async fn of_thousands_of_refusals_the_trail_has_a_row_a_kind_every_five_seconds_and_their_exact_count()
-> Result<()> {
    const EACH: usize = 250;
    let stack = Stack::new().await?;
    let (mut api, _worker) = tokio::try_join!(stack.api(), stack.worker())?;
    let elsewhere = stack.minter().patient("P-1", STUDY, "H002")?;
    let forged = stack.minter().forger().patient("P-1", STUDY, SITE)?;
    let body = phq9().to_string().into_bytes();
    let mut asking = tokio::task::JoinSet::new();
    let begun = std::time::Instant::now();
    let kinds: [(&str, &[u8], u16); 3] =
        [("nonsense", b"", 401), (&forged, b"", 401), (&elsewhere, &body, 403)];
    for (token, body, status) in kinds {
        for _ in 0..4 {
            let (request, at) = (raw_http::post(SUBMIT, token, body), api.listen().to_owned());
            asking.spawn(async move {
                let mut connection = raw_http::Connection::open(&at).await?;
                for _ in 0..EACH {
                    ensure!(connection.send(&request).await? == status, "not {status}");
                }
                anyhow::Ok(())
            });
        }
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    // What was counted last leaves before the process does.
    assert_eq!(api.drain(Duration::from_secs(30)).await?, 0);
    let flushes = begun.elapsed().as_secs() as i64 / 5 + 2;
    let link = stack.database().connect().await?;
    let refused = "FROM audit.event WHERE action = 'submission.submit' AND outcome = 'refused'";
    let counted = format!("SELECT coalesce(sum((details->>'count')::bigint), 0)::bigint {refused}");
    until("all of them in the trail", Duration::from_secs(30), || async {
        Ok((link.count(&counted).await? == 12 * EACH as i64).then_some(()))
    })
    .await?;
    let rows = link.count(&format!("SELECT count(*) {refused}")).await?;
    assert!(rows <= 3 * flushes, "{rows} rows of three kinds in {flushes} times five seconds");
    Ok(())
}

#[tokio::test]
async fn what_was_refused_while_the_broker_was_gone_is_told_when_it_is_back() -> Result<()> {
    let amqp = services::Services::from_env()?.amqp;
    let proxy = Proxy::to(&services::host_port(&amqp)?).await?;
    let stack = Stack::with(Plan { broker: Some(proxy.address()), ..Plan::default() }).await?;
    let mut api = stack.api().await?;
    let client = stack.client(&api)?;
    proxy.cut();
    api.ready_is(false, Duration::from_secs(20)).await?;
    assert_eq!(client.post(SUBMIT, "nonsense", Vec::new()).await?.status, 401);
    until("the note to be held back", Duration::from_secs(30), || async {
        Ok(api.output().contains("audit notes are held back").then_some(()))
    })
    .await?;
    proxy.pass();
    let taken =
        until("the note", Duration::from_secs(30), || async { Ok(take(&stack, COMMANDS).await.ok()) });
    let note = taken.await?.says(&stack)?;
    assert_eq!((&note["class"], &note["count"]), (&json!("token_malformed"), &json!(1)));
    assert_eq!(note["actor"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn who_read_which_status_from_where_is_in_the_audit_trail() -> Result<()> {
    let stack = Stack::new().await?;
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker())?;
    let client = stack.client(&api)?;
    let id = Uuid::now_v7();
    let token = stack.minter().reader("nurse", &[STUDY], &[SITE])?;
    // Nobody is trusted to say where others come from.
    let headers = [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("x-forwarded-for", "203.0.113.7"),
    ];
    assert_eq!(
        client.get_with(&format!("/api/v1/epro/submissions/{id}"), &token, &headers).await?.status,
        404
    );
    let link = stack.database().connect().await?;
    let sql = format!(
        "SELECT count(*) FROM audit.event WHERE action = 'submission.read' AND outcome = 'refused' \
         AND submission_id = '{id}' AND actor LIKE 'delegate:%' AND from_network = '127.0.0.0/24' \
         AND trace_id = '4bf92f3577b34da6a3ce929d0e0e4736'"
    );
    until("the audit row", Duration::from_secs(30), || async {
        Ok((link.count(&sql).await? == 1).then_some(()))
    })
    .await
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_trail_has_from_where_somebody_came_to_it() -> Result<()> {
    let config = json!({"intake": {"trusted_proxies": ["127.0.0.1"]}});
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker())?;
    let client = stack.client(&api)?;
    // What stands before the proxy's own word anybody can have written.
    let headers = [("x-forwarded-for", "198.51.100.1, 203.0.113.7")];
    let patient = stack.minter().patient("P-1", STUDY, SITE)?;
    let status = client.post_fhir(CREATE, &patient, &headers, &response()).await?.status;
    assert!(matches!(status, 201 | 202), "{status}");
    let id = Uuid::now_v7();
    let nurse = stack.minter().reader("nurse", &[STUDY], &[SITE])?;
    assert_eq!(
        client.get_with(&format!("/api/v1/epro/submissions/{id}"), &nurse, &headers).await?.status,
        404
    );
    let link = stack.database().connect().await?;
    for action in ["submission.stored", "submission.read"] {
        let from = format!(
            "SELECT count(*) FROM audit.event WHERE action = '{action}' AND from_network = '203.0.113.0/24'"
        );
        until(action, BOUND, || async { Ok((link.count(&from).await? == 1).then_some(())) }).await?;
    }
    Ok(())
}

#[tokio::test]
async fn who_reads_with_identity_gets_nothing_before_the_broker_has_the_note() -> Result<()> {
    let amqp = services::Services::from_env()?.amqp;
    let proxy = Proxy::to(&services::host_port(&amqp)?).await?;
    let stack = Stack::with(Plan { broker: Some(proxy.address()), ..Plan::default() }).await?;
    let (mut api, _worker) = tokio::try_join!(stack.api(), stack.worker())?;
    let client = stack.client(&api)?;
    let patient = stack.minter().patient("P-1", STUDY, SITE)?;
    let created = client.post_fhir(CREATE, &patient, &[], &response()).await?;
    assert_eq!(created.status, 201, "{}", created.body);
    let place = created.header("location").context("no location")?.to_owned();
    let reader = |scope: &str| {
        stack.minter().token(&json!({"sub": "monitor", "scope": scope, "study": STUDY, "site": SITE}))
    };
    let (identified, bare) = (reader("read:identified")?, reader("read:site")?);

    proxy.cut();
    api.ready_is(false, BOUND).await?;
    let refused = client.get(&place, &identified).await?;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.header("retry-after").is_some() && refused.header("etag").is_none());
    for word in ["P-1", "narrative", "44250-9", "QuestionnaireResponse"] {
        assert!(!refused.body.contains(word), "{word}: {}", refused.body);
    }
    assert_eq!(client.get(&place, &bare).await?.status, 200, "what shows no patient is given all the same");

    proxy.pass();
    api.ready_is(true, BOUND).await?;
    let read = client.get(&place, &identified).await?;
    assert!(read.status == 200 && read.body.contains("P-1"), "{}", read.body);
    let id = place.rsplit('/').next().unwrap_or_default();
    let link = stack.database().connect().await?;
    for outcome in ["ok", "refused"] {
        let sql = format!(
            "SELECT count(*) FROM audit.event WHERE action = 'submission.read_identified' \
             AND outcome = '{outcome}' AND actor LIKE 'delegate:%' AND submission_id = '{id}'"
        );
        until("one row of each outcome", BOUND, || async {
            Ok((link.count(&sql).await? == 1).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_accepted_makes_no_note_of_its_own() -> Result<()> {
    let (stack, mut api, client) = door().await?;
    assert_eq!(client.submit("P-1", &phq9()).await?.status, 202);
    assert_eq!(api.drain(Duration::from_secs(30)).await?, 0);
    assert_eq!(stack.vhost().ready(COMMANDS).await?, 0);
    Ok(())
}
