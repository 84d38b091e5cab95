//! Every metric of ours: its name, kind, labels, and what it means. `docs/METRICS.md` is made of this, `/metrics` says
//! it as HELP, and a test holds it to the code that counts.

use self::Kind::{Counter, Gauge, Histogram};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is so now.
    Gauge,
    /// How often up to which value, by [`Metric::buckets`].
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// `epro_<noun>_<unit>`, a counter's with `_total` behind it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// In what it is counted.
    pub unit: &'static str,
    /// Which processes have it: `door`, `worker`, or both.
    pub of: &'static [&'static str],
    /// Its labels. Their values are names of the configuration or words of ours, never an id.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub meaning: &'static str,
}

/// Bounds of everything in seconds that has no others.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Bounds of what a whole chunk spends on pure computing.
const COMPUTING: &[f64] = &[0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0];
/// Bounds of what a human waits for.
const HUMAN: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0];
/// Bounds of how old something is.
const AGE: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0];
/// Bounds of how many go together.
const MANY: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

impl Metric {
    /// The upper bounds of a histogram's buckets.
    pub fn buckets(&self) -> &'static [f64] {
        match self.name {
            _ if self.kind != Histogram => &[],
            "epro_chunk_submissions" => MANY,
            "epro_stage_seconds" => COMPUTING,
            "epro_alert_notice_seconds" | "epro_report_seconds" => HUMAN,
            name if name.ends_with("_age_seconds") => AGE,
            _ => SECONDS,
        }
    }

    /// Makes it known to the recorder that is installed. A counter without labels begins at 0, so that its first
    /// increment is seen as one.
    pub(super) fn describe(&self, process: &str) {
        match self.kind {
            Counter => metrics::describe_counter!(self.name, self.meaning),
            Gauge => metrics::describe_gauge!(self.name, self.meaning),
            Histogram => metrics::describe_histogram!(self.name, self.meaning),
        }
        if self.kind == Counter && self.labels.is_empty() && self.of.iter().any(|of| process.ends_with(of)) {
            metrics::counter!(self.name).increment(0);
        }
    }
}

const DOOR: &[&str] = &["producer-api"];
const WORKER: &[&str] = &["worker"];
const BOTH: &[&str] = &["producer-api", "worker"];

