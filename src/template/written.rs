//! What a template says as written: the values of its `config()` before anything is evaluated, and the macros that a
//! macro calls, whatever branches are taken. Both are what dbt compares to tell whether a node was modified.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use minijinja::value::ValueKind;

use crate::template::library::Library;
use crate::template::syntax::calls::calls;
use crate::template::syntax::{Argument, Comparison, Expression, ExpressionKind, Operator, Statement};
use crate::template::values::text;

/// The keyword arguments of the first call of `config` as written; `None` if there is no such call. A text is itself,
/// any other expression is spelled as dbt spells it (`unrendered_config` of its manifest).
pub fn config_call(text: &str, body: &[Statement]) -> Option<IndexMap<String, String>> {
    if !text.contains("config(") {
        return None;
    }
    let calls = calls(body);
    let (_, arguments) =
        calls.iter().find(|(callee, _)| matches!(&callee.kind, ExpressionKind::Name(name) if **name == *"config"))?;
    let written = arguments.iter().filter_map(|argument| match argument {
        Argument::Keyword(name, value) => Some((name.to_string(), value_text(text, value))),
        _ => None,
    });
    Some(written.collect())
}

fn value_text(text: &str, value: &Expression) -> String {
    match &value.kind {
        ExpressionKind::Constant(constant) if constant.kind() == ValueKind::String => {
            constant.as_str().unwrap_or_default().to_owned()
        }
        _ => spelled(text, value),
    }
}

/// An expression in dbt's spelling; what dbt has none for is the text as written.
fn spelled(text: &str, expression: &Expression) -> String {
    let inner = |inner: &Expression| spelled(text, inner);
    let list = |items: &[Expression]| items.iter().map(inner).collect::<Vec<_>>().join(", ");
    match &expression.kind {
        ExpressionKind::Name(name) => name.to_string(),
        ExpressionKind::Constant(value) => text::repr(value),
        ExpressionKind::List(items) => format!("[{}]", list(items)),
        ExpressionKind::Tuple(items) if items.len() == 1 => format!("({},)", list(items)),
        ExpressionKind::Tuple(items) => format!("({})", list(items)),
        ExpressionKind::Dict(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{}: {}", inner(key), inner(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        ExpressionKind::Not(value) => format!("not {}", inner(value)),
        ExpressionKind::Negate(value) => format!("-{}", inner(value)),
        ExpressionKind::And(left, right) => format!("{} and {}", inner(left), inner(right)),
        ExpressionKind::Or(left, right) => format!("{} or {}", inner(left), inner(right)),
        ExpressionKind::Binary(Operator::Concatenate, left, right) => format!("{} ~ {}", inner(left), inner(right)),
        ExpressionKind::Compare(first, rest) => {
            let rest: Vec<String> =
                rest.iter().map(|(sign, value)| format!("{} {}", comparison(*sign), inner(value))).collect();
            format!("{} {}", inner(first), rest.join(" "))
        }
        ExpressionKind::Attribute(value, name) => format!("{}.{name}", inner(value)),
        ExpressionKind::Item(value, key) => format!("{}[{}]", inner(value), inner(key)),
        ExpressionKind::Call(callee, arguments) => {
            let arguments: Vec<String> = arguments
                .iter()
                .map(|argument| match argument {
                    Argument::Positional(value) => inner(value),
                    Argument::Keyword(name, value) => format!("{name}={}", inner(value)),
                    Argument::Splat(value) => format!("*{}", inner(value)),
                    Argument::KeywordSplat(value) => format!("**{}", inner(value)),
                })
                .collect();
            format!("{}({})", inner(callee), arguments.join(", "))
        }
        _ => text.get(expression.span.start..expression.span.end).unwrap_or_default().to_owned(),
    }
}

fn comparison(sign: Comparison) -> &'static str {
    match sign {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::In => "in",
        Comparison::NotIn => "not in",
    }
}

/// The ids of the macros that a macro's text calls, those that it dispatches to included.
pub fn called_macros(library: &Library, package: &str, body: &[Statement]) -> Vec<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for (callee, arguments) in calls(body) {
        match &callee.kind {
            ExpressionKind::Name(name) => {
                found.extend(library.resolve(package, name).map(|entry| entry.id.to_string()));
            }
            ExpressionKind::Attribute(owner, name) => {
                let ExpressionKind::Name(owner) = &owner.kind else { continue };
                if **owner == *"adapter" && **name == *"dispatch" {
                    found.extend(dispatched(library, package, arguments));
                } else {
                    found.extend(library.find(owner, name).map(|entry| entry.id.to_string()));
                }
            }
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// The macros that a dispatch can find, in whatever package.
fn dispatched(library: &Library, package: &str, arguments: &[Argument]) -> Vec<String> {
    let constant = |wanted: &str, place: usize| {
        let positional = arguments.iter().filter_map(|argument| match argument {
            Argument::Positional(value) => Some(value),
            _ => None,
        });
        let named = arguments.iter().find_map(|argument| match argument {
            Argument::Keyword(name, value) if **name == *wanted => Some(value),
            _ => None,
        });
        match &named.or(positional.clone().nth(place))?.kind {
            ExpressionKind::Constant(value) => value.as_str().map(str::to_owned),
            _ => None,
        }
    };
    let Some(name) = constant("macro_name", 0) else { return Vec::new() };
    let candidates = [format!("karat__{name}"), format!("default__{name}")];
    match constant("macro_namespace", 1) {
        None => candidates
            .iter()
            .filter_map(|candidate| library.resolve(package, candidate))
            .map(|entry| entry.id.to_string())
            .collect(),
        Some(namespace) => library
            .dispatch_order(&namespace)
            .iter()
            .flat_map(|package| candidates.iter().filter_map(|candidate| library.find(package, candidate)))
            .map(|entry| entry.id.to_string())
            .collect(),
    }
}
