//! JSON made of values, and what kind of value a JSON text is.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, StringArray, StringBuilder, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::json::writer::{NullableEncoder, make_encoder};
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::Entry;
use super::json::ENCODING;
use super::scalar::{Call, Function, one_text, strict};

/// The functions of this part of the family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new(
                "json_array",
                "json_array(value, ...)",
                |types| (!types.is_empty()).then(|| types.to_vec()),
                |_| Ok(DataType::Utf8),
                array,
            )
            .with_nulls(),
            "json_array(value, ...)",
            "A JSON array, as text, of values in their order; also `json_build_array` (DuckDB, Postgres).",
            "select json_array(1, 'x', null)",
            r#"[1,"x",null]"#,
        ),
        Entry::scalar(
            Function::new(
                "json_object_of",
                "json_object_of(keys, values)",
                |types| {
                    let [keys, values] = types else { return None };
                    is_list(keys).then_some(())?;
                    is_list(values).then(|| vec![DataType::new_list(DataType::Utf8View, true), values.clone()])
                },
                |_| Ok(DataType::Utf8),
                object,
            ),
            "json_object_of(keys, values)",
            "A JSON object, as text, of a list of keys and one of values; what `json_group_object` and \
             `json_object_agg` are written with.",
            "select json_object_of(['a', 'b'], [1, null])",
            r#"{"a":1,"b":null}"#,
        ),
        Entry::scalar(
            Function::new(
                "json_type",
                "json_type(json)",
                one_text,
                |_| Ok(DataType::Utf8),
                |call| kinds(call, of_duckdb),
            ),
            "json_type(json [, path])",
            "OBJECT, ARRAY, VARCHAR, UBIGINT, BIGINT, DOUBLE, BOOLEAN or NULL; null for what is not JSON (DuckDB).",
            "select json_type('[1]')",
            "ARRAY",
        ),
        Entry::scalar(
            Function::new(
                "json_typeof",
                "json_typeof(json)",
                one_text,
                |_| Ok(DataType::Utf8),
                |call| kinds(call, of_postgres),
            )
            .aliases(&["jsonb_typeof"]),
            "json_typeof(json)",
            "object, array, string, number, boolean or null; null for what is not JSON (Postgres).",
            "select json_typeof('[1]')",
            "array",
        ),
    ]
}

fn is_list(found: &DataType) -> bool {
    matches!(found, DataType::List(_))
}

fn append(call: &Call<'_>, texts: &mut StringBuilder, buffer: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(buffer);
    texts.append_value(text.map_err(|_| exec_datafusion_err!("{}: the value is not valid text", call.name))?);
    Ok(())
}

fn array(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.arrays()?;
    let fields: Vec<_> =
        values.iter().map(|value| Arc::new(Field::new("value", value.data_type().clone(), true))).collect();
    let mut encoders = fields
        .iter()
        .zip(&values)
        .map(|(field, values)| Ok((values, make_encoder(field, values.as_ref(), &ENCODING)?)))
        .collect::<Result<Vec<_>>>()?;
    let (mut texts, mut buffer) = (StringBuilder::new(), Vec::new());
    for row in 0..call.rows {
        buffer.clear();
        buffer.push(b'[');
        for (at, (values, encoder)) in encoders.iter_mut().enumerate() {
            if at > 0 {
                buffer.push(b',');
            }
            if values.data_type().is_null() || values.is_null(row) {
                buffer.extend(b"null");
            } else {
                encoder.encode(row, &mut buffer);
            }
        }
        buffer.push(b']');
        append(call, &mut texts, &buffer)?;
    }
    Ok(Arc::new(texts.finish()))
}

fn object(call: &Call<'_>) -> Result<ArrayRef> {
    let (all_keys, all_values) = (call.array(0)?, call.array(1)?);
    let (keys, values) = (all_keys.as_list::<i32>(), all_values.as_list::<i32>());
    let items = values.values();
    let field = Arc::new(Field::new("value", items.data_type().clone(), true));
    let mut encoder = make_encoder(&field, items.as_ref(), &ENCODING)?;
    let names = cast(keys.values(), &DataType::Utf8View)?;
    let names = names.as_string_view();
    let (mut texts, mut buffer) = (StringBuilder::new(), Vec::new());
    for row in 0..call.rows {
        if keys.is_null(row) || values.is_null(row) {
            texts.append_null();
            continue;
        }
        if keys.value_length(row) != values.value_length(row) {
            return exec_err!("{}: there are not as many keys as values", call.name);
        }
        buffer.clear();
        buffer.push(b'{');
        let first = usize::try_from(keys.value_offsets()[row]).unwrap_or_default();
        let of_values = usize::try_from(values.value_offsets()[row]).unwrap_or_default();
        for at in 0..usize::try_from(keys.value_length(row)).unwrap_or_default() {
            pair(call, names, first + at, items, of_values + at, &mut encoder, &mut buffer)?;
        }
        buffer.push(b'}');
        append(call, &mut texts, &buffer)?;
    }
    Ok(Arc::new(texts.finish()))
}

fn pair(
    call: &Call<'_>,
    names: &StringViewArray,
    name: usize,
    items: &ArrayRef,
    item: usize,
    encoder: &mut NullableEncoder<'_>,
    buffer: &mut Vec<u8>,
) -> Result<()> {
    if names.is_null(name) {
        return exec_err!("{}: a key is null", call.name);
    }
    if buffer.len() > 1 {
        buffer.push(b',');
    }
    buffer.extend(serde_json::Value::from(names.value(name)).to_string().into_bytes());
    buffer.push(b':');
    if items.data_type().is_null() || items.is_null(item) {
        buffer.extend(b"null");
    } else {
        encoder.encode(item, buffer);
    }
    Ok(())
}

fn kinds(call: &Call<'_>, name: fn(&serde_json::Value) -> &'static str) -> Result<ArrayRef> {
    let values = call.text(0)?;
    let kinds: Vec<Option<&'static str>> = strict(call.rows, &[&values], |row| {
        Ok(serde_json::from_str::<serde_json::Value>(values.value(row)).ok().map(|value| name(&value)))
    })
    .map(|found| Ok(found?.flatten()))
    .collect::<Result<_>>()?;
    Ok(Arc::new(StringArray::from(kinds)))
}

fn of_duckdb(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "NULL",
        serde_json::Value::Bool(_) => "BOOLEAN",
        serde_json::Value::Number(number) if number.is_u64() => "UBIGINT",
        serde_json::Value::Number(number) if number.is_i64() => "BIGINT",
        serde_json::Value::Number(_) => "DOUBLE",
        serde_json::Value::String(_) => "VARCHAR",
        serde_json::Value::Array(_) => "ARRAY",
        serde_json::Value::Object(_) => "OBJECT",
    }
}

fn of_postgres(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "boolean",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    }
}
