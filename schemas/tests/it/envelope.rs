//! Envelopes come out as they went in, or not at all.

use epro_schemas::envelope::{Door, Envelope, EnvelopeError, Named};
use epro_schemas::phi::Phi;
use proptest::prelude::*;
use time::OffsetDateTime;
use uuid::Uuid;

fn named() -> impl Strategy<Value = Named> {
    (any::<u128>(), ".*", ".*", proptest::option::of(any::<u128>())).prop_map(
        |(id, study_id, site_id, amends)| Named {
            submission_id: Uuid::from_u128(id),
            study_id,
            site_id,
            amends: amends.map(Uuid::from_u128),
        },
    )
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    (
        -10_000_000_000_i64..10_000_000_000,
        0..1_000_000_000_i32,
        [".*", ".*", ".*"],
        proptest::option::of(".*"),
        proptest::option::of("[0-9a-f]{32}"),
        prop_oneof![Just(Door::Native), named().prop_map(Door::Fhir), Just(Door::Batch)],
        proptest::collection::vec(any::<u8>(), 0..300),
    )
        .prop_map(|(seconds, nanos, [subject, actor, from], client, trace_id, door, bytes)| Envelope {
            received_at: OffsetDateTime::from_unix_timestamp(seconds)
                .unwrap()
                .replace_nanosecond(nanos.unsigned_abs())
                .unwrap(),
            subject_id: Phi::new(subject),
            actor: Phi::new(actor),
            client,
            from: Phi::new(from),
            door,
            trace_id,
            bytes: bytes.into(),
        })
}

proptest! {
    #[test]
    fn an_envelope_comes_out_as_it_went_in(envelope in envelopes()) {
        prop_assert_eq!(Envelope::decode(envelope.encode().into()), Ok(envelope));
    }

    #[test]
    fn an_envelope_cut_before_its_body_is_malformed(envelope in envelopes(), cut: prop::sample::Index) {
        let bytes = envelope.encode();
        let header = bytes.len() - envelope.bytes.len();
        prop_assert_eq!(Envelope::decode(bytes[..cut.index(header)].to_vec().into()), Err(EnvelopeError::Malformed));
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), first in 0..3_u8) {
        let mut bytes = bytes;
        bytes.insert(0, first);
        let _ = Envelope::decode(bytes.into());
    }
}

#[test]
fn a_newer_envelope_is_told_from_a_broken_one() {
    assert_eq!(Envelope::decode(vec![2, 0, 0].into()), Err(EnvelopeError::UnknownVersion(2)));
}

#[test]
fn an_envelope_prints_no_subject_no_actor_no_address_and_no_body() {
    let planted = || Phi::new("Planted".to_owned());
    let envelope = Envelope {
        received_at: OffsetDateTime::UNIX_EPOCH,
        subject_id: planted(),
        actor: planted(),
        client: Some("Planted".into()),
        from: planted(),
        door: Door::Native,
        trace_id: None,
        bytes: "Planted".into(),
    };
    let printed = format!("{envelope:?}");
    assert!(!printed.contains("Planted") && !printed.contains("80, 108"), "{printed}");
}
