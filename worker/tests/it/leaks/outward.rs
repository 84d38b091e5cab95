//! What people and hospitals are told, and whatever they answer, stays out of logs, figures and tables.

use epro_proving::until;
use serde_json::{Value, json};

use super::echoes::Echo;
use super::marks::{Marks, Places};
use super::*;

/// Statuses of the failure table that a hospital answers in turn.
const STATUSES: [u16; 9] = [422, 503, 401, 200, 302, 429, 201, 400, 500];

const ADDRESS: &str = "a recipient's address";

/// Every lane, and foreign systems that echo.
struct Abroad {
    fhir: Echo,
    issuer: Echo,
    mllp: Echo,
    smtp: Echo,
    gateway: Echo,
}

impl Abroad {
    async fn open() -> Self {
        Self {
            fhir: Echo::http(&STATUSES).await,
            issuer: Echo::http(&[400, 200, 401, 503]).await,
            mllp: Echo::mllp().await,
            smtp: Echo::smtp().await,
            gateway: Echo::http(&[400, 503, 302, 401]).await,
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
            "worker": {"lanes": ["submissions", "dead", "relay", "commands", "alerts", "hospitals"]},
            "instruments": {"directory": folder},
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
        let rounds =
            [(&self.fhir, 10), (&self.issuer, 4), (&self.mllp, 5), (&self.smtp, 4), (&self.gateway, 5)];
        until("everybody to have answered", BOUND, || async {
            Ok(rounds.iter().all(|(echo, least)| echo.answered() >= *least).then_some(()))
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}: {:?}", rounds.map(|(echo, _)| echo.answered())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hospitals_and_channels_are_told_and_echo_is_found_nowhere() {
    let folder = std::env::temp_dir().join(format!("epro-leaks-{}", Uuid::now_v7().simple()));
    write_instrument(&folder, "diary", DIARY);
    let (mut marks, mut places, abroad) = (Marks::default(), Places::default(), Abroad::open().await);
    let stack = with(abroad.config(&mut marks, &folder)).await;
    let hand = Hand::on(&stack).await.unwrap();
    // For people; what it writes for machines about submissions is looked at beside.
    let mut worker = stack.spawn("epro-worker", &[TRACE]).unwrap();
    worker.ready().await.unwrap();
    for round in 0..6 {
        for site in ["H001", "H002", "H003", "H004"] {
            let mut submission = diary(&mut marks, site);
            submission["answers"]["d-2"] = json!(round % 2);
            let queue = if round % 2 == 1 { URGENT } else { ROUTINE };
            hand.put(queue, &marks.make("a subject"), &submission).await.unwrap();
        }
    }
    abroad.have_answered().await;
    let link = link(&stack).await;
    let sets_aside = "SELECT count(*) FROM ops.dead_letter WHERE class = 'hospital_refused'";
    until("something to be set aside", BOUND, || async {
        Ok((link.count(sets_aside).await? > 0).then_some(()))
    })
    .await
    .unwrap();

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
    places.add("/metrics", worker.metrics().await.unwrap());
    places.add("/readyz", worker.readyz().await.unwrap().1);
    worker.drain(Duration::from_secs(25)).await.unwrap();
    places.add("what the worker wrote", worker.output());
    read_tables(&mut places, &stack, "'ops', 'audit', 'identified', 'research'").await;

    // What belongs there is found: each kind of answer left its code.
    for said in
        ["503 Service Unavailable", "401 Unauthorized", "550", "the gateway answers", "token endpoint"]
    {
        assert!(!places.with(&said.to_lowercase()).is_empty() || !places.with(said).is_empty(), "{said}");
    }
    // Whom the configuration names, it shows to who may read it; its secrets it doesn't.
    let shown = places.but_for(&[r#"epro ["config", "check"]"#, r#"epro ["config", "check", "--json"]"#]);
    let found = marks.all().filter_map(|(what, mark)| match what {
        ADDRESS => shown.found(what, mark),
        _ => places.found(what, mark),
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{} planted values were found:\n{}", found.len(), found.join("\n"));
    std::fs::remove_dir_all(folder).unwrap();
}
