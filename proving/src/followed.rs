//! What follows on from submissions: each delivery is at its hospital once, and somebody has a mail about each
//! dangerous answer, and about no other. For days on which nothing is struck; `faults` judges what is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Link;
use crate::days::finding::{Bound, Finding};
use crate::{Inbox, SampleHospital, inbox, until};

/// The lanes that it takes.
const LANES: [&str; 6] = ["submissions", "dead", "relay", "commands", "alerts", "hospitals"];
/// How long it may take once all is stored.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_secs(1);

const DELIVERED: &str = "SELECT count(*) FROM ops.delivery WHERE state = 'done'";
const NOTICED: &str = "SELECT count(*) FROM ops.alert a WHERE EXISTS (
    SELECT FROM ops.notice n WHERE n.alert_id = a.alert_id AND n.state = 'sent')";
const ALERTS: &str = "SELECT alert_id, submission_id, EXISTS (
    SELECT FROM ops.notice n WHERE n.alert_id = a.alert_id AND n.state = 'sent') FROM ops.alert a";

/// A configuration in which it can: that hospital is `site`'s, and somebody at each of `sites` has a mail address.
pub(crate) fn config(hospital: (&str, Value), inbox: &Inbox, sites: &[&str]) -> Value {
    let (site, entry) = hospital;
    let person = |site: &&str| ((*site).to_owned(), json!([{"name": "lee", "email": "lee@epro.example"}]));
    let recipients: serde_json::Map<_, _> = sites.iter().map(person).collect();
    json!({
        "worker": {"lanes": LANES},
        "hospitals": {site: entry},
        "alerts": {"smtp": inbox.config(), "recipients": recipients},
    })
}

/// What was accepted that something follows on from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// The ids under which the hospital gets submissions.
    pub(crate) deliveries: BTreeSet<Uuid>,
    /// Submissions with a dangerous answer.
    pub(crate) dangerous: BTreeSet<Uuid>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Followed {
    /// Deliveries that were due.
    due: usize,
    /// Those of them that the hospital has, in one version.
    once: usize,
    /// What it has beside them, or in several versions.
    strange: usize,
    /// Dangerous answers.
    dangerous: usize,
    /// Those of them with one alert, of which a notice is recorded as sent and a mail came.
    told: usize,
    /// Alerts beside theirs, and mails about nothing of theirs.
    invented: usize,
    /// All mails.
    mails: usize,
}

impl Expected {
    /// Waits until all of it followed on, as the tables have it, and then asks hospital and mail server. With it, when
    /// the first mail about each dangerous answer came, in Unix seconds.
    pub(crate) async fn judge(
        &self,
        link: &Link,
        hospital: &SampleHospital,
        inbox: &Inbox,
    ) -> Result<(Followed, BTreeMap<Uuid, f64>)> {
        // What didn't is counted below.
        let _ = until("all that is due to follow on", PATIENCE, || async {
            let (delivered, noticed) = (link.count(DELIVERED).await?, link.count(NOTICED).await?);
            if delivered >= self.deliveries.len() as i64 && noticed >= self.dangerous.len() as i64 {
                return Ok(Some(()));
            }
            tokio::time::sleep(LOOK).await;
            Ok(None)
        })
        .await;
        let rows = link.client.query(ALERTS, &[]).await.context("the alerts")?;
        let alerts: Vec<Alert> = rows
            .iter()
            .map(|row| Alert { id: row.get(0), submission: row.get(1), noticed: row.get(2) })
            .collect();
        let mut followed = Followed::default();
        self.delivered(&hospital.versions("QuestionnaireResponse"), &mut followed);
        let first = self.told(&alerts, &mails(inbox.folder())?, &mut followed);
        Ok((followed, first))
    }

    fn delivered(&self, has: &[(String, usize)], followed: &mut Followed) {
        followed.due = self.deliveries.len();
        for (identifier, versions) in has {
            let id = identifier.trim_start_matches("urn:uuid:").parse::<Uuid>();
            let is_due = id.is_ok_and(|id| self.deliveries.contains(&id));
            match (is_due, *versions) {
                (true, 1) => followed.once += 1,
                _ => followed.strange += 1,
            }
        }
    }

    fn told(&self, alerts: &[Alert], mails: &[Mail], followed: &mut Followed) -> BTreeMap<Uuid, f64> {
        let mut first: BTreeMap<Uuid, f64> = BTreeMap::new();
        for (id, at) in mails.iter().flat_map(|mail| mail.names.iter().map(|id| (*id, mail.at))) {
            first.entry(id).and_modify(|first| *first = first.min(at)).or_insert(at);
        }
        let ours: Vec<&Alert> =
            alerts.iter().filter(|alert| self.dangerous.contains(&alert.submission)).collect();
        let known: BTreeSet<Uuid> = ours.iter().map(|alert| alert.id).collect();
        let mut alerted: BTreeMap<Uuid, usize> = BTreeMap::new();
        for alert in &ours {
            *alerted.entry(alert.submission).or_default() += 1;
        }
        let is_told = |alert: &&&Alert| {
            alert.noticed && first.contains_key(&alert.id) && alerted.get(&alert.submission) == Some(&1)
        };
        let told = ours.iter().filter(is_told).map(|alert| (alert.submission, first[&alert.id]));
        let told: BTreeMap<Uuid, f64> = told.collect();
        let others = mails.iter().filter(|mail| mail.names.is_disjoint(&known)).count();
        followed.dangerous = self.dangerous.len();
        followed.told = told.len();
        followed.invented = alerts.len() - alerted.len() + others;
        followed.mails = mails.len();
        told
    }
}

