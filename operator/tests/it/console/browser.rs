//! The console in a real browser: `./dev console-test`.

use std::path::Path;
use std::time::Duration;

use epro_proving::client::phq9;
use epro_proving::services::{Services, host_port};
use epro_proving::stack::Plan;
use epro_proving::{Proxy, Stack, until};
use serde_json::json;
use tokio::process::Command;

const REFUSE: &str =
    "ALTER TABLE identified.submission ADD CONSTRAINT not_now CHECK (late AND NOT late) NOT VALID";
const ALLOW: &str = "ALTER TABLE identified.submission DROP CONSTRAINT not_now";
/// Fewer than what pauses a lane.
const REFUSED: i64 = 12;
/// Others, to look at.
const OTHERS: &str = "\
INSERT INTO ops.dead_letter (lane, queue, message_id, content_sha256, class, stage, detail, site_id, study_id,
    instrument, body, wrapped, headers, times, last_at)
SELECT 'submissions', 'epro.submissions.routine', gen_random_uuid(), sha256('x'),
    (ARRAY['conflict', 'stale', 'unknown'])[1 + n % 3], 'commit', (ARRAY['same id, other content',
    'its base has a successor', 'instrument'])[1 + n % 3], 'H00' || 1 + n % 4, 'ONC-301', 'phq-9|1.0', '\\x00', true,
    '{}', 1, now() - n * interval '7 minutes'
FROM generate_series(1, 70) AS n";
const OPEN: &str = "SELECT count(*) FROM ops.dead_letter WHERE class = 'refused' AND state = 'open'";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and Node: ./dev console-test"]
async fn an_operator_signs_in_filters_reveals_redrives_and_pauses_in_a_browser() {
    let lanes = json!(["submissions", "dead", "relay", "commands", "alerts", "hospitals"]);
    let services = Services::from_env().unwrap();
    let postgres = Proxy::to(&host_port(&services.database).unwrap()).await.unwrap();
    let config = json!({"worker": {"lanes": lanes}});
    let plan = Plan { config, postgres: Some(postgres.address()), ..Plan::default() };
    let stack = Stack::with(plan).await.unwrap();
    let link = stack.database().connect().await.unwrap();
    let (api, _worker, console) =
        (stack.api().await.unwrap(), stack.worker().await.unwrap(), stack.console().await.unwrap());
    let client = stack.client(&api).unwrap();
    for site in ["H001", "H002", "H004"] {
        let mut dangerous = phq9("ONC-301", site);
        dangerous["answers"]["44260-8"] = 2.into();
        assert_eq!(client.submit("P-Other", &dangerous).await.unwrap().status, 202);
    }
    link.client.batch_execute(OTHERS).await.unwrap();
    let stored = || async {
        Ok::<_, anyhow::Error>((link.count("SELECT count(*) FROM ops.alert").await? == 3).then_some(()))
    };
    until("three alerts", Duration::from_secs(30), stored).await.unwrap();
    link.client.batch_execute(REFUSE).await.unwrap();
    for _ in 0..REFUSED {
        assert_eq!(client.submit("P-Quillon", &phq9("ONC-301", "H004")).await.unwrap().status, 202);
    }
    let refused = || async { Ok::<_, anyhow::Error>((link.count(OPEN).await? == REFUSED).then_some(())) };
    until("all to be refused", Duration::from_secs(60), refused).await.unwrap();
    link.client.batch_execute(ALLOW).await.unwrap();

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shots = root.join(".dev/console");
    std::fs::create_dir_all(&shots).unwrap();
    let minter = stack.minter();
    let ann = minter.operator("ann.operator", &["viewer", "operator", "steward"]).unwrap();
    let vic = minter.operator("vic.viewer", &["viewer"]).unwrap();
    let drive = async |script: &str| {
        let driven = Command::new("node")
            .arg(root.join("proving/console").join(script))
            .env("CONSOLE_URL", console.url())
            .env("CONSOLE_TOKEN", &ann)
            .env("CONSOLE_VIEWER", &vic)
            .env("CONSOLE_PATIENT", "P-Quillon")
            .env("CONSOLE_SHOTS", &shots)
            .kill_on_drop(true)
            .status();
        let driven = tokio::time::timeout(Duration::from_secs(420), driven).await.unwrap().unwrap();
        assert!(driven.success(), "{script}; the console said:\n{}", console.output());
    };
    drive("console.mjs").await;
    postgres.cut();
    drive("down.mjs").await;
    let stored = "SELECT count(*) FROM identified.submission";
    assert_eq!(link.count(stored).await.unwrap(), REFUSED + 3);
    let revealed = "SELECT count(*) FROM audit.event WHERE action = 'dead_letter.revealed'
                    AND actor = 'operator:ann.operator' AND details ->> 'reason' = 'the site asked what was sent'";
    assert_eq!(link.count(revealed).await.unwrap(), 1);
    assert!(!console.output().contains("P-Quillon"), "{}", console.output());
}
