//! How a hospital is shown.

use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::stack::Plan;
use epro_proving::{SampleHospital, Stack, until};
use serde_json::json;

use super::visitor::Visitor;

const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_that_nobody_calls_is_no_green_one_though_its_last_owner_left_its_gate_closed() {
    let hospital = SampleHospital::start().await.unwrap();
    let config = json!({
        "worker": {"lanes": ["submissions", "relay", "hospitals"]},
        "hospitals": {"H001": hospital.by_fhir()},
    });
    let stack = Stack::with(Plan { config, ..Plan::default() }).await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let (api, mut calling, console) =
        (stack.api().await.unwrap(), stack.worker().await.unwrap(), stack.console().await.unwrap());
    let ann = Visitor::signed_in(&stack, &console, "ann", &["viewer"]).await;
    let client = stack.client(&api).unwrap();
    let submitted = async || {
        let answer = client.submit("P-1", &phq9("ONC-301", "H001")).await.unwrap();
        assert_eq!(answer.status, 202);
    };
    let shown = async |path: &str, what: &str| {
        until(&format!("{path} to say {what}"), BOUND, || async {
            Ok(ann.get(path).await.body.contains(what).then_some(()))
        })
        .await
        .unwrap();
    };

    submitted().await;
    let done = "SELECT count(*) FROM ops.delivery WHERE state = 'done'";
    until("it to be delivered", BOUND, || async { Ok((link.count(done).await? == 1).then_some(())) })
        .await
        .unwrap();
    shown("/hospitals", "<span class=\"badge ok\">closed</span>").await;
    calling.drain(BOUND).await.unwrap();
    let mut storing = stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", "[submissions, relay]")]).unwrap();
    storing.ready().await.unwrap();
    submitted().await;

    shown("/hospitals", "<span class=\"badge bad\">nobody calls it</span>").await;
    shown("/", ">nobody calls it</text>").await;
    let table = stack.epro(&["hospitals"]).await.unwrap();
    let row = table.lines().find(|line| line.contains("H001")).unwrap();
    assert!(row.contains("nobody calls it"), "{table}");
}
