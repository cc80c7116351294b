//! `zk-supervise`: runs a command on exactly one host of a group.

pub mod core;
