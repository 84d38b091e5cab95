//! Whether what is configured to reach people can be used: certificates, secrets, headers.

use axum::http::HeaderValue;
use secrecy::ExposeSecret as _;

use super::{AlertsConfig, SmsConfig, SmtpConfig, SmtpTls};
use crate::config::{Problem, Secret, TlsConfig};
use crate::tls;

impl AlertsConfig {
    /// Everything for which a process that tells people would refuse its channels. Reads their files.
    pub fn unusable(&self) -> Vec<Problem> {
        let smtp = self.smtp.as_ref().map(smtp).unwrap_or_default();
        let sms = self.sms.as_ref().map(sms).unwrap_or_default();
        smtp.into_iter().chain(sms).collect()
    }
}

fn smtp(smtp: &SmtpConfig) -> Vec<Problem> {
    let password = smtp.login.as_ref().map(|(_, password)| password);
    let mut problems: Vec<Problem> =
        password.and_then(|p| unread(p, "alerts.smtp.password_file")).into_iter().collect();
    if smtp.tls != SmtpTls::None {
        problems.extend(unbelievable(smtp.ca_file.as_ref(), "alerts.smtp"));
    }
    problems
}

fn sms(sms: &SmsConfig) -> Vec<Problem> {
    let mut problems = unbelievable(sms.ca_file.as_ref(), "alerts.sms");
    for (name, secret) in &sms.headers {
        let section = if matches!(secret, Secret::File(_)) { "header_files" } else { "headers" };
        let path = format!("alerts.sms.{section}.{name}");
        match secret.read() {
            Err(rule) => problems.push(Problem::new(path, rule)),
            Ok(value) if HeaderValue::try_from(value.expose_secret()).is_err() => {
                problems.push(Problem::new(path, "holds what a header can't: line ends, control characters"));
            }
            Ok(_) => {}
        }
    }
    problems
}

fn unread(secret: &Secret, path: &str) -> Option<Problem> {
    secret.read().err().map(|rule| Problem::new(path, rule))
}

fn unbelievable(ca_file: Option<&std::path::PathBuf>, path: &str) -> Vec<Problem> {
    let believed = TlsConfig { ca_file: ca_file.cloned(), ..TlsConfig::default() };
    tls::client_config(&believed, path).err().unwrap_or_default()
}
