//! What strangers send, a bounded part of what fuzz/ does: nothing panics, and depth and repetition aren't followed.

#[path = "../../../fuzz/targets.rs"]
mod targets;

use epro_proving::spoil::corpus;

#[test]
fn no_reader_panics_whatever_is_done_to_what_it_knows() {
    corpus("submission", 4_000, targets::submission).unwrap();
    corpus("fhir", 1_500, targets::fhir).unwrap();
    corpus("bundle", 1_500, targets::bundle).unwrap();
    corpus("envelope", 4_000, targets::envelope).unwrap();
    corpus("instrument", 150, targets::instrument).unwrap();
    corpus("audit_event", 4_000, targets::audit_event).unwrap();
    corpus("anchor", 4_000, targets::anchor).unwrap();
    corpus("jwks", 1_000, targets::jwks).unwrap();
    corpus("config", 200, targets::config).unwrap();
}

#[test]
fn of_tokens_only_those_that_were_signed_are_believed_whatever_is_done_to_what_it_knows() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/jwt");
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let signed: Vec<Vec<u8>> = files.filter(|token| !token.ends_with(b".")).collect();
    assert_eq!(signed.len(), 3, "one for each kind of key");
    assert!(signed.iter().all(|token| targets::jwt(token)));
    corpus("jwt", 1_000, |token| {
        let believed = targets::jwt(token);
        assert!(!believed || signed.iter().any(|signed| signed == token), "believed");
        believed
    })
    .unwrap();
}
