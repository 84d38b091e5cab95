//! What is sealed opens for the same message and for nothing else.

use epro_schemas::alert::{DeliveryMessage, RiskMessage};
use epro_schemas::key::SecretKey;
use epro_schemas::kind::{ALERT, DELIVERY, SUBMISSION};
use epro_schemas::seal::{KeyRing, KeyRingError, OpenError, key_id_of};
use epro_schemas::sealed::{ReadError, SealedBody};
use proptest::prelude::*;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x0198_f2aa_1111_7222_8333_4444_5555_6666);

fn ring(current: &str, keys: &[(&str, u8)]) -> KeyRing {
    try_ring(current, keys).unwrap()
}

fn try_ring(current: &str, keys: &[(&str, u8)]) -> Result<KeyRing, KeyRingError> {
    let keys = keys.iter().map(|(id, byte)| ((*id).to_owned(), SecretKey::new([*byte; 32])));
    KeyRing::new(current, keys.collect())
}

#[test]
fn a_body_sealed_by_another_implementation_of_the_layout_opens() {
    // python3, cryptography.AESGCM: key 7 x 32, nonce 0..=11, associated data = header, length
    // of the type (8 bytes), type, id.
    let sealed = hex(
        "01026b31000102030405060708090a0b6fe988043d68f93916c68cf98c2c4c898055d2716d4ec6d294e2e2a87e5196ce37a50d",
    );
    assert_eq!(ring("k1", &[("k1", 7)]).open(SUBMISSION, ID, &sealed).unwrap(), b"what a patient said");
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|n| u8::from_str_radix(&text[n..n + 2], 16).unwrap()).collect()
}

#[test]
fn another_type_another_id_or_another_key_of_the_same_name_does_not_open_it() {
    let ring1 = ring("k1", &[("k1", 1)]);
    let sealed = ring1.seal(SUBMISSION, ID, b"body").unwrap();
    assert_eq!(ring1.open(SUBMISSION, ID, &sealed).unwrap(), b"body");
    assert_eq!(ring1.open(ALERT, ID, &sealed), Err(OpenError::Tampered));
    assert_eq!(ring1.open(SUBMISSION, Uuid::from_u128(1), &sealed), Err(OpenError::Tampered));
    assert_eq!(ring("k1", &[("k1", 2)]).open(SUBMISSION, ID, &sealed), Err(OpenError::Tampered));
}

#[test]
fn rotation_opens_the_old_seals_with_the_new_key_and_names_a_key_that_is_gone() {
    let old = ring("k1", &[("k1", 1)]);
    let both = ring("k2", &[("k1", 1), ("k2", 2)]);
    let new = ring("k2", &[("k2", 2)]);
    let sealed = old.seal(SUBMISSION, ID, b"before").unwrap();
    assert_eq!(key_id_of(&sealed), Some("k1"));
    assert_eq!(both.open(SUBMISSION, ID, &sealed).unwrap(), b"before");
    assert_eq!(new.open(SUBMISSION, ID, &sealed), Err(OpenError::UnknownKey { key_id: "k1".into() }));

    let sealed = both.seal(SUBMISSION, ID, b"after").unwrap();
    assert_eq!((key_id_of(&sealed), both.current_id()), (Some("k2"), "k2".to_owned()));
    assert_eq!(new.open(SUBMISSION, ID, &sealed).unwrap(), b"after");
    assert_eq!(old.open(SUBMISSION, ID, &sealed), Err(OpenError::UnknownKey { key_id: "k2".into() }));
}

#[test]
fn the_key_id_is_part_of_what_is_sealed() {
    // Both keys are the same bytes, so only the header differs.
    let ring = ring("k1", &[("k1", 1), ("k2", 1)]);
    let mut sealed = ring.seal(SUBMISSION, ID, b"body").unwrap();
    sealed[3] = b'2';
    assert_eq!(key_id_of(&sealed), Some("k2"));
    assert_eq!(ring.open(SUBMISSION, ID, &sealed), Err(OpenError::Tampered));
}

