//! JSON: objects one after another (usually one per line), or one array of objects, told apart by the first character.
//!
//! Records are cut out of the text first, so the line of each is known and a file is never in memory as a whole. A
//! value reaches its column as the text it has in the file: decimals stay exact, and an object in a text column is
//! its JSON. Columns that are not declared take their names and types from the first rows of each file
//! (`sample_rows`); a key that first appears later is refused, not dropped.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use indexmap::IndexMap;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::runtime::Handle;

use super::csv::{BATCH_BYTES, Sink, TextOptions, flush, utf8};
use super::error::{ExternalError, shortened};
use super::input::Input;
use super::records::RECORD_BYTES;
use super::text::{RowBuffer, Wanted};
use crate::manifest::source::Policy;

/// Cuts a text into its top-level objects.
pub(super) struct Objects<R> {
    input: R,
    line: u64,
    shape: Shape,
    /// An array's element has been read and a comma must follow before the next.
    need_comma: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Unknown,
    Sequence,
    Array,
    /// Behind the end of the array.
    Ended,
}

/// Why the next object cannot be had.
pub(super) enum ObjectError {
    Read(std::io::Error),
    Syntax { line: u64, detail: String },
}

impl<R: BufRead> Objects<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 1, shape: Shape::Unknown, need_comma: false }
    }

    /// Reads the next object into `object`; the line on which it begins, or `None` at the end.
    pub(super) fn read(&mut self, object: &mut Vec<u8>) -> Result<Option<u64>, ObjectError> {
        object.clear();
        if !self.skip_to_object()? {
            return Ok(None);
        }
        let start = self.line;
        let syntax = |detail: String| ObjectError::Syntax { line: start, detail };
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self.input.fill_buf().map_err(ObjectError::Read)?;
            if buffer.is_empty() {
                return Err(syntax("the object that begins here is not complete".to_owned()));
            }
            let mut end = None;
            for (at, byte) in buffer.iter().enumerate() {
                if *byte == b'\n' {
                    self.line += 1;
                }
                if in_string {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => in_string = false,
                        _ => {}
                    }
                    continue;
                }
                match byte {
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            end = Some(at + 1);
                            break;
                        }
                    }
                    _ => {}
                }
            }
            let used = end.unwrap_or(buffer.len());
            object.extend_from_slice(&buffer[..used]);
            self.input.consume(used);
            if end.is_some() {
                self.need_comma = self.shape == Shape::Array;
                return Ok(Some(start));
            }
            if object.len() > RECORD_BYTES {
                return Err(syntax(format!("the object that begins here has more than {RECORD_BYTES} bytes")));
            }
        }
    }

    /// Passes blanks, commas and brackets between objects; whether there is a next object.
    fn skip_to_object(&mut self) -> Result<bool, ObjectError> {
        loop {
            let Some(byte) = self.input.fill_buf().map_err(ObjectError::Read)?.first().copied() else {
                return if self.shape == Shape::Array {
                    Err(self.unexpected("the end of the file", "`]`"))
                } else {
                    Ok(false)
                };
            };
            match (byte, self.shape) {
                (b' ' | b'\t' | b'\r', _) => {}
                (b'\n', _) => self.line += 1,
                (b'[', Shape::Unknown) => self.shape = Shape::Array,
                (b']', Shape::Array) => self.shape = Shape::Ended,
                (b',', Shape::Array) if self.need_comma => self.need_comma = false,
                (b'{', Shape::Array) if !self.need_comma => return Ok(true),
                (b'{', Shape::Unknown | Shape::Sequence) => {
                    self.shape = Shape::Sequence;
                    return Ok(true);
                }
                (other, shape) => {
                    let found = format!("`{}`", char::from(other).escape_default());
                    return Err(self.unexpected(
                        &found,
                        match shape {
                            Shape::Ended => "the end of the file",
                            Shape::Array if self.need_comma => "`,` or `]`",
                            _ => "an object in `{` and `}`",
                        },
                    ));
                }
            }
            self.input.consume(1);
        }
    }

    fn unexpected(&self, found: &str, expected: &str) -> ObjectError {
        ObjectError::Syntax { line: self.line, detail: format!("found {found}, expected {expected}") }
    }
}

/// Calls `each` with every object of a file and its line, after checking that it is JSON; `each` says whether to go on.
fn for_each(
    input: &Input,
    handle: &Handle,
    options: &TextOptions,
    mut each: impl FnMut(&[u8], u64) -> Result<bool, ExternalError>,
) -> Result<bool, ExternalError> {
    let path = input.shown.as_str();
    let mut objects = Objects::new(input.open_text(handle, options.compression)?);
    let mut object = Vec::new();
    loop {
        match objects.read(&mut object) {
            Ok(None) => return Ok(true),
            Ok(Some(line)) => {
                check(&object, path, line)?;
                if !each(&object, line)? {
                    return Ok(false);
                }
            }
            Err(ObjectError::Read(error)) => return Err(input.read_error(error)),
            Err(ObjectError::Syntax { line, detail }) => {
                return Err(ExternalError::Syntax { path: path.to_owned(), line, detail });
            }
        }
    }
}

