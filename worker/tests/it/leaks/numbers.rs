//! Identifiers as numbers. Numbers cross de-identification, but an item takes only those within its bounds: both doors
//! refuse the others, and what an older door let through is set aside. An age above 89 leaves a study of Safe Harbor
//! as 90.

use epro_proving::RiskModel;

use super::classes::look_at_dead_letters;
use super::*;
use crate::exports::Analyst;

/// The diary's numeric items, and how FHIR writes an answer of theirs.
const NUMERIC: [(&str, &str); 3] =
    [("d-3", "valueInteger"), ("d-4", "valueDecimal"), ("d-5", "valueInteger")];
const YEARS: &str = "d-5";
const WHO: &str = "P-1";
/// The study that is de-identified by Safe Harbor.
const SAFE: &str = "PSY-12";

/// A diary with that answer beside the others.
fn answered(study: &str, item: &str, number: u64) -> Value {
    let mut diary = diary(&mut Marks::default(), "H004");
    diary["study_id"] = json!(study);
    diary["answers"][item] = json!(number);
    diary
}

/// The same in FHIR.
fn response(item: &str, kind: &str, number: u64) -> Value {
    let mut response = fhir::diary(&mut Marks::default());
    let answer = json!({"linkId": item, "answer": [{kind: number}]});
    response["item"].as_array_mut().unwrap().push(answer);
    response
}

/// Puts it into the queue in a trace of its own, as a door would.
async fn put(hand: &Hand, submission: &Value) {
    let (trace, span) = (Uuid::new_v4().simple(), Uuid::new_v4().simple().to_string());
    let place = format!("00-{trace}-{}-01", &span[..16]);
    let letter = hand.letter(ROUTINE, WHO, submission).unwrap();
    hand.publish(&letter.with("traceparent", json!(place))).await.unwrap();
}

