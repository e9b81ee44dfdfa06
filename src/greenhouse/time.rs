//! Times: instants in seconds since 1970, wall times of the shop's zone, and how both are written.

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeZone as _, Timelike as _};
use chrono_tz::Tz;

use crate::numbers::index;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// The changes of a zone's offset within a range.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Since when an offset is in force, and the offset in seconds east of Greenwich.
    offsets: Vec<(i64, i32)>,
}

impl Zone {
    /// The offsets of a zone between two instants.
    pub fn new(zone: Tz, first: i64, last: i64) -> Self {
        let offset = |instant: i64| {
            let utc = DateTime::from_timestamp(instant, 0).unwrap_or_default().naive_utc();
            zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()
        };
        let mut offsets = vec![(i64::MIN, offset(first))];
        let mut day = first;
        while day < last {
            let next = (day + DAY).min(last);
            let (former, later) = (offset(day), offset(next));
            if former != later {
                // The first second with the new offset lies after `low` and not after `high`.
                let (mut low, mut high) = (day, next);
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    if offset(middle) == former {
                        low = middle;
                    } else {
                        high = middle;
                    }
                }
                offsets.push((high, later));
            }
            day = next;
        }
        Self { offsets }
    }

    /// The offset at an instant, in seconds east of Greenwich.
    pub fn offset(&self, instant: i64) -> i64 {
        let place = self.offsets.partition_point(|(since, _)| *since <= instant);
        i64::from(self.offsets[place.saturating_sub(1)].1)
    }

    /// The wall time of an instant, as seconds since 1970 on the wall's clock.
    pub fn wall(&self, instant: i64) -> i64 {
        instant + self.offset(instant)
    }

    /// The instant of a wall time; the earlier one if the time occurs twice.
    pub fn instant(&self, wall: i64) -> i64 {
        let early = wall - self.offset(wall - DAY);
        if self.wall(early) == wall { early } else { wall - self.offset(wall + DAY) }
    }

    /// Whether the wall's clock has shown the time of an instant before: an hour that occurs twice. A wall time of
    /// such an hour means the earlier instant.
    pub fn is_repeated(&self, instant: i64) -> bool {
        self.turns().any(|(turn, change)| change < 0 && (turn..turn - change).contains(&instant))
    }

    /// The instants at which the clock is changed, and by how many seconds it is put forward.
    pub fn turns(&self) -> impl Iterator<Item = (i64, i64)> {
        self.offsets.windows(2).map(|pair| (pair[1].0, i64::from(pair[1].1) - i64::from(pair[0].1)))
    }

    /// An instant, with the zone's offset at it.
    pub fn local(&self, instant: i64) -> Written {
        Written { wall: self.wall(instant), offset: Some(self.offset(instant)) }
    }
}

/// A time as text: `2024-01-31 10:00:00`, with an offset such as `-08:00` where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// Seconds since 1970 on the wall's clock.
    pub wall: i64,
    /// Seconds east of Greenwich.
    pub offset: Option<i64>,
}

impl fmt::Display for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 25];
        formatter.write_str(self.put(&mut text))
    }
}

impl Written {
    /// An instant in UTC.
    pub fn utc(instant: i64) -> Self {
        Self { wall: instant, offset: Some(0) }
    }

    /// Writes the text into a buffer. Formatting by the standard library would be the slowest part of a first load.
    pub fn put<'a>(&self, text: &'a mut [u8; 25]) -> &'a str {
        let time = DateTime::from_timestamp(self.wall, 0).unwrap_or_default().naive_utc();
        text.copy_from_slice(b"0000-00-00 00:00:00+00:00");
        put_digits(&mut text[0..4], time.year().unsigned_abs());
        put_digits(&mut text[5..7], time.month());
        put_digits(&mut text[8..10], time.day());
        put_digits(&mut text[11..13], time.hour());
        put_digits(&mut text[14..16], time.minute());
        put_digits(&mut text[17..19], time.second());
        let mut length = 19;
        if let Some(offset) = self.offset {
            let minutes = u32::try_from(offset.unsigned_abs() / 60).unwrap_or(0);
            text[19] = if offset < 0 { b'-' } else { b'+' };
            put_digits(&mut text[20..22], minutes / 60);
            put_digits(&mut text[23..25], minutes % 60);
            length = 25;
        }
        std::str::from_utf8(&text[..length]).unwrap_or_default()
    }
}

fn put_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// The days from 1970-01-01 to a date.
pub fn days(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp().div_euclid(DAY)
}

/// The date so many days after 1970-01-01.
pub fn date(days: i64) -> NaiveDate {
    DateTime::from_timestamp(days.saturating_mul(DAY), 0).unwrap_or_default().date_naive()
}

/// The last days of all months from one date to another, as days since 1970.
pub fn month_ends(first: NaiveDate, last: NaiveDate) -> Vec<i64> {
    let mut ends = Vec::new();
    let (mut year, mut month) = (first.year(), first.month0());
    while (year, month) <= (last.year(), last.month0()) && ends.len() < index(12 * 10_000) {
        (year, month) = if month == 11 { (year + 1, 0) } else { (year, month + 1) };
        ends.extend(NaiveDate::from_ymd_opt(year, month + 1, 1).map(|next| days(next) - 1));
    }
    ends
}

/// Reads an instant: `2024-01-31T06:00:00Z`, with any offset, or a date, which means its midnight in UTC.
pub fn parse_instant(text: &str) -> Result<i64, String> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.timestamp());
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(days(date) * DAY);
    }
    Err(format!("`{text}` is not an instant; expected a form such as 2024-01-31T06:00:00Z or 2024-01-31"))
}

/// Reads a time without an offset as seconds on the wall's clock.
pub fn parse_wall(text: &str) -> Option<i64> {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()?;
    Some(time.and_utc().timestamp())
}

/// Instants in JSON: as text, such as `2024-01-31T06:00:00Z`.
pub mod instant_text {
    use chrono::{DateTime, SecondsFormat};
    use serde::{Deserialize as _, Deserializer, Serializer};

    /// The text of an instant.
    pub fn text(instant: i64) -> String {
        DateTime::from_timestamp(instant, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// Writes an instant.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub fn serialize<S: Serializer>(instant: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*instant))
    }

    /// Reads an instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_instant(&text).map_err(serde::de::Error::custom)
    }
}