/// Refuses what is not JSON in UTF-8.
fn check(object: &[u8], path: &str, line: u64) -> Result<(), ExternalError> {
    utf8(object, path, line, || "of an object".to_owned())?;
    serde_json::from_slice::<IgnoredAny>(object).map_err(|error| {
        let text = error.to_string();
        let detail = text.split(" at line ").next().unwrap_or_default();
        ExternalError::Syntax {
            path: path.to_owned(),
            line: line + u64::try_from(error.line().saturating_sub(1)).unwrap_or(0),
            detail: format!("not valid JSON at column {}: {detail}", error.column()),
        }
    })?;
    Ok(())
}

/// The members of an object that is known to be valid JSON: each key and the text of its value.
fn members<'a>(
    object: &'a [u8],
    mut each: impl FnMut(Cow<'a, str>, &'a [u8]) -> Result<(), ExternalError>,
) -> Result<(), ExternalError> {
    let mut at = 1;
    loop {
        at = skip(object, at, |byte| byte.is_ascii_whitespace() || byte == b',');
        if object.get(at) != Some(&b'"') {
            return Ok(());
        }
        let key_end = string_end(object, at);
        // A key that cannot be decoded is no column's name: its raw text stands for it.
        let raw_key = object.get(at..key_end).unwrap_or_default();
        let key = string(raw_key).unwrap_or_else(|| String::from_utf8_lossy(raw_key));
        at = skip(object, key_end, |byte| byte.is_ascii_whitespace() || byte == b':');
        let start = at;
        let mut depth = 0_usize;
        while let Some(byte) = object.get(at) {
            match byte {
                b'"' => {
                    at = string_end(object, at);
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b',' | b'}' if depth == 0 => break,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        each(key, object.get(start..at).unwrap_or_default().trim_ascii_end())?;
    }
}

fn skip(object: &[u8], from: usize, skipped: impl Fn(u8) -> bool) -> usize {
    from + object.get(from..).unwrap_or_default().iter().take_while(|byte| skipped(**byte)).count()
}

/// The offset behind a string that begins at `start`.
fn string_end(object: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = object.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    object.len()
}

/// The content of a string with its quotes; `None` if an escape in it means nothing (half of a surrogate pair).
fn string(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1))?;
    match std::str::from_utf8(inner) {
        Ok(text) if !inner.contains(&b'\\') => Some(Cow::Borrowed(text)),
        _ => serde_json::from_slice(quoted).ok().map(Cow::Owned),
    }
}

/// What the values of a key look like.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Only nulls so far.
    Null,
    Boolean,
    Integer,
    Number,
    Text,
    List(Box<Kind>),
    Object(IndexMap<String, Kind>),
    /// Values of different kinds: read as text.
    Mixed,
}

impl Kind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(number) if number.is_u64() => Self::Mixed,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(items) => Self::List(Box::new(items.iter().map(Self::of).fold(Self::Null, Self::merge))),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect())
            }
        }
    }

    /// The kind that holds both.
    pub(super) fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, kind) | (kind, Self::Null) => kind,
            (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            (Self::List(left), Self::List(right)) => Self::List(Box::new(left.merge(*right))),
            (Self::Object(mut left), Self::Object(right)) => {
                for (name, kind) in right {
                    let merged = left.get(&name).cloned().unwrap_or(Self::Null).merge(kind);
                    left.insert(name, merged);
                }
                Self::Object(left)
            }
            (left, right) if left == right => left,
            _ => Self::Mixed,
        }
    }

    /// The type of a column of this kind.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Null | Self::Text | Self::Mixed => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::List(item) => DataType::List(Arc::new(Field::new("element", item.data_type(), true))),
            // Members that differ in case only cannot be told apart in SQL: the column stays JSON text.
            Self::Object(members) if members.is_empty() || has_twins(members) => DataType::Utf8,
            Self::Object(members) => DataType::Struct(
                members.iter().map(|(name, kind)| Field::new(name, kind.data_type(), true)).collect::<Fields>(),
            ),
        }
    }
}

