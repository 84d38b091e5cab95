//! What a seal held.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = epro_schemas::envelope::Envelope::decode(bytes::Bytes::copy_from_slice(bytes));
});
