//! Rows as text, JSON, CSV: Arrow values turned into what `show` and failing tests print.
//!
//! Numbers stay exact (a decimal is written digit by digit), times are ISO 8601, nested values are JSON. Nothing is
//! printed here.

use std::fmt::Write as _;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, FixedSizeListArray, MapArray, RecordBatch, StructArray,
};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// How a null is shown to people.
const NULL: &str = "∅";

/// Rows as a table for people, in the form of a Markdown table: numbers to the right, null as `∅`, a blank at the
/// end of a text as `·`.
pub fn text_table(schema: &Schema, batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let names = column_names(schema);
    let numeric: Vec<bool> = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| cell(column, row)).collect::<Result<_, _>>()?);
        }
    }
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell));
            cells.max().unwrap_or(0).max(width(name)).max(3)
        })
        .collect();
    let mut text = String::new();
    line(&mut text, &names, &widths, &numeric);
    text.push('|');
    for (width, numeric) in widths.iter().zip(&numeric) {
        let dashes = "-".repeat(width - 1);
        let _ = if *numeric { write!(text, " {dashes}: |") } else { write!(text, " {dashes}- |") };
    }
    text.push('\n');
    for row in &rows {
        line(&mut text, row, &widths, &numeric);
    }
    Ok(text)
}

/// Each row as one JSON object of one line.
pub fn json_rows(batches: &[RecordBatch]) -> Result<Vec<String>, ArrowError> {
    let mut rows = Vec::new();
    for batch in batches {
        let names = column_names(batch.schema_ref());
        for row in 0..batch.num_rows() {
            let mut text = String::new();
            write_object(&mut text, &names, batch.columns(), row)?;
            rows.push(text);
        }
    }
    Ok(rows)
}

/// Rows in dbt's shape: an object whose `show` is the list of rows, and whose `node` is the node's name if there is
/// one.
pub fn json_document(node: Option<&str>, batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let rows = json_rows(batches)?;
    let mut text = String::from("{\n");
    if let Some(node) = node {
        let _ = writeln!(text, "  \"node\": {},", json_text(node));
    }
    text.push_str("  \"show\": [");
    for (index, row) in rows.iter().enumerate() {
        text.push_str(if index == 0 { "\n    " } else { ",\n    " });
        text.push_str(row);
    }
    text.push_str(if rows.is_empty() { "]\n}" } else { "\n  ]\n}" });
    Ok(text)
}

/// Rows as CSV with a header; null is empty, nested values are JSON.
pub fn csv(schema: &Schema, batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| ArrowError::CsvError(error.to_string());
    writer.write_record(column_names(schema)).map_err(failed)?;
    for batch in batches {
        for row in 0..batch.num_rows() {
            let record = batch.columns().iter().map(|column| plain(column, row)).collect::<Result<Vec<_>, _>>()?;
            writer.write_record(record).map_err(failed)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| ArrowError::CsvError(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| ArrowError::CsvError(error.to_string()))
}

/// The columns' names, made different from each other by a number where the query repeats one.
fn column_names(schema: &Schema) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{}_{number}", field.name());
            number += 1;
        }
        names.push(name);
    }
    names
}

fn line(text: &mut String, cells: &[String], widths: &[usize], numeric: &[bool]) {
    text.push('|');
    for ((cell, column_width), numeric) in cells.iter().zip(widths).zip(numeric) {
        let blank = " ".repeat(column_width - width(cell).min(*column_width));
        let _ = if *numeric { write!(text, " {blank}{cell} |") } else { write!(text, " {cell}{blank} |") };
    }
    text.push('\n');
}

