//! dbt's `Relation` and `Column` as templates see them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};

use crate::base::ident::quote;
use crate::template::evaluate::arguments::{Arguments, flag};
use crate::template::failure::{Eval, fail};
use crate::template::host::{ColumnValue, RelationKind, RelationValue};
use crate::template::values::{self, Dict, text};

/// A relation with what a template decided about its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationObject {
    /// The names.
    pub relation: RelationValue,
    /// Which of database, schema and identifier are written.
    included: [bool; 3],
    /// Which of them are written in quotes.
    quoted: [bool; 3],
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnObject(pub ColumnValue);

impl RelationObject {
    /// A relation as it is written by default: all names that it has, in quotes.
    pub fn new(relation: RelationValue) -> Self {
        Self { relation, included: [true; 3], quoted: [true; 3] }
    }

    /// As a value of the template.
    pub fn value(relation: RelationValue) -> Value {
        Value::from_object(Self::new(relation))
    }

    /// The relation of an argument.
    pub fn argument(function: &str, name: &str, value: &Value) -> Eval<RelationValue> {
        if let Some(object) = value.downcast_object_ref::<Self>() {
            Ok(object.relation.clone())
        } else {
            let kind = values::a_type(value);
            fail(format!("`{function}` needs a relation, such as `ref(...)`, as its argument `{name}`, not {kind}"))
        }
    }

    fn parts(&self) -> [Option<&String>; 3] {
        let relation = &self.relation;
        [relation.database.as_ref(), relation.schema.as_ref(), relation.identifier.as_ref()]
    }

    /// The names, whatever rows are meant.
    fn names(&self) -> String {
        if let Some(text) = &self.relation.render_as {
            return text.clone();
        }
        let mut names = String::new();
        for ((part, included), quoted) in self.parts().into_iter().zip(self.included).zip(self.quoted) {
            let Some(name) = part.filter(|_| included) else { continue };
            if !names.is_empty() {
                names.push('.');
            }
            names.push_str(&if quoted { quote(name) } else { name.clone() });
        }
        names
    }

    fn is_kind(&self, kind: RelationKind) -> Value {
        Value::from(self.relation.kind == Some(kind))
    }
}

impl fmt::Display for RelationObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.relation.filter {
            Some(filter) => write!(formatter, "(select * from {} where {filter})", self.names()),
            None => formatter.write_str(&self.names()),
        }
    }
}

fn optional(text: Option<&str>) -> Value {
    text.map_or_else(|| Value::from(()), Value::from)
}

impl Object for RelationObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let relation = &self.relation;
        let kind = relation.kind.map(RelationKind::as_str);
        Some(match key.as_str()? {
            "database" => optional(relation.database.as_deref()),
            "schema" => optional(relation.schema.as_deref()),
            "identifier" | "name" | "table" => optional(relation.identifier.as_deref()),
            "type" => optional(kind),
            "is_table" => self.is_kind(RelationKind::Table),
            "is_view" => self.is_kind(RelationKind::View),
            "is_cte" => self.is_kind(RelationKind::Cte),
            "is_external" => self.is_kind(RelationKind::External),
            // Packages tell by this that a value is a relation.
            "metadata" => Dict::of_text([("type", Value::from("KaratRelation"))]),
            "is_materialized_view" | "is_dynamic_table" | "is_pointer" => Value::from(false),
            _ => return None,
        })
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        // Names that differ only in case are one name.
        let key = |object: &Self| object.parts().map(|part| part.map(|name| name.to_ascii_lowercase()));
        let other = other.downcast_ref::<Self>()?;
        Some(key(self).cmp(&key(other)).then_with(|| self.relation.render_as.cmp(&other.relation.render_as)))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Names of the numeric SQL types.
const NUMERIC: [&str; 5] = ["numeric", "decimal", "number", "dec", "hugeint"];
const INTEGERS: [&str; 12] =
    ["tinyint", "smallint", "int", "integer", "bigint", "int1", "int2", "int4", "int8", "int16", "int32", "int64"];
const FLOATS: [&str; 8] = ["float", "double", "real", "float4", "float8", "float32", "float64", "double precision"];
const TEXTS: [&str; 9] =
    ["text", "varchar", "character varying", "character", "char", "string", "utf8", "largeutf8", "utf8view"];

impl ColumnObject {
    /// As a value of the template.
    pub fn value(column: ColumnValue) -> Value {
        Value::from_object(Self(column))
    }

    /// The type's name without its arguments, in lower case.
    fn base_type(&self) -> String {
        let name = self.0.data_type.split('(').next().unwrap_or("").trim().to_ascii_lowercase();
        name.strip_prefix("unsigned ")
            .or_else(|| name.strip_prefix('u').filter(|rest| INTEGERS.contains(rest)))
            .unwrap_or(&name)
            .to_owned()
    }

    fn type_arguments(&self) -> Vec<i64> {
        let inner = self.0.data_type.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
        inner.split(',').filter_map(|part| part.trim().parse().ok()).collect()
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names.contains(&self.base_type().as_str())
    }

