//! Points in time as days and nanoseconds, between the arrays of the engine and the calendar: reading any date or
//! timestamp, converting to and from the wall time of a zone, and building timestamps of any unit.

use std::sync::Arc;

use chrono::{Datelike, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err};

pub(super) const NANOS_PER_SECOND: i64 = 1_000_000_000;
pub(super) const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;

/// The days from the first day of the common era to the first of January 1970.
const EPOCH: i64 = 719_163;

/// A point on a time line without zones: days since 1970, and nanoseconds since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) day: i64,
    pub(super) nano: i64,
}

impl Moment {
    /// The moment of a date and time of the calendar.
    pub(super) fn new(value: NaiveDateTime) -> Self {
        let time = value.time();
        let nano = i64::from(time.num_seconds_from_midnight()) * NANOS_PER_SECOND + i64::from(time.nanosecond());
        Self { day: day_of(value.date()), nano }
    }

    /// The date in the calendar.
    pub(super) fn date(self) -> Result<NaiveDate> {
        self.day
            .checked_add(EPOCH)
            .and_then(|day| i32::try_from(day).ok())
            .and_then(NaiveDate::from_num_days_from_ce_opt)
            .ok_or_else(|| exec_datafusion_err!("day {} since 1970 is outside of the calendar", self.day))
    }

    /// The date and time in the calendar.
    pub(super) fn naive(self) -> Result<NaiveDateTime> {
        let seconds = u32::try_from(self.nano / NANOS_PER_SECOND).unwrap_or_default();
        let nanos = u32::try_from(self.nano % NANOS_PER_SECOND).unwrap_or_default();
        if let Some(time) = NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos) {
            Ok(self.date()?.and_time(time))
        } else {
            internal_err!("{} nanoseconds are more than a day", self.nano)
        }
    }

    /// The moment `nanos` later, or nothing if that is out of range.
    pub(super) fn plus(self, days: i64, nanos: i64) -> Option<Self> {
        let total = self.nano.checked_add(nanos)?;
        let day = self.day.checked_add(days)?.checked_add(total.div_euclid(NANOS_PER_DAY))?;
        Some(Self { day, nano: total.rem_euclid(NANOS_PER_DAY) })
    }

    /// The count of `unit` since 1970, or an error if the type of the engine cannot hold it. Finer digits are cut off.
    pub(super) fn count(self, unit: TimeUnit) -> Result<i64> {
        let nanos = nanos_per(unit);
        self.day
            .checked_mul(NANOS_PER_DAY / nanos)
            .and_then(|days| days.checked_add(self.nano / nanos))
            .ok_or_else(|| exec_datafusion_err!("{self:?} does not fit a timestamp in {unit:?}s"))
    }
}

/// The days since 1970 of a date.
pub(super) fn day_of(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - EPOCH
}

