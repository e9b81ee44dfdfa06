//! Dates and timestamps from texts, numbers and parts, numbers of seconds since 1970, names of days, and buckets of time.

use std::sync::Arc;

use chrono::format::{Item, Parsed, parse};
use chrono::{Datelike, NaiveDate, NaiveTime};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err};

use super::Entry;
use super::moment::{
    Moment, Moments, NANOS_PER_DAY, NANOS_PER_SECOND, date_or_timestamp, dates, day_of, nanos_per, timestamps,
};
use super::parts::{format_types, parse_format};
use super::scalar::{Call, Function, Planned, Remembered, integer, strict, text};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    let mut entries = vec![
        Entry::scalar(
            Function::new("strptime", "strptime(text, format)", read_types, |_| Ok(naive()), |call| read(call, false)),
            "strptime(text, format)",
            "The timestamp that a text is by a format of percent codes (DuckDB). What the format does not have is the \
             beginning: January, the first, midnight. An offset is subtracted. A text that does not fit is an error.",
            "select strptime('29.02.2024 13:14', '%d.%m.%Y %H:%M')",
            "2024-02-29T13:14:00",
        ),
        Entry::scalar(
            Function::new(
                "try_strptime",
                "try_strptime(text, format)",
                read_types,
                |_| Ok(naive()),
                |call| read(call, true),
            ),
            "try_strptime(text, format)",
            "Like `strptime`, but null for a text that does not fit (DuckDB).",
            "select try_strptime('30.02.2024', '%d.%m.%Y')",
            "NULL",
        ),
        Entry::scalar(
            Function::new(
                "to_timestamp_ntz",
                "to_timestamp_ntz(value)",
                moment_types,
                |_| Ok(naive()),
                |call| moments(call, false),
            ),
            "to_timestamp_ntz(value)",
            "A date, a timestamp or a text as a timestamp without a zone, one with a zone as the time in UTC, and a \
             number as seconds since 1970 (Snowflake).",
            "select to_timestamp_ntz(1.5)",
            "1970-01-01T00:00:01.500",
        ),
        Entry::scalar(
            Function::new(
                "try_to_timestamp",
                "try_to_timestamp(value)",
                moment_types,
                |_| Ok(naive()),
                |call| moments(call, true),
            )
            .aliases(&["try_to_timestamp_ntz"]),
            "try_to_timestamp(value)",
            "Like `to_timestamp_ntz`, but null for a text that is no timestamp (Snowflake).",
            "select try_to_timestamp('2024-02-30')",
            "NULL",
        ),
        Entry::scalar(
            Function::new("dayname", "dayname(value)", one_moment, |_| Ok(DataType::Utf8), |call| names(call, "%A")),
            "dayname(value)",
            "The English name of the day of the week in full, as in DuckDB; Snowflake gives three letters.",
            "select dayname(date '2024-02-29')",
            "Thursday",
        ),
        Entry::scalar(
            Function::new(
                "monthname",
                "monthname(value)",
                one_moment,
                |_| Ok(DataType::Utf8),
                |call| names(call, "%B"),
            ),
            "monthname(value)",
            "The English name of the month in full, as in DuckDB; Snowflake gives three letters.",
            "select monthname(date '2024-02-29')",
            "February",
        ),
        Entry::scalar(
            Function::new(
                "date_from_parts",
                "date_from_parts(year, month, day)",
                |types| integers(types, 3..=3),
                |_| Ok(DataType::Date32),
                date_from_parts,
            ),
            "date_from_parts(year, month, day)",
            "The date of these parts; months and days beyond the end or before the beginning count on (Snowflake). \
             `make_date` refuses them.",
            "select date_from_parts(2024, 14, 0)",
            "2025-01-31",
        ),
        Entry::scalar(
            Function::new(
                "timestamp_from_parts",
                "timestamp_from_parts(year, month, day, hour, minute, second [, nanosecond])",
                |types| integers(types, 6..=7),
                |_| Ok(naive()),
                timestamp_from_parts,
            ),
            "timestamp_from_parts(year, month, day, hour, minute, second [, nanosecond])",
            "The timestamp of these parts, of which those that are out of range count on (Snowflake). `make_timestamp` \
             refuses them.",
            "select timestamp_from_parts(2024, 2, 29, 25, 0, 0)",
            "2024-03-01T01:00:00",
        ),
        Entry::scalar(
            Function::new(
                "time_bucket",
                "time_bucket(width, value)",
                bucket_types,
                |planned| Ok(planned.data_type(1)),
                time_bucket,
            ),
            "time_bucket(width, value)",
            "The beginning of the interval of this width in which a date or timestamp lies. Widths of days and less \
             count from Monday, 2000-01-03, those of months from 2000-01-01 (DuckDB).",
            "select time_bucket(interval '15 minutes', timestamp '2024-02-29 13:14:15')",
            "2024-02-29T13:00:00",
        ),
    ];
    entries.extend(counts());
    entries
}