#[test]
fn the_same_body_is_never_sealed_to_the_same_bytes() {
    let ring = ring("k1", &[("k1", 1)]);
    let seals: std::collections::HashSet<_> =
        (0..1000).map(|_| ring.seal(SUBMISSION, ID, b"body").unwrap()).collect();
    assert_eq!(seals.len(), 1000);
    let nonces: std::collections::HashSet<_> = seals.iter().map(|sealed| sealed[4..16].to_vec()).collect();
    assert_eq!(nonces.len(), 1000);
}

#[test]
fn a_sealer_never_takes_a_nonce_twice_however_often_it_draws() {
    let ring = ring("k1", &[("k1", 1)]);
    let mut nonces = std::collections::HashSet::new();
    // For more than it ever draws at once, too.
    for seals in [0, 1, 7, 256, usize::MAX] {
        let mut sealer = ring.sealer(seals);
        nonces.extend((0..3000).map(|_| sealer.seal(SUBMISSION, ID, b"body").unwrap()[4..16].to_vec()));
    }
    assert_eq!(nonces.len(), 5 * 3000);
}

#[test]
fn what_a_sealer_seals_the_ring_opens_and_the_other_way_round() {
    let ring = ring("k1", &[("k1", 1)]);
    let mut sealer = ring.sealer(2);
    for body in [&b"first"[..], b"", b"third, of another draw"] {
        let (by_sealer, by_ring) =
            (sealer.seal(SUBMISSION, ID, body).unwrap(), ring.seal(SUBMISSION, ID, body).unwrap());
        assert_eq!(ring.open(SUBMISSION, ID, &by_sealer).unwrap(), body);
        assert_eq!(sealer.open(SUBMISSION, ID, &by_ring).unwrap(), body);
        assert_eq!(sealer.open(SUBMISSION, ID, &by_sealer).unwrap(), body);
        assert_eq!(sealer.open(ALERT, ID, &by_ring), Err(OpenError::Tampered));
    }
}

#[test]
fn a_sealer_keeps_the_keys_of_its_moment_and_the_next_one_has_the_new() {
    let keys = ring("k1", &[("k1", 1)]);
    let mut before = keys.sealer(2);
    keys.replace(ring("k2", &[("k1", 1), ("k2", 2)]));
    let old = before.seal(SUBMISSION, ID, b"old").unwrap();
    assert_eq!(key_id_of(&old), Some("k1"));
    assert_eq!(keys.open(SUBMISSION, ID, &old).unwrap(), b"old");

    let mut after = keys.sealer(2);
    let new = after.seal(SUBMISSION, ID, b"new").unwrap();
    assert_eq!(key_id_of(&new), Some("k2"));
    assert_eq!(before.open(SUBMISSION, ID, &new), Err(OpenError::UnknownKey { key_id: "k2".into() }));
    assert_eq!(after.open(SUBMISSION, ID, &new).unwrap(), b"new");
    assert_eq!(after.open(SUBMISSION, ID, &old).unwrap(), b"old");
}

fn delivery() -> DeliveryMessage {
    DeliveryMessage {
        submission_id: Uuid::from_u128(1),
        pseudonym: Uuid::from_u128(2),
        site_id: "H001".into(),
        generation: 3,
    }
}

#[test]
fn the_body_of_a_message_says_what_it_said_under_its_own_id_and_type_and_shows_nothing() {
    let ring = ring("k1", &[("k1", 1)]);
    let body = ring.body(ID, &delivery()).unwrap();
    assert_eq!((body.kind(), body.message_id(), body.key_id()), (DELIVERY, ID, Some("k1")));
    assert!(!body.bytes().windows(4).any(|some| some == b"H001"));
    assert!(!format!("{body:?}").contains("H001"));
    assert_eq!(ring.read::<DeliveryMessage>(ID, body.bytes()), Ok(delivery()));
    let closed = |error| Err(ReadError::Closed(error));
    assert_eq!(ring.read::<DeliveryMessage>(Uuid::from_u128(1), body.bytes()), closed(OpenError::Tampered));
    assert_eq!(ring.read::<RiskMessage>(ID, body.bytes()).unwrap_err(), OpenError::Tampered.into());
}

