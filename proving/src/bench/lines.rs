//! Which figures become which lines, and with which goals.

use anyhow::Result;

use super::depth::Depth;
use super::exports::Exports;
use super::handshakes::Handshakes;
use super::idle::Idle;
use super::line::Goal::{self, AtLeast, AtMost};
use super::line::Line;
use super::measure::median;
use super::refusals::Refusals;
use super::rounds::Figures;
use super::trail::Trail;
use crate::days::notices;
use crate::door_memory::{CONNECTION_KIB, SILENT_KIB};

/// All lines that were measured. A ratio is the median of the rounds' ratios: each compares what
/// ran side by side.
pub fn of_figures(figures: &Figures, depth: Option<&Depth>) -> Result<Vec<Line>> {
    let parts = [speeds(figures)?, latencies(figures)?, backlogs(figures)?, costs(figures)?, spent(figures)?];
    let mut lines: Vec<Line> = parts.into_iter().flatten().flatten().collect();
    if let Some(depth) = depth {
        let [worker, api] = match depth.queued {
            1_000_000.. => ["worker: peak RSS, 1,000,000 queued", "API: peak RSS, 1,000,000 queued"],
            _ => ["worker: peak RSS, 100,000 queued", "API: peak RSS, 100,000 queued"],
        };
        lines.push(memory(worker, depth.worker, 64.0));
        lines.push(growth("  over the last fifth, beside the first", depth.worker_last, depth.worker_first));
        lines.push(memory(api, depth.api, 48.0));
        lines.push(growth("  beside its peak in front of an empty queue", depth.api, depth.api_few));
    }
    Ok(lines)
}

fn speeds(figures: &Figures) -> Result<Vec<Option<Line>>> {
    Ok(vec![
        pair(
            figures,
            "worker: drain, beside the bare loop",
            "/s",
            "worker",
            "bare loop",
            Some(AtLeast(0.90)),
        )?,
        pair(figures, "  the same, each with a hospital follow-on", "/s", "worker+", "bare loop+", None)?,
        pair(
            figures,
            "  with a hospital follow-on for each, beside without",
            "/s",
            "worker+",
            "worker",
            Some(AtLeast(0.55)),
        )?,
        pair(
            figures,
            "API: 202s, 64 connections, beside bare publishing",
            "/s",
            "api",
            "bare publishing",
            Some(AtLeast(0.70)),
        )?,
        pair(
            figures,
            "whole: POST to stored, beside bare",
            "/s",
            "whole",
            "bare whole",
            Some(AtLeast(0.63)),
        )?,
        alone(figures, "worker: start to first ack, 10,000 queued", "ms", "first ack", Some(AtMost(300.0)))?,
        pair(
            figures,
            "  beside the bare loop's, which has no process to start",
            "ms",
            "first ack",
            "bare first ack",
            None,
        )?,
    ])
}

fn latencies(figures: &Figures) -> Result<Vec<Option<Line>>> {
    Ok(vec![
        pair(
            figures,
            "p99 POST -> 202 at 2,000/s, beside the bare confirm",
            "ms",
            "open p99",
            "bare open p99",
            None,
        )?,
        pair(figures, "  p50 of the same", "ms", "open p50", "bare open p50", None)?,
        pair(figures, "  p99.9 of the same", "ms", "open p99.9", "bare open p99.9", None)?,
        pair(
            figures,
            "p99 POST -> stored at 2,000/s, beside POST -> 202",
            "ms",
            "stored p99",
            "open p99",
            Some(AtMost(3.0)),
        )?,
        pair(figures, "  p50 of the same", "ms", "stored p50", "open p50", None)?,
        pair(figures, "  p99.9 of the same", "ms", "stored p99.9", "open p99.9", None)?,
        pair(
            figures,
            "  p99, beside the bare publisher's and the bare loop's",
            "ms",
            "stored p99",
            "bare stored p99",
            None,
        )?,
        alone(
            figures,
            "dangerous answer: p99 POST -> SMTP accept, behind a backlog",
            "ms",
            "danger p99",
            Some(AtMost(notices::SOON)),
        )?,
        alone(figures, "  p50 of the same", "ms", "danger p50", None)?,
        alone(figures, "  the slowest of 200", "ms", "danger slowest", None)?,
        alone(
            figures,
            "  the backlog when the last one was told",
            "queued",
            "danger behind",
            Some(AtLeast(notices::BEHIND)),
        )?,
    ])
}

