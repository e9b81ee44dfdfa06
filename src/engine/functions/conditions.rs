//! Choices between values, comparison with nulls, names of types, and a stable hash.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, Scalar, StringArray, make_comparator,
};
use datafusion::arrow::compute::kernels::cmp::neq;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{CastOptions, SortOptions, cast, cast_with_options, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::type_coercion::binary::{comparison_coercion, type_union_resolution};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable as _, Operator, when};

use super::Entry;
use super::scalar::{Call, Function};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new("iff", "iff(condition, then, otherwise)", iff_types, |planned| Ok(planned.data_type(1)), iff)
                .aliases(&["if"])
                .with_nulls()
                .lazy()
                .rewrite(|args, _| match args {
                    [condition, then, otherwise] => {
                        when(condition.clone(), then.clone()).otherwise(otherwise.clone()).map(Some)
                    }
                    _ => Ok(None),
                }),
            "iff(condition, then, otherwise)",
            "The second argument if the condition is true, else the third one; a condition of null is not true. Only \
             the chosen argument is evaluated.",
            "select iff(1 < 2, 'yes', 'no')",
            "yes",
        ),
        Entry::scalar(
            Function::new("equal_null", "equal_null(a, b)", equal_types, |_| Ok(DataType::Boolean), equal)
                .with_nulls()
                .rewrite(|args, _| match args {
                    [one, other] => Ok(Some(Expr::BinaryExpr(BinaryExpr::new(
                        Box::new(one.clone()),
                        Operator::IsNotDistinctFrom,
                        Box::new(other.clone()),
                    )))),
                    _ => Ok(None),
                }),
            "equal_null(a, b)",
            "Whether two values are equal, where null equals null. It is never null.",
            "select equal_null(null, null)",
            "true",
        ),
        Entry::scalar(
            Function::new("to_boolean", "to_boolean(value)", any_one, |_| Ok(DataType::Boolean), to_boolean)
                .rewrite(boolean_rewrite),
            "to_boolean(value)",
            "A value as a boolean, as `cast(value as boolean)` gives it: numbers are true unless they are zero, texts \
             such as `yes`, `t` and `off` are understood (Snowflake).",
            "select to_boolean(0.5)",
            "true",
        ),
        Entry::scalar(
            Function::new("typeof", "typeof(value)", any_one, |_| Ok(DataType::Utf8), |call| name_type(call, sql_name))
                .with_nulls(),
            "typeof(value)",
            "The SQL name of a value's type, such as `BIGINT` or `DECIMAL(10,2)`.",
            "select typeof(cast(1 as decimal(10, 2)))",
            "DECIMAL(10,2)",
        ),
        Entry::scalar(
            Function::new(
                "pg_typeof",
                "pg_typeof(value)",
                any_one,
                |_| Ok(DataType::Utf8),
                |call| name_type(call, postgres_name),
            )
            .with_nulls(),
            "pg_typeof(value)",
            "The name that Postgres gives to a value's type, such as `bigint` or `numeric`.",
            "select pg_typeof(date '2024-02-29')",
            "date",
        ),
        Entry::scalar(
            Function::new("hash", "hash(value, ...)", any_some, |_| Ok(DataType::Int64), hash).with_nulls(),
            "hash(value, ...)",
            "A 64-bit hash of one or more values, which stays the same between runs, machines and versions. It is the \
             start of the BLAKE3 hash of the values as text, so that equal numbers of different types have the same \
             hash; it is not compatible with the function of any other engine.",
            "select hash(1, 'a') = hash(1.0, 'a')",
            "true",
        ),
    ]
}

fn iff_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [condition, then, otherwise] = types else { return None };
    if !matches!(condition, DataType::Boolean | DataType::Null) {
        return None;
    }
    let common = type_union_resolution(&[then.clone(), otherwise.clone()])?;
    Some(vec![DataType::Boolean, common.clone(), common])
}

fn iff(call: &Call<'_>) -> Result<ArrayRef> {
    let condition = call.array(0)?;
    let Some(condition) = condition.as_boolean_opt() else {
        return internal_err!("{}: the condition is {}", call.name, condition.data_type());
    };
    let condition = if condition.null_count() > 0 { prep_null_mask_filter(condition) } else { condition.clone() };
    Ok(zip(&condition, &call.array(1)?, &call.array(2)?)?)
}

fn to_boolean(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    if array.data_type().is_decimal() {
        let zero = Scalar::new(ScalarValue::new_zero(array.data_type())?.to_array()?);
        return Ok(Arc::new(neq(&array, &zero)?));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(&array, &DataType::Boolean, &options)?)
}

