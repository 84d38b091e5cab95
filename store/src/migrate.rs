//! Brings a database to the shape that this version needs.
//!
//! # Roles
//! The migrations create group roles that can't log in, and grant to them:
//!
//! | role | for | may |
//! |---|---|---|
//! | `epro_intake` | producer-api | read where a submission stands, answers, sealed bodies; write nothing |
//! | `epro_worker` | worker | insert into `identified`, `research`, `audit`; insert and update `ops` |
//! | `epro_operator` | `epro` | read `ops` and `audit`; settle dead letters, pause; append to `audit` |
//! | `epro_auditor` | `epro audit` | read `audit` and append to it, hold the lease for anchors; nothing else |
//! | `epro_research` | analysts | read the views of `research`, nothing else |
//!
//! Nobody but the owner of the schemas, who runs the migrations, can UPDATE or DELETE in `audit` or
//! `identified`. Login users are the administrator's, with passwords that no file of ours knows:
//! ```sql
//! CREATE ROLE worker_1 LOGIN PASSWORD '…' IN ROLE epro_worker;
//! ```
//! The migrator needs CREATE on the database, and CREATEROLE unless an administrator created the
//! five group roles before. As a superuser it also switches off the DETAIL lines of the server's own
//! log for this database, which quote refused rows.

use crate::error::StoreError;
use crate::pool::{DatabaseUrl, Store};
use crate::session::Session;
use tokio_postgres::{Client, NoTls};

/// Every group role that the migrations grant to.
const ROLES: [&str; 5] = ["epro_intake", "epro_worker", "epro_operator", "epro_research", "epro_auditor"];

/// Any number, as long as every version of epro uses the same.
const LOCK: i64 = 0x6570_726f;

mod embedded {
    refinery::embed_migrations!("migrations");
}

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
    let unreachable = |error: tokio_postgres::Error| MigrateError::Connect(described(&error));
    match url.tls() {
        Some(tls) => {
            let (client, connection) = url.config().connect(tls).await.map_err(unreachable)?;
            driven(client, connection).await
        }
        None => {
            let (client, connection) = url.config().connect(NoTls).await.map_err(unreachable)?;
            driven(client, connection).await
        }
    }
}

async fn driven(
    mut client: Client,
    connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
) -> Result<Applied, MigrateError> {
    tokio::select! {
        applied = under_lock(&mut client) => applied,
        ended = connection => Err(MigrateError::Connect(match ended {
            Ok(()) => "the connection ended".to_owned(),
            Err(error) => described(&error),
        })),
    }
}

impl Store {
    /// The migrations of this version that the database hasn't had, as `1 name`: a process is ready
    /// once there are none. Migrations of a newer version don't matter: they only expand.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn missing_migrations(&self) -> Result<Vec<String>, StoreError> {
        let session = Session::open(self).await?;
        let applied: Vec<i32> = match session.rows("SELECT version FROM ops.schema_history", &[]).await {
            Ok(rows) => rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
            // No such table: nobody ever migrated this database.
            Err(StoreError::Retry { sqlstate }) if sqlstate == "42P01" || sqlstate == "3F000" => Vec::new(),
            Err(error) => return Err(error),
        };
        session.done();
        let runner = embedded::migrations::runner();
        let missing = runner.get_migrations().iter().filter(|m| !applied.contains(&m.version()));
        // They are embedded by the names of their files, V10 before V2.
        let mut missing: Vec<_> = missing.collect();
        missing.sort_by_key(|m| m.version());
        Ok(missing.into_iter().map(|m| format!("{} {}", m.version(), m.name())).collect())
    }
}

/// The lock belongs to the session and ends with it, whatever happens in between.
async fn under_lock(client: &mut Client) -> Result<Applied, MigrateError> {
    let failed = |error: tokio_postgres::Error| MigrateError::Failed(described(&error));
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.map_err(failed)?;
    for role in ROLES {
        role_made(client, role).await.map_err(failed)?;
    }
    client.batch_execute("CREATE SCHEMA IF NOT EXISTS ops").await.map_err(failed)?;
    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name("ops.schema_history");
    let report = runner.run_async(client).await.map_err(|error| judged(&error))?;
    let migrations =
        report.applied_migrations().iter().map(|m| format!("{} {}", m.version(), m.name())).collect();
    Ok(Applied { migrations })
}

/// Roles belong to the whole cluster: another database's migration may be making this one, and for a moment after
/// its COMMIT a SELECT finds it while GRANT does not (it looks into a cache, and is told last). Each statement
/// here looks anew; once GRANT's own look finds the role, it goes on finding it.
async fn role_made(client: &Client, role: &str) -> Result<(), tokio_postgres::Error> {
    let make = format!(
        "DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END $$"
    );
    while client.query_one("SELECT to_regrole($1) IS NULL", &[&role]).await?.get(0) {
        client.batch_execute(&make).await?;
    }
    Ok(())
}

fn judged(error: &refinery::Error) -> MigrateError {
    use refinery::error::Kind;
    match error.kind() {
        Kind::DivergentVersion(applied, _) | Kind::MissingVersion(applied) => {
            MigrateError::Diverged(applied.to_string())
        }
        Kind::Connection(at, source) => {
            let cause = source.downcast_ref::<tokio_postgres::Error>();
            MigrateError::Failed(match cause {
                Some(cause) => format!("{at}: {}", described(cause)),
                None => at.clone(),
            })
        }
        _ => MigrateError::Failed(error.to_string()),
    }
}

/// What the server says, without the DETAIL that quotes rows; where a row is to blame (classes 22
/// and 23), without the message, too.
fn described(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    let Some(answer) = error.as_db_error() else {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        return format!("{error}{cause}");
    };
    let sqlstate = answer.code().code();
    match answer.constraint() {
        Some(constraint) => format!("SQLSTATE {sqlstate}, constraint {constraint}"),
        None if sqlstate.starts_with("22") => format!("SQLSTATE {sqlstate}"),
        None => format!("SQLSTATE {sqlstate}: {}", answer.message()),
    }
}
