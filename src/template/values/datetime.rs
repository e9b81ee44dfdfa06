//! Python's `datetime`: instants with and without zone, dates, durations.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::sync::Arc;

use chrono::{
    DateTime, Datelike, Duration, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone,
    Timelike, Utc,
};
use minijinja::Value;
use minijinja::value::{DynObject, Object, ObjectRepr};

use crate::template::evaluate::arguments::{Arguments, text_argument};
use crate::template::evaluate::operators::Number;
use crate::template::failure::{Eval, fail};
use crate::template::syntax::Operator;
use crate::template::values;

/// A zone of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// UTC.
    Utc,
    /// A named zone.
    Named(chrono_tz::Tz),
    /// A fixed offset.
    Fixed(FixedOffset),
}

/// Python's `datetime.datetime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What a clock on the wall shows.
    pub local: NaiveDateTime,
    /// The zone, if known.
    pub zone: Option<Zone>,
}

/// Python's `datetime.date`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub NaiveDate);

/// Python's `datetime.time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(pub NaiveTime);

/// Python's `datetime.timedelta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A zone as a value (`modules.pytz.utc`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneValue(pub Zone);

impl Zone {
    /// The zone of a name.
    pub fn parse(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Self::Utc);
        }
        name.parse().ok().map(Self::Named)
    }

    fn name(self) -> String {
        match self {
            Self::Utc => "UTC".to_owned(),
            Self::Named(zone) => zone.name().to_owned(),
            Self::Fixed(offset) => format!("UTC{offset}"),
        }
    }

    fn offset_at(self, local: NaiveDateTime) -> FixedOffset {
        let utc = Utc.fix();
        match self {
            Self::Utc => utc,
            Self::Fixed(offset) => offset,
            Self::Named(zone) => match zone.offset_from_local_datetime(&local) {
                LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset.fix(),
                LocalResult::None => zone.offset_from_utc_datetime(&local).fix(),
            },
        }
    }

    /// The local time of an instant.
    pub fn local(self, instant: DateTime<Utc>) -> Moment {
        let local = match self {
            Self::Utc => instant.naive_utc(),
            Self::Fixed(offset) => instant.with_timezone(&offset).naive_local(),
            Self::Named(zone) => instant.with_timezone(&zone).naive_local(),
        };
        Moment { local, zone: Some(self) }
    }
}

impl Moment {
    /// An instant in UTC.
    pub fn utc(instant: DateTime<Utc>) -> Self {
        Self { local: instant.naive_utc(), zone: Some(Zone::Utc) }
    }

    /// As a value of the template.
    pub fn value(self) -> Value {
        Value::from_object(self)
    }

    fn offset(self) -> Option<FixedOffset> {
        self.zone.map(|zone| zone.offset_at(self.local))
    }

    /// The instant; without a zone UTC is assumed.
    fn instant(self) -> DateTime<Utc> {
        let offset = self.offset().unwrap_or_else(|| Utc.fix());
        DateTime::from_naive_utc_and_offset(self.local - offset, Utc)
    }

    fn iso(self, separator: char) -> String {
        let mut text = format!("{}{separator}{}", self.local.date(), self.local.format("%H:%M:%S"));
        let micros = self.local.nanosecond() / 1_000;
        if micros > 0 {
            let _ = write!(text, ".{micros:06}");
        }
        if let Some(offset) = self.offset() {
            let _ = write!(text, "{offset}");
        }
        text
    }

