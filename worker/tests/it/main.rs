//! The worker on the real services. Every test that accepts a message ends in the conservation check.

mod crashes;
mod drain;
mod load;
mod poison;
mod restarts;
mod seams;
mod support;
mod verdicts;
mod waits;
