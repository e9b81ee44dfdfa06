//! Flags about the artifacts of an earlier command.

use std::path::PathBuf;

use clap::Args;

/// Heading of these flags.
const STATE: &str = "State";

/// Flags of every verb about a state: what to compare with, and what to read in place of what is not built.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct StateArguments {
    /// Folder with the artifacts of an earlier command, to compare with and to defer to; relative to the project
    #[arg(long, global = true, value_name = "DIR", help_heading = STATE)]
    pub state: Option<PathBuf>,
    /// Folder with the artifacts to defer to, if it is another one
    #[arg(long, global = true, value_name = "DIR", help_heading = STATE)]
    pub defer_state: Option<PathBuf>,
    /// Read what is neither selected nor built where the state has it
    #[arg(long, global = true, overrides_with = "no_defer", help_heading = STATE)]
    pub defer: bool,
    #[arg(long, global = true, hide = true, overrides_with = "defer")]
    pub no_defer: bool,
    /// Defer for all that is not selected, whether it is built or not
    #[arg(long, global = true, overrides_with = "no_favor_state", help_heading = STATE)]
    pub favor_state: bool,
    #[arg(long, global = true, hide = true, overrides_with = "favor_state")]
    pub no_favor_state: bool,
}

impl StateArguments {
    /// Those of a retry over those of the command that it does again. As under dbt, `--state` of the retry only says
    /// where the results of that command are.
    #[must_use]
    pub fn over(self, earlier: Self) -> Self {
        let pair = |own: (bool, bool), earlier: (bool, bool)| if own.0 || own.1 { own } else { earlier };
        let (defer, no_defer) = pair((self.defer, self.no_defer), (earlier.defer, earlier.no_defer));
        let (favor_state, no_favor_state) =
            pair((self.favor_state, self.no_favor_state), (earlier.favor_state, earlier.no_favor_state));
        Self {
            state: earlier.state,
            defer_state: self.defer_state.or(earlier.defer_state),
            defer,
            no_defer,
            favor_state,
            no_favor_state,
        }
    }
}
