//! `modules.datetime`, `modules.re` and `modules.pytz`; `modules.itertools` is in a file of its own.

use chrono::{DateTime, Utc};
use minijinja::Value;

use crate::template::evaluate::arguments::{Arguments, text_argument};
use crate::template::evaluate::{Interpreter, NativeFunction};
use crate::template::failure::{Eval, Failure, fail};
use crate::template::functions::{itertools, native};
use crate::template::syntax::Span;
use crate::template::values::datetime::{self, Date, Moment, Zone, ZoneValue};
use crate::template::values::{patterns, text};

/// A module within a module.
pub(super) fn submodule(path: &str, name: &str) -> Option<&'static str> {
    Some(match (path, name) {
        ("modules", "datetime") => "modules.datetime",
        ("modules", "itertools") => "modules.itertools",
        ("modules.itertools", "chain") => "modules.itertools.chain",
        ("modules", "re") => "modules.re",
        ("modules", "pytz") => "modules.pytz",
        ("modules.datetime", "datetime") => "modules.datetime.datetime",
        ("modules.datetime", "date") => "modules.datetime.date",
        ("modules.datetime", "time") => "modules.datetime.time",
        ("modules.datetime", "timedelta") => "modules.datetime.timedelta",
        ("modules.datetime", "timezone") => "modules.datetime.timezone",
        _ => return None,
    })
}

/// What a module makes when it is called like a Python class.
pub(super) fn constructor(path: &str) -> Option<NativeFunction> {
    Some(match path {
        "modules.datetime.datetime" => |_, arguments, _| datetime::make_moment(arguments),
        "modules.datetime.date" => |_, arguments, _| datetime::make_date(arguments),
        "modules.datetime.time" => |_, arguments, _| datetime::make_time(arguments),
        "modules.datetime.timedelta" => |_, arguments, _| datetime::make_span(arguments),
        "modules.itertools.chain" => itertools::chain,
        _ => return None,
    })
}

/// A function or constant of a module.
pub(super) fn attribute(path: &str, name: &str) -> Option<Value> {
    Some(match (path, name) {
        ("modules.datetime.datetime", "now") => native("datetime.now", now),
        ("modules.datetime.datetime", "utcnow") => native("datetime.utcnow", utc_now),
        ("modules.datetime.datetime", "today") => native("datetime.today", utc_now),
        ("modules.datetime.datetime", "strptime") => native("datetime.strptime", parse),
        ("modules.datetime.datetime", "strftime") => native("datetime.strftime", format),
        ("modules.datetime.datetime", "fromisoformat") => native("datetime.fromisoformat", parse_iso),
        ("modules.datetime.datetime", "fromtimestamp" | "utcfromtimestamp") => {
            native("datetime.fromtimestamp", from_timestamp)
        }
        ("modules.datetime.datetime", "combine") => native("datetime.combine", combine),
        ("modules.datetime.date", "today") => native("date.today", today),
        ("modules.datetime.date", "fromisoformat") => native("date.fromisoformat", parse_date),
        ("modules.datetime.timezone", "utc") | ("modules.pytz", "utc" | "UTC") => {
            Value::from_object(ZoneValue(Zone::Utc))
        }
        ("modules.itertools.chain", "from_iterable") => native("chain.from_iterable", itertools::chain_from),
        ("modules.pytz", "timezone") => native("pytz.timezone", time_zone),
        _ => return None,
    })
}

/// A function or flag of `re`.
pub(super) fn re_attribute(name: &str) -> Option<Value> {
    if let Some((_, flag)) = patterns::FLAGS.iter().find(|(flag, _)| *flag == name) {
        return Some(Value::from(*flag));
    }
    Some(match name {
        "match" => native("re.match", |i, arguments, span| patterns::call_function(i, "match", arguments, span)),
        "search" => native("re.search", |i, arguments, span| patterns::call_function(i, "search", arguments, span)),
        "fullmatch" => {
            native("re.fullmatch", |i, arguments, span| patterns::call_function(i, "fullmatch", arguments, span))
        }
        "findall" => native("re.findall", |i, arguments, span| patterns::call_function(i, "findall", arguments, span)),
        "finditer" => {
            native("re.finditer", |i, arguments, span| patterns::call_function(i, "finditer", arguments, span))
        }
        "sub" => native("re.sub", |i, arguments, span| patterns::call_function(i, "sub", arguments, span)),
        "subn" => native("re.subn", |i, arguments, span| patterns::call_function(i, "subn", arguments, span)),
        "split" => native("re.split", |i, arguments, span| patterns::call_function(i, "split", arguments, span)),
        "escape" => native("re.escape", |i, arguments, span| patterns::call_function(i, "escape", arguments, span)),
        "compile" => native("re.compile", |i, arguments, span| patterns::call_function(i, "compile", arguments, span)),
        _ => return None,
    })
}

