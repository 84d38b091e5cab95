//! Edits after which a program can't read what stands there: they are named as any other.

use epro_store::AuditChain;
use serde_json::{Value, json};
use uuid::Uuid;

use super::audited::{Audited, noted};

/// What stands in a second event then, and the first bad one of its chain.
const EDITS: [(&str, i64); 17] = [
    ("at = 'infinity'", 2),
    ("at = '-infinity'", 2),
    ("at = '20000-01-01'", 2),
    ("at = '0044-03-15 BC'", 2),
    ("received_at = 'infinity'", 2),
    ("received_at = '0044-03-15 BC'", 2),
    ("actor = repeat('x', 30000000)", 2),
    ("details = ('\"' || repeat('x', 30000000) || '\"')::json", 2),
    ("details = (' ' || details::text)::json", 2),
    ("details = (details::text || chr(10))::json", 2),
    ("details = 'null'", 2),
    ("details = '\"\\ud800\"'", 2),
    ("body_sha256 = decode(repeat('00', 33), 'hex')", 2),
    ("prev_hash = ''", 2),
    ("hash = hash || hash", 2),
    ("seq = -5", 1),
    ("seq = 9223372036854775807", 2),
];

/// Before any event that there can be.
const PUT_FIRST: &str = "\
INSERT INTO audit.event (writer, seq, at, action, outcome, actor, prev_hash, hash)
VALUES ('00000000-0000-0000-0000-000000000000', -9223372036854775808, now(), 'made.up', 'ok', 'x', '', '')";

#[tokio::test]
async fn what_no_program_can_read_is_named_from_the_database_and_from_a_copy() {
    let audited = Audited::new().await;
    let store = audited.store();
    let writer = |number: usize| Uuid::from_u128(number as u128 + 1);
    for number in 0..=EDITS.len() {
        let mut chain = AuditChain::of(writer(number), "a writer");
        store.record(&mut chain, &noted(3)).await.unwrap();
    }
    audited.anchor().await;

    let link = audited.stack.database().connect().await.unwrap();
    let mut bad = vec![(json!(Uuid::nil()), json!(1))];
    link.client.batch_execute(PUT_FIRST).await.unwrap();
    for (number, (edit, first_bad)) in EDITS.iter().enumerate() {
        let of = writer(number);
        let edit = format!("UPDATE audit.event SET {edit} WHERE writer = '{of}' AND seq = 2");
        assert_eq!(link.client.execute(&edit, &[]).await.unwrap(), 1, "{edit}");
        bad.push((json!(of), json!(first_bad)));
    }
    let of = writer(EDITS.len());
    let name = format!("UPDATE audit.writer SET name = repeat('x', 3000000) WHERE writer = '{of}'");
    link.client.batch_execute(&name).await.unwrap();
    bad.push((json!(of), json!(1)));

    let found = |said: &Value| {
        let faults = said["broken"].as_array().unwrap();
        faults.iter().map(|fault| (fault["writer"].clone(), fault["first_bad"].clone())).collect::<Vec<_>>()
    };
    let said = audited.verified_there().await;
    assert_eq!((found(&said), &said["holds"]), (bad.clone(), &json!(false)), "{said}");
    let copy = audited.export().await;
    let said = audited.verified(&copy, &[]);
    assert_eq!((found(&said), &said["unread_lines"]), (bad, &json!([])), "{said}");
}
