//! Faults struck at random into a whole epro-relay under load, and an oracle that judges it afterwards.
//!
//! | module | does |
//! |---|---|
//! | [`plan`] | what is struck when: made of a seed alone, so that it can be struck again |
//! | [`field`] | everything that runs: services of its own, doors, workers, a hospital, a mail server, hops between them |
//! | `strike` | one fault: done, shown to have struck, and undone |
//! | [`struck`] | what was struck in a run, and what of it nothing shows |
//! | `patients` | who sends meanwhile, as an app does |
//! | `load` | and at a steady rate, through every door |
//! | `logins` | the users that doors and workers are at the services |
//! | `warm_up` | everything is used before anything is measured |
//! | `in_use` | channels, sessions and memory, which must be afterwards what they were before |
//! | `judge` | what must be true when the dust has settled, from logs that aren't ours |
//! | `noted` | when workers were killed and queues lost, for the judge |
//! | `kept` | what is left of a run that failed, to look at |
//! | [`run`] | one run from its seed to its verdict |
//! | [`cluster`] | another one, on a RabbitMQ of three nodes: the one that leads is killed, then cut off |
//! | [`record`] | what runs came to, a line each, and what docs/PROOF.md and README.md say and show of it |
//!
//! Everything is on loopback; the services are private ones that end with the run.

pub mod cluster;
mod dice;
pub mod field;
pub(crate) mod in_use;
mod judge;
mod kept;
mod load;
mod logins;
mod noted;
mod patients;
pub mod plan;
pub mod record;
pub mod run;
mod strike;
pub mod struck;
mod warm_up;
