//! Time zones: wall times to instants and back, and reading text that carries an offset from UTC.

use std::sync::Arc;

use chrono::{FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, exec_err, plan_err};

use super::Entry;
use super::moment::{Moment, Moments, date_or_timestamp, instant_of, timestamps, wall_time};
use super::scalar::{Call, Function, Planned, Remembered, literal_text, parse, strict, text};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    let local = |name, usage, kernel| Function::new(name, usage, local_types, |_| Ok(utc()), kernel);
    let instants = |name, usage, kernel| Function::new(name, usage, value_types, |_| Ok(utc()), kernel);
    vec![
        Entry::scalar(
            local("local_to_utc", "local_to_utc(value, zone)", |call| local_to_utc(call, false)),
            "local_to_utc(value, zone)",
            "The instant, in UTC, at which the clocks of a zone such as `America/Los_Angeles` show a wall time, which \
             is a timestamp or its text. Of two such instants it is the earlier one; a wall time that the clocks skip \
             moves forward by the length of the gap. A value with an offset or a zone of its own is that instant. \
             Text that is no timestamp is an error.",
            "select local_to_utc('2024-03-10 02:30:00', 'America/Los_Angeles')",
            "2024-03-10T10:30:00Z",
        ),
        Entry::scalar(
            local("try_local_to_utc", "try_local_to_utc(value, zone)", |call| local_to_utc(call, true)),
            "try_local_to_utc(value, zone)",
            "Like `local_to_utc`, but null for a text that is no timestamp.",
            "select try_local_to_utc('soon', 'America/Los_Angeles')",
            "NULL",
        ),
        Entry::scalar(
            instants("parse_utc", "parse_utc(value)", |call| parse_utc(call, false)),
            "parse_utc(value)",
            "The instant, in UTC, of a text that carries its offset: `Z`, `+01:00`, `+0100` or `+01`. A text without \
             an offset is an error, because it would have to be guessed. A timestamp without a zone counts as UTC.",
            "select parse_utc('2024-02-29T13:14:15.5+01:00')",
            "2024-02-29T12:14:15.500Z",
        ),
        Entry::scalar(
            instants("try_parse_utc", "try_parse_utc(value)", |call| parse_utc(call, true)),
            "try_parse_utc(value)",
            "Like `parse_utc`, but null for a text that is no timestamp or has no offset.",
            "select try_parse_utc('2024-02-29 13:14:15')",
            "NULL",
        ),
        Entry::scalar(
            Function::new("is_utc_text", "is_utc_text(value)", value_types, |_| Ok(DataType::Boolean), is_utc_text),
            "is_utc_text(value)",
            "Whether a text is a timestamp with an explicit offset of zero: `Z`, `+00:00`, `-00:00`, `+0000` or `+00`. \
             For a timestamp it is whether its type has the zone UTC.",
            "select is_utc_text('2024-02-29 13:14:15Z')",
            "true",
        ),
        Entry::scalar(
            Function::new("utc_to_local", "utc_to_local(value, zone)", wall_types, |_| Ok(naive()), utc_to_local),
            "utc_to_local(value, zone)",
            "What the clocks of a zone show at an instant, as a timestamp without a zone. A value without a zone \
             counts as UTC.",
            "select utc_to_local(parse_utc('2024-07-01 00:30:00Z'), 'America/Los_Angeles')",
            "2024-06-30T17:30:00",
        ),
        Entry::scalar(
            Function::new(
                "convert_timezone",
                "convert_timezone([from,] to, value)",
                convert_types,
                converted_type,
                convert_timezone,
            ),
            "convert_timezone([from,] to, value)",
            "With three arguments, the wall time in one zone of a wall time in another one, both without a zone. With \
             two arguments, the same instant with another zone, which has to be a literal.",
            "select convert_timezone('America/Los_Angeles', 'America/New_York', timestamp '2024-01-01 14:00:00')",
            "2024-01-01T17:00:00",
        ),
        Entry::scalar(
            Function::new("timezone", "timezone(zone, value)", zone_types, zone_type, timezone),
            "timezone(zone, value)",
            "What `value at time zone zone` means: of a timestamp without a zone the instant, in UTC, at which the \
             clocks of the zone show it; of an instant the wall time in the zone (Postgres, DuckDB).",
            "select timezone('America/New_York', timezone('UTC', timestamp '2024-01-01 20:00:00'))",
            "2024-01-01T15:00:00",
        ),
    ]
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

fn naive() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// Text stays text, because the text may carry an offset that a cast would apply or lose.
fn text_or_timestamp(data_type: &DataType) -> Option<DataType> {
    if data_type.is_null() {
        return Some(naive());
    }
    text(data_type).or_else(|| date_or_timestamp(data_type))
}

fn value_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value] = types else { return None };
    Some(vec![text_or_timestamp(value)?])
}

fn local_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value, zone] = types else { return None };
    Some(vec![text_or_timestamp(value)?, text(zone)?])
}

fn wall_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value, zone] = types else { return None };
    Some(vec![date_or_timestamp(value)?, text(zone)?])
}

