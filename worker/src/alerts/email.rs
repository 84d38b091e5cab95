//! Mail by SMTP: one connection a mail, one bound around all of it.

use std::time::Duration;

use epro_process::config::{Problem, SmtpConfig, SmtpTls};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::notice::Notice;

/// A mail server.
pub(super) struct Email {
    config: SmtpConfig,
    tls: Tls,
    from: Mailbox,
    domain: String,
}

impl Email {
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, Vec<Problem>> {
        let at = |key: &str, rule: &str| vec![Problem::new(format!("alerts.smtp.{key}"), rule)];
        let from = config.from.parse().map_err(|_| at("from", "is not a mail address"))?;
        let domain = config.from.rsplit('@').next().unwrap_or_default().to_owned();
        Ok(Self { config: config.clone(), tls: tls(config)?, from, domain })
    }

    /// How long one mail may take.
    pub(super) fn timeout(&self) -> Duration {
        self.config.timeout
    }

    /// Hands one mail over. Its Message-ID is made from the notice's: a repeat is known by it.
    pub(super) async fn send(&self, id: Uuid, to: &str, notice: &Notice) -> Result<(), String> {
        let mail = self.mail(id, to, notice).ok_or("the mail can't be written")?;
        let transport = self.transport()?;
        match tokio::time::timeout(self.config.timeout, transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(kind(&error)),
            Err(_) => Err(format!("no end after {}", seconds(self.config.timeout))),
        }
    }

    fn mail(&self, id: Uuid, to: &str, notice: &Notice) -> Option<Message> {
        Message::builder()
            .from(self.from.clone())
            .to(to.parse().ok()?)
            .subject(notice.subject.clone())
            .message_id(Some(format!("<{id}@{}>", self.domain)))
            .header(ContentType::TEXT_PLAIN)
            .body(notice.text.clone())
            .ok()
    }

    /// The password is read for each mail, so that a new one needs no restart.
    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let config = &self.config;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host.as_str())
            .port(config.port)
            .timeout(Some(config.timeout))
            .tls(self.tls.clone());
        if let Some((user, password)) = &config.login {
            let password = password.read().map_err(|error| format!("its password {error}"))?;
            builder =
                builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(builder.build())
    }
}

fn tls(config: &SmtpConfig) -> Result<Tls, Vec<Problem>> {
    if config.tls == SmtpTls::None {
        return Ok(Tls::None);
    }
    let problem = |rule: String| vec![Problem::new("alerts.smtp.ca_file", rule)];
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(file) = &config.ca_file {
        let pem = std::fs::read(file).map_err(|error| problem(format!("can't be read: {}", error.kind())))?;
        let authorities = Certificate::from_pem(&pem);
        let authorities =
            authorities.map_err(|_| problem("has to hold a certificate authority as PEM".to_owned()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authorities);
    }
    let parameters =
        builder.build_rustls().map_err(|_| problem("no authorities that could be believed".to_owned()))?;
    Ok(if config.tls == SmtpTls::Implicit { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

/// What went wrong, without a word of the server's: it may repeat the address.
fn kind(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server refuses with {code}"),
        None if error.is_timeout() => "the mail server doesn't answer".to_owned(),
        None if error.is_tls() => "TLS with the mail server fails".to_owned(),
        None if error.is_client() => "the mail server can't do what is asked of it".to_owned(),
        None => "no connection to the mail server".to_owned(),
    }
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
