//! SQL type names and stored types: from a name to an Arrow type, back, and from a query's schema to what Delta keeps.
//!
//! Stored timestamps have microseconds and, with a zone, the zone UTC; stored text, binary and lists have one layout
//! each; integers are signed; everything may be null. Nothing here converts data: [`storage_schema`] says what a query's
//! result is to be cast to, by casts that fail on values that do not fit.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, TableReference, plan_err};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::logical_expr::planner::ContextProvider;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

/// A type, or a schema, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// A name that is no type, or no type that the engine has.
    #[error("`{name}` is not a known type: {reason}")]
    Unknown {
        /// The name as written.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A column of a type that the warehouse cannot store.
    #[error("column `{column}` is {found}, which cannot be stored; {hint}")]
    NotStorable {
        /// The column, with a path for nested fields.
        column: String,
        /// Its type as SQL spells it.
        found: String,
        /// What to do.
        hint: String,
    },
    /// Columns whose names are the same but for case.
    #[error("the column names {} are the same", .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "))]
    Duplicate(Vec<String>),
    /// A name that cannot be a column's.
    #[error("column {position}: {reason}")]
    Name {
        /// Position of the column, from 1.
        position: usize,
        /// What is wrong with its name.
        reason: String,
    },
    /// Several problems at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<TypeError>),
}

impl TypeError {
    /// The single problems.
    pub fn each(&self) -> &[Self] {
        match self {
            Self::Several(errors) => errors,
            one => std::slice::from_ref(one),
        }
    }

    /// Whether it is about a type, and not about names.
    pub fn is_about_type(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::NotStorable { .. })
    }
}

/// The Arrow type of a SQL type name such as `varchar`, `decimal(18,2)`, `integer[]`, `struct(a integer, b date)` or
/// `map(varchar, double)`, as the warehouse stores it: timestamps in microseconds, zones as UTC, signed integers.
pub fn data_type_of(sql_type: &str) -> Result<DataType, TypeError> {
    Ok(plain_type(&parse_type(sql_type.trim(), 0)?))
}

/// Deepest nesting of a type name.
const TYPE_DEPTH: usize = 32;

fn unknown(name: &str, reason: impl Into<String>) -> TypeError {
    TypeError::Unknown { name: name.to_owned(), reason: reason.into() }
}

fn parse_type(name: &str, depth: usize) -> Result<DataType, TypeError> {
    if depth > TYPE_DEPTH {
        return Err(unknown(name, format!("it is nested deeper than {TYPE_DEPTH} levels")));
    }
    if let Some(inner) = name.strip_suffix("[]") {
        return Ok(list_of(parse_type(inner.trim(), depth + 1)?));
    }
    if let Some((base, inner)) = nested(name) {
        let parts = split_list(inner);
        return match (base.as_str(), parts.as_slice()) {
            ("array" | "list", [item]) => Ok(list_of(parse_type(item, depth + 1)?)),
            ("map", [key, value]) => Ok(map_of(parse_type(key, depth + 1)?, parse_type(value, depth + 1)?)),
            ("struct" | "row", [_, ..]) => {
                let mut fields = Vec::with_capacity(parts.len());
                for part in parts {
                    let (field, data_type) =
                        split_field(part).ok_or_else(|| unknown(name, format!("`{part}` is not a name and a type")))?;
                    fields.push(Field::new(field, parse_type(data_type, depth + 1)?, true));
                }
                Ok(DataType::Struct(fields.into()))
            }
            _ => Err(unknown(name, "it does not have the parts that such a type needs")),
        };
    }
    let (base, arguments) = name.split_once('(').map_or((name, ""), |(base, rest)| (base.trim_end(), rest));
    let lower = base.to_ascii_lowercase();
    // Names of other engines that the planner does not know.
    let plain = match lower.as_str() {
        "string" | "text" | "nvarchar" | "character" | "character varying" | "clob" | "json" | "jsonb" | "uuid"
        | "bpchar" | "varchar" | "char" => Some(DataType::Utf8),
        "blob" | "binary" | "varbinary" | "bytes" | "bytea" => Some(DataType::Binary),
        "byte" | "int1" => Some(DataType::Int8),
        "short" | "int16" | "utinyint" | "smallserial" => Some(DataType::Int16),
        "signed" | "int32" | "usmallint" | "serial" => Some(DataType::Int32),
        "long" | "int64" | "uinteger" | "bigserial" => Some(DataType::Int64),
        "hugeint" | "int128" => Some(DataType::Decimal128(38, 0)),
        "ubigint" => Some(DataType::Decimal128(20, 0)),
        "float32" => Some(DataType::Float32),
        "float64" => Some(DataType::Float64),
        "logical" => Some(DataType::Boolean),
        "datetime" | "timestamp_ntz" | "timestamp_s" | "timestamp_ms" | "timestamp_us" | "timestamp_ns" => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        "timestamp_tz" | "timestamp_ltz" => Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        _ => None,
    };
    match (plain, lower.as_str()) {
        (Some(plain), _) if arguments.is_empty() || is_length(arguments) => Ok(plain),
        (None, "number" | "dec" | "bignumeric") if arguments.is_empty() => planned("decimal"),
        (None, "number" | "dec" | "bignumeric") => planned(&format!("decimal({arguments}")),
        _ => planned(name),
    }
}

