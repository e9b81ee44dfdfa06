//! Layer 9: the command line. Reads arguments and environment once, calls the stages, prints, and gives an exit code.
//!
//! [`args`] is what the user typed, [`options`] what it means, [`printer`] the only place that prints. Each verb
//! has a file of its own.

pub mod application;
pub mod args;
pub mod build;
pub mod clean;
pub mod clone;
pub mod compile;
pub mod completions;
pub mod debug;
pub mod defer;
pub mod deps;
pub mod dispatch;
pub mod docs;
pub mod docs_serve;
pub mod events;
pub mod explain;
pub mod freshness;
pub mod init;
pub mod invocation_args;
pub mod list;
pub mod log;
pub mod man;
pub mod operation;
pub mod options;
pub mod printer;
pub mod reference;
pub mod retry;
mod seed_rows;
pub mod show;
pub mod signals;
pub mod state;
pub mod summary;
pub mod table;

use std::process::ExitCode;

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All good; warnings are allowed.
    Success,
    /// A model, test, snapshot or contract of the project failed.
    Failed,
    /// The project, the configuration or the command line is wrong.
    Usage,
    /// Disk, network, a lock or a conflict.
    World,
    /// Stopped by the user.
    Interrupted,
    /// Stopped by the system (SIGTERM).
    Terminated,
    /// A mistake in karat.
    Internal,
}

impl Outcome {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::World => 3,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Internal => 101,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// Runs a verb that needs neither a project nor an engine; `None` for all others.
pub fn run_without_project(
    verb: &options::Verb,
    working_folder: &std::path::Path,
    printer: &printer::Printer,
) -> Option<Outcome> {
    match verb {
        options::Verb::Init(options) => Some(init::run(options, working_folder, printer)),
        options::Verb::Explain(arguments) => Some(explain::run(arguments, printer)),
        options::Verb::Completions(shell) => Some(completions::run(*shell, printer)),
        options::Verb::Man => Some(man::run(printer)),
        _ => None,
    }
}
