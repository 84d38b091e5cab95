//! What a hospital's FHIR service and its token endpoint answer. In one place for the fuzz targets and, by its path,
//! for the worker's own tests, as no other crate sees what reads it.

use super::issued::{Issued, refusal};
use super::outcome::reduced;
use super::page;
use super::transaction_response::statuses;

/// A page of what was searched for: whose each resource is is known, or nothing is taken.
pub(crate) fn searchset(bytes: &[u8]) -> bool {
    let Ok(base) = url::Url::parse("https://his.example/fhir/R4") else { return false };
    let Ok(page) = page::read(bytes, "Observation", &base) else { return false };
    assert_eq!(page.resources.len(), page.patients.len());
    true
}

/// What is wrong with what it was brought: codes and paths of the standard are told, and not at length.
pub(crate) fn operation_outcome(bytes: &[u8]) -> bool {
    let told = reduced(bytes);
    let of_the_standard = |c: char| c.is_ascii_alphanumeric() || "-.[]?; ".contains(c);
    assert!(told.len() < 16 * 1024 && told.chars().all(of_the_standard));
    !told.is_empty()
}

/// What became of a transaction of two entries.
pub(crate) fn transaction_response(bytes: &[u8]) -> bool {
    statuses(bytes, 2).is_some_and(|statuses| statuses.len() == 2)
}

/// A token, or why there is none.
pub(crate) fn token(bytes: &[u8]) -> bool {
    let code = refusal(bytes);
    Issued::read(bytes).is_ok() || code != "?"
}

#[cfg(test)]
mod tests {
    use epro_proving::spoil::corpus;

    use super::*;

    #[test]
    fn no_answer_of_a_fhir_service_panics_whatever_is_done_to_what_it_knows() {
        corpus("searchset", 2_000, searchset).unwrap();
        corpus("operation_outcome", 2_000, operation_outcome).unwrap();
        corpus("transaction_response", 2_000, transaction_response).unwrap();
        corpus("token", 2_000, token).unwrap();
    }
}
