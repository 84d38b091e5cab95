//! No value of a patient, and nothing else that a stranger sent, is found where it doesn't belong.
//!
//! Every place in which a value can come in gets a mark of its own: fields, keys, ids and headers of submissions that
//! are stored, refused, set aside, panicked over or returned, and what hospitals and those who are told of alerts
//! answer. Beside the marks there are identifiers of all 18 classes of HIPAA, in several spellings each: as what a
//! patient is called, in answers, by both doors, one by one and in batches, and in what a hospital tells for a report;
//! some are sent as numbers, too (`numbers.rs`). The processes trace everything they can. Searched is whatever they
//! logged, answered, counted, sent as spans, left in queues, stored in the clear, showed to operators and researchers,
//! or told by mail, by text message or to a risk model; not what a hospital was told, whose patient it is, and not what
//! lies sealed.
//!
//! It is searched for each value as text in any case and either composition, as JSON, HTML, URLs and Rust escape it,
//! in hexadecimal, as a list of bytes and in Base64 (`spellings.rs`). What is encoded in two ways at once is found
//! only as JSON within JSON, and nothing is that is compressed, cut, or put into other words.

mod charts;
mod classes;
mod echoes;
mod exported;
mod fhir;
pub(crate) mod identifiers;
mod in_batches;
mod mail;
pub(crate) mod marks;
mod numbers;
mod outward;
mod pages;
mod queues;
mod reported;
mod spellings;
mod turned_away;
mod wire;

use std::time::Duration;

use epro_proving::hand::{Letter, plain};
use epro_proving::sealed::{Envelope, SUBMISSION};
use epro_proving::{Hand, Stack, TraceReceiver, until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    ALERTS, BOUND, DEAD, ROUTINE, SITE, STORED, STUDY, URGENT, amendment, calm, counts, id, link, says, with,
    write_instrument,
};
use marks::{Marks, Places};
use wire::Caller;

const HIS: &str = "epro.his.H001";
const COMMANDS: &str = "epro.commands";
/// Nobody calls from here by chance.
const FROM: &str = "127.61.72.83";

pub(crate) const DIARY: &str = "\
id: diary
version: \"1.0\"
title: A diary
licence: For tests only.
lists:
  often:
    system: http://loinc.org
    options:
      - { code: LA6568-5, score: 0 }
      - { code: LA6569-3, score: 1 }
items:
  - { link_id: d-1, type: text }
  - { link_id: d-2, type: coded, list: often }
  - { link_id: d-3, type: integer, minimum: 0, maximum: 300 }
  - { link_id: d-4, type: decimal, minimum: 30, maximum: 45 }
  - { link_id: d-5, type: integer, minimum: 0, maximum: 130, age: true }
alerts:
  - { id: worse, severity: critical, item: d-2, at_least: 1 }
";

/// A submission with a mark in each place that takes free text, answered and sent at times of its own.
fn diary(marks: &mut Marks, site: &str) -> Value {
    let mut diary = calm();
    diary["site_id"] = json!(site);
    diary["instrument"] = json!("diary|1.0");
    diary["answers"] = json!({"d-1": marks.make("a text answer"), "d-2": 0});
    diary["answered_at"] = json!("1987-03-04T05:06:07.891+08:00");
    diary["sent_at"] = json!("1987-03-05T06:07:08.912+08:00");
    diary
}

/// Everything in a request that isn't the body.
fn headers(marks: &mut Marks) -> Vec<(String, String)> {
    let named = [
        "User-Agent",
        "Cookie",
        "Referer",
        "X-Forwarded-For",
        "Forwarded",
        "From",
        "traceparent",
        "tracestate",
        "baggage",
        "X-Request-Id",
        "Idempotency-Key",
        "Prefer",
        "Accept-Language",
    ];
    let mut headers: Vec<_> = named.iter().map(|name| ((*name).to_owned(), marks.make(name))).collect();
    headers.push((format!("X-{}", marks.make("a header's name")), "1".to_owned()));
    headers
}

