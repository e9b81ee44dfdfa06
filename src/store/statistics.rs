//! Statistics of a data file: counted by the Parquet writer, kept in Delta's log as JSON.
//!
//! Only bounds that are surely right are kept: none for floating-point columns (NaN has no place among them) and none
//! for decimals that JSON's numbers cannot hold exactly.

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::compute::{CastOptions, cast_with_options, max, max_string, min, min_string, sum};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_ms_to_datetime};
use indexmap::IndexMap;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value};

/// Decimals up to this many digits are exact in JSON's numbers.
const EXACT_DIGITS: u8 = 15;

/// A text bound longer than this is left out: it would bloat the log.
const LONGEST_BOUND: usize = 256;

/// What is known about the values of one column in one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnStatistics {
    /// A value that none is less than, in the form of Delta's log.
    pub min: Option<Value>,
    /// A value that none is greater than, in the form of Delta's log.
    pub max: Option<Value>,
    /// How many values are null.
    pub null_count: Option<u64>,
}

/// What is known about the top-level columns of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileStatistics {
    /// By column, in the order of the schema.
    pub columns: IndexMap<String, ColumnStatistics>,
}

impl FileStatistics {
    /// Collects the statistics of a file from its footer. Columns in `without` (those of the partitions, whose values
    /// the log has elsewhere) are left out.
    pub(super) fn from_footer(schema: &Schema, footer: &ParquetMetaData, without: &[String]) -> Self {
        let parquet_schema = footer.file_metadata().schema_descr();
        let mut columns = IndexMap::new();
        for field in schema.fields() {
            if field.data_type().is_nested() || without.contains(field.name()) {
                continue;
            }
            // A column without statistics is not an error: readers then know nothing and read it.
            let Ok(converter) = StatisticsConverter::try_new(field.name(), schema, parquet_schema) else { continue };
            let groups = || footer.row_groups().iter();
            let nulls = converter.row_group_null_counts(groups()).ok();
            let null_count = nulls.filter(|counts| counts.null_count() == 0).and_then(|counts| sum(&counts));
            let mins = converter.row_group_mins(groups()).ok().filter(|bounds| covers(bounds, footer));
            let maxes = converter.row_group_maxes(groups()).ok().filter(|bounds| covers(bounds, footer));
            let statistics = ColumnStatistics {
                min: mins.and_then(|mins| bound(&mins, false)),
                max: maxes.and_then(|maxes| bound(&maxes, true)),
                null_count,
            };
            columns.insert(field.name().clone(), statistics);
        }
        Self { columns }
    }

    /// The statistics as Delta writes them.
    pub(super) fn to_delta(&self, rows: u64) -> String {
        let collect = |pick: &dyn Fn(&ColumnStatistics) -> Option<Value>| -> Map<String, Value> {
            self.columns.iter().filter_map(|(name, column)| Some((name.clone(), pick(column)?))).collect()
        };
        let mut map = Map::new();
        map.insert("numRecords".to_owned(), Value::from(rows));
        map.insert("minValues".to_owned(), Value::Object(collect(&|column| column.min.clone())));
        map.insert("maxValues".to_owned(), Value::Object(collect(&|column| column.max.clone())));
        map.insert("nullCount".to_owned(), Value::Object(collect(&|column| column.null_count.map(Value::from))));
        Value::Object(map).to_string()
    }

    /// Reads what [`to_delta`](Self::to_delta) wrote: the number of rows and the statistics.
    pub(super) fn from_delta(schema: &Schema, text: &str) -> Option<(u64, Self)> {
        let json: Value = serde_json::from_str(text).ok()?;
        let rows = json.get("numRecords")?.as_u64()?;
        let get = |kind: &str, column: &str| json.get(kind).and_then(|values| values.get(column));
        let mut columns = IndexMap::new();
        for field in schema.fields() {
            let name = field.name();
            let null_count = get("nullCount", name).and_then(Value::as_u64);
            let (min, max) = (get("minValues", name).cloned(), get("maxValues", name).cloned());
            if null_count.is_some() || min.is_some() || max.is_some() {
                columns.insert(name.clone(), ColumnStatistics { min, max, null_count });
            }
        }
        Some((rows, Self { columns }))
    }
}

/// Whether bounds of row groups are known for every group that has a value.
fn covers(bounds: &ArrayRef, footer: &ParquetMetaData) -> bool {
    // A group without bounds has only nulls, or its statistics were left out; to be safe both count as unknown,
    // unless no group has any bound.
    bounds.null_count() == 0 && bounds.len() == footer.num_row_groups()
}

/// The least or greatest of the row groups' bounds, in the form of Delta's log.
fn bound(bounds: &ArrayRef, greatest: bool) -> Option<Value> {
    match bounds.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let wide = cast_with_options(bounds, &DataType::Int64, &CastOptions::default()).ok()?;
            let wide = wide.as_primitive::<Int64Type>();
            (if greatest { max(wide) } else { min(wide) }).map(Value::from)
        }
        DataType::Date32 => {
            let days = bounds.as_primitive::<Date32Type>();
            let day = date32_to_datetime(if greatest { max(days) } else { min(days) }?)?;
            Some(Value::from(day.format("%Y-%m-%d").to_string()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let instants = bounds.as_primitive::<TimestampMicrosecondType>();
            let micros = if greatest { max(instants) } else { min(instants) }?;
            // Delta's statistics have milliseconds: a lower bound is rounded down, an upper one up.
            let millis = micros.div_euclid(1000) + i64::from(greatest && micros.rem_euclid(1000) != 0);
            let instant = timestamp_ms_to_datetime(millis)?;
            let form = if zone.is_some() { "%Y-%m-%dT%H:%M:%S%.3fZ" } else { "%Y-%m-%dT%H:%M:%S%.3f" };
            Some(Value::from(instant.format(form).to_string()))
        }
        DataType::Utf8 => {
            let texts = bounds.as_string::<i32>();
            let text = if greatest { max_string(texts) } else { min_string(texts) }?;
            (text.len() <= LONGEST_BOUND).then(|| Value::from(text))
        }
        DataType::Decimal128(precision, _) if *precision <= EXACT_DIGITS => {
            let numbers = bounds.as_primitive::<Decimal128Type>();
            let number = if greatest { max(numbers) } else { min(numbers) }?;
            let only = numbers.iter().position(|candidate| candidate == Some(number))?;
            serde_json::from_str(&numbers.value_as_string(only)).ok()
        }
        _ => None,
    }
}
