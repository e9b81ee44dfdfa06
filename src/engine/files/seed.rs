//! Seeds: small tables under version control, read whole, with types guessed from all rows.
//!
//! As dbt does: an empty field and the word `null` (in any case) are null; columns named in `column_types` have that
//! type (a number with more decimals than it is rounded), and what it says of other columns is passed over; others are
//! boolean (`true`, `false`), whole number (`1.0` is one), number, date, timestamp, or else text. A number with a
//! leading zero (`007`) is text, because it is a code; dbt would make it a number. A timestamp with a zone becomes an
//! instant in UTC. Names keep their spelling with `quote_columns`, else they are folded to lower case; a name that comes
//! again gets a number (`a_2`).

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use indexmap::IndexMap;

use super::csv::{Records, Repeated, TextOptions, header_names, utf8};
use super::error::{ExternalError, shortened};
use super::input::{excerpt, without_mark};
use super::records::RecordReader;
use super::text::{Guess, convert, convertible};
use crate::engine::types::{TypeError, data_type_of, sql_type_of};

/// Rows per batch.
const BATCH_ROWS: usize = 8192;

/// Reads a seed: its schema and its rows. All types that are wrong are reported, not only the first.
pub fn read_seed(
    bytes: &[u8],
    path: &str,
    delimiter: char,
    quote_columns: bool,
    column_types: &IndexMap<String, String>,
) -> Result<(SchemaRef, Vec<RecordBatch>), ExternalError> {
    let line = |number: u64| {
        let before = usize::try_from(number).ok()?.checked_sub(1)?;
        let text = without_mark(bytes).ok()?;
        text.split(|byte| *byte == b'\n').nth(before).map(|line| excerpt(path, line, number))
    };
    parse_seed(bytes, path, delimiter, quote_columns, column_types).map_err(|error| error.with_lines(&line))
}

fn parse_seed(
    bytes: &[u8],
    path: &str,
    delimiter: char,
    quote_columns: bool,
    column_types: &IndexMap<String, String>,
) -> Result<(SchemaRef, Vec<RecordBatch>), ExternalError> {
    let delimiter = u8::try_from(delimiter).ok().filter(|byte| byte.is_ascii() && !b"\"\r\n".contains(byte));
    let delimiter = delimiter.ok_or_else(|| ExternalError::Option {
        name: "delimiter".to_owned(),
        value: String::new(),
        expected: "one ASCII character other than a quote or a line end".to_owned(),
    })?;
    let text =
        without_mark(bytes).map_err(|detail| ExternalError::Encoding { path: path.to_owned(), line: 1, detail })?;
    let options = TextOptions::with_delimiter(delimiter);
    let mut records = Records::new(RecordReader::new(text, options.dialect), path, |source| ExternalError::Access {
        action: "read",
        path: path.to_owned(),
        source: Box::new(source),
    });
    let Some(header) = records.next()? else {
        return Err(ExternalError::EmptyFile { path: path.to_owned() });
    };
    let mut names = header_names(header, path, Repeated::Numbered)?;
    if !quote_columns {
        names = names.iter().map(|name| name.to_lowercase()).collect();
    }
    let declared = declared_types(&names, column_types)?;

    let mut builders: Vec<StringBuilder> = names.iter().map(|_| StringBuilder::new()).collect();
    let mut guesses = vec![Guess::default(); names.len()];
    let mut lines: Vec<u64> = Vec::new();
    while let Some(record) = records.next_of_width(names.len())? {
        lines.push(record.line);
        for (index, (builder, guess)) in builders.iter_mut().zip(&mut guesses).enumerate() {
            let Some((bytes, _)) = record.field(index) else { continue };
            let value = utf8(bytes, path, record.line, || names.get(index).cloned().unwrap_or_default())?;
            let value =
                Some(value).filter(|value| !value.is_empty() && !value.trim_ascii().eq_ignore_ascii_case("null"));
            if let Some(value) = value {
                guess.observe(value);
            }
            builder.append_option(value);
        }
    }

    let mut fields = Vec::with_capacity(names.len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(names.len());
    let mut problems = Vec::new();
    for (((name, builder), guess), declared) in names.iter().zip(&mut builders).zip(guesses).zip(declared) {
        let texts = builder.finish();
        let (texts, data_type) = match declared {
            Some(declared) => (rounded(&texts, &declared), declared),
            None if guess.is_integral() => (without_decimals(&texts), DataType::Int64),
            None => (texts, guess.data_type()),
        };
        match convert(&trimmed(&texts, &data_type), &data_type) {
            Ok(column) => {
                fields.push(Field::new(name, data_type, true));
                columns.push(column);
            }
            Err(row) => problems.push(ExternalError::Value {
                path: path.to_owned(),
                line: lines.get(row).copied().unwrap_or(0),
                column: name.clone(),
                value: shortened(texts.value(row)),
                expected: sql_type_of(&data_type),
                hint: "",
            }),
        }
    }
    if let Some(problem) = ExternalError::of_all(problems) {
        return Err(problem);
    }
    let schema = Arc::new(Schema::new(fields));
    let whole = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| ExternalError::Access {
        action: "load",
        path: path.to_owned(),
        source: Box::new(error),
    })?;
    let batches = (0..whole.num_rows())
        .step_by(BATCH_ROWS)
        .map(|start| whole.slice(start, BATCH_ROWS.min(whole.num_rows() - start)))
        .collect();
    Ok((schema, batches))
}

