//! The result of a query as templates see it (dbt shows an agate table): columns by name and place, rows by both.
//!
//! Integers, floats, texts and booleans are plain values; decimals are exact; dates and times are those of Python's
//! `datetime`; null is `None`; lists and structs are lists and dicts; bytes are written in hex.

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::DateTime;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::template::evaluate::Interpreter;
use crate::template::evaluate::arguments::Arguments;
use crate::template::failure::{Eval, fail};
use crate::template::host::MessageLevel;
use crate::template::values::datetime::{Date, Moment, Zone};
use crate::template::values::decimal::Decimal;
use crate::template::values::{self, Dict, List, text};

/// A table.
#[derive(Debug)]
pub struct Table {
    names: Arc<[String]>,
    types: Vec<String>,
    rows: Arc<[Arc<[Value]>]>,
}

/// A row of a table.
#[derive(Debug)]
pub struct Row {
    names: Arc<[String]>,
    values: Arc<[Value]>,
}

/// A column of a table.
#[derive(Debug)]
pub struct TableColumn {
    index: usize,
    name: String,
    data_type: String,
    rows: Arc<[Arc<[Value]>]>,
}

/// The columns of a table, by place and by name.
#[derive(Debug)]
pub struct Columns(Arc<Table>);

impl Table {
    /// A table of batches.
    pub fn value(batches: &[RecordBatch]) -> Value {
        let schema = batches.first().map(RecordBatch::schema);
        let fields = schema.as_ref().map(|schema| schema.fields().clone()).unwrap_or_default();
        let names = fields.iter().map(|field| field.name().clone()).collect();
        let types = fields.iter().map(|field| field.data_type().to_string()).collect();
        let mut rows: Vec<Arc<[Value]>> = Vec::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                rows.push(batch.columns().iter().map(|column| cell(column, row)).collect());
            }
        }
        Value::from_object(Self { names, types, rows: rows.into() })
    }

    fn row(&self, index: usize) -> Option<Value> {
        let values = Arc::clone(self.rows.get(index)?);
        Some(Value::from_object(Row { names: Arc::clone(&self.names), values }))
    }

    fn column(&self, index: usize) -> Option<Value> {
        let name = self.names.get(index)?.clone();
        let data_type = self.types.get(index)?.clone();
        Some(Value::from_object(TableColumn { index, name, data_type, rows: Arc::clone(&self.rows) }))
    }

    fn all_rows(&self) -> Vec<Value> {
        (0..self.rows.len()).filter_map(|index| self.row(index)).collect()
    }

    /// The first rows as text with borders.
    fn printed(&self, most: usize) -> String {
        let mut lines: Vec<Vec<String>> = vec![self.names.to_vec()];
        lines.extend(self.rows.iter().take(most).map(|row| row.iter().map(text::display).collect()));
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.names.len()).map(width).collect();
        let mut printed = String::new();
        for (index, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(printed, "| {cell:<width$} ");
            }
            printed.push_str("|\n");
            if index == 0 {
                for width in &widths {
                    let _ = write!(printed, "| {} ", "-".repeat(*width));
                }
                printed.push_str("|\n");
            }
        }
        printed
    }
}

/// The place that a key names: a number, counted from the end if negative, or one of the names.
fn place(key: &Value, length: usize, names: impl Fn(&str) -> Option<usize>) -> Option<usize> {
    if let Some(name) = key.as_str() {
        return names(name);
    }
    let index = key.as_i64()?;
    let index = if index < 0 { index + i64::try_from(length).ok()? } else { index };
    usize::try_from(index).ok()
}

/// Names are found as written, else in any case.
fn named(names: &[String], wanted: &str) -> Option<usize> {
    let exact = names.iter().position(|name| name == wanted);
    exact.or_else(|| names.iter().position(|name| name.eq_ignore_ascii_case(wanted)))
}

impl Object for Table {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if let Some(name) = key.as_str() {
            return Some(match name {
                "columns" => Value::from_object(Columns(Arc::clone(self))),
                "column_names" => values::tuple(self.names.iter().map(|name| Value::from(name.as_str())).collect()),
                "column_types" => values::tuple(self.types.iter().map(|name| Value::from(name.as_str())).collect()),
                "rows" => List::value(self.all_rows()),
                _ => return None,
            });
        }
        self.row(key.as_usize()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.all_rows())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.rows.len())
    }

    // A table without rows is a table: `{% if results %}` asks whether the query ran.
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.printed(20))
    }
}

impl Object for Columns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.column(place(key, self.0.names.len(), |name| named(&self.0.names, name))?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values((0..self.0.names.len()).filter_map(|index| self.0.column(index)).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.names.len())
    }
}

