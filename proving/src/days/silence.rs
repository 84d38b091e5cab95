//! Neither the mail server nor the gateway is there for two hours: the alert stays undone and is seen to be.
//! Then everybody is told, once.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::sleep;

use super::finding::{Bound, Finding};
use super::{HURRY, TWO_HOURS};
use crate::client::phq9;
use crate::database::Link;
use crate::stack::{Plan, Stack};
use crate::{Inbox, SmsGateway, until};

const SITE: &str = "H004";
/// Two people, three addresses.
const NOTICES: usize = 3;
/// Longer than any repeat of a notice.
const QUIET: Duration = Duration::from_secs(20);

struct Day {
    inbox: Inbox,
    gateway: SmsGateway,
    stack: Stack,
    link: Link,
}

/// Lives through it; takes about three minutes.
pub async fn live() -> Result<Vec<Finding>> {
    let (inbox, gateway) = (Inbox::start().await?, SmsGateway::start().await?);
    let people = json!({SITE: [
        {"name": "dr-cho", "email": "cho@h004.example", "phone": "+15550102"},
        {"name": "dr-poe", "email": "poe@h004.example"},
    ]});
    let config = json!({
        "time_scale": HURRY,
        "worker": {"lanes": ["submissions", "dead", "relay", "commands", "alerts"]},
        "alerts": {"smtp": inbox.config(), "sms": gateway.config(), "recipients": people},
    });
    let stack = Stack::with(Plan { config, ..Plan::default() }).await?;
    let link = stack.database().connect().await?;
    let day = Day { inbox, gateway, stack, link };
    let (api, worker) = tokio::try_join!(day.stack.api(), day.stack.worker())?;
    day.inbox.down().await?;
    day.gateway.down().await;
    let mut dangerous = phq9("ONC-301", SITE);
    dangerous["answers"]["44260-8"] = json!(2);
    let reply = day.stack.client(&api)?.submit("P-1", &dangerous).await?;
    ensure!(reply.status == 202, "told {}", reply.status);
    sleep(TWO_HOURS).await;
    let shown = worker.metrics().await?.contains(&format!("epro_alerts_undone{{site=\"{SITE}\"}} 1"));
    let undone = day.link.count("SELECT count(*) FROM ops.alert WHERE state <> 'done'").await?;
    let (doctor, ..) = day.stack.epro_status(&["doctor"]).await?;
    day.come_back().await?;
    let mut findings = vec![
        Finding::new("silence: alerts undone after two hours", undone as f64, Bound::Is(1.0)),
        Finding::new("silence: the gauge shows them", f64::from(u8::from(shown)), Bound::Is(1.0)),
        Finding::new("silence: exit code of `epro doctor`", f64::from(doctor.unwrap_or(-1)), Bound::Is(1.0)),
    ];
    findings.append(&mut day.told()?);
    Ok(findings)
}

impl Day {
    async fn come_back(&self) -> Result<()> {
        self.inbox.up().await?;
        self.gateway.up().await?;
        let sent = "SELECT count(*) FROM ops.notice WHERE state = 'sent'";
        until("everybody to be told", Duration::from_secs(120), || async {
            Ok((self.link.count(sent).await? >= NOTICES as i64).then_some(()))
        })
        .await?;
        sleep(QUIET).await;
        Ok(())
    }

    fn told(&self) -> Result<Vec<Finding>> {
        let mails = self.inbox.mails()?;
        let to = |who: &str| mails.iter().filter(|mail| mail.to == [who]).count();
        let told = [
            ("mails to the first", to("cho@h004.example")),
            ("messages to the first", self.gateway.texts().len()),
            ("mails to the second", to("poe@h004.example")),
        ];
        Ok(told
            .map(|(what, count)| Finding::new(format!("silence: then, {what}"), count as f64, Bound::Is(1.0)))
            .into())
    }
}
