//! JSON as text: building it from values, reading it by path, and the documentation of the functions that the engine's
//! JSON crate provides. There is no type for JSON; a value is the text of a document.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, StringArray, StringBuilder, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::json::writer::{EncoderOptions, make_encoder};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use datafusion_functions_json::udfs;

use super::Entry;
use super::scalar::{Call, Function, integer, one_text, strict, text};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    let mut entries = vec![
        Entry::scalar(
            Function::new("to_json", "to_json(value)", one_type, |_| Ok(DataType::Utf8), to_json),
            "to_json(value)",
            "A value as JSON text; structs become objects, lists become arrays. Null stays null, but inside of a \
             struct or a list it is a JSON null.",
            "select to_json(named_struct('a', 1, 'b', make_array(1, 2)))",
            r#"{"a":1,"b":[1,2]}"#,
        ),
        Entry::scalar(
            Function::new(
                "object_construct",
                "object_construct(key, value, ...)",
                pair_types,
                |_| Ok(DataType::Utf8),
                |call| object(call, false),
            )
            .with_nulls(),
            "object_construct(key, value, ...)",
            "A JSON object, as text, of keys and values in their order, without the pairs whose key or value is null. \
             For an object inside of an object use a struct as the value.",
            "select object_construct('a', 1, 'b', null, 'c', 'x')",
            r#"{"a":1,"c":"x"}"#,
        ),
        Entry::scalar(
            Function::new(
                "json_object",
                "json_object(key, value, ...)",
                pair_types,
                |_| Ok(DataType::Utf8),
                |call| object(call, true),
            )
            .with_nulls(),
            "json_object(key, value, ...)",
            "A JSON object, as text, of keys and values in their order, with JSON nulls for values that are null.",
            "select json_object('a', 1, 'b', null)",
            r#"{"a":1,"b":null}"#,
        ),
        Entry::scalar(
            Function::new(
                "parse_json",
                "parse_json(text)",
                one_text,
                |_| Ok(DataType::Utf8),
                |call| checked(call, false),
            ),
            "parse_json(text)",
            "The text itself, since JSON is text here; one that is not JSON is an error (Snowflake, BigQuery).",
            r#"select parse_json('{"a": 1}')"#,
            r#"{"a": 1}"#,
        ),
        Entry::scalar(
            Function::new(
                "try_parse_json",
                "try_parse_json(text)",
                one_text,
                |_| Ok(DataType::Utf8),
                |call| checked(call, true),
            ),
            "try_parse_json(text)",
            "The text itself, or null if it is not JSON (Snowflake).",
            "select try_parse_json('{')",
            "NULL",
        ),
        Entry::scalar(
            Function::new(
                "json_extract",
                "json_extract(json, path)",
                path_types,
                |_| Ok(DataType::Utf8),
                |call| read(call, &udfs::json_get_json_udf()),
            ),
            "json_extract(json, path)",
            "The value at a literal path, as JSON text: `$.a[0].b`, the pointer `/a/0/b`, or a single key or index. \
             Null if there is none or if the text is not JSON.",
            r#"select json_extract('{"a": [{"b": "x"}]}', '$.a[0].b')"#,
            r#""x""#,
        ),
        Entry::scalar(
            Function::new(
                "json_extract_string",
                "json_extract_string(json, path)",
                path_types,
                |_| Ok(DataType::Utf8),
                |call| read(call, &udfs::json_as_text_udf()),
            ),
            "json_extract_string(json, path)",
            "Like `json_extract`, but a JSON string without its quotes, and null for a JSON null.",
            r#"select json_extract_string('{"a": [{"b": "x"}]}', '$.a[0].b')"#,
            "x",
        ),
    ];
    entries.extend(crate_entries());
    entries
}

