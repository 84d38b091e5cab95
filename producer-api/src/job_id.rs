//! Ids of jobs that show whom they were made for.
//!
//! A job is a message first and a row later. In between, whoever asked for it is told that it waits: by any replica,
//! none of which may write to PostgreSQL. So the id itself says it: a UUIDv7 whose last five bytes are an HMAC over the
//! others and the caller. An id leaves the door only once the broker has confirmed its job. So who shows an id that
//! holds, and that has no row, asks about a job that lies safely in its queue.

use epro_schemas::pseudonym::PseudonymKey;
use time::OffsetDateTime;
use uuid::{Builder, Uuid};

/// What a job is; no study is named like this.
pub(crate) const REPORT: &str = "#report";
pub(crate) const EXPORT: &str = "#export";

/// Bytes in front of the HMAC.
const FRONT: usize = 11;

/// An id for a job that `caller` asks for now.
pub(crate) fn make(key: &PseudonymKey, job: &str, caller: &str) -> Uuid {
    let millis = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    let mut random = [0; 10];
    // The first six bytes of a UUIDv4 are random throughout.
    random.iter_mut().zip(&Uuid::new_v4().into_bytes()[..6]).for_each(|(to, from)| *to = *from);
    let id = Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &random).into_uuid();
    signed(key, job, caller, id)
}

/// When the id was made, if it was made for that caller and such a job.
pub(crate) fn made_at(key: &PseudonymKey, job: &str, caller: &str, id: Uuid) -> Option<OffsetDateTime> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let at = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    let at = at.replace_nanosecond(nanos).ok()?;
    (id.get_version_num() == 7 && signed(key, job, caller, id) == id).then_some(at)
}

fn signed(key: &PseudonymKey, job: &str, caller: &str, id: Uuid) -> Uuid {
    let mut bytes = id.into_bytes();
    let front = Uuid::from_u128(id.as_u128() >> (8 * (bytes.len() - FRONT)));
    let whole = key.pseudonym(job, &format!("{front} {caller}")).into_bytes();
    bytes.iter_mut().zip(whole).skip(FRONT).for_each(|(to, from)| *to = from);
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use epro_schemas::key::SecretKey;
    use std::collections::HashSet;

    fn key(byte: u8) -> PseudonymKey {
        PseudonymKey::new("p1", &SecretKey::new([byte; 32]))
    }

    #[test]
    fn an_id_holds_for_whom_it_was_made_for_that_job_and_under_that_key() {
        let before = OffsetDateTime::now_utc();
        let id = make(&key(1), EXPORT, "ana");
        assert_eq!(id.get_version_num(), 7);
        let at = made_at(&key(1), EXPORT, "ana", id).unwrap();
        assert!((before - at).whole_milliseconds() <= 1 && at <= OffsetDateTime::now_utc());
        assert_eq!(made_at(&key(1), EXPORT, "bob", id), None);
        assert_eq!(made_at(&key(1), REPORT, "ana", id), None);
        assert_eq!(made_at(&key(2), EXPORT, "ana", id), None);
    }

    #[test]
    fn no_bit_of_an_id_can_be_changed_and_nobody_makes_one_without_the_key() {
        let id = make(&key(1), EXPORT, "ana");
        for bit in 0..128 {
            let other = Uuid::from_u128(id.as_u128() ^ (1 << bit));
            assert_eq!(made_at(&key(1), EXPORT, "ana", other), None, "bit {bit}");
        }
        assert_eq!(made_at(&key(1), EXPORT, "ana", Uuid::now_v7()), None);
        assert_eq!(made_at(&key(1), EXPORT, "ana", Uuid::new_v4()), None);
    }

    #[test]
    fn what_one_caller_asks_for_within_a_millisecond_has_ids_of_its_own() {
        let ids: HashSet<Uuid> = (0..2_000).map(|_| make(&key(1), EXPORT, "ana")).collect();
        assert_eq!(ids.len(), 2_000);
    }
}
