//! The exit codes, as in `sysexits.h`, so that an init system can tell them apart.

/// The command line is wrong (`EX_USAGE`).
pub const USAGE: u8 = 64;
/// No server answered (`EX_UNAVAILABLE`).
pub const UNAVAILABLE: u8 = 69;
/// A defect of ours, or of this host (`EX_SOFTWARE`).
pub const SOFTWARE: u8 = 70;
/// The file is wrong, or the command is not there (`EX_CONFIG`).
pub const CONFIG: u8 = 78;
