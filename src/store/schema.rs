//! Columns at rest: what a type is stored as, and a schema as JSON that reads back exactly.
//!
//! Delta has fewer types than Arrow. [`storable_schema`] says what each column becomes; its result is a fixed point:
//! stored and read back it is the same schema.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use serde_json::{Map, Value, json};

/// Most digits of a decimal at rest.
const DECIMAL_DIGITS: u8 = 38;

/// A column that cannot be stored, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnProblem {
    /// The column's name.
    pub column: String,
    /// What is wrong with it, as a clause: `the type Time64(ns) cannot be stored`.
    pub problem: String,
}

/// The schema that rows of the given schema are stored with, or all columns that cannot be stored.
pub fn storable_schema(schema: &Schema) -> Result<SchemaRef, Vec<ColumnProblem>> {
    let mut problems = Vec::new();
    let mut fields = Vec::with_capacity(schema.fields().len());
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    if schema.fields().is_empty() {
        problems.push(ColumnProblem { column: String::new(), problem: "there are no columns".to_owned() });
    }
    for field in schema.fields() {
        let name = field.name().as_str();
        let mut wrong = |problem: String| problems.push(ColumnProblem { column: name.to_owned(), problem });
        if name.is_empty() {
            wrong("a column must have a name".to_owned());
        } else if name.chars().any(char::is_control) {
            wrong("the name contains a control character".to_owned());
        }
        match seen.entry(name.to_lowercase()) {
            Entry::Occupied(other) if *other.get() == name => wrong("there are two columns of this name".to_owned()),
            Entry::Occupied(other) => wrong(format!("the name differs from `{}` only in case", other.get())),
            Entry::Vacant(free) => {
                free.insert(name);
            }
        }
        match storable_type(field.data_type()) {
            Ok(stored) => fields.push(Field::new(name, stored, field.is_nullable())),
            Err(problem) => wrong(problem),
        }
    }
    if problems.is_empty() { Ok(Arc::new(Schema::new(fields))) } else { Err(problems) }
}

/// The type that values of the given type are stored with, or why they cannot be stored.
pub fn storable_type(data_type: &DataType) -> Result<DataType, String> {
    Ok(match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Utf8
        | DataType::Binary => data_type.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        // A value that does not fit fails the write. Row numbers and counts, where such columns come from, fit.
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Null | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            let digits = precision.saturating_add(if *scale < 0 { scale.unsigned_abs() } else { 0 });
            if digits > DECIMAL_DIGITS {
                return Err(format!("the type {data_type} has more than {DECIMAL_DIGITS} digits"));
            }
            DataType::Decimal128(digits, (*scale).max(0))
        }
        DataType::Dictionary(_, values) => storable_type(values)?,
        DataType::RunEndEncoded(_, values) => storable_type(values.data_type())?,
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => {
            let element = Field::new("element", storable_type(element.data_type())?, element.is_nullable());
            DataType::List(Arc::new(element))
        }
        DataType::Struct(fields) => {
            let stored = storable_schema(&Schema::new(fields.clone())).map_err(|problems| {
                let texts = problems.iter().map(|problem| format!("`{}`: {}", problem.column, problem.problem));
                texts.collect::<Vec<_>>().join("; ")
            })?;
            DataType::Struct(stored.fields().clone())
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(format!("the type {data_type} cannot be stored"));
            };
            let [key, value] = fields.as_ref() else {
                return Err(format!("the type {data_type} cannot be stored"));
            };
            let fields = Fields::from(vec![
                Field::new("key", storable_type(key.data_type())?, false),
                Field::new("value", storable_type(value.data_type())?, value.is_nullable()),
            ]);
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(fields), false)), false)
        }
        DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_)
        | DataType::Union(_, _) => {
            return Err(format!("the type {data_type} cannot be stored; cast it, to text perhaps"));
        }
    })
}

/// Whether a type has a timestamp without a zone in it, which is a feature of its own in Delta's protocol.
pub(super) fn has_zoneless_timestamp(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::List(field) | DataType::Map(field, _) => has_zoneless_timestamp(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_zoneless_timestamp(field.data_type())),
        _ => false,
    }
}

