//! `a is distinct from b and c`: the comparison binds closer than `and`, `or` and `not`.
//!
//! The parser takes all that follows for the right side. Brackets are kept in what it has parsed, so the words of an
//! expression are still known in their order, and are put together again by SQL's precedence.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// A word of an expression, or a part of it that is closed in itself.
enum Piece {
    Operand(Box<Expr>),
    Not,
    And,
    Or,
    /// `is distinct from`; whether it is the form with `not`.
    Distinct(bool),
}

/// Puts an expression together anew in which a comparison has taken too much.
pub(super) fn regroup(expr: &mut Expr) {
    if !has_taken_too_much(expr) {
        return;
    }
    let whole = std::mem::replace(expr, Expr::Value(Value::Null.into()));
    let mut pieces = Vec::new();
    flatten(whole, &mut pieces);
    let mut pieces = pieces.into_iter().peekable();
    if let Some(regrouped) = alternatives(&mut pieces) {
        *expr = regrouped;
    }
}

/// Whether the right side of a comparison, in this expression or at the end of its parts, is more than one operand.
fn has_taken_too_much(expr: &Expr) -> bool {
    match expr {
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
            is_logical(right) || has_taken_too_much(left) || has_taken_too_much(right)
        }
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            has_taken_too_much(left) || has_taken_too_much(right)
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => has_taken_too_much(expr),
        _ => false,
    }
}

fn is_logical(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
}

fn flatten(expr: Expr, pieces: &mut Vec<Piece>) {
    match expr {
        Expr::IsDistinctFrom(left, right) => between(*left, Piece::Distinct(false), *right, pieces),
        Expr::IsNotDistinctFrom(left, right) => between(*left, Piece::Distinct(true), *right, pieces),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => between(*left, Piece::And, *right, pieces),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => between(*left, Piece::Or, *right, pieces),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            pieces.push(Piece::Not);
            flatten(*expr, pieces);
        }
        operand => pieces.push(Piece::Operand(Box::new(operand))),
    }
}

fn between(left: Expr, word: Piece, right: Expr, pieces: &mut Vec<Piece>) {
    flatten(left, pieces);
    pieces.push(word);
    flatten(right, pieces);
}

type Pieces = std::iter::Peekable<std::vec::IntoIter<Piece>>;

fn alternatives(pieces: &mut Pieces) -> Option<Expr> {
    let mut left = conditions(pieces)?;
    while pieces.next_if(|piece| matches!(piece, Piece::Or)).is_some() {
        left = both(left, BinaryOperator::Or, conditions(pieces)?);
    }
    Some(left)
}

fn conditions(pieces: &mut Pieces) -> Option<Expr> {
    let mut left = condition(pieces)?;
    while pieces.next_if(|piece| matches!(piece, Piece::And)).is_some() {
        left = both(left, BinaryOperator::And, condition(pieces)?);
    }
    Some(left)
}

fn condition(pieces: &mut Pieces) -> Option<Expr> {
    if pieces.next_if(|piece| matches!(piece, Piece::Not)).is_some() {
        return Some(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(condition(pieces)?) });
    }
    let mut left = operand(pieces)?;
    while let Some(Piece::Distinct(is_negated)) = pieces.next_if(|piece| matches!(piece, Piece::Distinct(_))) {
        let right = Box::new(operand(pieces)?);
        left = if is_negated {
            Expr::IsNotDistinctFrom(Box::new(left), right)
        } else {
            Expr::IsDistinctFrom(Box::new(left), right)
        };
    }
    Some(left)
}

fn operand(pieces: &mut Pieces) -> Option<Expr> {
    match pieces.next()? {
        Piece::Operand(expr) => Some(*expr),
        // `is distinct from not a`: what follows `not` is one operand.
        Piece::Not => Some(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(operand(pieces)?) }),
        Piece::And | Piece::Or | Piece::Distinct(_) => None,
    }
}

fn both(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}
