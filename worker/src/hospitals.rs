//! Lane `hospitals`: what is stored goes on to the hospital of its site, each at its own pace.

pub(crate) mod answer;
pub(crate) mod caller;
pub(crate) mod document;
mod fhir;
mod mllp;