fn backlogs(figures: &Figures) -> Result<Vec<Option<Line>>> {
    let (left, grown) = (Some(AtLeast(0.9)), Some(AtMost(1.1)));
    Ok(vec![
        pair(figures, "10,000 queued: drain, beside a bare consumer", "/s", "10k worker", "10k bare", None)?,
        spread(figures, "10k bare")?,
        pair(figures, "100,000 queued: the same", "/s", "100k worker", "100k bare", None)?,
        spread(figures, "100k bare")?,
        pair(figures, "  pace at 100,000 over pace at 10,000", "x", "100k left", "100k bare left", left)?,
        pair(figures, "  peak RSS at 100,000 beside 10,000", "MiB", "100k rss", "10k rss", grown)?,
        pair(figures, "1,000,000 queued: the same", "/s", "1m worker", "1m bare", None)?,
        spread(figures, "1m bare")?,
        pair(figures, "  pace at 1,000,000 over pace at 10,000", "x", "1m left", "1m bare left", left)?,
        pair(figures, "  peak RSS at 1,000,000 beside 10,000", "MiB", "1m rss", "10k rss", grown)?,
    ])
}

fn costs(figures: &Figures) -> Result<Vec<Option<Line>>> {
    Ok(vec![
        pair(
            figures,
            "TLS at each hop: POST to stored, beside the same in plain text",
            "/s",
            "secured",
            "relayed",
            None,
        )?,
        pair(
            figures,
            "audit trail: POST to stored, beside the same with its rows thrown away",
            "/s",
            "audited",
            "unaudited",
            None,
        )?,
        pair(
            figures,
            "audit trail: bare loop with rows and hashes, beside the same without",
            "/s",
            "bare loop, trail",
            "bare loop, no trail",
            None,
        )?,
        share_of_the_trail(figures)?,
    ])
}

/// What the trail adds to a submission in the bare loop, beside all that a submission takes on the whole route.
fn share_of_the_trail(figures: &Figures) -> Result<Option<Line>> {
    let of = |name: &str| figures.0.get(name);
    let (Some(with), Some(without), Some(whole)) =
        (of("bare loop, trail"), of("bare loop, no trail"), of("whole"))
    else {
        return Ok(None);
    };
    let each = |pace: f64| 1e6 / pace;
    let added: Vec<f64> =
        with.iter().zip(without).map(|(with, without)| each(*with) - each(*without)).collect();
    let (added, route) = (median(&added)?, each(median(whole)?));
    Ok(Some(Line {
        figure: "  what that adds to a submission, beside all of its route",
        ours: (added, "us"),
        limit: Some(route),
        measured: added / route,
        goal: Some(AtMost(0.10)),
    }))
}

fn spent(figures: &Figures) -> Result<Vec<Option<Line>>> {
    Ok(vec![
        alone(figures, "worker: CPU seconds per 10,000", "s", "worker cpu", Some(AtMost(0.4)))?,
        alone(figures, "API: CPU seconds per 10,000", "s", "api cpu", Some(AtMost(1.0)))?,
        alone(figures, "whole: CPU seconds per 10,000 of the API", "s", "whole api cpu", None)?,
        alone(figures, "  of the worker", "s", "whole worker cpu", None)?,
        alone(figures, "  of RabbitMQ", "s", "whole rabbitmq cpu", None)?,
        alone(figures, "  of PostgreSQL", "s", "whole postgres cpu", None)?,
        alone(figures, "whole: peak RSS of the API", "MiB", "whole api rss", None)?,
        alone(figures, "  of the worker", "MiB", "whole worker rss", None)?,
        alone(figures, "  of RabbitMQ", "MiB", "whole rabbitmq rss", None)?,
        alone(figures, "  of PostgreSQL, what its processes share once", "MiB", "whole postgres rss", None)?,
    ])
}

/// Megabytes, of which a MiB is a little more than one.
fn memory(figure: &'static str, mib: f64, most: f64) -> Line {
    let mb = mib * 1.048_576;
    Line { figure, ours: (mb, "MB"), limit: None, measured: mb, goal: Some(AtMost(most)) }
}

/// Memory that may not grow with what there is to do.
fn growth(figure: &'static str, mib: f64, few: f64) -> Line {
    Line { figure, ours: (mib, "MiB"), limit: Some(few), measured: mib / few, goal: Some(AtMost(1.1)) }
}

