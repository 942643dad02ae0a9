//! The `anchor-server` binary; [`anchor_server::run`] is what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    anchor_server::run()
}
