//! Text: what a regular expression finds, places of parts, and a digest.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use regex::Regex;
use sha1::{Digest as _, Sha1};

use super::Entry;
use super::scalar::{Call, Function, Remembered, integer, one_text, strict, text};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new(
                "regexp_substr",
                "regexp_substr(text, pattern [, position [, occurrence]])",
                |types| pattern_types(types, 2),
                |_| Ok(DataType::Utf8),
                substr,
            ),
            "regexp_substr(text, pattern [, position [, occurrence]])",
            "The first part of a text that matches a regular expression, or its given occurrence from a position on, \
             which counts characters from 1; null if there is none.",
            "select regexp_substr('order 123 of 456', '[0-9]+')",
            "123",
        ),
        Entry::scalar(
            Function::new(
                "regexp_extract",
                "regexp_extract(text, pattern [, group])",
                |types| pattern_types(types, 1),
                |_| Ok(DataType::Utf8),
                extract,
            ),
            "regexp_extract(text, pattern [, group])",
            "A group of the first match of a regular expression, where group 0 is the whole match; an empty text if \
             there is no match.",
            "select regexp_extract('2024-02-29', '([0-9]+)-([0-9]+)', 2)",
            "02",
        ),
        Entry::scalar(
            Function::new(
                "regexp_full_match",
                "regexp_full_match(text, pattern)",
                |types| pattern_types(types, 0),
                |_| Ok(DataType::Boolean),
                full_match,
            ),
            "regexp_full_match(text, pattern)",
            "Whether a regular expression matches the whole text (DuckDB); `regexp_matches` asks for a part.",
            "select regexp_full_match('order 123', '[0-9]+')",
            "false",
        ),
        Entry::scalar(
            Function::new(
                "charindex",
                "charindex(part, text [, start])",
                |types| pattern_types(types, 1),
                |_| Ok(DataType::Int64),
                charindex,
            ),
            "charindex(part, text [, start])",
            "Where a text has a part, counted from 1 and looked for from a start on; 0 if it has none (Snowflake, SQL \
             Server).",
            "select charindex('b', 'abcb', 3)",
            "4",
        ),
        Entry::scalar(
            Function::new("sha1", "sha1(text)", one_text, |_| Ok(DataType::Utf8), sha1_hex),
            "sha1(text)",
            "The SHA-1 hash of a text as hexadecimal digits (DuckDB, Snowflake).",
            "select sha1('a')",
            "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
        ),
    ]
}

/// Two texts, then up to `integers` optional integers.
pub(super) fn pattern_types(types: &[DataType], integers: usize) -> Option<Vec<DataType>> {
    let [value, pattern, numbers @ ..] = types else { return None };
    if numbers.len() > integers {
        return None;
    }
    let mut types = vec![text(value)?, text(pattern)?];
    for number in numbers {
        types.push(integer(number)?);
    }
    Some(types)
}

pub(super) fn compile(name: &str, pattern: &str) -> Result<Regex> {
    if let Ok(regex) = Regex::new(pattern) {
        Ok(regex)
    } else {
        exec_err!("{name}: '{pattern}' is not a valid regular expression")
    }
}

/// Calls `each` with the regular expression, the text and the optional integers of each row.
fn matches(call: &Call<'_>, each: impl Fn(&Regex, &str, &[i64]) -> Result<Option<String>>) -> Result<ArrayRef> {
    let (values, patterns) = (call.text(0)?, call.text(1)?);
    let numbers = (2..call.len()).map(|index| call.integers(index)).collect::<Result<Vec<_>>>()?;
    let mut arrays: Vec<&dyn Array> = vec![&values, &patterns];
    arrays.extend(numbers.iter().map(|numbers| numbers as &dyn Array));
    let mut remembered = Remembered::new();
    let found: Vec<Option<String>> = strict(call.rows, &arrays, |row| {
        let regex = remembered.get(patterns.value(row), |pattern| compile(call.name, pattern))?;
        let numbers: Vec<i64> = numbers.iter().map(|numbers| numbers.value(row)).collect();
        each(regex, values.value(row), &numbers)
    })
    .map(|found| Ok(found?.flatten()))
    .collect::<Result<_>>()?;
    Ok(Arc::new(StringArray::from(found)))
}

fn substr(call: &Call<'_>) -> Result<ArrayRef> {
    matches(call, |regex, text, numbers| {
        let position = numbers.first().copied().unwrap_or(1);
        let occurrence = numbers.get(1).copied().unwrap_or(1);
        let (Ok(position @ 1..), Ok(occurrence @ 1..)) = (usize::try_from(position), usize::try_from(occurrence))
        else {
            return exec_err!("{}: the position and the occurrence count from 1", call.name);
        };
        let Some((start, _)) = text.char_indices().nth(position - 1) else {
            return Ok(None);
        };
        let rest = text.get(start..).unwrap_or_default();
        Ok(regex.find_iter(rest).nth(occurrence - 1).map(|found| found.as_str().to_owned()))
    })
}

fn extract(call: &Call<'_>) -> Result<ArrayRef> {
    matches(call, |regex, text, numbers| {
        let group = numbers.first().copied().unwrap_or(0);
        let group = match usize::try_from(group) {
            Ok(group) if group < regex.captures_len() => group,
            _ => return exec_err!("{}: the regular expression has no group {group}", call.name),
        };
        let found =
            regex.captures(text).and_then(|captures| captures.get(group).map(|found| found.as_str().to_owned()));
        Ok(Some(found.unwrap_or_default()))
    })
}

fn full_match(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, patterns) = (call.text(0)?, call.text(1)?);
    let mut remembered = Remembered::new();
    let found: BooleanArray = strict(call.rows, &[&values, &patterns], |row| {
        let whole = |pattern: &str| {
            compile(call.name, pattern)?;
            compile(call.name, &format!(r"\A(?:{pattern})\z"))
        };
        Ok(remembered.get(patterns.value(row), whole)?.is_match(values.value(row)))
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(found))
}

fn charindex(call: &Call<'_>) -> Result<ArrayRef> {
    let (parts, values) = (call.text(0)?, call.text(1)?);
    let starts = if call.len() > 2 { call.integers(2)? } else { Int64Array::from(vec![1; call.rows]) };
    let places: Int64Array = strict(call.rows, &[&parts, &values, &starts], |row| {
        let value = values.value(row);
        let skipped = usize::try_from(starts.value(row).max(1) - 1).unwrap_or(usize::MAX);
        let start = value.char_indices().map(|(at, _)| at).chain([value.len()]).nth(skipped);
        let rest = start.and_then(|start| value.get(start..));
        let found = rest.and_then(|rest| Some(rest.get(..rest.find(parts.value(row))?)?.chars().count()));
        Ok(found.and_then(|found| i64::try_from(found + skipped + 1).ok()).unwrap_or(0))
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(places))
}

fn sha1_hex(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    let digests: StringArray = strict(call.rows, &[&values], |row| {
        let digest = Sha1::digest(values.value(row));
        let mut text = String::with_capacity(40);
        for byte in digest {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(digests))
}
