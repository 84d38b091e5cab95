//! What docs/PROOF.md says and shows of a recorded soak.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use super::record::{Record, Sample};
use crate::days::finding;
use crate::sheet::{PANEL, Panel, Sheet, short};

/// What it came to, beside what it must be.
pub fn page(run: &Value) -> Result<String> {
    let record = read(run)?;
    let (deliveries, dangerous) = record.followed.due();
    let mut out = format!(
        "{} submissions ({}) at {:.0} a second, {} minutes; {deliveries} went on to a hospital, {dangerous} were \
         dangerous:\n\n{}",
        record.submissions,
        record.body,
        record.rate,
        short(record.minutes),
        finding::page(&record.findings()),
    );
    if let Some(wrong) = &record.wrong {
        let _ = writeln!(out, "\n**Not as promised**: {}", wrong.lines().next().unwrap_or_default());
    }
    Ok(out)
}

/// Memory, depth, latency and pace over time.
pub fn plot(run: &Value) -> Result<String> {
    let record = read(run)?;
    let mut sheet = Sheet::new(2.0 * PANEL.1 + 36.0);
    let over = |title: &str, lines: Vec<(&'static str, Vec<(f64, f64)>)>| {
        let quarters = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| record.minutes * part);
        let ticks = quarters.map(|minute| (minute, format!("{} min", short(minute)))).to_vec();
        Panel { title: title.to_owned(), span: (0.0, record.minutes), ticks, lines, dots: false }
    };
    let values = |of: fn(&Sample) -> Option<f64>| {
        let seen = record.samples.iter().filter(|sample| sample.at <= record.minutes * 60.0);
        seen.filter_map(|sample| Some((sample.at / 60.0, of(sample)?))).collect::<Vec<_>>()
    };
    let memory =
        vec![("ours", values(|sample| Some(sample.door))), ("other", values(|sample| Some(sample.worker)))];
    sheet.panel((0.0, 0.0), &over("resident memory, MiB", memory));
    let depth = vec![("ours", values(|sample| sample.depth))];
    sheet.panel((PANEL.0, 0.0), &over("in the queues of submissions, unacked included", depth));
    let p99 = vec![("ours", values(|sample| sample.p99_ms))];
    sheet.panel((0.0, PANEL.1), &over("p99 POST to 202 of ten seconds, ms", p99));
    let pace = vec![("ours", paces(&record.samples, record.minutes))];
    sheet.panel((PANEL.0, PANEL.1), &over("answered 202 a second", pace));
    sheet.legend(2.0 * PANEL.1 + 22.0, &[("ours", "the door, or all together"), ("other", "the worker")]);
    Ok(sheet.end())
}

/// Between each two looks.
fn paces(samples: &[Sample], minutes: f64) -> Vec<(f64, f64)> {
    let within = samples.windows(2).filter(|two| two[1].at <= minutes * 60.0);
    let pace = |two: &[Sample]| (two[1].taken - two[0].taken) as f64 / (two[1].at - two[0].at);
    within.map(|two| (two[1].at / 60.0, pace(two))).collect()
}

fn read(run: &Value) -> Result<Record> {
    serde_json::from_value(run.clone()).context("a recorded soak lacks something")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn soak(worker_last: f64, wrong: Option<&str>) -> Value {
        let sample = |at: f64, taken: usize| {
            json!({"at": at, "taken": taken, "p99_ms": 4.0, "depth": 7.0, "hospital": 2.0, "door": 20.0, "worker": 40.0,
                   "rabbitmq_cpu": null, "postgres_cpu": null})
        };
        let followed = json!({"due": 30, "once": 30, "strange": 0, "dangerous": 6, "told": 6, "invented": 0,
                              "mails": 6});
        let account = json!({"accepted": 6000, "unknown": 0, "stored": 6000, "dead": 0, "duplicates": 0});
        json!({
            "command": "./dev soak", "rate": 100.0, "minutes": 1.0, "body": "PHQ-9", "submissions": 6000,
            "seconds": 60.1, "again": 0, "account": wrong.is_none().then_some(account), "wrong": wrong,
            "followed": followed, "warm": {"door": 20.0, "worker": 40.0}, "last": {"door": 20.0, "worker": worker_last},
            "before": {"channels": 5, "sessions": 9}, "after": {"channels": 5, "sessions": 9},
            "database_mib": 12.0, "samples": [sample(5.0, 500), sample(10.0, 1000), sample(15.0, 1750)],
        })
    }

    #[test]
    fn memory_that_grew_by_more_than_a_tenth_is_short_and_so_is_what_was_lost() {
        let well = page(&soak(44.0, None)).unwrap();
        assert!(well.contains("6000 submissions (PHQ-9) at 100 a second, 1 minutes; 30 went on"), "{well}");
        assert!(well.contains("| of them there, once each | 30 | 30 | ok |"), "{well}");
        assert!(!well.contains("**short**"), "{well}");
        let grown = page(&soak(44.5, None)).unwrap();
        assert!(grown.contains("| worker: the same | 1.11 | ≤ 1.10 | **short** |"), "{grown}");
        let lost = page(&soak(44.0, Some("conservation is broken"))).unwrap();
        assert!(lost.contains("**Not as promised**: conservation is broken"), "{lost}");
        assert!(lost.contains("| conservation holds | 0 | 1 | **short** |"), "{lost}");
    }

    #[test]
    fn a_pace_is_that_between_two_looks() {
        let record = read(&soak(40.0, None)).unwrap();
        assert_eq!(paces(&record.samples, 1.0), [(10.0 / 60.0, 100.0), (15.0 / 60.0, 150.0)]);
        let drawn = plot(&soak(40.0, None)).unwrap();
        assert_eq!(drawn.matches("<polyline").count(), 5);
    }

    #[test]
    fn what_was_recorded_is_written_as_it_was_read() {
        let recorded = soak(40.0, None);
        assert_eq!(serde_json::to_value(read(&recorded).unwrap()).unwrap(), recorded);
    }
}
