//! `alerts.smtp`: the mail server that takes notices.

use std::path::PathBuf;
use std::time::Duration;

use super::super::section::Section;
use super::super::{Secret, address};
use super::people::is_email;

/// The mail server that takes notices.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Its name or address; the name is verified against its certificate.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub tls: SmtpTls,
    /// PEM file of the only certificate authorities that are believed; without one, those of the system are.
    pub ca_file: Option<PathBuf>,
    /// Who we are there, with the password; `None`: it takes mail from us without.
    pub login: Option<(String, Secret)>,
    /// The sender's address.
    pub from: String,
    /// How long one mail may take: connecting, TLS, login, handing over. Never scaled.
    pub timeout: Duration,
}

/// How the connection to a mail server is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all.
    None,
    /// It starts in plain text and must change to TLS before anything is said (RFC 3207).
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Implicit,
}

impl SmtpTls {
    const CHOICES: [(&'static str, Self); 3] =
        [("none", Self::None), ("starttls", Self::Starttls), ("implicit", Self::Implicit)];

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starttls => "starttls",
            Self::Implicit => "implicit",
        }
    }

    fn port(self) -> u32 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Implicit => 465,
        }
    }
}

impl SmtpConfig {
    /// `None`: there is no host, so there is no mail.
    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Option<Self> {
        let host = section.text("host");
        let tls = section.choice("tls", SmtpTls::Starttls, &SmtpTls::CHOICES);
        let port = section.integer("port", tls.port(), 1, 65_535);
        let ca_file = section.path("ca_file");
        let user = section.text("user");
        let password = Secret::read_optional(&mut section, "password", "password_file");
        let from = section.text("from");
        let timeout = section.duration("timeout", Duration::from_secs(10), Duration::from_millis(100));
        let Some(host) = host else {
            if user.is_some() || from.is_some() {
                section.problem("host", "is required");
            }
            section.finish();
            return None;
        };
        if host.contains(['@', '/']) {
            section.problem("host", "has to be a name or an address and nothing else");
        }
        match (&user, &password) {
            (Some(_), None) => section.problem("password", "is required beside user (or password_file)"),
            (None, Some(_)) => section.problem("user", "is required beside the password"),
            _ => {}
        }
        match &from {
            None => section.problem("from", "is required"),
            Some(from) if !is_email(from) => {
                section.problem("from", "has to be an address like relay@hospital.example, without a name");
            }
            Some(_) => {}
        }
        if tls == SmtpTls::None && !insecure && !address::is_loopback(&host) {
            section.problem(
                "tls",
                "is plain text beyond loopback; set insecure: true if the network is trusted",
            );
        }
        section.finish();
        Some(Self {
            host,
            port: u16::try_from(port).unwrap_or(u16::MAX),
            tls,
            ca_file,
            login: user.zip(password),
            from: from.unwrap_or_default(),
            timeout,
        })
    }
}