/// A schema as JSON: any schema that a query can have, since views are not stored and keep their types.
pub(super) fn schema_to_json(schema: &Schema) -> Value {
    Value::Array(schema.fields().iter().map(|field| field_to_json(field)).collect())
}

/// Reads what [`schema_to_json`] wrote.
pub(super) fn schema_from_json(json: &Value) -> Result<SchemaRef, String> {
    Ok(Arc::new(Schema::new(fields_from_json(json)?)))
}

fn field_to_json(field: &Field) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), Value::from(field.name().as_str()));
    map.insert("type".to_owned(), type_to_json(field.data_type()));
    if !field.is_nullable() {
        map.insert("nullable".to_owned(), Value::Bool(false));
    }
    if !field.metadata().is_empty() {
        let sorted: BTreeMap<_, _> = field.metadata().iter().collect();
        map.insert("metadata".to_owned(), json!(sorted));
    }
    Value::Object(map)
}

fn fields_from_json(json: &Value) -> Result<Fields, String> {
    let Value::Array(list) = json else { return Err(format!("`{json}` is not a list of columns")) };
    list.iter().map(field_from_json).collect()
}

fn field_from_json(json: &Value) -> Result<FieldRef, String> {
    let name = json.get("name").and_then(Value::as_str).ok_or_else(|| format!("`{json}` has no name"))?;
    let data_type = type_from_json(json.get("type").unwrap_or(&Value::Null))?;
    let nullable = json.get("nullable").and_then(Value::as_bool).unwrap_or(true);
    let mut field = Field::new(name, data_type, nullable);
    if let Some(Value::Object(metadata)) = json.get("metadata") {
        let texts = metadata.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        field = field.with_metadata(texts.collect());
    }
    Ok(Arc::new(field))
}

/// Types without parameters and their names.
const PLAIN_TYPES: [(&str, DataType); 24] = [
    ("null", DataType::Null),
    ("boolean", DataType::Boolean),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float16", DataType::Float16),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("date32", DataType::Date32),
    ("date64", DataType::Date64),
    ("utf8", DataType::Utf8),
    ("large_utf8", DataType::LargeUtf8),
    ("utf8_view", DataType::Utf8View),
    ("binary", DataType::Binary),
    ("large_binary", DataType::LargeBinary),
    ("binary_view", DataType::BinaryView),
    ("interval_year_month", DataType::Interval(IntervalUnit::YearMonth)),
    ("interval_day_time", DataType::Interval(IntervalUnit::DayTime)),
    ("interval_month_day_nano", DataType::Interval(IntervalUnit::MonthDayNano)),
];

const UNITS: [(&str, TimeUnit); 4] = [
    ("s", TimeUnit::Second),
    ("ms", TimeUnit::Millisecond),
    ("us", TimeUnit::Microsecond),
    ("ns", TimeUnit::Nanosecond),
];

fn unit_to_text(unit: TimeUnit) -> &'static str {
    UNITS.iter().find(|(_, known)| *known == unit).map_or("ns", |(text, _)| text)
}

