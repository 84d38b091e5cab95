//! The file of an anchor.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = epro_schemas::audit::anchor::Anchor::read(bytes, &[]);
});
