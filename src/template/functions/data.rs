//! Functions that work on plain values: conversion to and from JSON and YAML, and Python's built-ins.
#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the functions have the one signature of `NativeFunction`"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use md5::{Digest, Md5};
use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};
use serde_json::Value as Json;

use crate::template::evaluate::Interpreter;
use crate::template::evaluate::arguments::{Arguments, flag, text_argument};
use crate::template::evaluate::operators::equal;
use crate::template::failure::{Eval, Failure, fail};
use crate::template::syntax::Span;
use crate::template::values::{self, Dict, List, Namespace, Set, methods, text};

pub(super) fn to_json(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [value, _default, sort_keys] = arguments.bind("tojson", ["value", "default", "sort_keys"], 1)?;
    let json = values::to_json(&value.unwrap_or_default());
    Ok(Value::from(text::json_text(&json, flag(sort_keys.as_ref(), false), None)))
}

pub(super) fn to_yaml(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [value, _default, sort_keys] = arguments.bind("toyaml", ["value", "default", "sort_keys"], 1)?;
    let json = values::to_json(&value.unwrap_or_default());
    Ok(Value::from(text::yaml_text(&json, flag(sort_keys.as_ref(), false))))
}

pub(super) fn from_json(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [string, default] = arguments.bind("fromjson", ["string", "default"], 1)?;
    let string = string.unwrap_or_default();
    let string = text_argument("fromjson", "string", &string)?;
    interpreter.spend_bytes(string.len().saturating_mul(4))?;
    match (serde_json::from_str::<Json>(&string), default) {
        (Ok(json), _) => Ok(values::from_json(&json)),
        (Err(_), Some(default)) => Ok(default),
        (Err(error), None) => fail(format!("`fromjson` cannot read the text: {error}")),
    }
}

pub(super) fn from_yaml(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [string, default] = arguments.bind("fromyaml", ["value", "default"], 1)?;
    let string = text_argument("fromyaml", "value", &string.unwrap_or_default())?;
    interpreter.spend_bytes(string.len().saturating_mul(4))?;
    match (parse_yaml(&string), default) {
        (Ok(json), _) => Ok(values::from_json(&json)),
        (Err(_), Some(default)) => Ok(default),
        (Err(reason), None) => fail(format!("`fromyaml` cannot read the text: {reason}")),
    }
}

/// Reads a small YAML text.
pub(super) fn parse_yaml(string: &str) -> Result<Json, String> {
    if string.trim().is_empty() {
        return Ok(Json::Null);
    }
    serde_saphyr::from_str::<Json>(string).map_err(|error| {
        let message = error.to_string();
        message.lines().next().unwrap_or("").trim_start_matches("error: ").to_owned()
    })
}

pub(super) fn local_md5(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [value] = arguments.bind("local_md5", ["value"], 1)?;
    let value = text::display(&value.unwrap_or_default());
    interpreter.spend_bytes(value.len())?;
    let digest = Md5::digest(value.as_bytes());
    Ok(Value::from(text::hex(&digest)))
}

fn items(function: &str, value: &Value) -> Eval<Vec<Value>> {
    match values::items_of(value) {
        Some(items) if !value.is_undefined() => Ok(items),
        _ => fail(format!("`{function}` needs something with items, not {}", values::a_type(value))),
    }
}

pub(super) fn set(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [value, default] = arguments.bind("set", ["value", "default"], 0)?;
    let Some(value) = value else { return Ok(Set::value([])) };
    match items("set", &value) {
        Ok(items) => {
            items.iter().try_for_each(methods::check_hashable)?;
            Ok(Set::value(items))
        }
        Err(_) => Ok(default.unwrap_or_else(|| Value::from(()))),
    }
}

pub(super) fn set_strict(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [value] = arguments.bind("set_strict", ["value"], 1)?;
    let items = items("set_strict", &value.unwrap_or_default())?;
    items.iter().try_for_each(methods::check_hashable)?;
    Ok(Set::value(items))
}

pub(super) fn zip(interpreter: &mut Interpreter<'_>, mut arguments: Arguments, span: Span) -> Eval {
    let default = arguments.keyword.shift_remove("default");
    match zip_strict(interpreter, arguments, span) {
        Ok(zipped) => Ok(zipped),
        Err(_) => Ok(default.unwrap_or_else(|| Value::from(()))),
    }
}

