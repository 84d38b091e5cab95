//! The hospital's limit, and PostgreSQL beneath the deadline.

use epro_proving::client::phq9;
use epro_proving::sample_hospital::Searches;
use epro_proving::{Hand, until};
use serde_json::json;

use super::ward::{VITALS, Ward, all_of, missing};
use crate::support::{BOUND, ROUTINE, SITE, STUDY, counts};

#[tokio::test(flavor = "multi_thread")]
async fn questions_keep_to_their_share_of_the_pace() {
    let ward = Ward::new(json!({"calls_per_second": 20.0, "query_share": 0.25}), json!({})).await;
    let paged = Searches { resources: 4, page: 1, ..Searches::default() };
    ward.hospital.searches(VITALS, paged);
    let _worker = ward.worker().await;
    assert_eq!(ward.report(30).await["complete"], json!(true));
    let at: Vec<u64> = ward.questions().iter().map(|call| call.micros).collect();
    assert_eq!(at.len(), 8);
    // Five a second: a call may be a little late, and the one behind it looks early by that much.
    let mean = (at[7] - at[0]) / 7;
    assert!(mean >= 190_000, "{mean} µs between two of {at:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_turn_before_the_deadline_was_not_started() {
    let ward = Ward::new(json!({"calls_per_second": 0.1}), json!({})).await;
    let _worker = ward.worker().await;
    assert_eq!(missing(&ward.report(2).await), all_of("not_started"));
    assert_eq!(ward.questions().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_of_it_runs_in_postgresql_beyond_the_deadline() {
    let ward = Ward::new(json!({}), json!({})).await;
    let _worker = ward.worker().await;
    let blocker = ward.stack.database().connect().await.unwrap();
    blocker.client.batch_execute("BEGIN; LOCK TABLE ops.report IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let place = ward.post(2).await;
    let running = |since: &str| {
        format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
             AND pid <> pg_backend_pid() AND query LIKE '%ops.report%' {since}"
        )
    };
    let began = until("a query that waits for the lock", BOUND, || async {
        let sql = running("").replace("count(*)", "min(query_start)::text");
        let row = ward.link.client.query_one(&sql, &[]).await?;
        Ok(row.get::<_, Option<String>>(0))
    });
    let began = began.await.unwrap();
    let sql = format!("SELECT clock_timestamp() > '{began}'::timestamptz + interval '5 seconds'");
    until("well after the deadline", BOUND, || async {
        Ok(ward.link.client.query_one(&sql, &[]).await?.get::<_, bool>(0).then_some(()))
    })
    .await
    .unwrap();
    // What is tried after it is the writing of a report that names all of it as missing.
    let before = running(&format!("AND query_start < '{began}'::timestamptz + interval '1.9 seconds'"));
    assert_eq!(ward.link.count(&before).await.unwrap(), 0);
    blocker.client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(missing(&ward.read(&place).await), all_of("not_started"));
    assert_eq!(ward.questions().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_deliveries_does_not_crowd_out_a_report_nor_reports_the_deliveries() {
    let ward = Ward::new(json!({"calls_per_second": 20.0}), json!({})).await;
    let (hand, _storing) = (Hand::on(&ward.stack).await.unwrap(), ward.stack.worker().await.unwrap());
    let submissions: Vec<_> = (0..150).map(|_| phq9(STUDY, SITE)).collect();
    for (n, submission) in submissions.iter().enumerate() {
        hand.put(ROUTINE, &format!("P-{n}"), submission).await.unwrap();
    }
    counts(&ward.link, "SELECT count(*) FROM ops.delivery", 150).await;
    let _worker = ward.worker().await;
    let deliveries = || ward.hospital.calls().iter().filter(|call| call.kind == "fhir").count();
    until("the first delivery", BOUND, || async { Ok((deliveries() > 0).then_some(())) }).await.unwrap();
    let before = deliveries();
    for _ in 0..3 {
        assert_eq!(ward.report(10).await["complete"], json!(true));
    }
    assert!(deliveries() < 150, "the backlog was there all the time");
    // Of each two calls one may be a question.
    assert!(deliveries() - before >= 10, "{} deliveries beside {}", deliveries(), ward.questions().len());
}
