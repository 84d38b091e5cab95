use std::time::Duration;

use epro_proving::evening::{Evening, table};
use epro_proving::foreign::Manner;
use epro_proving::stack::Plan;
use epro_proving::{Inbox, SampleHospital, Stack};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_evening_ends_as_expected_also_the_second_time() {
    // Waits are five times shorter: an amendment waits for its base.
    let inbox = Inbox::start().await.unwrap();
    let (north, south) = (SampleHospital::start().await.unwrap(), SampleHospital::start().await.unwrap());
    let config = json!({
        "time_scale": 0.2,
        "worker": {"lanes": ["submissions", "dead", "relay", "commands", "alerts", "hospitals"]},
        "hospitals": {"H001": north.by_fhir(), "H002": south.by_fhir(), "H003": north.by_mllp()},
        "alerts": {"smtp": inbox.config(), "operators": [{"name": "ann", "email": "ann@epro.example"}]},
    });
    let stack = Stack::with(Plan { config, ..Plan::default() }).await.unwrap();
    let api = stack.api().await.unwrap();
    let (_one, _two) = (stack.worker().await.unwrap(), stack.worker().await.unwrap());
    let evening = Evening {
        api: api.url(),
        folder: stack.folder().to_owned(),
        database: stack.database().url().to_owned(),
        patience: Duration::from_secs(60),
        inbox: Some(inbox.folder().to_owned()),
        hospitals: vec![north.control(), south.control()],
        fails: Some(south.control()),
    };
    for _ in 0..2 {
        south.manner(Manner { status: Some(503), ..Manner::default() });
        let outcome = evening.run().await.unwrap();
        assert!(outcome.alerts.len() >= 4, "{:?}", outcome.alerts);
        assert!(outcome.deliveries.len() > 10, "{:?}", outcome.deliveries);
        let verdicts = outcome.verdicts;
        let surprises: Vec<_> =
            verdicts.into_iter().filter(|verdict| !verdict.surprises.is_empty()).collect();
        assert!(surprises.is_empty(), "\n{}", table(&surprises));
    }
}
