//! The one who calls a hospital, whatever it speaks.

use std::time::Duration;

use epro_process::config::{HospitalConfig, Problem, Protocol};

use super::answer::{CallError, Taken};
use super::document::Document;
use super::fhir::search::{Ask, Search};
use super::fhir::{Fhir, Page, SearchError};
use super::mllp::Mllp;

/// Calls one hospital. Any number of calls may be under way; each is bounded by the hospital's timeout.
pub(crate) struct Caller {
    speaks: Speaks,
    timeout: Duration,
}

enum Speaks {
    Fhir(Box<Fhir>),
    Mllp(Box<Mllp>),
}

impl Caller {
    /// For the hospital of a site: reads its certificates and secrets, connects to nothing.
    ///
    /// # Errors
    /// Everything that is wrong with the files that its configuration names.
    pub(crate) fn new(site: &str, config: &HospitalConfig) -> Result<Self, Vec<Problem>> {
        let path = format!("hospitals.{site}");
        let speaks = match &config.protocol {
            Protocol::Fhir(fhir) => Speaks::Fhir(Box::new(Fhir::new(fhir, &path)?)),
            Protocol::Hl7v2(mllp) => Speaks::Mllp(Box::new(Mllp::new(mllp, config.concurrency, &path)?)),
        };
        Ok(Self { speaks, timeout: config.timeout })
    }

    /// Whether a connection is kept that could be used again.
    #[cfg(test)]
    async fn is_connected(&self) -> bool {
        match &self.speaks {
            Speaks::Fhir(_) => false,
            Speaks::Mllp(mllp) => mllp.is_connected().await,
        }
    }

    /// Brings a document to the hospital. A repeat brings nothing twice. Dropped before its end, the hospital may
    /// have the document.
    ///
    /// # Errors
    /// [`CallError`] whenever the hospital hasn't said that it has it.
    pub(crate) async fn call(&self, document: &Document<'_>) -> Result<Taken, CallError> {
        let call = async {
            match &self.speaks {
                Speaks::Fhir(fhir) => fhir.call(document).await,
                Speaks::Mllp(mllp) => mllp.call(document).await,
            }
        };
        tokio::time::timeout(self.timeout, call).await.map_err(|_| self.late())?
    }

    /// Asks the hospital, if it can be asked. Dropped before its end, the connection is closed.
    ///
    /// # Errors
    /// [`SearchError`] whenever it hasn't given a page of an answer.
    pub(crate) async fn search(
        &self,
        search: Search,
        ask: &Ask<'_>,
        traceparent: Option<&str>,
    ) -> Result<Page, SearchError> {
        let Speaks::Fhir(fhir) = &self.speaks else { return Err(SearchError::NotSupported) };
        tokio::time::timeout(self.timeout, fhir.search(search, ask, traceparent))
            .await
            .map_err(|_| SearchError::Call(self.late()))?
    }

    fn late(&self) -> CallError {
        CallError::Silent { note: format!("no answer within {} ms", self.timeout.as_millis()) }
    }
}

#[cfg(test)]
mod tests;