pub(super) fn zip_strict(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let lists = arguments.positional.iter().map(|value| items("zip_strict", value)).collect::<Eval<Vec<_>>>()?;
    let shortest = lists.iter().map(Vec::len).min().unwrap_or(0);
    let row = |index: usize| values::tuple(lists.iter().filter_map(|list| list.get(index)).cloned().collect());
    Ok(List::value((0..shortest).map(row).collect()))
}

pub(super) fn range(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let bound = arguments.bind("range", ["start", "stop", "step"], 1)?;
    let mut numbers = Vec::new();
    for value in bound.into_iter().flatten() {
        match value.as_i64().filter(|_| value.is_integer()) {
            Some(number) => numbers.push(number),
            None => return fail(format!("`range` needs whole numbers, not {}", values::a_type(&value))),
        }
    }
    let (start, stop, step) = match numbers.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step, ..] => (*start, *stop, *step),
        [] => return fail("`range` needs its argument `stop`"),
    };
    if step == 0 {
        return fail("the step of a `range` must not be 0");
    }
    let distance = if step > 0 { i128::from(stop) - i128::from(start) } else { i128::from(start) - i128::from(stop) };
    let width = i128::from(step).abs();
    let count = usize::try_from((distance.max(0) + width - 1) / width).unwrap_or(usize::MAX);
    interpreter.spend(count)?;
    let mut items = Vec::with_capacity(count);
    let mut number = start;
    for _ in 0..count {
        items.push(Value::from(number));
        number = number.saturating_add(step);
    }
    Ok(List::value(items))
}

pub(super) fn dict(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let mut pairs = Vec::new();
    for value in &arguments.positional {
        pairs.extend(methods::pairs_of("dict", value)?);
    }
    pairs.extend(arguments.keyword.into_iter().map(|(key, value)| (Value::from(key.as_ref()), value)));
    for (key, _) in &pairs {
        methods::check_hashable(key)?;
    }
    Ok(Dict::value(pairs))
}

pub(super) fn namespace(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let mut attributes = IndexMap::new();
    for value in &arguments.positional {
        for (key, value) in methods::pairs_of("namespace", value)? {
            attributes.insert(text::display(&key), value);
        }
    }
    attributes.extend(arguments.keyword.into_iter().map(|(key, value)| (key.to_string(), value)));
    Ok(Namespace::value(attributes))
}

/// Jinja's `joiner`: nothing at first, then the separator.
#[derive(Debug)]
pub(super) struct Joiner {
    separator: String,
    was_used: AtomicBool,
}

impl Joiner {
    pub(super) fn next(&self) -> &str {
        if self.was_used.swap(true, Ordering::Relaxed) { &self.separator } else { "" }
    }
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

pub(super) fn joiner(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [separator] = arguments.bind("joiner", ["sep"], 0)?;
    let separator = separator.map_or_else(|| ", ".to_owned(), |separator| text::display(&separator));
    Ok(Value::from_object(Joiner { separator, was_used: AtomicBool::new(false) }))
}

/// `diff_of_two_dicts(a, b)`: the keys of the first with the items that the second does not have, in any case.
pub(super) fn diff_of_two_dicts(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [left, right] = arguments.bind("diff_of_two_dicts", ["dict_a", "dict_b"], 2)?;
    let lower = |value: &Value| text::display(value).to_lowercase();
    let right = methods::pairs_of("diff_of_two_dicts", &right.unwrap_or_default())?;
    let mut difference = Vec::new();
    for (key, value) in methods::pairs_of("diff_of_two_dicts", &left.unwrap_or_default())? {
        let other = right.iter().find(|(candidate, _)| lower(candidate) == lower(&key)).map(|(_, value)| value);
        let known: Vec<String> = other.and_then(values::items_of).unwrap_or_default().iter().map(lower).collect();
        let Some(items) = values::items_of(&value) else {
            return Err(Failure::new("jinja-error", "`diff_of_two_dicts` needs dicts of lists").into());
        };
        let missing: Vec<Value> = items.into_iter().filter(|item| !known.contains(&lower(item))).collect();
        if !missing.is_empty() && !other.is_some_and(|other| equal(other, &value)) {
            difference.push((key, List::value(missing)));
        }
    }
    Ok(Dict::value(difference))
}