fn type_to_json(data_type: &DataType) -> Value {
    if let Some((name, _)) = PLAIN_TYPES.iter().find(|(_, known)| known == data_type) {
        return Value::from(*name);
    }
    match data_type {
        DataType::Timestamp(unit, zone) => json!(["timestamp", unit_to_text(*unit), zone.as_deref()]),
        DataType::Time32(unit) => json!(["time32", unit_to_text(*unit)]),
        DataType::Time64(unit) => json!(["time64", unit_to_text(*unit)]),
        DataType::Duration(unit) => json!(["duration", unit_to_text(*unit)]),
        DataType::FixedSizeBinary(size) => json!(["fixed_size_binary", size]),
        DataType::Decimal32(precision, scale) => json!(["decimal32", precision, scale]),
        DataType::Decimal64(precision, scale) => json!(["decimal64", precision, scale]),
        DataType::Decimal128(precision, scale) => json!(["decimal128", precision, scale]),
        DataType::Decimal256(precision, scale) => json!(["decimal256", precision, scale]),
        DataType::List(element) => json!(["list", field_to_json(element)]),
        DataType::ListView(element) => json!(["list_view", field_to_json(element)]),
        DataType::LargeList(element) => json!(["large_list", field_to_json(element)]),
        DataType::LargeListView(element) => json!(["large_list_view", field_to_json(element)]),
        DataType::FixedSizeList(element, size) => json!(["fixed_size_list", field_to_json(element), size]),
        DataType::Struct(fields) => {
            json!(["struct", fields.iter().map(|field| field_to_json(field)).collect::<Vec<_>>()])
        }
        DataType::Map(entries, sorted) => json!(["map", field_to_json(entries), sorted]),
        DataType::Dictionary(keys, values) => json!(["dictionary", type_to_json(keys), type_to_json(values)]),
        DataType::RunEndEncoded(ends, values) => json!(["run_end", field_to_json(ends), field_to_json(values)]),
        // A union cannot come out of a query that a view may hold; its text at least says so when it is read back.
        other => Value::from(other.to_string()),
    }
}

fn type_from_json(json: &Value) -> Result<DataType, String> {
    let unknown = || format!("`{json}` is not a known type");
    if let Value::String(name) = json {
        let found = PLAIN_TYPES.iter().find(|(known, _)| known == name);
        return found.map(|(_, data_type)| data_type.clone()).ok_or_else(unknown);
    }
    let list = json.as_array().ok_or_else(unknown)?;
    let name = list.first().and_then(Value::as_str).ok_or_else(unknown)?;
    let first = list.get(1).ok_or_else(unknown)?;
    let second = list.get(2);
    let unit = || {
        let text = first.as_str().ok_or_else(unknown)?;
        UNITS.iter().find(|(known, _)| *known == text).map(|(_, unit)| *unit).ok_or_else(unknown)
    };
    let size = |value: Option<&Value>| {
        value.and_then(Value::as_i64).and_then(|size| i32::try_from(size).ok()).ok_or_else(unknown)
    };
    let digits = || {
        let precision = first.as_u64().and_then(|number| u8::try_from(number).ok());
        let scale = second.and_then(Value::as_i64).and_then(|number| i8::try_from(number).ok());
        precision.zip(scale).ok_or_else(unknown)
    };
    Ok(match name {
        "timestamp" => DataType::Timestamp(unit()?, second.and_then(Value::as_str).map(Into::into)),
        "time32" => DataType::Time32(unit()?),
        "time64" => DataType::Time64(unit()?),
        "duration" => DataType::Duration(unit()?),
        "fixed_size_binary" => DataType::FixedSizeBinary(size(Some(first))?),
        "decimal32" => digits().map(|(precision, scale)| DataType::Decimal32(precision, scale))?,
        "decimal64" => digits().map(|(precision, scale)| DataType::Decimal64(precision, scale))?,
        "decimal128" => digits().map(|(precision, scale)| DataType::Decimal128(precision, scale))?,
        "decimal256" => digits().map(|(precision, scale)| DataType::Decimal256(precision, scale))?,
        "list" => DataType::List(field_from_json(first)?),
        "list_view" => DataType::ListView(field_from_json(first)?),
        "large_list" => DataType::LargeList(field_from_json(first)?),
        "large_list_view" => DataType::LargeListView(field_from_json(first)?),
        "fixed_size_list" => DataType::FixedSizeList(field_from_json(first)?, size(second)?),
        "struct" => DataType::Struct(fields_from_json(first)?),
        "map" => DataType::Map(field_from_json(first)?, second.and_then(Value::as_bool).unwrap_or(false)),
        "dictionary" => {
            let values = type_from_json(second.ok_or_else(unknown)?)?;
            DataType::Dictionary(Box::new(type_from_json(first)?), Box::new(values))
        }
        "run_end" => DataType::RunEndEncoded(field_from_json(first)?, field_from_json(second.ok_or_else(unknown)?)?),
        _ => return Err(unknown()),
    })
}