/// The functions of the JSON crate, of which only the documentation is ours.
fn crate_entries() -> Vec<Entry> {
    let entry = |function: Arc<ScalarUDF>, signature, summary, example, result| {
        Entry::scalar((*function).clone(), signature, summary, example, result)
    };
    vec![
        entry(
            udfs::json_as_text_udf(),
            "json_as_text(json, key, ...)",
            "Any value at a path of keys and indexes, as text; also the operator `->>`.",
            r#"select '{"a": {"b": 1.50}}' -> 'a' ->> 'b'"#,
            "1.50",
        ),
        entry(
            udfs::json_get_udf(),
            "json_get(json, key, ...)",
            "A value at a path, of the type that the JSON has; also the operator `->`. Cast it to use it.",
            r#"select cast('{"a": 1}' -> 'a' as bigint)"#,
            "1",
        ),
        entry(
            udfs::json_get_str_udf(),
            "json_get_str(json, key, ...)",
            "A string at a path; null for any other value.",
            r#"select json_get_str('{"a": "x"}', 'a')"#,
            "x",
        ),
        entry(
            udfs::json_get_int_udf(),
            "json_get_int(json, key, ...)",
            "An integer at a path; null for any other value.",
            r#"select json_get_int('{"a": [1, 2]}', 'a', 1)"#,
            "2",
        ),
        entry(
            udfs::json_get_float_udf(),
            "json_get_float(json, key, ...)",
            "A number at a path as a float; null for any other value.",
            r#"select json_get_float('{"a": 1.5}', 'a')"#,
            "1.5",
        ),
        entry(
            udfs::json_get_bool_udf(),
            "json_get_bool(json, key, ...)",
            "A boolean at a path; null for any other value.",
            r#"select json_get_bool('{"a": true}', 'a')"#,
            "true",
        ),
        entry(
            udfs::json_get_json_udf(),
            "json_get_json(json, key, ...)",
            "The JSON text at a path, unchanged.",
            r#"select json_get_json('{"a": [1, 2]}', 'a')"#,
            "[1, 2]",
        ),
        entry(
            udfs::json_get_array_udf(),
            "json_get_array(json, key, ...)",
            "The items of an array at a path, as a list of JSON texts.",
            r#"select json_get_array('{"a": [1, "x"]}', 'a')"#,
            r#"[1, "x"]"#,
        ),
        entry(
            udfs::json_length_udf(),
            "json_length(json, key, ...)",
            "How many items an array, or keys an object, at a path has.",
            r#"select json_length('{"a": [1, 2]}', 'a')"#,
            "2",
        ),
        entry(
            udfs::json_contains_udf(),
            "json_contains(json, key, ...)",
            "Whether there is a value at a path; also the operator `?`.",
            r#"select json_contains('{"a": null}', 'a')"#,
            "true",
        ),
        entry(
            udfs::json_object_keys_udf(),
            "json_object_keys(json, key, ...)",
            "The keys of an object at a path, as a list.",
            r#"select json_object_keys('{"a": 1, "b": 2}')"#,
            "[a, b]",
        ),
    ]
}

fn checked(call: &Call<'_>, safe: bool) -> Result<ArrayRef> {
    let values = call.text(0)?;
    let texts: Vec<Option<String>> = strict(call.rows, &[&values], |row| {
        let value = values.value(row);
        match serde_json::from_str::<serde::de::IgnoredAny>(value) {
            Ok(_) => Ok(Some(value.to_owned())),
            Err(_) if safe => Ok(None),
            Err(error) => exec_err!("{}: the text is not JSON: {error}", call.name),
        }
    })
    .map(|found| Ok(found?.flatten()))
    .collect::<Result<_>>()?;
    Ok(Arc::new(StringArray::from(texts)))
}

fn one_type(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 1).then(|| types.to_vec())
}

/// Nulls are written where they stand, so that all objects of a column have the same keys.
pub(super) static ENCODING: LazyLock<EncoderOptions> =
    LazyLock::new(|| EncoderOptions::default().with_explicit_nulls(true));

fn to_json(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let field = Arc::new(Field::new("value", array.data_type().clone(), true));
    let mut encoder = make_encoder(&field, array.as_ref(), &ENCODING)?;
    let mut texts = StringBuilder::new();
    let mut buffer = Vec::new();
    for row in 0..call.rows {
        if array.data_type().is_null() || array.is_null(row) {
            texts.append_null();
            continue;
        }
        buffer.clear();
        encoder.encode(row, &mut buffer);
        texts.append_value(utf8(call, &buffer)?);
    }
    Ok(Arc::new(texts.finish()))
}

fn utf8<'a>(call: &Call<'_>, buffer: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(buffer).map_err(|_| exec_datafusion_err!("{}: the value is not valid text", call.name))
}

fn pair_types(types: &[DataType]) -> Option<Vec<DataType>> {
    if types.is_empty() || !types.len().is_multiple_of(2) {
        return None;
    }
    types
        .iter()
        .enumerate()
        .map(|(index, data_type)| if index % 2 == 0 { text(data_type) } else { Some(data_type.clone()) })
        .collect()
}