impl Object for TableColumn {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("name") => Some(Value::from(self.name.as_str())),
            Some("data_type") => Some(Value::from(self.data_type.as_str())),
            Some("index") => Some(Value::from(self.index)),
            Some(_) => None,
            None => self.rows.get(key.as_usize()?)?.get(self.index).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.rows.iter().filter_map(|row| row.get(self.index)).cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.rows.len())
    }
}

impl Object for Row {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.values.get(place(key, self.values.len(), |name| named(&self.names, name))?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.to_vec())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.values.len())
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<Row: {}>", text::repr(&values::tuple(self.values.to_vec())))
    }
}

/// Calls a method of a table, row or column; `None` if the value is none or has no such method.
pub fn call_method(
    interpreter: &mut Interpreter<'_>,
    value: &Value,
    name: &str,
    arguments: &Arguments,
) -> Eval<Option<Value>> {
    if let Some(column) = value.downcast_object_ref::<TableColumn>() {
        let cells = || column.rows.iter().filter_map(|row| row.get(column.index)).cloned();
        return Ok(match name {
            "values" => Some(values::tuple(cells().collect())),
            "values_without_nulls" => Some(values::tuple(cells().filter(|cell| !cell.is_none()).collect())),
            "values_distinct" => Some(values::Set::value(cells())),
            "values_sorted" => {
                let mut sorted: Vec<Value> = cells().collect();
                sorted.sort();
                Some(values::tuple(sorted))
            }
            _ => None,
        });
    }
    if let Some(row) = value.downcast_object_ref::<Row>() {
        let pairs = || row.names.iter().map(|name| Value::from(name.as_str())).zip(row.values.iter().cloned());
        return Ok(match name {
            "values" => Some(values::tuple(row.values.to_vec())),
            "keys" => Some(values::tuple(row.names.iter().map(|name| Value::from(name.as_str())).collect())),
            "items" => Some(List::value(pairs().map(|(key, value)| values::tuple(vec![key, value])).collect())),
            "dict" => Some(Dict::value(pairs())),
            "get" => {
                let [key, default] = arguments.clone().bind("get", ["key", "default"], 1)?;
                let found = value.get_item(&key.unwrap_or_default()).ok().filter(|found| !found.is_undefined());
                Some(found.or(default).unwrap_or_else(|| Value::from(())))
            }
            _ => None,
        });
    }
    if let Some(columns) = value.downcast_object_ref::<Columns>() {
        let names = || columns.0.names.iter().map(|name| Value::from(name.as_str()));
        let all = || (0..columns.0.names.len()).filter_map(|index| columns.0.column(index));
        return Ok(match name {
            "keys" => Some(values::tuple(names().collect())),
            "values" => Some(values::tuple(all().collect())),
            "items" => {
                Some(List::value(names().zip(all()).map(|(key, value)| values::tuple(vec![key, value])).collect()))
            }
            "get" => {
                let [key, default] = arguments.clone().bind("get", ["key", "default"], 1)?;
                let found = value.get_item(&key.unwrap_or_default()).ok().filter(|found| !found.is_undefined());
                Some(found.or(default).unwrap_or_else(|| Value::from(())))
            }
            _ => None,
        });
    }
    let Some(table) = value.downcast_object::<Table>() else { return Ok(None) };
    Ok(match name {
        "print_table" => {
            let [max_rows, max_columns, _width] =
                arguments.clone().bind(name, ["max_rows", "max_columns", "max_column_width"], 0)?;
            drop(max_columns);
            let most = max_rows.and_then(|most| most.as_usize()).unwrap_or(20);
            interpreter.host.message(MessageLevel::Print, &table.printed(most));
            Some(Value::from(()))
        }
        "select" | "exclude" => {
            let [wanted] = arguments.clone().bind(name, ["key"], 1)?;
            let wanted = wanted.unwrap_or_default();
            let wanted =
                if wanted.as_str().is_some() { vec![wanted] } else { values::items_of(&wanted).unwrap_or_default() };
            let mut kept = Vec::new();
            for key in &wanted {
                match key.as_str().and_then(|key| named(&table.names, key)) {
                    Some(index) => kept.push(index),
                    None => return fail(format!("the table has no column {}", text::repr(key))),
                }
            }
            if name == "exclude" {
                kept = (0..table.names.len()).filter(|index| !kept.contains(index)).collect();
            }
            let pick = |row: &Arc<[Value]>| kept.iter().filter_map(|index| row.get(*index)).cloned().collect();
            Some(Value::from_object(Table {
                names: kept.iter().filter_map(|index| table.names.get(*index)).cloned().collect(),
                types: kept.iter().filter_map(|index| table.types.get(*index)).cloned().collect(),
                rows: table.rows.iter().map(pick).collect(),
            }))
        }
        "limit" => {
            let [count] = arguments.clone().bind(name, ["count"], 1)?;
            let count = count.and_then(|count| count.as_usize()).unwrap_or(0);
            Some(Value::from_object(Table {
                names: Arc::clone(&table.names),
                types: table.types.clone(),
                rows: table.rows.iter().take(count).cloned().collect(),
            }))
        }
        _ => None,
    })
}

