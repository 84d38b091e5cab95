#![no_main]
#![allow(dead_code)]

#[path = "../hospital.rs"]
mod hospital;
#[path = "../../worker/src/hospitals/fhir/issued.rs"]
mod issued;
#[path = "../../worker/src/hospitals/fhir/outcome.rs"]
mod outcome;
#[path = "../../worker/src/hospitals/fhir/page.rs"]
mod page;
#[path = "../../worker/src/hospitals/fhir/transaction_response.rs"]
mod transaction_response;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hospital::operation_outcome(bytes);
});
