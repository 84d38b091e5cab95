//! A QuestionnaireResponse.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = epro_schemas::fhir::Response::parse(bytes);
});
