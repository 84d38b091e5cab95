//! The certificate that a listener of ours shows, read anew when its files change.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_server::tls_rustls::RustlsConfig;

use crate::config::{Problem, ServerTls, told};
use crate::shutdown::Shutdown;
use crate::tls::server_config;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// The certificate as it is now; `path` is the section of the configuration.
///
/// # Errors
/// A problem for each file that can't be read or doesn't hold what it should, under `path`.
pub fn read(tls: &ServerTls, path: &str) -> Result<RustlsConfig, Vec<Problem>> {
    Ok(RustlsConfig::from_config(Arc::new(server_config(tls, path)?)))
}

/// Shows new connections the new certificate once its files changed and hold one. Whatever else is in them
/// changes nothing: the certificate that is shown goes on to be.
pub async fn follow(tls: ServerTls, path: &'static str, shown: RustlsConfig, shutdown: Shutdown) {
    let mut seen = changed(&tls);
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.requested() => return,
        }
        let now = changed(&tls);
        if now == seen {
            continue;
        }
        match server_config(&tls, path) {
            Ok(config) => {
                shown.reload_from_config(Arc::new(config));
                tracing::info!("the certificate was read anew");
            }
            // Half of a new pair may be written by now: another look follows when the other half is.
            Err(problems) => {
                tracing::error!(
                    problems = told(&problems),
                    "the new certificate can't be used, the old one is shown on"
                );
            }
        }
        seen = now;
    }
}

fn changed(tls: &ServerTls) -> [Option<SystemTime>; 3] {
    let at = |file: &Path| std::fs::metadata(file).and_then(|file| file.modified()).ok();
    [at(&tls.certificate_file), at(&tls.key_file), tls.client_ca_file.as_deref().and_then(at)]
}
