//! Dates and times as people write them, in the form that the engine reads.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{Call, Function, one_text};

/// The function that gives the text of a date, a timestamp or a time in the form that the engine's casts read: without
/// seconds, with parts of one digit, or with `/` in the date it is read as in `DuckDB` and Postgres. Any other text is
/// left as it is.
pub(crate) fn regular_time() -> ScalarUDF {
    ScalarUDF::from(Function::new("regular_time", "regular_time(text)", one_text, |_| Ok(DataType::Utf8View), kernel))
}

fn kernel(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    if values.iter().flatten().all(|value| regular(value).is_none()) {
        return Ok(Arc::new(values));
    }
    let mut texts = StringViewBuilder::with_capacity(values.len());
    for value in &values {
        match value.map(|value| (value, regular(value))) {
            Some((_, Some(text))) => texts.append_value(text),
            Some((value, None)) => texts.append_value(value),
            None => texts.append_null(),
        }
    }
    Ok(Arc::new(texts.finish()))
}

/// The regular form of a text, if it is another one.
fn regular(written: &str) -> Option<String> {
    let bytes = written.as_bytes();
    // Nearly all texts are regular, and seen to be so by their shape.
    let is_date = bytes.len() >= 10 && bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    let is_time = bytes.len() >= 19 && bytes.get(13) == Some(&b':') && bytes.get(16) == Some(&b':');
    if is_date && (bytes.len() == 10 || is_time) && bytes.last().is_some_and(|byte| *byte != b' ') {
        return None;
    }
    let text = written.trim();
    let (date, rest) = match date(text) {
        Some((date, rest)) => (Some(date), rest),
        None => (None, text),
    };
    let clock = if date.is_some() { rest.trim_start_matches('T').trim_start() } else { rest };
    let regular = match (date, time(clock)) {
        (Some(date), _) if rest.is_empty() => date,
        (Some(date), Some((time, zone))) => format!("{date} {time}{}", zone.trim_start()),
        (None, Some((time, ""))) => time,
        _ => return None,
    };
    (regular != written).then_some(regular)
}

/// A number of digits at the beginning, and what is behind it.
fn digits(text: &str, most: usize) -> Option<(&str, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=most).contains(&count).then(|| text.split_at(count))
}

/// `2024-1-5` or `2024/01/05`, and what is behind it.
fn date(text: &str) -> Option<(String, &str)> {
    let (year, rest) = digits(text, 4).filter(|(year, _)| year.len() == 4)?;
    let sign = rest.chars().next().filter(|sign| matches!(sign, '-' | '/'))?;
    let (month, rest) = digits(rest.get(1..)?, 2)?;
    let (day, rest) = digits(rest.strip_prefix(sign)?, 2)?;
    let ends = rest.is_empty() || rest.starts_with([' ', 'T']);
    ends.then(|| (format!("{year}-{month:0>2}-{day:0>2}"), rest))
}

/// `3:04` or `3:4:5.25`, and the zone behind it.
fn time(text: &str) -> Option<(String, &str)> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest, 2)?,
        None => ("00", rest),
    };
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(fraction) => digits(fraction, 9)?,
        None => ("", rest),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    Some((format!("{hour:0>2}:{minute:0>2}:{second:0>2}{point}{fraction}"), zone))
}

#[cfg(test)]
mod tests {
    use super::regular;

    #[test]
    fn texts_become_regular() {
        let cases = [
            ("2024-01-05 03:04", Some("2024-01-05 03:04:00")),
            ("2024-1-5", Some("2024-01-05")),
            ("2024/01/05", Some("2024-01-05")),
            ("2024-01-05T3:4", Some("2024-01-05 03:04:00")),
            (" 2024-01-05 ", Some("2024-01-05")),
            ("2024-01-05 03:04+02:00", Some("2024-01-05 03:04:00+02:00")),
            ("2024-1-5 3:4:5.25 Z", Some("2024-01-05 03:04:05.25Z")),
            ("3:04", Some("03:04:00")),
            ("2024-01-05 03:04:05.123456+01:00", None),
            ("2024-01-05", None),
            ("20240105", None),
            ("2024-01/05", None),
            ("2024-001-05", None),
            ("12-01-2024", None),
            ("soon", None),
            ("", None),
        ];
        for (written, expected) in cases {
            assert_eq!(regular(written).as_deref(), expected, "{written}");
        }
    }
}
