//! Secrets that change: nothing is lost over it, operators hear of it once, and a new file needs no restart.

use std::path::PathBuf;

use epro_proving::client::phq9;
use epro_proving::sample_hospital::{Access, Client};
use epro_proving::{Hand, Inbox, SampleHospital, Stack, until};
use serde_json::{Value, json};

use super::stand::ONE;
use crate::support::{BOUND, ROUTINE, STUDY, counts, link, with};

const DONE: &str = "SELECT count(*) FROM ops.delivery WHERE state = 'done'";
const HARMED: &str = "SELECT (SELECT count(*) FROM ops.dead_letter)
    + (SELECT COALESCE(sum(attempts), 0) FROM ops.delivery)::bigint
    + (SELECT count(*) FROM ops.delivery_attempt WHERE charged)";

pub(super) struct Ground {
    pub(super) inbox: Inbox,
    pub(super) hospital: SampleHospital,
    pub(super) stack: Stack,
    secret: PathBuf,
}

/// One worker with every lane, an operator, and a hospital for which our secret is `old`.
pub(super) async fn ground(auth: impl FnOnce(&SampleHospital) -> Value, file_key: &str) -> Ground {
    let (inbox, hospital) = (Inbox::start().await.unwrap(), SampleHospital::start().await.unwrap());
    let secret = inbox.folder().join("secret");
    std::fs::write(&secret, "old\n").unwrap();
    let mut entry = hospital.by_fhir();
    entry["auth"] = auth(&hospital);
    entry["auth"][file_key] = json!(secret);
    entry["calls_per_second"] = json!(50.0);
    let ann = json!([{"name": "ann", "email": "ann@epro.example"}]);
    let stack = with(json!({
        "time_scale": 0.05,
        "worker": {"lanes": ["submissions", "dead", "relay", "commands", "alerts", "hospitals"]},
        "hospitals": {ONE: entry},
        "alerts": {
            "smtp": inbox.config(), "system": {"patience": "10s"},
            "operators": ann, "recipients": {"H001": ann, "H002": ann, "H003": ann, "H004": ann},
        },
    }))
    .await;
    Ground { inbox, hospital, stack, secret }
}

impl Ground {
    pub(super) async fn put(&self, count: usize) {
        let hand = Hand::on(&self.stack).await.unwrap();
        for number in 0..count {
            hand.put(ROUTINE, &format!("P-{number}"), &phq9(STUDY, ONE)).await.unwrap();
        }
    }

    /// How often operators were told something that begins so, once they were.
    async fn told(&self, subject: &str) -> usize {
        until(&format!("a mail {subject:?}"), BOUND, || async {
            let mails = self.inbox.mails()?;
            let count = mails.iter().filter(|mail| mail.subject.starts_with(subject)).count();
            Ok((count > 0).then_some(count))
        })
        .await
        .unwrap()
    }

    /// The hospital wants another secret, and we come to know it only after a while.
    async fn rotated(self, access: impl Fn(&str) -> Access, said: &str) {
        self.hospital.access(access("old"));
        let worker = self.stack.worker().await.unwrap();
        let link = link(&self.stack).await;
        self.put(3).await;
        counts(&link, DONE, 3).await;
        self.hospital.access(access("new"));
        self.put(30).await;
        assert_eq!(self.told("trouble: hospital-closed H001").await, 1);
        let seen = self.hospital.calls().len();
        until("more calls to be denied", BOUND, || async {
            Ok((self.hospital.calls().len() > seen + 3).then_some(()))
        })
        .await
        .unwrap();
        let (code, doctor, _) = self.stack.epro_status(&["doctor", "--json"]).await.unwrap();
        assert_eq!((code, link.count(DONE).await.unwrap()), (Some(1), 3), "{doctor}");
        assert!(doctor.contains("takes nothing from us") && doctor.contains(said), "{doctor}");
        std::fs::write(&self.secret, "new\n").unwrap();
        counts(&link, DONE, 33).await;
        assert_eq!(self.told("cleared: hospital-closed H001").await, 1);
        assert_eq!(self.told("trouble: hospital-closed").await, 1);
        assert_eq!(link.count(HARMED).await.unwrap(), 0);
        for secret in ["old", "new"] {
            assert!(!worker.output().contains(&format!("{secret}\"")), "{}", worker.output());
        }
    }
}

fn client(secret: &str) -> Access {
    let client = Client { id: "relay".to_owned(), secret: secret.to_owned(), token_life: 3600 };
    Access { client: Some(client), ..Access::default() }
}

fn oauth2(hospital: &SampleHospital) -> Value {
    json!({"kind": "oauth2", "token_url": hospital.token_url(), "client_id": "relay"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_alarms_once_and_with_the_new_file_everything_is_delivered_without_a_restart() {
    let ground = ground(|_| json!({"kind": "basic", "user": "relay"}), "password_file").await;
    let access =
        |secret: &str| Access { basic: Some(("relay".to_owned(), secret.to_owned())), ..Access::default() };
    ground.rotated(access, "401 Unauthorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_client_secret_alarms_once_and_with_the_new_file_everything_is_delivered_without_a_restart()
{
    ground(oauth2, "client_secret_file").await.rotated(client, "token endpoint: 401").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_withdrawn_costs_one_more_call_and_nothing_else() {
    let ground = ground(oauth2, "client_secret_file").await;
    ground.hospital.access(client("old"));
    let _worker = ground.stack.worker().await.unwrap();
    let link = link(&ground.stack).await;
    ground.put(1).await;
    counts(&link, DONE, 1).await;
    ground.hospital.access(client("old")); // and every token is worth nothing any more
    ground.put(1).await;
    counts(&link, DONE, 2).await;
    let other = "SELECT count(*) FROM ops.delivery_attempt WHERE outcome <> 'taken'";
    assert_eq!((link.count(other).await.unwrap(), link.count(HARMED).await.unwrap()), (0, 0));
    let calls = ground.hospital.calls();
    let fhir = |did: &str| calls.iter().filter(|call| call.kind == "fhir" && call.did == did).count();
    assert_eq!(calls.iter().filter(|call| call.kind == "fhir").count(), 3, "{calls:?}");
    assert_eq!(fhir("created"), 2, "{calls:?}");
}
