//! What `kubectl kustomize` makes of a folder. It asks no cluster and no network.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::objects::Objects;

/// The oldest kubectl whose kustomize knows all that is used here.
const OLDEST: (u64, u64) = (1, 30);

/// Why overlays can't be rendered here; `None` when they can.
pub async fn missing() -> Option<String> {
    let asked = Command::new("kubectl").args(["version", "--client", "--output=json"]).output().await;
    let Ok(answer) = asked else { return Some("there is no kubectl here".into()) };
    let version: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
    let part = |name: &str| {
        let text = version["clientVersion"][name].as_str().unwrap_or_default();
        text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap_or(0)
    };
    let found = (part("major"), part("minor"));
    (found < OLDEST).then(|| format!("kubectl {}.{} is older than 1.30", found.0, found.1))
}

/// Whether overlays can be rendered here. Where they can't, it says so past whoever captures what a test prints.
pub async fn here() -> bool {
    let missing = missing().await;
    if let Some(missing) = &missing {
        let _ = writeln!(std::io::stderr(), "SKIPPED: the manifests were not checked: {missing}");
    }
    missing.is_none()
}

/// All objects of an overlay.
pub async fn render(overlay: &Path) -> Result<Objects> {
    let ran = Command::new("kubectl").arg("kustomize").arg(overlay).output().await.context("run kubectl")?;
    ensure!(ran.status.success(), "{}: {}", overlay.display(), String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout)?;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).context("what kubectl rendered")?;
    ensure!(!objects.is_empty(), "{} renders nothing", overlay.display());
    Ok(Objects(objects))
}