/// Numbers of seconds or parts of them since 1970, and back.
fn counts() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new("epoch_ms", "epoch_ms(value)", count_types, |planned| Ok(count_type(planned)), count)
                .aliases(&["unix_millis"]),
            "epoch_ms(value)",
            "The milliseconds since 1970, cut off; of an integer, the timestamp of so many (DuckDB).",
            "select epoch_ms(timestamp '1970-01-01 00:00:01.5')",
            "1500",
        ),
        Entry::scalar(
            Function::new("epoch_us", "epoch_us(value)", one_moment, |_| Ok(DataType::Int64), count)
                .aliases(&["unix_micros"]),
            "epoch_us(value)",
            "The microseconds since 1970 (DuckDB).",
            "select epoch_us(timestamp '1970-01-01 00:00:01.5')",
            "1500000",
        ),
        Entry::scalar(
            Function::new("unix_seconds", "unix_seconds(value)", one_moment, |_| Ok(DataType::Int64), count)
                .aliases(&["unix_timestamp"]),
            "unix_seconds(value)",
            "The whole seconds since 1970 (BigQuery).",
            "select unix_seconds(timestamp '1970-01-02')",
            "86400",
        ),
        Entry::scalar(
            Function::new("timestamp_seconds", "timestamp_seconds(number)", one_integer, |_| Ok(utc()), counted),
            "timestamp_seconds(number)",
            "The instant so many seconds after 1970, with the zone UTC (BigQuery).",
            "select timestamp_seconds(86400)",
            "1970-01-02T00:00:00Z",
        ),
        Entry::scalar(
            Function::new("timestamp_millis", "timestamp_millis(number)", one_integer, |_| Ok(utc()), counted),
            "timestamp_millis(number)",
            "The instant so many milliseconds after 1970, with the zone UTC (BigQuery).",
            "select timestamp_millis(1500)",
            "1970-01-01T00:00:01.500Z",
        ),
        Entry::scalar(
            Function::new("timestamp_micros", "timestamp_micros(number)", one_integer, |_| Ok(utc()), counted),
            "timestamp_micros(number)",
            "The instant so many microseconds after 1970, with the zone UTC (BigQuery).",
            "select timestamp_micros(1500000)",
            "1970-01-01T00:00:01.500Z",
        ),
    ]
}

fn naive() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

fn read_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value, _] = types else { return None };
    text(value)?;
    let types = format_types(types)?;
    Some(vec![DataType::Utf8View, types.last()?.clone()])
}

/// The moment that was parsed, where the beginning stands for what the format does not have.
fn moment_of(text: &str, items: &[Item<'_>]) -> Option<Moment> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    let date = parsed.to_naive_date().ok().or_else(|| {
        let mut filled = parsed.clone();
        if filled.year().is_none() && filled.year_mod_100().is_none() {
            filled.set_year(1900).ok()?;
        }
        if filled.month().is_none() {
            filled.set_month(1).ok()?;
        }
        if filled.day().is_none() {
            filled.set_day(1).ok()?;
        }
        filled.to_naive_date().ok()
    })?;
    let time = if parsed.hour_mod_12().is_none() {
        NaiveTime::MIN
    } else {
        if parsed.minute().is_none() {
            parsed.set_minute(0).ok()?;
        }
        if parsed.hour_div_12().is_none() {
            parsed.set_ampm(false).ok()?;
        }
        parsed.to_naive_time().ok()?
    };
    let offset = i64::from(parsed.offset().unwrap_or(0));
    Moment::new(date.and_time(time)).plus(0, -offset * NANOS_PER_SECOND)
}

fn read(call: &Call<'_>, safe: bool) -> Result<ArrayRef> {
    let (values, formats) = (call.text(0)?, call.text(1)?);
    let mut remembered = Remembered::new();
    let found = strict(call.rows, &[&values, &formats], |row| {
        let format = formats.value(row);
        let items = remembered.get(format, |format| parse_format(call.name, format))?;
        match moment_of(values.value(row), items) {
            None if !safe => {
                exec_err!("{}: '{}' does not fit the format '{format}'", call.name, values.value(row))
            }
            found => Ok(found),
        }
    });
    timestamps(found.map(|found| Ok(found?.flatten())), TimeUnit::Microsecond, None)
}

