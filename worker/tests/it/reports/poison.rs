//! What is no job ends as a dead letter, and a job that comes twice as one report.

use epro_proving::Hand;
use epro_proving::hand::plain;
use serde_json::json;
use uuid::Uuid;

use super::ward::Ward;
use crate::support::{counts, dead};

const QUERY: &str = "epro.query.H001";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_is_set_aside_and_the_next_one_is_done() {
    let ward = Ward::new(json!({}), json!({})).await;
    let hand = Hand::on(&ward.stack).await.unwrap();
    let id = Uuid::now_v7();
    let strange = hand.keys().seal("epro.report.v1", id, b"{\"site_id\":\"H002\"}").unwrap();
    for (kind, body) in
        [("epro.report.v1", b"Marta".to_vec()), ("epro.risk.v1", b"{}".to_vec()), ("epro.report.v1", strange)]
    {
        let id = if kind == "epro.risk.v1" { Uuid::now_v7() } else { id };
        hand.publish(&plain(QUERY, id, kind, body)).await.unwrap();
    }
    let _worker = ward.worker().await;
    let letters = dead(&ward.link, 3).await;
    assert!(letters.iter().all(|letter| letter.class == "unreadable" && letter.queue == QUERY));
    assert_eq!(ward.report(20).await["complete"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_comes_twice_is_one_report() {
    let ward = Ward::new(json!({}), json!({})).await;
    let hand = Hand::on(&ward.stack).await.unwrap();
    let place = ward.post(30).await;
    let letters = hand.take(QUERY).await.unwrap();
    let wire = format!("{}{:?}", letters[0].properties, letters[0].headers);
    assert!(!wire.contains("Marta") && wire.contains("epro-deadline"), "{wire}");
    for _ in 0..2 {
        hand.publish(&letters[0]).await.unwrap();
    }
    let worker = ward.worker().await;
    assert_eq!(ward.read(&place).await["complete"], json!(true));
    epro_proving::until("both to be settled", crate::support::BOUND, || async {
        let metrics = worker.metrics().await?;
        let settled = metrics.lines().filter(|line| line.starts_with("epro_reports_total"));
        let settled: f64 = settled.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
        Ok((settled == 2.0).then_some(()))
    })
    .await
    .unwrap();
    counts(&ward.link, "SELECT count(*) FROM ops.report", 1).await;
    counts(&ward.link, "SELECT count(*) FROM audit.event WHERE action = 'report.made'", 1).await;
}