fn object(call: &Call<'_>, keep_nulls: bool) -> Result<ArrayRef> {
    let keys = (0..call.len()).step_by(2).map(|index| call.text(index)).collect::<Result<Vec<_>>>()?;
    let values = (1..call.len()).step_by(2).map(|index| call.array(index)).collect::<Result<Vec<_>>>()?;
    let fields: Vec<_> =
        values.iter().map(|value| Arc::new(Field::new("value", value.data_type().clone(), true))).collect();
    let mut pairs = keys
        .iter()
        .zip(fields.iter().zip(&values))
        .map(|(keys, (field, values))| Ok((keys, values, make_encoder(field, values.as_ref(), &ENCODING)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut texts = StringBuilder::new();
    let mut buffer = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for row in 0..call.rows {
        buffer.clear();
        seen.clear();
        buffer.push(b'{');
        for (keys, values, encoder) in &mut pairs {
            let missing = values.data_type().is_null() || values.is_null(row);
            if keys.is_null(row) && keep_nulls {
                return exec_err!("{}: a key is null", call.name);
            }
            if keys.is_null(row) || missing && !keep_nulls {
                continue;
            }
            let key = keys.value(row);
            if seen.contains(&key) {
                return exec_err!("{}: the key '{key}' appears twice", call.name);
            }
            if !seen.is_empty() {
                buffer.push(b',');
            }
            seen.push(key);
            buffer.extend(serde_json::Value::from(key).to_string().into_bytes());
            buffer.push(b':');
            if missing {
                buffer.extend(b"null");
            } else {
                encoder.encode(row, &mut buffer);
            }
        }
        buffer.push(b'}');
        texts.append_value(utf8(call, &buffer)?);
    }
    Ok(Arc::new(texts.finish()))
}

fn path_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [json, path] = types else { return None };
    Some(vec![text(json)?, text(path).or_else(|| integer(path))?])
}

/// Reads a path: `$.key[index]`, a pointer of keys and indexes after slashes, or one key.
fn steps(name: &str, path: &str) -> Result<Vec<String>> {
    if let Some(pointer) = path.strip_prefix('/') {
        return Ok(pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect());
    }
    let Some(mut rest) = path.strip_prefix('$') else {
        return Ok(vec![path.to_owned()]);
    };
    let invalid = || exec_datafusion_err!("{name}: '{path}' is not a path such as $.a[0].b or /a/0/b");
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix(".\"") {
            let (key, after) = quoted.split_once('"').ok_or_else(invalid)?;
            steps.push(key.to_owned());
            rest = after;
        } else if let Some(bare) = rest.strip_prefix('.') {
            let end = bare.find(['.', '[']).unwrap_or(bare.len());
            let (key, after) = bare.split_at(end);
            if key.is_empty() || key == "*" {
                return Err(invalid());
            }
            steps.push(key.to_owned());
            rest = after;
        } else {
            let (index, after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(invalid)?;
            // `#-1` counts from the end in some engines, where others write `-1`.
            let index = index.strip_prefix('#').unwrap_or(index);
            steps.push(index.parse::<i64>().map_err(|_| invalid())?.to_string());
            rest = after;
        }
    }
    Ok(steps)
}

/// Calls a function of the JSON crate with the path of the call as its keys.
fn read(call: &Call<'_>, function: &ScalarUDF) -> Result<ArrayRef> {
    let mut args = vec![ColumnarValue::Array(call.array(0)?)];
    if call.fields.get(1).is_some_and(|field| field.data_type() == &DataType::Int64) {
        args.push(ColumnarValue::Array(call.array(1)?));
    } else {
        let path = match call.args.get(1) {
            Some(ColumnarValue::Scalar(path)) if path.is_null() => {
                return Ok(new_null_array(call.output, call.rows));
            }
            _ => call.constant(1, "path")?,
        };
        let steps = steps(call.name, path)?;
        if !steps.is_empty() {
            let steps: ArrayRef = Arc::new(StringArray::from(steps));
            args.push(ColumnarValue::Scalar(SingleRowListArrayBuilder::new(steps).build_list_scalar()));
        }
    }
    let arg_fields = args.iter().map(|arg| Arc::new(Field::new("argument", arg.data_type(), true))).collect();
    let result = function.invoke_with_args(ScalarFunctionArgs {
        args,
        arg_fields,
        number_rows: call.rows,
        return_field: Arc::new(Field::new(function.name(), call.output.clone(), true)),
        config_options: Arc::clone(call.options),
    })?;
    result.into_array(call.rows)
}
