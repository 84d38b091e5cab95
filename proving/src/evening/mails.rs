//! The way of each alert to the inbox.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::look::Looker;
use super::send::Gone;
use crate::inbox::mails;
use crate::until;

/// An alert and when it was where, in milliseconds after the 202 of its submission.
#[derive(Clone, Debug)]
pub struct Told {
    /// The line that alerts.
    pub line: String,
    /// The rule.
    pub rule: String,
    /// When its row was written; before 0 where the row was faster than the answer.
    pub row_ms: f64,
    /// When the mail server had its mail; `None`: never.
    pub mail_ms: Option<f64>,
    /// Whom the mail went to.
    pub to: String,
}

impl Told {
    /// What is wrong with it, if anything is.
    pub(super) fn surprise(&self) -> Option<String> {
        self.mail_ms.is_none().then(|| format!("nobody was told of {}", self.rule))
    }
}

/// The alerts of a line, each once its mail is there or `patience` is over.
pub(super) async fn told(
    gone: &Gone,
    looker: &Looker,
    inbox: &Path,
    patience: Duration,
) -> Result<Vec<Told>> {
    let accepted = gone.copies.iter().filter(|copy| copy.taken());
    let Some(first) = accepted.map(|copy| copy.answered).min_by(f64::total_cmp) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for (alert, rule, row) in looker.alerts_to_tell(gone).await? {
        let mail = until("a mail", patience, || async {
            let alert = alert.to_string();
            Ok(mails(inbox).unwrap_or_default().into_iter().find(|mail| mail.text.contains(&alert)))
        })
        .await
        .ok();
        let ms = |at: f64| (at - first) * 1000.0;
        all.push(Told {
            line: gone.line.name.clone(),
            rule,
            row_ms: ms(row),
            mail_ms: mail.as_ref().map(|mail| ms(mail.at)),
            to: mail.map(|mail| mail.to.join(", ")).unwrap_or_default(),
        });
    }
    Ok(all)
}
