//! How the database server itself is, as an operator's role sees it.

use crate::error::StoreError;
use crate::pool::Store;
use crate::session::Session;
use crate::step::Step;
use time::OffsetDateTime;

const SERVER: &str = "\
SELECT clock_timestamp(), current_setting('server_version_num')::integer / 10000, \
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint, \
    (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL), \
    (SELECT count(DISTINCT application_name) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name LIKE 'epro-worker %'), \
    (SELECT count(DISTINCT application_name) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name LIKE 'epro-producer-api %')";

/// What makes a server keep its log of writes for ever: a slot that nobody reads, and an archive that takes nothing.
const KEPT: &str = "\
SELECT pg_database_size(current_database()), \
    (SELECT last_failed_time FROM pg_stat_archiver \
     WHERE last_failed_time > COALESCE(last_archived_time, '-infinity'))";

const SLOTS: &str = "\
SELECT slot_name::text, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
    ELSE pg_current_wal_lsn() END, restart_lsn)::bigint \
FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL ORDER BY 1";

/// Sessions of our processes that may do everything.
const SUPERUSERS: &str = "\
SELECT DISTINCT split_part(a.application_name, ' ', 1) FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename \
WHERE r.rolsuper AND a.datname = current_database() AND a.application_name LIKE 'epro%' ORDER BY 1";

/// Roles beside the owner that may change what nobody may change.
const CHANGERS: &str = "\
SELECT r.rolname::text FROM pg_roles r \
WHERE NOT r.rolsuper AND r.rolname !~ '^pg_' \
AND r.oid NOT IN (SELECT relowner FROM pg_class WHERE oid = 'audit.event'::regclass) AND (\
    has_table_privilege(r.oid, 'audit.event', 'UPDATE, DELETE, TRUNCATE') OR \
    has_table_privilege(r.oid, 'identified.submission', 'UPDATE, DELETE, TRUNCATE') OR \
    has_table_privilege(r.oid, 'identified.subject', 'UPDATE, DELETE, TRUNCATE')) ORDER BY 1";

/// The database server now.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its clock, read between `asked` and `answered`.
    pub clock: OffsetDateTime,
    /// Our clock before it was asked.
    pub asked: OffsetDateTime,
    /// Our clock once it had answered.
    pub answered: OffsetDateTime,
    /// Its major version.
    pub version: i32,
    /// Connections that there may be, without those that are reserved.
    pub connections: i64,
    /// Connections that there are, of everybody.
    pub connected: i64,
    /// Workers that are connected to this database.
    pub workers: i64,
    /// Doors that are.
    pub doors: i64,
    /// Programs of ours that are connected as a superuser.
    pub superusers: Vec<String>,
    /// Roles beside the owner that may change or delete what is identified or audited.
    pub changers: Vec<String>,
    /// Bytes of this database on its disk.
    pub size: i64,
    /// When its log of writes could last not be archived, if it couldn't be since.
    pub unarchived: Option<OffsetDateTime>,
    /// Replication slots that nobody reads, and the bytes of the log of writes that are kept for each.
    pub slots: Vec<(String, i64)>,
}

impl Store {
    /// How the database server is.
    ///
    /// # Errors
    /// As every [`StoreError`].
    pub async fn server(&self) -> Result<Server, StoreError> {
        let session = Session::open(self).await?;
        // Prepared before it is asked, so that the clock is read in one round trip.
        session.rows(SERVER, &[]).await?;
        let asked = OffsetDateTime::now_utc();
        let server = session.rows(SERVER, &[]).await?;
        let answered = OffsetDateTime::now_utc();
        let answers =
            session.pipeline([SUPERUSERS, CHANGERS, KEPT, SLOTS].map(Step::new).into(), false).await?;
        session.done();
        let [superusers, changers, kept, slots] = &answers[..] else { return Err(StoreError::internal()) };
        let row = server.first().ok_or_else(StoreError::internal)?;
        let kept = kept.first().ok_or_else(StoreError::internal)?;
        let slots = slots.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        Ok(Server {
            clock: row.try_get(0)?,
            asked,
            answered,
            version: row.try_get(1)?,
            connections: row.try_get(2)?,
            connected: row.try_get(3)?,
            workers: row.try_get(4)?,
            doors: row.try_get(5)?,
            superusers: names(superusers)?,
            changers: names(changers)?,
            size: kept.try_get(0)?,
            unarchived: kept.try_get(1)?,
            slots: slots.collect::<Result<_, StoreError>>()?,
        })
    }
}

fn names(rows: &[tokio_postgres::Row]) -> Result<Vec<String>, StoreError> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
