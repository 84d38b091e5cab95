//! What a hospital tells of a patient is in the report that somebody asked for, and nowhere else.

use epro_proving::{Client, Service};

use super::charts::Words;
use super::*;

/// Of the class of medical record numbers.
const NUMBER: &str = "MRN-00471193";
/// A hospital that tells all, and one that tells nothing of use.
const SITES: [&str; 2] = ["H001", "H003"];
const ENDED: &str = "SELECT count(*) FROM ops.report WHERE finished_at IS NOT NULL";
const READ: &str =
    "SELECT count(DISTINCT details::jsonb->>'report') FROM audit.event WHERE action = 'report.read'";

/// Somebody who asks both hospitals.
struct Nurse {
    client: Client,
    token: String,
}

impl Nurse {
    fn new(stack: &Stack, door: &Service, marks: &mut Marks) -> Self {
        let token = stack.minter().reporter(&marks.make("a reporter's sub"), &[STUDY], &SITES).unwrap();
        Self { client: stack.client(door).unwrap(), token }
    }

    /// Asks for a report; gives where it will be.
    async fn asks(&self, site: &str, places: &mut Places) -> String {
        let asked = json!({"study_id": STUDY, "site_id": site, "subject_id": NUMBER, "within_seconds": 30});
        let reply = self.client.report(&self.token, &asked, None).await.unwrap();
        assert_eq!(reply.status, 202, "{}", reply.body);
        places.add("the answer to a request for a report", format!("{:?}{}", reply.headers, reply.body));
        reply.header("location").unwrap().to_owned()
    }

    async fn reads(&self, place: &str) -> String {
        let reply = self.client.get(place, &self.token).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }
}

/// Why each service is missing, by its name.
fn missing(report: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(report).unwrap();
    let word = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let missing = report["missing"].as_array().unwrap();
    let mut missing: Vec<_> = missing.iter().map(|one| (word(one, "service"), word(one, "reason"))).collect();
    missing.sort();
    missing
}

/// Looks at all that processes tell of themselves, and at what lies anywhere.
async fn look_everywhere(places: &mut Places, stack: &Stack, hand: &Hand, services: [&mut Service; 2]) {
    for line in [&["doctor"][..], &["hospitals"], &["hospitals", "--json"], &["dead-letters", "list"]] {
        operate(places, stack, line).await;
    }
    pages::look(places, stack, &link(stack).await).await;
    for service in services {
        let name = service.admin();
        places.add(format!("/metrics of {name}"), service.metrics().await.unwrap());
        places.add(format!("/readyz of {name}"), service.readyz().await.unwrap().1);
        service.drain(Duration::from_secs(25)).await.unwrap();
        places.add(format!("what was written at {name}"), service.output());
    }
    for queue in stack.vhost().queues().await.unwrap() {
        look(places, hand, &queue).await;
    }
    read_tables(places, stack, "'ops', 'audit', 'identified', 'research'").await;
}

fn config(telling: u16, failing: u16, receiver: &TraceReceiver) -> Value {
    let hospital = |port: u16| {
        let url = format!("http://127.0.0.1:{port}/at");
        json!({"protocol": "fhir", "url": url, "calls_per_second": 100.0})
    };
    json!({
        "worker": {"lanes": ["hospitals", "commands"]},
        "hospitals": {"H001": hospital(telling), "H003": hospital(failing)},
        "traces": {"endpoint": receiver.endpoint()},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hospital_tells_of_a_patient_is_found_in_the_report_and_nowhere_else() {
    let (mut told, mut beside, mut places) = (Marks::default(), Marks::default(), Places::default());
    let words = Words {
        told: format!("{}; {}", identifiers::plant(&mut told), told.make("a word of the hospital's")),
        beside: beside.make("a word beside the answers"),
    };
    let (telling, failing) = (words.clone().whole().await, words.useless().await);
    let receiver = TraceReceiver::start().await.unwrap();
    let stack = with(config(telling.port, failing.port, &receiver)).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let mut door = stack.spawn("epro-producer-api", &[TRACE, JSON]).unwrap();
    door.ready().await.unwrap();
    let nurse = Nurse::new(&stack, &door, &mut beside);
    let mut reports = Vec::new();
    for site in SITES {
        reports.push(nurse.asks(site, &mut places).await);
        // Each question is looked at on its way.
        assert_eq!(look(&mut places, &hand, &format!("epro.query.{site}")).await, 1);
    }
    let mut worker = stack.spawn("epro-worker", &[TRACE]).unwrap();
    worker.ready().await.unwrap();
    counts(&link, ENDED, 2).await;
    let (whole_report, useless_report) = (nurse.reads(&reports[0]).await, nurse.reads(&reports[1]).await);
    counts(&link, READ, 2).await;
    look_everywhere(&mut places, &stack, &hand, [&mut door, &mut worker]).await;
    for (name, least) in
        [("POST /api/v1/reports", 2), ("process epro.query.H001", 1), ("call hospital fhir", 13)]
    {
        receiver.named(name, least).await.unwrap();
    }
    places.add("spans", receiver.bodies());

    // Who asked has it all: the report is as the hospital told it.
    assert!(missing(&whole_report).is_empty(), "{:?}", missing(&whole_report));
    let (mut whole, mut useless) = (Places::default(), Places::default());
    whole.add("the whole report", whole_report);
    let lost: Vec<&str> =
        told.all().filter(|(what, mark)| whole.found(what, mark).is_none()).map(|(what, _)| what).collect();
    assert!(lost.is_empty(), "not in the report: {lost:?}");
    // What can't be used is in none; of the patient it says what it was asked for.
    let reasons = [("laboratory", "refused"), ("medication", "unusable"), ("vitals", "ambiguous")];
    assert_eq!(missing(&useless_report), reasons.map(|(service, why)| (service.to_owned(), why.to_owned())));
    useless.add("the useless report", useless_report);
    // Nowhere else is any of it.
    assert!(places.with("epro.query.H001").contains(&"spans"));
    for said in ["the hospital's answer can't be used", "the hospital refuses a question"] {
        assert!(!places.with(said).is_empty(), "{said}");
    }
    let found = told.all().chain(beside.all()).filter_map(|(what, mark)| {
        let not_asked = if mark == NUMBER { None } else { useless.found(what, mark) };
        places.found(what, mark).or(not_asked)
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{} planted values were found:\n{}", found.len(), found.join("\n"));
}