fn moment_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [value] if value.is_integer() => Some(vec![DataType::Int64]),
        [value] if value.is_numeric() => Some(vec![DataType::Float64]),
        [value] => Some(vec![if text(value).is_some() { DataType::Utf8 } else { date_or_timestamp(value)? }]),
        _ => None,
    }
}

fn moments(call: &Call<'_>, safe: bool) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let options = CastOptions { safe, ..CastOptions::default() };
    match array.data_type() {
        DataType::Int64 => {
            let seconds = array.as_primitive::<Int64Type>().clone();
            let moments = strict(call.rows, &[&array], |row| Ok(moment_after(seconds.value(row), TimeUnit::Second)));
            timestamps(moments, TimeUnit::Microsecond, None)
        }
        DataType::Float64 => {
            let seconds = array.as_primitive::<Float64Type>().clone();
            let moments = strict(call.rows, &[&array], |row| {
                let micros = (seconds.value(row) * 1e6).round();
                if micros.abs() >= 9e18 {
                    return exec_err!("{}: {} seconds do not fit a timestamp", call.name, seconds.value(row));
                }
                #[expect(clippy::cast_possible_truncation, reason = "the range was just checked")]
                let micros = micros as i64;
                Ok(moment_after(micros, TimeUnit::Microsecond))
            });
            timestamps(moments, TimeUnit::Microsecond, None)
        }
        DataType::Timestamp(_, Some(_)) => Ok(cast(&cast(&array, &utc())?, &naive())?),
        _ => Ok(cast_with_options(&array, &naive(), &options)?),
    }
}

/// The moment so many units after 1970.
fn moment_after(count: i64, unit: TimeUnit) -> Moment {
    let per_day = NANOS_PER_DAY / nanos_per(unit);
    Moment { day: count.div_euclid(per_day), nano: count.rem_euclid(per_day) * nanos_per(unit) }
}

fn one_moment(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value] = types else { return None };
    Some(vec![date_or_timestamp(value)?])
}

fn one_integer(types: &[DataType]) -> Option<Vec<DataType>> {
    integers(types, 1..=1)
}

fn count_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [value] if value.is_integer() => one_integer(types),
        _ => one_moment(types),
    }
}

fn count_type(planned: &Planned<'_>) -> DataType {
    if planned.data_type(0) == DataType::Int64 { naive() } else { DataType::Int64 }
}

/// The unit that the name of a function says.
fn unit_of(name: &str) -> TimeUnit {
    match name {
        "epoch_ms" | "timestamp_millis" => TimeUnit::Millisecond,
        "epoch_us" | "timestamp_micros" => TimeUnit::Microsecond,
        _ => TimeUnit::Second,
    }
}

fn count(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    if array.data_type() == &DataType::Int64 {
        return counted(call);
    }
    let values = Moments::read(call.name, &array)?;
    let unit = unit_of(call.name);
    let counts: Int64Array =
        strict(call.rows, &[&array], |row| values.instant(row).count(unit)).collect::<Result<_>>()?;
    Ok(Arc::new(counts))
}