/// A token with a mark in each claim that nobody reads, and in `sub` and `client`.
fn token(stack: &Stack, marks: &mut Marks) -> String {
    let claims = json!({
        "sub": marks.make("sub"), "scope": format!("submit {}", marks.make("scope")),
        "study": [STUDY, marks.make("study claim")], "site": [SITE, "H004", marks.make("site claim")],
        "client": marks.make("client"), "azp": marks.make("azp"), "name": marks.make("name claim"),
        "email": marks.make("email claim"), "jti": marks.make("jti"), marks.make("a claim's name"): 1,
    });
    stack.minter().token(&claims).unwrap()
}

/// What the door must refuse: (what, body). Each holds at least one mark.
fn refusals(marks: &mut Marks) -> Vec<(&'static str, Vec<u8>)> {
    let mut cases = Vec::new();
    let mut spoilt = |what, spoil: &dyn Fn(&mut Value, String)| {
        let mut submission = calm();
        spoil(&mut submission, marks.make(what));
        cases.push((what, submission.to_string().into_bytes()));
    };
    spoilt("an unknown key", &|s, mark| s[mark.as_str()] = json!(1));
    spoilt("the value of an unknown key", &|s, mark| s["birthday"] = json!(mark));
    spoilt("an unknown item", &|s, mark| s["answers"][mark.as_str()] = json!(1));
    spoilt("a code outside its list", &|s, mark| s["answers"]["44250-9"] = json!(mark));
    spoilt("a system of its own", &|s, mark| s["answers"]["44250-9"] = json!({"system": mark, "code": "x"}));
    spoilt("a code of its own", &|s, mark| s["answers"]["44250-9"] = json!({"code": mark}));
    spoilt("a key within an answer", &|s, mark| s["answers"]["44250-9"] = json!({"code": "x", mark: 1}));
    for field in [
        "submission_id",
        "study_id",
        "site_id",
        "subject_id",
        "instrument",
        "answered_at",
        "sent_at",
        "amends",
        "answers",
    ] {
        spoilt(field, &|s, mark| s[field] = json!(mark));
    }
    spoilt("a reason without an amendment", &|s, mark| s["reason"] = json!(mark));
    spoilt("an unknown instrument", &|s, mark| s["instrument"] = json!(format!("{mark}|1.0")));
    spoilt("an unknown version", &|s, mark| s["instrument"] = json!(format!("phq-9|{mark}")));
    spoilt("a stated score", &|s, mark| s["stated"] = json!({mark: 1}));
    let twice = marks.make("a key twice");
    cases.push(("a key twice", format!("{{\"{twice}\":1,\"{twice}\":2}}").into_bytes()));
    cases.push(("no JSON", format!("patient={}", marks.make("no JSON")).into_bytes()));
    let deep =
        format!("{{\"answers\":{}\"{}\"{}}}", "[".repeat(300), marks.make("too deep"), "]".repeat(300));
    cases.push(("too deep", deep.into_bytes()));
    cases.push(("too large", marks.make("too large").repeat(20_000).into_bytes()));
    cases
}

/// The same as batches: all of them that are JSON in one, and each of the others as a whole batch.
fn batches(marks: &mut Marks) -> Vec<(&'static str, Vec<u8>)> {
    let (items, mut batches): (Vec<_>, Vec<_>) = refusals(marks)
        .into_iter()
        .partition(|(_, body)| serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object()));
    let items: Vec<Vec<u8>> = items.into_iter().map(|(_, body)| body).collect();
    let array = [b"[".as_slice(), &items.join(&b","[..]), b"]"].concat();
    batches.push(("all in one", array));
    batches
}

