//! What is stored goes on to its hospital: once in effect, at the hospital's pace, whatever fails.

mod breaker;
mod budgets;
mod calls;
mod crashing;
mod desk;
mod doctor;
mod hl7;
mod leases;
mod operators;
mod rotation;
mod stand;
mod table;
mod versions;
