//! Against a hospital that shares no code with us.

mod fhir;
mod mllp;
mod tls;

use std::path::PathBuf;

use epro_process::config::{Config, Problem};
use epro_proving::SampleHospital;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::hospitals::document::sample::Sample;

/// Long enough for an answer on a busy machine.
const PATIENT: &str = "20s";
/// Long enough to ask, and to be left without an answer.
const SHORT: &str = "500ms";

/// A folder of a test's own, which goes away with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("epro-caller-{}", Uuid::now_v7().simple()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A caller for an entry of `hospitals`, or what is wrong with it.
fn try_caller(mut entry: Value, timeout: &str) -> Result<Caller, Vec<Problem>> {
    entry["timeout"] = json!(timeout);
    let text = json!({
        "broker": {"url": "amqp://a:b@127.0.0.1/v"},
        "postgres": {"url": "postgres://a@127.0.0.1/p"},
        "sites": {"H001": {}},
        "hospitals": {"H001": entry},
    });
    let folder = Folder::new();
    let file = folder.write("config.yaml", &text.to_string());
    let config = Config::load(Some(file.as_ref()), [])?;
    Caller::new("H001", &config.hospitals["H001"])
}

fn caller(entry: Value, timeout: &str) -> Caller {
    try_caller(entry, timeout).unwrap()
}

fn phq9() -> Sample {
    Sample::phq9(&[2, 2, 2, 2, 1, 1, 2, 0, 0], false)
}

/// Calls with a document that has an id of its own.
async fn call_as(caller: &Caller, sample: &Sample, id: u128) -> Result<Taken, CallError> {
    let mut document = sample.document();
    document.id = Uuid::from_u128(id << 48);
    document.root = document.id;
    caller.call(&document).await
}

fn did(hospital: &SampleHospital) -> Vec<String> {
    hospital.calls().into_iter().map(|call| call.did).collect()
}