fn counted(call: &Call<'_>) -> Result<ArrayRef> {
    let numbers = call.integers(0)?;
    let zone = match call.output {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let unit = unit_of(call.name);
    let moments = strict(call.rows, &[&numbers], |row| Ok(moment_after(numbers.value(row), unit)));
    timestamps(moments, TimeUnit::Microsecond, zone)
}

fn names(call: &Call<'_>, format: &str) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let values = Moments::read(call.name, &array)?;
    let names: StringArray =
        strict(call.rows, &[&array], |row| Ok(values.wall(row)?.date()?.format(format).to_string()))
            .collect::<Result<_>>()?;
    Ok(Arc::new(names))
}

fn integers(types: &[DataType], count: std::ops::RangeInclusive<usize>) -> Option<Vec<DataType>> {
    if count.contains(&types.len()) { types.iter().map(integer).collect() } else { None }
}

/// The day since 1970 of a year, a month and a day, which may be out of range.
fn day_from_parts(name: &str, year: i64, month: i64, day: i64) -> Result<i64> {
    let first = || {
        let months = year.checked_mul(12)?.checked_add(month.checked_sub(1)?)?;
        let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
        let first = NaiveDate::from_ymd_opt(i32::try_from(months.div_euclid(12)).ok()?, month, 1)?;
        day_of(first).checked_add(day.checked_sub(1)?)
    };
    first().ok_or_else(|| exec_datafusion_err!("{name}: ({year}, {month}, {day}) is outside of the calendar"))
}

fn date_from_parts(call: &Call<'_>) -> Result<ArrayRef> {
    let (years, months, days) = (call.integers(0)?, call.integers(1)?, call.integers(2)?);
    dates(strict(call.rows, &[&years, &months, &days], |row| {
        day_from_parts(call.name, years.value(row), months.value(row), days.value(row))
    }))
}

fn timestamp_from_parts(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = (0..call.len()).map(|index| call.integers(index)).collect::<Result<Vec<_>>>()?;
    let arrays: Vec<&dyn Array> = parts.iter().map(|part| part as &dyn Array).collect();
    let made = strict(call.rows, &arrays, |row| {
        let numbers: Vec<i64> = parts.iter().map(|part| part.value(row)).collect();
        let [year, month, day, hour, minute, second, rest @ ..] = numbers.as_slice() else {
            return internal_err!("{}: there are {} parts", call.name, numbers.len());
        };
        let day = day_from_parts(call.name, *year, *month, *day)?;
        let nanos = || {
            let seconds = hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(*second)?;
            let nanos = seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(rest.first().copied().unwrap_or(0))?;
            Moment { day, nano: 0 }.plus(0, nanos)
        };
        nanos().ok_or_else(|| exec_datafusion_err!("{}: the parts are too large", call.name))
    });
    timestamps(made, TimeUnit::Microsecond, None)
}

fn bucket_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [width, value] = types else { return None };
    let is_width = matches!(width, DataType::Interval(_)) || width.is_null();
    Some(vec![is_width.then_some(DataType::Interval(IntervalUnit::MonthDayNano))?, date_or_timestamp(value)?])
}

/// The days from 1970 to Monday, 2000-01-03.
const FIRST_MONDAY: i64 = 10_959;

fn time_bucket(call: &Call<'_>) -> Result<ArrayRef> {
    let (widths, array) = (call.array(0)?, call.array(1)?);
    let Some(widths) = widths.as_primitive_opt::<IntervalMonthDayNanoType>() else {
        return internal_err!("{}: the width is {}", call.name, widths.data_type());
    };
    let values = Moments::read(call.name, &array)?;
    let moments = strict(call.rows, &[widths, &array], |row| {
        let (width, value) = (widths.value(row), values.instant(row));
        let nanos = i128::from(width.days) * i128::from(NANOS_PER_DAY) + i128::from(width.nanoseconds);
        let begin = match (width.months, nanos) {
            (1.., 0) => month_bucket(i64::from(width.months), value.date()?),
            (0, 1..) => time_of(value, nanos),
            _ => return exec_err!("{}: the width must be positive, in months or in days and times", call.name),
        };
        begin.ok_or_else(|| exec_datafusion_err!("{}: the bucket is outside of the calendar", call.name))
    });
    match array.data_type() {
        DataType::Timestamp(unit, zone) => timestamps(moments, *unit, zone.clone()),
        _ => dates(moments.map(|moment| Ok(moment?.map(|moment| moment.day)))),
    }
}

fn month_bucket(width: i64, date: NaiveDate) -> Option<Moment> {
    let months = i64::from(date.year()) * 12 + i64::from(date.month0()) - 24_000;
    let begin = months.div_euclid(width) * width + 24_000;
    let month = u32::try_from(begin.rem_euclid(12)).ok()? + 1;
    let first = NaiveDate::from_ymd_opt(i32::try_from(begin.div_euclid(12)).ok()?, month, 1)?;
    Some(Moment { day: day_of(first), nano: 0 })
}

fn time_of(value: Moment, width: i128) -> Option<Moment> {
    let per_day = i128::from(NANOS_PER_DAY);
    let since = (i128::from(value.day) - i128::from(FIRST_MONDAY)) * per_day + i128::from(value.nano);
    let begin = since.div_euclid(width) * width;
    let day = i64::try_from(begin.div_euclid(per_day)).ok()? + FIRST_MONDAY;
    Some(Moment { day, nano: i64::try_from(begin.rem_euclid(per_day)).ok()? })
}