/// The lines of a bulk export.
pub fn of_exports(exports: &Exports) -> Result<Vec<Line>> {
    let rate = match exports.rows {
        1_000_000.. => "export: CSV rows of 1,000,000, beside COPY",
        _ => "export: CSV rows of 200,000, beside COPY",
    };
    Ok(vec![
        Line {
            figure: rate,
            ours: (median(&exports.ours)?, "/s"),
            limit: Some(median(&exports.copy)?),
            measured: exports.ratio()?,
            goal: Some(AtLeast(0.5)),
        },
        growth("  its peak RSS, beside that of 10,000 rows", exports.rss, exports.rss_few),
        Line {
            figure: "intake: p50 POST -> 202 beside 16 downloads, and without",
            ours: (median(&exports.downloads.beside)?, "ms"),
            limit: Some(median(&exports.downloads.alone)?),
            measured: median(&exports.downloads.beside)? / median(&exports.downloads.alone)?,
            goal: Some(AtMost(1.2)),
        },
        Line {
            figure: "  p99 of the same",
            ours: (median(&exports.downloads.beside_p99)?, "ms"),
            limit: Some(median(&exports.downloads.alone_p99)?),
            measured: median(&exports.downloads.beside_p99)? / median(&exports.downloads.alone_p99)?,
            goal: None,
        },
    ])
}

/// The lines of the trail's check.
pub fn of_trail(trail: &Trail) -> Result<Vec<Line>> {
    let (ours, bare) = (median(&trail.ours)?, median(&trail.bare)?);
    Ok(vec![
        Line {
            figure: "epro audit verify: events of a copy, whole command",
            ours: (ours, "/s"),
            limit: None,
            measured: ours,
            goal: Some(AtLeast(100_000.0)),
        },
        Line {
            figure: "  the same beside reading, parsing and hashing alone",
            ours: (ours, "/s"),
            limit: Some(bare),
            measured: ours / bare,
            goal: None,
        },
    ])
}

/// The lines of ten thousand idle connections: their sum, and the cost of one, by which the pods' memory is measured.
pub fn of_idle(idle: &Idle) -> Vec<Line> {
    let (silent, half) = idle.each_kib();
    vec![
        Line {
            figure: "API: peak RSS beside 10,000 idle connections, and without",
            ours: (idle.beside, "MiB"),
            limit: Some(idle.before),
            measured: idle.beside / idle.before,
            goal: None,
        },
        each("  one of them", silent, SILENT_KIB),
        each("  one that has sent 15 KiB of a head", half, CONNECTION_KIB),
    ]
}

/// The lines of TLS handshakes that never end: the cost of one, by which the pods' memory is measured.
pub fn of_handshakes(handshakes: &Handshakes) -> Vec<Line> {
    let Handshakes { silent, answered, long } = *handshakes;
    vec![
        each("API: peak RSS for one of 2,000 TLS handshakes, nothing sent yet", silent, CONNECTION_KIB),
        each("  one whose ClientHello is answered, and nothing more sent", answered, CONNECTION_KIB),
        each("  one that has sent 60 KiB of a ClientHello", long, CONNECTION_KIB),
    ]
}

/// The lines of a million refused requests. One that is told twice, or not at all, is one too many.
pub fn of_refusals(refusals: &Refusals) -> Vec<Line> {
    let alone = |figure, value: f64, unit, goal| Line {
        figure,
        ours: (value, unit),
        limit: None,
        measured: value,
        goal,
    };
    vec![
        alone(
            "1,000,000 refused requests at one door: rows of the audit trail",
            refusals.rows as f64,
            "rows",
            Some(AtMost(1_000.0)),
        ),
        alone("  refusals that they tell too many or too few", refusals.off as f64, "", Some(AtMost(0.0))),
        alone("  how fast they were refused", refusals.pace, "/s", None),
    ]
}

/// What one connection costs.
fn each(figure: &'static str, kib: f64, most: u64) -> Line {
    Line { figure, ours: (kib, "KiB"), limit: None, measured: kib, goal: Some(AtMost(most as f64)) }
}

fn pair(
    figures: &Figures,
    figure: &'static str,
    unit: &'static str,
    ours: &str,
    limit: &str,
    goal: Option<Goal>,
) -> Result<Option<Line>> {
    let Some((ours, limits)) = figures.0.get(ours).zip(figures.0.get(limit)) else { return Ok(None) };
    let ratios: Vec<f64> = ours.iter().zip(limits).map(|(ours, limit)| ours / limit).collect();
    let measured = median(&ratios)?;
    Ok(Some(Line { figure, ours: (median(ours)?, unit), limit: Some(median(limits)?), measured, goal }))
}

