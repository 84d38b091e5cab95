//! `hospitals`: which sites have one, how it is spoken to, and at what pace.

mod fhir;
mod files;
mod mllp;

use std::collections::BTreeMap;
use std::time::Duration;

use super::section::Section;
use super::{SiteConfig, TlsConfig, address, places};
pub use fhir::{FhirAuth, FhirConfig};
pub use mllp::{Charset, MllpConfig, Party, ProcessingId};

/// The hospital of a site.
#[derive(Debug, Clone)]
pub struct HospitalConfig {
    /// How it is spoken to, and where it is.
    pub protocol: Protocol,
    /// Most calls a second, over all replicas together; evenly spaced, no burst.
    pub calls_per_second: f64,
    /// Most calls under way at once.
    pub concurrency: u16,
    /// The share of the pace that questions for reports may take, above 0, at most 1.
    pub query_share: f64,
    /// How long one call may take: connecting, a token where one is needed, asking, the answer. Never scaled.
    pub timeout: Duration,
    /// When it is left alone for a while.
    pub breaker: BreakerConfig,
    /// How often a delivery is tried at its own charge before it is set aside.
    pub attempts: u32,
    /// How old a delivery may get before it is set aside.
    pub age: Duration,
}

/// How a hospital is spoken to.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// FHIR R4 over HTTP.
    Fhir(Box<FhirConfig>),
    /// HL7 v2.5.1 over MLLP.
    Hl7v2(MllpConfig),
}

impl Protocol {
    /// The word of the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Fhir(_) => "fhir",
            Self::Hl7v2(_) => "hl7v2",
        }
    }
}

/// When a hospital is left alone for a while.
#[derive(Debug, Clone, Copy)]
pub struct BreakerConfig {
    /// How far back calls count. Never scaled.
    pub window: Duration,
    /// In how many parts the window slides.
    pub buckets: u32,
    /// The share of failed calls that opens it, above 0, at most 1.
    pub ratio: f64,
    /// It doesn't open on fewer calls than this.
    pub minimum_calls: u32,
    /// How long it stays open before one call probes. Scaled.
    pub sleep: Duration,
}

#[derive(Clone, Copy)]
enum Word {
    Fhir,
    Hl7v2,
}

/// Reads all hospitals. `canonical` is what goes before an instrument's id in its canonical URL.
pub(super) fn read(
    mut section: Section<'_>,
    insecure: bool,
    sites: &BTreeMap<String, SiteConfig>,
    canonical: &str,
) -> BTreeMap<String, HospitalConfig> {
    let mut hospitals = BTreeMap::new();
    for site in section.names() {
        if !sites.contains_key(&site) {
            section.problem(&site, "is no site: each hospital belongs to one under sites");
        }
        places::check_name(&mut section, &site);
        if let Some(hospital) = read_one(section.named(&site), insecure, canonical) {
            hospitals.insert(site, hospital);
        }
    }
    section.finish();
    hospitals
}

fn read_one(mut section: Section<'_>, insecure: bool, canonical: &str) -> Option<HospitalConfig> {
    let seconds = Duration::from_secs;
    let words = [("fhir", Some(Word::Fhir)), ("hl7v2", Some(Word::Hl7v2))];
    let asked = section.names().iter().any(|key| key == "protocol");
    let word = section.choice("protocol", None, &words);
    let calls_per_second = section.positive("calls_per_second", 10.0, 1000.0);
    let concurrency = section.integer("concurrency", 4, 1, 16);
    let query_share = section.positive("query_share", 0.5, 1.0);
    let timeout = section.duration("timeout", seconds(2), Duration::from_millis(100));
    if timeout > seconds(60) {
        section.problem("timeout", "has to be at most 60s");
    }
    let breaker = BreakerConfig::read(section.section("breaker"));
    let attempts = section.integer("attempts", 10, 1, 1000);
    let age = section.duration("age", seconds(72 * 3600), seconds(1));
    let protocol = match word {
        Some(Word::Fhir) => {
            FhirConfig::read(&mut section, insecure, canonical).map(|fhir| Protocol::Fhir(Box::new(fhir)))
        }
        Some(Word::Hl7v2) => MllpConfig::read(&mut section, insecure).map(Protocol::Hl7v2),
        None if asked => return None,
        None => {
            section.problem("protocol", "is required: fhir or hl7v2");
            return None;
        }
    };
    section.finish();
    Some(HospitalConfig {
        protocol: protocol?,
        calls_per_second,
        concurrency: u16::try_from(concurrency).unwrap_or(u16::MAX),
        query_share,
        timeout,
        breaker,
        attempts,
        age,
    })
}

impl BreakerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let window = section.duration("window", Duration::from_secs(5), Duration::from_millis(100));
        let buckets = section.integer("buckets", 10, 1, 1000);
        let ratio = section.positive("ratio", 0.5, 1.0);
        let minimum_calls = section.integer("minimum_calls", 5, 1, 10_000);
        let sleep = section.duration("sleep", Duration::from_secs(3), Duration::from_millis(100));
        section.finish();
        Self { window, buckets, ratio, minimum_calls, sleep }
    }
}

/// The address under `key`, which has to be of one of two schemes: the second is plain text. It names a place and
/// nothing else, and can be shown to anybody.
pub(super) fn read_url(
    section: &mut Section<'_>,
    key: &'static str,
    schemes: (&str, &str),
    insecure: bool,
) -> Option<url::Url> {
    let url = read_url_and_query(section, key, schemes, insecure)?;
    if url.query().is_some() {
        section.problem(key, "must hold no query");
    }
    Some(url)
}

/// The same where there may be a query, which may be a key as well and is shown to nobody ([`address::place`]).
pub(super) fn read_url_and_query(
    section: &mut Section<'_>,
    key: &'static str,
    (secure, plain): (&str, &str),
    insecure: bool,
) -> Option<url::Url> {
    let Some(text) = section.text(key) else {
        section.problem(key, "is required");
        return None;
    };
    let url = url::Url::parse(&text).ok();
    let url = url.filter(|url| [secure, plain].contains(&url.scheme()));
    let Some(url) = url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty())) else {
        section.problem(key, format!("has to be a URL that begins with {secure}:// (or {plain}://)"));
        return None;
    };
    if address::holds_login(&url) || url.fragment().is_some() {
        section.problem(key, "must hold no user, password or fragment");
    }
    if url.scheme() == plain && !insecure && !address::is_loopback(url.host_str().unwrap_or_default()) {
        section.problem(key, "is plain text beyond loopback; set insecure: true if the network is trusted");
    }
    Some(url)
}

/// TLS for an address; where it is plain text, there must be none.
pub(super) fn read_tls(section: &mut Section<'_>, url: Option<&url::Url>, plain: &str) -> TlsConfig {
    let tls = TlsConfig::read(section.section("tls"));
    if tls.is_set() && url.is_some_and(|url| url.scheme() == plain) {
        section.problem("tls", format!("has no effect on an address that begins with {plain}://"));
    }
    tls
}
