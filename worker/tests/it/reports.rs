//! Comprehensive reports, from the door to a sample hospital and back.

mod crashing;
mod exported;
mod limits;
mod literal;
mod missing;
mod poison;
mod ward;
mod whole;
