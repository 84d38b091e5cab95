//! The section of docs/PROOF.md, and what README.md has of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Record, in_all, sorted};
use crate::faults::judge::Account;
use crate::faults::plan::{HOPS, HOW};
use crate::faults::struck::Struck;
use crate::journal::NOTHING;

/// What is asked of the runs together: so many of at least a minute each, and so many faults in all.
const RUNS: usize = 60;
const SECONDS: f64 = 60.0;
const FAULTS: usize = 1_000;

/// What the runs came to.
pub(super) fn section(records: &[Record], plot: &str) -> String {
    if records.is_empty() {
        return NOTHING.to_owned();
    }
    let all = in_all(records);
    let mut out = summary(records, &all);
    let _ = write!(out, "\n{}\n{}\n", asked(records, &all), by_version(records));
    let _ = write!(out, "![faults by kind]({plot})\n\n{}", counted(records));
    out.push_str("\n| fault | times |\n|---|---|\n");
    for (kind, count) in sorted(&all.faults) {
        let _ = writeln!(out, "| {kind} | {count} |");
    }
    let _ = write!(out, "\n{}\n{}", by_hop(&all), beside(&all));
    let left_out: BTreeSet<&String> = records.iter().flat_map(|record| &record.setting.left_out).collect();
    for one in left_out {
        let _ = writeln!(out, "\nLeft out in some runs: {one}.");
    }
    for record in records {
        if let Some(wrong) = &record.wrong {
            let first = wrong.lines().next().unwrap_or_default();
            let _ = writeln!(out, "\n**Not as promised**, seed {}: {first}", record.seed);
        }
    }
    out
}

/// The same in a few words, for README.md. Whether anything was lost is known of the runs that were as promised.
pub(super) fn in_short(records: &[Record]) -> String {
    if records.is_empty() {
        return NOTHING.to_owned();
    }
    let (runs, well, faults) = (records.len(), as_promised(records), in_all(records).count());
    let mut out = format!("{faults} faults in {runs} runs: **{well} of {runs} as promised**.");
    if well > 0 {
        let accepted = sum(records, |account| account.accepted);
        let these = if well == runs { "" } else { " in these" };
        let _ = write!(
            out,
            " Of {accepted} submissions that were answered 202{these} **none was lost**: each is stored once, byte for \
             byte, or set aside for a human.",
        );
    }
    if well < runs {
        let _ = write!(out, " What was wrong in {}: [PROOF](docs/PROOF.md#faults).", runs - well);
    }
    out.push('\n');
    out
}

fn as_promised(records: &[Record]) -> usize {
    records.iter().filter(|record| record.wrong.is_none()).count()
}

/// Over the runs that were as promised.
fn sum(records: &[Record], of: fn(&Account) -> usize) -> usize {
    records.iter().filter_map(|record| record.account.as_ref()).map(of).sum()
}

fn summary(records: &[Record], all: &Struck) -> String {
    let (faults, well) = (all.count(), as_promised(records));
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let days = |record: &Record| record.at.get(..10).unwrap_or_default().to_owned();
    let (first, last) = (records.first().map(days), records.last().map(days));
    let on = |of: fn(&Record) -> &str| records.iter().map(of).collect::<BTreeSet<_>>();
    let list = |words: BTreeSet<&str>| words.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "{faults} faults in {} runs, {minutes:.0} minutes under fire: **{well} of {} as promised**. Recorded from {} \
         to {}, with RabbitMQ {} and PostgreSQL {}, of commit {}.\n",
        records.len(),
        records.len(),
        first.unwrap_or_default(),
        last.unwrap_or_default(),
        list(on(|record| &record.setting.rabbitmq)),
        list(on(|record| &record.setting.postgresql)),
        list(on(|record| record.setting.commit.as_deref().unwrap_or("unknown"))),
    )
}

/// How much of it there is, beside how much is to be.
fn asked(records: &[Record], all: &Struck) -> String {
    let (runs, faults) = (records.iter().filter(|record| record.seconds >= SECONDS).count(), all.count());
    let enough = if runs >= RUNS && faults >= FAULTS { "ok" } else { "**short**" };
    format!(
        "Asked for are at least {RUNS} runs of {SECONDS} s and {FAULTS} faults; recorded are {runs} such runs and \
         {faults} faults: {enough}.\n"
    )
}

