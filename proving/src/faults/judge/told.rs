//! Every dangerous answer is one alert, and somebody has the mail about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{LOOK, PATIENCE, Seen, Wrong};
use crate::database::Link;
use crate::faults::patients::Accepted;
use crate::{inbox, until};

pub(super) async fn check(
    world: &Seen<'_>,
    link: &Link,
    accepted: &[Accepted],
    wrong: &mut Wrong,
) -> Result<()> {
    let dangerous: BTreeSet<Uuid> =
        accepted.iter().filter(|accepted| accepted.dangerous).map(|accepted| accepted.id).collect();
    let mails = Mails::of(world.inbox.folder());
    let missing = || async {
        let (alerts, mailed) = (alerts(link).await?, mails.ids().await?);
        Ok::<_, anyhow::Error>(untold(&dangerous, &alerts, &mailed))
    };
    let waited = until("every dangerous answer to be told", PATIENCE, || async {
        if missing().await? == 0 {
            return Ok(Some(()));
        }
        tokio::time::sleep(LOOK).await;
        Ok(None)
    });
    if waited.await.is_err() {
        let untold = missing().await?;
        wrong.push(format!(
            "{untold} of {} dangerous answers have no alert, notice and mail",
            dangerous.len()
        ));
    }
    too_many(&dangerous, &alerts(link).await?, wrong);
    Ok(())
}

/// Dangerous answers of which nobody was told.
fn untold(dangerous: &BTreeSet<Uuid>, alerts: &Alerts, mailed: &BTreeSet<Uuid>) -> usize {
    let is_told = |alert: &Alert| alert.noticed && mailed.contains(&alert.id);
    dangerous.iter().filter(|id| !alerts.get(*id).is_some_and(|of_it| of_it.iter().all(is_told))).count()
}

/// One alert a dangerous answer: it breaks one rule.
fn too_many(dangerous: &BTreeSet<Uuid>, alerts: &Alerts, wrong: &mut Wrong) {
    let invented = alerts.keys().filter(|id| !dangerous.contains(id)).count();
    if invented > 0 {
        wrong.push(format!("{invented} alerts about answers that were not dangerous"));
    }
    let twice = alerts.values().filter(|of_it| of_it.len() > 1).count();
    if twice > 0 {
        wrong.push(format!("{twice} dangerous answers have more than one alert"));
    }
}

/// The ids that stand in mails. Each mail is read once, away from what else this runtime does.
struct Mails {
    folder: PathBuf,
    read: Arc<Mutex<Read>>,
}

#[derive(Default)]
struct Read {
    files: BTreeSet<PathBuf>,
    ids: BTreeSet<Uuid>,
}

impl Mails {
    fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read: Arc::default() }
    }

    async fn ids(&self) -> Result<BTreeSet<Uuid>> {
        let (folder, read) = (self.folder.clone(), Arc::clone(&self.read));
        spawn_blocking(move || -> Result<BTreeSet<Uuid>> {
            let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
            read.what_is_new(&folder)?;
            Ok(read.ids.clone())
        })
        .await?
    }
}

impl Read {
    fn what_is_new(&mut self, folder: &Path) -> Result<()> {
        for file in inbox::files(folder)? {
            if !self.files.contains(&file) {
                self.ids.extend(ids(&inbox::mail(&file)?.text));
                self.files.insert(file);
            }
        }
        Ok(())
    }
}

/// The ids in a text, each as a word of its own and written as we write ids.
fn ids(text: &str) -> impl Iterator<Item = Uuid> {
    let words = text.split(|c: char| !matches!(c, '0'..='9' | 'a'..='f' | '-'));
    words.filter(|word| word.len() == 36).filter_map(|word| word.parse().ok())
}

struct Alert {
    id: Uuid,
    /// A notice of it is recorded as sent.
    noticed: bool,
}

/// By submission.
type Alerts = BTreeMap<Uuid, Vec<Alert>>;

async fn alerts(link: &Link) -> Result<Alerts> {
    let sql = "SELECT submission_id, alert_id, EXISTS (SELECT FROM ops.notice n
                   WHERE n.alert_id = a.alert_id AND n.state = 'sent')
               FROM ops.alert a";
    let mut alerts = Alerts::new();
    for row in link.client.query(sql, &[]).await? {
        alerts.entry(row.get(0)).or_default().push(Alert { id: row.get(1), noticed: row.get(2) });
    }
    Ok(alerts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_was_told_of_too_little_or_of_too_much_is_found() {
        let id = Uuid::from_u128;
        let alerts = |of: &[(u128, u128, bool)]| {
            let mut alerts = Alerts::new();
            for (submission, alert, noticed) in of {
                alerts.entry(id(*submission)).or_default().push(Alert { id: id(*alert), noticed: *noticed });
            }
            alerts
        };
        let (dangerous, mailed) = (BTreeSet::from([id(1)]), BTreeSet::from([id(11), id(12)]));
        let judged = |of: &[(u128, u128, bool)]| {
            let (alerts, mut wrong) = (alerts(of), Wrong::new());
            too_many(&dangerous, &alerts, &mut wrong);
            (untold(&dangerous, &alerts, &mailed), wrong.len())
        };
        assert_eq!(judged(&[(1, 11, true)]), (0, 0));
        assert_eq!(judged(&[]), (1, 0), "no alert");
        assert_eq!(judged(&[(1, 11, false)]), (1, 0), "no notice");
        assert_eq!(judged(&[(1, 13, true)]), (1, 0), "no mail");
        assert_eq!(judged(&[(1, 11, true), (1, 12, true)]), (0, 1), "a second one");
        assert_eq!(judged(&[(1, 11, true), (1, 13, true)]), (1, 1), "of which nobody was told");
        assert_eq!(judged(&[(1, 11, true), (2, 12, true)]), (0, 1), "of what was harmless");
    }

    #[test]
    fn an_id_is_found_in_a_sentence_and_in_an_address_and_nowhere_else() {
        let (one, other) = (Uuid::from_u128(7), Uuid::from_u128(0xabcd));
        let text = format!("alert      {one}\nhttps://epro.example/alerts/{other}?a=1 x{one}0");
        assert_eq!(ids(&text).collect::<Vec<_>>(), [one, other]);
        assert_eq!(ids(&one.simple().to_string()).count(), 0);
    }

    #[test]
    fn each_mail_is_read_once_and_a_new_one_is_found_beside_those_that_were() {
        let folder = std::env::temp_dir().join(format!("epro-told-{}", Uuid::now_v7().simple()));
        std::fs::create_dir_all(folder.join("mails")).unwrap();
        let arrives = |name: &str, id: Uuid| {
            let mail = json!({"at": 1.0, "to": [], "subject": "", "message_id": "", "text": id.to_string(),
                              "raw": "", "secured": false, "login": null});
            std::fs::write(folder.join("mails").join(name), mail.to_string()).unwrap();
        };
        let mut read = Read::default();
        arrives("1.json", Uuid::from_u128(1));
        read.what_is_new(&folder).unwrap();
        // Nobody looks into it again.
        arrives("1.json", Uuid::from_u128(9));
        arrives("2.json", Uuid::from_u128(2));
        arrives("3.json.new", Uuid::from_u128(3));
        read.what_is_new(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read.ids.into_iter().collect::<Vec<_>>(), [Uuid::from_u128(1), Uuid::from_u128(2)]);
    }
}
