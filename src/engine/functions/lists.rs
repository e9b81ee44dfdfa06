//! Lists: their length, and lists of the parts of a text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array, ListBuilder, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::Entry;
use super::scalar::{Call, Function, Remembered, strict, text};
use super::text::{compile, pattern_types};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new("len", "len(text or list)", len_types, |_| Ok(DataType::Int64), len).aliases(&["array_size"]),
            "len(text or list)",
            "The number of characters of a text, or of items of a list (DuckDB; `array_size` is Snowflake's).",
            "select len([1, null, 3])",
            "3",
        ),
        Entry::scalar(
            Function::new(
                "string_split",
                "string_split(text, separator)",
                |types| pattern_types(types, 0),
                |_| Ok(texts_type()),
                split,
            )
            .aliases(&["str_split", "split"]),
            "string_split(text, separator)",
            "The parts of a text between separators, as a list; an empty separator gives the characters (DuckDB).",
            "select string_split('a,b,,c', ',')",
            "[a, b, , c]",
        ),
        Entry::scalar(
            Function::new(
                "regexp_split_to_array",
                "regexp_split_to_array(text, pattern)",
                |types| pattern_types(types, 0),
                |_| Ok(texts_type()),
                split_by_pattern,
            )
            .aliases(&["string_split_regex", "str_split_regex"]),
            "regexp_split_to_array(text, pattern)",
            "The parts of a text between the matches of a regular expression, as a list (DuckDB, Postgres).",
            "select regexp_split_to_array('a1b22c', '[0-9]+')",
            "[a, b, c]",
        ),
        Entry::scalar(
            Function::new(
                "regexp_extract_all",
                "regexp_extract_all(text, pattern [, group])",
                |types| pattern_types(types, 1),
                |_| Ok(texts_type()),
                extract_all,
            ),
            "regexp_extract_all(text, pattern [, group])",
            "All matches of a regular expression, or a group of each of them, as a list (DuckDB).",
            "select regexp_extract_all('a1 b22', '[a-z]+([0-9]+)', 1)",
            "[1, 22]",
        ),
    ]
}

fn texts_type() -> DataType {
    DataType::new_list(DataType::Utf8, true)
}

fn len_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [list @ (DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))] => Some(vec![list.clone()]),
        [value] => Some(vec![text(value)?]),
        _ => None,
    }
}

fn len(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    if array.data_type() != &DataType::Utf8View {
        return Ok(cast(&length(&array)?, &DataType::Int64)?);
    }
    let values = call.text(0)?;
    let lengths: Int64Array =
        strict(call.rows, &[&values], |row| Ok(i64::try_from(values.value(row).chars().count()).unwrap_or(i64::MAX)))
            .collect::<Result<_>>()?;
    Ok(Arc::new(lengths))
}

/// One list for each row.
fn collect(lists: impl Iterator<Item = Result<Option<Vec<String>>>>) -> Result<ArrayRef> {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        let list = list?;
        builder.append_option(list.map(|list| list.into_iter().map(Some)));
    }
    Ok(Arc::new(builder.finish()))
}

fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, separators) = (call.text(0)?, call.text(1)?);
    collect(strict(call.rows, &[&values, &separators], |row| {
        let (value, separator) = (values.value(row), separators.value(row));
        Ok(if separator.is_empty() {
            value.chars().map(String::from).collect()
        } else {
            value.split(separator).map(str::to_owned).collect()
        })
    }))
}

fn split_by_pattern(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, patterns) = (call.text(0)?, call.text(1)?);
    let mut remembered = Remembered::new();
    collect(strict(call.rows, &[&values, &patterns], |row| {
        let regex = remembered.get(patterns.value(row), |pattern| compile(call.name, pattern))?;
        Ok(regex.split(values.value(row)).map(str::to_owned).collect())
    }))
}

fn extract_all(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, patterns) = (call.text(0)?, call.text(1)?);
    let groups = if call.len() > 2 { call.integers(2)? } else { Int64Array::from(vec![0; call.rows]) };
    let mut remembered = Remembered::new();
    let arrays: [&dyn Array; 3] = [&values, &patterns, &groups];
    collect(strict(call.rows, &arrays, |row| {
        let regex = remembered.get(patterns.value(row), |pattern| compile(call.name, pattern))?;
        let group = match usize::try_from(groups.value(row)) {
            Ok(group) if group < regex.captures_len() => group,
            _ => return exec_err!("{}: the regular expression has no group {}", call.name, groups.value(row)),
        };
        let found = regex.captures_iter(values.value(row));
        Ok(found.map(|found| found.get(group).map_or_else(String::new, |found| found.as_str().to_owned())).collect())
    }))
}
