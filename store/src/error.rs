//! Whose fault a failure is.
//!
//! Nothing of what the server says reaches these types but SQLSTATE and the names of our own
//! constraints: a server's message and its DETAIL quote the values of the row.

use crate::certificate;
use deadpool_postgres::PoolError;
use std::error::Error as _;
use std::fmt;
use tokio_postgres::error::DbError;

/// Why the database did not do what it was asked, sorted by what the caller has to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
pub enum Absence {
    /// No connection could be made.
    Connect,
    /// No connection was made to a server whose certificate isn't good: what is wrong with it.
    Certificate(&'static str),
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
            Self::Certificate(fault) => fault,
            Self::Closed => "the connection ended",
            Self::Timeout => "no answer in time",
            Self::PoolExhausted => "every connection of the pool is in use",
        })
    }
}

fn named(constraint: &Option<String>) -> String {
    constraint.as_ref().map(|c| format!(", constraint {c}")).unwrap_or_default()
}

impl StoreError {
    /// Judges an answer of the server.
    fn answered(error: &DbError) -> Self {
        let sqlstate = error.code().code();
        // Two transactions of one audit chain: the second finds its place taken. No row is to
        // blame, the head must be read again.
        let fork = sqlstate == "23505" && error.schema() == Some("audit");
        match sqlstate.get(..2) {
            Some("22" | "23") if !fork => {
                Self::Row { sqlstate: sqlstate.to_owned(), constraint: error.constraint().map(str::to_owned) }
            }
            // The server takes its leave of us: 57P01 to 57P05, 25P03 and class 08.
            Some("08") => Self::Away { why: Absence::Closed },
            _ if sqlstate.starts_with("57P") || sqlstate == "25P03" => Self::Away { why: Absence::Closed },
            _ => Self::Retry { sqlstate: sqlstate.to_owned() },
        }
    }

    /// A server that doesn't answer in time, to whoever waited for it.
    pub const SILENT: Self = Self::Away { why: Absence::Timeout };

    /// No answer in time.
    pub(crate) fn timeout() -> Self {
        Self::SILENT
    }

    /// Something that only a programming error of ours, or a server that isn't PostgreSQL, explains.
    pub(crate) fn internal() -> Self {
        Self::Retry { sqlstate: "XX000".to_owned() }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(answer) = error.as_db_error() {
            return Self::answered(answer);
        }
        let io = error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        if error.is_closed() || io { Self::Away { why: Absence::Closed } } else { Self::internal() }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        use deadpool_postgres::TimeoutType::{Create, Recycle, Wait};
        let why = match error {
            PoolError::Backend(error) => match error.as_db_error() {
                Some(answer) => return Self::answered(answer),
                None => certificate::fault(&error).map_or(Absence::Connect, Absence::Certificate),
            },
            PoolError::Timeout(Wait) => Absence::PoolExhausted,
            PoolError::Timeout(Create) => Absence::Connect,
            PoolError::Timeout(Recycle) => Absence::Timeout,
            _ => Absence::Closed,
        };
        Self::Away { why }
    }
}