/// Whether the text behind `(` is a number and `)`.
fn is_length(arguments: &str) -> bool {
    arguments
        .strip_suffix(')')
        .is_some_and(|number| !number.trim().is_empty() && number.trim().bytes().all(|byte| byte.is_ascii_digit()))
}

/// The inside of `base(…)` or `base<…>` for types that contain types.
fn nested(name: &str) -> Option<(String, &str)> {
    let open = name.find(['(', '<'])?;
    let base = name.get(..open)?.trim().to_ascii_lowercase();
    if !matches!(base.as_str(), "struct" | "row" | "map" | "array" | "list") {
        return None;
    }
    let close = if name.as_bytes().get(open) == Some(&b'(') { ')' } else { '>' };
    Some((base, name.get(open + 1..)?.strip_suffix(close)?))
}

/// Splits at commas outside brackets and quotes.
fn split_list(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut start) = (0_i32, false, 0);
    let mut parts = Vec::new();
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '<' | '[' => depth += 1,
            ')' | '>' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// Splits `name type`, `name: type` and `"quoted name" type`.
fn split_field(part: &str) -> Option<(String, &str)> {
    if let Some(rest) = part.strip_prefix('"') {
        let end = rest.find('"')?;
        let data_type = rest.get(end + 1..)?.trim_start().trim_start_matches(':').trim();
        return Some((rest.get(..end)?.to_owned(), data_type)).filter(|(_, data_type)| !data_type.is_empty());
    }
    let end = part.find(|character: char| character.is_whitespace() || character == ':')?;
    let data_type = part.get(end..)?.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    Some((part.get(..end)?.to_lowercase(), data_type)).filter(|(_, data_type)| !data_type.is_empty())
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", item, true)))
}

fn map_of(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

/// Asks the engine's planner what a cast to the type yields.
fn planned(name: &str) -> Result<DataType, TypeError> {
    let sql = format!("cast(null as {name})");
    let not_sql = |_| unknown(name, "it cannot be read as a SQL type");
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(&sql).map_err(not_sql)?;
    let expression = parser.parse_expr().map_err(not_sql)?;
    if parser.peek_token().token != Token::EOF {
        return Err(unknown(name, "it cannot be read as a SQL type"));
    }
    let planner = SqlToRel::new_with_options(&TypesOnly, ParserOptions::default());
    match planner.sql_to_expr(expression, &DFSchema::empty(), &mut PlannerContext::new()) {
        Ok(Expr::Cast(cast)) => Ok(cast.field.data_type().clone()),
        Ok(_) => Err(unknown(name, "it cannot be read as a SQL type")),
        Err(DataFusionError::NotImplemented(_)) => Err(unknown(name, "the engine has no such type")),
        Err(error) => {
            let text = error.message();
            Err(unknown(name, text.lines().next().unwrap_or("the engine does not have it").trim_end_matches('.')))
        }
    }
}

/// A planner's surroundings in which there is nothing but types.
struct TypesOnly;

static OPTIONS: LazyLock<ConfigOptions> = LazyLock::new(|| {
    let mut options = ConfigOptions::default();
    options.execution.time_zone = Some("UTC".to_owned());
    options
});

impl ContextProvider for TypesOnly {
    fn get_table_source(&self, name: TableReference) -> EngineResult<Arc<dyn TableSource>> {
        plan_err!("there is no table {name}")
    }

    fn get_function_meta(&self, _: &str) -> Option<Arc<ScalarUDF>> {
        None
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, _: &str) -> Option<Arc<AggregateUDF>> {
        None
    }

    fn get_window_meta(&self, _: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &OPTIONS
    }

    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The SQL name of a type; [`data_type_of`] reads it back.
pub fn sql_type_of(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "null".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::UInt8 => "tinyint unsigned".to_owned(),
        DataType::UInt16 => "smallint unsigned".to_owned(),
        DataType::UInt32 => "integer unsigned".to_owned(),
        DataType::UInt64 => "bigint unsigned".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "varchar".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytea".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => format!("{}[]", sql_type_of(field.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field_name(field.name()), sql_type_of(field.data_type())))
                .collect();
            format!("struct({})", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let parts: Vec<String> = fields.iter().map(|field| sql_type_of(field.data_type())).collect();
                format!("map({})", parts.join(", "))
            }
            _ => "map".to_owned(),
        },
        DataType::Dictionary(_, value) => sql_type_of(value),
        DataType::RunEndEncoded(_, values) => sql_type_of(values.data_type()),
        DataType::Union(..) => "union".to_owned(),
    }
}

