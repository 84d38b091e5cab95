//! A trail that is anchored, and checked from the database or away from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use epro_proving::Stack;
use epro_proving::stack::Plan;
use epro_store::Store;
use epro_store::audit::{AuditEvent, AuditFacts};
use serde_json::{Value, json};

use super::keys;

/// A trail that is anchored.
pub(super) struct Audited {
    pub(super) stack: Stack,
    secret: PathBuf,
    public: PathBuf,
    anchors: PathBuf,
}

impl Audited {
    pub(super) async fn new() -> Self {
        let stack = Stack::with(Plan { without_topology: true, ..Plan::default() }).await.unwrap();
        let (secret, public) = keys(stack.folder(), "audit");
        let anchors = stack.folder().join("anchors");
        Self { stack, secret, public, anchors }
    }

    pub(super) async fn anchor(&self) {
        let env = [
            ("EPRO__AUDIT__FOLDER", self.anchors.to_str().unwrap()),
            ("EPRO__AUDIT__SIGNING_KEY_FILE", self.secret.to_str().unwrap()),
        ];
        let (code, out, error) = self.stack.epro_with(&env, &["audit", "anchor"]).await.unwrap();
        assert_eq!(code, Some(0), "{out}{error}");
    }

    /// The database, for who writes into the trail.
    pub(super) fn store(&self) -> Store {
        Store::open(&self.stack.database().url().parse().unwrap(), 2)
    }

    /// Takes a copy.
    pub(super) async fn export(&self) -> PathBuf {
        let copy = self.stack.folder().join("copy.ndjson");
        let line = ["audit", "export", "--out", copy.to_str().unwrap(), "--reason", "inspection"];
        self.stack.epro(&line).await.unwrap();
        copy
    }

    /// Something that is in the trail.
    pub(super) async fn act(&self, verb: &str) {
        self.stack.epro(&[verb, "submissions.routine", "--reason", "a reason"]).await.unwrap();
    }

    /// What the command says of the database itself.
    pub(super) async fn verified_there(&self) -> Value {
        let keys = json!([self.public]).to_string();
        let env = [
            ("EPRO__AUDIT__FOLDER", self.anchors.to_str().unwrap()),
            ("EPRO__AUDIT__PUBLIC_KEY_FILES", &keys),
        ];
        let (_, out, error) = self.stack.epro_with(&env, &["audit", "verify", "--json"]).await.unwrap();
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"))
    }

    /// What the command says of a copy, away from the database.
    pub(super) fn verified(&self, copy: &Path, more: &[&str]) -> Value {
        let ran = self.offline(copy, &[&["--json"][..], more].concat());
        let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(ran.status.code(), Some(i32::from(said["holds"] == false)));
        said
    }

    pub(super) fn offline(&self, copy: &Path, more: &[&str]) -> std::process::Output {
        let mut command = Command::new(epro_proving::service::binary("epro").unwrap());
        command.args(["audit", "verify", "--events"]).arg(copy).arg("--anchors").arg(&self.anchors);
        command.arg("--public-key").arg(&self.public).args(more).env_clear().output().unwrap()
    }
}

/// So many events.
pub(super) fn noted(count: usize) -> Vec<AuditEvent> {
    let one =
        |number| AuditEvent::about("test.noted", "ok", AuditFacts::by("ann"), json!({"number": number}));
    (0..count).map(one).collect()
}
