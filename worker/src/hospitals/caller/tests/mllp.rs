//! By HL7 v2 over MLLP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use epro_proving::foreign::manner::{Manner, Silent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn a_message_without_its_ack_is_sent_again_under_the_same_id_and_is_there_once() {
    let hospital = SampleHospital::start().await.unwrap();
    hospital.manner(Manner { silent: Some(Silent::After), times: Some(1), ..Manner::default() });
    let sample = phq9();
    let silent = caller(hospital.by_mllp(), SHORT).call(&sample.document()).await;
    assert!(matches!(silent, Err(CallError::Silent { .. })), "{silent:?}");
    let taken = caller(hospital.by_mllp(), PATIENT).call(&sample.document()).await.unwrap();
    assert_eq!(taken.note, "AA");
    let calls = hospital.calls();
    assert_eq!((calls[0].names.len(), &calls[0].names), (20, &calls[1].names));
    assert_eq!(did(&hospital), ["created", "known"]);
    assert_eq!(hospital.stored()[0].versions.len(), 1);
}

#[tokio::test]
async fn the_codes_of_an_ack_have_their_verdicts() {
    let hospital = SampleHospital::start().await.unwrap();
    let caller = caller(hospital.by_mllp(), PATIENT);
    for (ack, expected) in [
        ("AE", CallError::Busy { retry_after: None, note: "AE".to_owned() }),
        ("AR", CallError::Refused { note: "AR".to_owned() }),
    ] {
        hospital.manner(Manner { ack: Some(ack.to_owned()), ..Manner::default() });
        assert_eq!(caller.call(&phq9().document()).await, Err(expected));
    }
    hospital.manner(Manner::default());
    let mut sample = phq9();
    sample.subject.clear();
    let refused = caller.call(&sample.document()).await;
    assert_eq!(refused, Err(CallError::Refused { note: "AR 101 PID[1]-3".to_owned() }));
}

#[tokio::test]
async fn an_ack_for_another_message_is_no_receipt() {
    let hospital = SampleHospital::start().await.unwrap();
    hospital.manner(Manner { wrong_ack: true, times: Some(1), ..Manner::default() });
    let caller = caller(hospital.by_mllp(), PATIENT);
    let doubt = caller.call(&phq9().document()).await;
    assert_eq!(doubt, Err(CallError::Silent { note: "an ACK for another message".to_owned() }));
    caller.call(&phq9().document()).await.unwrap();
}

#[tokio::test]
async fn a_correction_says_so_and_replaces_the_result() {
    let hospital = SampleHospital::start().await.unwrap();
    let caller = caller(hospital.by_mllp(), PATIENT);
    let (first, later) = (phq9(), Sample::phq9(&[1, 0], true));
    let mut base = first.document();
    base.id = later.document().root;
    base.root = base.id;
    caller.call(&base).await.unwrap();
    caller.call(&later.document()).await.unwrap();
    assert_eq!(did(&hospital), ["created", "corrected"]);
    assert_eq!(hospital.stored().len(), 1);
}

#[tokio::test]
async fn text_arrives_in_its_character_set_or_is_not_sent() {
    let hospital = SampleHospital::start().await.unwrap();
    let text = |note: &str| Sample::of("diary|2", &json!({"note": note, "72514-3": 0}), false);
    let utf8 = caller(hospital.by_mllp(), PATIENT);
    call_as(&utf8, &text("Łzy|😢"), 1).await.unwrap();
    let mut entry = hospital.by_mllp();
    entry["charset"] = json!("8859/1");
    let latin1 = caller(entry, PATIENT);
    call_as(&latin1, &text("Zähne\nOhren"), 2).await.unwrap();
    let refused = call_as(&latin1, &text("Łzy"), 3).await;
    assert_eq!(
        refused,
        Err(CallError::Refused { note: "a text that the character set can't hold".to_owned() })
    );
    let stored = hospital.stored();
    let notes: Vec<_> =
        stored.iter().map(|one| one.versions[0]["segments"][3][5].as_str().unwrap()).collect();
    assert_eq!(notes, [r"Łzy\F\😢", r"Zähne\.br\Ohren"]);
}

