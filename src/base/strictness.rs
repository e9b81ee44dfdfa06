//! Which warnings are errors, and which are not even said: dbt's `--warn-error` and `--warn-error-options`.
//!
//! Warnings are named by their codes, or by the names of dbt's events that say the same.

use std::collections::BTreeSet;

use crate::base::codes;
use crate::base::diagnostic::did_you_mean;

/// dbt's names of events with the codes that mean them here. Other names of dbt are taken and mean nothing.
pub const EVENTS: [(&str, &[&str]); 17] = [
    ("LogTestResult", &["test-warned"]),
    ("NoNodesForSelectionCriteria", &["no-match"]),
    ("NoNodesSelected", &["nothing-selected"]),
    ("NothingToDo", &["nothing-selected"]),
    ("UnusedResourceConfigPath", &["unused-config"]),
    ("NoNodeForYamlKey", &["unmatched-properties"]),
    ("MacroNotFoundForPatch", &["unmatched-properties"]),
    ("WrongResourceSchemaFile", &["unmatched-properties"]),
    ("DeprecatedModel", &["deprecated-model"]),
    ("DeprecatedReference", &["deprecated-ref"]),
    ("UpcomingReferenceDeprecation", &["upcoming-deprecation"]),
    ("JinjaLogWarning", &["template-warning"]),
    ("ConstraintNotEnforced", &["constraint-not-enforced"]),
    ("ConstraintNotSupported", &["constraint-not-enforced"]),
    ("MicrobatchModelNoEventTimeInputs", &["microbatch-reads-all"]),
    ("DepsUnpinned", &["unpinned-package"]),
    ("UnversionedBreakingChange", &["broken-contract"]),
];

/// What becomes of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is not said.
    Silent,
    /// It is said.
    Warning,
    /// It ends the command, or fails the test.
    Error,
}

/// Which warnings are what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strictness {
    /// All are errors, but for those of `warn`.
    pub all: bool,
    /// Codes that are errors.
    pub error: BTreeSet<&'static str>,
    /// Codes that stay warnings.
    pub warn: BTreeSet<&'static str>,
    /// Codes that are not said.
    pub silence: BTreeSet<&'static str>,
}

impl Strictness {
    /// `--warn-error`: all warnings are errors.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// What becomes of warnings with a code.
    pub fn of(&self, code: &str) -> Treatment {
        if self.silence.contains(code) {
            Treatment::Silent
        } else if (self.all || self.error.contains(code)) && !self.warn.contains(code) {
            Treatment::Error
        } else {
            Treatment::Warning
        }
    }
}

/// The codes that a name means; `Err` has what is near to it.
pub fn codes_of(name: &str) -> Result<Vec<&'static str>, Option<String>> {
    if let Some((_, meant)) = EVENTS.iter().find(|(event, _)| *event == name) {
        return Ok(meant.to_vec());
    }
    if let Some(code) = codes::find(name) {
        return Ok(vec![code.name]);
    }
    // dbt has many more events, of things that do not happen here.
    let is_event = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|character| character.is_ascii_alphanumeric());
    if is_event && name != "All" {
        return Ok(Vec::new());
    }
    Err(did_you_mean(name, codes::all().map(|code| code.name)).map(str::to_owned))
}
