//! The native form of a submission.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = epro_schemas::submission::Submission::parse(bytes);
});
