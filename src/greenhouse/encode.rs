//! Finished rows become bytes here, in the threads that made them: lines of CSV or JSON, or encoded and compressed
//! columns of a Parquet row group. The writer then only appends them in order.

use std::io;
use std::sync::Arc;

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, SchemaRef, TimestampMicrosecondType};
use clap::ValueEnum;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use crate::columns::dollars;
use crate::failure::Failure;
use crate::tables::Table;
use crate::time::{DAY, Written};

/// Forms of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text with commas; all values are text.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Parquet files.
    Parquet,
    /// Delta tables of Parquet files.
    Delta,
}

impl Format {
    /// The ending of file names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet | Self::Delta => "parquet",
        }
    }
}

/// Rows that only have to be appended to a file.
pub enum Encoded {
    /// Lines.
    Lines(Vec<u8>),
    /// A row group.
    RowGroup(Vec<ArrowColumnChunk>),
    /// Rows that the writer divides among files by itself.
    Rows(RecordBatch),
}

/// Encodes the rows of one table.
pub struct Encoder {
    table: Table,
    format: Format,
    schema: SchemaRef,
    factory: Option<ArrowRowGroupWriterFactory>,
}

impl Encoder {
    /// An encoder for rows of a schema. `is_divided`: the writer divides the rows among files.
    pub fn new(table: Table, format: Format, schema: SchemaRef, is_divided: bool) -> Result<Self, Failure> {
        let is_columnar = matches!(format, Format::Parquet | Format::Delta) && !is_divided;
        let factory = || -> Result<ArrowRowGroupWriterFactory, ParquetError> {
            Ok(ArrowRowGroupWriterFactory::new(&file_writer(io::sink(), table, &schema)?, Arc::clone(&schema)))
        };
        let factory = is_columnar.then(factory).transpose().map_err(refused(table))?;
        Ok(Self { table, format, schema, factory })
    }

    /// Encodes rows.
    pub fn encode(&self, batch: RecordBatch) -> Result<Encoded, Failure> {
        match (self.format, &self.factory) {
            (Format::Csv, _) => Ok(Encoded::Lines(csv_lines(&batch))),
            (Format::Ndjson, _) => Ok(Encoded::Lines(json_lines(&batch))),
            (_, None) => Ok(Encoded::Rows(batch)),
            (_, Some(factory)) => {
                let encode = || -> Result<Vec<ArrowColumnChunk>, ParquetError> {
                    let mut chunks = Vec::with_capacity(batch.num_columns());
                    let fields = self.schema.fields().iter();
                    for ((mut writer, array), field) in
                        factory.create_column_writers(0)?.into_iter().zip(batch.columns()).zip(fields)
                    {
                        for leaf in compute_leaves(field, array)? {
                            writer.write(&leaf)?;
                        }
                        chunks.push(writer.close()?);
                    }
                    Ok(chunks)
                };
                Ok(Encoded::RowGroup(encode().map_err(refused(self.table))?))
            }
        }
    }
}

/// A failure of the encoder.
pub fn refused<E: std::fmt::Display>(table: Table) -> impl Fn(E) -> Failure {
    move |error| Failure::Encoding { table: table.name(), message: error.to_string() }
}

/// The writer of a Parquet file of a table.
pub fn file_writer<W: io::Write + Send>(
    file: W,
    table: Table,
    schema: &SchemaRef,
) -> Result<SerializedFileWriter<W>, ParquetError> {
    let columns = ArrowSchemaConverter::new().convert(schema)?;
    SerializedFileWriter::new(file, columns.root_schema_ptr(), Arc::new(properties(table)))
}

/// How a table's Parquet files are written.
pub fn properties(table: Table) -> WriterProperties {
    // A dictionary of values that never occur twice costs time and saves nothing.
    let unique: &[&str] = match table {
        Table::Events => &["event_id"],
        Table::Orders => &["order_id", "tracking_id"],
        Table::Users => &["user_id", "email", "phone_number"],
        Table::Addresses => &["address_id"],
        _ => &[],
    };
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(parquet::basic::ZstdLevel::default()))
        // Room for the pages of all orders of a row group.
        .set_dictionary_page_size_limit(4 << 20)
        .set_created_by("greenhouse".to_owned());
    for name in unique.iter().flat_map(|name| [(*name).to_owned(), name.to_uppercase()]) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    properties.build()
}

/// The first line of a CSV file.
pub fn csv_header(schema: &SchemaRef) -> String {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.join(",") + "\n"
}

/// Null is empty; an empty text is quoted, so that it can be told apart.
fn csv_lines(batch: &RecordBatch) -> Vec<u8> {
    let columns: Vec<_> = batch.columns().iter().filter_map(|column| column.as_string_opt::<i32>()).collect();
    let size: usize = columns.iter().map(|column| column.values().len() + column.len() + 2).sum();
    let mut lines = Vec::with_capacity(size);
    for row in 0..batch.num_rows() {
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                lines.push(b',');
            }
            if column.is_valid(row) {
                push_csv(&mut lines, column.value(row));
            }
        }
        lines.push(b'\n');
    }
    lines
}

fn push_csv(line: &mut Vec<u8>, text: &str) {
    let is_plain = !text.is_empty() && !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if is_plain {
        line.extend_from_slice(text.as_bytes());
    } else {
        line.push(b'"');
        line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        line.push(b'"');
    }
}

fn json_lines(batch: &RecordBatch) -> Vec<u8> {
    let mut lines = Vec::new();
    let schema = batch.schema();
    let names: Vec<String> = schema.fields().iter().map(|field| json_text(field.name())).collect();
    for row in 0..batch.num_rows() {
        let mut line = String::from("{");
        for (name, column) in names.iter().zip(batch.columns()) {
            if line.len() > 1 {
                line.push(',');
            }
            line.push_str(name);
            line.push(':');
            line.push_str(&json_value(column.as_ref(), row));
        }
        line.push_str("}\n");
        lines.extend_from_slice(line.as_bytes());
    }
    lines
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn json_value(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return "null".to_owned();
    }
    match column.data_type() {
        DataType::Utf8 => json_text(column.as_string::<i32>().value(row)),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Decimal128(_, 2) => {
            let cents = column.as_primitive::<Decimal128Type>().value(row);
            dollars(i64::try_from(cents).unwrap_or(i64::MAX)).to_string()
        }
        DataType::Timestamp(_, zone) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            let time = Written { wall: micros.div_euclid(1_000_000), offset: None }.to_string();
            json_text(&(time.replace(' ', "T") + if zone.is_some() { "Z" } else { "" }))
        }
        DataType::Date32 => {
            let days = i64::from(column.as_primitive::<Date32Type>().value(row));
            json_text(&Written { wall: days * DAY, offset: None }.to_string()[..10])
        }
        // A whole number that drifted to a decimal of one digit.
        _ => {
            let tenths = column.as_primitive_opt::<Decimal128Type>().map(|column| column.value(row));
            tenths.map_or_else(|| "null".to_owned(), |tenths| format!("{}.{}", tenths / 10, tenths.abs() % 10))
        }
    }
}
