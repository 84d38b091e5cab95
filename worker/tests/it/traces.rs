//! One submission's way as spans, in a receiver of OTLP.

use epro_proving::client::phq9;
use epro_proving::foreign::manner::Manner;
use epro_proving::trace_receiver::Span;
use epro_proving::{Hand, Inbox, SampleHospital, TraceReceiver};
use serde_json::json;

use crate::redrive::{ALLOW, REFUSE};
use crate::support::{SITE, STORED, STUDY, calm, counts, dead, id, link, with};

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
async fn what_the_relay_publishes_later_goes_on_in_its_submissions_trace() {
    let receiver = TraceReceiver::start().await.unwrap();
    let stack = with(json!({
        "time_scale": 0.02,
        "traces": {"endpoint": receiver.endpoint()},
        "worker": {"lanes": ["submissions", "relay"]},
    }))
    .await;
    stack.vhost().delete_queue("epro.his.H001").await.unwrap();
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    let answer = stack.client(&api).unwrap().submit("P-Quillon", &phq9(STUDY, SITE)).await.unwrap();
    assert_eq!(answer.status, 202);
    let link = link(&stack).await;
    counts(&link, "SELECT count(*) FROM ops.delivery WHERE state = 'unsent'", 1).await;
    stack.epro(&["topology", "apply"]).await.unwrap();
    counts(&link, "SELECT count(*) FROM ops.delivery WHERE state = 'queued'", 1).await;
    let door = receiver.named("POST /api/v1/epro/submit", 1).await.unwrap().remove(0);
    let later = receiver.named("publish epro.his.H001", 2).await.unwrap();
    assert!(later.iter().all(|published| published.trace == door.trace), "{later:?}");
    let letter = Hand::on(&stack).await.unwrap().lying("epro.his.H001").await.unwrap().remove(0);
    let header = letter.headers["traceparent"].as_str().unwrap();
    assert!(header.contains(&door.trace) && header.ends_with("-01"), "{header}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunks_commit_is_one_span_with_links_to_and_from_each_of_its_deliveries() {
    let receiver = TraceReceiver::start().await.unwrap();
    let stack = with(json!({
        "traces": {"endpoint": receiver.endpoint()},
        "worker": {"lanes": ["submissions"], "linger": "1s"},
    }))
    .await;
    let api = stack.api().await.unwrap();
    let client = stack.client(&api).unwrap();
    for patient in ["P-1", "P-2", "P-3"] {
        assert_eq!(client.submit(patient, &calm()).await.unwrap().status, 202);
    }
    // All three lie there when it starts: they are one chunk.
    let _worker = stack.worker().await.unwrap();
    let processed = receiver.named("process epro.submissions.routine", 3).await.unwrap();
    let commits = receiver.named("COMMIT", 1).await.unwrap();
    let [commit] = &commits[..] else { panic!("{commits:?}") };
    assert_eq!((commit.parent.as_str(), commit.said("db.operation.batch.size")), ("", Some("3")));
    let place = |span: &Span| (span.trace.clone(), span.id.clone());
    let (mut linked, mut places) = (commit.links.clone(), processed.iter().map(place).collect::<Vec<_>>());
    linked.sort();
    places.sort();
    assert_eq!(linked, places);
    places.dedup_by_key(|(trace, _)| trace.clone());
    assert_eq!(places.len(), 3, "each is of its own trace");
    assert!(processed.iter().all(|span| span.links == [place(commit)]), "{processed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_redriven_goes_on_in_the_trace_that_it_came_with() {
    let receiver = TraceReceiver::start().await.unwrap();
    let stack = with(json!({
        "time_scale": 0.02,
        "traces": {"endpoint": receiver.endpoint()},
        "worker": {"lanes": ["submissions"]},
    }))
    .await;
    let (api, _worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    let link = link(&stack).await;
    link.client.batch_execute(REFUSE).await.unwrap();
    let answer = stack.client(&api).unwrap().submit("P-Quillon", &calm()).await.unwrap();
    assert_eq!(answer.status, 202);
    let number = dead(&link, 1).await[0].id.to_string();
    link.client.batch_execute(ALLOW).await.unwrap();
    let redrive = ["dead-letters", "redrive", &number, "--yes", "--reason", "constraint dropped"];
    stack.epro(&redrive).await.unwrap();
    counts(&link, STORED, 1).await;

    let door = receiver.named("POST /api/v1/epro/submit", 1).await.unwrap().remove(0);
    let processed = receiver.named("process epro.submissions.routine", 2).await.unwrap();
    let published = receiver.named("publish epro.submissions.routine", 2).await.unwrap();
    assert!(processed.iter().chain(&published).all(|span| span.trace == door.trace), "{processed:?}");
    let of = |service: &str| published.iter().find(|span| span.service == service).unwrap();
    let (first, again) = (of("epro-producer-api"), of("epro"));
    assert_eq!((&first.parent, &again.parent), (&door.id, &first.id));
    let parents = |parent: &Span| processed.iter().filter(|span| span.parent == parent.id).count();
    assert_eq!((parents(first), parents(again)), (1, 1));
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

    child(&spans, "process epro.alerts", child(&spans, "publish epro.alerts", stored));
    // Below the message, or nowhere: who looks for alerts that are due may be faster.
    let notice = spans.iter().find(|span| span.name == "notify email").unwrap();
    assert_eq!(notice.trace, door.trace, "{notice:?}");
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
    for word in ["Quillon", "lee@", "44260-8", "LA6570-1", id(&submission)] {
        assert!(!bodies.contains(word), "{word}");
    }
    for service in [&api, &worker] {
        let metrics = service.metrics().await.unwrap();
        assert!(metrics.contains("epro_spans_total{outcome=\"sent\"}"), "{metrics}");
        documented(&metrics);
    }
}
