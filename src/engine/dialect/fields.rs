//! Fields of structs: their columns are called by the last name, as in DuckDB, Postgres, Snowflake and BigQuery.
//!
//! The engine would call the column of `payload.id` after the whole path, with its relation. Which part of a path is a
//! relation follows from what the query reads.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr, Subscript, TableFactor,
    TableWithJoins,
};

use crate::engine::dialect::build;

/// Names the columns of a select list that are fields. One that would have the name of another keeps its long one.
pub(super) fn name(select: &mut Select) {
    let is_path = |item: &SelectItem| {
        let SelectItem::UnnamedExpr(expr) = item else { return false };
        matches!(expr, Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. })
    };
    if !select.projection.iter().any(is_path) {
        return;
    }
    let mut relations = BTreeSet::new();
    for tables in &select.from {
        names_of(tables, &mut relations);
    }
    let folded = |name: &Ident| if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
    let names: Vec<Option<String>> = select
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            SelectItem::UnnamedExpr(expr) => last(expr).map(|name| folded(&name)),
            _ => None,
        })
        .collect();
    for (place, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let is_field = match expr {
            Expr::CompoundIdentifier(parts) => {
                let of_relation = parts.first().is_some_and(|first| relations.contains(&first.value.to_lowercase()));
                // After a relation there is its column; what comes then is a field.
                parts.len() > if of_relation { 2 } else { 1 }
            }
            Expr::CompoundFieldAccess { .. } => true,
            _ => false,
        };
        let is_only = names[place].is_some() && names.iter().filter(|name| **name == names[place]).count() == 1;
        if let Some(alias) = last(expr).filter(|_| is_field && is_only) {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// The order by an expression that is selected, by the name that it was given. The engine looks for what different rows
/// are ordered by among what is selected, and takes a name within an aggregate for that of the select list
/// (`select sum(b) as b … order by sum(b)`).
pub(super) fn order_by_name(query: &mut Query) {
    let (SetExpr::Select(select), Some(order)) = (query.body.as_ref(), &mut query.order_by) else { return };
    let OrderByKind::Expressions(order) = &mut order.kind else { return };
    let is_name = |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_));
    for ordered in order.iter_mut().filter(|ordered| select.distinct.is_some() || !is_name(&ordered.expr)) {
        let mut named = select.projection.iter().filter_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == ordered.expr => Some(alias),
            _ => None,
        });
        let Some(alias) = named.next().cloned() else { continue };
        let is_called_so = |item: &&SelectItem| match item {
            SelectItem::ExprWithAlias { alias: other, .. } => other.value.eq_ignore_ascii_case(&alias.value),
            SelectItem::UnnamedExpr(expr) => {
                last(expr).is_some_and(|other| other.value.eq_ignore_ascii_case(&alias.value))
            }
            // What a star has is not known here.
            _ => true,
        };
        if select.projection.iter().filter(is_called_so).count() == 1 {
            ordered.expr = Expr::Identifier(alias);
        }
    }
}

/// `(expression).field` as `expression['field']`, which the engine knows for every expression.
pub(super) fn access(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { access_chain, .. } = expr else { return };
    for access in access_chain {
        if let AccessExpr::Dot(Expr::Identifier(name)) = access {
            let name = if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
            *access = AccessExpr::Subscript(Subscript::Index { index: build::text(&name) });
        }
    }
}

/// The last name of a path.
fn last(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(name) => Some(name.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().cloned(),
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(name))) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// What the relations of a `from` are called, in small letters.
fn names_of(tables: &TableWithJoins, names: &mut BTreeSet<String>) {
    for factor in std::iter::once(&tables.relation).chain(tables.joins.iter().map(|join| &join.relation)) {
        let name = match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                names_of(table_with_joins, names);
                continue;
            }
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. } => Some(&alias.name),
            // Without names of columns the alias is that of its only one.
            TableFactor::UNNEST { alias: Some(alias), .. } if !alias.columns.is_empty() => Some(&alias.name),
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => {
                name.0.last().and_then(ObjectNamePart::as_ident)
            }
            _ => None,
        };
        names.extend(name.map(|name| name.value.to_lowercase()));
    }
}
