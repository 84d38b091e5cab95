//! The interface engine: one message after the other on a connection, each with its ACK.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Shared;
use super::hl7::Message;
use super::hl7_rules::{self, Fault};
use super::records::{self, Wrote};
use crate::foreign::calls::Going;
use crate::foreign::door::Stream;
use crate::foreign::manner::{Manner, Silent};

/// The largest message that it reads.
const MOST: usize = 4 * 1024 * 1024;

/// Speaks until the caller hangs up.
pub(super) async fn speak(mut stream: Box<dyn Stream>, hospital: Shared) {
    let mut bytes = Vec::new();
    while let Some(message) = next(&mut stream, &mut bytes).await {
        let call = hospital.calls.came("hl7");
        let manner = hospital.manner.for_a_call();
        let Some(ack) = answer(&hospital, &call, &manner, &message).await else { return };
        tokio::time::sleep(Duration::from_millis(manner.delay_ms)).await;
        let framed = [b"\x0b", ack.as_bytes(), b"\x1c\r"].concat();
        if stream.write_all(&framed).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        call.answered();
    }
}

/// The next message; what follows it stays in `bytes`.
async fn next(stream: &mut Box<dyn Stream>, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = bytes.windows(2).position(|two| two == b"\x1c\r") {
            let rest = bytes.split_off(end + 2);
            let frame = std::mem::replace(bytes, rest);
            // Something before the message is no MLLP: hang up.
            return frame.strip_prefix(b"\x0b").map(|frame| frame[..end - 1].to_vec());
        }
        if bytes.len() > MOST || stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn answer(hospital: &Shared, call: &Going, manner: &Manner, bytes: &[u8]) -> Option<String> {
    let message = Message::read(bytes);
    let control_id = message.field("MSH", 10).to_owned();
    call.names(&control_id);
    if manner.silent == Some(Silent::Before) {
        call.did("nothing");
        std::future::pending::<()>().await;
    }
    let (code, fault) = match &manner.ack {
        Some(code) => {
            call.did(code);
            (code.clone(), None)
        }
        None => match hl7_rules::check(&message) {
            Ok(()) => {
                call.did(hospital.keep(&message));
                ("AA".to_owned(), None)
            }
            Err(fault) => {
                call.did("AR");
                ("AR".to_owned(), Some(fault))
            }
        },
    };
    if manner.silent == Some(Silent::After) {
        std::future::pending::<()>().await;
    }
    let named = if manner.wrong_ack { "ANOTHER-MESSAGE" } else { &control_id };
    Some(ack(&message, &code, named, fault.as_ref()))
}

impl Shared {
    /// A result an OBR-3; a message that was had before, by its MSH-10, changes nothing.
    fn keep(&self, message: &Message) -> &'static str {
        let mut records = self.records.lock();
        let control_id = message.field("MSH", 10);
        let had = |version: &serde_json::Value| version["control_id"] == control_id;
        if records.iter().any(|record| record.kind == "ORU" && record.versions.iter().any(had)) {
            return "known";
        }
        let identifier = message.component("OBR", 3, 1).to_owned();
        let corrects = message.field("OBR", 25) == "C";
        let version = json!({"control_id": control_id, "segments": message.segments()});
        match records::write(&mut records, ("ORU", &identifier), version, true).1 {
            Wrote::Updated if corrects => "corrected",
            Wrote::Updated => "replaced",
            _ => "created",
        }
    }
}

/// An ACK; its free text holds what no log of ours may repeat.
fn ack(message: &Message, code: &str, control_id: &str, fault: Option<&Fault>) -> String {
    let own = uuid::Uuid::now_v7().simple().to_string();
    let own = own.get(12..).unwrap_or_default();
    let (them, us) = (message.field("MSH", 3), message.field("MSH", 5));
    let mut ack = format!("MSH|^~\\&|{us}||{them}||20261123200311+0800||ACK^R01^ACK|{own}|P|2.5.1\r");
    ack.push_str(&format!("MSA|{code}|{control_id}|Marta Planted\r"));
    if let Some(fault) = fault {
        let Fault { segment, field, condition } = fault;
        ack.push_str(&format!(
            "ERR||{segment}^1^{field}|{condition}^Marta Planted^HL70357|E|||Marta Planted\r"
        ));
    }
    ack
}
