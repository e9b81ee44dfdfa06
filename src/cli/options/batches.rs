//! The time that microbatch models make batches of.

use super::Reader;
use crate::base::clock::parse_instant;
use crate::base::diagnostic::Diagnostic;
use crate::cli::args::BatchArguments;
use crate::manifest::microbatch::Window;

impl Reader<'_> {
    /// Both ends or none, as under dbt.
    pub(super) fn batches(&mut self, given: BatchArguments) -> Option<Window> {
        let expected = "a date or a point in time such as 2024-01-31 or 2024-01-31T06:00:00";
        let (start, end) = ("--event-time-start", "--event-time-end");
        let before = self.problems.0.len();
        let from = self.parsed(given.event_time_start, "EVENT_TIME_START", start, expected, parse_instant);
        let to = self.parsed(given.event_time_end, "EVENT_TIME_END", end, expected, parse_instant);
        let message = match (from, to) {
            _ if self.problems.0.len() > before => return None,
            (None, None) => return None,
            (Some(start), Some(end)) if start < end => return Some(Window { start, end }),
            (Some(_), Some(_)) => format!("`{start}` must be before `{end}`"),
            (Some(_), None) => format!("`{start}` needs `{end}` as well"),
            (None, Some(_)) => format!("`{end}` needs `{start}` as well"),
        };
        self.problems.push(Diagnostic::error("invalid-argument", message));
        None
    }
}
