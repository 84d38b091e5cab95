//! What a study's risk model answers. In one place for the fuzz target and, by its path, for the worker's own tests, as
//! no other crate sees what reads it.

use super::answer;

/// A score with the version of the model: one that can be stored, or none.
pub(crate) fn risk_answer(bytes: &[u8]) -> bool {
    let Ok(believed) = answer::read(bytes) else { return false };
    assert!((0.0..=1.0).contains(&believed.score) && (1..=64).contains(&believed.version.len()));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_of_a_model_panics_whatever_is_done_to_what_it_knows() {
        epro_proving::spoil::corpus("risk_answer", 8_000, risk_answer).unwrap();
    }
}
