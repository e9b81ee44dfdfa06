//! Periods of the calendar: the beginning of the one in which a moment lies, and complete ones between two moments.

use std::sync::Arc;

use chrono::NaiveDate;
use datafusion::arrow::array::{ArrayRef, Int64Array, IntervalMonthDayNanoArray};
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::Entry;
use super::dates::{Part, add_months};
use super::moment::{Moment, Moments, NANOS_PER_DAY, date_or_timestamp, day_of, instant_of, timestamps};
use super::scalar::{Call, Function, Remembered, strict, text};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new(
                "date_trunc",
                "date_trunc(part, value)",
                truncated_types,
                |planned| Ok(planned.data_type(1)),
                truncate,
            )
            .aliases(&["datetrunc"]),
            "date_trunc(part, value)",
            "The beginning of the `millennium`, `century`, `decade`, `year`, `quarter`, `month`, `week` (on Monday), \
             `day`, `hour`, `minute`, `second`, `millisecond` or `microsecond` in which a date or timestamp lies, as a \
             timestamp; with a time zone by its clocks.",
            "select date_trunc('month', date '9999-12-31')",
            "9999-12-01T00:00:00",
        ),
        Entry::scalar(
            Function::new("datesub", "datesub(part, start, end)", between_types, |_| Ok(DataType::Int64), complete),
            "datesub(part, start, end)",
            "How many complete date parts lie between start and end, where `datediff` counts boundaries; also \
             `date_sub` with three arguments (DuckDB).",
            "select datesub('month', date '2024-01-31', date '2024-03-30')",
            "1",
        ),
        Entry::scalar(
            Function::new(
                "age",
                "age(end, start)",
                |types| {
                    let [end, start] = types else { return None };
                    Some(vec![date_or_timestamp(end)?, date_or_timestamp(start)?])
                },
                |_| Ok(DataType::Interval(IntervalUnit::MonthDayNano)),
                age,
            ),
            "age(end, start)",
            "The complete months from start to end, the days that are left and the time; `age(start)` is that to today \
             (Postgres, DuckDB).",
            "select date '2024-01-20' + age(date '2024-03-15', date '2024-01-20')",
            "2024-03-15",
        ),
    ]
}

fn truncated_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [part, value] = types else { return None };
    let value = match date_or_timestamp(value)? {
        DataType::Timestamp(_, zone) => zone,
        _ => None,
    };
    Some(vec![text(part)?, DataType::Timestamp(TimeUnit::Microsecond, value)])
}

fn truncate(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = call.text(0)?;
    let array = call.array(1)?;
    let values = Moments::read(call.name, &array)?;
    let mut remembered = Remembered::new();
    let truncated = strict(call.rows, &[&parts, &array], |row| {
        let part = *remembered.get(parts.value(row), |part| part_of(call.name, part))?;
        if let Part::Nanos(nanos) = part
            && nanos < NANOS_PER_DAY / 24
        {
            let instant = values.instant(row);
            return Ok(Moment { nano: instant.nano - instant.nano % nanos, ..instant });
        }
        let wall = values.wall(row)?;
        let begin = begin(part, wall)?;
        match values.zone() {
            Some(zone) => Ok(Moment::new(instant_of(zone, begin.naive()?)?)),
            None => Ok(begin),
        }
    });
    match call.output {
        DataType::Timestamp(unit, zone) => timestamps(truncated, *unit, zone.clone()),
        other => exec_err!("{}: the result is {other}", call.name),
    }
}

/// A date part, also one that is longer than what [`Part`] can be added by.
fn part_of(name: &str, part: &str) -> Result<Part> {
    Ok(match part.trim().to_ascii_lowercase().as_str() {
        "century" | "centuries" => Part::Years(100),
        "millennium" | "millennia" | "millenium" => Part::Years(1000),
        "isoweek" => Part::Days(7),
        other => Part::parse(name, other)?,
    })
}

