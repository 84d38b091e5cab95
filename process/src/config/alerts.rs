//! `alerts`: who is told of a dangerous answer, and through what.

mod files;
mod people;
mod sms;
mod smtp;

use std::collections::BTreeMap;
use std::time::Duration;

use super::section::Section;
use super::{SiteConfig, address};
pub use people::Person;
pub use sms::{Content, SmsConfig};
pub use smtp::{SmtpConfig, SmtpTls};

/// Who is told, and through what.
#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// What a notice links to; `{alert}`, `{site}` and `{study}` are replaced.
    pub link: Option<String>,
    /// Not acknowledged for so long: the people of the next level are told, too. Scaled.
    pub escalation: Duration,
    /// The mail server.
    pub smtp: Option<SmtpConfig>,
    /// The gateway for text messages.
    pub sms: Option<SmsConfig>,
    /// Site id -> the people to tell, in the order of escalation.
    pub recipients: BTreeMap<String, Vec<Person>>,
    /// Who is told of trouble with the relay itself; all of them, at once.
    pub operators: Vec<Person>,
    /// From when on operators are told.
    pub system: SystemConfig,
}

/// From when on operators are told of trouble with the relay itself. All durations are scaled.
#[derive(Debug, Clone, Copy)]
pub struct SystemConfig {
    /// Something has to be so for this long before it counts, and be over for as long before it is cleared.
    pub patience: Duration,
    /// So many dead letters within `window`.
    pub dead_letters: u32,
    /// See `dead_letters`.
    pub window: Duration,
    /// An alert that nobody has acknowledged for so long.
    pub oldest_alert: Duration,
    /// Submissions that are accepted and not stored for so long.
    pub oldest_submission: Duration,
    /// A delivery that its hospital hasn't had for so long.
    pub oldest_delivery: Duration,
    /// No anchor of the audit trail for so long, although there were some and it grows.
    pub oldest_anchor: Duration,
}

impl AlertsConfig {
    pub(super) fn read(
        mut section: Section<'_>,
        insecure: bool,
        sites: &BTreeMap<String, SiteConfig>,
    ) -> Self {
        let link = section.text("link");
        if link.as_ref().is_some_and(|link| !is_link(link)) {
            section.problem(
                "link",
                "has to be an http or https URL without user and password; {alert}, {site}, {study} are replaced",
            );
        }
        let escalation = section.duration("escalation", Duration::from_secs(15 * 60), Duration::from_secs(1));
        let smtp = SmtpConfig::read(section.section("smtp"), insecure);
        let sms = SmsConfig::read(section.section("sms"), insecure);
        let recipients = people::by_site(section.section("recipients"), sites);
        let operators = people::list(&mut section, "operators");
        let system = SystemConfig::read(section.section("system"));
        let reached = |person: &Person| {
            // That neither is given was said already.
            let neither = person.email.is_none() && person.phone.is_none();
            neither || (person.email.is_some() && smtp.is_some()) || (person.phone.is_some() && sms.is_some())
        };
        let mut unreached: Vec<String> = Vec::new();
        for (site, people) in &recipients {
            let nobody = people.iter().filter(|person| !reached(person));
            unreached.extend(nobody.map(|person| format!("recipients.{site}.{}", person.name)));
        }
        let nobody = operators.iter().filter(|person| !reached(person));
        unreached.extend(nobody.map(|person| format!("operators.{}", person.name)));
        for path in unreached {
            section.problem(
                &path,
                "can't be reached: neither their email through smtp nor their phone through sms",
            );
        }
        section.finish();
        Self { link, escalation, smtp, sms, recipients, operators, system }
    }

    /// The people of a site; the operators where nobody is configured: somebody has to hear of it.
    pub fn people_of(&self, site: &str) -> &[Person] {
        match self.recipients.get(site) {
            Some(people) if !people.is_empty() => people,
            _ => &self.operators,
        }
    }
}

impl SystemConfig {
    fn read(mut section: Section<'_>) -> Self {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let system = Self {
            patience: section.duration("patience", 30 * second, second),
            dead_letters: section.integer("dead_letters", 10, 1, 1_000_000),
            window: section.duration("window", hour / 4, second),
            oldest_alert: section.duration("oldest_alert", hour, second),
            oldest_submission: section.duration("oldest_submission", hour / 4, second),
            oldest_delivery: section.duration("oldest_delivery", 24 * hour, second),
            oldest_anchor: section.duration("oldest_anchor", hour, second),
        };
        section.finish();
        system
    }
}

fn is_link(link: &str) -> bool {
    let filled = link.replace("{alert}", "a").replace("{site}", "s").replace("{study}", "t");
    let open = |url: &url::Url| matches!(url.scheme(), "http" | "https") && !address::holds_login(url);
    url::Url::parse(&filled).is_ok_and(|url| open(&url)) && !filled.contains(['{', '}'])
}
