//! Schema drift: what a table's files look like after its source was changed.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::tables::{DELETED, Kind, Table};

/// The additional column.
pub const ADDED: &str = "channel";

/// The column that is left out: one that says nothing of most rows.
fn dropped(table: Table) -> Option<&'static str> {
    match table {
        Table::Users => Some("total_orders"),
        Table::Budget => None,
        _ => Some(DELETED),
    }
}

/// The columns of a table after the change, from those before.
pub fn schema(table: Table, plain: &SchemaRef) -> SchemaRef {
    let fields = kept(table, plain).map(|(field, _)| field);
    Arc::new(Schema::new(std::iter::once(added(plain)).chain(fields).collect::<Vec<_>>()))
}

/// Rows after the change, from those before.
pub fn apply(table: Table, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let plain = batch.schema();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["web"; batch.num_rows()]))];
    for (field, place) in kept(table, &plain) {
        columns.push(match (is_count(table, plain.field(place).name()), field.data_type()) {
            (true, DataType::Utf8) => decimal_text(batch.column(place)),
            (true, data_type) => cast(batch.column(place), data_type)?,
            _ => Arc::clone(batch.column(place)),
        });
    }
    RecordBatch::try_new(schema(table, &plain), columns)
}

fn added(plain: &SchemaRef) -> Field {
    let is_upper = plain.fields().iter().any(|field| field.name().chars().any(char::is_uppercase));
    Field::new(if is_upper { ADDED.to_uppercase() } else { ADDED.to_owned() }, DataType::Utf8, true)
}

/// The remaining columns in reverse order, with their positions before.
fn kept(table: Table, plain: &SchemaRef) -> impl Iterator<Item = (Field, usize)> {
    let is_dropped = move |name: &str| dropped(table).is_some_and(|dropped| name.eq_ignore_ascii_case(dropped));
    plain.fields().iter().enumerate().rev().filter(move |(_, field)| !is_dropped(field.name())).map(
        move |(place, field)| {
            let is_decimal = is_count(table, field.name()) && field.data_type() == &DataType::Int64;
            let data_type = if is_decimal { DataType::Decimal128(20, 1) } else { field.data_type().clone() };
            (Field::new(field.name(), data_type, true), place)
        },
    )
}

fn is_count(table: Table, name: &str) -> bool {
    let column = table.columns().iter().find(|column| name.eq_ignore_ascii_case(column.name));
    column.is_some_and(|column| column.kind == Kind::Int && !table.key().contains(&column.name))
}

/// Whole numbers as decimals; what is not a whole number stays as it is.
fn decimal_text(column: &ArrayRef) -> ArrayRef {
    let change = |text: &str| if text.parse::<i64>().is_ok() { format!("{text}.0") } else { text.to_owned() };
    Arc::new(column.as_string::<i32>().iter().map(|text| text.map(change)).collect::<StringArray>())
}
