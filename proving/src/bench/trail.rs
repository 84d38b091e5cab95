//! `epro audit verify` over a copy of the audit trail, beside what nobody can do without who checks such a file: reading
//! each line, parsing it as JSON, and one SHA-256.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use serde::de::IgnoredAny;

use super::ground::{Cargo, Ground};
use crate::until;

/// How often the same messages come: each time each of them is an event of the trail.
const TIMES: usize = 4;
/// Checks and bare readings, by turns.
const ROUNDS: usize = 3;

/// Events a second.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Events in the file.
    pub events: usize,
    /// The whole command, from its start to its exit; one a round.
    pub ours: Vec<f64>,
    /// Read, parsed and hashed, nothing else; one a round.
    pub bare: Vec<f64>,
}

/// Lets a worker write a trail, copies it by `epro audit export`, and checks the copy.
pub async fn measure(ground: &Ground, cargo: &Cargo) -> Result<Trail> {
    let wanted = TIMES * cargo.messages.len();
    let mut worker = ground.stack.worker().await?;
    for _ in 0..TIMES {
        ground.fill(&cargo.messages).await?;
    }
    until("the trail to be written", Duration::from_secs(60 + wanted as u64 / 500), || async {
        Ok((ground.link.count("SELECT count(*) FROM audit.event").await? >= wanted as i64).then_some(()))
    })
    .await?;
    ground.finish(&mut worker).await?;
    let path = ground.stack.folder().join("trail.ndjson");
    let file = path.display().to_string();
    ground.stack.epro(&["audit", "export", "--out", &file, "--reason", "the bench"]).await?;
    ground.empty(cargo.site).await?;
    let anchors = ground.stack.folder().join("no-anchors").display().to_string();
    let mut trail = Trail { events: 0, ours: Vec::new(), bare: Vec::new() };
    for _ in 0..ROUNDS {
        let began = Instant::now();
        trail.events = bare(&path)?;
        trail.bare.push(trail.events as f64 / began.elapsed().as_secs_f64());
        let began = Instant::now();
        ground.stack.epro(&["audit", "verify", "--events", &file, "--anchors", &anchors]).await?;
        trail.ours.push(trail.events as f64 / began.elapsed().as_secs_f64());
    }
    ensure!(trail.events >= wanted, "{} events in the copy, not {wanted}", trail.events);
    std::fs::remove_file(&path)?;
    Ok(trail)
}

/// How many lines there are. What they say and hash to is of no interest, but has to be found out.
fn bare(path: &Path) -> Result<usize> {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(path)?);
    let (mut line, mut count) = (Vec::new(), 0);
    while lines.read_until(b'\n', &mut line)? > 0 {
        serde_json::from_slice::<IgnoredAny>(&line)?;
        std::hint::black_box(digest(&SHA256, &line));
        line.clear();
        count += 1;
    }
    Ok(count)
}