fn zone_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [zone, value] = types else { return None };
    let value = if text(value).is_some() { naive() } else { date_or_timestamp(value)? };
    Some(vec![text(zone)?, value])
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of the functions that say a type")]
fn zone_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(match planned.data_type(1) {
        DataType::Timestamp(_, Some(_)) => naive(),
        _ => utc(),
    })
}

fn convert_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [to, value] => Some(vec![literal_text(to)?, date_or_timestamp(value)?]),
        // The wall time of the first zone must not have a zone of its own.
        [_, _, DataType::Timestamp(_, Some(_))] => None,
        [from, to, value] => Some(vec![text(from)?, text(to)?, date_or_timestamp(value)?]),
        _ => None,
    }
}

fn converted_type(planned: &Planned<'_>) -> Result<DataType> {
    if planned.types.len() == 3 {
        return Ok(naive());
    }
    let zone = planned.text(0, "zone of a call with two arguments")?;
    if zone.parse::<Tz>().is_ok() {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from(zone))))
    } else {
        plan_err!("{}: '{zone}' is not a time zone", planned.name)
    }
}

fn zone_of(name: &str, zone: &str) -> Result<Tz> {
    parse(name, "time zone", zone)
}

/// A timestamp that was read from text, and its offset if the text has one.
#[derive(Debug, PartialEq)]
struct Parsed {
    wall: NaiveDateTime,
    offset: Option<FixedOffset>,
}

/// Reads `YYYY-MM-DD`, then optionally `T` or a space and `HH:MM[:SS[.f]]`, then optionally an offset.
///
/// Digits of the second after the ninth are ignored, since no type of the engine can hold them.
fn parse_text(text: &str) -> Option<Parsed> {
    let text = text.trim();
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let date = parse_date(date)?;
    let Some(time) = rest.strip_prefix(['T', 't', ' ']) else {
        let midnight = date.and_time(NaiveTime::MIN);
        return rest.is_empty().then_some(Parsed { wall: midnight, offset: None });
    };
    let end = time.find(|character: char| !matches!(character, '0'..='9' | ':' | '.')).unwrap_or(time.len());
    let (time, offset) = (time.get(..end)?, time.get(end..)?);
    let offset = match offset.strip_prefix(' ').unwrap_or(offset) {
        "" if offset.is_empty() => None,
        offset => Some(parse_offset(offset)?),
    };
    Some(Parsed { wall: date.and_time(parse_time(time)?), offset })
}

/// The number that is written with exactly this many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    NaiveDate::from_ymd_opt(i32::try_from(digits(year, 4)?).ok()?, digits(month, 2)?, digits(day, 2)?)
}

fn parse_time(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut numbers = whole.split(':');
    let hour = digits(numbers.next()?, 2)?;
    let minute = digits(numbers.next()?, 2)?;
    let second = numbers.next();
    if numbers.next().is_some() || second.is_none() && fraction.is_some() {
        return None;
    }
    let nanos = match fraction {
        None => 0,
        Some("") => return None,
        Some(fraction) if !fraction.bytes().all(|byte| byte.is_ascii_digit()) => return None,
        Some(fraction) => format!("{:0<9}", fraction.get(..9).unwrap_or(fraction)).parse().ok()?,
    };
    let second = second.map_or(Some(0), |second| digits(second, 2))?;
    NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)
}

fn parse_offset(text: &str) -> Option<FixedOffset> {
    if matches!(text, "Z" | "z") {
        return FixedOffset::east_opt(0);
    }
    let (sign, rest) = (text.get(..1)?, text.get(1..)?);
    let (hours, minutes) = match rest.len() {
        2 => (digits(rest, 2)?, 0),
        4 => (digits(rest.get(..2)?, 2)?, digits(rest.get(2..)?, 2)?),
        5 => {
            let (hours, minutes) = rest.split_once(':')?;
            (digits(hours, 2)?, digits(minutes, 2)?)
        }
        _ => return None,
    };
    if minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
    match sign {
        "+" => FixedOffset::east_opt(seconds),
        "-" => FixedOffset::west_opt(seconds),
        _ => None,
    }
}

/// The instant of a wall time with an offset.
fn fixed_instant(wall: NaiveDateTime, offset: FixedOffset) -> Option<Moment> {
    wall.checked_sub_offset(offset).map(Moment::new)
}

/// The first argument, either as text or as moments.
enum Values {
    Text(StringViewArray),
    Moments(Moments),
}

impl Values {
    fn read(call: &Call<'_>, array: &ArrayRef) -> Result<Self> {
        match array.as_string_view_opt() {
            Some(text) => Ok(Self::Text(text.clone())),
            None => Ok(Self::Moments(Moments::read(call.name, array)?)),
        }
    }
}

/// An error which names the text, or null if the function is one that tries.
fn unreadable(call: &Call<'_>, text: &str, why: &str, tries: bool) -> Result<Option<Moment>> {
    if tries {
        return Ok(None);
    }
    exec_err!("{}: '{text}' {why}", call.name)
}

