//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    zk_supervise::cli::main()
}
