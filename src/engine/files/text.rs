//! From text to typed columns, and from text to a guess of its type: shared by delimited files, JSON and seeds.
//!
//! Conversion is exact or refused: a decimal with more digits than its scale, a whole number with a fraction, or a
//! date that does not exist is an error with its row, never a rounded or empty value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, MapArray, StringArray, StringBuilder, StructArray, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{NaiveDate, Utc};
use serde_json::Value;

use super::error::{ExternalError, shortened};
use crate::engine::types::sql_type_of;

/// Cast options that fail instead of yielding null.
pub(super) const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// Cast options that yield null: only to find the value that failed.
pub(super) const LENIENT: CastOptions<'static> =
    CastOptions { safe: true, format_options: arrow::util::display::FormatOptions::new() };

/// A column that is wanted from a file.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Position in the file.
    pub(super) index: usize,
    /// Name in the table.
    pub(super) name: String,
    /// Type in the table.
    pub(super) data_type: DataType,
    /// Whether the type was guessed from the first rows.
    pub(super) inferred: bool,
}

/// Rows of text that wait to be converted.
pub(super) struct RowBuffer<'a> {
    wanted: &'a [Wanted],
    builders: Vec<StringBuilder>,
    lines: Vec<i64>,
    bytes: usize,
}

impl<'a> RowBuffer<'a> {
    pub(super) fn new(wanted: &'a [Wanted]) -> Self {
        Self { wanted, builders: wanted.iter().map(|_| StringBuilder::new()).collect(), lines: Vec::new(), bytes: 0 }
    }

    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Bytes of text held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Begins a row; one value per wanted column follows.
    pub(super) fn row(&mut self, line: u64) {
        self.lines.push(i64::try_from(line).unwrap_or(i64::MAX));
    }

    /// Adds a value; blanks around it are dropped, and nothing but blanks is null, unless the column is text.
    pub(super) fn value(&mut self, position: usize, value: Option<&str>) {
        let (Some(wanted), Some(builder)) = (self.wanted.get(position), self.builders.get_mut(position)) else {
            return;
        };
        let value = if wanted.data_type == DataType::Utf8 {
            value
        } else {
            value.map(str::trim_ascii).filter(|value| !value.is_empty())
        };
        self.bytes += value.map_or(0, str::len);
        builder.append_option(value);
    }

    /// Converts the rows and empties the buffer: the columns and the line of each row.
    pub(super) fn finish(&mut self, path: &str) -> Result<(Vec<ArrayRef>, Vec<i64>), ExternalError> {
        let lines = std::mem::take(&mut self.lines);
        self.bytes = 0;
        let mut columns = Vec::with_capacity(self.wanted.len());
        for (wanted, builder) in self.wanted.iter().zip(&mut self.builders) {
            let texts = builder.finish();
            let column = convert(&texts, &wanted.data_type).map_err(|row| ExternalError::Value {
                path: path.to_owned(),
                line: lines.get(row).and_then(|line| u64::try_from(*line).ok()).unwrap_or(0),
                column: wanted.name.clone(),
                value: shortened(texts.value(row)),
                expected: sql_type_of(&wanted.data_type),
                hint: if wanted.inferred {
                    "; the type was inferred from the first rows: declare it, or set the option `all_text: true`"
                } else {
                    ""
                },
            })?;
            columns.push(column);
        }
        Ok((columns, lines))
    }
}

/// Whether text can become this type at all.
pub(super) fn convertible(to: &DataType) -> bool {
    match to {
        DataType::Struct(fields) => fields.iter().all(|field| convertible(field.data_type())),
        DataType::List(field) => convertible(field.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => fields.iter().all(|field| convertible(field.data_type())),
            _ => false,
        },
        scalar => can_cast_types(&DataType::Utf8, scalar),
    }
}