/// Tells both doors each of the numbers as an answer of each item; they refuse it. Then it comes as from an older door.
async fn tell(numbers: &[(&str, u64)], caller: &Caller, stack: &Stack, hand: &Hand, places: &mut Places) {
    let token = stack.minter().patient(WHO, STUDY, "H004").unwrap();
    let head = [("Authorization".to_owned(), format!("Bearer {token}"))];
    for (class, number) in numbers {
        for (item, kind) in NUMERIC {
            let native = answered(STUDY, item, *number);
            for (path, body) in
                [("/api/v1/epro/submit", &native), (fhir::CREATE, &response(item, kind, *number))]
            {
                let answer = caller.send("POST", path, &head, body.to_string().as_bytes()).await;
                assert!(answer.starts_with("HTTP/1.1 422"), "{class}, {item}, {path}: {answer}");
                places.add(format!("the answer of {path} to {class} in {item}"), answer);
            }
            put(hand, &native).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_identifier_that_is_sent_as_a_number_is_found_where_it_does_not_belong() {
    let folder = std::env::temp_dir().join(format!("epro-leaks-{}", Uuid::now_v7().simple()));
    write_instrument(&folder, "diary", DIARY);
    let receiver = TraceReceiver::start().await.unwrap();
    let stack = with(json!({
        "time_scale": 0.02,
        "worker": {"lanes": ["submissions", "dead", "relay", "commands", "exports"]},
        "instruments": {"directory": folder},
        "traces": {"endpoint": receiver.endpoint()},
    }))
    .await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let (mut marks, mut places) = (Marks::default(), Places::default());
    let numbers = identifiers::numbers(&mut marks);
    let mut door = stack.spawn("epro-producer-api", &[TRACE]).unwrap();
    door.ready().await.unwrap();
    let caller = Caller { from: FROM, to: door.listen().to_owned() };
    tell(&numbers, &caller, &stack, &hand, &mut places).await;
    // What lies within the bounds is an answer as any other.
    put(&hand, &answered(STUDY, "d-3", 72)).await;
    assert_eq!(look(&mut places, &hand, ROUTINE).await, 10);

    let mut worker = stack.spawn("epro-worker", &[TRACE, JSON]).unwrap();
    worker.ready().await.unwrap();
    counts(&link, STORED, 1).await;
    counts(&link, &format!("{DEAD} AND class = 'invalid' AND stage = 'clean'"), 9).await;
    look_at_dead_letters(&mut places, &stack, &link).await;
    exported::look(&mut places, &stack, &door, 1).await;
    pages::look(&mut places, &stack, &link).await;
    for (name, service) in [("the door", &mut door), ("the worker", &mut worker)] {
        places.add(format!("/metrics of {name}"), service.metrics().await.unwrap());
        service.drain(Duration::from_secs(25)).await.unwrap();
        places.add(format!("what {name} wrote"), service.output());
    }
    read_tables(&mut places, &stack, "'ops', 'audit', 'identified', 'research'").await;
    receiver.named("POST /api/v1/epro/submit", 9).await.unwrap();
    receiver.named("process epro.submissions.routine", 10).await.unwrap();
    places.add("spans", receiver.bodies());

    // The search itself can find: what does belong there is found.
    assert!(places.with(r#"""value"": 72"#).contains(&"research.submission"), "an answer within its bounds");
    let found: Vec<String> = marks.all().filter_map(|(what, mark)| places.found(what, mark)).collect();
    assert!(found.is_empty(), "{} planted values were found:\n{}", found.len(), found.join("\n"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// Ages by study, sorted.
type Ages = Vec<(String, i64)>;

fn sorted(ages: impl Iterator<Item = (String, i64)>) -> Ages {
    let mut ages: Ages = ages.collect();
    ages.sort();
    ages
}

/// Of the lines of a CSV file.
fn of_lines(body: &[u8]) -> Ages {
    let text = std::str::from_utf8(body).unwrap();
    let mut lines = text.split_terminator("\r\n").map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (study, age) = (column("study_id"), column(YEARS));
    sorted(lines.map(|cells| (cells[study].to_owned(), cells[age].parse::<i64>().unwrap())))
}

/// Of the resources of an NDJSON file.
fn of_resources(body: &[u8]) -> Ages {
    let text = std::str::from_utf8(body).unwrap();
    let resources = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    sorted(resources.map(|resource| {
        let item = resource["item"].as_array().unwrap().iter().find(|item| item["linkId"] == YEARS).unwrap();
        let study = resource["extension"][0]["valueString"].as_str().unwrap();
        (study.to_owned(), item["answer"][0]["valueInteger"].as_i64().unwrap())
    }))
}

/// Of the questions for a risk model.
fn of_questions(questions: &[Value]) -> Ages {
    sorted(questions.iter().map(|question| {
        let answers = question["answers"].as_array().unwrap();
        let answer = answers.iter().find(|answer| answer["link_id"] == YEARS).unwrap();
        (question["study_id"].as_str().unwrap().to_owned(), answer["value"].as_i64().unwrap())
    }))
}

/// The file of responses of an export in that format.
async fn file(analyst: &Analyst, format: &str) -> Vec<u8> {
    let asked = json!({"format": format, "from": "1987-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"});
    let status = analyst.is(&analyst.export(asked).await, "done").await;
    assert_eq!(status["rows"], 4, "{status}");
    // The first is the manifest.
    analyst.all_files(&status).await.remove(1).1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_age_above_89_leaves_a_safe_harbor_study_as_90_for_researchers_analysts_and_the_risk_model() {
    let folder = std::env::temp_dir().join(format!("epro-leaks-{}", Uuid::now_v7().simple()));
    write_instrument(&folder, "diary", DIARY);
    let risk = RiskModel::start().await.unwrap();
    let asks = json!({"risk": {"url": risk.url()}});
    let stack = with(json!({
        "time_scale": 0.02,
        "worker": {"lanes": ["submissions", "dead", "relay", "commands", "exports", "risk"]},
        "instruments": {"directory": folder},
        "studies": {(STUDY): asks, (SAFE): asks},
    }))
    .await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let sent = [(STUDY, identifiers::AGE), (SAFE, identifiers::AGE), (SAFE, 89), (SAFE, 130)];
    for (study, age) in sent {
        put(&hand, &answered(study, YEARS, age)).await;
    }
    let (door, _worker) = tokio::try_join!(stack.api(), stack.worker()).unwrap();
    counts(&link, STORED, 4).await;
    counts(&link, "SELECT count(*) FROM ops.risk WHERE state = 'done'", 4).await;

    let expected = [(STUDY, 93), (SAFE, 89), (SAFE, 90), (SAFE, 90)];
    let expected: [(String, i64); 4] = expected.map(|(study, age)| (study.to_owned(), age));
    let sql = "SELECT study_id, (value #>> '{}')::bigint FROM research.answer WHERE link_id = 'd-5'";
    let rows = link.client.query(sql, &[]).await.unwrap();
    assert_eq!(sorted(rows.iter().map(|row| (row.get(0), row.get(1)))), expected);
    assert_eq!(of_questions(&risk.asked()), expected);
    let analyst = Analyst::at(&stack, &door, "export");
    assert_eq!(of_lines(&file(&analyst, "csv").await), expected);
    assert_eq!(of_resources(&file(&analyst, "ndjson").await), expected);
    std::fs::remove_dir_all(folder).unwrap();
}
