//! A hospital that can be asked, a door to ask through, and as many workers that ask as a test wants.

use epro_proving::client::Reply;
use epro_proving::database::Link;
use epro_proving::foreign::Call;
use epro_proving::foreign::manner::{Manner, Silent};
use epro_proving::sample_hospital::Searches;
use epro_proving::{Client, SampleHospital, Service, Stack, until};
use serde_json::{Value, json};

use crate::support::{BOUND, SITE, STUDY, link, with};

pub(crate) const VITALS: &str = "Observation vital-signs";
pub(crate) const REPORTS: &str = "DiagnosticReport LAB";
pub(crate) const PATIENT: &str = "P-Marta-0007";

pub(crate) struct Ward {
    pub(crate) stack: Stack,
    pub(crate) link: Link,
    pub(crate) hospital: SampleHospital,
    pub(crate) api: Service,
    pub(crate) client: Client,
    pub(crate) token: String,
}

impl Ward {
    /// `hospital` is laid over its entry in the configuration, `config` over all of it.
    pub(crate) async fn new(hospital: Value, mut config: Value) -> Self {
        let sample = SampleHospital::start().await.unwrap();
        let mut entry = sample.by_fhir();
        entry["calls_per_second"] = json!(100.0);
        // Whoever wants a call to be cut by the deadline wants it to come first.
        entry["timeout"] = json!("20s");
        for (key, value) in hospital.as_object().into_iter().flatten() {
            entry[key] = value.clone();
        }
        config["hospitals"] = json!({ SITE: entry });
        let stack = with(config).await;
        let api = stack.spawn("epro-producer-api", &[("RUST_LOG", "trace")]);
        let mut api = api.unwrap();
        api.ready().await.unwrap();
        let client = stack.client(&api).unwrap().giving_up_after(BOUND).unwrap();
        let token = stack.minter().reporter("nurse", &[STUDY], &[SITE]).unwrap();
        Self { link: link(&stack).await, hospital: sample, api, client, token, stack }
    }

    /// A worker that asks, and writes down what the door notes.
    pub(crate) async fn worker(&self) -> Service {
        let env = [("EPRO__WORKER__LANES", "[hospitals, commands]"), ("RUST_LOG", "trace")];
        let mut worker = self.stack.spawn("epro-worker", &env).unwrap();
        worker.ready().await.unwrap();
        worker
    }

    /// Asks for a report of the patient within so many seconds, and waits for it somewhat longer.
    pub(crate) async fn ask(&self, within: u32) -> Reply {
        self.client.report(&self.token, &asked(within), Some(within + 1)).await.unwrap()
    }

    /// The same, and it must come.
    pub(crate) async fn report(&self, within: u32) -> Value {
        let reply = self.ask(within).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json().unwrap()
    }

    /// Asks without waiting; gives where the report will be.
    pub(crate) async fn post(&self, within: u32) -> String {
        let reply = self.client.report(&self.token, &asked(within), None).await.unwrap();
        assert_eq!(reply.status, 202, "{}", reply.body);
        reply.header("location").unwrap().to_owned()
    }

    /// The report that is or will be there.
    pub(crate) async fn read(&self, place: &str) -> Value {
        until("the report", BOUND, || async {
            let reply = self.client.get(place, &self.token).await?;
            if reply.status == 200 { reply.json().map(Some) } else { Ok(None) }
        })
        .await
        .unwrap()
    }

    /// Searches for that kind are taken and never answered.
    pub(crate) fn stalls(&self, what: &str) {
        let manner = Manner { silent: Some(Silent::Before), ..Manner::default() };
        self.hospital.searches(what, Searches { manner, ..Searches::default() });
    }

    /// The calls so far that asked for something.
    pub(crate) fn questions(&self) -> Vec<Call> {
        self.hospital.calls().into_iter().filter(|call| ["search", "page"].contains(&call.kind)).collect()
    }

    /// Waits until a search for that kind has come.
    pub(crate) async fn is_asked(&self, what: &str) {
        until("the hospital to be asked", BOUND, || async {
            Ok(self.questions().iter().any(|call| call.names == what).then_some(()))
        })
        .await
        .unwrap();
    }
}

/// A request for a report.
pub(crate) fn asked(within: u32) -> Value {
    json!({"study_id": STUDY, "site_id": SITE, "subject_id": PATIENT, "within_seconds": within})
}

/// What is missing and why, by service.
pub(crate) fn missing(report: &Value) -> Vec<(&str, &str)> {
    let missing = report["missing"].as_array().unwrap();
    missing.iter().map(|one| (one["service"].as_str().unwrap(), one["reason"].as_str().unwrap())).collect()
}

/// Every service, for one reason.
pub(crate) fn all_of(reason: &str) -> Vec<(&str, &str)> {
    ["vitals", "medication", "laboratory"].map(|service| (service, reason)).into()
}

/// How many resources there are of a service.
pub(crate) fn count(report: &Value, service: &str) -> usize {
    report[service].as_array().unwrap().len()
}