/// All of them, in the order of the table.
#[rustfmt::skip]
pub const METRICS: &[Metric] = &[
    // Every process.
    metric("epro_build_info", Gauge, "1", BOTH, &["process", "version"], "Always 1; which version runs where."),
    metric("epro_panics_total", Counter, "panics", BOTH, &[], "Panics that were caught or ended the process; their place is in the log."),
    metric("epro_store_up", Gauge, "0 or 1", BOTH, &[], "1 while PostgreSQL answers this process."),
    metric("epro_pool_connections", Gauge, "connections", BOTH, &["pool"], "Connections to PostgreSQL that a pool has open."),
    metric("epro_pool_idle", Gauge, "connections", BOTH, &["pool"], "Those of them that nobody uses now."),
    metric("epro_pool_waiting", Gauge, "callers", BOTH, &["pool"], "Whoever waits for a connection now."),
    metric("epro_pool_limit", Gauge, "connections", BOTH, &["pool"], "Connections that the pool may have."),
    metric("epro_pool_wait_seconds", Histogram, "seconds", BOTH, &[], "How long a caller waited for a connection of any pool, making one included."),
    metric("epro_spans_total", Counter, "spans", BOTH, &["outcome"], "Spans of traces: `sent`, `failed` (the receiver did not take them), `dropped` (too many waited)."),
    // The publisher.
    metric("epro_publishes_total", Counter, "messages", BOTH, &["publisher", "outcome"], "Publishes by what became of them: `confirmed`, or why there is no receipt."),
    metric("epro_publish_seconds", Histogram, "seconds", BOTH, &["publisher"], "From the wish to publish to the broker's confirm, of those that were confirmed."),
    metric("epro_publisher_connected", Gauge, "0 or 1", BOTH, &["publisher"], "1 while the publisher has a connection, blocked or not."),
    metric("epro_publisher_blocked", Gauge, "0 or 1", BOTH, &["publisher"], "1 while the broker blocks publishers: a memory or disk alarm."),
    metric("epro_publisher_outstanding", Gauge, "messages", BOTH, &["publisher"], "Publishes that the broker has not answered."),
    // The door.
    metric("epro_http_connections", Gauge, "connections", DOOR, &[], "Connections that the door has open."),
    metric("epro_http_connections_limit", Gauge, "connections", DOOR, &[], "Connections that it may have; the next one waits."),
    metric("epro_http_requests_total", Counter, "requests", DOOR, &["route", "status", "class"], "Requests by route, status and class of refusal; 499 `abandoned`: the client went away."),
    metric("epro_http_request_seconds", Histogram, "seconds", DOOR, &["route"], "From a request's head to its answer."),
    metric("epro_intake_submissions_total", Counter, "submissions", DOOR, &["door", "outcome"], "Submissions by door (`native`, `batch`, `fhir`) and outcome: `received`, or the class of the refusal."),
    metric("epro_audit_notes_dropped_total", Counter, "notes", DOOR, &[], "Notes for the audit trail that were lost because the broker did not take them for too long."),
    metric("epro_report_waits", Gauge, "clients", DOOR, &[], "Clients that wait for a report at the door."),
    // Lanes.
    metric("epro_lane_consuming", Gauge, "0 or 1", WORKER, &["lane"], "1 while this replica's consumer of the lane is registered."),
    metric("epro_lane_paused", Gauge, "0 or 1", WORKER, &["lane"], "1 while the lane is paused, by an operator or by itself."),
    metric("epro_lane_self_paused_total", Counter, "pauses", WORKER, &["lane"], "How often the lane paused itself: too many dead letters of one class in a row."),
    metric("epro_lane_unsettled", Gauge, "deliveries", WORKER, &["lane"], "Deliveries in hand whose decision is not sent, as of the lane's last move."),
    metric("epro_lane_chunk_seconds", Histogram, "seconds", WORKER, &["lane"], "How long a chunk took from its start until every delivery of it was decided."),
    metric("epro_lane_age_seconds", Histogram, "seconds", WORKER, &["lane"], "How long the first delivery of a chunk had been with the broker since it was last published, in whole seconds."),
    metric("epro_deliveries_total", Counter, "deliveries", WORKER, &["queue"], "Deliveries that came from the broker."),
    metric("epro_redeliveries_total", Counter, "deliveries", WORKER, &["queue"], "Those of them that the broker had handed out before."),
    metric("epro_settlements_total", Counter, "deliveries", WORKER, &["queue", "verdict"], "Decisions sent to the broker: `ack`, `release`, `requeue`."),
    metric("epro_deliveries_dropped_total", Counter, "deliveries", WORKER, &["queue"], "Deliveries that were dropped undecided and so requeued: a panic."),
    metric("epro_waits_total", Counter, "messages", WORKER, &["queue", "tier"], "Messages of a queue that were parked in a wait tier."),
    metric("epro_dead_letters_total", Counter, "dead letters", WORKER, &["lane"], "Dead letters that were committed."),
    // Submissions.
    metric("epro_submissions_total", Counter, "submissions", WORKER, &["lane", "outcome"], "Deliveries of submissions by outcome: `stored`, `duplicate`, `waits`, or the class of the dead letter."),
    metric("epro_submission_age_seconds", Histogram, "seconds", WORKER, &["lane"], "From the door's receipt to the COMMIT, of the oldest submission of a chunk."),
    metric("epro_stage_seconds", Histogram, "seconds", WORKER, &["stage"], "How long a stage took for a whole chunk: `open`, `clean`, `deidentify`, `structure`, `score` (as every eighth submission of it tells), `follow_ons`."),
    metric("epro_chunk_submissions", Histogram, "submissions", WORKER, &[], "Submissions that were committed together."),
    metric("epro_commit_seconds", Histogram, "seconds", WORKER, &[], "How long PostgreSQL took for a chunk's transaction."),
    metric("epro_store_holds_total", Counter, "tries", WORKER, &["what"], "Tries at PostgreSQL that failed and are repeated, by what was tried."),
    metric("epro_follow_ons_unsent_total", Counter, "follow-ons", WORKER, &[], "Follow-ons that were not confirmed and became `unsent` rows."),
    metric("epro_follow_ons_relayed_total", Counter, "follow-ons", WORKER, &[], "`unsent` rows that the relay published."),
    // Queues and conditions, told by the one replica that looks.
    metric("epro_queue_ready", Gauge, "messages", WORKER, &["queue"], "Messages that wait in a queue, wait tiers included; NaN on replicas that do not look."),
    metric("epro_queue_consumers", Gauge, "consumers", WORKER, &["queue"], "Consumers of a queue; NaN on replicas that do not look."),
    metric("epro_conditions_open", Gauge, "conditions", WORKER, &["kind"], "Conditions that operators were told of and that hold; 0 on replicas that do not look."),
    // Alerts.
    metric("epro_alert_notice_seconds", Histogram, "seconds", WORKER, &["channel"], "From the door's receipt of a dangerous answer to the channel's word that it has the notice to the first level."),
    metric("epro_notices_total", Counter, "notices", WORKER, &["channel", "outcome"], "Notices by channel: `sent`, `failed`."),
    metric("epro_alerts_undone", Gauge, "alerts", WORKER, &["site"], "Alerts that nobody has acknowledged or closed."),
    metric("epro_alerts_unaddressed_total", Counter, "alerts", WORKER, &["site"], "Times that an alert had nobody to be told."),
    metric("epro_alerts_untold_total", Counter, "alerts", WORKER, &[], "Times that an alert could neither be stored nor published; it is tried again."),
    metric("epro_alert_messages_total", Counter, "messages", WORKER, &["lane", "outcome"], "Messages of lane alerts that did not succeed: the class of the dead letter, or `waits`."),
    metric("epro_commands_total", Counter, "commands", WORKER, &["lane", "outcome"], "Commands and notes by outcome."),
    // Hospitals.
    metric("epro_hospitals_owned", Gauge, "hospitals", WORKER, &[], "Hospitals whose lease this replica holds."),
    metric("epro_hospital_consuming", Gauge, "0 or 1", WORKER, &["site"], "1 while this replica consumes the hospital's queue."),
    metric("epro_hospital_paused", Gauge, "0 or 1", WORKER, &["site"], "1 while the hospital is paused, by an operator or by itself."),
    metric("epro_hospital_self_paused_total", Counter, "pauses", WORKER, &["site"], "How often the hospital was paused by itself: too many dead letters of one class in a row."),
    metric("epro_hospital_gate_open", Gauge, "0 or 1", WORKER, &["site"], "1 while the hospital is not called, because its breaker is open or half-open or it asked for a rest."),
    metric("epro_hospital_calls_total", Counter, "calls", WORKER, &["site", "outcome"], "Calls by what the hospital's answer means."),
    metric("epro_hospital_call_seconds", Histogram, "seconds", WORKER, &["site"], "How long a call took, whatever the answer."),
    metric("epro_hospital_deliveries_total", Counter, "deliveries", WORKER, &["site", "outcome"], "Deliveries by outcome: `done`, `waits`, `over`, `superseded`, or the class of the dead letter."),
    metric("epro_hospital_delivery_age_seconds", Histogram, "seconds", WORKER, &["site"], "From the door's receipt to the hospital's word that it has it."),
    metric("epro_reports_total", Counter, "reports", WORKER, &["site", "outcome"], "Comprehensive reports: `complete`, `incomplete`, `over`."),
    metric("epro_report_seconds", Histogram, "seconds", WORKER, &["site"], "From the request of a report to its row."),
    metric("epro_report_services_total", Counter, "services", WORKER, &["site", "service", "outcome"], "Parts of reports: `whole`, or why one is missing."),
    // Risk models and exports.
    metric("epro_risk_questions_total", Counter, "questions", WORKER, &["lane", "outcome"], "Questions for risk models by outcome."),
    metric("epro_risk_calls_total", Counter, "calls", WORKER, &["study", "outcome"], "Calls of a study's risk model."),
    metric("epro_risk_call_seconds", Histogram, "seconds", WORKER, &["study"], "How long a call took."),
    metric("epro_risk_model_open", Gauge, "0 or 1", WORKER, &["study"], "1 while the model is not asked, because its breaker is open or half-open."),
    metric("epro_export_messages_total", Counter, "messages", WORKER, &["lane", "outcome"], "Requests for exports by outcome."),
    metric("epro_export_runs_total", Counter, "runs", WORKER, &["outcome"], "Runs of exports by how they ended."),
    metric("epro_export_rows_total", Counter, "rows", WORKER, &[], "Rows that were written to files."),
];

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    of: &'static [&'static str],
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric { name, kind, unit, of, labels, meaning }
}
