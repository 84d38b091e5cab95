//! Every message is under a seal: what nobody of ours has sealed has no effect, and what is sealed with a key that comes
//! late waits for it.

use epro_proving::hand::{Letter, plain};
use epro_proving::{Hand, Inbox, RiskModel, SampleHospital, Service, Stack, conservation, until};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    ALERTS, BOUND, DEAD, SITE, STORED, STUDY, URGENT, counts, dangerous, dead, lie, link, with,
};

const COMMANDS: &str = "epro.commands";
const EXPORTS: &str = "epro.exports";
const RISK: &str = "epro.risk";
const HIS: &str = "epro.his.H001";
const QUERY: &str = "epro.query.H001";
/// A key of 32 bytes, as a file holds it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Somebody, an alert, a submission: whatever wants an id that nobody else has.
const ID: &str = "0198f2a4-5b7e-8c31-9d42-6f0a1b2c3d4e";

/// Whom the worker speaks to beyond the two services.
struct Abroad {
    hospital: SampleHospital,
    risk: RiskModel,
    inbox: Inbox,
}

impl Abroad {
    async fn start() -> Self {
        Self {
            hospital: SampleHospital::start().await.unwrap(),
            risk: RiskModel::start().await.unwrap(),
            inbox: Inbox::start().await.unwrap(),
        }
    }

    /// A stack in a hurry that calls them all.
    async fn stack(&self) -> Stack {
        let mut by_fhir = self.hospital.by_fhir();
        by_fhir["calls_per_second"] = json!(100.0);
        let lee = json!({"name": "dr-lee", "email": "lee@h001.example"});
        with(json!({
            "time_scale": 0.02,
            "hospitals": {SITE: by_fhir},
            "studies": {STUDY: {"risk": {"url": self.risk.url()}}},
            "alerts": {"smtp": self.inbox.config(), "recipients": {SITE: [lee]}},
        }))
        .await
    }

    /// How often any of them was called or told something.
    fn heard(&self) -> usize {
        self.hospital.calls().len() + self.risk.calls().len() + self.inbox.mails().unwrap().len()
    }
}

async fn worker(stack: &Stack, lanes: &str) -> Service {
    let mut worker = stack.spawn("epro-worker", &[("EPRO__WORKER__LANES", lanes)]).unwrap();
    worker.ready().await.unwrap();
    worker
}

fn acknowledgement(alert: &str) -> Value {
    json!({
        "alert_id": alert, "actor": ID, "client": null, "from_network": null, "studies": [STUDY],
        "sites": [SITE], "at": "2026-11-23T12:03:13Z", "trace_id": null,
    })
}

fn note(client: &str) -> Value {
    json!({
        "action": "submission.read", "outcome": "ok", "route": "*", "status": 200, "class": "ok",
        "client": client, "actor": ID, "submission_id": ID, "count": 1,
        "first": "2026-11-23T20:03:11Z", "last": "2026-11-23T20:03:11Z",
    })
}

fn export() -> Value {
    json!({
        "export_id": ID, "study_ids": [STUDY], "site_id": "H004", "instruments": [],
        "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "format": "csv", "identified": true,
        "snapshot": "1:1:", "actor": ID, "client": null, "from_network": null,
        "at": "2026-11-23T20:03:11Z", "trace_id": null,
    })
}

fn delivery(site: &str) -> Value {
    json!({"submission_id": ID, "pseudonym": ID, "site_id": site, "generation": 1})
}

/// What would do harm if anybody could say it: the queue, the type, the words.
fn harmful() -> [(&'static str, &'static str, Value); 8] {
    let cancel =
        json!({"export_id": ID, "actor": ID, "client": null, "from_network": null, "trace_id": null});
    let alert = json!({
        "alert_id": Uuid::now_v7(), "submission_id": ID, "site_id": SITE, "study_id": STUDY,
        "rule": "self-harm", "severity": "critical", "told": ["email:lee@h001.example"],
    });
    let question = json!({"submission_id": ID, "pseudonym": ID, "study_id": STUDY});
    let job = json!({
        "study_id": STUDY, "site_id": SITE, "subject_id": "P-1", "requested_at": "2026-11-23T20:03:11Z",
        "deadline": "2126-11-23T20:03:11Z", "actor": ID, "client": null, "from_network": null, "trace_id": null,
    });
    [
        (COMMANDS, "epro.acknowledgement.v1", acknowledgement(ID)),
        (COMMANDS, "epro.audit.v1", note("forged")),
        (EXPORTS, "epro.export.v1", export()),
        (EXPORTS, "epro.export-cancel.v1", cancel),
        (ALERTS, "epro.alert.v1", alert),
        (RISK, "epro.risk.v1", question),
        (HIS, "epro.delivery.v1", delivery(SITE)),
        (QUERY, "epro.report.v1", job),
    ]
}