#[test]
fn what_nobody_of_ours_has_sealed_or_something_else_than_its_type_says_nothing() {
    let ring = ring("k1", &[("k1", 1)]);
    let plain = serde_json::to_vec(&delivery()).unwrap();
    let read = |bytes: &[u8]| ring.read::<DeliveryMessage>(ID, bytes).unwrap_err();
    assert_eq!(read(&plain), OpenError::Malformed.into());
    // With a header as if it were sealed.
    assert_eq!(read(&[&[1, 2, b'k', b'1'], &plain[..]].concat()), OpenError::Tampered.into());
    assert_eq!(read(&ring.seal(DELIVERY, ID, b"{}").unwrap()), ReadError::Foreign);
    #[allow(clippy::disallowed_methods)] // As a stranger would publish it.
    let came = SealedBody::as_it_came(DELIVERY.to_owned(), ID, plain.into());
    assert_eq!(came.key_id(), None);
}

#[test]
fn keys_that_make_no_ring_are_refused_by_name() {
    let fault = |current: &str, keys: &[(&str, u8)]| try_ring(current, keys).unwrap_err();
    assert_eq!(fault("k2", &[("k1", 1)]), KeyRingError::NoCurrent("k2".into()));
    assert_eq!(fault("k1", &[("k1", 1), ("k1", 2)]), KeyRingError::Twice("k1".into()));
    assert_eq!(fault("k 1", &[("k 1", 1)]), KeyRingError::BadId(1));
    assert_eq!(fault("", &[("k1", 1), ("", 1)]), KeyRingError::BadId(2));
    assert_eq!(format!("{:?}", ring("k1", &[("k1", 65)])), "KeyRing { current: \"k1\", ids: [\"k1\"], .. }");
}

proptest! {
    #[test]
    fn a_sealed_body_opens_to_itself_and_shows_nothing(plain in proptest::collection::vec(any::<u8>(), 0..500), id: u128) {
        let ring = ring("k1", &[("k1", 9)]);
        let sealed = ring.seal(SUBMISSION, Uuid::from_u128(id), &plain).unwrap();
        if plain.len() >= 8 {
            prop_assert!(!sealed.windows(plain.len()).any(|window| window == plain));
        }
        prop_assert_eq!(ring.open(SUBMISSION, Uuid::from_u128(id), &sealed), Ok(plain));
    }

    #[test]
    fn any_changed_missing_or_added_byte_breaks_the_seal(
        plain in proptest::collection::vec(any::<u8>(), 0..100),
        at: prop::sample::Index,
        flip in 1..=255_u8,
    ) {
        let ring = ring("k1", &[("k1", 9)]);
        let sealed = ring.seal(SUBMISSION, ID, &plain).unwrap();
        let mut flipped = sealed.clone();
        flipped[at.index(sealed.len())] ^= flip;
        prop_assert!(ring.open(SUBMISSION, ID, &flipped).is_err());
        prop_assert!(ring.open(SUBMISSION, ID, &sealed[..at.index(sealed.len())]).is_err());
        let mut longer = sealed;
        longer.push(flip);
        prop_assert!(ring.open(SUBMISSION, ID, &longer).is_err());
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let ring = ring("k1", &[("k1", 9)]);
        prop_assert!(ring.open(SUBMISSION, ID, &bytes).is_err());
        let plausible = [&[1, 2, b'k', b'1'], &bytes[..]].concat();
        prop_assert!(ring.open(SUBMISSION, ID, &plausible).is_err());
    }
}
