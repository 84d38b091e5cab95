//! A hospital that speaks FHIR R4.

use url::Url;

use super::{read_tls, read_url};
use crate::config::section::Section;
use crate::config::{Secret, TlsConfig};

/// A hospital that speaks FHIR R4.
#[derive(Debug, Clone)]
pub struct FhirConfig {
    /// Base URL of its FHIR service; transactions are posted to it.
    pub url: Url,
    /// What goes before an instrument's id in its canonical URL.
    pub canonical: String,
    /// How we say who we are.
    pub auth: FhirAuth,
    /// Whom we believe, and our certificate.
    pub tls: TlsConfig,
    /// What it keeps medication as.
    pub medication: Vec<Medication>,
}

/// A kind of resource that medication is kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medication {
    /// What was ordered.
    Request,
    /// What is said to be taken. US Core asks no server for it.
    Statement,
}

impl Medication {
    /// The kinds by FHIR's names.
    pub const WORDS: [(&str, Self); 2] =
        [("MedicationRequest", Self::Request), ("MedicationStatement", Self::Statement)];

    /// FHIR's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "MedicationRequest",
            Self::Statement => "MedicationStatement",
        }
    }
}

/// How we say who we are. A client certificate stands in [`FhirConfig::tls`] and goes with each of them.
#[derive(Debug, Clone)]
pub enum FhirAuth {
    /// Not at all, or by certificate alone.
    None,
    /// HTTP Basic (RFC 7617).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// OAuth 2 client credentials (RFC 6749, section 4.4).
    OAuth2 {
        /// Where tokens are fetched.
        token_url: Url,
        /// Our client id.
        client_id: String,
        /// Our client secret.
        client_secret: Secret,
        /// The scope that is asked for.
        scope: Option<String>,
        /// Whom we believe there, and our certificate: of its own, as it may be another's service.
        tls: TlsConfig,
    },
}

impl FhirAuth {
    /// The word of the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic { .. } => "basic",
            Self::OAuth2 { .. } => "oauth2",
        }
    }
}

#[derive(Clone, Copy)]
enum Word {
    None,
    Basic,
    OAuth2,
}

impl FhirConfig {
    pub(super) fn read(section: &mut Section<'_>, insecure: bool, canonical: &str) -> Option<Self> {
        let url = read_url(section, "url", ("https", "http"), insecure);
        let auth = FhirAuth::read(section.section("auth"), insecure);
        let tls = read_tls(section, url.as_ref(), "http");
        let both = Medication::WORDS.map(|(_, kind)| kind);
        let medication = section.choices("medication", &both, &Medication::WORDS);
        if medication.is_empty() {
            section.problem("medication", "has to name one at least");
        }
        Some(Self { url: url?, canonical: canonical.to_owned(), auth: auth?, tls, medication })
    }
}

impl FhirAuth {
    fn read(mut section: Section<'_>, insecure: bool) -> Option<Self> {
        let words = [("none", Word::None), ("basic", Word::Basic), ("oauth2", Word::OAuth2)];
        let auth = match section.choice("kind", Word::None, &words) {
            Word::None => Some(Self::None),
            Word::Basic => {
                let user = required(&mut section, "user");
                if user.as_ref().is_some_and(|user| user.contains(':')) {
                    section.problem("user", "must have no colon (RFC 7617)");
                }
                let password = Secret::read_from(&mut section, "password", "password_file");
                user.zip(password).map(|(user, password)| Self::Basic { user, password })
            }
            Word::OAuth2 => {
                let token_url = read_url(&mut section, "token_url", ("https", "http"), insecure);
                let client_id = required(&mut section, "client_id");
                let client_secret = Secret::read_from(&mut section, "client_secret", "client_secret_file");
                let scope = section.text("scope");
                let tls = read_tls(&mut section, token_url.as_ref(), "http");
                token_url.zip(client_id).zip(client_secret).map(|((token_url, client_id), client_secret)| {
                    Self::OAuth2 { token_url, client_id, client_secret, scope, tls }
                })
            }
        };
        section.finish();
        auth
    }
}

fn required(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let text = section.text(key);
    if text.is_none() {
        section.problem(key, "is required");
    }
    text
}
