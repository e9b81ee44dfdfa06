//! dbt's own functions: `ref`, `source`, `config`, `var`, messages, exceptions, results of statements.
#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the functions have the one signature of `NativeFunction`"
)]

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::Value as Json;

use crate::manifest::function::FunctionCall;
use crate::manifest::node::{RefCall, SourceCall};
use crate::manifest::version::Version;
use crate::template::evaluate::Interpreter;
use crate::template::evaluate::arguments::{Arguments, flag, text_argument};
use crate::template::failure::{Eval, Failure, Stop, fail};
use crate::template::functions::native;
use crate::template::has_jinja;
use crate::template::host::MessageLevel;
use crate::template::syntax::Span;
use crate::template::values::relation::RelationObject;
use crate::template::values::{self, Dict, methods, text};

/// The functions of `exceptions`.
pub(super) const EXCEPTIONS: &[&str] = &[
    "raise_compiler_error",
    "warn",
    "raise_not_implemented",
    "raise_parsing_error",
    "raise_fail_fast_error",
    "raise_dependency_error",
    "raise_duplicate_patch_name",
    "missing_config",
    "missing_relation",
    "missing_materialization",
    "relation_wrong_type",
    "column_type_missing",
    "raise_contract_error",
    "invalid_type_error",
    "raise_invalid_dispatch",
];

/// `ref(name)`, `ref(package, name)`, both with `v=` or `version=`.
pub(super) fn reference(interpreter: &mut Interpreter<'_>, mut arguments: Arguments, span: Span) -> Eval {
    let version = arguments.keyword.shift_remove("v").or_else(|| arguments.keyword.shift_remove("version"));
    let hint = "write `ref('model')` or `ref('package', 'model')`";
    let wrong = |message: String| Err(Failure::new("invalid-ref", message).with_hint(hint).into());
    if let Some(name) = arguments.keyword.keys().next() {
        return wrong(format!("`ref` has no argument `{name}`"));
    }
    let mut names = Vec::new();
    for value in &arguments.positional {
        match value.as_str() {
            Some(name) if !name.is_empty() => names.push(name.to_owned()),
            Some(_) => return wrong("`ref` needs a name that is not empty".to_owned()),
            None => return wrong(format!("`ref` needs names, not {}", values::a_type(value))),
        }
    }
    let (package, name) = match names.as_slice() {
        [name] => (None, name.clone()),
        [package, name] => (Some(package.clone()), name.clone()),
        other => return wrong(format!("`ref` takes one or two names, {} were given", other.len())),
    };
    let version = match version.filter(|version| !version.is_none()) {
        None => None,
        Some(value) => match Version::new(&values::to_json(&value)) {
            Some(version) => Some(version),
            None => {
                return wrong(format!("the version of a `ref` is a number or a text, not {}", values::a_type(&value)));
            }
        },
    };
    let location = Some(interpreter.location(span));
    let relation = interpreter.host.reference(RefCall { package, name, version, location })?;
    Ok(RelationObject::value(relation))
}

/// `source(name, table)`.
pub(super) fn source(interpreter: &mut Interpreter<'_>, arguments: Arguments, span: Span) -> Eval {
    let texts: Vec<Option<&str>> = arguments.positional.iter().map(Value::as_str).collect();
    let [Some(source), Some(table)] = texts.as_slice() else {
        let message = "`source` takes two names: that of the source and that of the table";
        return Err(Failure::new("invalid-source", message).with_hint("write `source('shop', 'orders')`").into());
    };
    let location = Some(interpreter.location(span));
    let call = SourceCall { source: (*source).to_owned(), table: (*table).to_owned(), location };
    let relation = interpreter.host.source(call)?;
    Ok(RelationObject::value(relation))
}

/// `function(name)` and `function(package, name)`: the name by which SQL calls a function of the project.
pub(super) fn function(interpreter: &mut Interpreter<'_>, arguments: Arguments, span: Span) -> Eval {
    let texts: Vec<Option<&str>> = arguments.positional.iter().map(Value::as_str).collect();
    let (package, name) = match (texts.as_slice(), arguments.keyword.is_empty()) {
        ([Some(name)], true) => (None, (*name).to_owned()),
        ([Some(package), Some(name)], true) => (Some((*package).to_owned()), (*name).to_owned()),
        _ => {
            let message = "`function` takes one name, or two: that of the package and that of the function";
            return Err(Failure::new("invalid-function", message)
                .with_hint("write `{{ function('price') }}(amount)`")
                .into());
        }
    };
    let location = Some(interpreter.location(span));
    let relation = interpreter.host.function(FunctionCall { package, name, location })?;
    Ok(RelationObject::value(relation))
}

