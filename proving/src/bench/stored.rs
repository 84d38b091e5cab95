//! When submissions were stored: when a client of the database learns of the commit, a little late and never early.
//! `stored_at` is when a transaction began, and the time that PostgreSQL can keep of a commit is from before it is on
//! disk.

use std::collections::HashMap;
use std::future::poll_fn;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket};
use uuid::Uuid;

use super::ground::Ground;

/// A notice goes out after the commit of the transaction that sent it. One a statement, which is one a chunk.
const TELL: &str = "\
CREATE FUNCTION public.told() RETURNS trigger LANGUAGE plpgsql AS \
'BEGIN PERFORM pg_notify(''stored'', pg_current_xact_id()::xid::text); RETURN NULL; END'; \
CREATE TRIGGER told AFTER INSERT ON identified.submission FOR EACH STATEMENT EXECUTE FUNCTION public.told()";
const TELL_NO_MORE: &str = "DROP TRIGGER told ON identified.submission; DROP FUNCTION public.told()";

/// Listens while submissions are stored.
pub(super) struct Watch {
    client: Client,
    listening: JoinSet<Result<Commits>>,
}

/// When each transaction was told of.
type Commits = HashMap<String, Instant>;

impl Watch {
    /// Begins, before anybody stores anything.
    pub(super) async fn begin(ground: &Ground) -> Result<Self> {
        ground.link.client.batch_execute(TELL).await?;
        let (client, connection) = tokio_postgres::connect(ground.stack.database().url(), NoTls).await?;
        let mut listening = JoinSet::new();
        listening.spawn(listen(connection));
        client.batch_execute("LISTEN stored").await?;
        Ok(Self { client, listening })
    }

    /// When each submission that is there was stored. Nobody may store any more.
    pub(super) async fn end(self, ground: &Ground) -> Result<HashMap<Uuid, Instant>> {
        let Self { client, mut listening } = self;
        // What was sent before an answer comes before the next one.
        client.batch_execute("SELECT 1").await?;
        client.batch_execute("UNLISTEN stored").await?;
        drop(client);
        let commits = listening.join_next().await.context("nobody listens for commits")???;
        ground.link.client.batch_execute(TELL_NO_MORE).await?;
        let sql = "SELECT submission_id, xmin::text FROM identified.submission";
        let mut stored = HashMap::new();
        for row in ground.link.client.query(sql, &[]).await? {
            let (submission, transaction): (Uuid, String) = (row.get(0), row.get(1));
            let told = commits.get(&transaction).context("a commit that nobody was told of")?;
            stored.insert(submission, *told);
        }
        Ok(stored)
    }
}

/// Until the client is dropped.
async fn listen(mut connection: Connection<Socket, NoTlsStream>) -> Result<Commits> {
    let mut commits = Commits::new();
    while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let AsyncMessage::Notification(notice) = message? {
            commits.insert(notice.payload().to_owned(), Instant::now());
        }
    }
    Ok(commits)
}
