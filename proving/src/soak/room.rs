//! Whether the disk holds what is going to be stored.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::mix::Body;
use crate::database::Link;

/// Left free whatever comes: for PostgreSQL's log of transactions, the queue's, and whoever else writes here.
const SPARE: f64 = 4.0 * GIB;
const GIB: f64 = 1_073_741_824.0;

/// Where PostgreSQL keeps its tables, if that is on this machine.
pub(super) struct Room(Option<PathBuf>);

impl Room {
    pub(super) async fn of(link: &Link) -> Result<Self> {
        let folder: String = link.client.query_one("SHOW data_directory", &[]).await?.get(0);
        let here = Path::new(&folder).is_dir();
        if !here {
            eprintln!("soak: PostgreSQL's disk isn't here: whether it has room is NOT CHECKED");
        }
        Ok(Self(here.then(|| folder.into())))
    }

    /// What so many submissions are: as somebody wants it, or else as the bench has it, if that has room.
    pub(super) async fn body(&self, wanted: Option<Body>, total: usize) -> Result<Body> {
        let holds = |body: Body| self.holds(total as f64 * body.stored());
        if let Some(body) = wanted {
            holds(body).await?;
            return Ok(body);
        }
        let Err(why) = holds(Body::Usual).await else { return Ok(Body::Usual) };
        eprintln!("soak: with nine answers each {why:#}. So each is {}", Body::Small.name());
        holds(Body::Small).await?;
        Ok(Body::Small)
    }

    /// An error unless so many more bytes have room.
    pub(super) async fn holds(&self, bytes: f64) -> Result<()> {
        let Some(folder) = &self.0 else { return Ok(()) };
        let free = free(folder).await?;
        ensure!(
            bytes + SPARE <= free,
            "{:.1} GiB more would be stored and {:.1} have to stay free, and there are {:.1}: fewer --minutes, a \
             lower --rate, or --body small",
            bytes / GIB,
            SPARE / GIB,
            free / GIB
        );
        Ok(())
    }

    /// What the database has, in bytes.
    pub(super) async fn database(&self, link: &Link) -> Result<f64> {
        Ok(link.count("SELECT pg_database_size(current_database())").await? as f64)
    }
}

/// Bytes that are free where that folder is.
async fn free(folder: &Path) -> Result<f64> {
    let df = Command::new("df").args(["--output=avail", "-B1", "--"]).arg(folder).output().await?;
    ensure!(df.status.success(), "df: {}", String::from_utf8_lossy(&df.stderr));
    last_number(&String::from_utf8_lossy(&df.stdout)).context("df names no number")
}

fn last_number(text: &str) -> Option<f64> {
    text.lines().last()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_what_stands_below_the_heading() {
        assert_eq!(last_number("      Avail\n77309411328\n"), Some(77_309_411_328.0));
        assert_eq!(last_number("Avail\n-\n"), None);
    }

    #[tokio::test]
    async fn there_is_room_for_nothing_and_not_for_more_than_any_disk_has() {
        let room = Room(Some(std::env::temp_dir()));
        let free = free(&std::env::temp_dir()).await.unwrap();
        assert!(room.holds(free - SPARE - GIB.min(free)).await.is_ok());
        let refused = room.holds(1e21).await.unwrap_err().to_string();
        assert!(refused.contains("have to stay free"), "{refused}");
        assert!(Room(None).holds(1e21).await.is_ok(), "nobody knows");
    }

    #[tokio::test]
    async fn nine_answers_each_are_sent_if_the_disk_has_room_for_them_and_one_each_otherwise() {
        let room = Room(Some(std::env::temp_dir()));
        assert_eq!(Room(None).body(None, 1000).await.unwrap(), Body::Usual);
        assert_eq!(Room(None).body(Some(Body::Small), 1000).await.unwrap(), Body::Small);
        assert!(room.body(None, usize::MAX).await.is_err());
        let free = free(&std::env::temp_dir()).await.unwrap();
        let between = (Body::Small.stored() + Body::Usual.stored()) / 2.0;
        let total = ((free - SPARE).max(0.0) / between) as usize;
        // A disk that is nearly full has room for neither.
        if total > 0 {
            assert_eq!(room.body(None, total).await.unwrap(), Body::Small);
            assert!(room.body(Some(Body::Usual), total).await.is_err());
        }
    }
}
