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
use epro_schemas::audit::verifier::{Asked, Findings, Verifier};
use epro_store::Store;
use serde_json::json;

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
    let mut unread = Vec::new();
    let verifier = match &wanted.events {
        Some(file) => {
            let mut verifier = Verifier::of_copy(anchors, wanted.until_anchor);
            unread = from_file(file, &mut verifier)?;
            verifier
        }
        None => from_database(&outside.store()?, Verifier::new(anchors)).await?,
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

async fn from_database(store: &Store, mut verifier: Verifier) -> anyhow::Result<Verifier> {
    let mut trail = store.audit_events();
    loop {
        let page = trail.next_events().await?;
        if page.is_empty() {
            return Ok(verifier);
        }
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
        self.is_whole() && self.is_vouched()
    }

    /// Whether there is an anchor up to where the trail goes.
    fn is_vouched(&self) -> bool {
        self.anchored > self.findings.unasked
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
            "until_anchor": self.until(), "later_anchors": findings.unasked, "extent": self.extent(),
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
        let verdict = match (self.is_whole(), self.is_vouched()) {
            (false, _) => "THE TRAIL DOESN'T HOLD",
            (true, false) => "NO ANCHOR IS THERE TO VOUCH FOR THE TRAIL",
            (true, true) => "the trail holds",
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
        self.extent().map_or(Ok(()), screen::line)
    }

    /// The anchor up to which a copy was asked for everything, if not up to the last.
    fn until(&self) -> Option<u64> {
        match self.findings.asked {
            Asked::UpTo(anchor) => Some(anchor),
            Asked::All | Asked::AllForWantOfWord | Asked::AllAgainstWord(_) => None,
        }
    }

    /// Up to where a copy was asked for everything, and why up to there.
    fn extent(&self) -> Option<String> {
        let all = "every anchor was asked whether something is missing; if the copy is older than the last of them, \
                   say by --until-anchor up to which it goes";
        match self.findings.asked {
            Asked::All => None,
            Asked::UpTo(anchor) => Some(format!(
                "a copy up to anchor {anchor}: {} later anchors were not asked whether something is missing",
                self.findings.unasked
            )),
            Asked::AllForWantOfWord => {
                Some(format!("the copy doesn't say up to which anchor it goes: {all}"))
            }
            Asked::AllAgainstWord(anchor) => Some(format!(
                "the copy says that it goes up to anchor {anchor}, but later anchors don't have the event that says \
                 so: {all}"
            )),
        }
    }
}
