//! One chunk into PostgreSQL: held while it is away, split when a row is to blame.

use epro_store::submissions::{NewSubmission, Outcome};
use epro_store::{Store, StoreError};
use uuid::Uuid;

use crate::chains::Chains;
use crate::hold::{GivenUp, Hold, until_done};
use crate::parts::Parts;

/// What became of one row.
pub(super) enum Fate {
    /// Its transaction committed.
    Done(Outcome),
    /// PostgreSQL refuses it, and it alone.
    Refused(StoreError),
    /// Nothing was decided within the hold.
    Undone,
}

/// Commits the rows and says what became of each, in their order. A row that is refused is split off.
pub(super) async fn commit(
    store: &Store,
    chains: &Chains,
    hold: &Hold,
    rows: &[NewSubmission],
    suspect: Option<Uuid>,
) -> Vec<Fate> {
    let mut chain = chains.take().await;
    let mut fates: Vec<Fate> = rows.iter().map(|_| Fate::Undone).collect();
    let mut parts = Parts::of(rows.len());
    while let Some(range) = parts.next() {
        let part = &rows[range.clone()];
        let tried = until_done!(hold, "chunk", store.commit_chunk(chain.chain(), part, suspect));
        match tried {
            Ok(outcomes) => {
                metrics::histogram!("epro_chunk_submissions").record(part.len() as f64);
                for (fate, outcome) in fates[range].iter_mut().zip(outcomes) {
                    *fate = Fate::Done(outcome);
                }
            }
            Err(GivenUp::Row(error)) => {
                if let Some(alone) = parts.refused(range) {
                    fates[alone] = Fate::Refused(error);
                }
            }
            Err(GivenUp::HoldOver) => break,
        }
    }
    fates
}
