//! `epro audit verify`: whether the trail is what it was, from the database or from a copy of it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use epro_process::config::{AuditConfig, ObjectsPlace};
use epro_process::objects::Objects;
use epro_schemas::audit::event::Line;
use epro_schemas::audit::verifier::{Findings, Verifier};
use epro_store::Store;
use serde_json::json;
use uuid::Uuid;

use super::anchor;
use super::place::Place;
use crate::arguments::AuditVerify;
use crate::outside::{Misconfigured, Outside};
use crate::screen;

/// Unreadable lines that are named one by one.
const NAMED: usize = 20;

/// Checks, and says what doesn't hold. Exit code 1 if anything doesn't.
pub(crate) async fn verify(
    outside: &Outside<'_>,
    wanted: &AuditVerify,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let keys = match &wanted.public_key[..] {
        [] => outside.config.audit.public_keys(),
        files => {
            AuditConfig { public_key_files: files.to_vec(), ..outside.config.audit.clone() }.public_keys()
        }
    };
    let keys = keys.map_err(Misconfigured)?;
    let place = match &wanted.anchors {
        Some(folder) => {
            Place(Objects::new(&ObjectsPlace::Folder(folder.clone()), "--anchors").map_err(Misconfigured)?)
        }
        None => anchor::place(outside)?,
    };
    let begun = Instant::now();
    // Anchors first: events that are added meanwhile contradict none of them.
    let anchors = place.all(&keys).await?;
    let anchored = anchors.len();
    let mut verifier = Verifier::new(anchors);
    let unread = match &wanted.events {
        Some(file) => from_file(file, &mut verifier)?,
        None => {
            from_database(&outside.store()?, &mut verifier).await?;
            Vec::new()
        }
    };
    let mut findings = verifier.finish();
    for (number, digest) in findings.later.clone() {
        findings.judge_later(number, digest, place.one(number).await?.as_deref(), &keys);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let verified = Verified { findings, anchored, unread, seconds };
    if json {
        screen::json(&verified.json())?;
    } else {
        verified.told()?;
    }
    Ok(if verified.hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The numbers of lines that are no events: what was there is missing from its chain.
fn from_file(file: &Path, verifier: &mut Verifier) -> anyhow::Result<Vec<usize>> {
    let open = File::open(file).with_context(|| format!("{}", file.display()))?;
    let mut lines = BufReader::with_capacity(1 << 20, open);
    let (mut line, mut number, mut unread) = (Vec::with_capacity(1024), 0, Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(unread);
        }
        number += 1;
        match serde_json::from_slice::<Line<'_>>(&line) {
            Ok(event) => verifier.add(&event),
            Err(_) => unread.push(number),
        }
    }
}

async fn from_database(store: &Store, verifier: &mut Verifier) -> anyhow::Result<()> {
    let mut after = (Uuid::nil(), 0);
    loop {
        let page = store.audit_events(after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.writer, last.seq);
        page.iter().for_each(|event| verifier.add(event));
    }
}

/// What came of it.
struct Verified {
    findings: Findings,
    anchored: usize,
    /// The numbers of lines that are no events.
    unread: Vec<usize>,
    seconds: f64,
}

impl Verified {
    /// Without any anchor nobody vouches for anything: events that fit one another are easily made.
    fn hold(&self) -> bool {
        self.is_whole() && self.anchored > 0
    }

    fn is_whole(&self) -> bool {
        self.findings.hold() && self.unread.is_empty()
    }

    fn json(&self) -> serde_json::Value {
        let findings = &self.findings;
        let chains = findings.broken.iter().map(|fault| {
            json!({
                "writer": fault.writer, "first_bad": fault.first_bad, "vouched": fault.vouched,
                "what": fault.what.to_string(),
            })
        });
        let anchors = findings
            .anchors
            .iter()
            .map(|fault| json!({"anchor": fault.number, "what": fault.what.to_string()}));
        json!({
            "holds": self.hold(),
            "events": findings.events, "chains": findings.chains, "anchors": self.anchored,
            "unanchored": findings.unanchored, "seconds": self.seconds,
            "broken": chains.collect::<Vec<_>>(), "broken_anchors": anchors.collect::<Vec<_>>(),
            "unread_lines": self.unread,
        })
    }

    fn told(&self) -> anyhow::Result<()> {
        let findings = &self.findings;
        for line in self.unread.iter().take(NAMED) {
            screen::line(format!("line {line} is no event"))?;
        }
        if self.unread.len() > NAMED {
            screen::line(format!("… and {} lines more", self.unread.len() - NAMED))?;
        }
        for fault in &findings.anchors {
            screen::line(format!("anchor {} {}", fault.number, fault.what))?;
        }
        for fault in &findings.broken {
            let vouched = match fault.vouched {
                0 => "no anchor vouches for any before it".to_owned(),
                seq => format!("an anchor vouches for all up to {seq}"),
            };
            screen::line(format!(
                "chain {}, event {}: {}; {vouched}",
                fault.writer, fault.first_bad, fault.what
            ))?;
        }
        let verdict = match (self.is_whole(), self.anchored) {
            (false, _) => "THE TRAIL DOESN'T HOLD",
            (true, 0) => "NO ANCHOR IS THERE TO VOUCH FOR THE TRAIL",
            (true, _) => "the trail holds",
        };
        screen::line(format!(
            "{verdict}: {} events of {} chains, {} anchors, {} events behind the last anchor; {:.1} s, {:.0} events/s",
            findings.events,
            findings.chains,
            self.anchored,
            findings.unanchored,
            self.seconds,
            findings.events as f64 / self.seconds.max(1e-9),
        ))?;
        Ok(())
    }
}