/// Each hop with each of its failures, those too that never were.
fn by_hop(all: &Struck) -> String {
    let heads: Vec<&str> = HOW.iter().map(|how| how.name()).collect();
    let mut out = format!("| hop | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for hop in HOPS {
        let counts = HOW.iter().map(|how| all.of(hop.name(), how.name()).to_string());
        let _ = writeln!(out, "| {} | {} |", hop.name(), counts.collect::<Vec<_>>().join(" | "));
    }
    out
}

/// What the tables of faults don't show.
fn beside(all: &Struck) -> String {
    let mut out = format!(
        "{} of the hops that were stalled or half-open broke in the end, so that what they held back never arrived. {} \
         silences lasted twelve seconds or longer. The queues that were lost held {} messages.\n",
        all.broken, all.long, all.lost
    );
    let void: Vec<String> = sorted(&all.void).iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    if !void.is_empty() {
        let _ = writeln!(
            out,
            "\nVoid, and in no figure above: done, and nothing shows that it struck anybody: {}.",
            void.join(", ")
        );
    }
    out
}

/// What each pair of services saw.
fn by_version(records: &[Record]) -> String {
    let mut versions: BTreeMap<(&str, &str), Vec<&Record>> = BTreeMap::new();
    for record in records {
        let setting = &record.setting;
        versions.entry((setting.rabbitmq.as_str(), setting.postgresql.as_str())).or_default().push(record);
    }
    let mut out = "| RabbitMQ | PostgreSQL | runs | as promised | faults | answered 202 |\n".to_owned();
    out.push_str("|---|---|---|---|---|---|\n");
    for ((rabbitmq, postgresql), runs) in versions {
        let well = runs.iter().filter(|run| run.wrong.is_none()).count();
        let faults: usize = runs.iter().map(|run| run.struck.count()).sum();
        let accounts = runs.iter().filter_map(|run| run.account.as_ref());
        let accepted: usize = accounts.map(|account| account.accepted).sum();
        let _ =
            writeln!(out, "| {rabbitmq} | {postgresql} | {} | {well} | {faults} | {accepted} |", runs.len());
    }
    out
}

/// What the judge counted, in the runs that were as promised.
fn counted(records: &[Record]) -> String {
    let sum = |of: fn(&Account) -> usize| sum(records, of);
    let figures: [(&str, usize); 12] = [
        ("answered 202, by id and bytes", sum(|account| account.accepted)),
        ("stored once, byte for byte", sum(|account| account.stored)),
        ("quarantined: in hand alone when a process was killed, twice", sum(|account| account.quarantined)),
        ("copies noted as such", sum(|account| account.duplicates)),
        ("dangerous answers, each with alert, notice and mail", sum(|account| account.alerts)),
        ("deliveries, each at the hospital once", sum(|account| account.deliveries)),
        ("of these quarantined when processes were killed, and redriven", sum(|account| account.redriven)),
        ("written once more by a redrive, in the same words (HL7 v2)", sum(|account| account.repeated)),
        ("seconds of calls within the hospital's limit", sum(|account| account.paced)),
        (
            "seconds left out of that: a hop held calls back, or let go of them",
            sum(|account| account.unpaced),
        ),
        ("tries charged while the hospital took others", sum(|account| account.charged)),
        ("audit rows hashed anew, all chains whole", sum(|account| account.audited)),
    ];
    let mut out = "| what the oracle counted | |\n|---|---|\n".to_owned();
    for (what, count) in figures {
        let _ = writeln!(out, "| {what} | {count} |");
    }
    let grown = |of: fn(&Record) -> f64| records.iter().map(of).fold(0.0, f64::max);
    let end = (
        grown(|record| record.memory.door / record.warm.door),
        grown(|record| record.memory.worker / record.warm.worker),
    );
    let peak = (
        grown(|record| record.peak.door / record.warm.door),
        grown(|record| record.peak.worker / record.warm.worker),
    );
    for (when, (door, worker)) in [("at the end", end), ("at its highest since the first fault", peak)] {
        let _ = writeln!(
            out,
            "| memory {when} over memory when warm, highest: door, worker | {door:.2}, {worker:.2} |"
        );
    }
    out
}
