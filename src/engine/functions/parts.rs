//! Parts of dates and timestamps, their formatting, making them from parts, and the current time.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::{DatePart, date_part};
use datafusion::arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, internal_err};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, lit};

use super::Entry;
use super::moment::{Moment, Moments, NANOS_PER_SECOND, date_or_timestamp, timestamps, wall_time};
use super::scalar::{Call, Function, Remembered, is_text, strict, text};

/// A function that is a part of the native `date_part`, under its own name.
macro_rules! part {
    ($name:literal, $aliases:expr, $part:literal, $arrow:expr, $summary:literal, $argument:literal, $result:literal) => {
        Entry::scalar(
            Function::new(
                $name,
                concat!($name, "(value)"),
                part_types,
                |_| Ok(DataType::Int32),
                |call| Ok(date_part(&call.array(0)?, $arrow)?),
            )
            .aliases(&$aliases)
            .rewrite(|args, _| Ok(native_part($part, args))),
            concat!($name, "(value)"),
            $summary,
            concat!("select ", $name, "(", $argument, ")"),
            $result,
        )
    };
}

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        part!("year", [], "year", DatePart::Year, "The year.", "date '2024-02-29'", "2024"),
        part!("quarter", [], "quarter", DatePart::Quarter, "The quarter, from 1 to 4.", "date '2024-05-01'", "2"),
        part!("month", [], "month", DatePart::Month, "The month, from 1 to 12.", "date '2024-02-29'", "2"),
        part!(
            "week",
            ["weekofyear", "weekiso"],
            "week",
            DatePart::Week,
            "The week of the year as ISO 8601 counts it, from 1 to 53.",
            "date '2024-12-30'",
            "1"
        ),
        part!(
            "isoyear",
            ["yearofweekiso"],
            "isoyear",
            DatePart::YearISO,
            "The year to which the ISO 8601 week belongs.",
            "date '2024-12-30'",
            "2025"
        ),
        part!("day", ["dayofmonth"], "day", DatePart::Day, "The day of the month.", "date '2024-02-29'", "29"),
        part!(
            "dayofweek",
            [],
            "dow",
            DatePart::DayOfWeekSunday0,
            "The day of the week, from 0 for Sunday to 6 for Saturday.",
            "date '2024-02-25'",
            "0"
        ),
        part!(
            "dayofweekiso",
            ["isodow"],
            "isodow",
            DatePart::DayOfWeekMonday1,
            "The day of the week, from 1 for Monday to 7 for Sunday.",
            "date '2024-02-25'",
            "7"
        ),
        part!("dayofyear", [], "doy", DatePart::DayOfYear, "The day of the year.", "date '2024-12-31'", "366"),
        part!("hour", [], "hour", DatePart::Hour, "The hour.", "timestamp '2024-02-29 13:14:15'", "13"),
        part!("minute", [], "minute", DatePart::Minute, "The minute.", "timestamp '2024-02-29 13:14:15'", "14"),
        part!(
            "second",
            [],
            "second",
            DatePart::Second,
            "The whole seconds.",
            "timestamp '2024-02-29 13:14:15.9'",
            "15"
        ),
        Entry::scalar(
            Function::new("strftime", "strftime(value, format)", format_types, |_| Ok(DataType::Utf8), format_values),
            "strftime(value, format)",
            "The date or timestamp as text by a format of percent codes, in the wall time of its zone. `%f`, `%g` and \
             `%n` are the micro-, milli- and nanoseconds; `%c`, `%x` and `%X` give ISO 8601; `%Z` is the offset.",
            "select strftime(timestamp '2024-02-29 13:14:15', '%d.%m.%Y %H:%M')",
            "29.02.2024 13:14",
        ),
        Entry::scalar(
            Function::new(
                "make_timestamp",
                "make_timestamp(year, month, day, hour, minute, second)",
                made_types,
                |_| Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
                make,
            ),
            "make_timestamp(year, month, day, hour, minute, second)",
            "The timestamp of these parts, where the seconds may have a fraction. A part that is out of range is an \
             error.",
            "select make_timestamp(2024, 2, 29, 13, 14, 15.5)",
            "2024-02-29T13:14:15.500",
        ),
        Entry::scalar(
            Function::new("getdate", "getdate()", no_types, |_| Ok(utc_type()), not_planned)
                .stable()
                .rewrite(|_, info| current(info, |_, now| Ok(now), Some(Arc::from("UTC")))),
            "getdate()",
            "The time at which the query started, with the zone UTC. It is the same in the whole query.",
            "select date_trunc('second', getdate()) = date_trunc('second', now())",
            "true",
        ),
        Entry::scalar(
            Function::new("sysdate", "sysdate()", no_types, |_| Ok(naive_type()), not_planned)
                .stable()
                .rewrite(|_, info| current(info, |_, now| Ok(now), None)),
            "sysdate()",
            "The time in UTC at which the query started, as a timestamp without a zone.",
            "select sysdate() = localtimestamp()",
            "true",
        ),
        Entry::scalar(
            Function::new("localtimestamp", "localtimestamp()", no_types, |_| Ok(naive_type()), not_planned)
                .stable()
                .rewrite(|_, info| current(info, local, None)),
            "localtimestamp()",
            "The wall time, in the time zone of the session, at which the query started.",
            "select localtimestamp() = utc_to_local(getdate(), 'UTC')",
            "true",
        ),
    ]
}