/// The same in the clear, with one bit changed, and under the id of another message.
fn forged(hand: &Hand, queue: &str, kind: &str, says: &Value) -> [Letter; 3] {
    let sealed = || hand.sealed(queue, Uuid::now_v7(), kind, says).unwrap();
    let (mut changed, mut moved) = (sealed(), sealed());
    *changed.body.last_mut().unwrap() ^= 1;
    moved.id = Some(Uuid::now_v7().to_string());
    [plain(queue, Uuid::now_v7(), kind, says.to_string().into_bytes()), changed, moved]
}

/// Gives every process the second key, which goes on to seal nothing.
fn give_the_key(stack: &Stack) {
    let mut config: Value = serde_json::from_slice(&std::fs::read(stack.config()).unwrap()).unwrap();
    config["keys"]["seal"]["files"]["k2"] = json!(stack.folder().join("keys/seal-k2"));
    std::fs::write(stack.config(), config.to_string()).unwrap();
}

/// A message that says this under the second key.
fn under_k2(hand: &Hand, queue: &str, kind: &str, says: &Value) -> Letter {
    let id = Uuid::now_v7();
    let body = hand.keys().seal_with("k2", kind, id, says.to_string().as_bytes()).unwrap();
    plain(queue, id, kind, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_of_ours_has_sealed_for_this_message_is_set_aside_says_so_and_has_no_effect() {
    let abroad = Abroad::start().await;
    let stack = abroad.stack().await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    // Somebody was told of it, and nobody has it in hand.
    let row = format!(
        "INSERT INTO ops.alert (alert_id, submission_id, pseudonym, study_id, site_id, rule, severity, next_at)
         VALUES ('{ID}', '{ID}', '{ID}', '{STUDY}', '{SITE}', 'self-harm', 'critical', NULL)"
    );
    link.client.batch_execute(&row).await.unwrap();
    let cases = harmful();
    for (queue, kind, says) in &cases {
        for letter in forged(&hand, queue, kind, says) {
            hand.publish(&letter).await.unwrap();
        }
    }
    let _worker = worker(&stack, "[commands, alerts, exports, risk, hospitals]").await;
    let found = dead(&link, 3 * 8).await;
    for (queue, ..) in &cases {
        let of =
            |rule: &str| found.iter().filter(|one| one.queue == *queue && one.detail.contains(rule)).count();
        let kinds = cases.iter().filter(|(other, ..)| other == queue).count();
        assert_eq!((of("isn't sealed"), of("seal doesn't open")), (kinds, 2 * kinds), "{queue}");
    }
    for letter in &found {
        assert_eq!((letter.class.as_str(), letter.stage.as_str()), ("unreadable", "open"), "{letter:?}");
        assert!(!letter.body.windows(ID.len()).any(|some| some == ID.as_bytes()), "in the clear: {letter:?}");
    }

    let written = format!(
        "SELECT (SELECT count(*) FROM ops.export) + (SELECT count(*) FROM ops.report)
              + (SELECT count(*) FROM ops.notice) + (SELECT count(*) FROM ops.command)
              + (SELECT count(*) FROM ops.alert WHERE state = 'done' OR alert_id <> '{ID}')
              + (SELECT count(*) FROM audit.event WHERE action IN ('submission.read', 'alert.acknowledged',
                    'alert.told', 'export.requested', 'export.cancel', 'report.made', 'delivery.done'))"
    );
    assert_eq!((link.count(&written).await.unwrap(), abroad.heard()), (0, 0));
    // The same words of one of ours are believed.
    let id = Uuid::now_v7();
    let ours = hand.sealed(COMMANDS, id, "epro.acknowledgement.v1", &acknowledgement(ID)).unwrap();
    hand.publish(&ours).await.unwrap();
    counts(&link, "SELECT count(*) FROM ops.alert WHERE state = 'done'", 1).await;
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_submission_waits_for_a_key_that_comes_late_and_people_are_told_meanwhile() {
    let abroad = Abroad::start().await;
    let stack = abroad.stack().await;
    std::fs::write(stack.folder().join("keys/seal-k2"), KEY).unwrap();
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let mut storing = worker(&stack, "[submissions]").await;
    let mut submission = dangerous();
    submission["site_id"] = json!(SITE);
    hand.put(URGENT, "P-1", &submission).await.unwrap();
    counts(&link, STORED, 1).await;
    for queue in [ALERTS, HIS, RISK] {
        lie(&stack, queue, 1).await;
        let came = hand.take(queue).await.unwrap().remove(0);
        let again = under_k2(&hand, queue, came.kind.as_deref().unwrap(), &hand.read(&came).unwrap());
        hand.publish(&again).await.unwrap();
    }
    assert_eq!(storing.drain(BOUND).await.unwrap(), 0);
    let alert = link.client.query_one("SELECT alert_id::text FROM ops.alert", &[]).await.unwrap();
    for (queue, kind, says) in [
        (COMMANDS, "epro.acknowledgement.v1", acknowledgement(alert.get(0))),
        (COMMANDS, "epro.audit.v1", note("late")),
        (EXPORTS, "epro.export.v1", export()),
    ] {
        hand.publish(&under_k2(&hand, queue, kind, &says)).await.unwrap();
    }

    let worker = worker(&stack, "[commands, alerts, exports, risk, hospitals]").await;
    // From its row: a message is but a wake-up.
    abroad.inbox.holds(1).await.unwrap();
    for queue in [ALERTS, HIS, RISK, COMMANDS, EXPORTS] {
        let waited = format!("epro_waits_total{{queue=\"{queue}\"");
        until(&waited, BOUND, || async { Ok(worker.metrics().await?.contains(&waited).then_some(())) })
            .await
            .unwrap();
    }
    let done = ["delivery", "risk", "alert"];
    let done = done.map(|table| format!("SELECT count(*) FROM ops.{table} WHERE state = 'done'"));
    let noted = "SELECT count(*) FROM audit.event WHERE action = 'submission.read'";
    let requested = "SELECT count(*) FROM audit.event WHERE action = 'export.requested'";
    let all = || done.iter().map(String::as_str).chain([noted, requested]);
    for sql in all().chain([DEAD]) {
        assert_eq!(link.count(sql).await.unwrap(), 0, "{sql}");
    }
    assert_eq!((abroad.hospital.calls().len(), abroad.risk.calls().len()), (0, 0));

    give_the_key(&stack);
    for sql in all() {
        counts(&link, sql, 1).await;
    }
    let charged = "SELECT (SELECT sum(attempts) FROM ops.delivery) + (SELECT sum(attempts) FROM ops.risk)";
    assert_eq!(link.count(&format!("SELECT ({charged})::bigint")).await.unwrap(), 0);
    assert_eq!((link.count(DEAD).await.unwrap(), abroad.inbox.mails().unwrap().len()), (0, 1));
    let account = conservation(&stack, &hand.log()).await.unwrap();
    assert_eq!((account.stored, account.dead), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_key_never_came_is_redriven_only_once_it_did() {
    let stack = with(json!({"time_scale": 0.02, "worker": {"wait_budget": "1s"}})).await;
    std::fs::write(stack.folder().join("keys/seal-k2"), KEY).unwrap();
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    let _worker = worker(&stack, "[hospitals]").await;
    hand.publish(&under_k2(&hand, HIS, "epro.delivery.v1", &delivery(SITE))).await.unwrap();
    let found = dead(&link, 1).await.remove(0);
    assert_eq!(
        (found.class.as_str(), found.detail.as_str()),
        ("unknown", "the key that sealed it isn't known here")
    );
    let number = found.id.to_string();
    let redrive = ["dead-letters", "redrive", &number, "--yes", "--reason", "once more"];
    let (code, out, error) = stack.epro_status(&redrive).await.unwrap();
    assert!(code == Some(1) && out.contains("not redriven: the key that sealed it"), "{out}{error}");
    assert_eq!(link.count(DEAD).await.unwrap(), 1);

    give_the_key(&stack);
    let said = stack.epro(&redrive).await.unwrap();
    assert!(said.contains(&format!("redriven to {HIS}")), "{said}");
    conservation(&stack, &hand.log()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steward_sees_what_is_under_each_seal_of_a_dead_letter() {
    let stack = with(json!({"time_scale": 0.02})).await;
    let (link, hand) = (link(&stack).await, Hand::on(&stack).await.unwrap());
    // One lies under our seal alone, the other under that of its lane as well.
    let refused = hand.sealed(COMMANDS, Uuid::now_v7(), "epro.audit.v1", &note("a NUL: \0")).unwrap();
    let elsewhere = hand.sealed(HIS, Uuid::now_v7(), "epro.delivery.v1", &delivery("H002")).unwrap();
    for letter in [&refused, &elsewhere] {
        hand.publish(letter).await.unwrap();
    }
    let _worker = worker(&stack, "[commands, hospitals]").await;
    let found = dead(&link, 2).await;
    for (lane, wrapped, words) in [("commands", false, "submission.read"), ("hospitals", true, "H002")] {
        let letter = found.iter().find(|letter| letter.lane == lane).unwrap();
        assert_eq!(letter.wrapped, wrapped, "{letter:?}");
        assert!(!letter.body.windows(ID.len()).any(|some| some == ID.as_bytes()), "in the clear: {letter:?}");
        let number = letter.id.to_string();
        let reveal = ["dead-letters", "show", &number, "--reveal", "--reason", "asked by the site"];
        let shown = stack.epro(&reveal).await.unwrap();
        assert!(shown.contains(ID) && shown.contains(words), "{shown}");
    }
    conservation(&stack, &hand.log()).await.unwrap();
}
