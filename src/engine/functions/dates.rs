//! Arithmetic with dates and timestamps: differences, additions, the last day of a period.

use std::sync::Arc;

use chrono::{Datelike, Months, NaiveDate};
use datafusion::arrow::array::{Array, ArrayRef, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::numeric::add;
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;

use super::Entry;
use super::moment::{
    Moment, Moments, NANOS_PER_DAY, NANOS_PER_SECOND, date_or_timestamp, dates, day_of, instant_of, nanos_per,
    timestamps,
};
use super::scalar::{Call, Function, Planned, Remembered, integer, literal_text, strict, text};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new("datediff", "datediff(part, start, end)", diff_types, |_| Ok(DataType::Int64), diff)
                .aliases(&["date_diff"]),
            "datediff(part, start, end)",
            "How many boundaries of the date part lie between start and end: `year`, `quarter`, `month`, `week` (from \
             Monday), `day`, `hour`, `minute`, `second`, `millisecond`, `microsecond` or `nanosecond`. It counts \
             boundaries and not complete periods.",
            "select datediff('month', date '2024-01-31', date '2024-02-01')",
            "1",
        ),
        Entry::scalar(
            Function::new("dateadd", "dateadd(part, number, value)", add_types, added_type, add_parts)
                .aliases(&["timestampadd"]),
            "dateadd(part, number, value)",
            "The date or timestamp that is a number of date parts later. Months end at the last day of a shorter \
             month. A date stays a date unless the part is shorter than a day.",
            "select dateadd('month', 1, date '2024-01-31')",
            "2024-02-29",
        ),
        Entry::scalar(
            Function::new("date_add", "date_add(value, interval or days)", sum_types, sum_type, sum),
            "date_add(value, interval)",
            "The date or timestamp plus an interval or a number of days; also `date_add(part, number, value)`, which \
             is `dateadd`.",
            "select date_add(date '2024-01-31', interval '1 day')",
            "2024-02-01",
        ),
        Entry::scalar(
            Function::new("last_day", "last_day(value [, part])", last_day_types, |_| Ok(DataType::Date32), last_day),
            "last_day(value [, part])",
            "The last day of the month of a date or timestamp, or of its `year`, `quarter` or `week` (to Sunday).",
            "select last_day(date '2024-02-10')",
            "2024-02-29",
        ),
    ]
}

/// A unit of the calendar or the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Years(i64),
    Months(i64),
    Days(i64),
    Nanos(i64),
}

impl Part {
    /// Reads a date part by any of its usual names.
    pub(super) fn parse(name: &str, part: &str) -> Result<Self> {
        Ok(match part.trim().to_ascii_lowercase().as_str() {
            "decade" | "decades" => Self::Years(10),
            "year" | "years" | "y" | "yy" | "yyy" | "yyyy" | "yr" | "yrs" => Self::Years(1),
            "quarter" | "quarters" | "q" | "qtr" | "qtrs" => Self::Months(3),
            "month" | "months" | "mm" | "mon" | "mons" => Self::Months(1),
            "week" | "weeks" | "w" | "wk" | "wks" => Self::Days(7),
            "day" | "days" | "d" | "dd" => Self::Days(1),
            "hour" | "hours" | "h" | "hh" | "hr" | "hrs" => Self::Nanos(3_600 * NANOS_PER_SECOND),
            "minute" | "minutes" | "m" | "mi" | "min" | "mins" => Self::Nanos(60 * NANOS_PER_SECOND),
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Nanos(NANOS_PER_SECOND),
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Self::Nanos(1_000_000),
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Self::Nanos(1_000),
            "nanosecond" | "nanoseconds" | "ns" | "nsec" | "nsecs" | "nanosec" => Self::Nanos(1),
            _ => {
                return plan_err!(
                    "{name}: '{part}' is not a date part; use year, quarter, month, week, day, hour, minute, second, \
                     millisecond, microsecond or nanosecond"
                );
            }
        })
    }

    /// The finest unit of timestamps that a result needs which was moved by this part.
    fn unit(self) -> TimeUnit {
        match self {
            Self::Nanos(1) => TimeUnit::Nanosecond,
            Self::Nanos(1_000) => TimeUnit::Microsecond,
            Self::Nanos(1_000_000) => TimeUnit::Millisecond,
            _ => TimeUnit::Second,
        }
    }

