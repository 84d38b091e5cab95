//! An interface engine's answer as it comes over MLLP. In one place for the fuzz target and, by its path, for the
//! worker's own tests, as no other crate sees what reads it.

use super::ack;
use super::frame::{self, Received};

/// Whether these bytes are a whole ACK and nothing else; what it says is looked at.
pub(crate) fn mllp(bytes: &[u8]) -> bool {
    let Received::Whole { end, alone } = frame::look(bytes) else { return false };
    let Some(ack) = bytes.get(1..end).and_then(ack::read) else { return false };
    let told = match ack.verdict() {
        Ok(taken) => taken.note.len(),
        Err(error) => error.note().len(),
    };
    told > 0 && alone && ack.leaves_nothing_open()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_of_an_engine_panics_whatever_is_done_to_what_it_knows() {
        epro_proving::spoil::corpus("mllp", 8_000, mllp).unwrap();
    }
}