fn local_to_utc(call: &Call<'_>, tries: bool) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let values = Values::read(call, &array)?;
    let zones = call.text(1)?;
    let mut remembered = Remembered::new();
    let instants = strict(call.rows, &[&array, &zones], |row| {
        let zone = *remembered.get(zones.value(row), |zone| zone_of(call.name, zone))?;
        let wall = match &values {
            Values::Moments(moments) if moments.zone().is_some() => return Ok(Some(moments.instant(row))),
            Values::Moments(moments) => moments.instant(row).naive()?,
            Values::Text(texts) => {
                let text = texts.value(row);
                match parse_text(text) {
                    Some(Parsed { wall, offset: None }) => wall,
                    Some(Parsed { wall, offset: Some(offset) }) => return Ok(fixed_instant(wall, offset)),
                    None => return unreadable(call, text, "is not a timestamp such as 2024-02-29 13:14:15", tries),
                }
            }
        };
        Ok(Some(Moment::new(instant_of(zone, wall)?)))
    });
    timestamps(instants.map(|instant| Ok(instant?.flatten())), TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

fn parse_utc(call: &Call<'_>, tries: bool) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let values = Values::read(call, &array)?;
    let instants = strict(call.rows, &[&array], |row| match &values {
        Values::Moments(moments) => Ok(Some(moments.instant(row))),
        Values::Text(texts) => {
            let text = texts.value(row);
            match parse_text(text) {
                Some(Parsed { wall, offset: Some(offset) }) => Ok(fixed_instant(wall, offset)),
                Some(_) => unreadable(call, text, "has no offset from UTC, such as Z or +01:00", tries),
                None => unreadable(call, text, "is not a timestamp such as 2024-02-29T13:14:15Z", tries),
            }
        }
    });
    timestamps(instants.map(|instant| Ok(instant?.flatten())), TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

fn is_utc_text(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let answers: Vec<Option<bool>> = match Values::read(call, &array)? {
        Values::Text(texts) => texts.iter().map(|text| text.map(has_zero_offset)).collect(),
        Values::Moments(_) => {
            let utc = matches!(array.data_type(), DataType::Timestamp(_, Some(zone)) if is_utc_zone(zone));
            (0..call.rows).map(|row| array.is_valid(row).then_some(utc)).collect()
        }
    };
    Ok(Arc::new(BooleanArray::from(answers)))
}

fn has_zero_offset(text: &str) -> bool {
    parse_text(text).and_then(|parsed| parsed.offset).is_some_and(|offset| offset.local_minus_utc() == 0)
}

fn is_utc_zone(zone: &str) -> bool {
    matches!(zone, "UTC" | "Etc/UTC" | "Z" | "+00:00" | "-00:00" | "+0000" | "+00")
}

fn utc_to_local(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let values = Moments::read(call.name, &array)?;
    let zones = call.text(1)?;
    let mut remembered = Remembered::new();
    let walls = strict(call.rows, &[&array, &zones], |row| {
        let zone = *remembered.get(zones.value(row), |zone| zone_of(call.name, zone))?;
        Ok(Moment::new(wall_time(zone, values.instant(row).naive()?)?))
    });
    timestamps(walls, TimeUnit::Microsecond, None)
}

fn timezone(call: &Call<'_>) -> Result<ArrayRef> {
    let (zones, array) = (call.text(0)?, call.array(1)?);
    let values = Moments::read(call.name, &array)?;
    let is_instant = values.zone().is_some();
    let mut remembered = Remembered::new();
    let moments = strict(call.rows, &[&zones, &array], |row| {
        let zone = *remembered.get(zones.value(row), |zone| zone_of(call.name, zone))?;
        let moment = values.instant(row).naive()?;
        Ok(Moment::new(if is_instant { wall_time(zone, moment)? } else { instant_of(zone, moment)? }))
    });
    timestamps(moments, TimeUnit::Microsecond, (!is_instant).then(|| Arc::from("UTC")))
}

fn convert_timezone(call: &Call<'_>) -> Result<ArrayRef> {
    if call.len() == 2 {
        let array = call.array(1)?;
        let values = Moments::read(call.name, &array)?;
        let zone = match call.output {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        return timestamps(strict(call.rows, &[&array], |row| Ok(values.instant(row))), TimeUnit::Microsecond, zone);
    }
    let (from, to) = (call.text(0)?, call.text(1)?);
    let array = call.array(2)?;
    let values = Moments::read(call.name, &array)?;
    let (mut source, mut target) = (Remembered::new(), Remembered::new());
    let walls = strict(call.rows, &[&from, &to, &array], |row| {
        let source = *source.get(from.value(row), |zone| zone_of(call.name, zone))?;
        let target = *target.get(to.value(row), |zone| zone_of(call.name, zone))?;
        let instant = instant_of(source, values.instant(row).naive()?)?;
        Ok(Moment::new(wall_time(target, instant)?))
    });
    timestamps(walls, TimeUnit::Microsecond, None)
}
