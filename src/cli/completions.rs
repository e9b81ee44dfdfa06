//! `karat completions <shell>`: the completion script, generated from the command line's definition.

use clap_complete::Shell;

use crate::cli::Outcome;
use crate::cli::args;
use crate::cli::printer::Printer;

/// Prints the script.
pub fn run(shell: Shell, printer: &Printer) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "karat", &mut script);
    printer.result(&String::from_utf8_lossy(&script));
    Outcome::Success
}
