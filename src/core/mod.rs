//! Decides. Given the time and a fact, it returns what is to be done; it knows `std` and nothing else.

pub mod lease;
pub mod path;
pub mod time;
