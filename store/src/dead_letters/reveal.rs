//! Showing what is under the seal of a dead letter: an act, noted before anybody sees anything.

use super::settle::record;
use super::{DeadLetterRow, rows};
use crate::audit::{AuditChain, AuditFacts};
use crate::error::StoreError;
use crate::pool::Store;
use crate::transaction::Transaction;
use serde_json::json;

impl Store {
    /// One dead letter with its body, for somebody who is going to open the seal: the audit row is committed
    /// before this returns.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn reveal(
        &self,
        chain: &mut AuditChain,
        id: i64,
        by: impl Into<AuditFacts>,
        reason: &str,
    ) -> Result<Option<DeadLetterRow>, StoreError> {
        let facts = by.into();
        let mut transaction = Transaction::begin(self, chain).await?;
        let found = transaction.rows(rows::show(id)).await?;
        let Some(row) = found.first() else {
            transaction.commit(Vec::new(), &[]).await?;
            return Ok(None);
        };
        let details = json!({ "dead_letter": id, "reason": reason }).to_string();
        let record = record(row, ("dead_letter.revealed", &facts), details)?;
        transaction.commit(Vec::new(), &[record]).await?;
        rows::whole(row).map(Some)
    }
}