/// The beginning of the period in which a moment lies.
fn begin(part: Part, moment: Moment) -> Result<Moment> {
    let months = match part {
        Part::Nanos(nanos) => return Ok(Moment { nano: moment.nano - moment.nano % nanos, ..moment }),
        Part::Days(7) => return Ok(Moment { day: moment.day - (moment.day + 3).rem_euclid(7), nano: 0 }),
        Part::Days(days) => return Ok(Moment { day: moment.day - moment.day.rem_euclid(days), nano: 0 }),
        Part::Months(months) => part.number(moment)? * months,
        Part::Years(years) => part.number(moment)? * years * 12,
    };
    let date = i32::try_from(months.div_euclid(12))
        .ok()
        .zip(u32::try_from(months.rem_euclid(12)).ok())
        .and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month + 1, 1))
        .ok_or_else(|| exec_datafusion_err!("{moment:?} is outside of the calendar"))?;
    Ok(Moment { day: day_of(date), nano: 0 })
}

fn between_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [part, start, end] = types else { return None };
    Some(vec![text(part)?, date_or_timestamp(start)?, date_or_timestamp(end)?])
}

fn complete(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = call.text(0)?;
    let (start, end) = (call.array(1)?, call.array(2)?);
    let (starts, ends) = (Moments::read(call.name, &start)?, Moments::read(call.name, &end)?);
    let mut remembered = Remembered::new();
    let counts: Int64Array = strict(call.rows, &[&parts, &start, &end], |row| {
        let part = *remembered.get(parts.value(row), |part| part_of(call.name, part))?;
        let (start, end) = match part {
            Part::Nanos(_) => (starts.instant(row), ends.instant(row)),
            _ => (starts.wall(row)?, ends.wall(row)?),
        };
        let (from, to, sign) = if start <= end { (start, end, 1) } else { (end, start, -1) };
        let count = match part {
            Part::Years(years) => whole_months(from, to)? / (years * 12),
            Part::Months(months) => whole_months(from, to)? / months,
            Part::Days(days) => (to.day - from.day - i64::from(to.nano < from.nano)) / days,
            Part::Nanos(nanos) => {
                let count = i128::from(to.day - from.day) * i128::from(NANOS_PER_DAY) + i128::from(to.nano - from.nano);
                i64::try_from(count / i128::from(nanos))
                    .map_err(|_| exec_datafusion_err!("{}: the difference is too large", call.name))?
            }
        };
        Ok(sign * count)
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(counts))
}

/// How many months can be added to a moment without passing a later one.
fn whole_months(from: Moment, to: Moment) -> Result<i64> {
    let months = Part::Months(1).number(to)? - Part::Months(1).number(from)?;
    Ok(if add_months(from, months).is_none_or(|moved| moved > to) { months - 1 } else { months })
}

fn age(call: &Call<'_>) -> Result<ArrayRef> {
    let (end, start) = (call.array(0)?, call.array(1)?);
    let (ends, starts) = (Moments::read(call.name, &end)?, Moments::read(call.name, &start)?);
    let ages: IntervalMonthDayNanoArray = strict(call.rows, &[&end, &start], |row| {
        let (start, end) = (starts.wall(row)?, ends.wall(row)?);
        let (from, to, sign) = if start <= end { (start, end, 1) } else { (end, start, -1) };
        let months = whole_months(from, to)?;
        let moved = add_months(from, months).unwrap_or(from);
        let has_borrowed = to.nano < moved.nano;
        let days = to.day - moved.day - i64::from(has_borrowed);
        let nanos = to.nano - moved.nano + if has_borrowed { NANOS_PER_DAY } else { 0 };
        match (i32::try_from(sign * months), i32::try_from(sign * days)) {
            (Ok(months), Ok(days)) => Ok(IntervalMonthDayNano::new(months, days, sign * nanos)),
            _ => exec_err!("{}: the interval is too large", call.name),
        }
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(ages))
}
