//! Comprehensive reports: `POST /api/v1/reports` asks for one, `GET /api/v1/reports/{id}` reads it.

mod answer;
mod prefer;
pub(crate) mod read;
pub(crate) mod request;
mod wait;

pub(crate) use answer::Underway;