    fn format(self, pattern: &str) -> Eval<String> {
        let offset = self.offset();
        let zone = self.zone.map(|zone| match zone {
            Zone::Named(named) => named.from_utc_datetime(&self.instant().naive_utc()).format("%Z").to_string(),
            other => other.name(),
        });
        let mut prepared = String::new();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                prepared.push(character);
                continue;
            }
            match characters.next() {
                Some('f') => prepared.push_str("%6f"),
                Some('Z') => prepared.push_str(zone.as_deref().unwrap_or("")),
                Some('z' | ':') if offset.is_none() => {}
                Some(other) => {
                    prepared.push('%');
                    prepared.push(other);
                }
                None => prepared.push_str("%%"),
            }
        }
        let moment = DateTime::<FixedOffset>::from_naive_utc_and_offset(
            self.instant().naive_utc(),
            offset.unwrap_or_else(|| Utc.fix()),
        );
        let mut text = String::new();
        // The formatter reports a pattern that it does not know as an error of writing.
        if write!(text, "{}", moment.format(&prepared)).is_err() {
            return fail(format!("cannot understand the date format `{pattern}`"));
        }
        Ok(text)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.iso(' '))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds, micros) = self.parts();
        if days != 0 {
            write!(formatter, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(formatter, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if micros > 0 { write!(formatter, ".{micros:06}") } else { Ok(()) }
    }
}

impl Span {
    /// Whole days (negative ones rounded down), then seconds and microseconds of the rest, as Python keeps them.
    fn parts(self) -> (i64, i64, i64) {
        let micros = self.0.num_microseconds().unwrap_or(i64::MAX);
        let day = 86_400_000_000;
        let rest = micros.rem_euclid(day);
        (micros.div_euclid(day), rest / 1_000_000, rest % 1_000_000)
    }

    #[expect(clippy::cast_precision_loss, reason = "Python's total_seconds() is a float, too")]
    fn total_seconds(self) -> f64 {
        self.0.num_microseconds().unwrap_or(i64::MAX) as f64 / 1e6
    }
}

macro_rules! plain_object {
    ($type:ty, $compare:expr, $get:expr) => {
        impl Object for $type {
            fn repr(self: &Arc<Self>) -> ObjectRepr {
                ObjectRepr::Plain
            }

            fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
                let get: fn(&Self, &str) -> Option<Value> = $get;
                get(self, key.as_str()?)
            }

            fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
                let compare: fn(&Self, &Self) -> Ordering = $compare;
                other.downcast_ref::<Self>().map(|other| compare(self, other))
            }

            fn is_true(self: &Arc<Self>) -> bool {
                true
            }

            fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{self}")
            }
        }
    };
}

fn date_part(date: NaiveDate, name: &str) -> Option<Value> {
    Some(match name {
        "year" => Value::from(date.year()),
        "month" => Value::from(date.month()),
        "day" => Value::from(date.day()),
        _ => return None,
    })
}

fn time_part(time: NaiveTime, name: &str) -> Option<Value> {
    Some(match name {
        "hour" => Value::from(time.hour()),
        "minute" => Value::from(time.minute()),
        "second" => Value::from(time.second()),
        "microsecond" => Value::from(time.nanosecond() / 1_000),
        _ => return None,
    })
}

plain_object!(Moment, |left, right| left.instant().cmp(&right.instant()), |moment, name| {
    if name == "tzinfo" {
        return Some(moment.zone.map_or_else(|| Value::from(()), |zone| Value::from_object(ZoneValue(zone))));
    }
    date_part(moment.local.date(), name).or_else(|| time_part(moment.local.time(), name))
});
plain_object!(Date, |left, right| left.0.cmp(&right.0), |date, name| date_part(date.0, name));
plain_object!(TimeOfDay, |left, right| left.0.cmp(&right.0), |time, name| time_part(time.0, name));
plain_object!(Span, |left, right| left.0.cmp(&right.0), |span, name| {
    let (days, seconds, micros) = span.parts();
    match name {
        "days" => Some(Value::from(days)),
        "seconds" => Some(Value::from(seconds)),
        "microseconds" => Some(Value::from(micros)),
        _ => None,
    }
});
plain_object!(ZoneValue, |left, right| left.0.name().cmp(&right.0.name()), |zone, name| {
    (name == "zone").then(|| Value::from(zone.0.name()))
});

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.format("%H:%M:%S"))?;
        let micros = self.0.nanosecond() / 1_000;
        if micros > 0 { write!(formatter, ".{micros:06}") } else { Ok(()) }
    }
}

impl fmt::Display for ZoneValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.name())
    }
}

/// `-duration`.
pub fn negate(value: &Value) -> Option<Value> {
    value.downcast_object_ref::<Span>().map(|span| Value::from_object(Span(-span.0)))
}

