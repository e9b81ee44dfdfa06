//! The program: a thread with a large stack, then the command line.

use std::process::ExitCode;

use karat::base::env::ProcessEnv;
use karat::base::limits;
use karat::cli::{Outcome, dispatch};

fn main() -> ExitCode {
    let arguments = std::env::args_os().collect();
    let env = ProcessEnv::read();
    let working_folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
    // Deeply nested SQL and YAML recurse; the main thread's stack is the system's choice.
    let work = std::thread::Builder::new()
        .stack_size(limits::PLANNER_STACK_BYTES)
        .spawn(move || dispatch::main(arguments, env, working_folder));
    let outcome = work.ok().and_then(|thread| thread.join().ok());
    outcome.unwrap_or(Outcome::Internal).into()
}
