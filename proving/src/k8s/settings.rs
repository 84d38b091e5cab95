//! What our programs make of the configuration that a pod gives them: `epro config check` is run with the pod's own
//! files and environment, once for each container of ours.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;
use uuid::Uuid;

use super::objects::{Objects, containers, is_ours, list, name, pod, program};
use crate::certificates::self_signed;
use crate::service::binary;

/// A public key, so that a file that should hold one does.
const PUBLIC_KEY: &str = include_str!("../../../producer-api/tests/keys/ed.pub.pem");
/// Where a pod finds its files.
const HOME: &str = "/etc/epro";

/// What is in force in one container of ours.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Name of its Deployment or Job.
    pub workload: Value,
    /// `epro-worker` and so on.
    pub program: String,
    /// The whole configuration in force, secrets hidden.
    pub config: Value,
}

impl Setting {
    /// A duration of it, in seconds.
    pub fn seconds(&self, section: &str, key: &str) -> Option<f64> {
        seconds(self.config[section][key].as_str()?)
    }

    /// The lanes that it runs; none if it isn't a worker.
    pub fn lanes(&self) -> Vec<&str> {
        match self.program.as_str() {
            "epro-worker" => list(&self.config["worker"]["lanes"]).filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

fn seconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit].parse().ok()?;
    Some(
        number
            * match &text[unit..] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            },
    )
}

