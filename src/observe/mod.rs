//! What operators see.

pub mod log;
pub mod notify;
pub mod text;
pub mod trace;