/// Converts texts to a type; the error is the first row whose text does not fit. Nested types read JSON.
pub(super) fn convert(texts: &StringArray, to: &DataType) -> Result<ArrayRef, usize> {
    match to {
        DataType::Utf8 => Ok(Arc::new(texts.clone())),
        DataType::Struct(_) | DataType::List(_) | DataType::Map(_, _) => {
            let mut values = Vec::with_capacity(texts.len());
            for (row, text) in texts.iter().enumerate() {
                let value = text.map(serde_json::from_str::<Value>).transpose().map_err(|_| row)?;
                values.push(value);
            }
            let values: Vec<Option<&Value>> = values.iter().map(Option::as_ref).collect();
            convert_json(&values, to)
        }
        scalar => {
            if let DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) = scalar
                && let Some(row) = texts.iter().position(|text| text.is_some_and(|text| !fits_scale(text, *scale)))
            {
                return Err(row);
            }
            cast_with_options(texts, scalar, &STRICT).map_err(|_| {
                cast_with_options(texts, scalar, &LENIENT)
                    .ok()
                    .and_then(|cast| (0..texts.len()).find(|row| texts.is_valid(*row) && cast.is_null(*row)))
                    .unwrap_or(0)
            })
        }
    }
}

/// Whether a number has no digits (other than zeros) behind the given number of decimals.
fn fits_scale(text: &str, scale: i8) -> bool {
    if text.contains(['e', 'E']) {
        // An exponent moves the point: let the conversion decide.
        return true;
    }
    let decimals = text.split_once('.').map_or("", |(_, decimals)| decimals);
    decimals.trim_end_matches('0').len() <= usize::try_from(scale).unwrap_or(0)
}

/// Converts JSON values to a type; the error is the position of the first value that does not fit.
fn convert_json(values: &[Option<&Value>], to: &DataType) -> Result<ArrayRef, usize> {
    let present = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    let nulls = || {
        let bits: NullBuffer = values.iter().map(|value| present(*value)).collect();
        Some(bits).filter(|nulls| nulls.null_count() > 0)
    };
    match to {
        DataType::Struct(fields) => {
            if let Some(row) = values.iter().position(|value| present(*value) && !value.is_some_and(Value::is_object)) {
                return Err(row);
            }
            if fields.is_empty() {
                return Ok(new_null_array(to, values.len()));
            }
            let mut children = Vec::with_capacity(fields.len());
            for field in fields {
                let members: Vec<Option<&Value>> =
                    values.iter().map(|value| value.and_then(|value| member(value, field.name()))).collect();
                children.push(convert_json(&members, field.data_type())?);
            }
            StructArray::try_new(fields.clone(), children, nulls())
                .map(|array| Arc::new(array) as ArrayRef)
                .map_err(|_| 0)
        }
        DataType::List(field) => {
            let mut items = Vec::new();
            let mut lengths = Vec::with_capacity(values.len());
            for (row, value) in values.iter().enumerate() {
                match value {
                    None | Some(Value::Null) => lengths.push(0),
                    Some(Value::Array(array)) => {
                        lengths.push(array.len());
                        items.extend(array.iter().map(Some));
                    }
                    Some(_) => return Err(row),
                }
            }
            let child = convert_json(&items, field.data_type()).map_err(|item| owner(&lengths, item))?;
            ListArray::try_new(Arc::clone(field), OffsetBuffer::from_lengths(lengths), child, nulls())
                .map(|array| Arc::new(array) as ArrayRef)
                .map_err(|_| 0)
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else { return Err(0) };
            let [key, value_field] = fields.as_ref() else { return Err(0) };
            let (mut keys, mut items, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(values.len()));
            for (row, value) in values.iter().enumerate() {
                match value {
                    None | Some(Value::Null) => lengths.push(0),
                    Some(Value::Object(object)) => {
                        lengths.push(object.len());
                        keys.extend(object.keys().map(|key| Some(key.as_str())));
                        items.extend(object.values().map(Some));
                    }
                    Some(_) => return Err(row),
                }
            }
            let at = |item| owner(&lengths, item);
            let keys = convert(&StringArray::from(keys), key.data_type()).map_err(at)?;
            let items = convert_json(&items, value_field.data_type()).map_err(at)?;
            let pairs = StructArray::try_new(fields.clone(), vec![keys, items], None).map_err(|_| 0_usize)?;
            MapArray::try_new(Arc::clone(entries), OffsetBuffer::from_lengths(lengths), pairs, nulls(), *sorted)
                .map(|array| Arc::new(array) as ArrayRef)
                .map_err(|_| 0)
        }
        scalar => {
            let texts: StringArray = values
                .iter()
                .map(|value| match value {
                    None | Some(Value::Null) => None,
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(other) => Some(other.to_string()),
                })
                .collect();
            convert(&texts, scalar)
        }
    }
}