/// Arithmetic in which a time takes part; `None` if none does.
pub fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Option<Eval> {
    let too_far = || fail("the time is out of range");
    let span = |value: &Value| value.downcast_object_ref::<Span>().copied();
    let moment = |value: &Value| value.downcast_object_ref::<Moment>().copied();
    let date = |value: &Value| value.downcast_object_ref::<Date>().copied();
    let shift = |from: Moment, by: Duration| match from.local.checked_add_signed(by) {
        Some(local) => Ok(Moment { local, zone: from.zone }.value()),
        None => too_far(),
    };
    let shift_date = |from: Date, by: Duration| match from.0.checked_add_signed(Duration::days(Span(by).parts().0)) {
        Some(shifted) => Ok(Value::from_object(Date(shifted))),
        None => too_far(),
    };
    let duration = |duration: Duration| Ok(Value::from_object(Span(duration)));
    match operator {
        Operator::Add | Operator::Subtract => {
            let sign = if operator == Operator::Add { 1 } else { -1 };
            if let (Some(left), Some(right)) = (span(left), span(right)) {
                return Some(duration(left.0 + right.0 * sign));
            }
            if let Some(by) = span(right) {
                return moment(left)
                    .map(|from| shift(from, by.0 * sign))
                    .or_else(|| date(left).map(|from| shift_date(from, by.0 * sign)));
            }
            if let (Some(by), Operator::Add) = (span(left), operator) {
                return moment(right)
                    .map(|from| shift(from, by.0))
                    .or_else(|| date(right).map(|from| shift_date(from, by.0)));
            }
            if operator == Operator::Add {
                return None;
            }
            if let (Some(left), Some(right)) = (moment(left), moment(right)) {
                if left.zone.is_some() != right.zone.is_some() {
                    return Some(fail("cannot subtract a time with a zone and one without"));
                }
                return Some(duration(left.instant() - right.instant()));
            }
            let (left, right) = (date(left)?, date(right)?);
            Some(duration(left.0 - right.0))
        }
        Operator::Multiply => {
            let (span, factor) =
                span(left).map(|span| (span, right)).or_else(|| span(right).map(|span| (span, left)))?;
            let factor = Number::of(factor)?.to_f64();
            Some(seconds(span.total_seconds() * factor).map(|by| Value::from_object(Span(by))))
        }
        Operator::Divide => match (span(left)?, span(right), Number::of(right)) {
            (dividend, Some(divisor), _) if !divisor.0.is_zero() => {
                Some(Ok(Value::from(dividend.total_seconds() / divisor.total_seconds())))
            }
            (dividend, None, Some(divisor)) if divisor.to_f64() != 0.0 => {
                Some(seconds(dividend.total_seconds() / divisor.to_f64()).map(|by| Value::from_object(Span(by))))
            }
            _ => Some(fail("division by zero")),
        },
        _ => None,
    }
}

/// A duration of so many seconds.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and microseconds are what Python keeps")]
fn seconds(seconds: f64) -> Eval<Duration> {
    if seconds.is_nan() || seconds.abs() > 8.64e13 {
        return fail("the time is out of range");
    }
    Ok(Duration::microseconds((seconds * 1e6).round() as i64))
}

/// Calls a method of a time; `None` if the value is none or has no such method.
pub fn call_method(value: &Value, name: &str, arguments: &Arguments) -> Eval<Option<Value>> {
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        return moment_method(*moment, name, arguments.clone());
    }
    if let Some(date) = value.downcast_object_ref::<Date>() {
        let moment = Moment { local: date.0.and_time(NaiveTime::MIN), zone: None };
        return Ok(match name {
            "isoformat" => Some(Value::from(date.to_string())),
            "replace" => match moment_method(moment, name, arguments.clone())? {
                Some(replaced) => {
                    let replaced = replaced.downcast_object_ref::<Moment>().copied();
                    replaced.map(|moment| Value::from_object(Date(moment.local.date())))
                }
                None => None,
            },
            "strftime" | "weekday" | "isoweekday" | "timetuple" => moment_method(moment, name, arguments.clone())?,
            _ => None,
        });
    }
    if let Some(span) = value.downcast_object_ref::<Span>() {
        return Ok((name == "total_seconds").then(|| Value::from(span.total_seconds())));
    }
    if let Some(time) = value.downcast_object_ref::<TimeOfDay>() {
        return Ok((name == "isoformat").then(|| Value::from(time.to_string())));
    }
    if let Some(zone) = value.downcast_object_ref::<ZoneValue>()
        && name == "localize"
    {
        let [moment] = arguments.clone().bind("localize", ["dt"], 1)?;
        let moment = moment.and_then(|moment| moment.downcast_object_ref::<Moment>().copied());
        let Some(moment) = moment else { return fail("`localize` needs a datetime") };
        return Ok(Some(Moment { local: moment.local, zone: Some(zone.0) }.value()));
    }
    Ok(None)
}

