//! The values that templates handle beside minijinja's own: containers that change in place, as in Python, and the
//! objects of dbt's language.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Tuple, ValueKind};
use serde_json::Value as Json;

pub mod datetime;
pub mod decimal;
pub mod methods;
pub mod patterns;
pub mod relation;
pub mod table;
pub mod text;

/// A list that changes in place.
#[derive(Default)]
pub struct List(Mutex<Vec<Value>>);

/// A dict that changes in place and keeps its order.
#[derive(Default)]
pub struct Dict(Mutex<IndexMap<Value, Value>>);

/// A set, in order of insertion.
#[derive(Default)]
pub struct Set(Mutex<IndexMap<Value, ()>>);

/// Jinja's `namespace()`: the one thing whose attributes can be set.
#[derive(Default)]
pub struct Namespace(Mutex<IndexMap<String, Value>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl List {
    /// A list of values.
    pub fn value(items: Vec<Value>) -> Value {
        Value::from_object(Self(Mutex::new(items)))
    }

    /// Its items at this moment.
    pub fn items(&self) -> Vec<Value> {
        self.lock().clone()
    }

    /// The items, to change them.
    pub fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        locked(&self.0)
    }
}

impl Dict {
    /// A dict of pairs; later ones replace earlier ones.
    pub fn value(pairs: impl IntoIterator<Item = (Value, Value)>) -> Value {
        Value::from_object(Self(Mutex::new(pairs.into_iter().collect())))
    }

    /// A dict whose keys are texts.
    pub fn of_text<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
        Self::value(pairs.into_iter().map(|(key, value)| (Value::from(key), value)))
    }

    /// Its pairs at this moment.
    pub fn pairs(&self) -> Vec<(Value, Value)> {
        self.lock().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The pairs, to change them.
    pub fn lock(&self) -> MutexGuard<'_, IndexMap<Value, Value>> {
        locked(&self.0)
    }
}

impl Set {
    /// A set of values.
    pub fn value(items: impl IntoIterator<Item = Value>) -> Value {
        Value::from_object(Self(Mutex::new(items.into_iter().map(|item| (item, ())).collect())))
    }

    /// Its members at this moment.
    pub fn items(&self) -> Vec<Value> {
        self.lock().keys().cloned().collect()
    }

    /// The members, to change them.
    pub fn lock(&self) -> MutexGuard<'_, IndexMap<Value, ()>> {
        locked(&self.0)
    }
}

impl Namespace {
    /// A namespace with these attributes.
    pub fn value(attributes: IndexMap<String, Value>) -> Value {
        Value::from_object(Self(Mutex::new(attributes)))
    }

    /// Sets an attribute.
    pub fn set(&self, name: &str, value: Value) {
        locked(&self.0).insert(name.to_owned(), value);
    }
}

/// Takes apart what a dropped container held without recursion: a template can nest lists deeper than any stack.
fn dismantle(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        if let Some(list) = value.downcast_object::<List>() {
            drop(value);
            if Arc::strong_count(&list) == 1 {
                pending.append(&mut list.lock());
            }
        } else if let Some(dict) = value.downcast_object::<Dict>() {
            drop(value);
            if Arc::strong_count(&dict) == 1 {
                pending.extend(dict.lock().drain(..).map(|(_, value)| value));
            }
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        dismantle(std::mem::take(&mut *self.lock()));
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        let values = std::mem::take(&mut *self.lock()).into_values().collect();
        dismantle(values);
    }
}

impl fmt::Debug for List {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("List").finish_non_exhaustive()
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dict").finish_non_exhaustive()
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Set").finish_non_exhaustive()
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Namespace").finish_non_exhaustive()
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lock().get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&text::repr(&Value::from_dyn_object(Arc::clone(self))))
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lock().get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&text::repr(&Value::from_dyn_object(Arc::clone(self))))
    }
}

impl Object for Set {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let (mut left, mut right) = (self.items(), other.items());
        left.sort();
        right.sort();
        Some(left.cmp(&right))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&text::repr(&Value::from_dyn_object(Arc::clone(self))))
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        locked(&self.0).get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(locked(&self.0).keys().map(|key| Value::from(key.as_str())).collect())
    }
}

/// Puts the containers that minijinja's filters make into those that change in place; other values stay as they are.
pub fn own(value: Value) -> Value {
    if is_container(&value) || value.is_tuple() {
        return value;
    }
    match value.kind() {
        ValueKind::Seq => match value.try_iter() {
            Ok(items) => List::value(items.collect()),
            Err(_) => value,
        },
        ValueKind::Map => {
            let is_plain = value.downcast_object_ref::<IndexMap<Value, Value>>().is_some();
            match value.as_object().and_then(DynObject::try_iter_pairs) {
                Some(pairs) if is_plain => Dict::value(pairs),
                _ => value,
            }
        }
        _ => value,
    }
}

