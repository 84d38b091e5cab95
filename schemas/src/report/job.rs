//! The job in a hospital's query queue.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::phi::Phi;

/// The body, as JSON and under a seal, of a [`crate::kind::REPORT`] message, whose id is the report's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The study in which the patient is known.
    pub study_id: String,
    /// The site whose hospital is asked.
    pub site_id: String,
    /// The patient.
    #[serde(with = "exposed")]
    pub subject_id: Phi<String>,
    /// When the door took it.
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
    /// By when the report has to be there.
    #[serde(with = "time::serde::rfc3339")]
    pub deadline: OffsetDateTime,
    /// Pseudonym of the token's `sub`.
    pub actor: Uuid,
    /// The client application, if its name is a configured one; otherwise `other`.
    pub client: Option<String>,
    /// The network that the request came from: /24 of IPv4, /48 of IPv6. Jobs of an older door don't say.
    pub from_network: Option<String>,
    /// The W3C trace id of the request.
    pub trace_id: Option<String>,
}

/// Only here, as nothing else is made of a job than what goes under a seal.
mod exposed {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::phi::Phi;

    pub(super) fn serialize<S: Serializer>(value: &Phi<String>, serializer: S) -> Result<S::Ok, S::Error> {
        value.expose().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Phi<String>, D::Error> {
        String::deserialize(deserializer).map(Phi::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_back_and_prints_nobody() {
        let now = OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap();
        let job = Job {
            study_id: "ONC-301".into(),
            site_id: "H001".into(),
            subject_id: Phi::new("Marta Planted".into()),
            requested_at: now,
            deadline: now + time::Duration::seconds(10),
            actor: Uuid::from_u128(7),
            client: None,
            from_network: Some("192.0.2.0/24".into()),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        };
        let under_its_seal = serde_json::to_vec(&job).unwrap();
        assert_eq!(serde_json::from_slice::<Job>(&under_its_seal).unwrap(), job);
        assert!(!format!("{job:?}").contains("Marta"));
        assert!(serde_json::from_slice::<Job>(b"{}").is_err());
    }

    #[test]
    fn a_job_of_a_door_that_did_not_say_where_from_is_read_all_the_same() {
        let older =
            br#"{"study_id":"ONC-301","site_id":"H001","subject_id":"P-1","client":null,"trace_id":null,
            "requested_at":"2026-11-23T12:00:00Z","deadline":"2026-11-23T12:00:10Z",
            "actor":"00000000-0000-0000-0000-000000000007"}"#;
        assert_eq!(serde_json::from_slice::<Job>(older).unwrap().from_network, None);
    }
}
