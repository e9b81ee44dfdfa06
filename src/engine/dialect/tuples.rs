//! `(a, b) in (select x, y from u)`: rows that are compared with those of a subquery.
//!
//! The engine compares one value. The rows are looked for with `exists`; where the answer may be unknown because of
//! nulls, it is (SQL:2016, 8.4).

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Ident, Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor,
    Value,
};

use super::build::{self, binary};

/// The name of the subquery among the relations; no relation has it.
const ROWS: &str = "__karat_rows";

/// Writes such conditions of a filter, of which it does not matter whether they are false or unknown, as `exists`.
pub(super) fn conditions(filter: &mut Expr) {
    match filter {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conditions(left);
            conditions(right);
        }
        Expr::Nested(inner) => conditions(inner),
        Expr::InSubquery { expr: value, subquery, negated } => {
            if let Expr::Tuple(values) = value.as_ref() {
                *filter = if *negated {
                    build::not(exists(subquery, &names(values), all(values, may_be_equal)))
                } else {
                    exists(subquery, &names(values), all(values, equal))
                };
            }
        }
        _ => {}
    }
}

/// What `(a, b) in (select …)` means.
pub(super) fn in_subquery(values: &[Expr], subquery: &Query, negated: bool) -> Expr {
    let is_there = exists(subquery, &names(values), all(values, equal));
    let may_be_there = exists(subquery, &names(values), all(values, may_be_equal));
    let found = |value: bool| Expr::Value(Value::Boolean(value).into());
    let cases = vec![
        CaseWhen { condition: is_there, result: found(!negated) },
        CaseWhen { condition: may_be_there, result: build::null() },
    ];
    build::case(cases, found(negated))
}

/// The columns of the subquery.
fn names(values: &[Expr]) -> Vec<Ident> {
    (0..values.len()).map(|at| Ident::with_quote('"', format!("__karat_{at}"))).collect()
}

/// One condition for each value, which all hold.
fn all(values: &[Expr], condition: fn(Expr, Expr) -> Expr) -> Expr {
    let column = |name: Ident| Expr::CompoundIdentifier(vec![Ident::with_quote('"', ROWS), name]);
    let conditions = values.iter().zip(names(values)).map(|(value, name)| condition(value.clone(), column(name)));
    conditions.reduce(|left, right| binary(left, BinaryOperator::And, right)).unwrap_or_else(build::null)
}

fn equal(value: Expr, found: Expr) -> Expr {
    binary(Expr::Nested(Box::new(value)), BinaryOperator::Eq, found)
}

/// A row that no column tells apart may be the same, as far as is known.
fn may_be_equal(value: Expr, found: Expr) -> Expr {
    Expr::IsNotFalse(Box::new(Expr::Nested(Box::new(equal(value, found)))))
}

fn exists(subquery: &Query, columns: &[Ident], condition: Expr) -> Expr {
    let columns = columns.iter().map(|name| TableAliasColumnDef { name: name.clone(), data_type: None }).collect();
    let relation = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(subquery.clone()),
        alias: Some(TableAlias { explicit: true, name: Ident::with_quote('"', ROWS), columns, at: None }),
        sample: None,
    };
    let mut select = build::all_of(relation);
    select.projection = vec![SelectItem::UnnamedExpr(build::number("1"))];
    select.selection = Some(condition);
    let query = build::query(None, SetExpr::Select(Box::new(select)));
    Expr::Exists { subquery: Box::new(query), negated: false }
}
