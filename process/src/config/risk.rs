//! `studies.<id>.risk`: the model service that scores the risk of a study's submissions.

use std::time::Duration;

use url::Url;

use super::hospitals::{BreakerConfig, read_tls, read_url};
use super::section::Section;
use super::{Problem, Secret, TlsConfig};
use crate::tls;

/// A model service, asked over HTTP after a submission is stored.
#[derive(Debug, Clone)]
pub struct RiskConfig {
    /// Where questions are posted.
    pub url: Url,
    /// Whom we believe, and our certificate.
    pub tls: TlsConfig,
    /// The bearer token that goes with each question.
    pub token: Option<Secret>,
    /// Most questions under way at once, in each replica.
    pub concurrency: u16,
    /// How long one question may take, connecting included. Never scaled.
    pub timeout: Duration,
    /// When it is left alone for a while.
    pub breaker: BreakerConfig,
    /// How many answers that can't be used a submission may get before it is set aside.
    pub attempts: u32,
    /// A score of so much or more alerts; none: no score does.
    pub alert_at: Option<f64>,
}

impl RiskConfig {
    /// Everything for which a process that asks the model of `study` would refuse its files. Reads them.
    pub fn unusable(&self, study: &str) -> Vec<Problem> {
        let path = format!("studies.{study}.risk");
        let mut problems = tls::client_config(&self.tls, &format!("{path}.tls")).err().unwrap_or_default();
        let token = self.token.as_ref().and_then(|token| token.read().err());
        problems.extend(token.map(|rule| Problem::new(format!("{path}.token_file"), rule)));
        problems
    }

    /// The section `risk` of a study, if it is there.
    pub(super) fn read(study: &mut Section<'_>, insecure: bool) -> Option<Self> {
        let is_there = study.has("risk");
        let mut section = study.section("risk");
        if !is_there {
            return None;
        }
        let seconds = Duration::from_secs;
        let url = read_url(&mut section, "url", ("https", "http"), insecure);
        let tls = read_tls(&mut section, url.as_ref(), "http");
        let token = Secret::read_optional(&mut section, "token", "token_file");
        let concurrency = section.integer("concurrency", 4, 1, 64);
        let timeout = section.duration("timeout", seconds(2), Duration::from_millis(100));
        if timeout > seconds(60) {
            section.problem("timeout", "has to be at most 60s");
        }
        let breaker = BreakerConfig::read(section.section("breaker"));
        let attempts = section.integer("attempts", 10, 1, 1000);
        let alerts = section.has("alert_at");
        let alert_at = section.positive("alert_at", 1.0, 1.0);
        section.finish();
        Some(Self {
            url: url?,
            tls,
            token,
            concurrency: u16::try_from(concurrency).unwrap_or(u16::MAX),
            timeout,
            breaker,
            attempts,
            alert_at: alerts.then_some(alert_at),
        })
    }
}
