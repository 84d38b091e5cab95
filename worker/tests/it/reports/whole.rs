//! A report when all goes well: complete, sealed, audited, and gone when it expires.

use std::time::Duration;

use epro_proving::{Proxy, services, until};
use serde_json::json;

use super::ward::{PATIENT, Ward, asked, count};
use crate::support::{BOUND, SITE, STUDY, counts};

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_report_comes_while_its_client_waits_sealed_and_audited() {
    let ward = Ward::new(json!({}), json!({})).await;
    let worker = ward.worker().await;
    let reply = ward.ask(20).await;
    assert_eq!((reply.status, reply.header("preference-applied")), (200, Some("wait=21")), "{}", reply.body);
    let report = reply.json().unwrap();
    assert_eq!((&report["complete"], &report["missing"]), (&json!(true), &json!([])));
    assert_eq!((&report["subject_id"], &report["site_id"]), (&json!(PATIENT), &json!(SITE)));
    let counted = ["vitals", "medication", "laboratory"].map(|service| count(&report, service));
    assert_eq!(counted, [2, 4, 4]);
    assert!(reply.body.contains("37.10"), "a decimal keeps its digits: {}", reply.body);
    assert!(ward.questions().iter().all(|call| call.answered && !call.hung_up));

    let id = report["report_id"].as_str().unwrap();
    let again = ward.client.get(&format!("/api/v1/reports/{id}"), &ward.token).await.unwrap();
    assert_eq!((again.status, &again.body), (200, &reply.body));
    let audited = |action: &str, count: &str| {
        format!(
            "SELECT {count} FROM audit.event WHERE action = '{action}' AND actor LIKE 'delegate:%' AND details::jsonb->>'report' = '{id}'"
        )
    };
    let made = format!("{} AND from_network = '127.0.0.0/24'", audited("report.made", "count(*)"));
    counts(&ward.link, &made, 1).await;
    // Notes of the same event are one row with their count.
    counts(
        &ward.link,
        &audited("report.read", "coalesce(sum((details::jsonb->>'count')::bigint), 0)::bigint"),
        2,
    )
    .await;
    counts(&ward.link, &audited("report.request", "count(*)"), 1).await;
    let rows = ward.link.client.query("SELECT r::text, encode(body, 'escape') FROM ops.report r", &[]).await;
    for text in [rows.unwrap()[0].get::<_, String>(0), worker.output(), ward.api.output()] {
        for planted in [PATIENT, "Marta", "Observation/"] {
            assert!(!text.contains(planted), "{planted}");
        }
    }
    for metrics in [worker.metrics().await.unwrap(), ward.api.metrics().await.unwrap()] {
        assert!(metrics.contains("epro_report") && !metrics.contains("Marta"), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_of_its_study_and_site_read_a_report() {
    let ward = Ward::new(json!({}), json!({})).await;
    let _worker = ward.worker().await;
    let place = ward.post(20).await;
    ward.read(&place).await;
    let minter = ward.stack.minter();
    for (token, status) in [
        (minter.reporter("other", &[STUDY], &[SITE]), 200),
        (minter.reporter("other", &[STUDY], &["H002"]), 404),
        (minter.reporter("other", &["PAIN-7"], &[SITE]), 404),
        (minter.reader("other", &[STUDY], &[SITE]), 403),
        (minter.patient(PATIENT, STUDY, SITE), 403),
    ] {
        let reply = ward.client.get(&place, &token.unwrap()).await.unwrap();
        assert_eq!(reply.status, status, "{}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_given_only_once_the_broker_has_the_note_of_its_reading() {
    let ward = Ward::new(json!({}), json!({})).await;
    let _worker = ward.worker().await;
    let place = ward.post(20).await;
    counts(&ward.link, "SELECT count(*) FROM ops.report WHERE complete", 1).await;
    let broker = services::host_port(ward.stack.vhost().url()).unwrap();
    let proxy = Proxy::to(&broker).await.unwrap();
    let url = services::with_host_port(ward.stack.vhost().url(), &proxy.address()).unwrap();
    let mut door = ward.stack.spawn("epro-producer-api", &[("EPRO__BROKER__URL", url.as_str())]).unwrap();
    door.ready().await.unwrap();
    let client = ward.stack.client(&door).unwrap();

    proxy.cut();
    door.ready_is(false, BOUND).await.unwrap();
    let refused = client.get(&place, &ward.token).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.header("retry-after").is_some());
    assert!(!refused.body.contains(PATIENT) && !refused.body.contains("37.10"), "{}", refused.body);

    proxy.pass();
    door.ready_is(true, BOUND).await.unwrap();
    let read = client.get(&place, &ward.token).await.unwrap();
    assert!(read.status == 200 && read.body.contains(PATIENT), "{}", read.body);
    for outcome in ["ok", "refused"] {
        let rows = format!(
            "SELECT count(*) FROM audit.event WHERE action = 'report.read' AND outcome = '{outcome}' \
             AND actor LIKE 'delegate:%' AND details::jsonb->>'report' = '{}'",
            place.rsplit('/').next().unwrap()
        );
        counts(&ward.link, &rows, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_has_expired_is_gone_and_is_not_made_again() {
    let ward = Ward::new(json!({}), json!({"time_scale": 0.02, "reports": {"keep": "50s"}})).await;
    let _worker = ward.worker().await;
    let place = ward.post(1).await;
    ward.read(&place).await;
    until("the report to be gone", BOUND, || async {
        let reply = ward.client.get(&place, &ward.token).await?;
        Ok((reply.status == 404).then_some(()))
    })
    .await
    .unwrap();
    counts(&ward.link, "SELECT count(*) FROM ops.report", 0).await;
    counts(&ward.link, "SELECT count(*) FROM audit.event WHERE action = 'report.expired'", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_ends_its_wait_and_not_its_report() {
    let ward = Ward::new(json!({}), json!({"reports": {"longest": "5m"}})).await;
    let impatient = ward.client.giving_up_after(Duration::from_secs(3)).unwrap();
    let waits = async |wanted: &str| {
        until("the wait", BOUND, || async {
            let metrics = ward.api.metrics().await?;
            Ok(metrics.lines().any(|line| line == format!("epro_report_waits {wanted}")).then_some(()))
        })
        .await
        .unwrap();
    };
    // Far longer than this test waits for the end of it.
    let (token, asked) = (&ward.token, &asked(240));
    let (gone, ()) = tokio::join!(impatient.report(token, asked, Some(240)), waits("1"));
    assert!(gone.is_err(), "it has hung up");
    waits("0").await;
    let _worker = ward.worker().await;
    counts(&ward.link, "SELECT count(*) FROM ops.report WHERE complete", 1).await;
}