    /// The number of the period in which a moment lies. For parts shorter than a day it counts from 1970.
    pub(super) fn number(self, moment: Moment) -> Result<i64> {
        Ok(match self {
            Self::Years(years) => i64::from(moment.date()?.year()).div_euclid(years),
            Self::Months(months) => {
                let date = moment.date()?;
                (i64::from(date.year()) * 12 + i64::from(date.month0())).div_euclid(months)
            }
            // The first of January 1970 was a Thursday, three days after a Monday.
            Self::Days(7) => (moment.day + 3).div_euclid(7),
            Self::Days(days) => moment.day.div_euclid(days),
            Self::Nanos(nanos) => moment
                .day
                .checked_mul(NANOS_PER_DAY / nanos)
                .and_then(|count| count.checked_add(moment.nano / nanos))
                .ok_or_else(|| exec_datafusion_err!("{moment:?} is too far from 1970 for this date part"))?,
        })
    }
}

fn diff_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [part, start, end] = types else { return None };
    Some(vec![text(part)?, date_or_timestamp(start)?, date_or_timestamp(end)?])
}

fn diff(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = call.text(0)?;
    let (start, end) = (call.array(1)?, call.array(2)?);
    let starts = Moments::read(call.name, &start)?;
    let ends = Moments::read(call.name, &end)?;
    let mut remembered = Remembered::new();
    let counts: Vec<Option<i64>> = strict(call.rows, &[&parts, &start, &end], |row| {
        let part = *remembered.get(parts.value(row), |part| Part::parse(call.name, part))?;
        // Days and longer periods are those of the wall clock; hours and shorter ones have passed for everybody.
        let (start, end) = match part {
            Part::Nanos(_) => (starts.instant(row), ends.instant(row)),
            _ => (starts.wall(row)?, ends.wall(row)?),
        };
        if let Some(count) = part.number(end)?.checked_sub(part.number(start)?) {
            Ok(count)
        } else {
            exec_err!("{}: the difference is too large", call.name)
        }
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(Int64Array::from(counts)))
}

fn add_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [part, number, value] = types else { return None };
    Some(vec![literal_text(part)?, integer(number)?, date_or_timestamp(value)?])
}

fn added_type(planned: &Planned<'_>) -> Result<DataType> {
    let part = Part::parse(planned.name, planned.text(0, "date part")?)?;
    Ok(match (planned.data_type(2), part) {
        (DataType::Timestamp(unit, zone), part) => DataType::Timestamp(finer(unit, part.unit()), zone),
        (date, Part::Years(_) | Part::Months(_) | Part::Days(_)) => date,
        (_, part) => DataType::Timestamp(finer(TimeUnit::Microsecond, part.unit()), None),
    })
}

/// The finer one of two units.
fn finer(one: TimeUnit, other: TimeUnit) -> TimeUnit {
    if nanos_per(one) <= nanos_per(other) { one } else { other }
}

fn add_parts(call: &Call<'_>) -> Result<ArrayRef> {
    let part = Part::parse(call.name, call.constant(0, "date part")?)?;
    let numbers = call.integers(1)?;
    let array = call.array(2)?;
    let values = Moments::read(call.name, &array)?;
    let added = strict(call.rows, &[&numbers, &array], |row| {
        add_part(part, numbers.value(row), &values, row)?.ok_or_else(|| {
            exec_datafusion_err!("{}: the result of adding {} is out of range", call.name, numbers.value(row))
        })
    });
    match call.output {
        DataType::Timestamp(unit, zone) => timestamps(added, *unit, zone.clone()),
        _ => dates(added.map(|moment| Ok(moment?.map(|moment| moment.day)))),
    }
}