/// An engine that answers each message with the next of `answers`, in which `{}` is the message's MSH-10, and then
/// hangs up if the answer ends with `!`.
struct Engine {
    port: u16,
    connections: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

impl Engine {
    async fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, next) = (Arc::clone(&connections), Arc::new(AtomicUsize::new(0)));
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let next = Arc::clone(&next);
                open.spawn(async move {
                    loop {
                        let mut message = Vec::new();
                        while !message.ends_with(b"\x1c\r") {
                            if stream.read_buf(&mut message).await.unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let message = String::from_utf8(message).unwrap();
                        let id = message.split('|').nth(9).unwrap();
                        let answer = answers[next.fetch_add(1, Ordering::SeqCst)];
                        stream
                            .write_all(answer.trim_end_matches('!').replace("{}", id).as_bytes())
                            .await
                            .unwrap();
                        if answer.ends_with('!') {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, connections, _running: running }
    }

    fn caller(&self, timeout: &str) -> Caller {
        caller(json!({"protocol": "hl7v2", "url": format!("mllp://127.0.0.1:{}", self.port)}), timeout)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

const AA: &str = "\x0bMSH|^~\\&|HIS\rMSA|AA|{}\r\x1c\r";

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection_and_calls_at_once_do_not() {
    let engine = Engine::answering(&[AA; 4]).await;
    let caller = engine.caller(PATIENT);
    let sample = phq9();
    call_as(&caller, &sample, 1).await.unwrap();
    call_as(&caller, &sample, 2).await.unwrap();
    assert_eq!(engine.connections(), 1);
    let (one, two) = tokio::join!(call_as(&caller, &sample, 3), call_as(&caller, &sample, 4));
    assert_eq!((one.is_ok(), two.is_ok(), engine.connections()), (true, true, 2));
}

#[tokio::test]
async fn a_late_ack_is_never_credited_to_the_next_message() {
    // The first message gets nothing in time; whatever its connection brings later, nobody reads it. The second
    // message gets the first one's ACK, as from an engine that is one behind.
    let late = "\x0bMSH|^~\\&|HIS\rMSA|AA|00000000000000010001\r\x1c\r";
    let engine = Engine::answering(Box::leak(Box::new(["", late, AA]))).await;
    let (short, patient) = (engine.caller("1s"), engine.caller(PATIENT));
    let sample = phq9();
    assert!(matches!(call_as(&short, &sample, 1).await, Err(CallError::Silent { .. })));
    let doubt = call_as(&patient, &sample, 2).await;
    assert_eq!(doubt, Err(CallError::Silent { note: "an ACK for another message".to_owned() }));
    call_as(&patient, &sample, 2).await.unwrap();
    assert_eq!(engine.connections(), 3, "each doubt ends a connection");
}

#[tokio::test]
async fn a_connection_on_which_something_came_unasked_or_that_was_closed_is_not_used_again() {
    let twice = "\x0bMSH|^~\\&|HIS\rMSA|AA|{}\r\x1c\r\x0bMSH|^~\\&|HIS\rMSA|AA|{}\r\x1c\r";
    let closing = "\x0bMSH|^~\\&|HIS\rMSA|AA|{}\r\x1c\r!";
    let engine = Engine::answering(Box::leak(Box::new([twice, closing, AA]))).await;
    let caller = engine.caller(PATIENT);
    for id in 1..=3 {
        call_as(&caller, &phq9(), id).await.unwrap();
        let at_rest = async || Ok((!caller.is_connected().await).then_some(()));
        if id < 3 {
            epro_proving::until("no connection in reserve", Duration::from_secs(20), at_rest).await.unwrap();
        }
    }
    assert_eq!(engine.connections(), 3);
}

#[tokio::test]
async fn an_answer_that_is_no_ack_or_giant_or_never_whole_is_no_receipt() {
    let giant: &'static str = Box::leak(format!("\x0b{}", "x".repeat(70 * 1024)).into_boxed_str());
    let answers = ["HTTP/1.1 400 Bad Request\r\n\r\n", giant, "\x0bMSH|^~\\&|HIS\rMSA|OK|{}\r\x1c\r", "!"];
    let engine = Engine::answering(Box::leak(Box::new(answers))).await;
    let caller = engine.caller(PATIENT);
    let note = async || caller.call(&phq9().document()).await.unwrap_err();
    let denied = |note: &str| CallError::Denied { note: note.to_owned() };
    assert_eq!(note().await, denied("an answer that isn't MLLP"));
    assert_eq!(note().await, denied("an answer of more than 64 KiB"));
    assert_eq!(note().await, denied("an answer that is no ACK"));
    assert_eq!(note().await, CallError::Silent { note: "closed before the ACK".to_owned() });
    let part = Engine::answering(&["\x0bMSH|^~\\&|HIS\rMSA|AA|{}\r\x1c"]).await;
    let silent = part.caller(SHORT).call(&phq9().document()).await;
    assert_eq!(silent, Err(CallError::Silent { note: "no answer within 500 ms".to_owned() }));
}