/// Refused requests of every other kind, at every door.
async fn strange_requests(callers: &[Caller], stack: &Stack, marks: &mut Marks) -> Vec<String> {
    let good = calm().to_string().into_bytes();
    let auth = |token: &str| vec![("Authorization".to_owned(), token.to_owned())];
    let (submit, status) = ("/api/v1/epro/submit", "/api/v1/epro/submissions");
    let claims =
        json!({"sub": marks.make("a forger's sub"), "scope": "submit", "study": STUDY, "site": SITE});
    let forged = stack.minter().forger().token(&claims).unwrap();
    let elsewhere = json!({"sub": marks.make("another study's sub"), "scope": "submit",
        "study": marks.make("another study"), "site": marks.make("another site")});
    let elsewhere = stack.minter().token(&elsewhere).unwrap();
    let patient = stack.minter().patient(&marks.make("a reader's sub"), STUDY, SITE).unwrap();
    let bearer = |token: &str| auth(&format!("Bearer {token}"));
    let method = marks.make("a method").to_uppercase();
    let mut typed = bearer(&patient);
    typed.push(("Content-Type".into(), format!("text/{}", marks.make("a content type"))));
    let lines = [
        ("POST", submit.to_owned(), auth(&marks.make("a scheme of its own"))),
        ("POST", submit.to_owned(), bearer(&marks.make("no token"))),
        ("POST", submit.to_owned(), bearer(&format!("{0}.{0}.{0}", marks.make("three parts")))),
        ("POST", submit.to_owned(), bearer(&forged)),
        ("POST", submit.to_owned(), bearer(&elsewhere)),
        ("POST", format!("/api/{}", marks.make("a path")), bearer(&patient)),
        ("POST", format!("{submit}?patient={}", marks.make("a query")), bearer(&forged)),
        ("GET", format!("{status}/{}", marks.make("an id in the path")), bearer(&patient)),
        (
            "GET",
            format!("{status}/{}?x={}", Uuid::now_v7(), marks.make("a query of a read")),
            bearer(&patient),
        ),
        ("GET", format!("/{}/openapi.json", marks.make("a prefix")), vec![]),
        ("DELETE", format!("{status}/{}", marks.make("an id to delete")), bearer(&patient)),
        (method.as_str(), submit.to_owned(), bearer(&patient)),
        ("POST", submit.to_owned(), typed),
    ];
    let mut answers = Vec::new();
    for caller in callers {
        for (method, path, headers) in &lines {
            answers.push(caller.send(method, path, headers, &good).await);
        }
    }
    answers
}

/// Bodies that no door of today lets through, sealed by our own hand.
fn sealed(hand: &Hand, subject: &str, bytes: Vec<u8>) -> Letter {
    let (id, subject) = (Uuid::now_v7(), subject.to_owned());
    let envelope = Envelope { actor: subject.clone(), subject, bytes }.write().unwrap();
    plain(ROUTINE, id, SUBMISSION, hand.keys().seal(SUBMISSION, id, &envelope).unwrap())
}

/// The patient whose submission lies in the routine queue.
async fn subject_of(hand: &Hand, submission: &Value) -> String {
    let letters = hand.lying(ROUTINE).await.unwrap();
    let envelopes = letters
        .iter()
        .map(|letter| hand.keys().open_submission(letter.try_into().unwrap(), &letter.body).unwrap());
    let wanted: Uuid = id(submission).parse().unwrap();
    let found = envelopes.into_iter().find(|envelope| envelope.submission_id().unwrap() == wanted);
    found.unwrap().subject
}

/// Messages that nobody of ours has published.
async fn strange_messages(hand: &Hand, marks: &mut Marks) {
    let body = marks.make("an unsealed body").into_bytes();
    let mut letter = plain(ROUTINE, Uuid::now_v7(), SUBMISSION, body)
        .with(&marks.make("a message header's name"), json!(1))
        .with("note", json!(marks.make("a message header")))
        .with("epro-site", json!(marks.make("a stranger's site")))
        .with("epro-study", json!(marks.make("a stranger's study")))
        .with("epro-key", json!(marks.make("a stranger's key")))
        .with("traceparent", json!(marks.make("a message's traceparent")));
    hand.publish(&letter).await.unwrap();
    letter.id = Some(marks.make("a message id"));
    hand.publish(&letter).await.unwrap();
    letter.kind = Some(marks.make("a message's type"));
    hand.publish(&letter).await.unwrap();
    letter.key = marks.make("a routing key");
    hand.publish(&letter.through("epro.dead")).await.unwrap();
    let mut broken = sealed(hand, &marks.make("the subject under a broken seal"), b"{}".to_vec());
    broken.body[20] ^= 1;
    hand.publish(&broken).await.unwrap();
    for (_, bytes) in refusals(marks) {
        hand.publish(&sealed(hand, &marks.make("a subject of an older door"), bytes)).await.unwrap();
    }
}

