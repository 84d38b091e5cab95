//! What a recorded run says of itself: by which command, when, of which commit, on what.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::database::Link;
use crate::vhost::Management;

/// What takes a file, and says nothing of the run.
const FILES: [&str; 2] = ["--json", "--measured"];

/// The head of a run of that command, as people type it.
pub fn head(command: &str, machine: Value) -> Map<String, Value> {
    let commit = std::env::var("EPRO_TEST_COMMIT").ok().filter(|commit| !commit.is_empty());
    [
        ("command", json!(typed(command, std::env::args().skip(1)))),
        ("at", json!(OffsetDateTime::now_utc().date().to_string())),
        ("commit", json!(commit.unwrap_or_else(|| "unknown".to_owned()))),
        ("machine", machine),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// How many cores and which versions.
pub async fn machine(management: &Management, link: &Link) -> Result<Value> {
    let overview = management.get("/api/overview").await?;
    let postgres: String = link.client.query_one("SHOW server_version", &[]).await?.get(0);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    Ok(json!({
        "cores": std::thread::available_parallelism().context("cores")?.get(),
        "cpu": model.trim_start_matches([' ', '\t', ':']),
        "rabbitmq": overview["rabbitmq_version"],
        "postgresql": postgres,
    }))
}

fn typed(command: &str, mut arguments: impl Iterator<Item = String>) -> String {
    let mut line = format!("./dev {command}");
    while let Some(argument) = arguments.next() {
        let (name, inside) = argument.split_once('=').map_or((&*argument, false), |(name, _)| (name, true));
        if !FILES.contains(&name) {
            line.push(' ');
            line.push_str(&argument);
        } else if !inside {
            // Its value.
            arguments.next();
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_run_is_written_to_is_no_part_of_its_command() {
        let words = ["--growth", "--json", "docs/x.json", "--rounds", "3", "--measured=y.json"];
        assert_eq!(typed("bench", words.map(str::to_owned).into_iter()), "./dev bench --growth --rounds 3");
    }
}