/// A field's name, in quotes unless it is a plain lower-case word.
fn field_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.is_empty() && name.bytes().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        name.to_owned()
    } else {
        format!("\"{name}\"")
    }
}

/// The type in the layout that the warehouse stores, where it has one; types that cannot be stored stay as they are.
pub fn plain_type(data_type: &DataType) -> DataType {
    let mut ignored = Vec::new();
    storage_type("", data_type, &mut ignored)
}

/// The schema in which a query's result is stored; all columns that cannot be are reported.
pub fn storage_schema(schema: &Schema) -> Result<SchemaRef, TypeError> {
    let mut problems = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        if let Some(reason) = name_problem(field.name()) {
            problems.push(TypeError::Name { position: index + 1, reason });
        }
    }
    duplicates(schema.fields(), &mut problems);
    let fields: Fields = schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), storage_type(field.name(), field.data_type(), &mut problems), true))
        .collect();
    match problems.len() {
        0 => Ok(Arc::new(Schema::new(fields))),
        1 => Err(problems.remove(0)),
        _ => Err(TypeError::Several(problems)),
    }
}

fn name_problem(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("it has no name; give it one with `as`".to_owned());
    }
    name.chars()
        .find(|character| character.is_control())
        .map(|character| format!("its name contains the control character `{}`", character.escape_default()))
}

fn duplicates(fields: &Fields, problems: &mut Vec<TypeError>) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for field in fields {
        if let Some(earlier) = seen.insert(field.name().to_lowercase(), field.name()) {
            problems.push(TypeError::Duplicate(vec![earlier.to_owned(), field.name().clone()]));
        }
    }
}