/// `config(key=value, …)` or `config({…})`.
pub(super) fn config(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let mut settings = IndexMap::new();
    for value in &arguments.positional {
        for (key, value) in methods::pairs_of("config", value)? {
            settings.insert(text::display(&key), values::to_json(&value));
        }
    }
    for (key, value) in &arguments.keyword {
        settings.insert(key.to_string(), values::to_json(value));
    }
    interpreter.host.set_config(settings)?;
    Ok(Value::from(""))
}

/// `config.get`, `config.require` and so on; any other attribute is a value of the configuration.
pub(super) fn config_attribute(interpreter: &Interpreter<'_>, name: &str) -> Value {
    match name {
        "get" => native("config.get", config_get),
        "require" => native("config.require", config_require),
        "meta_get" => native("config.meta_get", config_meta_get),
        "meta_require" => native("config.meta_require", config_meta_require),
        "set" => native("config.set", config_set),
        "persist_relation_docs" | "persist_column_docs" => {
            native("config.persist_docs", |_, _, _| Ok(Value::from(false)))
        }
        other => interpreter.host.get_config(other).map_or(Value::UNDEFINED, |json| values::from_json(&json)),
    }
}

fn config_get(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, default, _validator] = arguments.bind("config.get", ["name", "default", "validator"], 1)?;
    let name = text_argument("config.get", "name", &name.unwrap_or_default())?;
    let found = interpreter.host.get_config(&name).filter(|found| !found.is_null());
    Ok(found.map_or_else(|| default.unwrap_or_else(|| Value::from(())), |json| values::from_json(&json)))
}

fn config_require(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, _validator] = arguments.bind("config.require", ["name", "validator"], 1)?;
    let name = text_argument("config.require", "name", &name.unwrap_or_default())?;
    match interpreter.host.get_config(&name).filter(|found| !found.is_null()) {
        Some(json) => Ok(values::from_json(&json)),
        // While parsing, the configuration of the properties files is not merged yet.
        None if !interpreter.host.execute() => Ok(Value::from(())),
        None => {
            Err(Failure::new("missing-config", format!("the configuration `{name}` is required and not set")).into())
        }
    }
}

fn meta_value(interpreter: &Interpreter<'_>, name: &str) -> Option<Value> {
    let meta = interpreter.host.get_config("meta")?;
    meta.get(name).filter(|found| !found.is_null()).map(values::from_json)
}

fn config_meta_get(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, default, _validator] = arguments.bind("config.meta_get", ["name", "default", "validator"], 1)?;
    let name = text_argument("config.meta_get", "name", &name.unwrap_or_default())?;
    Ok(meta_value(interpreter, &name).or(default).unwrap_or_else(|| Value::from(())))
}

fn config_meta_require(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, _validator] = arguments.bind("config.meta_require", ["name", "validator"], 1)?;
    let name = text_argument("config.meta_require", "name", &name.unwrap_or_default())?;
    match meta_value(interpreter, &name) {
        Some(value) => Ok(value),
        None if !interpreter.host.execute() => Ok(Value::from(())),
        None => {
            Err(Failure::new("missing-config", format!("the key `{name}` is required in `meta` and not set")).into())
        }
    }
}

fn config_set(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, value] = arguments.bind("config.set", ["name", "value"], 2)?;
    let name = text_argument("config.set", "name", &name.unwrap_or_default())?;
    let settings = IndexMap::from([(name, values::to_json(&value.unwrap_or_default()))]);
    interpreter.host.set_config(settings)?;
    Ok(Value::from(""))
}

