//! Seal keys are rotated without a restart: the configuration is looked at again, and what it says of them is in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use epro_schemas::seal::KeyRing;

use crate::config::{Config, KeysConfig, environment};
use crate::shutdown::Shutdown;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Follows `keys.seal` of the configuration at `path`, and the files that it names. What is wrong there changes
/// nothing: the keys that are in use go on to be.
pub async fn follow(path: Option<PathBuf>, keys: KeysConfig, ring: Arc<KeyRing>, shutdown: Shutdown) {
    follow_into(path, keys, move |new| ring.replace(new), shutdown).await;
}

/// The same for whoever may have no keys yet: `take` gets each ring that can be read.
pub async fn follow_into(
    path: Option<PathBuf>,
    keys: KeysConfig,
    take: impl Fn(KeyRing),
    shutdown: Shutdown,
) {
    let Some(path) = path else { return };
    let mut keys = keys;
    let mut seen = changed(&path, &keys);
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.requested() => return,
        }
        let now = changed(&path, &keys);
        if now == seen {
            continue;
        }
        let (config, problems) = Config::read(Some(&path), environment());
        let of_keys = |problem: &&crate::config::Problem| problem.path.starts_with("keys.seal");
        match config.keys.ring() {
            Ok(new) if !problems.iter().any(|problem| of_keys(&problem)) => {
                tracing::info!(current = new.current_id(), "the seal keys were read anew");
                take(new);
                keys = config.keys;
            }
            _ => tracing::error!(
                "keys.seal can't be read anew, the keys in use stay: epro config check says why"
            ),
        }
        // Files that are named now and weren't before count from here on.
        seen = changed(&path, &keys);
    }
}

fn changed(path: &Path, keys: &KeysConfig) -> Vec<Option<SystemTime>> {
    let at = |file: &Path| std::fs::metadata(file).and_then(|file| file.modified()).ok();
    std::iter::once(path).chain(keys.seal_files.values().map(PathBuf::as_path)).map(at).collect()
}
