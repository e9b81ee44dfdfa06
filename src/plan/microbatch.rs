//! Microbatches: which windows of time a run makes, and the SQL of replacing them.
//!
//! The windows follow dbt's rules: a first run and a full refresh go from `begin` to now, later runs make the newest
//! batch and `lookback` batches before it, and a time that is asked for on the command line stands for both ends.

use chrono::{DateTime, Utc};

use crate::base::ident::quote;
use crate::base::limits;
use crate::compile::host::Invocation;
use crate::manifest::config::OnSchemaChange;
use crate::manifest::microbatch::{Batch, Microbatch, Window};
use crate::manifest::node::Node;
use crate::plan::algebra::{BATCH, FILE_INDEX, TARGET, column_list, key_sql, scratch};

/// What a run does to a microbatch model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MicrobatchPlan {
    /// The batches in the order of time.
    pub batches: Vec<Batch>,
    /// Column or expression with the time of a row's event.
    pub event_time: String,
    /// What happens if the columns differ.
    pub on_schema_change: OnSchemaChange,
    /// Windows that an earlier command, which this one does again, has made.
    pub earlier: Vec<Window>,
}

/// The batches of a model; `None` if it has none. `has_table` says whether there is a table to go on with.
pub fn microbatches(invocation: &Invocation, node: &Node, has_table: bool) -> Option<MicrobatchPlan> {
    let config = &node.config;
    let batches = config.microbatch.as_ref()?;
    let request = &invocation.batches;
    let (windows, earlier, goes_on) = match request.retried.get(&node.id) {
        // What went well is in the table, whatever the flags of the command were.
        Some(outcomes) => (outcomes.failed.clone(), outcomes.successful.clone(), has_table),
        None => {
            let goes_on = has_table && !invocation.is_full_refresh(node);
            let now = request.until.unwrap_or_else(|| invocation.clock.now());
            (windows(batches, goes_on, request.window, now), Vec::new(), goes_on)
        }
    };
    let batch =
        |(index, window): (usize, Window)| Batch { window, size: batches.size, incremental: goes_on || index > 0 };
    Some(MicrobatchPlan {
        batches: windows.into_iter().enumerate().map(batch).collect(),
        event_time: config.event_time.clone().unwrap_or_default(),
        on_schema_change: config.on_schema_change,
        earlier,
    })
}

/// The windows of a run, at least one. More than the limit of batches are cut off behind the first too many.
fn windows(batches: &Microbatch, goes_on: bool, asked: Option<Window>, now: DateTime<Utc>) -> Vec<Window> {
    let size = batches.size;
    let end = size.ceiling(asked.map_or(now, |asked| asked.end));
    let start = match asked {
        Some(asked) => size.floor(asked.start),
        // The newest batch ends at `end`.
        None if goes_on => size.before(end, batches.lookback.saturating_add(1)),
        None => size.floor(batches.begin),
    };
    let mut windows = Vec::new();
    let mut at = start;
    while at < end && windows.len() <= limits::BATCHES {
        let next = size.after(at);
        windows.push(Window { start: at, end: next });
        at = next;
    }
    if windows.is_empty() {
        // A model that begins in the future: a table without rows, so that others can read it.
        windows.push(Window { start, end: start });
    }
    windows
}

impl MicrobatchPlan {
    /// The SQL of the event's time among columns.
    pub fn time(&self, columns: &[String]) -> String {
        key_sql(&self.event_time, columns)
    }

    /// A condition on the rows of one window.
    pub fn within(&self, window: Window, columns: &[String]) -> String {
        window.condition(&self.time(columns))
    }

    /// A condition on the rows of any of the windows; those that touch are one.
    fn within_any(&self, windows: &[Window], columns: &[String]) -> String {
        let time = self.time(columns);
        let conditions: Vec<String> =
            joined(windows).iter().map(|window| format!("({})", window.condition(&time))).collect();
        if conditions.is_empty() { "false".to_owned() } else { conditions.join(" or ") }
    }

    /// The files of the table that hold a row of the windows.
    pub fn touched_files(&self, windows: &[Window], columns: &[String]) -> String {
        format!(
            "select distinct {} from {} where {}",
            quote(FILE_INDEX),
            scratch(TARGET),
            self.within_any(windows, columns)
        )
    }

    /// The rows of the table that are outside of the windows; a row without a time is in none.
    pub fn survivors(&self, windows: &[Window], columns: &[String]) -> String {
        let target = scratch(TARGET);
        let condition = self.within_any(windows, columns);
        format!("select {} from {target} where ({condition}) is not true", column_list(&target, columns))
    }

    /// The table with its windows replaced by the batches that were made.
    pub fn replaced(&self, windows: &[Window], columns: &[String]) -> String {
        let batches = scratch(BATCH);
        format!(
            "{} union all select {} from {batches}",
            self.survivors(windows, columns),
            column_list(&batches, columns)
        )
    }
}

/// Windows in the order of time, those that touch or overlap as one.
fn joined(windows: &[Window]) -> Vec<Window> {
    let mut sorted = windows.to_vec();
    sorted.sort();
    let mut joined: Vec<Window> = Vec::new();
    for window in sorted {
        match joined.last_mut() {
            Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
            _ => joined.push(window),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::parse_instant;
    use crate::manifest::microbatch::BatchSize;

    fn at(text: &str) -> DateTime<Utc> {
        parse_instant(text).unwrap()
    }

    fn starts(goes_on: bool, asked: Option<(&str, &str)>, lookback: u32) -> Vec<String> {
        let batches = Microbatch { begin: at("2024-01-01 12:00:00"), size: BatchSize::Day, lookback };
        let asked = asked.map(|(start, end)| Window { start: at(start), end: at(end) });
        let made = windows(&batches, goes_on, asked, at("2024-01-04 13:57:00"));
        made.iter().map(|window| window.start.format("%d").to_string()).collect()
    }

    #[test]
    fn a_run_makes_what_is_missing_and_looks_back() {
        assert_eq!(starts(false, None, 1), ["01", "02", "03", "04"]);
        assert_eq!(starts(true, None, 1), ["03", "04"]);
        assert_eq!(starts(true, None, 0), ["04"]);
        assert_eq!(starts(true, Some(("2024-01-02 10:00:00", "2024-01-03 00:00:01")), 1), ["02", "03"]);
        assert_eq!(starts(false, Some(("2024-01-02", "2024-01-03")), 1), ["02"]);
    }

    #[test]
    fn a_model_that_begins_in_the_future_has_one_batch_without_time() {
        let batches = Microbatch { begin: at("2030-01-01"), size: BatchSize::Month, lookback: 1 };
        let made = windows(&batches, false, None, at("2024-01-04"));
        assert_eq!(made, [Window { start: at("2030-01-01"), end: at("2030-01-01") }]);
    }

    #[test]
    fn windows_that_touch_are_one_condition() {
        let day =
            |day: u32| Window { start: at(&format!("2024-01-0{day}")), end: at(&format!("2024-01-0{}", day + 1)) };
        let all = joined(&[day(5), day(2), day(1)]);
        assert_eq!(all, [Window { start: at("2024-01-01"), end: at("2024-01-03") }, day(5)]);
    }
}
