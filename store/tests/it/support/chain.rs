//! The audit chain, read back and hashed once more from what the documentation of
//! `epro_store::audit` says, with none of its code.

use super::database::Database;
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::HashMap;
use uuid::Uuid;

const COLUMNS: &str = "\
SELECT e.writer, w.name, e.seq, e.prev_hash, e.hash, ARRAY[ \
    uuid_send(e.writer), int8send(e.seq), int8send((extract(epoch FROM e.at) * 1000000)::bigint), \
    convert_to(e.action, 'UTF8'), convert_to(e.outcome, 'UTF8'), convert_to(e.actor, 'UTF8'), \
    convert_to(e.client, 'UTF8'), convert_to(e.from_network, 'UTF8'), uuid_send(e.submission_id), \
    uuid_send(e.pseudonym), convert_to(e.site_id, 'UTF8'), convert_to(e.study_id, 'UTF8'), e.body_sha256, \
    int8send((extract(epoch FROM e.received_at) * 1000000)::bigint), convert_to(e.details::text, 'UTF8'), \
    convert_to(e.trace_id, 'UTF8')] AS columns \
FROM audit.event e JOIN audit.writer w USING (writer) ORDER BY e.writer, e.seq";

/// The number of rows of each chain, after every hash of every chain was found right.
pub(crate) async fn unbroken(database: &Database) -> HashMap<Uuid, usize> {
    let mut chains: HashMap<Uuid, (usize, Vec<u8>)> = HashMap::new();
    for row in database.rows(COLUMNS).await {
        let writer: Uuid = row.get("writer");
        let name: String = row.get("name");
        let opening = || (0, hash(&[Some(writer.as_bytes().to_vec()), Some(name.into_bytes())], &[]));
        let (length, head) = chains.entry(writer).or_insert_with(opening);
        assert_eq!(row.get::<_, i64>("seq"), *length as i64 + 1, "a gap in the chain of {writer}");
        assert_eq!(row.get::<_, Vec<u8>>("prev_hash"), *head, "a fork in the chain of {writer}");
        let columns: Vec<Option<Vec<u8>>> = row.get("columns");
        assert_eq!(row.get::<_, Vec<u8>>("hash"), hash(&columns, head), "row {length} of {writer}");
        *head = row.get("hash");
        *length += 1;
    }
    chains.into_iter().map(|(writer, (length, _))| (writer, length)).collect()
}

fn hash(columns: &[Option<Vec<u8>>], last: &[u8]) -> Vec<u8> {
    let mut bytes = b"epro.audit.v1".to_vec();
    for column in columns {
        match column {
            None => bytes.push(0),
            Some(value) => {
                bytes.push(1);
                bytes.extend((value.len() as u32).to_be_bytes());
                bytes.extend(value);
            }
        }
    }
    bytes.extend(last);
    digest(&SHA256, &bytes).as_ref().to_vec()
}