/// The settings of all containers of ours, and why some of them would refuse to start.
pub async fn of(objects: &Objects) -> Result<(Vec<Setting>, Vec<String>)> {
    let (mut settings, mut problems) = (Vec::new(), Vec::new());
    let samples = Samples::new()?;
    for workload in objects.workloads() {
        let folder = std::env::temp_dir().join(format!("epro-pod-{}", Uuid::now_v7().simple()));
        let laid = samples.lay(objects, pod(workload), &folder);
        for container in containers(pod(workload)).filter(|container| is_ours(container)) {
            if let Err(error) = &laid {
                problems.push(format!("{}: {error:#}", name(workload)));
                continue;
            }
            match understood(objects, &samples, container, &folder).await? {
                Ok(config) => settings.push(Setting {
                    workload: workload["metadata"]["name"].clone(),
                    program: program(container).to_owned(),
                    config,
                }),
                Err(refused) if is_audit(container) && lacks_alone(&refused, &NO_AUDITORS) => {}
                Err(refused) => problems.push(format!("{}: config check: {refused}", name(workload))),
            }
        }
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok((settings, problems))
}

/// Lanes that call somebody outside.
const CALLERS: [&str; 3] = ["hospitals", "alerts", "risk"];
/// Whether a container reads the files of a section.
type Reads = fn(&Value) -> bool;
/// Sections whose files only some containers read, and which.
const THEIRS: [(&str, Reads); 5] = [
    ("hospitals.", calls),
    ("alerts.", calls),
    ("studies.", calls),
    ("intake.tls.", is_door),
    ("console.tls.", is_console),
];

/// What a command of an auditor's needs nothing of, although `epro config check` misses it. A pod that signs what others
/// wrote holds none of their keys.
const NO_AUDITORS: [&str; 4] = ["keys.", "auth.", "studies", "sites"];

/// Whether it runs a command of an auditor's.
fn is_audit(container: &Value) -> bool {
    program(container) == "epro" && list(&container["command"]).any(|word| word == "audit")
}

/// Whether all that is refused is in these sections.
fn lacks_alone(refused: &str, sections: &[&str]) -> bool {
    refused.lines().skip(1).all(|line| sections.iter().any(|section| line.trim().starts_with(section)))
}

/// What is in force in a container. `epro config check` also reads the files that only those read who call hospitals,
/// tell people or ask risk models, and those of the certificates that door and console show: where a container does none
/// of that, it is asked again with those files of the others. That such a process starts without them
/// `worker/tests/it/files.rs` shows.
async fn understood(
    objects: &Objects,
    samples: &Samples,
    container: &Value,
    folder: &Path,
) -> Result<Result<Value, String>> {
    let refused = match checked(objects, container, folder).await? {
        Err(refused) => refused,
        Ok(config) => return Ok(Ok(config)),
    };
    let is_others = |line: &str| {
        THEIRS.iter().any(|(section, reads)| !reads(container) && line.trim().starts_with(section))
    };
    if !refused.lines().skip(1).all(is_others) {
        return Ok(Err(refused));
    }
    let reads = |container: &Value| THEIRS.iter().any(|(_, reads)| reads(container));
    for workload in objects.workloads().filter(|workload| containers(pod(workload)).any(reads)) {
        samples.lay(objects, pod(workload), folder)?;
    }
    checked(objects, container, folder).await
}

/// Whether it shows clients the door's certificate.
fn is_door(container: &Value) -> bool {
    program(container) == "epro-producer-api"
}

/// Whether it shows browsers a certificate.
fn is_console(container: &Value) -> bool {
    program(container) == "epro" && list(&container["command"]).any(|word| word == "console")
}

/// Whether it runs a lane that calls somebody outside.
fn calls(container: &Value) -> bool {
    let lanes = list(&container["env"]).find(|variable| variable["name"] == "EPRO__WORKER__LANES");
    let lanes = lanes.and_then(|lanes| lanes["value"].as_str()).unwrap_or("hospitals, alerts, risk");
    program(container) == "epro-worker" && CALLERS.iter().any(|lane| lanes.contains(lane))
}

/// What secrets that aren't part of the manifests may hold.
struct Samples {
    /// PEM of a certificate, and of its key.
    own: (String, String),
}

impl Samples {
    fn new() -> Result<Self> {
        Ok(Self { own: self_signed("door.example")? })
    }

    /// Writes the files of a pod's projected volumes as the kubelet would.
    fn lay(&self, objects: &Objects, pod: &Value, folder: &Path) -> Result<()> {
        for source in list(&pod["volumes"]).flat_map(|volume| list(&volume["projected"]["sources"])) {
            if let Some(config) = source.get("configMap") {
                let map = objects.named("ConfigMap", &config["name"]);
                let map = map.with_context(|| format!("there is no ConfigMap {}", config["name"]))?;
                for (file, text) in map["data"].as_object().into_iter().flatten() {
                    write(&folder.join(file), text.as_str().unwrap_or_default())?;
                }
            }
            let secret = objects.named("Secret", &source["secret"]["name"]);
            for item in list(&source["secret"]["items"]) {
                let key = item["key"].as_str().unwrap_or_default();
                let written = secret
                    .and_then(|secret| secret["data"][key].as_str())
                    .and_then(crate::sample::from_base64);
                let text = match written {
                    Some(bytes) => String::from_utf8(bytes)?,
                    None => self.of(key, item["path"].as_str().unwrap_or_default()),
                };
                write(&folder.join(item["path"].as_str().context("an item without a path")?), &text)?;
            }
        }
        Ok(())
    }

    /// What may lie there. Secrets of kind TLS have the same keys everywhere; addresses say TLS, so that no
    /// configuration needs `insecure` for them.
    fn of(&self, key: &str, path: &str) -> String {
        let after = path.rsplit('/').next().unwrap_or_default();
        match (key, after) {
            ("ca.crt" | "tls.crt", _) => self.own.0.clone(),
            ("tls.key", _) => self.own.1.clone(),
            (_, "broker-url") => "amqps://epro:s@broker.example:5671/epro".into(),
            (_, "management-url") => "https://epro:s@broker.example:15671".into(),
            (_, "postgres-url") => "postgres://epro:s@database.example:5432/epro?sslmode=verify-full".into(),
            _ if after.ends_with(".pem") => PUBLIC_KEY.into(),
            _ => crate::sample::base64(&[7; 32]),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("a file without a folder")?)?;
    Ok(std::fs::write(path, text)?)
}

/// Runs `epro config check` as the container would start its program; what is in force, or what is refused.
async fn checked(objects: &Objects, container: &Value, folder: &Path) -> Result<Result<Value, String>> {
    let home = folder.display().to_string();
    let mut command = Command::new(binary("epro")?);
    command.env_clear();
    let file =
        list(&container["command"]).filter_map(Value::as_str).skip_while(|word| *word != "--config").nth(1);
    command.arg("--config").arg(file.unwrap_or_default().replace(HOME, &home));
    for map in list(&container["envFrom"])
        .filter_map(|from| objects.named("ConfigMap", &from["configMapRef"]["name"]))
    {
        for (key, value) in map["data"].as_object().into_iter().flatten() {
            command.env(key, value.as_str().unwrap_or_default().replace(HOME, &home));
        }
    }
    for variable in list(&container["env"]) {
        let text = |key: &str| variable[key].as_str().unwrap_or_default();
        command.env(text("name"), text("value").replace(HOME, &home));
    }
    let ran = command.args(["--json", "config", "check"]).output().await.context("run epro config check")?;
    Ok(match ran.status.success() {
        true => Ok(serde_json::from_slice(&ran.stdout).context("what epro config check prints")?),
        false => Err(String::from_utf8_lossy(&ran.stderr).trim().replace(&home, HOME)),
    })
}