fn storage_type(column: &str, data_type: &DataType, problems: &mut Vec<TypeError>) -> DataType {
    let mut refuse = |hint: &str| {
        problems.push(TypeError::NotStorable {
            column: column.to_owned(),
            found: sql_type_of(data_type),
            hint: hint.to_owned(),
        });
        data_type.clone()
    };
    match data_type {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into())),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        // `row_number()` and `count` yield 64 unsigned bits: a cast that overflows fails.
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            if *scale < 0 {
                refuse("cast it to a decimal whose scale is not negative")
            } else if *precision > 38 {
                refuse("cast it to `decimal(38, …)`, the widest that can be stored")
            } else {
                DataType::Decimal128(*precision, *scale)
            }
        }
        DataType::Time32(_) | DataType::Time64(_) | DataType::Union(..) => refuse("cast it to `varchar`"),
        DataType::Interval(_) | DataType::Duration(_) => {
            refuse("cast it to `varchar`, or turn it into a number such as seconds with `date_part('epoch', …)`")
        }
        DataType::Dictionary(_, value) => storage_type(column, value, problems),
        DataType::RunEndEncoded(_, values) => storage_type(column, values.data_type(), problems),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => list_of(storage_type(&format!("{column}[]"), item.data_type(), problems)),
        DataType::Struct(fields) => {
            duplicates(fields, problems);
            if fields.is_empty() {
                problems.push(TypeError::NotStorable {
                    column: column.to_owned(),
                    found: "an empty struct".to_owned(),
                    hint: "leave it out".to_owned(),
                });
            }
            let inner = |field: &FieldRef, problems: &mut Vec<TypeError>| {
                let path = format!("{column}.{}", field.name());
                Field::new(field.name(), storage_type(&path, field.data_type(), problems), true)
            };
            DataType::Struct(fields.iter().map(|field| inner(field, problems)).collect())
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                let mut parts = fields
                    .iter()
                    .zip(["key", "value"])
                    .map(|(field, part)| storage_type(&format!("{column}.{part}"), field.data_type(), problems));
                let (key, value) = (parts.next(), parts.next());
                map_of(key.unwrap_or(DataType::Utf8), value.unwrap_or(DataType::Utf8))
            }
            _ => refuse("it is not a map of keys and values"),
        },
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
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::IntervalUnit;

    use super::*;

    #[test]
    fn names_become_types_and_types_names() {
        let cases = [
            ("varchar", "varchar"),
            ("VARCHAR(20)", "varchar"),
            ("text", "varchar"),
            ("String", "varchar"),
            ("character varying(10)", "varchar"),
            ("int", "integer"),
            ("INT64", "bigint"),
            ("tinyint", "tinyint"),
            ("bigint unsigned", "bigint"),
            ("float", "real"),
            ("double precision", "double"),
            ("numeric(18, 2)", "decimal(18,2)"),
            ("number(5)", "decimal(5,0)"),
            ("serial", "integer"),
            ("bigserial", "bigint"),
            ("hugeint", "decimal(38,0)"),
            ("date", "date"),
            ("datetime", "timestamp"),
            ("timestamp(3)", "timestamp"),
            ("timestamp with time zone", "timestamptz"),
            ("timestamptz", "timestamptz"),
            ("bytea", "bytea"),
            ("bool", "boolean"),
            ("integer[][]", "integer[][]"),
            ("array<varchar>", "varchar[]"),
            ("map(varchar, decimal(4,1))", "map(varchar, decimal(4,1))"),
            (
                "struct(a integer, \"B c\" date[], d: struct<e double>)",
                "struct(a integer, \"B c\" date[], d struct(e double))",
            ),
        ];
        for (name, expected) in cases {
            let data_type = data_type_of(name).unwrap();
            assert_eq!(sql_type_of(&data_type), expected, "{name}");
            assert_eq!(data_type_of(expected).unwrap(), data_type, "{expected} is read back");
        }
        assert_eq!(
            data_type_of("timestamptz").unwrap(),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        );
        for name in ["", "intt", "int) + (1", "decimal(99,2)", "struct()", "map(varchar)", "int -- x", "varchar; drop"]
        {
            let error = data_type_of(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}` is not a known type: ")), "{error}");
        }
        assert!(data_type_of(&"[]".repeat(100_000)).is_err());
    }

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, false).with_metadata(HashMap::from([("k".to_owned(), "v".to_owned())]))
    }

    #[test]
    fn schemas_are_stored_in_one_layout() {
        let item = Arc::new(field("item", DataType::Utf8View));
        let schema = Schema::new(vec![
            field("rank", DataType::UInt64),
            field("small", DataType::UInt8),
            field("at", DataType::Timestamp(TimeUnit::Nanosecond, Some("+02:00".into()))),
            field("nothing", DataType::Null),
            field("wide", DataType::Decimal256(38, 4)),
            field("word", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8))),
            field("tags", DataType::LargeList(item)),
            field("inner", DataType::Struct(vec![field("x", DataType::Float16)].into())),
            field("pairs", map_of(DataType::Utf8View, DataType::UInt32)),
        ]);
        let stored = storage_schema(&schema).unwrap();
        let names: Vec<String> = stored.fields().iter().map(|field| sql_type_of(field.data_type())).collect();
        assert_eq!(
            names.join(" "),
            "bigint smallint timestamptz varchar decimal(38,4) varchar varchar[] struct(x real) map(varchar, bigint)"
        );
        assert!(stored.fields().iter().all(|field| field.is_nullable() && field.metadata().is_empty()));
        assert_eq!(storage_schema(&stored).unwrap(), stored, "a stored schema stays as it is");

        let bad = Schema::new(vec![
            field("Id", DataType::Int64),
            field("iD", DataType::Int64),
            field("", DataType::Int64),
            field("a\nb", DataType::Int64),
            field("t", DataType::Time64(TimeUnit::Nanosecond)),
            field("s", DataType::Struct(vec![field("d", DataType::Interval(IntervalUnit::DayTime))].into())),
            field("w", DataType::Decimal256(50, 2)),
            field("n", DataType::Decimal128(5, -2)),
        ]);
        assert_eq!(
            storage_schema(&bad).unwrap_err().to_string(),
            "column 3: it has no name; give it one with `as`\n\
             column 4: its name contains the control character `\\n`\n\
             the column names `Id` and `iD` are the same\n\
             column `t` is time, which cannot be stored; cast it to `varchar`\n\
             column `s.d` is interval, which cannot be stored; cast it to `varchar`, or turn it into a number such as \
             seconds with `date_part('epoch', …)`\n\
             column `w` is decimal(50,2), which cannot be stored; cast it to `decimal(38, …)`, the widest that can be \
             stored\n\
             column `n` is decimal(5,-2), which cannot be stored; cast it to a decimal whose scale is not negative"
        );
    }
}