/// A member of an object: by its exact name, else by the name in any case.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| key.to_lowercase() == name.to_lowercase()).map(|(_, value)| value))
}

/// The row that owns an item of a flattened list.
fn owner(lengths: &[usize], item: usize) -> usize {
    let mut end = 0;
    lengths
        .iter()
        .position(|length| {
            end += length;
            item < end
        })
        .unwrap_or(0)
}

/// What a column's type can still be, given the texts seen so far.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent possibility")]
pub(super) struct Guess {
    seen: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    /// A whole number with more digits than a double holds was seen.
    long: bool,
    /// Every number seen is whole, though it may be written with zeros behind a point.
    integral: bool,
    date: bool,
    timestamp: bool,
    instant: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            seen: false,
            boolean: true,
            integer: true,
            number: true,
            long: false,
            integral: true,
            date: true,
            timestamp: true,
            instant: true,
        }
    }
}

impl Guess {
    /// Takes a text into account; nulls are not to be shown to it.
    pub(super) fn observe(&mut self, text: &str) {
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        self.seen = true;
        self.boolean = self.boolean && (text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"));
        if self.number {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let whole = is_whole(digits);
            self.integer = self.integer && whole && text.parse::<i64>().is_ok();
            self.long = self.long || (whole && digits.len() > 15);
            self.number = whole || is_number(digits);
            self.integer = self.integer && self.number;
            let of_zeros = digits.split_once('.').map_or((digits, ""), |parts| parts);
            let has_zeros = is_whole(of_zeros.0) && of_zeros.1.bytes().all(|digit| digit == b'0');
            self.integral = self.integral && self.number && has_zeros && of_zeros.0.len() <= 15;
        }
        if self.date || self.timestamp || self.instant {
            let date = is_date(text);
            let (timestamp, instant) = is_timestamp(text);
            self.date = self.date && date;
            self.timestamp = self.timestamp && (timestamp || date);
            self.instant = self.instant && instant;
        }
    }

    /// Whether all texts are whole numbers, of which some have zeros behind a point (`1.0`).
    pub(super) fn is_integral(self) -> bool {
        self.seen && self.number && self.integral && !self.integer && !self.boolean
    }

    /// The narrowest type that holds all texts seen; text when none was seen.
    pub(super) fn data_type(self) -> DataType {
        if !self.seen {
            DataType::Utf8
        } else if self.boolean {
            DataType::Boolean
        } else if self.integer {
            DataType::Int64
        } else if self.number && !self.long {
            DataType::Float64
        } else if self.date {
            DataType::Date32
        } else if self.timestamp {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        } else if self.instant {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        } else {
            DataType::Utf8
        }
    }
}

/// Digits without a leading zero: `007` is a code, not a number.
fn is_whole(digits: &str) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
        && !digits.is_empty()
}

/// Digits, a point, digits, and perhaps an exponent; no leading zero before another digit.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (whole.is_empty() || is_whole(whole))
        && all_digits(decimals)
        && !(whole.is_empty() && decimals.is_empty())
        && exponent.is_none_or(|exponent| {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !digits.is_empty() && all_digits(digits)
        })
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
        && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// Whether a text is a date with a time without zone, or with one.
fn is_timestamp(text: &str) -> (bool, bool) {
    let bytes = text.as_bytes();
    let shaped = text.is_ascii()
        && bytes.len() >= 16
        && is_date(&text[..10])
        && matches!(bytes[10], b'T' | b't' | b' ')
        && bytes[13] == b':'
        && string_to_datetime(&Utc, text).is_ok();
    let zoned = shaped && text[16..].contains(['Z', 'z', '+', '-']);
    (shaped && !zoned, zoned)
}
