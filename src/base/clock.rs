//! The only place that asks for the time or for randomness.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, Utc};
use uuid::Uuid;

/// The time of one invocation: one instant for everything that a run writes or compares.
///
/// `run_started_at`, snapshots' `valid_from`, and `now()` in SQL all come from here, so that a run can be repeated
/// exactly with `--now`.
#[derive(Debug, Clone)]
pub struct Clock {
    now: DateTime<Utc>,
    started: Instant,
}

impl Clock {
    /// A clock that stands at the given instant, or at the present moment.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn new(pinned: Option<DateTime<Utc>>) -> Self {
        // Microseconds are what tables store; more digits would make a stored time differ from the run's.
        Self { now: pinned.unwrap_or_else(Utc::now).trunc_subsecs(6), started: Instant::now() }
    }

    /// The run's time; does not move during a run.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// How long ago the run began, on a clock that only goes forward.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A timestamp for logs and artifacts: the run's time plus what has passed since.
    pub fn timestamp(&self) -> DateTime<Utc> {
        self.now + self.elapsed()
    }
}

/// Parses the value of `--now`: an RFC 3339 instant, or a date, which means its midnight in UTC.
pub fn parse_now(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.with_timezone(&Utc));
    }
    if let Ok(date) = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    Err(format!("`{text}` is not an instant; expected a form such as 2024-01-31T06:00:00Z or 2024-01-31"))
}

/// Parses an instant of a configuration or a flag: a date, or a date and a time of day, in UTC unless an offset is
/// written.
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let naive = naive.iter().find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok());
    let zoned = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];
    let zoned = || zoned.iter().find_map(|form| DateTime::parse_from_str(text, form).ok());
    naive.map(|moment| moment.and_utc()).or_else(|| zoned().map(|moment| moment.with_timezone(&Utc)))
}

/// A fresh random identifier: of an invocation, or of a file that is being written.
#[expect(clippy::disallowed_methods, reason = "this is the one source of randomness")]
pub fn unique_id() -> Uuid {
    Uuid::new_v4()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_utc_unless_they_say_their_offset() {
        let read = |text: &str| parse_instant(text).map(|instant| instant.to_rfc3339());
        for text in ["2024-01-31", "2024-01-31 00:00:00", "2024-01-31T00:00", "2024-01-31T02:00:00+02:00"] {
            assert_eq!(read(text).as_deref(), Some("2024-01-31T00:00:00+00:00"), "{text}");
        }
        assert_eq!(read("2024-01-31T06:00:00.5Z").as_deref(), Some("2024-01-31T06:00:00.500+00:00"));
        assert_eq!(read("31.1.2024"), None);
    }
}