impl Followed {
    /// All of it beside what it must be; `head` goes before each figure.
    pub(crate) fn findings(&self, head: &str) -> Vec<Finding> {
        let figure =
            |what: &str, value: usize, bound| Finding::new(format!("{head}{what}"), value as f64, bound);
        let is = |value: usize| Bound::Is(value as f64);
        vec![
            figure("due at the hospital", self.due, Bound::Any),
            figure("of them there, once each", self.once, is(self.due)),
            figure("there otherwise", self.strange, is(0)),
            figure("dangerous answers", self.dangerous, Bound::Any),
            figure("of them told: one alert, a notice, a mail", self.told, is(self.dangerous)),
            figure("alerts and mails about anything else", self.invented, is(0)),
            figure("mails in all", self.mails, Bound::Any),
        ]
    }

    /// How many deliveries were due, and how many answers were dangerous.
    pub(crate) fn due(&self) -> (usize, usize) {
        (self.due, self.dangerous)
    }
}

struct Alert {
    id: Uuid,
    submission: Uuid,
    /// A notice of it is recorded as sent.
    noticed: bool,
}

/// A mail as far as it counts.
struct Mail {
    at: f64,
    /// The ids in its text.
    names: BTreeSet<Uuid>,
}

fn mails(folder: &Path) -> Result<Vec<Mail>> {
    let mail = |file: &std::path::PathBuf| {
        let mail = inbox::mail(file)?;
        Ok(Mail { at: mail.at, names: ids(&mail.text).collect() })
    };
    inbox::files(folder)?.iter().map(mail).collect()
}

/// The ids in a text, each as a word of its own and written as we write ids.
fn ids(text: &str) -> impl Iterator<Item = Uuid> {
    let words = text.split(|c: char| !matches!(c, '0'..='9' | 'a'..='f' | '-'));
    words.filter(|word| word.len() == 36).filter_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn alert(number: u128, submission: u128) -> Alert {
        Alert { id: id(number), submission: id(submission), noticed: true }
    }

    fn mail(at: f64, number: u128) -> Mail {
        Mail { at, names: BTreeSet::from([id(number)]) }
    }

    fn told(alerts: &[Alert], mails: &[Mail]) -> (Followed, BTreeMap<Uuid, f64>) {
        let expected = Expected { dangerous: BTreeSet::from([id(1), id(2)]), ..Expected::default() };
        let mut followed = Followed::default();
        let first = expected.told(alerts, mails, &mut followed);
        (followed, first)
    }

    #[test]
    fn only_what_the_hospital_has_in_one_version_is_there_once() {
        let expected = Expected { deliveries: BTreeSet::from([id(1), id(2), id(3)]), ..Expected::default() };
        let has = |number: u128, versions: usize| (format!("urn:uuid:{}", id(number)), versions);
        let mut followed = Followed::default();
        expected.delivered(&[has(1, 1), has(2, 2), has(4, 1), ("x".to_owned(), 1)], &mut followed);
        assert_eq!((followed.due, followed.once, followed.strange), (3, 1, 3));
    }

    #[test]
    fn an_answer_is_told_by_one_alert_with_a_notice_and_a_mail_and_by_nothing_less() {
        let both = [alert(10, 1), alert(20, 2)];
        let (all, first) = told(&both, &[mail(5.0, 10), mail(6.0, 20), mail(7.0, 10)]);
        assert_eq!((all.told, all.invented, all.mails), (2, 0, 3));
        assert_eq!(first, BTreeMap::from([(id(1), 5.0), (id(2), 6.0)]));
        assert_eq!(told(&both, &[mail(5.0, 10)]).0.told, 1, "a mail is missing");
        let unsaid = [alert(10, 1), Alert { noticed: false, ..alert(20, 2) }];
        assert_eq!(told(&unsaid, &[mail(5.0, 10), mail(6.0, 20)]).0.told, 1, "it is not recorded");
    }

    #[test]
    fn what_nobody_asked_for_is_invented() {
        let mails = [mail(5.0, 10), mail(6.0, 20)];
        let twice = [alert(10, 1), alert(11, 1), alert(20, 2)];
        let (found, _) = told(&twice, &mails);
        assert_eq!((found.told, found.invented), (1, 1), "a second alert about the same");
        let stranger = [alert(10, 1), alert(20, 2), alert(30, 3)];
        assert_eq!(told(&stranger, &mails).0.invented, 1);
        assert_eq!(told(&stranger[..2], &[mail(5.0, 10), mail(6.0, 20), mail(7.0, 40)]).0.invented, 1);
    }
}
