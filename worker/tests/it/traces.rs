//! One submission's way as spans, in a receiver of OTLP.

use epro_proving::client::phq9;
use epro_proving::foreign::manner::Manner;
use epro_proving::trace_receiver::Span;
use epro_proving::{Inbox, SampleHospital, TraceReceiver};
use serde_json::json;

use crate::support::{SITE, STUDY, counts, id, link, with};

const ON: [&str; 6] = ["submissions", "dead", "relay", "commands", "alerts", "hospitals"];

/// The only span of that name in a trace whose parent is that.
fn child<'s>(spans: &'s [Span], name: &str, parent: &Span) -> &'s Span {
    let children: Vec<&Span> =
        spans.iter().filter(|span| span.name == name && span.parent == parent.id).collect();
    let [child] = children[..] else { panic!("{name} below {}: {children:?}", parent.name) };
    assert_eq!(child.trace, parent.trace, "{name}");
    child
}

/// Every metric that a process shows is in the table of docs/METRICS.md, as what it is.
fn documented(metrics: &str) {
    let table = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
    let table = std::fs::read_to_string(table).unwrap();
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let unknown: Vec<_> =
        types.filter(|(name, kind)| !table.contains(&format!("| `{name}` | {kind} |"))).collect();
    assert!(unknown.is_empty() && metrics.contains("# TYPE epro_build_info"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_submission_is_one_trace_from_the_door_through_a_wait_to_the_hospital_and_a_human() {
    let (receiver, inbox) = (TraceReceiver::start().await.unwrap(), Inbox::start().await.unwrap());
    let hospital = SampleHospital::start().await.unwrap();
    hospital.manner(Manner { status: Some(503), times: Some(1), ..Manner::default() });
    let stack = with(json!({
        "time_scale": 0.02,
        "traces": {"endpoint": receiver.endpoint()},
        "hospitals": {(SITE): hospital.by_fhir()},
        "worker": {"lanes": ON},
        "alerts": {"smtp": inbox.config(), "recipients": {(SITE): [{"name": "dr-lee", "email": "lee@h001.example"}]}},
    }))
    .await;
    let (api, worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    let mut submission = phq9(STUDY, SITE);
    submission["answers"]["44260-8"] = json!(2);
    let answer = stack.client(&api).unwrap().submit("P-Quillon", &submission).await.unwrap();
    assert_eq!(answer.status, 202);
    let link = link(&stack).await;
    counts(&link, "SELECT count(*) FROM ops.delivery WHERE state = 'done'", 1).await;
    receiver.named("call hospital fhir", 2).await.unwrap();
    receiver.named("process epro.his.H001", 2).await.unwrap();
    receiver.named("notify email", 1).await.unwrap();
    receiver.named("COMMIT", 1).await.unwrap();
    receiver.named("process epro.submissions.urgent", 1).await.unwrap();
    receiver.named("process epro.alerts", 1).await.unwrap();
    let spans = receiver.named("POST /api/v1/epro/submit", 1).await.and(Ok(receiver.spans())).unwrap();

    let door = spans.iter().find(|span| span.kind == 2).unwrap();
    assert_eq!((door.parent.as_str(), door.said("http.response.status_code")), ("", Some("202")));
    let stored = child(
        &spans,
        "process epro.submissions.urgent",
        child(&spans, "publish epro.submissions.urgent", door),
    );
    assert_eq!(stored.said("epro.outcome"), Some("stored"));
    let commit = spans.iter().find(|span| span.name == "COMMIT").unwrap();
    assert_ne!(commit.trace, door.trace, "it is of all whom it commits");
    assert_eq!(commit.links, [(stored.trace.clone(), stored.id.clone())]);
    assert_eq!(stored.links, [(commit.trace.clone(), commit.id.clone())]);

    child(
        &spans,
        "notify email",
        child(&spans, "process epro.alerts", child(&spans, "publish epro.alerts", stored)),
    );
    let sent = child(&spans, "publish epro.his.H001", stored);
    for waits in ["0", "1"] {
        let tried =
            |span: &&Span| span.name == "process epro.his.H001" && span.said("epro.waits") == Some(waits);
        let tried = spans.iter().find(tried).unwrap();
        assert_eq!((&tried.trace, &tried.parent), (&sent.trace, &sent.id), "after {waits} waits");
        let call = child(&spans, "call hospital fhir", tried);
        assert!(call.said("epro.site") == Some(SITE) && call.said("epro.outcome").is_some());
    }
    let audited = format!("SELECT count(*) FROM audit.event WHERE trace_id = '{}'", door.trace);
    assert!(link.count(&audited).await.unwrap() >= 2, "the submission and its delivery");

    let bodies = receiver.bodies();
    for word in ["Quillon", "lee@", "44260", "LA6570", id(&submission)] {
        assert!(!bodies.contains(word), "{word}");
    }
    for service in [&api, &worker] {
        let metrics = service.metrics().await.unwrap();
        assert!(metrics.contains("epro_spans_total{outcome=\"sent\"}"), "{metrics}");
        documented(&metrics);
    }
}
