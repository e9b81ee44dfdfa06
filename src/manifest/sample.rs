//! The window of time of `--sample`: parents that say when their events happened are read for it alone.

use chrono::{DateTime, Months, TimeDelta, Utc};

use crate::manifest::microbatch::{BatchSize, Window};

/// A span of time that ends with the run's time, or a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// So many of a unit.
    Last(u32, BatchSize),
    /// A window.
    Between(Window),
}

impl Sample {
    /// Reads a span such as `3 days`; `None` if it is no such text.
    pub fn parse_span(text: &str) -> Option<Self> {
        let (count, unit) = text.trim().split_once(' ')?;
        let unit = unit.trim().to_ascii_lowercase();
        let is_unit = |size: &BatchSize| size.as_str() == unit.trim_end_matches('s');
        Some(Self::Last(count.parse().ok()?, BatchSize::ALL.into_iter().find(is_unit)?))
    }

    /// The window, at the run's time. A span is exact: it does not begin at a boundary of its unit.
    pub fn window(self, now: DateTime<Utc>) -> Window {
        let (count, size) = match self {
            Self::Between(window) => return window,
            Self::Last(count, size) => (count, size),
        };
        let start = match size {
            BatchSize::Hour => now.checked_sub_signed(TimeDelta::hours(i64::from(count))),
            BatchSize::Day => now.checked_sub_signed(TimeDelta::days(i64::from(count))),
            BatchSize::Month => now.checked_sub_months(Months::new(count)),
            BatchSize::Year => now.checked_sub_months(Months::new(count.saturating_mul(12))),
        };
        // A span that goes back beyond all time takes everything that has a usual date.
        Window { start: start.unwrap_or(DateTime::<Utc>::UNIX_EPOCH), end: now }
    }
}
