//! The number in the path of a page.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::refused::Refused;

/// What a dead letter or a redrive is called.
pub(crate) struct Number(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        // The library's own answer repeats what stands there instead.
        let number = Path::<i64>::from_request_parts(parts, state).await;
        number
            .map(|Path(number)| Self(number))
            .map_err(|_| Refused::absent("What it is called here is a number."))
    }
}