fn part_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [value @ (DataType::Time32(_) | DataType::Time64(_) | DataType::Interval(_))] => Some(vec![value.clone()]),
        [value] => Some(vec![date_or_timestamp(value)?]),
        _ => None,
    }
}

fn native_part(part: &str, args: &[Expr]) -> Option<Expr> {
    let [value] = args else { return None };
    Some(datafusion::functions::datetime::expr_fn::date_part(lit(part), value.clone()))
}

pub(super) fn format_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value, format] = types else { return None };
    Some(vec![date_or_timestamp(value)?, text(format)?])
}

/// The parsed items of a format, after the codes that mean something else elsewhere were translated.
pub(super) fn parse_format(name: &str, format: &str) -> Result<Vec<Item<'static>>> {
    let mut translated = String::with_capacity(format.len() + 8);
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            translated.push(character);
            continue;
        }
        match characters.next() {
            Some('f') => translated.push_str("%6f"),
            Some('g') => translated.push_str("%3f"),
            Some('n') => translated.push_str("%9f"),
            Some('c') => translated.push_str("%Y-%m-%d %H:%M:%S"),
            Some('x') => translated.push_str("%Y-%m-%d"),
            Some('X') => translated.push_str("%H:%M:%S"),
            Some(other) => translated.extend(['%', other]),
            None => translated.push('%'),
        }
    }
    if let Ok(items) = StrftimeItems::new(&translated).parse_to_owned() {
        Ok(items)
    } else {
        exec_err!("{name}: '{format}' is not a valid format")
    }
}

fn format_values(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let values = Moments::read(call.name, &array)?;
    let formats = call.text(1)?;
    let zone = values.zone().map_or_else(|| "UTC".parse::<Tz>(), Ok)?;
    let mut remembered = Remembered::new();
    let texts: Vec<Option<String>> = strict(call.rows, &[&array, &formats], |row| {
        let format = formats.value(row);
        let items = remembered.get(format, |format| parse_format(call.name, format))?;
        let instant = values.instant(row).naive()?;
        let mut text = String::new();
        if let Ok(()) = write!(text, "{}", zone.from_utc_datetime(&instant).format_with_items(items.iter())) {
            Ok(text)
        } else {
            exec_err!("{}: '{format}' has a code that does not suit a timestamp", call.name)
        }
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(StringArray::from(texts)))
}

fn made_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [parts @ .., second] = types else { return None };
    let whole = parts.iter().all(|part| part.is_integer() || part.is_null());
    let numeric = second.is_numeric() || second.is_null();
    if parts.len() != 5 || !whole || !numeric || is_text(second) && !second.is_null() {
        return None;
    }
    Some([vec![DataType::Int64; 5], vec![DataType::Float64]].concat())
}

fn make(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = (0..5).map(|index| call.integers(index)).collect::<Result<Vec<_>>>()?;
    let seconds = call.array(5)?;
    let seconds = match seconds.as_primitive_opt::<Float64Type>() {
        Some(seconds) => seconds.clone(),
        None => return internal_err!("{}: the seconds are {}", call.name, seconds.data_type()),
    };
    let mut arrays: Vec<&dyn Array> = Vec::new();
    for part in &parts {
        arrays.push(part);
    }
    arrays.push(&seconds);
    let made = strict(call.rows, &arrays, |row| {
        let numbers: Vec<i64> = parts.iter().map(|part| part.value(row)).collect();
        let second = seconds.value(row);
        moment_of(&numbers, second).ok_or_else(|| {
            let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
            exec_datafusion_err!("{}: ({}, {second}) is not a date and time", call.name, numbers.join(", "))
        })
    });
    timestamps(made, TimeUnit::Microsecond, None)
}

/// The moment of year, month, day, hour, minute and second, if there is one.
fn moment_of(numbers: &[i64], second: f64) -> Option<Moment> {
    let [year, month, day, hour, minute] = numbers else { return None };
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(*year).ok()?, u32::try_from(*month).ok()?, u32::try_from(*day).ok()?)?;
    if !(0..24).contains(hour) || !(0..60).contains(minute) || !(0.0..60.0).contains(&second) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the seconds were just checked to be below 60")]
    let micros = (second * 1e6).round() as i64;
    let midnight = Moment::new(date.and_hms_opt(0, 0, 0)?);
    midnight.plus(0, (hour * 3_600 + minute * 60) * NANOS_PER_SECOND + micros * 1_000)
}

fn no_types(types: &[DataType]) -> Option<Vec<DataType>> {
    types.is_empty().then(Vec::new)
}

fn naive_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn utc_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

fn not_planned(call: &Call<'_>) -> Result<ArrayRef> {
    internal_err!("{} is known when a query is planned, and not in its rows", call.name)
}

/// The literal of the time at which the query started, after `convert` looked at it.
fn current(
    info: &SimplifyContext,
    convert: fn(&SimplifyContext, DateTime<Utc>) -> Result<DateTime<Utc>>,
    zone: Option<Arc<str>>,
) -> Result<Option<Expr>> {
    let Some(now) = info.query_execution_start_time() else { return Ok(None) };
    let micros = convert(info, now)?.timestamp_micros();
    Ok(Some(Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), zone), None)))
}

fn local(info: &SimplifyContext, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    match info.config_options().execution.time_zone.as_deref() {
        Some(zone) => Ok(wall_time(zone.parse()?, now.naive_utc())?.and_utc()),
        None => Ok(now),
    }
}
