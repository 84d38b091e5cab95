//! HL7 over MLLP: what an AR means depends on whether others are taken.

use std::sync::{Arc, Mutex};

use epro_proving::client::phq9;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::stand::{ONE, Stand};
use super::versions::amends;
use crate::support::{BOUND, STUDY, another_worker, counts, dead};

/// An interface engine that answers every message about a patient with one code, and all others with AA.
struct Engine {
    url: String,
    /// A patient (or nothing for all) and the code.
    says: Arc<Mutex<Option<(String, &'static str)>>>,
    got: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Engine {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mllp://{}", listener.local_addr().unwrap());
        let (says, got): Shared = Default::default();
        let (mut serving, shared) = (JoinSet::new(), (Arc::clone(&says), Arc::clone(&got)));
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(BufStream::new(stream), shared.clone()));
            }
        });
        Self { url, says, got, _serving: serving }
    }

    fn says(&self, patient: &str, code: &'static str) {
        *self.says.lock().unwrap() = Some((patient.to_owned(), code));
    }

    fn is_well(&self) {
        *self.says.lock().unwrap() = None;
    }

    /// OBR-25 of each message so far: `F` is a result, `C` a correction of one.
    fn statuses(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        let status = |message: &String| {
            let obr = message.split('\r').find(|segment| segment.starts_with("OBR|")).unwrap();
            obr.split('|').nth(25).unwrap().to_owned()
        };
        got.iter().map(status).collect()
    }

    async fn stand(&self, time_scale: f64) -> Stand {
        Stand::paced(time_scale, json!({"protocol": "hl7v2", "url": self.url})).await
    }
}

/// What it says, and what it got.
type Shared = (Arc<Mutex<Option<(String, &'static str)>>>, Arc<Mutex<Vec<String>>>);

async fn serve(mut stream: BufStream<TcpStream>, (says, got): Shared) {
    loop {
        let mut frame = Vec::new();
        while !frame.ends_with(&[0x1c, 0x0d]) {
            let Ok(byte) = stream.read_u8().await else { return };
            frame.push(byte);
        }
        let message = String::from_utf8(frame[1..frame.len() - 2].to_vec()).unwrap();
        got.lock().unwrap().push(message.clone());
        let control_id = message.split('|').nth(9).unwrap();
        let code = match &*says.lock().unwrap() {
            Some((patient, code)) if message.contains(patient.as_str()) => *code,
            _ => "AA",
        };
        let ack = format!(
            "\x0bMSH|^~\\&|HIS|H001|EPRO-RELAY||20261126||ACK^R01^ACK|1|P|2.5.1\rMSA|{code}|{control_id}\r\x1c\r"
        );
        if stream.write_all(ack.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ar_for_all_closes_the_gate_and_sets_nothing_aside() {
    let engine = Engine::open().await;
    let stand = engine.stand(0.1).await;
    engine.says("", "AR");
    stand.store(ONE, 30).await;
    let _caller = stand.caller().await;
    stand.gate(ONE, "open,half_open").await;
    let refused = "SELECT count(*) FROM ops.hospital_state WHERE gate_reason = 'AR' AND failed > 4";
    counts(&stand.link, refused, 1).await;
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
    engine.is_well();
    stand.are(ONE, "done", 30).await;
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ar_for_one_is_that_messages_fault() {
    let engine = Engine::open().await;
    let stand = engine.stand(0.01).await;
    let _caller = stand.caller().await;
    stand.store(ONE, 3).await;
    stand.are(ONE, "done", 3).await;
    engine.says("P-poison", "AR");
    stand.put("P-poison", &phq9(STUDY, ONE)).await;
    stand.store(ONE, 5).await;
    stand.are(ONE, "done", 8).await;
    let letter = dead(&stand.link, 1).await.remove(0);
    assert_eq!((letter.class.as_str(), letter.detail.as_str()), ("hospital_refused", "AR"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ae_waits_without_a_charge() {
    let engine = Engine::open().await;
    let stand = engine.stand(0.01).await;
    engine.says("", "AE");
    let _caller = stand.caller().await;
    let (_, submission) = stand.store(ONE, 1).await.remove(0);
    stand.are(ONE, "waits", 1).await;
    engine.is_well();
    stand.are(ONE, "done", 1).await;
    let outcomes = stand.outcomes(&submission).await;
    assert!(outcomes[0] == "busy" && outcomes.last().unwrap() == "taken", "{outcomes:?}");
    assert_eq!((stand.charged().await, stand.dead().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_is_a_correction_of_what_was_sent_and_a_first_result_where_nothing_was() {
    let engine = Engine::open().await;
    let stand = engine.stand(0.01).await;
    let (patient, base) = stand.store(ONE, 1).await.remove(0);
    let second = amends(&base);
    stand.put(&patient, &second).await;
    stand.stored(&second).await;
    let _caller = stand.caller().await;
    stand.are(ONE, "done", 1).await;
    assert_eq!(engine.statuses(), ["F"], "it has had nothing that this could correct");
    let third = amends(&second);
    stand.put(&patient, &third).await;
    stand.are(ONE, "done", 2).await;
    assert_eq!(engine.statuses(), ["F", "C"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_about_to_be_sent_is_not_corrected() {
    let engine = Engine::open().await;
    // Ten seconds until the first call.
    let entry = json!({"protocol": "hl7v2", "url": engine.url, "calls_per_second": 0.1});
    let stand = Stand::paced(0.01, entry).await;
    let (patient, base) = stand.store(ONE, 1).await.remove(0);
    let mut first = stand.caller().await;
    counts(&stand.link, "SELECT count(*) FROM ops.delivery WHERE begun", 1).await;
    assert_eq!(first.drain(BOUND).await.unwrap(), 0, "{}", first.output());
    let amendment = amends(&base);
    stand.put(&patient, &amendment).await;
    stand.stored(&amendment).await;
    let _next = another_worker(&stand.stack, "next", |config| {
        config["worker"]["lanes"] = json!(["hospitals"]);
        config["hospitals"][ONE]["calls_per_second"] = json!(100.0);
    });
    stand.are(ONE, "done", 1).await;
    stand.are(ONE, "superseded", 1).await;
    assert_eq!(engine.statuses(), ["F"]);
}