/// How far a bare consumer's rounds lie apart: what is compared with it is no surer than it is.
fn spread(figures: &Figures, name: &str) -> Result<Option<Line>> {
    let Some(rounds) = figures.0.get(name).filter(|rounds| rounds.len() > 1) else { return Ok(None) };
    let (least, most) = rounds
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(least, most), round| (least.min(*round), most.max(*round)));
    let (figure, apart) = ("  the bare consumer's fastest round over its slowest", most / least);
    Ok(Some(Line { figure, ours: (apart, "x"), limit: None, measured: apart, goal: None }))
}

fn alone(
    figures: &Figures,
    figure: &'static str,
    unit: &'static str,
    name: &str,
    goal: Option<Goal>,
) -> Result<Option<Line>> {
    let Some(values) = figures.0.get(name) else { return Ok(None) };
    let value = median(values)?;
    Ok(Some(Line { figure, ours: (value, unit), limit: None, measured: value, goal }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_may_cost_what_the_memory_of_the_pods_has_for_a_connection() {
        let lines = of_handshakes(&Handshakes { silent: 12.0, answered: 96.0, long: 96.1 });
        assert_eq!(lines.iter().map(Line::ok).collect::<Vec<_>>(), [Some(true), Some(true), Some(false)]);
    }

    #[test]
    fn of_a_million_refusals_not_one_may_be_told_twice_or_left_out() {
        let told = |rows, off| of_refusals(&Refusals { rows, off, pace: 20_000.0 });
        let ok = |lines: Vec<Line>| lines.iter().map(Line::ok).collect::<Vec<_>>();
        assert_eq!(ok(told(1_000, 0)), [Some(true), Some(true), None]);
        assert_eq!(ok(told(1_001, 1)), [Some(false), Some(false), None]);
    }

    #[test]
    fn a_ratio_is_that_of_neighbours_and_not_of_medians() {
        let mut figures = Figures::default();
        figures.0.insert("worker", vec![10.0, 23.0, 95.0]);
        figures.0.insert("bare loop", vec![100.0, 25.0, 100.0]);
        let lines = of_figures(&figures, None).unwrap();
        assert_eq!(lines[0].measured, 0.92);
        assert_eq!(lines[0].ok(), Some(true));
        assert_eq!(lines.len(), 1, "what was not measured has no line");
    }

    #[test]
    fn a_deep_queue_is_judged_by_what_a_bare_consumer_keeps_of_its_pace() {
        let mut figures = Figures::default();
        figures.0.insert("1m left", vec![0.5]);
        figures.0.insert("1m bare left", vec![0.5]);
        figures.0.insert("1m rss", vec![60.0]);
        figures.0.insert("10k rss", vec![50.0]);
        let lines = of_figures(&figures, None).unwrap();
        let said: Vec<_> = lines.iter().map(|line| (line.measured, line.ok())).collect();
        assert_eq!(said, [(1.0, Some(true)), (1.2, Some(false))]);
    }

    #[test]
    fn how_far_a_bare_consumers_rounds_lie_apart_is_shown_beside_it() {
        let mut figures = Figures::default();
        figures.0.insert("10k worker", vec![30.0, 30.0]);
        figures.0.insert("10k bare", vec![60.0, 90.0]);
        let lines = of_figures(&figures, None).unwrap();
        assert_eq!(lines.iter().map(|line| line.ours.0).collect::<Vec<_>>(), [30.0, 1.5]);
        figures.0.insert("10k bare", vec![60.0]);
        assert_eq!(of_figures(&figures, None).unwrap().len(), 1, "one round has no spread");
    }

    #[test]
    fn what_follow_ons_leave_of_a_drain_is_asked_of_the_same_round() {
        let mut figures = Figures::default();
        figures.0.insert("worker", vec![100.0, 200.0]);
        figures.0.insert("worker+", vec![50.0, 100.0]);
        let lines = of_figures(&figures, None).unwrap();
        assert_eq!(lines.len(), 1, "neither has its limit beside it");
        assert_eq!((lines[0].measured, lines[0].ok()), (0.5, Some(false)));
    }
}
