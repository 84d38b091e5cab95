//! Each of the 18 classes of identifiers at the door: as what the patient is called there, as an answer in words, as
//! the author of a response in FHIR, as why something was amended, one by one and many at once, in what is set aside,
//! and in what every other route and the console's forms refuse. What researchers may fetch of all that is looked at, too.

use super::*;

const SUBMIT: &str = "/api/v1/epro/submit";
const GIVEN_UP: &str = "epro.dead";
/// Of the class of medical record numbers.
const NUMBER: &str = "MRN-00471193";

/// A door that is told everything, by one patient after the other.
pub(super) struct Told<'s> {
    stack: &'s Stack,
    caller: Caller,
}

impl Told<'_> {
    /// Sends it as the patient of that name; the whole answer.
    pub(super) async fn send(&self, who: &str, path: &str, body: &Value) -> String {
        self.send_as(who, path, "application/json", body.to_string().as_bytes()).await
    }

    /// The same of any kind.
    pub(super) async fn send_as(&self, who: &str, path: &str, kind: &str, body: &[u8]) -> String {
        let token = self.stack.minter().patient(who, STUDY, "H004").unwrap();
        let head = [("Authorization", format!("Bearer {token}")), ("Content-Type", kind.to_owned())];
        let head = head.map(|(name, value)| (name.to_owned(), value));
        self.caller.send("POST", path, &head, body).await
    }
}

/// A diary of the patient of that name, in these words, and an amendment of it for a reason in the same. Other marks
/// are looked for elsewhere.
pub(super) fn diaries(who: &str, words: &str) -> [Value; 2] {
    let mut first = diary(&mut Marks::default(), "H004");
    first["subject_id"] = json!(who);
    first["answers"]["d-1"] = json!(words);
    let mut amended = amendment(&first, &format!("it was {words}"));
    amended["instrument"] = json!("diary|1.0");
    amended["answers"] = json!({"d-1": words, "d-2": 0});
    [first, amended]
}

/// The same in FHIR: the patient by identifier, the words as the author and as an answer.
pub(super) fn response(who: &str, words: &str) -> Value {
    let mut response = fhir::diary(&mut Marks::default());
    response["subject"] = json!({"identifier": {"value": who}, "display": words});
    response["author"]["display"] = json!(words);
    response["item"][0]["answer"][0]["valueString"] = json!(words);
    response
}

