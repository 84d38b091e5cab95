//! Whose fault a failure is.
//!
//! Nothing of what the server says reaches these types but SQLSTATE and the names of our own
//! constraints: a server's message and its DETAIL quote the values of the row.

use std::fmt;

/// Why the database did not do what it was asked, sorted by what the caller has to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The server refuses a value (SQLSTATE classes 22 and 23): one row of the chunk can never be
    /// stored. Nothing was written. Split it off; the rest commits.
    #[error("the database refuses a row: SQLSTATE {sqlstate}{}", named(constraint))]
    Row {
        /// The five characters of the SQLSTATE.
        sqlstate: String,
        /// The constraint that refused, by its name, if the server named one.
        constraint: Option<String>,
    },
    /// The server answered, and no row is to blame: a deadlock, a missing grant, a full disk, a
    /// statement that took too long, another writer on the same audit chain. Try again later.
    #[error("the database could not do it now: SQLSTATE {sqlstate}")]
    Retry {
        /// The five characters of the SQLSTATE.
        sqlstate: String,
    },
    /// Nobody answered, or the connection ended. What was asked may have been done.
    #[error("the database is away: {why}")]
    Away {
        /// What was noticed first.
        why: Absence,
    },
}

/// How it was noticed that the database is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absence {
    /// No connection could be made.
    Connect,
    /// The connection ended, or the server is shutting down or starting up.
    Closed,
    /// No answer in time.
    Timeout,
    /// Every connection of the pool was in use for too long.
    PoolExhausted,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection could be made",
            Self::Closed => "the connection ended",
            Self::Timeout => "no answer in time",
            Self::PoolExhausted => "every connection of the pool is in use",
        })
    }
}

fn named(constraint: &Option<String>) -> String {
    constraint.as_ref().map(|c| format!(", constraint {c}")).unwrap_or_default()
}