/// The run's time: templates see one instant throughout a run.
fn instant(interpreter: &Interpreter<'_>) -> Eval<DateTime<Utc>> {
    let text = interpreter.host.global("run_started_at");
    let instant = text.as_ref().and_then(|text| text.as_str()).and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    match instant {
        Some(instant) => Ok(instant.with_timezone(&Utc)),
        None => fail("the time is not known here"),
    }
}

fn now(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [zone] = arguments.bind("datetime.now", ["tz"], 0)?;
    let instant = instant(interpreter)?;
    match zone.filter(|zone| !zone.is_none()) {
        Some(zone) => match zone.downcast_object_ref::<ZoneValue>() {
            Some(zone) => Ok(zone.0.local(instant).value()),
            None => fail("`datetime.now` needs a zone such as `modules.pytz.utc`"),
        },
        None => Ok(Moment { local: instant.naive_utc(), zone: None }.value()),
    }
}

fn utc_now(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [] = arguments.bind("datetime.utcnow", [], 0)?;
    Ok(Moment { local: instant(interpreter)?.naive_utc(), zone: None }.value())
}

fn today(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [] = arguments.bind("date.today", [], 0)?;
    Ok(Value::from_object(Date(instant(interpreter)?.date_naive())))
}

fn parse(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [string, format] = arguments.bind("strptime", ["date_string", "format"], 2)?;
    let string = text_argument("strptime", "date_string", &string.unwrap_or_default())?;
    datetime::parse(&string, &text_argument("strptime", "format", &format.unwrap_or_default())?)
}

fn format(interpreter: &mut Interpreter<'_>, mut arguments: Arguments, _span: Span) -> Eval {
    if arguments.positional.is_empty() {
        return fail("`datetime.strftime` needs a datetime and a format");
    }
    let moment = arguments.positional.remove(0);
    let _ = interpreter;
    match datetime::call_method(&moment, "strftime", &arguments)? {
        Some(text) => Ok(text),
        None => fail("`datetime.strftime` needs a datetime"),
    }
}

fn parse_iso(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [string] = arguments.bind("fromisoformat", ["date_string"], 1)?;
    datetime::parse_iso(&text_argument("fromisoformat", "date_string", &string.unwrap_or_default())?)
}

fn parse_date(interpreter: &mut Interpreter<'_>, arguments: Arguments, span: Span) -> Eval {
    let moment = parse_iso(interpreter, arguments, span)?;
    match moment.downcast_object_ref::<Moment>() {
        Some(moment) => Ok(Value::from_object(Date(moment.local.date()))),
        None => Ok(moment),
    }
}

fn from_timestamp(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [seconds, zone] = arguments.bind("fromtimestamp", ["timestamp", "tz"], 1)?;
    let seconds = f64::try_from(seconds.unwrap_or_default()).unwrap_or(f64::NAN);
    if seconds.is_nan() || seconds.abs() > 8.0e12 {
        return fail("`fromtimestamp` needs seconds since 1970");
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let micros = (seconds * 1e6).round() as i64;
    let Some(instant) = DateTime::from_timestamp_micros(micros) else { return fail("the time is out of range") };
    match zone.as_ref().and_then(|zone| zone.downcast_object_ref::<ZoneValue>()) {
        Some(zone) => Ok(zone.0.local(instant).value()),
        None => Ok(Moment { local: instant.naive_utc(), zone: None }.value()),
    }
}

fn combine(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [date, time] = arguments.bind("combine", ["date", "time"], 2)?;
    let date = date.unwrap_or_default();
    let date = date
        .downcast_object_ref::<Date>()
        .map(|date| date.0)
        .or_else(|| date.downcast_object_ref::<Moment>().map(|moment| moment.local.date()));
    let time = time.unwrap_or_default();
    let time = time.downcast_object_ref::<datetime::TimeOfDay>().map(|time| time.0);
    match (date, time) {
        (Some(date), Some(time)) => Ok(Moment { local: date.and_time(time), zone: None }.value()),
        _ => fail("`datetime.combine` needs a date and a time"),
    }
}

fn time_zone(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name] = arguments.bind("pytz.timezone", ["zone"], 1)?;
    let name = text::display(&name.unwrap_or_default());
    match Zone::parse(&name) {
        Some(zone) => Ok(Value::from_object(ZoneValue(zone))),
        None => Err(Failure::new("jinja-error", format!("there is no time zone `{name}`"))
            .with_hint("zones have names such as `Europe/Berlin`")
            .into()),
    }
}
