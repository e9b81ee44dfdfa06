//! The `adapter` object: dispatch, quoting, and what can be asked of the warehouse or done to it.
//!
//! What changes the warehouse is said as SQL, like any other statement of a template: the host decides.

use minijinja::Value;

use crate::base::ident::quote;
use crate::template::evaluate::Interpreter;
use crate::template::evaluate::arguments::{Arguments, flag, text_argument};
use crate::template::failure::{Eval, Failure, fail};
use crate::template::functions::native;
use crate::template::host::{ColumnValue, RelationKind, RelationValue};
use crate::template::syntax::{DISPATCHED, Span};
use crate::template::values::relation::{ColumnObject, RelationObject, kind_of};
use crate::template::values::table::Table;
use crate::template::values::{self, Dict, List, text};

/// The functions of `adapter`.
pub(super) const NAMES: &[&str] = &[
    "Column",
    "Relation",
    "add_query",
    "alter_column_type",
    "check_schema_exists",
    "create_schema",
    "dispatch",
    "drop_relation",
    "drop_schema",
    "execute",
    "expand_target_column_types",
    "get_column_schema_from_query",
    "get_columns_in_relation",
    "get_missing_columns",
    "get_relation",
    "list_relations",
    "list_relations_without_caching",
    "quote",
    "quote_as_configured",
    "quote_seed_column",
    "rename_relation",
    "truncate_relation",
    "type",
];

/// A function of `adapter`.
pub(super) fn attribute(name: &str) -> Option<Value> {
    Some(match name {
        "dispatch" => native("adapter.dispatch", dispatch),
        "quote" => native("adapter.quote", quoted),
        "quote_as_configured" => native("adapter.quote_as_configured", quoted),
        "quote_seed_column" => native("adapter.quote_seed_column", quote_seed_column),
        "type" => native("adapter.type", |_, _, _| Ok(Value::from("karat"))),
        "execute" => native("adapter.execute", execute),
        "get_columns_in_relation" => native("adapter.get_columns_in_relation", get_columns_in_relation),
        "get_column_schema_from_query" => native("adapter.get_column_schema_from_query", columns_of_query),
        "get_missing_columns" => native("adapter.get_missing_columns", get_missing_columns),
        "get_relation" => native("adapter.get_relation", get_relation),
        "list_relations" | "list_relations_without_caching" => native("adapter.list_relations", list_relations),
        "check_schema_exists" => native("adapter.check_schema_exists", check_schema_exists),
        // Types are widened by the run itself.
        "expand_target_column_types" => native("adapter.expand_target_column_types", |_, _, _| Ok(Value::from(""))),
        "Relation" => super::module("api.Relation"),
        "Column" => super::module("api.Column"),
        "create_schema" => native("adapter.create_schema", create_schema),
        "drop_schema" => native("adapter.drop_schema", drop_schema),
        "drop_relation" => native("adapter.drop_relation", drop_relation),
        "rename_relation" => native("adapter.rename_relation", rename_relation),
        "truncate_relation" => native("adapter.truncate_relation", truncate_relation),
        "alter_column_type" => native("adapter.alter_column_type", alter_column_type),
        "add_query" => native("adapter.add_query", add_query),
        // Every statement is a transaction of its own, and nothing is remembered that could be wrong.
        "commit" | "cache_added" | "cache_dropped" | "cache_renamed" => {
            native("adapter.commit", |_, _, _| Ok(Value::from("")))
        }
        _ => return None,
    })
}

/// `adapter.dispatch(name, namespace)`: the macro `karat__name`, else `duckdb__name`, else `default__name`, of the root
/// project, else of the namespace's package; `dispatch:` of the project file may change the order of the packages.
fn dispatch(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let names = ["macro_name", "macro_namespace", "packages"];
    let [name, namespace, _packages] = arguments.bind("adapter.dispatch", names, 1)?;
    let name = text_argument("adapter.dispatch", "macro_name", &name.unwrap_or_default())?;
    if let Some((package, rest)) = name.split_once('.') {
        let hint = format!("write `adapter.dispatch('{rest}', '{package}')`");
        let message = "`adapter.dispatch` takes the namespace as its second argument";
        return Err(Failure::new("jinja-error", message).with_hint(hint).into());
    }
    let namespace = namespace.filter(|namespace| !namespace.is_none()).map(|namespace| text::display(&namespace));
    let candidates = DISPATCHED.map(|prefix| format!("{prefix}__{name}"));
    let library = interpreter.library;
    let found = match &namespace {
        None => candidates.iter().find_map(|candidate| library.resolve(interpreter.host.package(), candidate)),
        Some(namespace) => library
            .dispatch_order(namespace)
            .iter()
            .find_map(|package| candidates.iter().find_map(|candidate| library.find(package, candidate))),
    };
    if let Some(found) = found {
        Ok(Value::from_object(found.value()))
    } else {
        let place = match &namespace {
            Some(namespace) => format!(" in the packages {}", library.dispatch_order(namespace).join(", ")),
            None => String::new(),
        };
        let tried: Vec<String> = candidates.iter().map(|candidate| ticked(candidate)).collect();
        let message = format!("no macro {} was found{place}", tried.join(", "));
        Err(Failure::new("jinja-undefined", message).into())
    }
}

