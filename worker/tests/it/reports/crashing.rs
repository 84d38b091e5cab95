//! Whoever makes a report may die over it: there is one report all the same.

use epro_proving::until;
use serde_json::json;

use super::ward::{REPORTS, Ward};
use crate::support::{BOUND, counts};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_in_the_middle_leaves_the_report_to_another() {
    let ward = Ward::new(json!({"timeout": "1s"}), json!({})).await;
    ward.stalls(REPORTS);
    let mut first = ward.worker().await;
    let place = ward.post(50).await;
    ward.is_asked(REPORTS).await;
    first.kill().await.unwrap();
    ward.hospital.searches(REPORTS, Default::default());
    let _second = ward.worker().await;
    let report = ward.read(&place).await;
    assert_eq!(report["complete"], json!(true), "{report}");
    counts(&ward.link, "SELECT count(*) FROM ops.report", 1).await;
    counts(&ward.link, "SELECT count(*) FROM audit.event WHERE action = 'report.made'", 1).await;
    counts(&ward.link, "SELECT count(*) FROM ops.suspect", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_gives_the_job_back_at_once() {
    let ward = Ward::new(json!({}), json!({})).await;
    ward.stalls(REPORTS);
    let mut first = ward.worker().await;
    let place = ward.post(50).await;
    ward.is_asked(REPORTS).await;
    assert_eq!(first.drain(std::time::Duration::from_secs(20)).await.unwrap(), 0);
    ward.hospital.searches(REPORTS, Default::default());
    let _second = ward.worker().await;
    assert_eq!(ward.read(&place).await["complete"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stood_still_asks_nothing_more_and_writes_no_second_report() {
    let ward = Ward::new(json!({"timeout": "1s"}), json!({})).await;
    ward.stalls("MedicationRequest");
    let first = ward.worker().await;
    let place = ward.post(50).await;
    ward.is_asked("MedicationRequest").await;
    first.stop().await.unwrap();
    ward.hospital.searches("MedicationRequest", Default::default());
    // The broker gives the job to nobody else while the first one's connection is there.
    let second = ward.worker().await;
    until("the lease to change hands", BOUND, || async {
        let owned = second.metrics().await?.lines().any(|line| line == "epro_hospitals_owned 3");
        Ok(owned.then_some(()))
    })
    .await
    .unwrap();
    let asked = ward.questions().len();
    ward.stack.vhost().close_connections().await.unwrap();
    assert_eq!(ward.read(&place).await["complete"], json!(true));
    let by_second = ward.questions().len() - asked;
    first.resume().await.unwrap();
    until("the first one to know that it owns nothing", BOUND, || async {
        let known = first.output().contains("calls the hospital no more");
        Ok(known.then_some(()))
    })
    .await
    .unwrap();
    assert_eq!((by_second, ward.questions().len() - asked), (5, 5));
    counts(&ward.link, "SELECT count(*) FROM audit.event WHERE action = 'report.made'", 1).await;
}
