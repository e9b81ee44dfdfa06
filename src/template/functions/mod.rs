//! The names that every template knows: dbt's functions and objects.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};

use crate::base::diagnostic::did_you_mean;
use crate::template::evaluate::arguments::Arguments;
use crate::template::evaluate::{Interpreter, MacroValue, NativeFunction};
use crate::template::failure::{Eval, Failure, fail};
use crate::template::host::SharedHost;
use crate::template::syntax::Span;
use crate::template::values::datetime::Moment;
use crate::template::values::relation::RelationObject;
use crate::template::values::{self, Dict, patterns};

mod adapter;
mod context;
mod data;
pub mod filters;
mod itertools;
mod modules;

/// A function written in Rust, as a value.
pub struct Native {
    /// Name for messages.
    pub name: &'static str,
    /// The function.
    pub run: NativeFunction,
}

/// An object that only groups functions: `adapter`, `exceptions`, `modules.re` and the like.
#[derive(Debug)]
pub struct Module {
    /// Its dotted path.
    pub path: &'static str,
}

/// A package as a namespace of its macros.
#[derive(Debug)]
pub struct Package {
    /// Name.
    pub name: String,
}

impl fmt::Debug for Native {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<function {}>", self.name)
    }
}

impl Object for Native {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

impl Object for Module {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{}>", self.path)
    }
}

impl Object for Package {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<package {}>", self.name)
    }
}

/// The names that can be meant, for "did you mean".
pub const NAMES: &[&str] = &[
    "adapter",
    "api",
    "builtins",
    "config",
    "context",
    "database",
    "dbt_version",
    "dict",
    "diff_of_two_dicts",
    "env_var",
    "exceptions",
    "execute",
    "flags",
    "fromjson",
    "fromyaml",
    "function",
    "graph",
    "invocation_args_dict",
    "invocation_id",
    "is_incremental",
    "load_result",
    "local_md5",
    "log",
    "model",
    "modules",
    "namespace",
    "print",
    "project_name",
    "range",
    "ref",
    "render",
    "return",
    "run_started_at",
    "schema",
    "selected_resources",
    "set",
    "set_strict",
    "source",
    "store_result",
    "target",
    "this",
    "tojson",
    "toyaml",
    "try_or_compiler_error",
    "var",
    "zip",
    "zip_strict",
];

pub(super) fn native(name: &'static str, run: NativeFunction) -> Value {
    Value::from_object(Native { name, run })
}

fn module(path: &'static str) -> Value {
    Value::from_object(Module { path })
}

/// A package as a value.
pub fn package(name: &str) -> Value {
    Value::from_object(Package { name: name.to_owned() })
}

/// A function that gives the same for all arguments.
#[derive(Debug)]
struct Constant {
    result: Value,
}

impl Object for Constant {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// A value that stands for another one: the result of its calls if that one is a `function`.
pub fn constant(value: &serde_json::Value, function: bool) -> Value {
    let result = values::from_json(value);
    if function { Value::from_object(Constant { result }) } else { result }
}

/// What a constant function gives; `None` for other values.
pub fn call_constant(value: &Value) -> Option<Value> {
    value.downcast_object_ref::<Constant>().map(|constant| constant.result.clone())
}

/// Whether a name is that of a function that is built in.
pub fn is_function(name: &str) -> bool {
    global(name).is_some_and(|value| is_callable(&value))
}

/// Whether a value can be called.
pub fn is_callable(value: &Value) -> bool {
    value.downcast_object_ref::<Native>().is_some()
        || value.downcast_object_ref::<Constant>().is_some()
        || value.downcast_object_ref::<MacroValue>().is_some()
        || value.downcast_object_ref::<Module>().is_some_and(|module| matches!(module.path, "config" | "var"))
}

/// What a `joiner` gives when it is called.
pub fn call_joiner(value: &Value) -> Option<Value> {
    value.downcast_object_ref::<data::Joiner>().map(|joiner| Value::from(joiner.next()))
}

/// The function or object of a name that does not depend on the host.
pub fn global(name: &str) -> Option<Value> {
    Some(match name {
        "ref" => native("ref", context::reference),
        "source" => native("source", context::source),
        "function" => native("function", context::function),
        "env_var" => native("env_var", context::env_var),
        "is_incremental" => native("is_incremental", context::is_incremental),
        "log" => native("log", context::log),
        "print" => native("print", context::print),
        "return" => native("return", context::return_value),
        "render" => native("render", context::render),
        "try_or_compiler_error" => native("try_or_compiler_error", context::try_or_compiler_error),
        "store_result" => native("store_result", context::store_result),
        "store_raw_result" => native("store_raw_result", context::store_raw_result),
        "load_result" => native("load_result", context::load_result),
        "tojson" => native("tojson", data::to_json),
        "fromjson" => native("fromjson", data::from_json),
        "toyaml" => native("toyaml", data::to_yaml),
        "fromyaml" => native("fromyaml", data::from_yaml),
        "local_md5" => native("local_md5", data::local_md5),
        "set" => native("set", data::set),
        "set_strict" => native("set_strict", data::set_strict),
        "zip" => native("zip", data::zip),
        "zip_strict" => native("zip_strict", data::zip_strict),
        "range" => native("range", data::range),
        "dict" => native("dict", data::dict),
        "namespace" => native("namespace", data::namespace),
        "joiner" => native("joiner", data::joiner),
        "diff_of_two_dicts" => native("diff_of_two_dicts", data::diff_of_two_dicts),
        "adapter" => module("adapter"),
        "api" => module("api"),
        "builtins" => module("builtins"),
        "config" => module("config"),
        "context" => module("context"),
        "exceptions" => module("exceptions"),
        "modules" => module("modules"),
        "var" => module("var"),
        _ => return None,
    })
}

/// A value that the host knows.
pub fn host_global(host: &SharedHost, name: &str) -> Option<Value> {
    match name {
        "execute" => return Some(Value::from(host.execute())),
        "this" => return Some(host.this().map_or_else(|| Value::from(()), RelationObject::value)),
        _ => {}
    }
    let json = host.global(name)?;
    if name == "run_started_at"
        && let Some(instant) = json.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok())
    {
        return Some(Moment::utc(instant.with_timezone(&Utc)).value());
    }
    let value = values::from_json(&json);
    if name == "model" || name == "node" {
        put_batch_times(&value, &json);
    }
    Some(value)
}

