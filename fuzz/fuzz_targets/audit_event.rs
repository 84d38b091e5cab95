//! A line of an exported audit trail.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = serde_json::from_slice::<epro_schemas::audit::event::Event>(bytes) { let _ = event.hashed(); }
});
