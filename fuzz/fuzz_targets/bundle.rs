//! A Bundle of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = epro_schemas::fhir::Bundle::parse(bytes, 1000);
});