/// The moment, as it is stored, that is `number` parts after that of a row; nothing if that is out of range.
fn add_part(part: Part, number: i64, values: &Moments, row: usize) -> Result<Option<Moment>> {
    if let Part::Nanos(nanos) = part {
        let per_day = NANOS_PER_DAY / nanos;
        return Ok(values.instant(row).plus(number / per_day, number % per_day * nanos));
    }
    let wall = values.wall(row)?;
    let moved = match part {
        Part::Years(years) => number.checked_mul(years * 12).and_then(|months| add_months(wall, months)),
        Part::Months(months) => number.checked_mul(months).and_then(|months| add_months(wall, months)),
        Part::Days(days) => number.checked_mul(days).and_then(|days| wall.plus(days, 0)),
        Part::Nanos(_) => None,
    };
    match (moved, values.zone()) {
        (Some(moved), Some(zone)) => Ok(Some(Moment::new(instant_of(zone, moved.naive()?)?))),
        (moved, _) => Ok(moved),
    }
}

pub(super) fn add_months(moment: Moment, months: i64) -> Option<Moment> {
    let date = moment.date().ok()?;
    let distance = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 { date.checked_sub_months(distance) } else { date.checked_add_months(distance) };
    Some(Moment { day: day_of(moved?), nano: moment.nano })
}

fn sum_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [value, DataType::Interval(unit)] => Some(vec![date_or_timestamp(value)?, DataType::Interval(*unit)]),
        [value, days] if days.is_integer() => Some(vec![date_or_timestamp(value)?, DataType::Int64]),
        other => add_types(other),
    }
}

fn sum_type(planned: &Planned<'_>) -> Result<DataType> {
    match planned.types.as_slice() {
        [value, interval @ DataType::Interval(_)] => {
            BinaryTypeCoercer::new(value, &Operator::Plus, interval).get_result_type()
        }
        [value, _] => Ok(value.clone()),
        _ => added_type(planned),
    }
}

fn sum(call: &Call<'_>) -> Result<ArrayRef> {
    if call.len() == 3 {
        return add_parts(call);
    }
    let (array, amount) = (call.array(0)?, call.array(1)?);
    if let DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) =
        amount.data_type()
    {
        let sum = add(&array, &amount)?;
        return Ok(cast(&sum, call.output)?);
    }
    let numbers = call.integers(1)?;
    let values = Moments::read(call.name, &array)?;
    let added = strict(call.rows, &[&numbers, &array], |row| {
        add_part(Part::Days(1), numbers.value(row), &values, row)?.ok_or_else(|| {
            exec_datafusion_err!("{}: the result of adding {} days is out of range", call.name, numbers.value(row))
        })
    });
    match call.output {
        DataType::Timestamp(unit, zone) => timestamps(added, *unit, zone.clone()),
        _ => dates(added.map(|moment| Ok(moment?.map(|moment| moment.day)))),
    }
}

fn last_day_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [value] => Some(vec![date_or_timestamp(value)?]),
        [value, part] => Some(vec![date_or_timestamp(value)?, text(part)?]),
        _ => None,
    }
}

fn last_day(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let values = Moments::read(call.name, &array)?;
    let parts = if call.len() > 1 { Some(call.text(1)?) } else { None };
    let mut remembered = Remembered::new();
    dates((0..call.rows).map(|row| {
        let part = match &parts {
            None => Part::Months(1),
            Some(parts) if parts.is_null(row) => return Ok(None),
            Some(parts) => *remembered.get(parts.value(row), |part| Part::parse(call.name, part))?,
        };
        if values.is_null(row) {
            return Ok(None);
        }
        let wall = values.wall(row)?;
        let months = match part {
            Part::Days(7) => return Ok(Some((wall.day + 3).div_euclid(7) * 7 + 3)),
            Part::Days(_) => return Ok(Some(wall.day)),
            Part::Months(months) => months,
            Part::Years(years) => years * 12,
            Part::Nanos(_) => return exec_err!("{}: the part must be a day or longer", call.name),
        };
        let next = (Part::Months(months).number(wall)? + 1) * months;
        let first_of_next = i32::try_from(next.div_euclid(12))
            .ok()
            .zip(u32::try_from(next.rem_euclid(12)).ok())
            .and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month + 1, 1));
        if let Some(date) = first_of_next {
            Ok(Some(day_of(date) - 1))
        } else {
            exec_err!("{}: the result is outside of the calendar", call.name)
        }
    }))
}
