//! `information_schema`: what exists, as the standard names it, with SQL's types.
//!
//! The engine's own counts columns from zero, names types as Arrow does, and fails as a whole where one view cannot be
//! planned any more. Everything is looked at when the rows are read, so that a view on it may exist.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::Result as EngineResult;
use datafusion::datasource::TableType;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use crate::engine::session::RelationSource;
use crate::engine::types::sql_type_of;
use crate::manifest::relation::RelationKey;

/// The name of the schema.
pub(super) const NAME: &str = "information_schema";

/// The tables with their columns: a text unless the name is one of [`NUMBERS`].
const TABLES: [(&str, &[&str]); 4] = [
    ("tables", &["table_catalog", "table_schema", "table_name", "table_type"]),
    (
        "columns",
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "column_default",
            "is_nullable",
            "data_type",
            "character_maximum_length",
            "numeric_precision",
            "numeric_scale",
            "datetime_precision",
        ],
    ),
    ("schemata", &["catalog_name", "schema_name"]),
    ("views", &["table_catalog", "table_schema", "table_name", "view_definition"]),
];
/// Columns that hold integers.
const NUMBERS: [&str; 5] =
    ["ordinal_position", "character_maximum_length", "numeric_precision", "numeric_scale", "datetime_precision"];

/// The schema of one database.
pub(super) struct InformationSchema {
    /// What the database is called.
    pub(super) name: String,
    /// What it is called in keys.
    pub(super) database: Option<String>,
    pub(super) relations: Arc<dyn RelationSource>,
}

impl fmt::Debug for InformationSchema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InformationSchema").finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        TABLES.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    async fn table(&self, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        let Some((table, columns)) = TABLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let field = |column: &&str| {
            let data_type = if NUMBERS.contains(column) { DataType::Int64 } else { DataType::Utf8 };
            Field::new(*column, data_type, true)
        };
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let rows = Rows {
            table,
            schema: Arc::clone(&schema),
            name: self.name.clone(),
            database: self.database.clone(),
            relations: Arc::clone(&self.relations),
        };
        Ok(Some(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(rows)])?)))
    }

    async fn table_type(&self, _: &str) -> EngineResult<Option<TableType>> {
        Ok(Some(TableType::View))
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

/// The rows of one of the tables.
struct Rows {
    table: &'static str,
    schema: SchemaRef,
    name: String,
    database: Option<String>,
    relations: Arc<dyn RelationSource>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rows").field("table", &self.table).finish_non_exhaustive()
    }
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (table, schema, name) = (self.table, Arc::clone(&self.schema), self.name.clone());
        let (database, relations) = (self.database.clone(), Arc::clone(&self.relations));
        let rows = async move {
            let inside = |key: &RelationKey| key.database == database;
            let names = relations.names().into_iter().filter(inside).collect::<Vec<_>>();
            rows(table, schema, &name, &names, relations.as_ref()).await
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::once(rows)))
    }
}

/// A value of a row.
enum Cell {
    Text(String),
    Number(Option<i64>),
    Null,
}

async fn rows(
    table: &'static str,
    schema: SchemaRef,
    database: &str,
    names: &[RelationKey],
    relations: &dyn RelationSource,
) -> EngineResult<RecordBatch> {
    let text = |text: &str| Cell::Text(text.to_owned());
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    if table == "schemata" {
        let mut schemas: Vec<&str> = names.iter().map(|key| key.schema.as_str()).chain([NAME]).collect();
        schemas.sort_unstable();
        schemas.dedup();
        rows.extend(schemas.into_iter().map(|schema| vec![text(database), text(schema)]));
        return batch(schema, &rows);
    }
    for key in names {
        let place = || vec![text(database), text(&key.schema), text(&key.identifier)];
        let is_view = relations.table_type(key) == Some(TableType::View);
        match table {
            "tables" => {
                let kind = if is_view { "VIEW" } else { "BASE TABLE" };
                rows.push(place().into_iter().chain([text(kind)]).collect());
            }
            "views" if !is_view => {}
            // What cannot be opened any more has no columns to tell; whoever reads it hears why.
            _ => {
                let Ok(Some(provider)) = relations.table(key).await else { continue };
                if table == "views" {
                    let query = provider.get_table_definition().map_or(Cell::Null, text);
                    rows.push(place().into_iter().chain([query]).collect());
                    continue;
                }
                for (index, field) in provider.schema().fields().iter().enumerate() {
                    rows.push(place().into_iter().chain(column(index, field)).collect());
                }
            }
        }
    }
    batch(schema, &rows)
}

/// What `columns` says of a column after the names of its relation.
fn column(index: usize, field: &Field) -> [Cell; 9] {
    let (precision, scale) = match field.data_type() {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            (Some(i64::from(*precision)), Some(i64::from(*scale)))
        }
        // Of integers and floats it is told in bits, as Postgres does.
        DataType::Int8 | DataType::UInt8 => (Some(8), Some(0)),
        DataType::Int16 | DataType::UInt16 => (Some(16), Some(0)),
        DataType::Int32 | DataType::UInt32 => (Some(32), Some(0)),
        DataType::Int64 | DataType::UInt64 => (Some(64), Some(0)),
        DataType::Float32 => (Some(24), None),
        DataType::Float64 => (Some(53), None),
        _ => (None, None),
    };
    let of_time = match field.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) | DataType::Date32 => Some(0),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Some(3),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some(6),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(9),
        _ => None,
    };
    let position = i64::try_from(index + 1).ok();
    let nullable = if field.is_nullable() { "YES" } else { "NO" };
    [
        Cell::Text(field.name().clone()),
        Cell::Number(position),
        Cell::Null,
        Cell::Text(nullable.to_owned()),
        Cell::Text(sql_type_of(field.data_type())),
        Cell::Number(None),
        Cell::Number(precision),
        Cell::Number(scale),
        Cell::Number(of_time),
    ]
}

fn batch(schema: SchemaRef, rows: &[Vec<Cell>]) -> EngineResult<RecordBatch> {
    let column = |(at, field): (usize, &Arc<Field>)| -> ArrayRef {
        let cells = rows.iter().map(|row| row.get(at));
        if field.data_type() == &DataType::Int64 {
            let number = |cell: Option<&Cell>| match cell {
                Some(Cell::Number(number)) => *number,
                _ => None,
            };
            return Arc::new(cells.map(number).collect::<Int64Array>());
        }
        Arc::new(cells.map(text_of).collect::<StringArray>())
    };
    let columns = schema.fields().iter().enumerate().map(column).collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn text_of(cell: Option<&Cell>) -> Option<&str> {
    match cell {
        Some(Cell::Text(text)) => Some(text),
        _ => None,
    }
}