/// The times of `model.batch` are points in time, not texts.
fn put_batch_times(model: &Value, json: &serde_json::Value) {
    let Some(times) = json.get("batch").and_then(serde_json::Value::as_object) else { return };
    let batch = model.get_attr("batch").unwrap_or_default();
    let Some(batch) = batch.downcast_object_ref::<Dict>() else { return };
    for (name, time) in times {
        if let Some(instant) = time.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()) {
            batch.lock().insert(Value::from(name.as_str()), Moment::utc(instant.with_timezone(&Utc)).value());
        }
    }
}

/// An attribute of one of the objects that group functions.
pub fn module_attribute(interpreter: &mut Interpreter<'_>, module: &Module, name: &str) -> Eval {
    let found = match module.path {
        "adapter" => adapter::attribute(name),
        "api" => match name {
            "Relation" => Some(self::module("api.Relation")),
            "Column" => Some(self::module("api.Column")),
            _ => None,
        },
        "api.Relation" => (name == "create").then(|| native("api.Relation.create", adapter::create_relation)),
        "api.Column" => match name {
            "create" => Some(native("api.Column.create", adapter::create_column)),
            "translate_type" => Some(native("api.Column.translate_type", adapter::translate_type)),
            "numeric_type" => Some(native("api.Column.numeric_type", adapter::numeric_type)),
            "string_type" => Some(native("api.Column.string_type", adapter::string_type)),
            _ => None,
        },
        "builtins" => global(name),
        "context" => match name {
            "get" => Some(native("context.get", context::context_get)),
            _ => return Ok(interpreter.lookup(name)),
        },
        "config" => return Ok(context::config_attribute(interpreter, name)),
        "var" => (name == "has_var").then(|| native("var.has_var", context::has_var)),
        "exceptions" => context::exception(name),
        "modules.re" => modules::re_attribute(name),
        "modules.itertools" if name != "chain" => itertools::attribute(name),
        path => modules::attribute(path, name).or_else(|| modules::submodule(path, name).map(self::module)),
    };
    if let Some(value) = found {
        Ok(value)
    } else if module.path == "adapter" && !interpreter.host.execute() {
        // As under dbt, who uses it is told when it is compiled: other nodes do not wait for that.
        Ok(native("adapter", |_, _, _| Ok(Value::UNDEFINED)))
    } else {
        let failure = Failure::new("jinja-undefined", format!("`{}` has no function `{name}`", module.path));
        let hint = did_you_mean(name, known(module.path)).map(|candidate| format!("did you mean `{candidate}`?"));
        Err(match hint {
            Some(hint) => failure.with_hint(hint).into(),
            None => failure.into(),
        })
    }
}

fn known(path: &str) -> Vec<&'static str> {
    match path {
        "adapter" => adapter::NAMES.to_vec(),
        "exceptions" => context::EXCEPTIONS.to_vec(),
        "modules" => vec!["datetime", "itertools", "re", "pytz"],
        "modules.re" => patterns::FUNCTIONS.to_vec(),
        "modules.itertools" => itertools::FUNCTIONS.to_vec(),
        _ => Vec::new(),
    }
}

/// Calls one of the objects that group functions: `config(…)`, `var(…)`, `modules.datetime.date(…)`.
pub fn call_module(interpreter: &mut Interpreter<'_>, module: &Module, arguments: Arguments, span: Span) -> Eval {
    match module.path {
        "config" => context::config(interpreter, arguments, span),
        "var" => context::var(interpreter, arguments, span),
        "api.Column" => adapter::create_column(interpreter, arguments, span),
        path => match modules::constructor(path) {
            Some(construct) => construct(interpreter, arguments, span),
            None => fail(format!("`{path}` cannot be called")),
        },
    }
}
