//! Addresses of services: a URL in the configuration, or in a file that it names.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use zeroize::Zeroizing;

use super::secret;
use super::section::Section;

/// What an address may look like.
pub(super) struct Scheme {
    names: &'static [&'static str],
    rule: &'static str,
}

impl Scheme {
    pub(super) const AMQP: Self = Self {
        names: &["amqp", "amqps"],
        rule: "has to be a URL like amqps://user:password@host:5671/vhost",
    };
    pub(super) const HTTP: Self =
        Self { names: &["http", "https"], rule: "has to be a URL like https://user:password@host:15671" };
    pub(super) const WEB: Self =
        Self { names: &["http", "https"], rule: "has to be a URL like https://gateway.example/messages" };
    pub(super) const POSTGRES: Self = Self {
        names: &["postgres", "postgresql"],
        rule: "has to be a URL like postgres://user:password@host:5432/database?sslmode=verify-full",
    };
}

/// The address under `key`, or in the file under `file_key`; `None` when neither is there.
pub(super) fn read(
    section: &mut Section<'_>,
    key: &'static str,
    file_key: &'static str,
    scheme: &Scheme,
    insecure: bool,
) -> Option<SecretString> {
    let (text, key) = match (section.text(key).map(Zeroizing::new), section.path(file_key)) {
        (Some(_), Some(_)) => {
            section.problem(key, format!("stands beside {file_key}: give one of them"));
            return Some(SecretString::default());
        }
        (Some(text), None) => (text, key),
        (None, Some(path)) => match secret::in_file(&path) {
            Ok(text) => (text, file_key),
            Err(rule) => {
                section.problem(file_key, rule);
                return Some(SecretString::default());
            }
        },
        (None, None) => return None,
    };
    let broken = parsed(&text, |url| broken(&text, url, scheme, insecure));
    if let Some(rule) = broken.unwrap_or(Some(scheme.rule)) {
        section.problem(key, rule);
    }
    Some(SecretString::from(text.as_str()))
}

/// Looks at an address, if it is one. What it is parsed into holds a password, too, and is wiped.
fn parsed<T>(text: &str, look: impl FnOnce(&Url) -> T) -> Option<T> {
    let url = Url::parse(&with_room(text)).ok()?;
    let seen = look(&url);
    drop(Zeroizing::new(String::from(url)));
    Some(seen)
}

/// An address and blanks, which the parser overlooks. It writes into as much room as it is given bytes, and what grows
/// beyond that moves and leaves a copy behind: a byte may become three (`%5E`), and a path is added.
fn with_room(text: &str) -> Zeroizing<String> {
    let room = 3 * text.len() + 16;
    let mut roomy = Zeroizing::new(String::with_capacity(room));
    roomy.push_str(text);
    roomy.extend(std::iter::repeat_n(' ', room - text.len()));
    roomy
}

/// The rule that an address breaks.
fn broken(text: &str, url: &Url, scheme: &Scheme, insecure: bool) -> Option<&'static str> {
    let host = url.host_str().unwrap_or_default();
    if !scheme.names.contains(&url.scheme()) || host.is_empty() {
        Some(scheme.rule)
    } else if url.scheme().starts_with("postgres") && says_two_things(text, url) {
        Some(
            "must say everything once, and its host before the database: no host or hostaddr behind it, no \
             fragment, and an @ of a name or a password as %40",
        )
    } else if !insecure && !is_secure(url) && !is_loopback(host) {
        Some(
            "is plain text beyond loopback; use TLS (amqps, https, sslmode=verify-full), or set insecure: true if \
             the network is trusted",
        )
    } else {
        None
    }
}

/// Whether PostgreSQL's client library could take it for another server or another mode than is looked at here. It
/// takes the first `@` for the end of the password, wherever that stands, knows no fragment, and of what is said
/// twice believes the last.
fn says_two_things(text: &str, url: &Url) -> bool {
    let mut said = BTreeSet::new();
    let twice = url
        .query_pairs()
        .any(|(name, _)| matches!(name.as_ref(), "host" | "hostaddr") || !said.insert(name.into_owned()));
    twice || url.fragment().is_some() || text.matches('@').count() > usize::from(holds_login(url))
}

/// Whether it says who signs in there.
pub(super) fn holds_login(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether it says TLS.
fn is_secure(url: &Url) -> bool {
    let mode = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        name == "sslmode" && (value == "verify-full" || value == "require")
    };
    matches!(url.scheme(), "https" | "amqps")
        || (url.scheme().starts_with("postgres") && url.query_pairs().any(mode))
}

/// Whether an address says TLS.
pub(super) fn says_tls(address: &SecretString) -> bool {
    parsed(address.expose_secret(), is_secure).unwrap_or(false)
}

/// Whether a host name or address can only be this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An address as it may be shown: who and with which password is hidden.
pub(super) fn printable(address: &SecretString) -> Option<String> {
    shown(address, Url::path)
}

/// The same of a gateway, many of which take their key as a part of the path.
pub(super) fn printable_host(address: &SecretString) -> Option<String> {
    shown(address, |_| "/[hidden]")
}

fn shown(address: &SecretString, path: fn(&Url) -> &str) -> Option<String> {
    parsed(address.expose_secret(), |url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://[hidden]@{}{port}{}", url.scheme(), url.host_str()?, path(url)))
    })?
}

/// An address that holds no login, as it may be shown: what is asked there may be a key.
pub(super) fn place(url: &Url) -> String {
    let mut place = url.clone();
    place.set_query(url.query().map(|_| "[hidden]"));
    place.into()
}
