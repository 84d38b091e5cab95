#![no_main]
#![allow(dead_code)]

#[path = "../../worker/src/risk/answer.rs"]
mod answer;
#[path = "../risk.rs"]
mod risk;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    risk::risk_answer(bytes);
});
