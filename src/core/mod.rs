//! Decides. Given the time and a fact, it returns what is to be done; it knows `std` and nothing else.

pub mod candidacy;
pub mod election;
pub mod facts;
pub mod guard;
pub mod lease;
pub mod link;
pub mod path;
pub mod restart;
pub mod supervisor;
pub mod term;
pub mod time;
pub mod vigil;
#[cfg(test)]
mod world;
