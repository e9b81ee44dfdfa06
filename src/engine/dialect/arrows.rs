//! `json->>'key' = 'x'`: the arrows into JSON bind closer than comparisons, as in Postgres and DuckDB.
//!
//! The parser gives them less weight than `=`, `in`, `like`, `is` and `||`, so that it takes `'key' = 'x'` for the key.
//! Brackets are kept in what it has parsed: without them the operand next to an arrow is the one that it belongs to.

use std::mem;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

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

/// `json->>'$.a.b'` as the function that reads paths; without `$` it is a key.
pub(super) fn path(expr: &mut Expr) {
    let Expr::BinaryOp { left, op, right } = expr else { return };
    let function = match op {
        BinaryOperator::Arrow => "json_extract",
        BinaryOperator::LongArrow => "json_extract_string",
        _ => return,
    };
    if build::literal(right).is_some_and(|path| path == "$" || path.starts_with("$.") || path.starts_with("$[")) {
        // Of the JSON that another arrow gives the function takes the text.
        if let Expr::BinaryOp { op: op @ BinaryOperator::Arrow, .. } = left.as_mut() {
            *op = BinaryOperator::LongArrow;
        }
        let args = vec![mem::replace(left.as_mut(), nothing()), mem::replace(right.as_mut(), nothing())];
        *expr = build::call(function, args);
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
