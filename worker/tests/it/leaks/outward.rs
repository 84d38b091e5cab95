//! What people and hospitals are told, and whatever they answer, stays out of logs, figures and tables. People and the
//! risk model are told nothing that identifies a patient; a hospital, whose patient it is, is.

use epro_proving::{TraceReceiver, until};
use serde_json::{Value, json};

use super::echoes::Echo;
use super::marks::{Marks, Places};
use super::*;

/// Statuses of the failure table that a hospital answers in turn.
const STATUSES: [u16; 9] = [422, 503, 401, 200, 302, 429, 201, 400, 500];

const ADDRESS: &str = "a recipient's address";

/// What some patients are called, of the class of medical record numbers.
const NUMBER: &str = "MRN-00471193";
/// Those who are told of a patient without knowing whom, and what is looked at of theirs.
const MAILS: &str = "what the mail server was told";
const READ: &str = "a mail, as it is read";
const RULE: &str = "rule       worse";
const MESSAGES: &str = "what the gateway for text messages was told";
const QUESTIONS: &str = "what the risk model was told";
const RISK: &str = "epro.risk";
const EXPORTS: &str = "epro.exports";
const QUERIES: [&str; 2] = ["epro.query.H001", "epro.query.H003"];
const WAITS: [&str; 7] = [
    "epro.wait.5s",
    "epro.wait.30s",
    "epro.wait.2m",
    "epro.wait.10m",
    "epro.wait.30m",
    "epro.wait.2h",
    "epro.wait.6h",
];

/// Every lane, and foreign systems that echo.
struct Abroad {
    fhir: Echo,
    issuer: Echo,
    mllp: Echo,
    smtp: Echo,
    gateway: Echo,
    risk: Echo,
}

impl Abroad {
    async fn open() -> Self {
        Self {
            fhir: Echo::http(&STATUSES).await,
            issuer: Echo::http(&[400, 200, 401, 503]).await,
            mllp: Echo::mllp().await,
            smtp: Echo::smtp().await,
            gateway: Echo::http(&[400, 503, 302, 401]).await,
            risk: Echo::http(&[422, 200, 503, 302, 401]).await,
        }
    }

    /// A configuration that calls them all; each secret and each address has a mark.
    fn config(&self, marks: &mut Marks, folder: &std::path::Path) -> Value {
        let http = |echo: &Echo| format!("http://127.0.0.1:{}/{}", echo.port, "at");
        let hospital = |mut entry: Value| {
            entry["calls_per_second"] = json!(50.0);
            entry["breaker"] = json!({"sleep": "10s"});
            entry
        };
        let header = folder.join("header");
        std::fs::write(&header, format!("Bearer {}", marks.make("the gateway's secret"))).unwrap();
        let person = |marks: &mut Marks| {
            let mail = format!("{}@h004.example", marks.make(ADDRESS));
            json!([{"name": "dr-cho", "email": mail, "phone": "+15550102"}])
        };
        json!({
            "time_scale": 0.02,
            "worker": {"lanes": ["submissions", "dead", "relay", "commands", "alerts", "hospitals", "exports"]},
            "instruments": {"directory": folder},
            "studies": {(STUDY): {"risk": {"url": http(&self.risk), "token": marks.make("the risk model's token"),
                "attempts": 3, "breaker": {"sleep": "10s"}}}},
            "hospitals": {
                "H001": hospital(json!({"protocol": "fhir", "url": http(&self.fhir), "auth":
                    {"kind": "basic", "user": "relay", "password": marks.make("a hospital's password")}})),
                "H002": hospital(json!({"protocol": "hl7v2", "url": format!("mllp://127.0.0.1:{}", self.mllp.port)})),
                "H003": hospital(json!({"protocol": "fhir", "url": http(&self.fhir), "auth":
                    {"kind": "oauth2", "token_url": http(&self.issuer), "client_id": "relay",
                     "client_secret": marks.make("a client secret")}})),
            },
            "alerts": {
                "smtp": {"host": "127.0.0.1", "port": self.smtp.port, "tls": "none", "from": "relay@epro.example",
                    "timeout": "5s", "user": "relay", "password": marks.make("the mail server's password")},
                "sms": {"url": format!("{}?login={}", http(&self.gateway), marks.make("a login in the gateway's address")),
                    "header_files": {"Authorization": header}, "timeout": "5s"},
                "recipients": {"H001": person(marks), "H002": person(marks), "H004": person(marks)},
                "operators": person(marks),
                "system": {"patience": "10s"},
            },
        })
    }