fn ticked(name: &str) -> String {
    format!("`{name}`")
}

fn quoted(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [identifier, _key] = arguments.bind("adapter.quote", ["identifier", "quote_key"], 1)?;
    Ok(Value::from(quote(&text::display(&identifier.unwrap_or_default()))))
}

fn quote_seed_column(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [column, is_quoted] = arguments.bind("adapter.quote_seed_column", ["column", "quote_config"], 1)?;
    let column = text::display(&column.unwrap_or_default());
    let is_quoted = is_quoted.filter(|value| !value.is_none());
    Ok(Value::from(if flag(is_quoted.as_ref(), true) { quote(&column) } else { column }))
}

/// `adapter.execute(sql, fetch=…)`: the response and the table.
fn execute(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [sql, _auto_begin, _fetch, _limit] =
        arguments.bind("adapter.execute", ["sql", "auto_begin", "fetch", "limit"], 1)?;
    let sql = text_argument("adapter.execute", "sql", &sql.unwrap_or_default())?;
    if !interpreter.host.execute() {
        return Ok(values::tuple(vec![Value::from(""), Table::value(&[])]));
    }
    let answer = interpreter.host.statements(&sql)?;
    let cells = answer.batches.iter().map(|batch| batch.num_rows() * batch.num_columns()).sum();
    interpreter.spend(cells)?;
    let response = Dict::of_text([
        ("_message", Value::from(format!("{} {}", answer.verb, answer.rows_affected).trim())),
        ("code", Value::from(answer.verb.as_str())),
        ("rows_affected", Value::from(answer.rows_affected)),
    ]);
    Ok(values::tuple(vec![response, Table::value(&answer.batches)]))
}

/// Says a statement, when there is a warehouse to hear it.
fn say(interpreter: &mut Interpreter<'_>, sql: &str) -> Eval {
    if interpreter.host.execute() {
        interpreter.host.statements(sql)?;
    }
    Ok(Value::from(""))
}

/// The SQL name of a relation, or of its schema.
fn sql_name(relation: &RelationValue, parts: usize) -> String {
    let names = [&relation.database, &relation.schema, &relation.identifier];
    names.into_iter().take(parts).flatten().map(|name| quote(name)).collect::<Vec<_>>().join(".")
}

fn relation_argument(function: &'static str, arguments: Arguments) -> Eval<RelationValue> {
    let [relation] = arguments.bind(function, ["relation"], 1)?;
    RelationObject::argument(function, "relation", &relation.unwrap_or_default())
}

fn create_schema(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let relation = relation_argument("adapter.create_schema", arguments)?;
    say(interpreter, &format!("create schema if not exists {}", sql_name(&relation, 2)))
}

fn drop_schema(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let relation = relation_argument("adapter.drop_schema", arguments)?;
    say(interpreter, &format!("drop schema if exists {} cascade", sql_name(&relation, 2)))
}

