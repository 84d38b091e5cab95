//! The audit trail, hashed anew by our own hand.
//!
//! A hash is SHA-256 over `epro.audit.v1`, the columns in their order and the hash before. A column is a byte 0 if it
//! is null; otherwise a byte 1, its length in four bytes, big-endian, and its value. The hash before the first of a
//! chain covers the writer and its name in the same way, and nothing before.

use std::collections::BTreeMap;

use anyhow::Result;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Wrong;
use crate::client::sha256;
use crate::database::Link;

const VERSION: &[u8] = b"epro.audit.v1";
const WRITERS: &str = "SELECT writer, name FROM audit.writer";
const EVENTS: &str = "
    SELECT writer, seq, (extract(epoch FROM at) * 1000000)::bigint, action, outcome, actor, client, from_network,
           submission_id, pseudonym, site_id, study_id, body_sha256,
           (extract(epoch FROM received_at) * 1000000)::bigint, details::text, trace_id, prev_hash, hash
    FROM audit.event ORDER BY writer, seq";

/// Every chain begins as its writer says, goes on without a gap, and each hash is that of its row. How many rows.
pub(super) async fn check(link: &Link, wrong: &mut Wrong) -> Result<usize> {
    let mut heads = BTreeMap::new();
    for row in link.client.query(WRITERS, &[]).await? {
        let (writer, name): (Uuid, String) = (row.get(0), row.get(1));
        heads.insert(writer, (0, genesis(writer, &name)));
    }
    let rows = link.client.query(EVENTS, &[]).await?;
    let mut broken = 0;
    for row in &rows {
        let (writer, seq): (Uuid, i64) = (row.get(0), row.get(1));
        let (before, hash): (Vec<u8>, Vec<u8>) = (row.get(16), row.get(17));
        let head = heads.entry(writer).or_default();
        let goes_on = seq == head.0 + 1 && before == head.1;
        let mut bytes = columns(row);
        bytes.extend(&before);
        broken += usize::from(!goes_on || hash != sha256(&bytes));
        *head = (seq, hash.try_into().unwrap_or_default());
    }
    if broken > 0 {
        wrong.push(format!("{broken} audit rows have another hash, or don't follow the one before"));
    }
    Ok(rows.len())
}

fn genesis(writer: Uuid, name: &str) -> [u8; 32] {
    let mut bytes = VERSION.to_vec();
    column(&mut bytes, Some(writer.as_bytes()));
    column(&mut bytes, Some(name.as_bytes()));
    sha256(&bytes)
}

fn columns(row: &Row) -> Vec<u8> {
    let text = |at: usize| row.get::<_, Option<String>>(at).map(String::into_bytes);
    let id = |at: usize| row.get::<_, Option<Uuid>>(at).map(|id| id.into_bytes().to_vec());
    let number = |at: usize| row.get::<_, Option<i64>>(at).map(|number| number.to_be_bytes().to_vec());
    let values = [
        id(0),
        number(1),
        number(2),
        text(3),
        text(4),
        text(5),
        text(6),
        text(7),
        id(8),
        id(9),
        text(10),
        text(11),
        row.get::<_, Option<Vec<u8>>>(12),
        number(13),
        text(14),
        text(15),
    ];
    let mut bytes = VERSION.to_vec();
    for value in values {
        column(&mut bytes, value.as_deref());
    }
    bytes
}

fn column(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        // No column is as long as four bytes can count.
        bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_begins_with_what_python_computes() {
        // hashlib.sha256(b'epro.audit.v1' + b'\1' + struct.pack('>I', 16) + bytes(15) + b'\7'
        //     + b'\1' + struct.pack('>I', 4) + b'epro').hexdigest()
        let hex: String =
            genesis(Uuid::from_u128(7), "epro").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "66e457fcbc94b1a68e55fa4b51b230776f51bef8bc4c9b771d52407c7a8ced37");
    }

    #[test]
    fn nothing_and_the_empty_text_are_two_things() {
        let bytes = |value| {
            let mut bytes = Vec::new();
            column(&mut bytes, value);
            bytes
        };
        assert_eq!(bytes(None), [0_u8]);
        assert_eq!(bytes(Some(&b""[..])), [1_u8, 0, 0, 0, 0]);
    }
}