fn moment_method(moment: Moment, name: &str, arguments: Arguments) -> Eval<Option<Value>> {
    Ok(Some(match name {
        "strftime" => {
            let [format] = arguments.bind(name, ["format"], 1)?;
            let format = text_argument(name, "format", &format.unwrap_or_default())?;
            Value::from(moment.format(&format)?)
        }
        "isoformat" => {
            let [separator] = arguments.bind(name, ["sep"], 0)?;
            let separator = separator.and_then(|separator| separator.as_str().and_then(|text| text.chars().next()));
            Value::from(moment.iso(separator.unwrap_or('T')))
        }
        "date" => Value::from_object(Date(moment.local.date())),
        "time" => Value::from_object(TimeOfDay(moment.local.time())),
        "weekday" => Value::from(moment.local.weekday().num_days_from_monday()),
        "isoweekday" => Value::from(moment.local.weekday().number_from_monday()),
        "timestamp" => {
            let micros = moment.instant().timestamp_micros();
            Value::from(Span(Duration::microseconds(micros)).total_seconds())
        }
        "utcoffset" => match moment.offset() {
            Some(offset) => Value::from_object(Span(Duration::seconds(i64::from(offset.local_minus_utc())))),
            None => Value::from(()),
        },
        "astimezone" => {
            let [zone] = arguments.bind(name, ["tz"], 0)?;
            let zone = match zone {
                Some(zone) => zone_argument(name, &zone)?.unwrap_or(Zone::Utc),
                None => Zone::Utc,
            };
            zone.local(moment.instant()).value()
        }
        "replace" => replace(moment, arguments)?.value(),
        _ => return Ok(None),
    }))
}

fn replace(moment: Moment, arguments: Arguments) -> Eval<Moment> {
    let names = ["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"];
    let [year, month, day, hour, minute, second, micros, zone] = arguments.bind("replace", names, 0)?;
    let local = moment.local;
    let number = |given: Option<Value>, current: u32| match given {
        Some(value) => value.as_i64().and_then(|number| u32::try_from(number).ok()),
        None => Some(current),
    };
    let year =
        year.map_or(Some(i64::from(local.year())), |year| year.as_i64()).and_then(|year| i32::try_from(year).ok());
    let replaced = || {
        let date = NaiveDate::from_ymd_opt(year?, number(month, local.month())?, number(day, local.day())?)?;
        let (hour, minute) = (number(hour, local.hour())?, number(minute, local.minute())?);
        let (second, micros) = (number(second, local.second())?, number(micros, local.nanosecond() / 1_000)?);
        date.and_hms_micro_opt(hour, minute, second, micros)
    };
    let Some(local) = replaced() else { return fail("`replace` makes a time that does not exist") };
    let zone = match zone {
        Some(zone) => zone_argument("replace", &zone)?,
        None => moment.zone,
    };
    Ok(Moment { local, zone })
}

/// The zone of an argument; `None` is `None`.
fn zone_argument(function: &str, value: &Value) -> Eval<Option<Zone>> {
    if value.is_none() {
        return Ok(None);
    }
    match value.downcast_object_ref::<ZoneValue>() {
        Some(zone) => Ok(Some(zone.0)),
        None => fail(format!("`{function}` needs a zone such as `modules.pytz.utc`, not {}", values::a_type(value))),
    }
}

/// `datetime.datetime(year, month, day, …)`.
pub fn make_moment(arguments: Arguments) -> Eval {
    let epoch = Moment { local: NaiveDateTime::default(), zone: None };
    let names = ["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"];
    let bound = arguments.bind("datetime", names, 3)?;
    let named = names.iter().zip(bound).filter_map(|(name, value)| Some(((*name).into(), value?)));
    Ok(replace(epoch, Arguments { positional: Vec::new(), keyword: named.collect() })?.value())
}

