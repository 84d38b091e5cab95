//! Each follow-on that a row calls queued really lies in its queue.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lapin::options::BasicGetOptions;
use uuid::Uuid;

use crate::database::Link;
use crate::hand::found;
use crate::sealed::Keys;
use crate::until;
use crate::vhost::Vhost;

pub(super) async fn check(link: &Link, vhost: &Vhost, keys: &Keys, wrong: &mut Vec<String>) -> Result<()> {
    // The relay looks every few seconds for what could not be sent at once.
    let unsent = "SELECT (SELECT count(*) FROM ops.delivery WHERE state = 'unsent')
                       + (SELECT count(*) FROM ops.alert WHERE state = 'unsent')
                       + (SELECT count(*) FROM ops.risk WHERE state = 'unsent')";
    let relayed = until("unsent follow-ons to be relayed", Duration::from_secs(20), || async {
        Ok((link.count(unsent).await? == 0).then_some(()))
    });
    if relayed.await.is_err() {
        wrong.push(format!("{} follow-ons are still unsent", link.count(unsent).await?));
    }
    let messages = look_into(vhost, keys).await?;
    // Once somebody was told of an alert, its message has done what it was for.
    let sql =
        "SELECT 'epro.his.' || site_id, submission_id, pseudonym FROM ops.delivery WHERE state = 'queued'
               UNION ALL SELECT 'epro.risk', submission_id, pseudonym FROM ops.risk WHERE state = 'queued'
               UNION ALL SELECT 'epro.alerts', alert_id, NULL FROM ops.alert a WHERE state = 'queued'
               AND NOT EXISTS (SELECT FROM ops.notice n WHERE n.alert_id = a.alert_id AND n.state = 'sent')";
    for row in link.client.query(sql, &[]).await? {
        let (queue, id): (String, Uuid) = (row.get(0), row.get(1));
        if !messages.contains(&(queue.clone(), id, row.get(2))) {
            wrong.push(format!("a follow-on of {id} is called queued and isn't in {queue}"));
        }
    }
    Ok(())
}

/// A queue, and the key of the row that a message in it is about: an alert's id, or a submission's id with
/// the pseudonym of its subject. An alert names its submission too, which says nothing of its delivery.
type Follower = (String, Uuid, Option<Uuid>);

/// What lies in the follow-on queues, each under a seal of its own. The messages go back when the channel ends.
async fn look_into(vhost: &Vhost, keys: &Keys) -> Result<BTreeSet<Follower>> {
    let mut followers = BTreeSet::new();
    let connection = vhost.connect().await?;
    let follow_on = |queue: &&String| {
        queue.starts_with("epro.his.") || ["epro.alerts", "epro.risk"].contains(&queue.as_str())
    };
    for queue in vhost.queues().await?.iter().filter(follow_on) {
        let channel = connection.create_channel().await?;
        while let Some(message) = channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await?
        {
            let body = found(message.delivery).says(keys).with_context(|| format!("a message in {queue}"))?;
            let id = |key: &str| body[key].as_str().and_then(|id| id.parse::<Uuid>().ok());
            let (key, beside) = if queue == "epro.alerts" {
                (id("alert_id"), None)
            } else {
                (id("submission_id"), id("pseudonym"))
            };
            followers.extend(key.map(|key| (queue.clone(), key, beside)));
        }
        channel.close(200, "looked".into()).await?;
    }
    connection.close(200, "looked".into()).await?;
    Ok(followers)
}