/// What lies in a queue as AMQP gives it.
async fn look(places: &mut Places, hand: &Hand, queue: &str) -> usize {
    let letters = hand.lying(queue).await.unwrap();
    add_letters(places, queue, &letters);
    letters.len()
}

fn add_letters(places: &mut Places, queue: &str, letters: &[Letter]) {
    for letter in letters {
        let envelope = format!("{:?} {:?} {} {}", letter.id, letter.kind, letter.key, letter.properties);
        places.add(format!("{queue}, properties"), envelope);
        places.add(format!("{queue}, body"), letter.body.clone());
    }
}

/// Every row of every table in these schemas, as PostgreSQL writes it.
async fn read_tables(places: &mut Places, stack: &Stack, schemas: &str) {
    let link = link(stack).await;
    let sql = format!("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ({schemas})");
    for table in link.client.query(&sql, &[]).await.unwrap() {
        let table: String = table.get(0);
        let rows = link.client.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap();
        for row in rows {
            places.add(table.clone(), row.get::<_, String>(0));
        }
    }
}

const TRACE: (&str, &str) = ("RUST_LOG", "trace");
const JSON: (&str, &str) = ("EPRO__LOG__FORMAT", "json");

async fn operate(places: &mut Places, stack: &Stack, line: &[&str]) {
    let (_, out, error) = stack.epro_with(&[TRACE], line).await.unwrap();
    places.add(format!("epro {line:?}"), format!("{out}{error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_value_is_found_where_it_does_not_belong() {
    let folder = std::env::temp_dir().join(format!("epro-leaks-{}", Uuid::now_v7().simple()));
    write_instrument(&folder, "diary", DIARY);
    let receiver = TraceReceiver::start().await.unwrap();
    let stack = with(json!({
        "time_scale": 0.02,
        "instruments": {"directory": folder},
        "traces": {"endpoint": receiver.endpoint()},
    }))
    .await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let (mut marks, mut places) = (Marks::default(), Places::default());
    // Two doors, each of which is told the same: one writes for people, the other for machines.
    let mut api = stack.spawn("epro-producer-api", &[TRACE]).unwrap();
    let mut other = stack.spawn("epro-producer-api", &[TRACE, JSON]).unwrap();
    api.ready().await.unwrap();
    other.ready().await.unwrap();
    let callers = [&api, &other].map(|door| Caller { from: FROM, to: door.listen().to_owned() });
    let submit = "/api/v1/epro/submit";
    let accept = async |caller: &Caller, marks: &mut Marks, submission: &Value| {
        let mut head = headers(marks);
        head.push(("Authorization".into(), format!("Bearer {}", token(&stack, marks))));
        caller.send("POST", submit, &head, submission.to_string().as_bytes()).await
    };

    // Accepted: one to store, one that amends it, one that alerts, one for a hospital without a queue, one
    // that the database refuses, one over which a stage panics.
    let stored = diary(&mut marks, "H004");
    let mut amended = amendment(&stored, &marks.make("a reason"));
    amended["instrument"] = json!("diary|1.0");
    amended["answers"] = json!({"d-1": marks.make("an amended text")});
    let mut alerting = diary(&mut marks, "H004");
    alerting["answers"]["d-2"] = json!(1);
    let who = identifiers::plant(&mut marks);
    alerting["answers"]["d-1"] = json!(who);
    let (returned, refused, panicked) =
        (diary(&mut marks, SITE), diary(&mut marks, "H004"), diary(&mut marks, "H004"));
    let accepted = [&stored, &alerting, &returned, &refused, &panicked];
    for (submission, caller) in accepted.into_iter().zip(callers.iter().cycle()) {
        let answer = accept(caller, &mut marks, submission).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        places.add("an answer of the door", answer);
    }
    let mut head = headers(&mut marks);
    head.push(("Authorization".into(), format!("Bearer {}", token(&stack, &mut marks))));
    let response = fhir::diary(&mut marks).to_string();
    let answer = callers[1].send("POST", fhir::CREATE, &head, response.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    places.add("an answer of the FHIR door", answer);
    // The amendment is the same patient's, or it would wait for ever.
    let author = subject_of(&hand, &stored).await;
    hand.publish(&sealed(&hand, &author, amended.to_string().into_bytes())).await.unwrap();

    // Refused at the door.
    let mut telling = calm();
    telling["answers"][who.as_str()] = json!(who);
    telling["birthday"] = json!(who);
    let identified = ("all that identifies", telling.to_string().into_bytes());
    for (what, body) in refusals(&mut marks).into_iter().chain([identified]) {
        let mut head = headers(&mut marks);
        head.push(("Authorization".into(), format!("Bearer {}", token(&stack, &mut marks))));
        for caller in &callers {
            let answer = caller.send("POST", submit, &head, &body).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
            places.add(format!("the answer to {what}"), answer);
        }
    }
    for (what, path, body) in fhir::refusals(&mut marks) {
        let mut head = headers(&mut marks);
        head.push(("Authorization".into(), format!("Bearer {}", token(&stack, &mut marks))));
        for caller in &callers {
            let answer = caller.send("POST", path, &head, &body).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
            places.add(format!("the answer to {what}"), answer);
        }
    }
    for (what, body) in batches(&mut marks) {
        let mut head = headers(&mut marks);
        head.push(("Authorization".into(), format!("Bearer {}", token(&stack, &mut marks))));
        for caller in &callers {
            let answer = caller.send("POST", "/api/v1/epro/submit/batch", &head, &body).await;
            let refused = answer.starts_with("HTTP/1.1 4") || answer.contains("\"received\":0");
            assert!(refused, "{what}: {answer}");
            places.add(format!("the answer to a batch, {what}"), answer);
        }
    }
    for answer in strange_requests(&callers, &stack, &mut marks).await {
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        places.add("the answer to a strange request", answer);
    }
    until("the door's notes for the audit trail", BOUND, || async {
        Ok((stack.vhost().ready(COMMANDS).await? > 5).then_some(()))
    })
    .await
    .unwrap();
    for (queue, least) in [(ROUTINE, 6), (URGENT, 1), (COMMANDS, 5)] {
        assert!(look(&mut places, &hand, queue).await >= least, "{queue}");
    }

    // The worker, with a hospital queue that is gone, a row that is refused and a stage that panics.
    strange_messages(&hand, &mut marks).await;
    stack.vhost().delete_queue(HIS).await.unwrap();
    let check = format!(
        "ALTER TABLE research.submission ADD CONSTRAINT not_this_one CHECK (submission_id <> '{}')",
        id(&refused)
    );
    link.client.batch_execute(&check).await.unwrap();
    let (fault, words) = (format!("process:{}=panic", id(&panicked)), marks.make("the words of a panic"));
    let env = [TRACE, ("EPRO_FAULT", &fault), ("EPRO_FAULT_WORDS", &words), JSON];
    let mut worker = stack.spawn("epro-worker", &env).unwrap();
    worker.ready().await.unwrap();
    counts(&link, STORED, 5).await;
    for class in ["refused", "quarantined"] {
        counts(&link, &format!("{DEAD} AND class = '{class}'"), 1).await;
    }
    counts(&link, "SELECT count(*) FROM ops.delivery WHERE state = 'unsent'", 1).await;
    says(&worker, "a panic; its message is withheld").await;
    // Whatever made the lane pause itself is looked at, and it goes on.
    while stack.vhost().ready(ROUTINE).await.unwrap() > 0 {
        let line = ["resume", "submissions.routine", "--reason", "looked at them"];
        operate(&mut places, &stack, &line).await;
        tokio::task::yield_now().await;
    }

    // A publish that the broker returns to each door.
    stack.vhost().delete_queue(ROUTINE).await.unwrap();
    let lost = diary(&mut marks, "H004");
    for (caller, door) in callers.iter().zip([&api, &other]) {
        let answer = accept(caller, &mut marks, &lost).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        places.add("the answer to what was returned", answer);
        says(door, "epro topology apply").await;
    }

    // An operator looks at all of it.
    operate(&mut places, &stack, &["topology", "check"]).await;
    operate(&mut places, &stack, &["topology", "apply"]).await;
    operate(&mut places, &stack, &["dead-letters", "list"]).await;
    let all = ["dead-letters", "list", "--json", "--limit", "10000"];
    operate(&mut places, &stack, &all).await;
    let numbers = link.client.query("SELECT id::text FROM ops.dead_letter", &[]).await.unwrap();
    assert!(numbers.len() > 20);
    for number in &numbers {
        let number = number.get::<_, &str>(0);
        operate(&mut places, &stack, &["dead-letters", "show", number]).await;
        operate(&mut places, &stack, &["dead-letters", "show", number, "--json"]).await;
    }
    let line = ["dead-letters", "redrive", "--class", "refused", "--yes", "--reason", "again"];
    operate(&mut places, &stack, &line).await;
    operate(&mut places, &stack, &["config", "check"]).await;

    pages::look(&mut places, &stack, &link).await;

    let seen = look(&mut places, &hand, ALERTS).await + look(&mut places, &hand, HIS).await;
    assert!(seen >= 1);
    for service in [&api, &other, &worker] {
        places.add(format!("/metrics of {}", service.admin()), service.metrics().await.unwrap());
        places.add("/readyz", service.readyz().await.unwrap().1);
    }
    worker.drain(Duration::from_secs(25)).await.unwrap();
    for door in [&mut api, &mut other] {
        door.drain(Duration::from_secs(25)).await.unwrap();
        places.add("what the api wrote", door.output());
    }
    places.add("what the worker wrote", worker.output());
    // Nothing but what was accepted was stored, whenever that was looked at.
    counts(&link, STORED, 5).await;
    read_tables(&mut places, &stack, "'ops', 'audit', 'identified'").await;
    let spans = [("POST /api/v1/epro/submit", 5), ("process epro.submissions.routine", 4), ("COMMIT", 1)];
    for (name, least) in spans {
        receiver.named(name, least).await.unwrap();
    }
    places.add("spans", receiver.bodies());

    // The search itself can find: what does belong there is found.
    assert!(places.with("H004").len() > 3 && !places.with("not_this_one").is_empty());
    assert!(places.with("epro.submissions.routine").contains(&"spans"));
    let found: Vec<String> = marks.all().filter_map(|(what, mark)| places.found(what, mark)).collect();
    assert!(found.is_empty(), "{} planted values were found:\n{}", found.len(), found.join("\n"));
    let days = ["1987-03-03", "1987-03-04", "1987-03-05"].map(|day| ("the day of answering or sending", day));
    for (what, value) in days.into_iter().chain([("the caller's address", FROM)]) {
        let logs = places.but_for(&["identified.submission"]).found(what, value);
        assert_eq!(logs, None);
    }
    // Researchers may know the day in this study, and nothing else of all that.
    let mut research = Places::default();
    read_tables(&mut research, &stack, "'research'").await;
    assert!(!research.with("1987-03-03").is_empty(), "the day of answering, in UTC");
    let found: Vec<String> = marks.all().filter_map(|(what, mark)| research.found(what, mark)).collect();
    assert!(found.is_empty(), "researchers see:\n{}", found.join("\n"));
    // No label of a metric, no word of a log and nothing in a body in a queue is an id that a patient's app or a
    // researcher knows.
    let subjects = link.client.query("SELECT pseudonym::text FROM identified.subject", &[]).await.unwrap();
    let sent = [&stored, &amended, &alerting, &returned, &refused, &panicked, &lost].map(id);
    for known in sent.into_iter().chain(subjects.iter().map(|row| row.get::<_, &str>(0))) {
        let told = |place: &&str| {
            place.contains("metrics") || place.starts_with("what the ") || place.ends_with(", body")
        };
        let at: Vec<&str> = places.with(known).into_iter().filter(told).collect();
        assert!(at.is_empty(), "{known}: {at:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