/// What the door must refuse, with the patient who sends it: somebody else's name, and a name against the rules.
fn refused(marks: &mut Marks, who: &str) -> [(String, &'static str, Value); 5] {
    let stranger = marks.make("a stranger's sub");
    let named = |name: &str| {
        let mut submission = calm();
        submission["subject_id"] = json!(name);
        submission
    };
    [
        (stranger.clone(), SUBMIT, named(who)),
        (stranger, fhir::CREATE, response(who, who)),
        (who.to_owned(), SUBMIT, named(&format!("{who} "))),
        (who.to_owned(), SUBMIT, named(&who.repeat(17))),
        (format!("{who}\n"), SUBMIT, calm()),
    ]
}

/// Tells the door what patients of a class send, and what it must refuse.
async fn tell(told: &Told<'_>, (class, spellings): (&str, &[&str]), marks: &mut Marks, places: &mut Places) {
    let who = spellings[0];
    for submission in diaries(who, &spellings.join("; ")) {
        let answer = told.send(who, SUBMIT, &submission).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{class}: {answer}");
        places.add(format!("the answer to {class}"), answer);
    }
    for (sender, path, body) in refused(marks, who) {
        let answer = told.send(&sender, path, &body).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{class}: {answer}");
        places.add(format!("the refusal of {class}"), answer);
    }
}

/// What the operator's tools tell of what was set aside.
pub(super) async fn look_at_dead_letters(
    places: &mut Places,
    stack: &Stack,
    link: &epro_proving::database::Link,
) {
    operate(places, stack, &["dead-letters", "list"]).await;
    operate(places, stack, &["dead-letters", "list", "--json"]).await;
    for row in link.client.query("SELECT id::text FROM ops.dead_letter", &[]).await.unwrap() {
        let number = row.get::<_, &str>(0);
        operate(places, stack, &["dead-letters", "show", number]).await;
        operate(places, stack, &["dead-letters", "show", number, "--json"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_identifier_that_a_patient_is_called_by_or_writes_is_found_where_it_does_not_belong() {
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
    let classes = identifiers::classes(&mut marks);
    assert!(marks.all().any(|(_, mark)| mark == NUMBER));
    let mut door = stack.spawn("epro-producer-api", &[TRACE]).unwrap();
    door.ready().await.unwrap();
    let told = Told { stack: &stack, caller: Caller { from: FROM, to: door.listen().to_owned() } };

    for class in classes {
        tell(&told, class, &mut marks, &mut places).await;
    }
    in_batches::natively(&told, &classes, &mut places).await;
    turned_away::at_the_door(&mut places, &stack, &told.caller, &classes).await;
    turned_away::at_the_console(&mut places, &stack, &classes).await;
    let [panicked, _] = diaries(NUMBER, NUMBER);
    assert!(told.send(NUMBER, SUBMIT, &panicked).await.starts_with("HTTP/1.1 202"));
    let [given_up, _] = diaries(NUMBER, NUMBER);
    let letter = hand.letter(ROUTINE, NUMBER, &given_up).unwrap();
    hand.publish(&letter.through(GIVEN_UP)).await.unwrap();
    until("the door's notes for the audit trail", BOUND, || async {
        Ok((stack.vhost().ready(COMMANDS).await? > 5).then_some(()))
    })
    .await
    .unwrap();
    for (queue, least) in [(ROUTINE, 55), (GIVEN_UP, 1), (COMMANDS, 5)] {
        assert!(look(&mut places, &hand, queue).await >= least, "{queue}");
    }

    // One is set aside because a stage panics over it, with an identifier in its words; another came to where the
    // broker puts what it gives up.
    let fault = format!("process:{}=panic", id(&panicked));
    let env = [TRACE, JSON, ("EPRO_FAULT", fault.as_str()), ("EPRO_FAULT_WORDS", NUMBER)];
    let mut worker = stack.spawn("epro-worker", &env).unwrap();
    worker.ready().await.unwrap();
    // The FHIR door waits for the store.
    for (class, spellings) in classes {
        let response = response(spellings[0], &spellings.join("; "));
        let answer = told.send(spellings[0], fhir::CREATE, &response).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{class}: {answer}");
        places.add(format!("the FHIR answer to {class}"), answer);
    }
    in_batches::in_fhir(&told, &classes, &mut places).await;
    counts(&link, STORED, 90).await;
    counts(&link, DEAD, 2).await;
    counts(&link, &format!("{DEAD} AND class = 'quarantined'"), 1).await;
    look_at_dead_letters(&mut places, &stack, &link).await;
    exported::look(&mut places, &stack, &door, 90).await;
    pages::look(&mut places, &stack, &link).await;
    for service in [&door, &worker] {
        places.add(format!("/metrics of {}", service.admin()), service.metrics().await.unwrap());
    }
    for (name, service) in [("the door", &mut door), ("the worker", &mut worker)] {
        service.drain(Duration::from_secs(25)).await.unwrap();
        places.add(format!("what {name} wrote"), service.output());
    }
    // Whoever redrives publishes it again, and makes a span of that.
    let line = ["dead-letters", "redrive", "--class", "quarantined", "--yes", "--reason", "again"];
    operate(&mut places, &stack, &line).await;
    assert!(look(&mut places, &hand, ROUTINE).await >= 1);
    read_tables(&mut places, &stack, "'ops', 'audit', 'identified', 'research'").await;
    for (name, least) in [
        ("POST /api/v1/epro/submit", 37),
        ("POST /api/v1/epro/submit/batch", 18),
        ("POST /fhir/R4", 18),
        ("process epro.submissions.routine", 55),
        ("COMMIT", 1),
    ] {
        receiver.named(name, least).await.unwrap();
    }
    let published = receiver.named("publish epro.submissions.routine", 38).await.unwrap();
    assert!(published.iter().any(|span| span.service == "epro"));
    places.add("spans", receiver.bodies());

    // The search itself can find: what does belong there is found.
    assert!(places.with("H004").len() > 3 && places.with("epro.submissions.routine").contains(&"spans"));
    let found: Vec<String> = marks.all().filter_map(|(what, mark)| places.found(what, mark)).collect();
    assert!(found.is_empty(), "{} planted values were found:\n{}", found.len(), found.join("\n"));
    std::fs::remove_dir_all(folder).unwrap();
}