/// A cast, or a comparison of a decimal, which the engine cannot cast.
fn boolean_rewrite(args: &[Expr], info: &SimplifyContext) -> Result<Option<Expr>> {
    let [value] = args else { return Ok(None) };
    let data_type = value.get_type(info.schema())?;
    Ok(Some(if data_type.is_decimal() {
        value.clone().not_eq(Expr::Literal(ScalarValue::new_zero(&data_type)?, None))
    } else {
        Expr::Cast(Cast::new(Box::new(value.clone()), DataType::Boolean))
    }))
}

fn equal_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [one, other] = types else { return None };
    let common = comparison_coercion(one, other)?;
    Some(vec![common.clone(), common])
}

fn equal(call: &Call<'_>) -> Result<ArrayRef> {
    let (one, other) = (call.array(0)?, call.array(1)?);
    if one.data_type().is_null() {
        return Ok(Arc::new(BooleanArray::from(vec![true; call.rows])));
    }
    let compare = make_comparator(&one, &other, SortOptions::default())?;
    let answers: BooleanArray = (0..call.rows).map(|row| Some(compare(row, row).is_eq())).collect();
    Ok(Arc::new(answers))
}

fn any_one(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 1).then(|| types.to_vec())
}

fn any_some(types: &[DataType]) -> Option<Vec<DataType>> {
    (!types.is_empty()).then(|| types.to_vec())
}

fn name_type(call: &Call<'_>, name: fn(&DataType) -> String) -> Result<ArrayRef> {
    let name = name(call.array(0)?.data_type());
    Ok(Arc::new(StringArray::from(vec![name; call.rows])))
}

/// The name of a type as a cast would spell it.
fn sql_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "UTINYINT".to_owned(),
        DataType::UInt16 => "USMALLINT".to_owned(),
        DataType::UInt32 => "UINTEGER".to_owned(),
        DataType::UInt64 => "UBIGINT".to_owned(),
        DataType::Float16 | DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".to_owned(),
        DataType::Timestamp(TimeUnit::Second, None) => "TIMESTAMP_S".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP_MS".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP_NS".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Dictionary(_, value) => sql_name(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            format!("{}[]", sql_name(item.data_type()))
        }
        DataType::FixedSizeList(item, size) => format!("{}[{size}]", sql_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|field| format!("{} {}", field.name(), sql_name(field.data_type()))).collect();
            format!("STRUCT({})", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let types: Vec<_> = fields.iter().map(|field| sql_name(field.data_type())).collect();
                format!("MAP({})", types.join(", "))
            }
            other => format!("MAP({})", sql_name(other)),
        },
        other if other.is_binary() => "BLOB".to_owned(),
        other => other.to_string(),
    }
}

/// The name that Postgres would show for a type, or the nearest one that it has.
fn postgres_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Null => "unknown",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 => "bigint",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Struct(_) | DataType::Map(..) => "record",
        DataType::Dictionary(_, value) => return postgres_name(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            return format!("{}[]", postgres_name(item.data_type()));
        }
        DataType::FixedSizeList(item, _) => return format!("{}[]", postgres_name(item.data_type())),
        other if other.is_binary() => "bytea",
        _ => "numeric",
    };
    name.to_owned()
}

/// Zoned timestamps of one instant must have one text, whatever the zone of their type.
fn canonical(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => cast(array, &DataType::Timestamp(*unit, Some(Arc::from("UTC"))))?,
        DataType::Dictionary(_, value) => cast(array, value)?,
        _ => Arc::clone(array),
    })
}

fn hash(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = call.arrays()?.iter().map(canonical).collect::<Result<Vec<_>>>()?;
    let options = FormatOptions::default();
    let columns = arrays
        .iter()
        .map(|array| Ok((array, ArrayFormatter::try_new(array.as_ref(), &options)?)))
        .collect::<Result<Vec<_>>>()?;
    let hashes: Vec<i64> = (0..call.rows)
        .map(|row| {
            let mut hasher = blake3::Hasher::new();
            for (array, formatter) in &columns {
                if array.data_type().is_null() || array.is_null(row) {
                    hasher.update(&[0]);
                    continue;
                }
                let text = formatter.value(row).try_to_string()?;
                let fractional = array.data_type().is_floating() || array.data_type().is_decimal();
                let text = if fractional && text.contains('.') && !text.contains(['e', 'E']) {
                    text.trim_end_matches('0').trim_end_matches('.')
                } else {
                    &text
                };
                hasher.update(&[1]).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
            if let Some(start) = hasher.finalize().as_bytes().first_chunk() {
                Ok(i64::from_le_bytes(*start))
            } else {
                internal_err!("a hash has too few bytes")
            }
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(Int64Array::from(hashes)))
}