/// One value of a column.
fn cell(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) || *column.data_type() == DataType::Null {
        return Value::from(());
    }
    match column.data_type() {
        DataType::Boolean => Value::from(column.as_boolean().value(row)),
        DataType::Int8 => Value::from(column.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => Value::from(column.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => Value::from(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Value::from(column.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => Value::from(column.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => Value::from(column.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => Value::from(column.as_primitive::<UInt64Type>().value(row)),
        DataType::Float16 => Value::from(column.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float32 => Value::from(f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Value::from(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Value::from(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Value::from(column.as_string_view().value(row)),
        DataType::Decimal128(_, scale) => decimal(column.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Decimal256(_, scale) => match column.as_primitive::<Decimal256Type>().value(row).to_i128() {
            Some(unscaled) => decimal(unscaled, *scale),
            None => formatted(column, row),
        },
        DataType::Date32 => date(column.as_primitive::<Date32Type>().value_as_date(row)),
        DataType::Date64 => date(column.as_primitive::<Date64Type>().value_as_date(row)),
        DataType::Timestamp(unit, zone) => timestamp(column, row, *unit, zone.as_deref()),
        DataType::List(_) => list(&column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&column.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let array = column.as_struct();
            let pairs =
                fields.iter().zip(array.columns()).map(|(field, inner)| (field.name().as_str(), cell(inner, row)));
            Dict::of_text(pairs)
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            Dict::value((0..entries.len()).map(|index| (cell(keys, index), cell(values, index))))
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            match dictionary.normalized_keys().get(row) {
                Some(key) => cell(dictionary.values(), *key),
                None => Value::from(()),
            }
        }
        _ => formatted(column, row),
    }
}

fn list(items: &ArrayRef) -> Value {
    List::value((0..items.len()).map(|index| cell(items, index)).collect())
}

fn decimal(unscaled: i128, scale: i8) -> Value {
    match u32::try_from(scale) {
        Ok(scale) => Decimal::new(unscaled, scale).value(),
        Err(_) => {
            match 10_i128.checked_pow(u32::from(scale.unsigned_abs())).and_then(|factor| unscaled.checked_mul(factor)) {
                Some(number) => Decimal::new(number, 0).value(),
                None => Value::from(()),
            }
        }
    }
}

fn date(date: Option<chrono::NaiveDate>) -> Value {
    date.map_or_else(|| Value::from(()), |date| Value::from_object(Date(date)))
}

fn timestamp(column: &ArrayRef, row: usize, unit: TimeUnit, zone: Option<&str>) -> Value {
    let ticks = match unit {
        TimeUnit::Second => column.as_primitive::<arrow::datatypes::TimestampSecondType>().value(row),
        TimeUnit::Millisecond => column.as_primitive::<arrow::datatypes::TimestampMillisecondType>().value(row),
        TimeUnit::Microsecond => column.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => column.as_primitive::<arrow::datatypes::TimestampNanosecondType>().value(row),
    };
    let instant = match unit {
        TimeUnit::Second => DateTime::from_timestamp(ticks, 0),
        TimeUnit::Millisecond => DateTime::from_timestamp_millis(ticks),
        TimeUnit::Microsecond => DateTime::from_timestamp_micros(ticks),
        TimeUnit::Nanosecond => Some(DateTime::from_timestamp_nanos(ticks)),
    };
    let Some(instant) = instant else { return formatted(column, row) };
    match zone {
        None => Moment { local: instant.naive_utc(), zone: None }.value(),
        Some("+00:00" | "Z") => Moment::utc(instant).value(),
        Some(name) => match Zone::parse(name) {
            Some(zone) => zone.local(instant).value(),
            None => formatted(column, row),
        },
    }
}

fn formatted(column: &ArrayRef, row: usize) -> Value {
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(column.as_ref(), &options).map(|formatter| formatter.value(row).to_string());
    text.map_or_else(|_| Value::from(()), Value::from)
}
