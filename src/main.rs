//! The program: calls the command line and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    karat::cli::dispatch::process()
}
