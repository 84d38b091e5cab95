//! `intake` and `admin`: where a process listens and how long it waits there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use super::section::Section;
use super::tls::ServerTls;
use super::{Problem, TrustedProxies};
use crate::tls;

/// Above it a client that nobody can tell anything would not be told so within 3 s.
const LONGEST_CONFIRM: Duration = Duration::from_millis(2800);

pub(super) const ADDRESS: &str = "has to be an address like 127.0.0.1:8080";

/// A kind of route of the public door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serve {
    /// Submissions, where they stand, alerts that are in hand.
    Intake,
    /// Jobs and their files: what reads much, and may be slow.
    Jobs,
}

impl Serve {
    const CHOICES: [(&'static str, Self); 2] = [("intake", Self::Intake), ("jobs", Self::Jobs)];

    /// The kind's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Jobs => "jobs",
        }
    }
}

/// How often somebody may ask, each minute, of each process; `None`: as often as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    /// One client application.
    pub client: Option<NonZeroU32>,
    /// One patient.
    pub patient: Option<NonZeroU32>,
}

impl LimitsConfig {
    fn read(mut section: Section<'_>) -> Self {
        let (has_client, has_patient) = (section.has("client"), section.has("patient"));
        let client = NonZeroU32::new(section.integer("client", 1, 1, 10_000_000)).filter(|_| has_client);
        let patient = NonZeroU32::new(section.integer("patient", 1, 1, 10_000_000)).filter(|_| has_patient);
        section.finish();
        Self { client, patient }
    }
}

/// The door for submissions.
#[derive(Debug, Clone)]
pub struct IntakeConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate; without one it speaks plain HTTP.
    pub tls: Option<ServerTls>,
    /// Who may stand between it and those who ask.
    pub trusted_proxies: TrustedProxies,
    /// How often somebody may ask.
    pub limits: LimitsConfig,
    /// Which routes there are.
    pub serve: Vec<Serve>,
    /// Most connections at a time; the next one waits until one is closed.
    pub connections: usize,
    /// Most publishes without a confirm; above it a request is answered 503.
    pub outstanding: usize,
    /// How long a confirm may take before the answer is 503.
    pub confirm_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long the head of a connection's first request may take.
    pub header_timeout: Duration,
    /// How long a connection may stay open between requests; bounds the later heads too.
    pub idle_timeout: Duration,
    /// An answer that arrives later than this after `answered_at` is flagged late, never refused.
    pub late_after: Duration,
    /// How long requests in flight may take after SIGTERM.
    pub drain: Duration,
}

impl IntakeConfig {
    /// Everything for which a door would refuse the files of `tls`. Reads them.
    pub fn unusable(&self) -> Vec<Problem> {
        let shown = self.tls.as_ref().map(|files| tls::server_config(files, "intake.tls"));
        shown.and_then(Result::err).unwrap_or_default()
    }

    pub(super) fn read(mut section: Section<'_>, insecure: bool) -> Self {
        let millis = Duration::from_millis;
        let listen: SocketAddr = section.parsed("listen", loopback(8080), ADDRESS);
        let tls = ServerTls::read(section.section("tls"));
        if !insecure && tls.is_none() && !listen.ip().is_loopback() {
            section.problem(
                "listen",
                "is plain text beyond loopback; give tls, or set insecure: true behind a proxy that ends TLS",
            );
        }
        let trusted_proxies = TrustedProxies::read(&mut section);
        let limits = LimitsConfig::read(section.section("limits"));
        let serve = section.choices("serve", &Serve::CHOICES.map(|(_, serve)| serve), &Serve::CHOICES);
        let connections = section.integer("connections", 512, 1, 1_000_000);
        let outstanding = section.integer("outstanding", 160, 2, 10_000);
        let confirm_timeout = section.duration("confirm_timeout", millis(2500), millis(1));
        if confirm_timeout > LONGEST_CONFIRM {
            section.problem("confirm_timeout", "has to be at most 2800ms: a client is answered within 3 s");
        }
        let body_timeout = section.duration("body_timeout", millis(10_000), millis(1));
        let header_timeout = section.duration("header_timeout", millis(5000), millis(1));
        let idle_timeout = section.duration("idle_timeout", millis(75_000), millis(1));
        let late_after = section.duration("late_after", Duration::from_secs(48 * 3600), Duration::ZERO);
        let drain = section.duration("drain", millis(25_000), millis(1));
        section.finish();
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        let outstanding = usize::try_from(outstanding).unwrap_or(usize::MAX);
        Self {
            listen,
            tls,
            trusted_proxies,
            limits,
            serve,
            connections,
            outstanding,
            confirm_timeout,
            body_timeout,
            header_timeout,
            idle_timeout,
            late_after,
            drain,
        }
    }
}

/// The port for probes and metrics. It tells nothing about anybody.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: SocketAddr,
}

impl AdminConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let listen = section.parsed("listen", loopback(9090), ADDRESS);
        section.finish();
        Self { listen }
    }
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