/// The word for the kind of a relation: what it is now, or else what it says of itself.
fn kind_word(interpreter: &Interpreter<'_>, relation: &RelationValue) -> Eval<&'static str> {
    let name = |part: &Option<String>| part.clone().unwrap_or_default();
    let (database, schema, identifier) = (name(&relation.database), name(&relation.schema), name(&relation.identifier));
    let known = if interpreter.host.execute() {
        interpreter.host.find_relation(&database, &schema, &identifier)?.and_then(|found| found.kind)
    } else {
        None
    };
    Ok(if known.or(relation.kind) == Some(RelationKind::View) { "view" } else { "table" })
}

fn drop_relation(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let relation = relation_argument("adapter.drop_relation", arguments)?;
    let kind = kind_word(interpreter, &relation)?;
    say(interpreter, &format!("drop {kind} if exists {}", sql_name(&relation, 3)))
}

fn rename_relation(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let function = "adapter.rename_relation";
    let [from, to] = arguments.bind(function, ["from_relation", "to_relation"], 2)?;
    let from = RelationObject::argument(function, "from_relation", &from.unwrap_or_default())?;
    let to = RelationObject::argument(function, "to_relation", &to.unwrap_or_default())?;
    say(interpreter, &format!("alter table {} rename to {}", sql_name(&from, 3), sql_name(&to, 3)))
}

fn truncate_relation(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let relation = relation_argument("adapter.truncate_relation", arguments)?;
    say(interpreter, &format!("truncate table {}", sql_name(&relation, 3)))
}

fn alter_column_type(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let function = "adapter.alter_column_type";
    let [relation, column, data_type] = arguments.bind(function, ["relation", "column_name", "new_column_type"], 3)?;
    let relation = RelationObject::argument(function, "relation", &relation.unwrap_or_default())?;
    let (column, data_type) =
        (text::display(&column.unwrap_or_default()), text::display(&data_type.unwrap_or_default()));
    let sql = format!("alter table {} alter column {} type {data_type}", sql_name(&relation, 3), quote(&column));
    say(interpreter, &sql)
}

fn add_query(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let names = ["sql", "auto_begin", "bindings", "abridge_sql_log"];
    let [sql, ..] = arguments.bind("adapter.add_query", names, 1)?;
    let sql = text_argument("adapter.add_query", "sql", &sql.unwrap_or_default())?;
    say(interpreter, &sql)
}

fn columns(interpreter: &mut Interpreter<'_>, relation: &RelationValue) -> Eval<Vec<ColumnValue>> {
    if !interpreter.host.execute() {
        return Ok(Vec::new());
    }
    Ok(interpreter.host.columns(relation)?.unwrap_or_default())
}

fn get_columns_in_relation(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let function = "adapter.get_columns_in_relation";
    let [relation] = arguments.bind(function, ["relation"], 1)?;
    let relation = RelationObject::argument(function, "relation", &relation.unwrap_or_default())?;
    let columns = columns(interpreter, &relation)?;
    Ok(List::value(columns.into_iter().map(ColumnObject::value).collect()))
}

fn columns_of_query(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let function = "adapter.get_column_schema_from_query";
    let [sql] = arguments.bind(function, ["sql"], 1)?;
    let sql = text_argument(function, "sql", &sql.unwrap_or_default())?;
    if !interpreter.host.execute() {
        return Ok(List::value(Vec::new()));
    }
    let batches = interpreter.host.query(&sql)?;
    let schema = batches.first().map(arrow::record_batch::RecordBatch::schema);
    let fields = schema.iter().flat_map(|schema| schema.fields().iter());
    let column = |field: &arrow::datatypes::FieldRef| ColumnValue {
        name: field.name().clone(),
        data_type: interpreter.host.type_name(field.data_type()),
    };
    Ok(List::value(fields.map(column).map(ColumnObject::value).collect()))
}

fn get_missing_columns(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let function = "adapter.get_missing_columns";
    let [from, to] = arguments.bind(function, ["from_relation", "to_relation"], 2)?;
    let from = RelationObject::argument(function, "from_relation", &from.unwrap_or_default())?;
    let to = RelationObject::argument(function, "to_relation", &to.unwrap_or_default())?;
    let present = columns(interpreter, &to)?;
    let is_missing = |column: &ColumnValue| !present.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name));
    let missing = columns(interpreter, &from)?.into_iter().filter(is_missing);
    Ok(List::value(missing.map(ColumnObject::value).collect()))
}

fn get_relation(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [database, schema, identifier] =
        arguments.bind("adapter.get_relation", ["database", "schema", "identifier"], 3)?;
    if !interpreter.host.execute() {
        return Ok(Value::from(()));
    }
    let name = |value: Option<Value>| text::display(&value.unwrap_or_default());
    let found = interpreter.host.find_relation(&name(database), &name(schema), &name(identifier))?;
    Ok(found.map_or_else(|| Value::from(()), RelationObject::value))
}