    fn call(&self, name: &str) -> Option<Value> {
        let is_float = self.is_one_of(&FLOATS);
        let is_integer = self.is_one_of(&INTEGERS);
        let is_numeric = self.is_one_of(&NUMERIC);
        Some(match name {
            "is_string" => Value::from(self.is_one_of(&TEXTS)),
            "is_number" => Value::from(is_float || is_integer || is_numeric),
            "is_float" => Value::from(is_float),
            "is_integer" => Value::from(is_integer),
            "is_numeric" => Value::from(is_numeric),
            "string_size" => Value::from(self.type_arguments().first().copied().unwrap_or(256)),
            "can_expand_to" => Value::from(false),
            _ => return None,
        })
    }
}

impl Object for ColumnObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let argument = |index: usize| {
            self.type_arguments().get(index).map_or_else(|| Value::from(()), |number| Value::from(*number))
        };
        let is_text = self.is_one_of(&TEXTS);
        Some(match key.as_str()? {
            "name" | "column" => Value::from(self.0.name.as_str()),
            "quoted" => Value::from(quote(&self.0.name)),
            "data_type" => Value::from(self.0.data_type.as_str()),
            "dtype" => Value::from(self.0.data_type.split('(').next().unwrap_or("").trim()),
            "char_size" if is_text => argument(0),
            "numeric_precision" if !is_text => argument(0),
            "numeric_scale" if !is_text => argument(1),
            "char_size" | "numeric_precision" | "numeric_scale" => Value::from(()),
            _ => return None,
        })
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let key = |column: &Self| (column.0.name.clone(), column.0.data_type.clone());
        Some(key(self).cmp(&key(other)))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<Column {} ({})>", self.0.name, self.0.data_type)
    }
}

/// Calls a method of a relation or column; `None` if the value is none or has no such method.
pub fn call_method(value: &Value, name: &str, arguments: &Arguments) -> Eval<Option<Value>> {
    if let Some(column) = value.downcast_object_ref::<ColumnObject>() {
        return Ok(column.call(name));
    }
    let Some(relation) = value.downcast_object_ref::<RelationObject>() else { return Ok(None) };
    let mut changed = relation.clone();
    Ok(Some(match name {
        "include" | "quote" => {
            let names = ["database", "schema", "identifier"];
            let bound = arguments.clone().bind(name, names, 0)?;
            let slots = if name == "include" { &mut changed.included } else { &mut changed.quoted };
            for (slot, value) in slots.iter_mut().zip(bound) {
                *slot = flag(value.as_ref(), *slot);
            }
            Value::from_object(changed)
        }
        "render" => Value::from(relation.names()),
        "without_identifier" => {
            changed.included = [changed.included[0], changed.included[1], false];
            Value::from_object(changed)
        }
        "incorporate" => {
            let [path, kind] = arguments.clone().bind(name, ["path", "type"], 0)?;
            if let Some(path) = path {
                for (key, slot) in [
                    ("database", &mut changed.relation.database),
                    ("schema", &mut changed.relation.schema),
                    ("identifier", &mut changed.relation.identifier),
                ] {
                    let given = path.get_attr(key).unwrap_or(Value::UNDEFINED);
                    if !given.is_undefined() && !given.is_none() {
                        *slot = Some(text::display(&given));
                    }
                }
            }
            if let Some(kind) = kind {
                changed.relation.kind = kind_of(&kind);
            }
            Value::from_object(changed)
        }
        "matches" => {
            let bound = arguments.clone().bind(name, ["database", "schema", "identifier"], 0)?;
            let matches = relation.parts().into_iter().zip(bound).all(|(part, wanted)| match wanted {
                Some(wanted) if !wanted.is_none() => {
                    part.is_some_and(|part| part.eq_ignore_ascii_case(&text::display(&wanted)))
                }
                _ => true,
            });
            Value::from(matches)
        }
        "information_schema" => {
            let view = arguments.positional.first().map(text::display);
            let database = relation.relation.database.clone();
            RelationObject::value(RelationValue {
                database,
                schema: Some("information_schema".to_owned()),
                identifier: view,
                kind: Some(RelationKind::View),
                render_as: None,
                filter: None,
            })
        }
        "get" => {
            let [key, default] = arguments.clone().bind(name, ["key", "default"], 1)?;
            let found = value.get_item(&key.unwrap_or_default()).ok().filter(|found| !found.is_undefined());
            found.or(default).unwrap_or_else(|| Value::from(()))
        }
        "to_dict" => Dict::of_text([
            ("database", optional(relation.relation.database.as_deref())),
            ("schema", optional(relation.relation.schema.as_deref())),
            ("identifier", optional(relation.relation.identifier.as_deref())),
            ("type", optional(relation.relation.kind.map(RelationKind::as_str))),
        ]),
        _ => return Ok(None),
    }))
}

/// The kind that a text names.
pub fn kind_of(value: &Value) -> Option<RelationKind> {
    [RelationKind::Table, RelationKind::View, RelationKind::Cte, RelationKind::External, RelationKind::Function]
        .into_iter()
        .find(|kind| value.as_str() == Some(kind.as_str()))
}
