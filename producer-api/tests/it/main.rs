//! The door, on the real services, through its own front: HTTP in, messages and answers out.

mod accepting;
mod acknowledging;
mod auditing;
mod batches;
mod configuration;
mod documentation;
mod fhir;
mod fhir_published;
mod fhir_reading;
mod fhir_refusing;
mod hostile;
mod key_texts;
mod late_key;
mod leaving;
mod outages;
mod panics;
mod quotas;
mod reading;
mod refusing;
mod reports;
mod reports_withheld;
mod roles;
mod slow_clients;
mod support;
mod tokens;
