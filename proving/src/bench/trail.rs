//! `epro audit verify` over a copy of the audit trail, beside what nobody can do without who checks such a file: reading
//! each line, parsing it as JSON, and one SHA-256.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::anchoring::Anchoring;
use super::ground::{Cargo, Ground};
use crate::until;

/// How often the same messages come: each time each of them is an event of the trail.
const TIMES: usize = 4;
/// What the worker has written; an anchor's own event is none of it.
const WRITTEN: &str = "SELECT count(*) FROM audit.event WHERE action <> 'audit.anchored'";
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

/// Lets a worker write a trail that is anchored meanwhile, copies it by `epro audit export`, and checks the copy.
pub async fn measure(ground: &Ground, cargo: &Cargo) -> Result<Trail> {
    let anchoring = Anchoring::new(&ground.stack)?;
    written(ground, cargo, &anchoring).await?;
    let path = ground.stack.folder().join("trail.ndjson");
    let file = path.display().to_string();
    ground.stack.epro(&["audit", "export", "--out", &file, "--reason", "the bench"]).await?;
    ground.empty(cargo.site).await?;
    let anchors = anchoring.arguments();
    let mut line = vec!["audit", "verify", "--json", "--events", file.as_str()];
    line.extend(anchors.iter().map(String::as_str));
    let mut trail = Trail { events: 0, ours: Vec::new(), bare: Vec::new() };
    for _ in 0..ROUNDS {
        let began = Instant::now();
        trail.events = bare(&path)?;
        trail.bare.push(trail.events as f64 / began.elapsed().as_secs_f64());
        let began = Instant::now();
        let said = ground.stack.epro(&line).await?;
        trail.ours.push(trail.events as f64 / began.elapsed().as_secs_f64());
        let said: Value = serde_json::from_str(&said)?;
        ensure!(said["anchors"] == TIMES && said["events"] == trail.events, "not all was checked: {said}");
    }
    let wanted = TIMES * cargo.messages.len();
    ensure!(trail.events >= wanted, "{} events in the copy, not {wanted}", trail.events);
    std::fs::remove_file(&path)?;
    Ok(trail)
}

/// The same messages again and again, an anchor behind each time.
async fn written(ground: &Ground, cargo: &Cargo, anchoring: &Anchoring) -> Result<()> {
    let mut worker = ground.stack.worker().await?;
    for time in 1..=TIMES {
        ground.fill(&cargo.messages).await?;
        let wanted = time * cargo.messages.len();
        until("the trail to be written", Duration::from_secs(60 + wanted as u64 / 500), || async {
            Ok((ground.link.count(WRITTEN).await? >= wanted as i64).then_some(()))
        })
        .await?;
        anchoring.anchor(&ground.stack).await?;
    }
    ground.finish(&mut worker).await
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
