#![no_main]
#![allow(dead_code)]

#[path = "../../worker/src/hospitals/mllp/ack.rs"]
mod ack;
#[path = "../../worker/src/hospitals/answer.rs"]
mod answer;
#[path = "../../worker/src/hospitals/mllp/frame.rs"]
mod frame;
#[path = "../mllp.rs"]
mod mllp;

/// Where they look for it.
mod hospitals {
    pub(crate) use crate::answer;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    mllp::mllp(bytes);
});
