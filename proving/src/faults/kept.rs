//! What is kept of a run that failed. Not its vhost, which the next run would share a broker with, nor its database: it
//! lies on the small disk, which eight of them fill.

use std::path::{Path, PathBuf};

use anyhow::Result;
use futures_util::TryStreamExt as _;

use super::field::World;
use super::judge::Seen;
use crate::database::Link;

const TABLES: &str = "SELECT schemaname || '.' || tablename FROM pg_tables
                      WHERE schemaname IN ('identified', 'research', 'ops', 'audit') ORDER BY 1";

/// Its folder: configuration, keys and logs, every table as CSV, and the hospital's log. Where it is.
pub(super) async fn keep(world: &mut World<'_>) -> PathBuf {
    world.stack.keep_folder();
    beside_logs(&world.seen()).await
}

/// The tables and the hospital's log, in the folder of the logs.
pub(super) async fn beside_logs(seen: &Seen<'_>) -> PathBuf {
    let folder = seen.stack.folder().to_owned();
    // As much as can be had: PostgreSQL may be what failed, and the logs are there in any case.
    if let Err(error) = written(seen, &folder).await {
        let _ = std::fs::write(folder.join("not-kept"), format!("{error:#}\n"));
    }
    folder
}

async fn written(seen: &Seen<'_>, folder: &Path) -> Result<()> {
    std::fs::write(folder.join("hospital-calls.json"), serde_json::to_string(&seen.hospital.calls())?)?;
    let link = seen.stack.database().connect().await?;
    for row in link.client.query(TABLES, &[]).await? {
        let table: String = row.get(0);
        std::fs::write(folder.join(format!("{table}.csv")), csv(&link, &table).await?)?;
    }
    Ok(())
}

/// A table of a run: some ten thousand rows.
async fn csv(link: &Link, table: &str) -> Result<Vec<u8>> {
    let copy = format!("COPY (SELECT * FROM {table}) TO STDOUT (FORMAT csv, HEADER)");
    let parts: Vec<bytes::Bytes> = link.client.copy_out(copy.as_str()).await?.try_collect().await?;
    Ok(parts.concat())
}
