//! Brings a database to the shape that this version needs.

use crate::pool::DatabaseUrl;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The migrations that this run applied, in order, as `1 name`; empty if there was nothing to do.
    pub migrations: Vec<String>,
}

/// Why the database could not be migrated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// No connection.
    #[error("the database can't be reached: {0}")]
    Connect(String),
    /// A migration, or reading the history, failed; everything before it stands.
    #[error("a migration failed: {0}")]
    Failed(String),
    /// An applied migration is not the one of this version: another version of epro migrated this
    /// database, or a file was edited after it was applied.
    #[error("the database's history differs from this version's migrations: {0}")]
    Diverged(String),
}

/// Applies what is missing, under an advisory lock: run it from as many places as you like.
///
/// # Errors
/// [`MigrateError`]; a failed migration leaves the ones before it in place and nothing of itself.
pub async fn run(url: &DatabaseUrl) -> Result<Applied, MigrateError> {
    let _ = url;
    unimplemented!()
}
