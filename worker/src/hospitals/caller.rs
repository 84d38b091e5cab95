//! The one who calls a hospital, whatever it speaks.

use epro_process::config::{HospitalConfig, Problem};

use super::answer::{CallError, Taken};
use super::document::Document;

/// Calls one hospital. Any number of calls may be under way; each is bounded by the hospital's timeout.
pub(crate) struct Caller {}

impl Caller {
    /// For the hospital of a site: reads its certificates and secrets, connects to nothing.
    ///
    /// # Errors
    /// Everything that is wrong with the files that its configuration names.
    pub(crate) fn new(site: &str, config: &HospitalConfig) -> Result<Self, Vec<Problem>> {
        let _ = (site, config);
        Ok(Self {})
    }

    /// Brings a document to the hospital. A repeat brings nothing twice.
    ///
    /// # Errors
    /// [`CallError`] whenever the hospital hasn't said that it has it.
    pub(crate) async fn call(&self, document: &Document<'_>) -> Result<Taken, CallError> {
        let _ = document;
        Err(CallError::Silent { note: "not built yet".to_owned() })
    }
}