/// Characters are columns but for wide scripts, which shift the rule a little and nothing else.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// One value for people.
fn cell(column: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    if is_null(column, row) {
        return Ok(NULL.to_owned());
    }
    let text = plain(column, row)?;
    // A line break, a tab or a bar would break the table, and blanks at the end cannot be seen.
    let mut shown = String::with_capacity(text.len());
    for character in text.trim_end_matches(' ').chars() {
        match character {
            '|' => shown.push_str("\\|"),
            character if character.is_control() => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
    }
    let blanks = text.len() - text.trim_end_matches(' ').len();
    shown.extend(std::iter::repeat_n('·', blanks));
    Ok(shown)
}

/// One value as bare text; null is empty.
fn plain(column: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    if is_null(column, row) {
        return Ok(String::new());
    }
    match column.data_type() {
        DataType::Struct(_)
        | DataType::Map(_, _)
        | DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(_, _) => {
            let mut text = String::new();
            write_value(&mut text, column, row)?;
            Ok(text)
        }
        _ => formatted(column, row),
    }
}

/// Whether a value is null; of a dictionary the value it stands for counts.
fn is_null(column: &ArrayRef, row: usize) -> bool {
    match column.logical_nulls() {
        Some(nulls) => nulls.is_null(row),
        None => column.data_type() == &DataType::Null,
    }
}

/// Arrow's own text of a value: ISO 8601 for times, digits for decimals, hexadecimal for bytes.
fn formatted(column: &dyn Array, row: usize) -> Result<String, ArrowError> {
    let options = FormatOptions::default().with_display_error(false);
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let mut text = String::new();
    formatter.value(row).write(&mut text)?;
    Ok(text)
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write_object(text: &mut String, names: &[String], columns: &[ArrayRef], row: usize) -> Result<(), ArrowError> {
    text.push('{');
    for (index, (name, column)) in names.iter().zip(columns).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(&json_text(name));
        text.push_str(": ");
        write_value(text, column, row)?;
    }
    text.push('}');
    Ok(())
}

fn write_list(text: &mut String, items: &ArrayRef) -> Result<(), ArrowError> {
    text.push('[');
    for item in 0..items.len() {
        if item > 0 {
            text.push_str(", ");
        }
        write_value(text, items, item)?;
    }
    text.push(']');
    Ok(())
}

/// One value as JSON.
fn write_value(text: &mut String, column: &ArrayRef, row: usize) -> Result<(), ArrowError> {
    if is_null(column, row) {
        text.push_str("null");
        return Ok(());
    }
    match column.data_type() {
        DataType::Boolean => {
            let value = column.as_any().downcast_ref::<BooleanArray>().is_some_and(|values| values.value(row));
            text.push_str(if value { "true" } else { "false" });
        }
        DataType::Float16 => push_float(text, f64::from(column.as_primitive::<Float16Type>().value(row))),
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            // The shortest text of the 32-bit value: its widening to 64 bits would show digits nobody wrote.
            push_number(text, value.is_finite(), &format!("{value:?}"));
        }
        DataType::Float64 => push_float(text, column.as_primitive::<Float64Type>().value(row)),
        data_type if data_type.is_numeric() => text.push_str(&formatted(column, row)?),
        DataType::List(_) => write_list(text, &column.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => write_list(text, &column.as_list::<i64>().value(row))?,
        DataType::ListView(_) => write_list(text, &column.as_list_view::<i32>().value(row))?,
        DataType::LargeListView(_) => write_list(text, &column.as_list_view::<i64>().value(row))?,
        DataType::FixedSizeList(_, _) => {
            let lists: &FixedSizeListArray = column.as_fixed_size_list();
            write_list(text, &lists.value(row))?;
        }
        DataType::Struct(fields) => {
            let values: &StructArray = column.as_struct();
            let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
            write_object(text, &names, values.columns(), row)?;
        }
        DataType::Map(_, _) => {
            let maps: &MapArray = column.as_map();
            let entries = maps.value(row);
            text.push('{');
            for entry in 0..entries.len() {
                if entry > 0 {
                    text.push_str(", ");
                }
                // Keys of JSON are texts, whatever the map's keys are.
                text.push_str(&json_text(&plain(entries.column(0), entry)?));
                text.push_str(": ");
                write_value(text, entries.column(1), entry)?;
            }
            text.push('}');
        }
        DataType::Dictionary(_, _) => {
            let dictionary = column.as_any_dictionary();
            let key = dictionary.normalized_keys().get(row).copied().unwrap_or(0);
            write_value(text, dictionary.values(), key)?;
        }
        _ => text.push_str(&json_text(&formatted(column, row)?)),
    }
    Ok(())
}

fn push_float(text: &mut String, value: f64) {
    push_number(text, value.is_finite(), &format!("{value:?}"));
}

/// JSON has no infinity and no not-a-number: they become null.
fn push_number(text: &mut String, finite: bool, digits: &str) {
    text.push_str(if finite { digits } else { "null" });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array,
        ListArray, MapBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn sample() -> RecordBatch {
        let decimals = Decimal128Array::from(vec![Some(-150), None]).with_precision_and_scale(38, 2).unwrap();
        let instants = TimestampMicrosecondArray::from(vec![Some(1_706_680_800_000_000), None]);
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None]), None]);
        let structs = StructArray::from(vec![(
            Arc::new(Field::new("k", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec![Some("v\"1"), None])) as ArrayRef,
        )]);
        let mut maps = MapBuilder::new(None, StringBuilder::new(), arrow::array::Int64Builder::new());
        maps.keys().append_value("a");
        maps.values().append_value(1);
        maps.append(true).unwrap();
        maps.append(false).unwrap();
        let dictionary: DictionaryArray<Int32Type> = [Some("x "), None].into_iter().collect();
        RecordBatch::try_from_iter_with_nullable([
            ("i", Arc::new(Int64Array::from(vec![Some(i64::MAX), None])) as ArrayRef, true),
            ("d", Arc::new(decimals) as ArrayRef, true),
            ("f", Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::NAN)])) as ArrayRef, true),
            ("g", Arc::new(Float32Array::from(vec![Some(0.1), Some(1e20)])) as ArrayRef, true),
            ("b", Arc::new(BooleanArray::from(vec![Some(true), None])) as ArrayRef, true),
            ("at", Arc::new(instants.clone()) as ArrayRef, true),
            ("z", Arc::new(instants.with_timezone("UTC")) as ArrayRef, true),
            ("day", Arc::new(Date32Array::from(vec![Some(19_753), None])) as ArrayRef, true),
            ("l", Arc::new(lists) as ArrayRef, true),
            ("s", Arc::new(structs) as ArrayRef, true),
            ("m", Arc::new(maps.finish()) as ArrayRef, true),
            ("t", Arc::new(dictionary) as ArrayRef, true),
            ("h", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\x01\xff"), None])) as ArrayRef, true),
        ])
        .unwrap()
    }

    #[test]
    fn json_keeps_numbers_exact_and_times_iso() {
        let rows = json_rows(&[sample()]).unwrap();
        assert_eq!(
            rows[0],
            r#"{"i": 9223372036854775807, "d": -1.50, "f": 0.1, "g": 0.1, "b": true, "at": "2024-01-31T06:00:00", "z": "2024-01-31T06:00:00Z", "day": "2024-01-31", "l": [1, null], "s": {"k": "v\"1"}, "m": {"a": 1}, "t": "x ", "h": "01ff"}"#
        );
        for row in &rows {
            serde_json::from_str::<serde_json::Value>(row).unwrap();
        }
        assert!(rows[1].contains(r#""f": null, "g": 1e20, "b": null"#), "{}", rows[1]);
        assert!(rows[1].contains(r#""s": {"k": null}, "m": null, "t": null"#), "{}", rows[1]);
        let document = json_document(Some("fct"), &[sample()]).unwrap();
        let value: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!((value["node"].as_str(), value["show"].as_array().unwrap().len()), (Some("fct"), 2));
        assert_eq!(json_document(None, &[]).unwrap(), "{\n  \"show\": []\n}");
    }

    #[test]
    fn text_shows_nulls_blanks_and_repeated_names() {
        let fields = ["id", "name", "id"]
            .map(|name| Field::new(name, if name == "id" { DataType::Int32 } else { DataType::Utf8 }, true));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(vec![Some(1), None])),
            Arc::new(StringArray::from(vec!["a|b\nc  ", "é"])),
            Arc::new(Int32Array::from(vec![10_000, 2])),
        ];
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let text = text_table(&schema, std::slice::from_ref(&batch)).unwrap();
        let expected = "\
|  id | name      |  id_2 |
| --: | --------- | ----: |
|   1 | a\\|b\\nc·· | 10000 |
|   ∅ | é         |     2 |
";
        assert_eq!(text, expected);
        assert_eq!(csv(&schema, &[batch]).unwrap(), "id,name,id_2\n1,\"a|b\nc  \",10000\n,é,2\n");
    }
}
