//! Vital signs, medication and laboratory results, all at the same time.

use std::collections::BTreeSet;

use epro_schemas::report::{Missing, Reason, Service};
use serde_json::value::RawValue;

use super::Desk;
use super::fetch::{Fetch, Fetched};
use super::job::Opened;

/// What came, and what didn't.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub missing: Vec<Missing>,
    pub vitals: Vec<Box<RawValue>>,
    pub medication: Vec<Box<RawValue>>,
    pub laboratory: Vec<Box<RawValue>>,
}

impl Collected {
    /// All of it is missing.
    pub(super) fn nothing(reason: Reason) -> Self {
        let missing = Service::ALL.map(|service| Missing { service, reason }).into();
        Self { missing, ..Self::default() }
    }

    /// What each service gave. Where together they speak of more than one patient, nothing of it can be believed.
    fn of(all: [(Service, Result<Fetched, Reason>); 3]) -> Self {
        let fetched = all.iter().filter_map(|(_, fetched)| fetched.as_ref().ok());
        let patients: BTreeSet<&String> = fetched.flat_map(|fetched| &fetched.patients).collect();
        let ambiguous = patients.len() > 1;
        let mut collected = Self::default();
        for (service, fetched) in all {
            let fetched = fetched.and_then(|fetched| match ambiguous && !fetched.resources.is_empty() {
                true => Err(Reason::Ambiguous),
                false => Ok(fetched),
            });
            let place = match service {
                Service::Vitals => &mut collected.vitals,
                Service::Medication => &mut collected.medication,
                Service::Laboratory => &mut collected.laboratory,
            };
            match fetched {
                Ok(fetched) => *place = fetched.resources,
                Err(reason) => collected.missing.push(Missing { service, reason }),
            }
        }
        collected
    }
}

/// Fetches all of it at the same time, until the time for collecting is over.
pub(super) async fn collect(desk: &Desk, opened: &Opened) -> Collected {
    if desk.hospital.speaks_hl7() {
        return Collected::nothing(Reason::NotSupported);
    }
    let fetch = async |service: Service| {
        let fetched = Fetch::new(&desk.hospital, opened, service).run().await;
        let outcome = fetched.as_ref().map_or_else(|reason| reason.as_str(), |_| "whole");
        let (site, name) = (desk.hospital.site.clone(), service.as_str());
        metrics::counter!("epro_report_services_total", "site" => site, "service" => name, "outcome" => outcome)
            .increment(1);
        (service, fetched)
    };
    let (vitals, medication, laboratory) =
        tokio::join!(fetch(Service::Vitals), fetch(Service::Medication), fetch(Service::Laboratory));
    Collected::of([vitals, medication, laboratory])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(patients: &[&str]) -> Result<Fetched, Reason> {
        let resource = || RawValue::from_string("{}".to_owned()).unwrap();
        Ok(Fetched {
            resources: patients.iter().map(|_| resource()).collect(),
            patients: patients.iter().map(|patient| (*patient).to_owned()).collect(),
            bytes: 0,
        })
    }

    fn missing(vitals: &[&str], medication: &[&str]) -> Vec<Service> {
        let laboratory = (Service::Laboratory, fetched(&[]));
        let all =
            [(Service::Vitals, fetched(vitals)), (Service::Medication, fetched(medication)), laboratory];
        Collected::of(all).missing.iter().map(|missing| missing.service).collect()
    }

    #[test]
    fn resources_of_two_patients_are_in_no_report() {
        assert_eq!(missing(&["Patient/1", "Patient/1"], &["Patient/1"]), []);
        assert_eq!(missing(&["Patient/1", "Patient/2"], &[]), [Service::Vitals]);
        assert_eq!(missing(&["Patient/1"], &["Patient/2"]), [Service::Vitals, Service::Medication]);
    }
}
