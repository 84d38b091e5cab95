//! The oracle must itself be trustworthy: what it creates goes away, what it checks can fail.

mod conserves;
mod evening;
mod own_services;