/// The declared type of each column. As under dbt, a type for a column that does not exist is no error; the check warns
/// of it.
fn declared_types(
    names: &[String],
    column_types: &IndexMap<String, String>,
) -> Result<Vec<Option<DataType>>, ExternalError> {
    let mut types: Vec<Option<DataType>> = vec![None; names.len()];
    let mut problems = Vec::new();
    for (column, sql_type) in column_types {
        let Some(at) = names.iter().position(|name| name.to_lowercase() == column.to_lowercase()) else {
            continue;
        };
        match data_type_of(sql_type) {
            Ok(data_type) if convertible(&data_type) => {
                if let Some(slot) = types.get_mut(at) {
                    *slot = Some(data_type);
                }
            }
            Ok(_) => problems.push(ExternalError::Type {
                column: column.clone(),
                source: TypeError::Unknown {
                    name: sql_type.clone(),
                    reason: "text cannot be converted to it".to_owned(),
                },
            }),
            Err(source) => problems.push(ExternalError::Type { column: column.clone(), source }),
        }
    }
    ExternalError::of_all(problems).map_or(Ok(types), Err)
}

/// Whole numbers without the zeros behind their points.
fn without_decimals(texts: &StringArray) -> StringArray {
    texts.iter().map(|text| text.map(|text| text.split_once('.').map_or(text, |(whole, _)| whole))).collect()
}

/// Numbers that have more decimals than their declared type, rounded to it, halves away from zero.
fn rounded(texts: &StringArray, data_type: &DataType) -> StringArray {
    let (DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale)) = data_type else { return texts.clone() };
    let Ok(scale) = usize::try_from(*scale) else { return texts.clone() };
    texts.iter().map(|text| text.map(|text| round(text, scale).unwrap_or_else(|| text.to_owned()))).collect()
}

/// A number as text with fewer decimals; `None` if it has no more than that, or is no plain number.
fn round(text: &str, scale: usize) -> Option<String> {
    let (whole, decimals) = text.trim_ascii().split_once('.')?;
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let sign = if whole.starts_with('-') { "-" } else { "" };
    let next = decimals.as_bytes().get(scale)?;
    if !digits.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut kept: Vec<char> = digits.chars().chain(decimals.chars().take(scale)).collect();
    let mut carry = *next >= b'5';
    for digit in kept.iter_mut().rev() {
        if !carry {
            break;
        }
        carry = *digit == '9';
        *digit = if carry { '0' } else { char::from_digit(digit.to_digit(10)? + 1, 10)? };
    }
    if carry {
        kept.insert(0, '1');
    }
    let behind = kept.split_off(kept.len() - scale);
    let (before, behind): (String, String) = (kept.into_iter().collect(), behind.into_iter().collect());
    Some(format!("{sign}{}.{behind}", if before.is_empty() { "0" } else { &before }).trim_end_matches('.').to_owned())
}

/// Texts for a conversion: without blanks around them, nothing but blanks as null, unless text is wanted.
fn trimmed(texts: &StringArray, data_type: &DataType) -> StringArray {
    if *data_type == DataType::Utf8 {
        return texts.clone();
    }
    texts.iter().map(|text| text.map(str::trim_ascii).filter(|text| !text.is_empty())).collect()
}