/// How many nanoseconds a unit of timestamps has.
pub(super) fn nanos_per(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => NANOS_PER_SECOND,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// An array of dates or timestamps, read as moments.
pub(super) struct Moments {
    values: ScalarBuffer<i64>,
    nulls: Option<NullBuffer>,
    nanos_per_value: i64,
    zone: Option<Tz>,
}

impl Moments {
    /// Reads an array of dates or timestamps.
    pub(super) fn read(name: &str, array: &ArrayRef) -> Result<Self> {
        let (nanos_per_value, zone) = match array.data_type() {
            DataType::Date32 => (NANOS_PER_DAY, None),
            DataType::Timestamp(unit, zone) => (nanos_per(*unit), zone.as_deref().map(str::parse::<Tz>).transpose()?),
            other => return exec_err!("{name} takes dates and timestamps, not {other}"),
        };
        let narrow =
            if array.data_type() == &DataType::Date32 { cast(array, &DataType::Int32)? } else { Arc::clone(array) };
        let integers = cast(&narrow, &DataType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>();
        Ok(Self { values: integers.values().clone(), nulls: integers.nulls().cloned(), nanos_per_value, zone })
    }

    /// Whether the row has no value.
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The zone of the type, if it has one.
    pub(super) fn zone(&self) -> Option<Tz> {
        self.zone
    }

    /// The moment as it is stored: for a type with a zone, the instant in UTC.
    pub(super) fn instant(&self, row: usize) -> Moment {
        let value = self.values.get(row).copied().unwrap_or_default();
        let per_day = NANOS_PER_DAY / self.nanos_per_value;
        Moment { day: value.div_euclid(per_day), nano: value.rem_euclid(per_day) * self.nanos_per_value }
    }

    /// The moment on the clocks of the type's zone.
    pub(super) fn wall(&self, row: usize) -> Result<Moment> {
        let instant = self.instant(row);
        match self.zone {
            Some(zone) => Ok(Moment::new(wall_time(zone, instant.naive()?)?)),
            None => Ok(instant),
        }
    }
}

/// What the clocks of a zone show at an instant, which is given in UTC.
pub(super) fn wall_time(zone: Tz, instant: NaiveDateTime) -> Result<NaiveDateTime> {
    let offset = zone.offset_from_utc_datetime(&instant).fix();
    instant.checked_add_offset(offset).ok_or_else(|| exec_datafusion_err!("{instant} is outside of the calendar"))
}

/// The instant in UTC at which the clocks of a zone show a wall time.
///
/// Of two such instants it is the earlier one. A wall time that the clocks skip counts by the offset from before the
/// gap, so that the result is later by the length of the gap.
pub(super) fn instant_of(zone: Tz, wall: NaiveDateTime) -> Result<NaiveDateTime> {
    let offset = match zone.offset_from_local_datetime(&wall) {
        LocalResult::Single(offset) => offset.fix(),
        LocalResult::Ambiguous(one, other) => {
            // The larger offset belongs to the earlier instant.
            if one.fix().local_minus_utc() >= other.fix().local_minus_utc() { one.fix() } else { other.fix() }
        }
        LocalResult::None => {
            // The longest gap is that of an island which skipped a whole day to change sides of the date line.
            let before = (1..=26 * 4).find_map(|quarters| {
                let earlier = wall.checked_sub_signed(TimeDelta::minutes(15 * quarters))?;
                zone.offset_from_local_datetime(&earlier).latest()
            });
            match before {
                Some(offset) => offset.fix(),
                None => return exec_err!("{wall} does not exist in the time zone"),
            }
        }
    };
    wall.checked_sub_offset(offset).ok_or_else(|| exec_datafusion_err!("{wall} is outside of the calendar"))
}

/// Builds an array of timestamps.
pub(super) fn timestamps(
    moments: impl Iterator<Item = Result<Option<Moment>>>,
    unit: TimeUnit,
    zone: Option<Arc<str>>,
) -> Result<ArrayRef> {
    let counts: Vec<Option<i64>> =
        moments.map(|moment| moment?.map(|moment| moment.count(unit)).transpose()).collect::<Result<_>>()?;
    Ok(match unit {
        TimeUnit::Second => Arc::new(TimestampSecondArray::from(counts).with_timezone_opt(zone)),
        TimeUnit::Millisecond => Arc::new(TimestampMillisecondArray::from(counts).with_timezone_opt(zone)),
        TimeUnit::Microsecond => Arc::new(TimestampMicrosecondArray::from(counts).with_timezone_opt(zone)),
        TimeUnit::Nanosecond => Arc::new(TimestampNanosecondArray::from(counts).with_timezone_opt(zone)),
    })
}

/// Builds an array of dates from days since 1970.
pub(super) fn dates(days: impl Iterator<Item = Result<Option<i64>>>) -> Result<ArrayRef> {
    let days: Vec<Option<i32>> = days
        .map(|day| match day? {
            Some(day) => {
                if let Ok(day) = i32::try_from(day) {
                    Ok(Some(day))
                } else {
                    exec_err!("day {day} since 1970 does not fit a date")
                }
            }
            None => Ok(None),
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(Date32Array::from(days)))
}

/// The type in which kernels read an argument that is a date, a timestamp or the text of one.
pub(super) fn date_or_timestamp(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Date32 | DataType::Date64 => Some(DataType::Date32),
        DataType::Timestamp(..) => Some(data_type.clone()),
        other if super::scalar::is_text(other) => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        _ => None,
    }
}