fn has_twins(members: &IndexMap<String, Kind>) -> bool {
    let mut names: Vec<String> = members.keys().map(|name| name.to_lowercase()).collect();
    names.sort();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// What the first rows of a file show.
pub(super) struct Survey {
    /// Keys in lower case, in order of first appearance, with the first spelling of each.
    pub(super) keys: IndexMap<String, (String, Kind)>,
    /// Whether the whole file was seen.
    pub(super) complete: bool,
    /// Rows seen.
    pub(super) rows: usize,
}

/// Looks at the first rows of a file.
pub(super) fn survey(input: &Input, handle: &Handle, options: &TextOptions) -> Result<Survey, ExternalError> {
    let mut survey = Survey { keys: IndexMap::new(), complete: true, rows: 0 };
    survey.complete = for_each(input, handle, options, |object, _| {
        members(object, |key, value| {
            let kind = serde_json::from_slice::<Value>(value).map_or(Kind::Mixed, |value| Kind::of(&value));
            let (_, seen) = survey.keys.entry(key.to_lowercase()).or_insert_with(|| (key.into_owned(), Kind::Null));
            *seen = std::mem::replace(seen, Kind::Null).merge(kind);
            Ok(())
        })?;
        survey.rows += 1;
        Ok(survey.rows < options.sample_rows)
    })?;
    Ok(survey)
}

/// What a file's keys mean.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    /// Keys that the survey found, in order.
    pub(super) names: &'a [String],
    /// Columns of the table in lower case.
    pub(super) columns: &'a HashMap<String, usize>,
    /// What to do about a key that is neither.
    pub(super) on_new: Policy,
    /// Whether the source declares its columns.
    pub(super) declared: bool,
}

/// Reads the wanted columns (by position in the table) of a file.
pub(super) fn read(
    input: &Input,
    handle: &Handle,
    options: &TextOptions,
    keys: &Keys<'_>,
    wanted: &[Wanted],
    batch_rows: usize,
    sink: &mut Sink<'_>,
) -> Result<(), ExternalError> {
    let path = input.shown.as_str();
    // For each key as spelled: its column in the table, and the position among the wanted ones.
    let mut known: HashMap<String, (usize, Option<usize>)> = HashMap::new();
    let place = |column: usize| (column, wanted.iter().position(|wanted| wanted.index == column));
    let mut rows = RowBuffer::new(wanted);
    let mut filled: Vec<bool> = Vec::new();
    let unread = usize::MAX;
    for_each(input, handle, options, |object, line| {
        // The value of each wanted column in this object.
        let mut slots: Vec<Option<&[u8]>> = vec![None; wanted.len()];
        filled.clear();
        filled.resize(keys.columns.len(), false);
        members(object, |key, value| {
            let (column, position) = if let Some(found) = known.get(key.as_ref()) {
                *found
            } else {
                let lower = key.to_lowercase();
                let found = match keys.columns.get(&lower) {
                    Some(column) => place(*column),
                    None if keys.names.iter().any(|name| name.to_lowercase() == lower) => (unread, None),
                    None if keys.declared && keys.on_new != Policy::Fail => (unread, None),
                    None => {
                        return Err(ExternalError::Syntax {
                            path: path.to_owned(),
                            line,
                            detail: format!(
                                "key `{}` is not a column and does not occur in the first {} rows; declare the \
                                 columns or raise the option `sample_rows`",
                                shortened(&key),
                                options.sample_rows
                            ),
                        });
                    }
                };
                known.insert(key.clone().into_owned(), found);
                found
            };
            if let Some(seen) = filled.get_mut(column)
                && std::mem::replace(seen, true)
            {
                return Err(ExternalError::Syntax {
                    path: path.to_owned(),
                    line,
                    detail: format!("key `{}` occurs twice in an object", shortened(&key)),
                });
            }
            if let Some(slot) = position.and_then(|position| slots.get_mut(position)) {
                *slot = Some(value);
            }
            Ok(())
        })?;
        rows.row(line);
        for (position, value) in slots.iter().enumerate() {
            let text = match value {
                None | Some(b"null") => None,
                Some(value) if value.first() == Some(&b'"') && !wanted.get(position).is_some_and(is_nested) => {
                    let decoded = string(value).ok_or_else(|| ExternalError::Syntax {
                        path: path.to_owned(),
                        line,
                        detail: "a string has an escape that is not a character".to_owned(),
                    })?;
                    Some(decoded)
                }
                Some(value) => Some(String::from_utf8_lossy(value)),
            };
            rows.value(position, text.as_deref());
        }
        if rows.rows() >= batch_rows || rows.bytes() >= BATCH_BYTES { flush(&mut rows, path, sink) } else { Ok(true) }
    })?;
    flush(&mut rows, path, sink).map(|_| ())
}

fn is_nested(wanted: &Wanted) -> bool {
    wanted.data_type.is_nested()
}
