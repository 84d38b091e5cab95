//! What a token endpoint answers (RFC 6749, sections 5.1 and 5.2). Of bytes alone, so that `fuzz/hospital.rs` can
//! read it.

use secrecy::SecretString;
use serde::Deserialize;

/// A bearer token, and how many seconds it is good for.
#[derive(Deserialize)]
pub(super) struct Issued {
    pub access_token: SecretString,
    token_type: String,
    pub expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Issued {
    /// What was issued; or what wasn't.
    pub(super) fn read(body: &[u8]) -> Result<Self, &'static str> {
        let issued: Self = serde_json::from_slice(body).map_err(|_| "no token")?;
        if issued.token_type.eq_ignore_ascii_case("bearer") { Ok(issued) } else { Err("no bearer token") }
    }
}

/// The code of a refusal, if it is one of section 5.2; anything else is a `?`.
pub(super) fn refusal(body: &[u8]) -> &'static str {
    const CODES: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
    let known = refusal.and_then(|refusal| CODES.into_iter().find(|known| *known == refusal.error));
    known.unwrap_or("?")
}