    /// Waits until each has said everything that it has to say.
    async fn have_answered(&self) {
        until("mails, one of them about an alert", BOUND, || async {
            let told = self.told();
            Ok((self.smtp.mails().len() >= 3 && !told.with(RULE).is_empty()).then_some(()))
        })
        .await
        .unwrap();
        let rounds = [
            (&self.fhir, 10),
            (&self.issuer, 4),
            (&self.mllp, 5),
            (&self.smtp, 4),
            (&self.gateway, 5),
            (&self.risk, 5),
        ];
        until("everybody to have answered", BOUND, || async {
            Ok(rounds.iter().all(|(echo, least)| echo.answered() >= *least).then_some(()))
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}: {:?}", rounds.map(|(echo, _)| echo.answered())));
    }

    /// All that people and the risk model were told, as it came, and mails as they are read, too.
    fn told(&self) -> Places {
        let mut told = Places::default();
        for (who, echo) in [(MAILS, &self.smtp), (MESSAGES, &self.gateway), (QUESTIONS, &self.risk)] {
            for words in echo.told() {
                told.add(who, words);
            }
        }
        for words in self.smtp.mails() {
            told.add(READ, mail::decoded(&words));
        }
        told
    }
}

/// Puts six submissions a site into their queues, in a trace each. Those for hospitals are by a patient of each class
/// of identifiers, in words that hold all its spellings; those for the site without one hold all spellings there are.
async fn put(hand: &Hand, marks: &mut Marks) {
    let classes = identifiers::classes(marks);
    let all = classes.map(|(_, spellings)| spellings.join("; ")).join("; ");
    let mut of_hospitals = classes.iter();
    for round in 0..6 {
        for site in ["H001", "H002", "H003", "H004"] {
            let class = if site == "H004" { None } else { of_hospitals.next() };
            let (who, words) = match class {
                Some((_, spellings)) => (spellings[0].to_owned(), spellings.join("; ")),
                None if round < 2 => (NUMBER.to_owned(), all.clone()),
                None => (marks.make("a subject"), all.clone()),
            };
            let mut submission = diary(marks, site);
            submission["answers"]["d-1"] = json!(format!("{}; {words}", marks.make("words to a hospital")));
            submission["answers"]["d-2"] = json!(round % 2);
            let queue = if round % 2 == 1 { URGENT } else { ROUTINE };
            let (trace, span) = (Uuid::new_v4().simple(), Uuid::new_v4().simple().to_string());
            let place = format!("00-{trace}-{}-01", &span[..16]);
            let letter = hand.letter(queue, &who, &submission).unwrap();
            hand.publish(&letter.with("traceparent", json!(place))).await.unwrap();
        }
    }
}

/// Asks the door for a report of the patient by each hospital that can be asked, and for an export.
async fn ask(caller: &Caller, stack: &Stack, marks: &mut Marks, places: &mut Places) {
    let mut asked = Vec::new();
    for site in ["H001", "H003"] {
        let token = stack.minter().reporter(&marks.make("a reporter's sub"), &[STUDY], &[site]).unwrap();
        let report = json!({"study_id": STUDY, "site_id": site, "subject_id": NUMBER, "within_seconds": 20});
        asked.push(("/api/v1/reports", token, report));
    }
    let claims =
        json!({"sub": marks.make("an analyst's sub"), "scope": "export", "study": STUDY, "site": "H004"});
    let export = json!({"site_id": "H004", "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z",
        "format": "csv"});
    asked.push(("/api/v1/exports", stack.minter().token(&claims).unwrap(), export));
    for (path, token, body) in asked {
        let head = [("Authorization".to_owned(), format!("Bearer {token}"))];
        let answer = caller.send("POST", path, &head, body.to_string().as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{path}: {answer}");
        places.add(format!("the answer of {path}"), answer);
    }
}

/// Looks at what waits, once something does.
async fn look_at_waits(places: &mut Places, hand: &Hand) {
    let waiting = until("something to wait", BOUND, || async {
        for queue in WAITS {
            let letters = hand.lying(queue).await?;
            if !letters.is_empty() {
                return Ok(Some((queue, letters)));
            }
        }
        Ok(None)
    });
    let (queue, letters) = waiting.await.unwrap();
    add_letters(places, queue, &letters);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hospitals_and_channels_are_told_and_echo_is_found_nowhere() {
    let folder = std::env::temp_dir().join(format!("epro-leaks-{}", Uuid::now_v7().simple()));
    write_instrument(&folder, "diary", DIARY);
    let (mut marks, mut places, abroad) = (Marks::default(), Places::default(), Abroad::open().await);
    // Of the configuration: whoever is called is told its secret and the recipient's address.
    let mut secrets = Marks::default();
    let receiver = TraceReceiver::start().await.unwrap();
    let mut config = abroad.config(&mut secrets, &folder);
    config["traces"] = json!({"endpoint": receiver.endpoint()});
    let stack = with(config).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let mut door = stack.spawn("epro-producer-api", &[TRACE]).unwrap();
    door.ready().await.unwrap();
    put(&hand, &mut marks).await;
    let caller = Caller { from: FROM, to: door.listen().to_owned() };
    ask(&caller, &stack, &mut marks, &mut places).await;
    for (queue, least) in [(ROUTINE, 12), (URGENT, 12), (QUERIES[0], 1), (QUERIES[1], 1), (EXPORTS, 1)] {
        assert!(look(&mut places, &hand, queue).await >= least, "{queue}");
    }
    // For people; what it writes for machines about submissions is looked at beside.
    let mut worker = stack.spawn("epro-worker", &[TRACE]).unwrap();
    worker.ready().await.unwrap();
    look_at_waits(&mut places, &hand).await;
    // Another one asks the risk model, once its questions were looked at.
    counts(&link, STORED, 24).await;
    until("questions for the risk model", BOUND, || async {
        Ok((stack.vhost().ready(RISK).await? > 0).then_some(()))
    })
    .await
    .unwrap();
    assert!(look(&mut places, &hand, RISK).await > 0);
    let mut asking = stack.spawn("epro-worker", &[TRACE, ("EPRO__WORKER__LANES", "[risk]")]).unwrap();
    asking.ready().await.unwrap();
    abroad.have_answered().await;
    let sets_aside = "SELECT count(*) FROM ops.dead_letter WHERE class = 'hospital_refused'";
    until("something to be set aside", BOUND, || async {
        Ok((link.count(sets_aside).await? > 0).then_some(()))
    })
    .await
    .unwrap();

    counts(&link, "SELECT count(*) FROM ops.report WHERE finished_at IS NOT NULL", 2).await;
    counts(&link, "SELECT count(*) FROM ops.export WHERE state = 'done'", 1).await;
    // What was asked for before is of what was stored by then; this is of all six.
    exported::look(&mut places, &stack, &door, 6).await;

    for line in [
        &["doctor"][..],
        &["hospitals"],
        &["alerts", "list"],
        &["dead-letters", "list"],
        &["config", "check"],
    ] {
        operate(&mut places, &stack, line).await;
        operate(&mut places, &stack, &[line, &["--json"]].concat()).await;
    }
    for (sql, command) in [
        ("SELECT id::text FROM ops.dead_letter", "dead-letters"),
        ("SELECT alert_id::text FROM ops.alert", "alerts"),
    ] {
        for row in link.client.query(sql, &[]).await.unwrap() {
            operate(&mut places, &stack, &[command, "show", row.get(0)]).await;
        }
    }
    pages::look(&mut places, &stack, &link).await;
    for service in [&mut door, &mut worker, &mut asking] {
        let name = service.admin();
        places.add(format!("/metrics of {name}"), service.metrics().await.unwrap());
        places.add(format!("/readyz of {name}"), service.readyz().await.unwrap().1);
        service.drain(Duration::from_secs(25)).await.unwrap();
        places.add(format!("what was written at {name}"), service.output());
    }
    // Whatever still lies anywhere.
    for queue in stack.vhost().queues().await.unwrap() {
        look(&mut places, &hand, &queue).await;
    }
    for name in [
        "POST /api/v1/reports",
        "process epro.query.H001",
        "call hospital fhir",
        "process epro.alerts",
        "process epro.risk",
        "POST",
    ] {
        receiver.named(name, 1).await.unwrap();
    }
    places.add("spans", receiver.bodies());
    read_tables(&mut places, &stack, "'ops', 'audit', 'identified', 'research'").await;

    // What belongs there is found: each kind of answer left its code.
    for said in
        ["503 Service Unavailable", "401 Unauthorized", "550", "the gateway answers", "token endpoint"]
    {
        assert!(!places.with(&said.to_lowercase()).is_empty() || !places.with(said).is_empty(), "{said}");
    }
    // Whom the configuration names, it shows to who may read it; its secrets it doesn't.
    let shown = places.but_for(&[r#"epro ["config", "check"]"#, r#"epro ["config", "check", "--json"]"#]);
    let found = marks.all().chain(secrets.all()).filter_map(|(what, mark)| match what {
        ADDRESS => shown.found(what, mark),
        _ => places.found(what, mark),
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{} planted values were found:\n{}", found.len(), found.join("\n"));

    // A notice names rule, site and study, a question the study and what researchers may see; neither a patient.
    let told = abroad.told();
    for (who, words) in [
        (MAILS, "\r\n.\r\n"),
        (READ, RULE),
        (READ, "study      ONC-301"),
        (MESSAGES, "critical: worse at H00"),
        (QUESTIONS, "\"pseudonym\":"),
        (QUESTIONS, "LA656"),
    ] {
        assert!(told.with(words).contains(&who), "{who}: {words:?}");
    }
    assert!(marks.all().any(|(_, mark)| mark == NUMBER));
    let found: Vec<String> = marks.all().filter_map(|(what, mark)| told.found(what, mark)).collect();
    assert!(found.is_empty(), "{} values of patients were told:\n{}", found.len(), found.join("\n"));
    std::fs::remove_dir_all(folder).unwrap();
}