/// Whether a value is one of the containers that change in place.
fn is_container(value: &Value) -> bool {
    value.downcast_object_ref::<List>().is_some()
        || value.downcast_object_ref::<Dict>().is_some()
        || value.downcast_object_ref::<Set>().is_some()
        || value.downcast_object_ref::<Namespace>().is_some()
}

/// A template's value of a JSON value.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => List::value(items.iter().map(from_json).collect()),
        Json::Object(pairs) => {
            Dict::value(pairs.iter().map(|(key, value)| (Value::from(key.as_str()), from_json(value))))
        }
    }
}

/// The JSON value of a template's value: objects become their text, numbers without an exact JSON form become text.
pub fn to_json(value: &Value) -> Json {
    json_within(value, 0)
}

/// Nesting beyond which values are cut off: deeper ones exist only in templates that went wrong.
const DEEPEST: usize = 100;

fn json_within(value: &Value, depth: usize) -> Json {
    if depth > DEEPEST {
        return Json::Null;
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => {
            if let Some(integer) = value.as_i64() {
                return Json::from(integer);
            }
            if let Ok(integer) = u64::try_from(value.clone()) {
                return Json::from(integer);
            }
            match f64::try_from(value.clone()) {
                Ok(float) => serde_json::Number::from_f64(float).map_or_else(|| Json::Null, Json::Number),
                Err(_) => Json::String(text::display(value)),
            }
        }
        ValueKind::Seq | ValueKind::Iterable => match value.try_iter() {
            Ok(items) => Json::Array(items.map(|item| json_within(&item, depth + 1)).collect()),
            Err(_) => Json::Null,
        },
        ValueKind::Map => match value.as_object().and_then(DynObject::try_iter_pairs) {
            Some(pairs) => {
                Json::Object(pairs.map(|(key, value)| (text::display(&key), json_within(&value, depth + 1))).collect())
            }
            None => Json::Null,
        },
        _ => match value.downcast_object_ref::<decimal::Decimal>() {
            Some(number) => number.to_json(),
            None => Json::String(text::display(value)),
        },
    }
}

/// The items of a value that can be iterated, as Python does it: a dict gives its keys, a text its characters.
pub fn items_of(value: &Value) -> Option<Vec<Value>> {
    if value.is_undefined() {
        return Some(Vec::new());
    }
    if let Some(text) = value.as_str() {
        return Some(text.chars().map(|character| Value::from(character.to_string())).collect());
    }
    value.as_object()?;
    Some(value.try_iter().ok()?.collect())
}

/// A tuple.
pub fn tuple(items: Vec<Value>) -> Value {
    Value::from(Tuple::new(items))
}

/// The name of a value's type, as Python spells it.
pub fn type_name(value: &Value) -> &'static str {
    if value.is_tuple() {
        return "tuple";
    }
    if value.downcast_object_ref::<Set>().is_some() {
        return "set";
    }
    match value.kind() {
        ValueKind::Undefined => "undefined",
        ValueKind::None => "None",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Map => "dict",
        _ => "object",
    }
}

/// The name of a value's type with its article.
pub fn a_type(value: &Value) -> String {
    match type_name(value) {
        "undefined" => "an undefined value".to_owned(),
        "None" => "None".to_owned(),
        name if name.starts_with(['i', 'o']) => format!("an {name}"),
        name => format!("a {name}"),
    }
}

/// Finds out whether a container is (part of) another value: a container must not hold itself.
pub fn holds(value: &Value, container: &Value) -> bool {
    let Some(target) = address(container) else { return false };
    let mut seen: HashSet<usize> = HashSet::new();
    let mut pending = vec![value.clone()];
    while let Some(value) = pending.pop() {
        let Some(address) = address(&value) else { continue };
        if address == target {
            return true;
        }
        if seen.insert(address) {
            if let Some(list) = value.downcast_object_ref::<List>() {
                pending.extend(list.items());
            } else if let Some(dict) = value.downcast_object_ref::<Dict>() {
                pending.extend(dict.pairs().into_iter().map(|(_, value)| value));
            }
        }
    }
    false
}

fn address(value: &Value) -> Option<usize> {
    if let Some(list) = value.downcast_object_ref::<List>() {
        return Some(std::ptr::from_ref(list).addr());
    }
    value.downcast_object_ref::<Dict>().map(|dict| std::ptr::from_ref(dict).addr())
}
