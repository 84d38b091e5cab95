//! Nobody is quarantined but who was in hand alone whenever a worker was killed, and nothing stays counted of anybody.

use anyhow::Result;
use tokio::time::sleep;
use uuid::Uuid;

use super::{EMPTY, LOOK, Seen, Wrong};
use crate::database::Link;
use crate::until;

/// So many processes have ended over it by then: its third start isn't made.
const ENDED: usize = 2;

const QUARANTINED: &str = "
    SELECT lane, submission_id, extract(epoch FROM first_at)::double precision FROM ops.dead_letter
    WHERE class = 'quarantined'";
const COUNTED: &str = "SELECT lane, starts, extract(epoch FROM last_at)::double precision FROM ops.suspect";

/// Each that was set aside for its starts has the kills for it, and those who were not are forgotten.
pub(super) async fn check(world: &Seen<'_>, link: &Link, wrong: &mut Wrong) -> Result<()> {
    let (kills, losses) = (&world.kills, &world.losses);
    for row in link.client.query(QUARANTINED, &[]).await? {
        let (lane, id, at): (String, Option<Uuid>, f64) = (row.get(0), row.get(1), row.get(2));
        let killed = Quarantined { since: id.and_then(made_at).unwrap_or_default(), at }.killed(kills);
        if killed < ENDED {
            let what = id.map_or_else(|| "a message".to_owned(), |id| id.to_string());
            wrong.push(format!(
                "{what} of lane {lane} was quarantined, and only {killed} workers were killed"
            ));
        }
    }
    // Who outlived a start says so within seconds.
    let forgotten = until("starts to be forgotten", EMPTY, || async {
        if left(link, kills, losses).await?.is_empty() {
            return Ok(Some(()));
        }
        sleep(LOOK).await;
        Ok(None)
    });
    if forgotten.await.is_err() {
        wrong.push(format!("starts stay counted: {}", left(link, kills, losses).await?.join(", ")));
    }
    Ok(())
}

/// What stays counted and should not.
async fn left(link: &Link, kills: &[f64], losses: &[f64]) -> Result<Vec<String>> {
    let rows = link.client.query(COUNTED, &[]).await?;
    let counted = rows.iter().map(|row| Counted { lane: row.get(0), starts: row.get(1), at: row.get(2) });
    let left = counted.filter(|counted| !counted.has_gone(kills, losses));
    Ok(left.map(|counted| format!("{} in lane {}", counted.starts, counted.lane)).collect())
}

/// Set aside for its starts.
struct Quarantined {
    /// When its patient began to send it: what is confirmed may be in hand before anybody is told 202.
    since: f64,
    at: f64,
}

impl Quarantined {
    /// How many workers were killed while it might have been in hand.
    fn killed(&self, kills: &[f64]) -> usize {
        kills.iter().filter(|kill| (self.since..=self.at).contains(*kill)).count()
    }
}

/// A message of which starts are counted.
struct Counted {
    lane: String,
    starts: i32,
    /// When the last of them was.
    at: f64,
}

impl Counted {
    /// The worker that had it in hand was killed, and then its queue was deleted: it never comes again, and an operator
    /// has published another in its place.
    fn has_gone(&self, kills: &[f64], losses: &[f64]) -> bool {
        let since = |times: &[f64]| times.iter().any(|time| *time >= self.at);
        self.lane == "hospitals" && since(kills) && since(losses)
    }
}

/// When an id was made, as a UUID of version 7 says: here by the patient, whose clock nobody sets.
fn made_at(id: Uuid) -> Option<f64> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    Some(seconds as f64 + f64::from(nanos) / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_workers_that_were_killed_between_its_sending_and_its_end_excuse_a_quarantine() {
        let one = Quarantined { since: 10.0, at: 20.0 };
        let enough = |kills: &[f64]| one.killed(kills) >= ENDED;
        assert!(enough(&[11.0, 19.0]) && enough(&[5.0, 10.0, 20.0, 30.0]));
        assert!(!enough(&[]), "an outage alone quarantines nothing");
        assert!(!enough(&[15.0]) && !enough(&[9.0, 15.0]) && !enough(&[15.0, 21.0]));
    }

    #[test]
    fn a_start_stays_counted_only_of_what_was_lost_with_its_queue_and_its_worker() {
        let counted = |lane: &str| Counted { lane: lane.to_owned(), starts: 1, at: 10.0 };
        assert!(counted("hospitals").has_gone(&[11.0], &[12.0]));
        let others: [(&str, &[f64], &[f64]); 5] = [
            ("hospitals", &[], &[12.0]),
            ("hospitals", &[11.0], &[]),
            ("hospitals", &[9.0], &[12.0]),
            ("hospitals", &[11.0], &[9.0]),
            ("submissions.routine", &[11.0], &[12.0]),
        ];
        for (lane, kills, losses) in others {
            assert!(!counted(lane).has_gone(kills, losses), "{lane} {kills:?} {losses:?}");
        }
    }

    #[test]
    fn an_id_says_when_it_was_made() {
        // 0x0199_0000_0000 milliseconds.
        let id: Uuid = "01990000-0000-7000-8000-000000000000".parse().unwrap();
        assert!((made_at(id).unwrap() - 1_756_641_624.064).abs() < 1e-3);
        assert_eq!(made_at(Uuid::from_u128(7)), None);
    }
}
