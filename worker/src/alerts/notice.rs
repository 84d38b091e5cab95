//! What a notice says: where, which rule, how bad, and where to look. Nothing of the patient.

use std::time::Duration;

use epro_process::config::AlertsConfig;
use epro_store::follow_ons::AlertFollowOn;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

/// A notice, before it has a channel and a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What the row is kept under: an alert, or a condition's beginning or end.
    pub(crate) about: Uuid,
    /// A mail's subject.
    pub(crate) subject: String,
    /// A mail's text.
    pub(crate) text: String,
    /// A text message.
    pub(crate) short: String,
}

/// The notice of an alert.
pub(super) fn of_alert(alert: &AlertFollowOn, withdrawn: bool, config: &AlertsConfig) -> Notice {
    let alert_id = &alert.alert_id;
    let [site_id, study_id, rule, severity] =
        [&alert.site_id, &alert.study_id, &alert.rule, &alert.severity].map(|word| name(word));
    let received = alert.received_at.map(instant);
    let link = config.link.as_ref().map(|link| {
        let filled = link.replace("{alert}", &alert_id.to_string());
        filled.replace("{site}", &site_id).replace("{study}", &study_id)
    });
    let mut lines = vec![
        format!("severity   {severity}"),
        format!("rule       {rule}"),
        format!("site       {site_id}"),
        format!("study      {study_id}"),
        format!("received   {}", received.as_deref().unwrap_or("not known")),
        format!("alert      {alert_id}"),
    ];
    lines.push(String::new());
    if withdrawn {
        lines
            .push("An amendment no longer gives this answer. It has to be acknowledged all the same.".into());
    }
    lines.push("Please look at it and acknowledge it.".into());
    lines.extend(link.clone());
    let minutes = config.escalation.as_secs().div_ceil(60);
    lines.push(format!("Not acknowledged after {minutes} min, the next person is told."));
    let mut short = vec![format!("{severity}: {rule} at {site_id}, {study_id}")];
    short.extend(received.map(|received| format!("received {received}")));
    short.push(format!("alert {alert_id}"));
    short.extend(link);
    Notice {
        about: *alert_id,
        subject: format!("{severity}: {rule} at {site_id} ({study_id})"),
        text: lines.join("\r\n") + "\r\n",
        short: short.join(" "),
    }
}

/// A word of ours, or what is left of a stranger's: a header of a message says what alerts where its body
/// can't be opened, and whoever reaches the broker may write one.
fn name(word: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '?' };
    word.chars().take(64).map(plain).collect()
}

/// How long it took from the receipt of the submission until now.
pub(super) fn age(alert: &AlertFollowOn, otherwise: OffsetDateTime) -> Duration {
    let since = OffsetDateTime::now_utc() - alert.received_at.unwrap_or(otherwise);
    since.try_into().unwrap_or(Duration::ZERO)
}

/// To the second, in UTC.
pub(crate) fn instant(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_holds_names_only_whatever_a_stranger_writes_in_their_place() {
        let config = epro_process::config::Config::read(None, []).0.alerts;
        let alert = AlertFollowOn {
            alert_id: Uuid::from_u128(7),
            submission_id: Uuid::from_u128(8),
            site_id: "H001".into(),
            study_id: "ONC-301".into(),
            rule: "self-harm\r\nBcc: all@h001.example".into(),
            severity: "x".repeat(1000),
            received_at: Some(OffsetDateTime::UNIX_EPOCH),
        };
        let notice = of_alert(&alert, true, &config);
        assert!(notice.subject.ends_with(": self-harm??Bcc??all?h001.example at H001 (ONC-301)"));
        assert!(notice.subject.len() < 130 && notice.short.len() < 300, "{notice:?}");
        assert!(notice.text.contains("received   1970-01-01T00:00:00Z"));
        assert!(!notice.text.contains(&alert.submission_id.to_string()));
    }
}
