//! What the flags about a state mean.

use std::path::PathBuf;

use super::Reader;
use crate::cli::args::StateArguments;

/// What to compare with, and what to read in place of what is not built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateOptions {
    /// Folder of the state, relative to the project.
    pub folder: Option<PathBuf>,
    /// Folder of the state that is deferred to, if it is another one.
    pub defer_folder: Option<PathBuf>,
    /// Whether to defer.
    pub defer: bool,
    /// Whether to defer also for what is built.
    pub favor: bool,
}

impl Reader<'_> {
    pub(super) fn state(&mut self, given: StateArguments) -> StateOptions {
        StateOptions {
            folder: self.path(given.state, "STATE"),
            defer_folder: self.path(given.defer_state, "DEFER_STATE"),
            defer: self.switch(given.defer, given.no_defer, "--defer", "DEFER").unwrap_or(false),
            favor: self
                .switch(given.favor_state, given.no_favor_state, "--favor-state", "FAVOR_STATE")
                .unwrap_or(false),
        }
    }
}
