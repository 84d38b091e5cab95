//! Whoever makes a report may die over it: there is one report all the same.

use serde_json::json;

use super::ward::{REPORTS, Ward};
use crate::support::counts;

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
