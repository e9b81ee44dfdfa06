//! `json->>'key' = 'x'`: the arrows into JSON bind closer than comparisons, as in Postgres and DuckDB.
//!
//! The parser gives them less weight than `=`, `in`, `like`, `is` and `||`, so that it takes `'key' = 'x'` for the key.
//! Brackets are kept in what it has parsed: without them the operand next to an arrow is the one that it belongs to.

use std::mem;

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Value};

use crate::engine::dialect::build;

/// Lets the arrows of an expression take the operands next to them.
pub(super) fn bind(expr: &mut Expr) {
    for operand in operands(expr) {
        bind(operand);
    }
    if !is_arrow(expr) {
        return;
    }
    // What stands before the arrow: `x = json->'key'`.
    if let Expr::BinaryOp { left, right, op } = expr
        && is_open(left)
    {
        let mut whole = mem::replace(left.as_mut(), nothing());
        let Some(json) = last(&mut whole) else {
            **left = whole;
            return;
        };
        let taken = mem::replace(json, nothing());
        let right = mem::replace(right.as_mut(), nothing());
        *json = Expr::BinaryOp { left: Box::new(taken), op: op.clone(), right: Box::new(right) };
        bind(json);
        *expr = whole;
        return;
    }
    // What stands behind it: `json->'key' = x`.
    if let Expr::BinaryOp { left, right, op } = expr
        && is_open(right)
        && matches!(first(right), Expr::Value(_))
    {
        let mut whole = mem::replace(right.as_mut(), nothing());
        let (op, left) = (op.clone(), mem::replace(left.as_mut(), nothing()));
        let key = first(&mut whole);
        let taken = mem::replace(key, nothing());
        *key = Expr::BinaryOp { left: Box::new(left), op, right: Box::new(taken) };
        *expr = whole;
    }
}

/// The function that gives the JSON text at keys, which `->` is: what it gives can be compared, stored and read again.
const JSON: &str = "json_get_json";
/// The function that gives the text at keys, which `->>` is.
const TEXT: &str = "json_as_text";

/// `json->>'$.a.b'` as the function that reads paths; without `$` it is a key.
pub(super) fn path(expr: &mut Expr) {
    let Expr::BinaryOp { left, op, right } = expr else { return };
    let function = match op {
        BinaryOperator::Arrow => "json_extract",
        BinaryOperator::LongArrow => "json_extract_string",
        _ => return,
    };
    let (json, key) = (mem::replace(left.as_mut(), nothing()), mem::replace(right.as_mut(), nothing()));
    if build::literal(&key).is_some_and(|path| path == "$" || path.starts_with("$.") || path.starts_with("$[")) {
        *expr = build::call(function, vec![json, key]);
        return;
    }
    let function = if function == "json_extract" { JSON } else { TEXT };
    let mut args = keys(&json, JSON).unwrap_or_else(|| vec![json]);
    args.push(key);
    *expr = build::call(function, args);
}

/// A cast of `json->'a'` to anything but text is one of the value, not of its JSON: `"2024-01-01"` is a date.
pub(super) fn cast_value(inner: &mut Expr, data_type: &DataType) {
    let is_text = matches!(
        data_type,
        DataType::Varchar(_) | DataType::Text | DataType::String(_) | DataType::JSON | DataType::JSONB
    );
    if !is_text && let Some(args) = keys(inner, JSON) {
        *inner = build::call(TEXT, args);
    }
}

/// The arguments of a call of a function, which may stand in brackets.
fn keys(expr: &Expr, function: &str) -> Option<Vec<Expr>> {
    match expr {
        Expr::Nested(inner) => keys(inner, function),
        Expr::Function(call) if call.name.to_string() == function => super::calls::arguments(call),
        _ => None,
    }
}

fn is_arrow(expr: &Expr) -> bool {
    use BinaryOperator::{Arrow, HashArrow, HashLongArrow, LongArrow};
    matches!(expr, Expr::BinaryOp { op: Arrow | LongArrow | HashArrow | HashLongArrow, .. })
}

/// Whether an expression has an operand at one of its ends that an arrow could take.
fn is_open(expr: &Expr) -> bool {
    !is_arrow(expr)
        && matches!(
            expr,
            Expr::BinaryOp { .. }
                | Expr::InList { .. }
                | Expr::InSubquery { .. }
                | Expr::Like { .. }
                | Expr::ILike { .. }
                | Expr::Between { .. }
                | Expr::IsNull(_)
                | Expr::IsNotNull(_)
                | Expr::IsTrue(_)
                | Expr::IsNotTrue(_)
                | Expr::IsFalse(_)
                | Expr::IsNotFalse(_)
                | Expr::IsDistinctFrom(..)
                | Expr::IsNotDistinctFrom(..)
        )
}

/// The first operand.
fn first(expr: &mut Expr) -> &mut Expr {
    match expr {
        Expr::BinaryOp { left: inner, .. }
        | Expr::InList { expr: inner, .. }
        | Expr::InSubquery { expr: inner, .. }
        | Expr::Like { expr: inner, .. }
        | Expr::ILike { expr: inner, .. }
        | Expr::Between { expr: inner, .. }
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsDistinctFrom(inner, _)
        | Expr::IsNotDistinctFrom(inner, _) => first(inner),
        other => other,
    }
}

/// The last operand, if the expression ends with one.
fn last(expr: &mut Expr) -> Option<&mut Expr> {
    match expr {
        Expr::BinaryOp { right: inner, .. }
        | Expr::IsDistinctFrom(_, inner)
        | Expr::IsNotDistinctFrom(_, inner)
        | Expr::Between { high: inner, .. }
        | Expr::Like { pattern: inner, .. }
        | Expr::ILike { pattern: inner, .. } => last(inner),
        Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_) => None,
        other => Some(other),
    }
}

/// The operands of an expression without brackets.
fn operands(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::BinaryOp { left, right, .. }
        | Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right) => {
            vec![left, right]
        }
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => vec![expr, pattern],
        Expr::Between { expr, low, high, .. } => vec![expr, low, high],
        Expr::UnaryOp { expr: inner, .. }
        | Expr::InList { expr: inner, .. }
        | Expr::InSubquery { expr: inner, .. }
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotFalse(inner) => vec![inner],
        _ => Vec::new(),
    }
}

fn nothing() -> Expr {
    Expr::Value(Value::Null.into())
}
