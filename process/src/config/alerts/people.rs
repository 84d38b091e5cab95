//! The people that are told, in the order of escalation.

use std::collections::BTreeMap;

use super::super::section::Section;
use super::super::{SiteConfig, places};

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What logs and tables call them: a name of the configuration, never an address.
    pub name: String,
    /// What they are at the site, such as `investigator`.
    pub role: String,
    /// From 1: who is of level 2 is told when those of level 1 have not acknowledged in time.
    pub level: u32,
    /// Where mail reaches them.
    pub email: Option<String>,
    /// Where text messages reach them, as `+` and digits.
    pub phone: Option<String>,
}

/// The people of each site. Somebody without a `level` is one level above who stands before.
pub(super) fn by_site(
    mut section: Section<'_>,
    sites: &BTreeMap<String, SiteConfig>,
) -> BTreeMap<String, Vec<Person>> {
    let mut recipients = BTreeMap::new();
    for site in section.names() {
        if !sites.contains_key(&site) {
            section.problem(&site, "is no site: it doesn't stand under sites");
        }
        let mut before = 0;
        let people = section.each_named(&site, |person| {
            let level = person.integer("level", before + 1, 1, 1000);
            if level < before {
                person.problem("level", "goes down: people stand in the order in which they are told");
            }
            before = level.max(before);
            read(person, level)
        });
        check_names(&mut section, &site, &people);
        recipients.insert(site, people);
    }
    section.finish();
    recipients
}

/// People who are all told at once.
pub(super) fn list(section: &mut Section<'_>, key: &'static str) -> Vec<Person> {
    let people = section.each(key, |person| read(person, 1));
    check_names(section, key, &people);
    people
}

fn read(section: &mut Section<'_>, level: u32) -> Person {
    let name = section.text("name");
    match &name {
        None => section.problem("name", "is required"),
        Some(name) if !places::is_name(name) => {
            section.problem("name", "a name has 1 to 64 letters, digits, dots, - or _");
        }
        Some(_) => {}
    }
    let role = section.text("role").unwrap_or_else(|| "investigator".to_owned());
    let email = section.text("email");
    if email.as_ref().is_some_and(|email| !is_email(email)) {
        section.problem("email", "has to be an address like lee@hospital.example, without a name");
    }
    let phone = section.text("phone");
    if phone.as_ref().is_some_and(|phone| !is_phone(phone)) {
        section.problem("phone", "has to be + and 7 to 15 digits, in quotes");
    }
    if email.is_none() && phone.is_none() {
        section.problem("email", "is required (or phone, or both)");
    }
    Person { name: name.unwrap_or_default(), role, level, email, phone }
}

fn check_names(section: &mut Section<'_>, key: &str, people: &[Person]) {
    for (index, person) in people.iter().enumerate() {
        if people[..index].iter().any(|earlier| earlier.name == person.name) {
            section.problem(&format!("{key}[{index}].name"), "names the same person twice");
        }
    }
}

/// What can't be mistaken for anything else in a header: no spaces, names, comments or quotes.
pub(super) fn is_email(text: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._%+-=".contains(c);
    let Some((local, domain)) = text.split_once('@') else { return false };
    let label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (1..=64).contains(&local.len())
        && local.chars().all(harmless)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.len() <= 253
        && domain.split('.').all(label)
}

fn is_phone(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit()))
}
