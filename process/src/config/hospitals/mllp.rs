//! A hospital that speaks HL7 v2.5.1 over MLLP.

use super::{read_tls, read_url};
use crate::config::TlsConfig;
use crate::config::section::Section;

/// A hospital that speaks HL7 v2.5.1 over MLLP.
#[derive(Debug, Clone)]
pub struct MllpConfig {
    /// Name or address of its interface engine; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS, for an address that begins with `mllps://`.
    pub tls: Option<TlsConfig>,
    /// Who we are: MSH-3 and MSH-4.
    pub sending: Party,
    /// Who it is: MSH-5 and MSH-6.
    pub receiving: Party,
    /// MSH-11.
    pub processing_id: ProcessingId,
    /// MSH-18: how text is encoded.
    pub charset: Charset,
}

/// An application and its facility, each empty or an HD: parts may be separated by `^`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// The application.
    pub application: String,
    /// The facility.
    pub facility: String,
}

/// What a message is for (HL7 table 0103).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessingId {
    /// `P`.
    Production,
    /// `T`.
    Training,
    /// `D`.
    Debugging,
}

/// How text is encoded (HL7 table 0211).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `UNICODE UTF-8`.
    Utf8,
    /// `8859/1`. A text that it can't hold is not sent at all.
    Latin1,
}

impl ProcessingId {
    const CHOICES: [(&'static str, Self); 3] =
        [("P", Self::Production), ("T", Self::Training), ("D", Self::Debugging)];

    /// As it stands in MSH-11.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "P",
            Self::Training => "T",
            Self::Debugging => "D",
        }
    }
}

impl Charset {
    const CHOICES: [(&'static str, Self); 2] = [("UNICODE UTF-8", Self::Utf8), ("8859/1", Self::Latin1)];

    /// As it stands in MSH-18.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "UNICODE UTF-8",
            Self::Latin1 => "8859/1",
        }
    }
}

impl MllpConfig {
    pub(super) fn read(section: &mut Section<'_>, insecure: bool) -> Option<Self> {
        let url = read_url(section, "url", ("mllps", "mllp"), insecure);
        let port = url.as_ref().and_then(url::Url::port);
        if url.as_ref().is_some_and(|url| port.is_none() || !matches!(url.path(), "" | "/")) {
            section.problem("url", "has to end with the port, as in mllps://his.example:2575");
        }
        let tls = read_tls(section, url.as_ref(), "mllp");
        let sending = Party::read(section.section("sending"), "EPRO-RELAY");
        let receiving = Party::read(section.section("receiving"), "");
        let processing_id = section.choice("processing_id", ProcessingId::Production, &ProcessingId::CHOICES);
        let charset = section.choice("charset", Charset::Utf8, &Charset::CHOICES);
        let url = url?;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = (url.scheme() == "mllps").then_some(tls);
        Some(Self { host, port: port?, tls, sending, receiving, processing_id, charset })
    }
}

impl Party {
    fn read(mut section: Section<'_>, application: &str) -> Self {
        let application = name(&mut section, "application").unwrap_or_else(|| application.to_owned());
        let facility = name(&mut section, "facility").unwrap_or_default();
        section.finish();
        Self { application, facility }
    }
}

fn name(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let text = section.text(key)?;
    if text.len() > 180
        || !text.bytes().all(|byte| matches!(byte, b' '..=b'}'))
        || text.contains(['|', '&', '\\'])
    {
        section.problem(key, "has to be at most 180 plain characters without | & \\ ~");
    }
    Some(text)
}
