//! Copies of the trail that are older than the last anchor.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use epro_proving::Stack;
use epro_proving::stack::Plan;
use epro_store::audit::{AuditEvent, AuditFacts};
use epro_store::{AuditChain, Store};
use serde_json::{Value, json};
use uuid::Uuid;

use super::keys;

/// A trail that is anchored.
struct Audited {
    stack: Stack,
    secret: PathBuf,
    public: PathBuf,
    anchors: PathBuf,
}

impl Audited {
    async fn new() -> Self {
        let stack = Stack::with(Plan { without_topology: true, ..Plan::default() }).await.unwrap();
        let (secret, public) = keys(stack.folder(), "audit");
        let anchors = stack.folder().join("anchors");
        Self { stack, secret, public, anchors }
    }

    async fn anchor(&self) {
        let env = [
            ("EPRO__AUDIT__FOLDER", self.anchors.to_str().unwrap()),
            ("EPRO__AUDIT__SIGNING_KEY_FILE", self.secret.to_str().unwrap()),
        ];
        let (code, out, error) = self.stack.epro_with(&env, &["audit", "anchor"]).await.unwrap();
        assert_eq!(code, Some(0), "{out}{error}");
    }

    /// Something that is in the trail.
    async fn act(&self, verb: &str) {
        self.stack.epro(&[verb, "submissions.routine", "--reason", "a reason"]).await.unwrap();
    }

    /// What the command says of a copy, away from the database.
    fn verified(&self, copy: &Path, more: &[&str]) -> Value {
        let ran = self.offline(copy, &[&["--json"][..], more].concat());
        let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(ran.status.code(), Some(i32::from(said["holds"] == false)));
        said
    }

    fn offline(&self, copy: &Path, more: &[&str]) -> std::process::Output {
        let mut command = Command::new(epro_proving::service::binary("epro").unwrap());
        command.args(["audit", "verify", "--events"]).arg(copy).arg("--anchors").arg(&self.anchors);
        command.arg("--public-key").arg(&self.public).args(more).env_clear().output().unwrap()
    }
}

/// The writer of the only event of this action.
fn writer(text: &str, action: &str) -> Value {
    let line = text.lines().find(|line| line.contains(action)).unwrap();
    serde_json::from_str::<Value>(line).unwrap()["writer"].clone()
}

fn without(text: &str, actions: &[&str]) -> String {
    let kept = text.lines().filter(|line| !actions.iter().any(|action| line.contains(action)));
    kept.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_copy_holds_with_anchors_that_were_made_later_and_not_if_it_lacks_what_its_own_word_promises() {
    let audited = Audited::new().await;
    audited.act("pause").await;
    audited.anchor().await;
    audited.act("resume").await;
    audited.anchor().await;
    let copy = audited.stack.folder().join("copy.ndjson");
    let export = ["audit", "export", "--out", copy.to_str().unwrap(), "--reason", "inspection"];
    audited.stack.epro(&export).await.unwrap();
    for verb in ["pause", "resume"] {
        audited.act(verb).await;
        audited.anchor().await;
    }

    let said = audited.verified(&copy, &[]);
    assert_eq!((&said["holds"], &said["until_anchor"]), (&json!(true), &json!(2)), "{said}");
    assert_eq!((&said["anchors"], &said["later_anchors"]), (&json!(4), &json!(2)), "{said}");
    let told = String::from_utf8(audited.offline(&copy, &[]).stdout).unwrap();
    assert!(told.contains("2 later anchors were not asked whether something is missing"), "{told}");
    let strictly = audited.verified(&copy, &["--until-anchor", "4"]);
    assert_eq!(strictly["holds"], false, "whoever says that it goes further is believed: {strictly}");

    let text = std::fs::read_to_string(&copy).unwrap();
    let lost = writer(&text, "pause.ended");
    let broken = |said: &Value| {
        let faults = said["broken"].as_array().unwrap();
        faults.iter().map(|fault| fault["writer"].clone()).collect::<Vec<_>>()
    };
    std::fs::write(&copy, without(&text, &["pause.ended"])).unwrap();
    assert_eq!(broken(&audited.verified(&copy, &[])), std::slice::from_ref(&lost));
    // Whoever takes its word away, too, is asked for everything, and for what the auditor knows that it has to have.
    std::fs::write(&copy, without(&text, &["pause.ended", "audit.exported", "audit.anchored"])).unwrap();
    let said = audited.verified(&copy, &[]);
    assert!(said["holds"] == false && broken(&said).contains(&lost), "{said}");
    assert!(said["extent"].as_str().unwrap().contains("--until-anchor"), "{said}");
    let said = audited.verified(&copy, &["--until-anchor", "2"]);
    assert!(said["holds"] == false && broken(&said).contains(&lost), "{said}");

    // A copy as it was before it said how far it goes.
    std::fs::write(&copy, without(&text, &["audit.exported"])).unwrap();
    assert_eq!(audited.verified(&copy, &[])["holds"], false);
    assert_eq!(audited.verified(&copy, &["--until-anchor", "2"])["holds"], true);
}

fn noted(count: usize) -> Vec<AuditEvent> {
    let one =
        |number| AuditEvent::about("test.noted", "ok", AuditFacts::by("ann"), json!({"number": number}));
    (0..count).map(one).collect()
}

#[tokio::test]
async fn a_copy_holds_although_chains_grew_and_an_anchor_was_made_while_it_was_written() {
    let audited = Audited::new().await;
    let store = Store::open(&audited.stack.database().url().parse().unwrap(), 2);
    // The first chain of a copy, more than a page and than whoever writes it keeps in hand; and the last one.
    let mut first = AuditChain::of(Uuid::from_u128(1), "the first");
    let mut last = AuditChain::of(Uuid::from_u128(u128::MAX), "the last");
    store.record(&mut first, &noted(6_000)).await.unwrap();
    store.record(&mut last, &noted(1)).await.unwrap();
    audited.anchor().await;

    let mut command = Command::new(epro_proving::service::binary("epro").unwrap());
    command.arg("--config").arg(audited.stack.config());
    command.args(["audit", "export", "--reason", "inspection"]).stdout(Stdio::piped());
    let mut export = command.spawn().unwrap();
    let (mut out, mut text) = (export.stdout.take().unwrap(), vec![0]);
    out.read_exact(&mut text).unwrap();
    // It has read a page, and waits until somebody takes it.
    store.record(&mut first, &noted(1)).await.unwrap();
    store.record(&mut last, &noted(1)).await.unwrap();
    audited.anchor().await;
    out.read_to_end(&mut text).unwrap();
    assert!(export.wait().unwrap().success());

    let copy = audited.stack.folder().join("copy.ndjson");
    std::fs::write(&copy, &text).unwrap();
    let said = audited.verified(&copy, &[]);
    assert_eq!((&said["holds"], &said["broken"]), (&json!(true), &json!([])), "{said}");
    assert_eq!((&said["until_anchor"], &said["later_anchors"]), (&json!(1), &json!(1)), "{said}");
}
