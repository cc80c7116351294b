//! `zk-supervise`: runs a command on exactly one host of a group.

pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod elector;
pub mod guardian;
pub mod observe;
pub mod process;
pub mod zookeeper;