/// `datetime.date(year, month, day)`.
pub fn make_date(arguments: Arguments) -> Eval {
    let [year, month, day] = arguments.bind("date", ["year", "month", "day"], 3)?;
    let part = |value: Option<Value>| value.and_then(|value| value.as_i64());
    let date = || {
        let year = i32::try_from(part(year)?).ok()?;
        NaiveDate::from_ymd_opt(year, u32::try_from(part(month)?).ok()?, u32::try_from(part(day)?).ok()?)
    };
    match date() {
        Some(date) => Ok(Value::from_object(Date(date))),
        None => fail("`date` needs a day that exists"),
    }
}

/// `datetime.time(hour, minute, second, microsecond)`.
pub fn make_time(arguments: Arguments) -> Eval {
    let bound = arguments.bind("time", ["hour", "minute", "second", "microsecond"], 0)?;
    let mut parts = [0_u32; 4];
    for (slot, value) in parts.iter_mut().zip(bound) {
        let given = value.map_or(Some(0), |value| value.as_i64().and_then(|number| u32::try_from(number).ok()));
        *slot = given.unwrap_or(u32::MAX);
    }
    let [hour, minute, second, micros] = parts;
    match NaiveTime::from_hms_micro_opt(hour, minute, second, micros) {
        Some(time) => Ok(Value::from_object(TimeOfDay(time))),
        None => fail("`time` needs a time that exists"),
    }
}

/// `datetime.timedelta(days=…, hours=…)`.
pub fn make_span(arguments: Arguments) -> Eval {
    let names = ["days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"];
    let lengths = [86_400.0, 1.0, 1e-6, 1e-3, 60.0, 3_600.0, 604_800.0];
    let bound = arguments.bind("timedelta", names, 0)?;
    let mut total = 0.0;
    for ((name, length), value) in names.iter().zip(lengths).zip(bound) {
        let Some(value) = value else { continue };
        match Number::of(&value) {
            Some(number) => total += number.to_f64() * length,
            None => return fail(format!("`timedelta` needs a number as its argument `{name}`")),
        }
    }
    Ok(Value::from_object(Span(seconds(total)?)))
}

/// `datetime.datetime.strptime(text, format)`.
pub fn parse(text: &str, format: &str) -> Eval {
    let pattern = format.replace(".%f", "%.f");
    if let Ok(moment) = DateTime::parse_from_str(text, &pattern) {
        let zone = if moment.offset().local_minus_utc() == 0 { Zone::Utc } else { Zone::Fixed(*moment.offset()) };
        return Ok(Moment { local: moment.naive_local(), zone: Some(zone) }.value());
    }
    let local = NaiveDateTime::parse_from_str(text, &pattern)
        .or_else(|_| NaiveDate::parse_from_str(text, &pattern).map(|date| date.and_time(NaiveTime::MIN)))
        .or_else(|_| {
            // A month or a year alone means its first day.
            NaiveDate::parse_from_str(&format!("{text} 01"), &format!("{pattern} %d"))
                .or_else(|_| NaiveDate::parse_from_str(&format!("{text} 01 01"), &format!("{pattern} %m %d")))
                .map(|date| date.and_time(NaiveTime::MIN))
        });
    match local {
        Ok(local) => Ok(Moment { local, zone: None }.value()),
        Err(_) => fail(format!("`{text}` does not match the date format `{format}`")),
    }
}

/// `datetime.datetime.fromisoformat(text)`.
pub fn parse_iso(text: &str) -> Eval {
    if let Ok(moment) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        let zone = if moment.offset().local_minus_utc() == 0 { Zone::Utc } else { Zone::Fixed(*moment.offset()) };
        return Ok(Moment { local: moment.naive_local(), zone: Some(zone) }.value());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(text, format) {
            return Ok(Moment { local, zone: None }.value());
        }
    }
    match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(date) => Ok(Moment { local: date.and_time(NaiveTime::MIN), zone: None }.value()),
        Err(_) => fail(format!("`{text}` is not an ISO 8601 time")),
    }
}
