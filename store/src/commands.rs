//! Commands, done once however often their message is handed out.

use std::collections::HashSet;

use crate::audit::{AuditChain, AuditEvent, Record};
use crate::error::StoreError;
use crate::pool::Store;
use crate::step::Step;
use crate::submissions::Committed;
use crate::suspects;
use crate::transaction::Transaction;
use uuid::Uuid;

/// In one order everywhere, so that two chunks with the same messages don't wait for each other.
const BEGIN: &str = "\
INSERT INTO ops.command (message_id) SELECT DISTINCT id FROM unnest($1::uuid[]) AS n (id) ORDER BY id \
ON CONFLICT DO NOTHING RETURNING message_id";

const FORGET_OLD: &str = "\
DELETE FROM ops.command WHERE message_id IN (SELECT message_id FROM ops.command \
    WHERE done_at < now() - interval '7 days' LIMIT 1000)";

/// An event to record, with the id of the message that asked for it.
#[derive(Debug, Clone)]
pub struct Note {
    /// The message's id.
    pub message_id: Uuid,
    /// What is recorded.
    pub event: AuditEvent,
}

impl Store {
    /// Records what messages asked for, in their order and in one transaction; what the same message has
    /// asked for before is recorded already, and is not again. Forgets the suspect among them, if any.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn note(
        &self,
        chain: &mut AuditChain,
        notes: &[Note],
        suspect: Option<Uuid>,
    ) -> Result<Committed, StoreError> {
        let ids: Vec<Uuid> = notes.iter().map(|note| note.message_id).collect();
        let mut transaction = Transaction::begin(self, chain).await?;
        let begun = transaction.rows(Step::new(BEGIN).with(ids)).await?;
        let mut begun: HashSet<Uuid> = begun.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let fresh = notes.iter().filter(|note| begun.remove(&note.message_id));
        let records: Vec<Record<'_>> = fresh.map(|note| note.event.record()).collect();
        let steps = [Step::new(FORGET_OLD)].into_iter().chain(suspect.map(suspects::forget)).collect();
        transaction.commit(steps, &records).await
    }
}
