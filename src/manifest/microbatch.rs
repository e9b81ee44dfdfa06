//! Microbatch models: tables made of windows of time, each of which is replaced as a whole.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Datelike as _, Days, Duration, Months, TimeZone as _, Timelike as _, Utc};

use crate::manifest::node::NodeId;

/// How long a batch is; boundaries lie on whole units in UTC, as under dbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// One hour.
    Hour,
    /// One day.
    Day,
    /// One month.
    Month,
    /// One year.
    Year,
}

impl BatchSize {
    /// All, from the smallest.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Month, Self::Year];

    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The boundary at or before an instant.
    pub fn floor(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let (month, day, hour) = match self {
            Self::Hour => (instant.month(), instant.day(), instant.hour()),
            Self::Day => (instant.month(), instant.day(), 0),
            Self::Month => (instant.month(), 1, 0),
            Self::Year => (1, 1, 0),
        };
        // A boundary of UTC is always exactly one instant.
        Utc.with_ymd_and_hms(instant.year(), month, day, hour, 0, 0).single().unwrap_or(instant)
    }

    /// The boundary at or after an instant.
    pub fn ceiling(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let floor = self.floor(instant);
        if floor == instant { instant } else { self.after(floor) }
    }

    /// The boundary after the one at or before an instant; an instant at the end of time has none and stays.
    pub fn after(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let floor = self.floor(instant);
        let next = match self {
            Self::Hour => floor.checked_add_signed(Duration::hours(1)),
            Self::Day => floor.checked_add_days(Days::new(1)),
            Self::Month => floor.checked_add_months(Months::new(1)),
            Self::Year => floor.checked_add_months(Months::new(12)),
        };
        next.unwrap_or(instant)
    }

    /// The boundary so many units before the one at or before an instant.
    pub fn before(self, instant: DateTime<Utc>, units: u32) -> DateTime<Utc> {
        let floor = self.floor(instant);
        let earlier = match self {
            Self::Hour => floor.checked_sub_signed(Duration::hours(i64::from(units))),
            Self::Day => floor.checked_sub_days(Days::new(u64::from(units))),
            Self::Month => floor.checked_sub_months(Months::new(units)),
            Self::Year => units.checked_mul(12).and_then(|months| floor.checked_sub_months(Months::new(months))),
        };
        earlier.unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

/// What a microbatch model says about its batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Microbatch {
    /// Where the first batch begins.
    pub begin: DateTime<Utc>,
    /// How long a batch is.
    pub size: BatchSize,
    /// How many batches before the newest one a run makes again.
    pub lookback: u32,
}

/// A span of time with its start and without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// The first instant.
    pub start: DateTime<Utc>,
    /// The instant after the last one.
    pub end: DateTime<Utc>,
}

impl Window {
    /// A condition that holds for values of the window; `value` is SQL. Times without a zone are taken as UTC.
    ///
    /// Both sides have microseconds: in nanoseconds there is no time before 1677 and after 2262, and dates such as
    /// 9999-12-31 are common.
    pub fn condition(&self, value: &str) -> String {
        let literal = |instant: DateTime<Utc>| format!("timestamp(6) '{}'", instant.format("%Y-%m-%d %H:%M:%S"));
        format!(
            "cast({value} as timestamp(6)) >= {} and cast({value} as timestamp(6)) < {}",
            literal(self.start),
            literal(self.end)
        )
    }
}

/// Which windows of a model came about, and which did not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Those that did.
    pub successful: Vec<Window>,
    /// Those that failed or were not begun.
    pub failed: Vec<Window>,
}

/// What a command says about the batches of all models.
#[derive(Debug, Clone, Default)]
pub struct BatchRequest {
    /// The time to make batches of, instead of the newest ones.
    pub window: Option<Window>,
    /// The instant up to which batches are made, if it is not the run's time: that of the command which a retry does
    /// again.
    pub until: Option<DateTime<Utc>>,
    /// What became of models in the command that a retry does again, if a part of their batches failed.
    pub retried: BTreeMap<NodeId, Outcomes>,
}

/// One batch of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The window that it replaces.
    pub window: Window,
    /// The size of the model's batches.
    pub size: BatchSize,
    /// Whether the table is there already: `is_incremental()` while the batch is made.
    pub incremental: bool,
}

impl Batch {
    /// dbt's `batch.id`, such as `20240131` or `20240131T06`.
    pub fn id(&self) -> String {
        self.to_string().replace('-', "")
    }
}

impl fmt::Display for Batch {
    /// The start as precise as the size asks for: `2024-01-31T06`, `2024-01-31`, `2024-01`, `2024`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.size {
            BatchSize::Hour => "%Y-%m-%dT%H",
            BatchSize::Day => "%Y-%m-%d",
            BatchSize::Month => "%Y-%m",
            BatchSize::Year => "%Y",
        };
        write!(formatter, "{}", self.window.start.format(form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    #[test]
    fn boundaries_lie_on_whole_units() {
        let instant = at("2024-03-31T16:06:00.5Z");
        let cases = [
            (BatchSize::Hour, "2024-03-31T16:00:00Z", "2024-03-31T17:00:00Z", "2024-03-31T14:00:00Z"),
            (BatchSize::Day, "2024-03-31T00:00:00Z", "2024-04-01T00:00:00Z", "2024-03-29T00:00:00Z"),
            (BatchSize::Month, "2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z", "2024-01-01T00:00:00Z"),
            (BatchSize::Year, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2022-01-01T00:00:00Z"),
        ];
        for (size, floor, ceiling, earlier) in cases {
            assert_eq!(size.floor(instant), at(floor));
            assert_eq!(size.ceiling(instant), at(ceiling));
            assert_eq!(size.ceiling(at(floor)), at(floor));
            assert_eq!(size.before(instant, 2), at(earlier));
        }
    }

    #[test]
    fn a_batch_is_named_by_its_start() {
        let window = Window { start: at("2024-01-31T06:00:00Z"), end: at("2024-01-31T07:00:00Z") };
        let named = |size| Batch { window, size, incremental: true }.id();
        assert_eq!(BatchSize::ALL.map(named), ["20240131T06", "20240131", "202401", "2024"]);
        assert_eq!(
            window.condition("at"),
            "cast(at as timestamp(6)) >= timestamp(6) '2024-01-31 06:00:00' and cast(at as timestamp(6)) < timestamp(6) \
             '2024-01-31 07:00:00'"
        );
    }
}
