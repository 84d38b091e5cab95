use std::time::Duration;

use epro_proving::Stack;
use epro_proving::evening::{Evening, table};
use epro_proving::stack::Plan;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_evening_ends_as_expected_also_the_second_time() {
    // Waits are five times shorter: an amendment waits for its base.
    let stack = Stack::with(Plan { config: json!({"time_scale": 0.2}), ..Plan::default() }).await.unwrap();
    let api = stack.api().await.unwrap();
    let (_one, _two) = (stack.worker().await.unwrap(), stack.worker().await.unwrap());
    let evening = Evening {
        api: api.url(),
        folder: stack.folder().to_owned(),
        database: stack.database().url().to_owned(),
        patience: Duration::from_secs(60),
    };
    for _ in 0..2 {
        let verdicts = evening.run().await.unwrap();
        let surprises: Vec<_> =
            verdicts.into_iter().filter(|verdict| !verdict.surprises.is_empty()).collect();
        assert!(surprises.is_empty(), "\n{}", table(&surprises));
    }
}
