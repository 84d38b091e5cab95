//! A sample hospital: a FHIR R4 service and an HL7 v2 interface engine, written after the standards.
//!
//! It checks what it gets as a hospital would, keeps one resource (or result) an identifier with every version of
//! it, and logs every call. How fast, how well and whether at all it answers is changed while it runs.

mod access;
mod engine;
mod fhir;
mod fhir_rules;
mod hl7;
mod hl7_rules;
mod records;
mod searches;
mod tokens;

use std::net::SocketAddr;

use anyhow::Result;
use axum::Json;
use axum::routing::{get, put};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

pub use access::{Access, Client};
pub use records::Stored;
pub use searches::Searches;

use crate::foreign::manner::Manner;
use crate::foreign::{Call, Calls, Door, Mannered, control, http_door};
use access::Gate;
use records::Records;
use searches::Charts;
use tokens::Identifier;

/// Where a hospital is and whom it lets in.
#[derive(Clone)]
pub struct Plan {
    /// Where FHIR is spoken.
    pub fhir: SocketAddr,
    /// Where MLLP is spoken.
    pub mllp: SocketAddr,
    /// Where it is told how to behave.
    pub control: SocketAddr,
    /// TLS for FHIR and MLLP.
    pub tls: Option<TlsAcceptor>,
    /// What FHIR callers have to show.
    pub access: Access,
}

impl Default for Plan {
    fn default() -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { fhir: free, mllp: free, control: free, tls: None, access: Access::default() }
    }
}

/// A running hospital. Its control door has, beside `/manner` and `/calls`, `GET /stored` and `PUT /access`.
#[derive(Debug)]
pub struct SampleHospital {
    shared: Shared,
    tls: bool,
    fhir: Door,
    mllp: Door,
    control: Door,
}

/// What its doors share.
#[derive(Clone, Debug, Default)]
struct Shared {
    manner: Mannered,
    calls: Calls,
    records: Records,
    charts: Charts,
    gate: Gate,
}

impl SampleHospital {
    /// On free loopback ports, open to everybody.
    pub async fn start() -> Result<Self> {
        Self::start_as(Plan::default()).await
    }

    /// As planned.
    pub async fn start_as(plan: Plan) -> Result<Self> {
        let shared = Shared::default();
        shared.gate.set(plan.access);
        let fhir =
            http_door::open(plan.fhir, plan.tls.clone(), &shared.manner, fhir::routes(&shared)).await?;
        let (engine, down) = (shared.clone(), shared.manner.down());
        let speak = move |stream| engine::speak(stream, engine.clone());
        let mllp = Door::open(plan.mllp, plan.tls.clone(), down, speak).await?;
        let (records, gate) = (shared.records.clone(), shared.gate.clone());
        let routes = control::routes(&shared.manner, &shared.calls)
            .route("/stored", get(move || async move { Json(records.all()) }))
            .route("/access", put(move |Json(access): Json<Access>| async move { gate.set(access) }));
        let control = http_door::open(plan.control, None, &Mannered::default(), routes).await?;
        Ok(Self { shared, tls: plan.tls.is_some(), fhir, mllp, control })
    }

    /// Base URL of its FHIR service.
    pub fn fhir_url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}/fhir", self.fhir.address())
    }

    /// Its token endpoint.
    pub fn token_url(&self) -> String {
        self.fhir_url().replace("/fhir", "/token")
    }

    /// Where its engine speaks MLLP.
    pub fn mllp_url(&self) -> String {
        let scheme = if self.tls { "mllps" } else { "mllp" };
        format!("{scheme}://{}", self.mllp.address())
    }

    /// `http://host:port` of its control door.
    pub fn control(&self) -> String {
        format!("http://{}", self.control.address())
    }

    /// An entry of `hospitals` that brings documents here by FHIR, without credentials.
    pub fn by_fhir(&self) -> Value {
        json!({"protocol": "fhir", "url": self.fhir_url()})
    }

    /// An entry of `hospitals` that brings documents here by HL7 v2.
    pub fn by_mllp(&self) -> Value {
        json!({"protocol": "hl7v2", "url": self.mllp_url()})
    }

    /// Behaves so from now on.
    pub fn manner(&self, manner: Manner) {
        self.shared.manner.set(manner);
    }

    /// Lets in whom this says from now on; tokens that were given out are worth nothing any more.
    pub fn access(&self, access: Access) {
        self.shared.gate.set(access);
    }

    /// From now on searches for that kind of resource (`Observation vital-signs`, `MedicationRequest`) are answered so.
    pub fn searches(&self, what: &str, searches: Searches) {
        self.shared.charts.set(what, searches);
    }

    /// From now on there is a patient with that identifier, and nobody but those who were admitted. Until the first
    /// one is, whoever is asked for by the name that a study of ours has for them is there.
    pub fn admits(&self, system: &str, value: &str) {
        self.shared.charts.admit(Identifier { system: system.to_owned(), value: value.to_owned() });
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.all()
    }

    /// The identifiers of what it has of a kind, and how many versions of each: less than all of it, where that is much.
    pub fn versions(&self, kind: &str) -> Vec<(String, usize)> {
        let records = self.shared.records.lock();
        let some = records.iter().filter(|record| record.kind == kind);
        some.map(|record| (record.identifier.clone(), record.versions.len())).collect()
    }

    /// Everything that it has, in the order in which it first came.
    pub fn stored(&self) -> Vec<Stored> {
        self.shared.records.all()
    }
}
