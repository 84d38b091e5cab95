//! What strangers' bytes reach first. Each takes bytes and says whether they were something.
//!
//! In one place for the fuzz targets beside this file and, by its path, for `process/tests/it/hostile.rs`, which runs
//! them over the corpus in every test run.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use epro_process::auth::{Verifier, keys_of_use};
use epro_process::config::{Algorithm, AuthConfig, AuthKeyConfig, Config};
use epro_schemas::audit::anchor::{Anchor, AnchorError};
use epro_schemas::audit::event::Line;
use epro_schemas::envelope::Envelope;
use epro_schemas::fhir::{Bundle, Response};
use epro_schemas::instrument::Instrument;
use epro_schemas::submission::{Submission, split};

/// Public keys of the tests; fuzz/corpus/jwt is signed with their other halves, until the year 2100.
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../producer-api/tests/keys");

static AUTH: LazyLock<AuthConfig> = LazyLock::new(|| {
    let keys =
        [("rs", Algorithm::Rs256, "rsa"), ("es", Algorithm::Es256, "ec"), ("ed", Algorithm::EdDsa, "ed")];
    let key = |(kid, algorithm, name): (&str, Algorithm, &str)| AuthKeyConfig {
        kid: kid.to_owned(),
        algorithm,
        file: format!("{KEYS}/{name}.pub.pem").into(),
    };
    AuthConfig {
        issuer: Some("https://id.example".to_owned()),
        audience: Some("epro-relay".to_owned()),
        leeway: Duration::from_secs(30),
        keys: keys.map(key).into(),
        jwks: None,
        clients: vec!["diary".to_owned()],
    }
});

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| match Verifier::new(&AUTH) {
    Ok(verifier) => verifier,
    Err(problems) => panic!("{problems:?}"),
});

/// The native form of a submission, alone or in a batch.
pub(crate) fn submission(bytes: &[u8]) -> bool {
    let _ = split(bytes, 10);
    let read = Submission::parse(bytes);
    assert!(read == Submission::parse_strictly(bytes), "one body is read as two submissions");
    read.is_ok()
}

/// A QuestionnaireResponse.
pub(crate) fn fhir(bytes: &[u8]) -> bool {
    Response::parse(bytes).is_ok()
}

/// A Bundle of them.
pub(crate) fn bundle(bytes: &[u8]) -> bool {
    Bundle::parse(bytes, 10).is_ok()
}

/// What a seal held.
pub(crate) fn envelope(bytes: &[u8]) -> bool {
    let read = Envelope::decode(Bytes::copy_from_slice(bytes));
    read.is_ok_and(|envelope| envelope.submission().is_ok())
}

/// An instrument file.
pub(crate) fn instrument(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| Instrument::read(text).is_ok())
}

/// A configuration file; what of it is shown and what is said of it included.
pub(crate) fn config(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (config, problems) = Config::read_text(text);
    let said: String = problems.iter().map(ToString::to_string).collect();
    !config.printable().is_empty() && said.is_empty()
}

/// A token.
pub(crate) fn jwt(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|token| VERIFIER.bearer(token).is_ok())
}

/// The keys that an issuer publishes.
pub(crate) fn jwks(bytes: &[u8]) -> bool {
    keys_of_use(bytes, &AUTH).is_ok()
}

/// A line of an exported audit trail.
pub(crate) fn audit_event(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Line<'_>>(bytes).is_ok_and(|event| event.hashed() != event.prev_hash)
}

/// The file of an anchor; no key is known here.
pub(crate) fn anchor(bytes: &[u8]) -> bool {
    Anchor::read(bytes, &[]).is_err_and(|error| error == AnchorError::UnknownKey)
}
