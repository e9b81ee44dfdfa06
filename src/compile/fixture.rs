//! Rows of unit tests as SQL.

use std::fmt::Write as _;

use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;

use crate::base::ident::quote;
use crate::template::host::ColumnValue;

/// A query of rows with the columns of a relation; columns that a row leaves out are null. The error is the name of a
/// column that the relation does not have. Names are compared without case, as under dbt.
pub fn with_all_columns(rows: &[IndexMap<String, Json>], columns: &[ColumnValue]) -> Result<String, String> {
    let given = given_columns(rows, columns)?;
    let nulls = columns.iter().map(|column| match given.iter().position(|one| one.name == column.name) {
        Some(index) => format!("column{} as {}", index + 1, quote(&column.name)),
        None => format!("{} as {}", literal(&Json::Null, &column.data_type), quote(&column.name)),
    });
    Ok(select(&nulls.collect::<Vec<_>>(), rows, &given, columns))
}

/// A query of rows with those columns only that they name; with all columns if there are no rows.
pub fn with_own_columns(rows: &[IndexMap<String, Json>], columns: &[ColumnValue]) -> Result<String, String> {
    let given = given_columns(rows, columns)?;
    let names =
        given.iter().enumerate().map(|(index, column)| format!("column{} as {}", index + 1, quote(&column.name)));
    Ok(select(&names.collect::<Vec<_>>(), rows, &given, columns))
}

/// The columns that rows name, in the order in which they are first named; all columns if there are no rows.
pub fn given_columns<'c>(
    rows: &[IndexMap<String, Json>],
    columns: &'c [ColumnValue],
) -> Result<Vec<&'c ColumnValue>, String> {
    if rows.is_empty() {
        return Ok(columns.iter().collect());
    }
    let names: IndexSet<&String> = rows.iter().flat_map(IndexMap::keys).collect();
    let mut given: Vec<&ColumnValue> = Vec::with_capacity(names.len());
    for name in names {
        let column = columns.iter().find(|column| column.name == *name);
        let column = column.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)));
        let column = column.ok_or_else(|| name.clone())?;
        if !given.iter().any(|known| known.name == column.name) {
            given.push(column);
        }
    }
    Ok(given)
}

/// Types for rows whose relation does not exist yet: those that their values suggest.
pub fn suggested_columns(rows: &[IndexMap<String, Json>]) -> Vec<ColumnValue> {
    let names: IndexSet<&String> = rows.iter().flat_map(IndexMap::keys).collect();
    let suggested = |name: &String| {
        let values: Vec<&Json> = rows.iter().filter_map(|row| row.get(name)).filter(|value| !value.is_null()).collect();
        let all = |is: fn(&Json) -> bool| !values.is_empty() && values.iter().all(|value| is(value));
        if all(Json::is_boolean) {
            "boolean"
        } else if all(Json::is_i64) {
            "bigint"
        } else if all(Json::is_number) {
            "double"
        } else {
            "varchar"
        }
    };
    names.into_iter().map(|name| ColumnValue { name: name.clone(), data_type: suggested(name).to_owned() }).collect()
}

fn select(
    items: &[String],
    rows: &[IndexMap<String, Json>],
    given: &[&ColumnValue],
    columns: &[ColumnValue],
) -> String {
    let mut sql = String::from("select ");
    if rows.is_empty() {
        let nulls: Vec<String> = columns
            .iter()
            .map(|column| format!("{} as {}", literal(&Json::Null, &column.data_type), quote(&column.name)))
            .collect();
        let _ = write!(sql, "{} where false", nulls.join(", "));
        return sql;
    }
    let _ = write!(sql, "{} from (values", items.join(", "));
    for (index, row) in rows.iter().enumerate() {
        let values: Vec<String> = given
            .iter()
            .map(|column| {
                let value = row.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
                literal(value.map_or(&Json::Null, |(_, value)| value), &column.data_type)
            })
            .collect();
        let _ = write!(sql, "{}\n  ({})", if index == 0 { "" } else { "," }, values.join(", "));
    }
    sql.push_str("\n) as dbt_internal_fixture");
    sql
}

/// A value of a type. Texts are cast, so `'2024-01-01'` is a date where the column is one.
fn literal(value: &Json, data_type: &str) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let plain = match value {
        Json::Null => "null".to_owned(),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(written) => match nested(written, data_type) {
            Some(value) => return literal(&value, data_type),
            None => text(written),
        },
        Json::Array(items) => {
            let item = data_type.strip_suffix("[]").unwrap_or("varchar");
            let items: Vec<String> = items.iter().map(|value| literal(value, item)).collect();
            format!("make_array({})", items.join(", "))
        }
        Json::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}, {}", text(name), untyped(value))).collect();
            return format!("named_struct({})", fields.join(", "));
        }
    };
    if data_type.starts_with("struct(") || data_type.starts_with("map(") {
        return plain;
    }
    format!("cast({plain} as {data_type})")
}

/// A field of a struct, whose type follows from its value.
fn untyped(value: &Json) -> String {
    match value {
        Json::String(text) => format!("'{}'", text.replace('\'', "''")),
        Json::Array(_) | Json::Object(_) => literal(value, ""),
        plain => plain.to_string(),
    }
}

/// A text that is JSON, in a column of lists or structs.
fn nested(text: &str, data_type: &str) -> Option<Json> {
    let is_nested = data_type.ends_with("[]") || data_type.starts_with("struct(");
    let value: Json = serde_json::from_str(text).ok().filter(|_| is_nested)?;
    (value.is_array() || value.is_object()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, data_type: &str) -> ColumnValue {
        ColumnValue { name: name.to_owned(), data_type: data_type.to_owned() }
    }

    fn rows(json: &str) -> Vec<IndexMap<String, Json>> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn rows_get_the_columns_of_their_relation() {
        let columns = [column("id", "bigint"), column("Name", "varchar"), column("tags", "varchar[]")];
        let sql = with_all_columns(&rows(r#"[{"name": "o'x"}, {"id": 2, "name": null}]"#), &columns).unwrap();
        assert_eq!(
            sql,
            "select column2 as \"id\", column1 as \"Name\", cast(null as varchar[]) as \"tags\" from (values\n  \
             (cast('o''x' as varchar), cast(null as bigint)),\n  (cast(null as varchar), cast(2 as bigint))\n) as \
             dbt_internal_fixture"
        );
        let own = with_own_columns(&rows(r#"[{"TAGS": ["a"]}]"#), &columns).unwrap();
        assert_eq!(
            own,
            "select column1 as \"tags\" from (values\n  (cast(make_array(cast('a' as varchar)) as varchar[]))\n) as \
             dbt_internal_fixture"
        );
        assert_eq!(with_own_columns(&rows(r#"[{"nope": 1}]"#), &columns), Err("nope".to_owned()));
        let none = with_all_columns(&[], &columns[..1]).unwrap();
        assert_eq!(none, "select cast(null as bigint) as \"id\" where false");
    }

    #[test]
    fn values_suggest_types() {
        let found = suggested_columns(&rows(r#"[{"a": 1, "b": 1, "c": true, "d": null}, {"b": 1.5, "d": "x"}]"#));
        let types: Vec<&str> = found.iter().map(|column| column.data_type.as_str()).collect();
        assert_eq!(types, ["bigint", "double", "boolean", "varchar"]);
    }
}
