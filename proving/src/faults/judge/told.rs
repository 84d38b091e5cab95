//! Every dangerous answer is an alert, and somebody has the mail about it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use uuid::Uuid;

use super::{PATIENCE, Wrong};
use crate::database::Link;
use crate::faults::field::World;
use crate::faults::patients::Accepted;
use crate::until;

pub(super) async fn check(
    world: &World<'_>,
    link: &Link,
    accepted: &[Accepted],
    wrong: &mut Wrong,
) -> Result<()> {
    let dangerous: BTreeSet<Uuid> =
        accepted.iter().filter(|accepted| accepted.dangerous).map(|accepted| accepted.id).collect();
    let missing = || async {
        let alerts = alerts(link).await?;
        let mails = world.inbox.mails()?;
        let text: String = mails.iter().map(|mail| mail.text.as_str()).collect();
        let untold = dangerous.iter().filter(|id| {
            let told = |alert: &Alert| alert.noticed && text.contains(&alert.id.to_string());
            !alerts.get(*id).is_some_and(told)
        });
        Ok::<_, anyhow::Error>(untold.count())
    };
    let waited = until("every dangerous answer to be told", PATIENCE, || async {
        Ok((missing().await? == 0).then_some(()))
    });
    if waited.await.is_err() {
        let untold = missing().await?;
        wrong.push(format!(
            "{untold} of {} dangerous answers have no alert, notice and mail",
            dangerous.len()
        ));
    }
    let invented = alerts(link).await?.into_keys().filter(|id| !dangerous.contains(id)).count();
    if invented > 0 {
        wrong.push(format!("{invented} alerts about answers that were not dangerous"));
    }
    Ok(())
}

struct Alert {
    id: Uuid,
    /// A notice of it is recorded as sent.
    noticed: bool,
}

/// By submission.
async fn alerts(link: &Link) -> Result<BTreeMap<Uuid, Alert>> {
    let sql = "SELECT submission_id, alert_id, EXISTS (SELECT FROM ops.notice n
                   WHERE n.alert_id = a.alert_id AND n.state = 'sent')
               FROM ops.alert a";
    let rows = link.client.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), Alert { id: row.get(1), noticed: row.get(2) })).collect())
}