/// `var(name, default)`. A text with Jinja is rendered as a template of its own where the variable is asked for, so it
/// may name what that place knows; what is in lists and mappings stays as it is written.
pub(super) fn var(interpreter: &mut Interpreter<'_>, arguments: Arguments, span: Span) -> Eval {
    let [name, default] = arguments.bind("var", ["name", "default"], 1)?;
    let name = text_argument("var", "name", &name.unwrap_or_default())?;
    let host = &interpreter.host;
    match host.var(host.package(), &name) {
        Some(Json::String(text)) if has_jinja(&text) => return interpreter.render_variable(&name, &text, span),
        Some(json) => return Ok(values::from_json(&json)),
        None => {}
    }
    match default {
        Some(default) => Ok(default),
        None => {
            let failure = Failure::new("missing-var", format!("the variable `{name}` is not set")).with_hint(format!(
                "set it under `vars:` in the project file, with `--vars '{{{name}: ...}}'`, or give a default"
            ));
            if interpreter.forgives_variables() {
                interpreter.foresee(failure, span);
                return Ok(Value::from(()));
            }
            Err(failure.into())
        }
    }
}

pub(super) fn has_var(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name] = arguments.bind("var.has_var", ["name"], 1)?;
    let name = text_argument("var.has_var", "name", &name.unwrap_or_default())?;
    let host = &interpreter.host;
    Ok(Value::from(host.var(host.package(), &name).is_some()))
}

/// `env_var(name, default)`.
pub(super) fn env_var(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, default] = arguments.bind("env_var", ["name", "default"], 1)?;
    let name = text_argument("env_var", "name", &name.unwrap_or_default())?;
    match (interpreter.host.env_var(&name)?, default) {
        (Some(value), _) => Ok(Value::from(value)),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(Failure::new("missing-env-var", format!("the environment variable `{name}` is not set"))
            .with_hint(format!("set it, or give a default: `env_var('{name}', '...')`"))
            .into()),
    }
}

pub(super) fn is_incremental(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [] = arguments.bind("is_incremental", [], 0)?;
    Ok(Value::from(interpreter.host.execute() && interpreter.host.is_incremental()))
}

pub(super) fn log(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [message, info] = arguments.bind("log", ["msg", "info"], 1)?;
    let level = if flag(info.as_ref(), false) { MessageLevel::Info } else { MessageLevel::Debug };
    interpreter.host.message(level, &text::display(&message.unwrap_or_default()));
    Ok(Value::from(""))
}

pub(super) fn print(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [message] = arguments.bind("print", ["msg"], 1)?;
    interpreter.host.message(MessageLevel::Print, &text::display(&message.unwrap_or_default()));
    Ok(Value::from(""))
}

pub(super) fn return_value(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [value] = arguments.bind("return", ["data"], 0)?;
    Err(Stop::Return(value.unwrap_or_else(|| Value::from(()))))
}

/// `render(text)`: a text as a template of its own.
pub(super) fn render(interpreter: &mut Interpreter<'_>, arguments: Arguments, span: Span) -> Eval {
    let [text] = arguments.bind("render", ["string"], 1)?;
    let text = text_argument("render", "string", &text.unwrap_or_default())?;
    interpreter.render_inline(&text, span)
}

/// `try_or_compiler_error(message, function, …)`.
pub(super) fn try_or_compiler_error(interpreter: &mut Interpreter<'_>, mut arguments: Arguments, span: Span) -> Eval {
    if arguments.positional.len() < 2 {
        return fail("`try_or_compiler_error` needs a message and a function");
    }
    let message = text::display(&arguments.positional.remove(0));
    let function = arguments.positional.remove(0);
    interpreter.call_value(&function, arguments, span, span).map_err(|stop| match stop {
        Stop::Failure(failure) if !failure.not_ready && failure.code != "jinja-limit" => {
            Failure::new("raised-by-macro", message).into()
        }
        other => other,
    })
}

/// `store_result(name, response, agate_table)`.
pub(super) fn store_result(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, response, table] = arguments.bind("store_result", ["name", "response", "agate_table"], 2)?;
    let name = text_argument("store_result", "name", &name.unwrap_or_default())?;
    let table = table.unwrap_or_else(|| Value::from(()));
    let data = values::items_of(&table).map_or_else(|| Value::from(()), values::List::value);
    let result = Dict::of_text([("response", response.unwrap_or_default()), ("data", data), ("table", table)]);
    interpreter.results.insert(name, result);
    Ok(Value::from(""))
}