/// The database and schema of a call with two names or with one relation.
fn schema_of(function: &str, arguments: Arguments) -> Eval<(String, String)> {
    let [first, schema] = arguments.bind(function, ["database", "schema"], 1)?;
    let first = first.unwrap_or_default();
    if let Some(schema) = schema {
        Ok((text::display(&first), text::display(&schema)))
    } else {
        let relation = RelationObject::argument(function, "schema_relation", &first)?;
        Ok((relation.database.unwrap_or_default(), relation.schema.unwrap_or_default()))
    }
}

fn list_relations(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let (database, schema) = schema_of("adapter.list_relations", arguments)?;
    if !interpreter.host.execute() {
        return Ok(List::value(Vec::new()));
    }
    let relations = interpreter.host.list_relations(&database, &schema)?;
    Ok(List::value(relations.into_iter().map(RelationObject::value).collect()))
}

/// A schema exists as long as there is a relation in it.
fn check_schema_exists(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let (database, schema) = schema_of("adapter.check_schema_exists", arguments)?;
    let exists = interpreter.host.execute() && !interpreter.host.list_relations(&database, &schema)?.is_empty();
    Ok(Value::from(exists))
}

/// `api.Relation.create(database, schema, identifier, type)`.
pub(super) fn create_relation(_interpreter: &mut Interpreter<'_>, mut arguments: Arguments, _span: Span) -> Eval {
    for ignored in ["quote_policy", "include_policy", "dbt_created", "limit"] {
        arguments.keyword.shift_remove(ignored);
    }
    let [database, schema, identifier, kind] =
        arguments.bind("api.Relation.create", ["database", "schema", "identifier", "type"], 0)?;
    let name = |value: Option<Value>| value.filter(|value| !value.is_none()).map(|value| text::display(&value));
    Ok(RelationObject::value(RelationValue {
        database: name(database),
        schema: name(schema),
        identifier: name(identifier),
        kind: kind.as_ref().and_then(kind_of),
        render_as: None,
        filter: None,
    }))
}

/// `api.Column(name, type)`.
pub(super) fn create_column(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let names = ["column", "dtype", "char_size", "numeric_precision", "numeric_scale"];
    let [name, data_type, size, precision, scale] = arguments.bind("api.Column", names, 2)?;
    let mut data_type = text::display(&data_type.unwrap_or_default());
    let number = |value: Option<Value>| value.and_then(|value| value.as_i64());
    match (number(size), number(precision), number(scale)) {
        (Some(size), _, _) => data_type = format!("{data_type}({size})"),
        (None, Some(precision), Some(scale)) => data_type = format!("{data_type}({precision},{scale})"),
        (None, Some(precision), None) => data_type = format!("{data_type}({precision})"),
        _ => {}
    }
    let name = text::display(&name.unwrap_or_default());
    if name.is_empty() {
        return fail("`api.Column` needs a name that is not empty");
    }
    Ok(ColumnObject::value(ColumnValue { name, data_type }))
}

/// `api.Column.translate_type(type)`: dbt's generic names as SQL types.
pub(super) fn translate_type(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name] = arguments.bind("api.Column.translate_type", ["dtype"], 1)?;
    let name = text::display(&name.unwrap_or_default());
    Ok(Value::from(match name.to_ascii_lowercase().as_str() {
        "string" => "varchar".to_owned(),
        "integer" => "bigint".to_owned(),
        "float" => "double".to_owned(),
        _ => name,
    }))
}

/// `api.Column.numeric_type(dtype, precision, size)`: the name with its arguments, if both are given.
pub(super) fn numeric_type(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, precision, scale] = arguments.bind("api.Column.numeric_type", ["dtype", "precision", "size"], 3)?;
    let name = text::display(&name.unwrap_or_default());
    let number = |value: Option<Value>| value.filter(|value| !value.is_none()).map(|value| text::display(&value));
    Ok(Value::from(match (number(precision), number(scale)) {
        (Some(precision), Some(scale)) => format!("{name}({precision},{scale})"),
        _ => name,
    }))
}

/// `api.Column.string_type(size)`: a text; the engine's have no largest length, but take one.
pub(super) fn string_type(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [size] = arguments.bind("api.Column.string_type", ["size"], 0)?;
    let size = size.filter(|size| !size.is_none() && !size.is_undefined());
    Ok(Value::from(size.map_or_else(|| "varchar".to_owned(), |size| format!("varchar({})", text::display(&size)))))
}
