//! Whether the files of a hospital can be used: its certificates, keys and secrets.

use super::{FhirAuth, HospitalConfig, Protocol};
use crate::config::{Problem, Secret};
use crate::tls;

impl HospitalConfig {
    /// Everything for which a process that calls the hospital of `site` would refuse its files. Reads them.
    pub fn unusable(&self, site: &str) -> Vec<Problem> {
        let path = format!("hospitals.{site}");
        let tls = |tls, key| tls::client_config(tls, &format!("{path}.{key}")).err().unwrap_or_default();
        let secret = |secret: &Secret, key: &str| {
            secret.read().err().map(|rule| Problem::new(format!("{path}.auth.{key}"), rule))
        };
        match &self.protocol {
            Protocol::Hl7v2(mllp) => mllp.tls.as_ref().map(|own| tls(own, "tls")).unwrap_or_default(),
            Protocol::Fhir(fhir) => {
                let mut problems = tls(&fhir.tls, "tls");
                match &fhir.auth {
                    FhirAuth::None => {}
                    FhirAuth::Basic { password, .. } => problems.extend(secret(password, "password_file")),
                    FhirAuth::OAuth2 { client_secret, tls: own, .. } => {
                        problems.extend(secret(client_secret, "client_secret_file"));
                        problems.extend(tls(own, "auth.tls"));
                    }
                }
                problems
            }
        }
    }
}