/// `store_raw_result(name, message, code, rows_affected, agate_table)`.
pub(super) fn store_raw_result(interpreter: &mut Interpreter<'_>, arguments: Arguments, span: Span) -> Eval {
    let names = ["name", "message", "code", "rows_affected", "agate_table"];
    let [name, message, code, rows, table] = arguments.bind("store_raw_result", names, 1)?;
    let rows_affected = rows.unwrap_or_else(|| Value::from(()));
    let response = Dict::of_text([
        ("_message", message.unwrap_or_else(|| Value::from(()))),
        ("code", code.unwrap_or_else(|| Value::from(()))),
        ("rows_affected", rows_affected),
    ]);
    let positional = vec![name.unwrap_or_default(), response, table.unwrap_or_else(|| Value::from(()))];
    store_result(interpreter, Arguments::of(positional), span)
}

/// `load_result(name)`.
pub(super) fn load_result(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name] = arguments.bind("load_result", ["name"], 1)?;
    let name = text_argument("load_result", "name", &name.unwrap_or_default())?;
    if name == "main" {
        return Ok(interpreter.results.get(&name).cloned().unwrap_or_else(|| Value::from(())));
    }
    // As under dbt, a result is there once; what was never stored is none.
    match interpreter.results.get_mut(&name).map(|kept| std::mem::replace(kept, Value::UNDEFINED)) {
        Some(taken) if taken.is_undefined() => {
            let message = format!("the result `{name}` was loaded already");
            Err(Failure::new("jinja-error", message).with_hint("keep it in a variable").into())
        }
        found => Ok(found.unwrap_or_else(|| Value::from(()))),
    }
}

pub(super) fn context_get(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [name, default] = arguments.bind("context.get", ["name", "default"], 1)?;
    let found = interpreter.lookup(&text_argument("context.get", "name", &name.unwrap_or_default())?);
    Ok(if found.is_undefined() { default.unwrap_or_else(|| Value::from(())) } else { found })
}

/// A function of `exceptions`.
pub(super) fn exception(name: &str) -> Option<Value> {
    match name {
        "warn" => Some(native("exceptions.warn", warn)),
        "raise_not_implemented" => Some(native("exceptions.raise_not_implemented", raise_not_implemented)),
        "missing_config" => Some(native("exceptions.missing_config", missing_config)),
        "missing_relation" => Some(native("exceptions.missing_relation", missing_relation)),
        "relation_wrong_type" => Some(native("exceptions.relation_wrong_type", relation_wrong_type)),
        other if EXCEPTIONS.contains(&other) => Some(native("exceptions.raise_compiler_error", raise)),
        _ => None,
    }
}

/// The message of an exception: its text, or all its arguments.
fn exception_text(arguments: &Arguments) -> String {
    let texts =
        arguments.positional.iter().chain(arguments.keyword.values().filter(|value| value.kind() == ValueKind::String));
    let joined: Vec<String> = texts.map(text::display).collect();
    joined.join(" ").trim().to_owned()
}

fn raised<T>(message: String) -> Eval<T> {
    let message = if message.is_empty() { "a macro raised an error without a message".to_owned() } else { message };
    Err(Failure::new("raised-by-macro", message).into())
}

fn raise(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let mut arguments = arguments;
    // dbt's second parameter is the node, which the place of the error shows already.
    arguments.keyword.shift_remove("node");
    arguments.positional.truncate(1);
    raised(exception_text(&arguments))
}

fn raise_not_implemented(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    raised(format!("not implemented: {}", exception_text(&arguments)))
}

fn missing_config(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [_model, name] = arguments.bind("exceptions.missing_config", ["model", "name"], 2)?;
    raised(format!("the configuration `{}` is required and not set", text::display(&name.unwrap_or_default())))
}

fn missing_relation(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [relation, _model] = arguments.bind("exceptions.missing_relation", ["relation", "model"], 1)?;
    raised(format!("the relation {} does not exist", text::display(&relation.unwrap_or_default())))
}

fn relation_wrong_type(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [relation, expected, _model] =
        arguments.bind("exceptions.relation_wrong_type", ["relation", "expected_type", "model"], 2)?;
    let relation = text::display(&relation.unwrap_or_default());
    raised(format!("{relation} exists and is not a {}", text::display(&expected.unwrap_or_default())))
}

fn warn(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    interpreter.host.message(MessageLevel::Warning, &exception_text(&arguments));
    Ok(Value::from(""))
}
