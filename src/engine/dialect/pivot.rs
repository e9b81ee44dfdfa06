//! `pivot` and `unpivot` of a relation whose columns are known: rows that become columns, and columns that become rows.
//!
//! `pivot` is one aggregate with a `filter` for each value, by all columns that it does not name; `unpivot` is one list of
//! names and one of values for each row, which are unnested (DuckDB, Snowflake, `BigQuery`, Databricks).

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, ExprWithAlias, GroupByExpr, Ident, NullInclusion, PivotValueSource, Query, Select,
    SelectItem, SetExpr, TableAlias, TableFactor, Value, visit_expressions,
};

use super::build::{self, binary, call};

/// Whether the columns of the result are known when a query is planned.
pub(super) fn is_supported(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Pivot { aggregate_functions, value_column, value_source, .. } => {
            let is_call = |aggregate: &ExprWithAlias| matches!(aggregate.expr, Expr::Function(_));
            matches!(value_source, PivotValueSource::List(values) if !values.is_empty())
                && value_column.len() == 1
                && aggregate_functions.iter().all(is_call)
        }
        TableFactor::Unpivot { value: Expr::Identifier(_), columns, .. } => {
            columns.iter().all(|column| name_of(&column.expr).is_some())
        }
        _ => false,
    }
}

/// The relation that such a factor reads.
pub(super) fn source(factor: &TableFactor) -> Option<&TableFactor> {
    match factor {
        TableFactor::Pivot { table, .. } | TableFactor::Unpivot { table, .. } => Some(table),
        _ => None,
    }
}

/// The factor written out over the columns of what it reads; `None` if it is neither.
pub(super) fn written(factor: &TableFactor, columns: &[String]) -> Option<TableFactor> {
    let (select, alias) = match factor {
        TableFactor::Pivot { table, aggregate_functions, value_column, value_source, default_on_null, alias } => {
            let ([column], PivotValueSource::List(values)) = (value_column.as_slice(), value_source) else {
                return None;
            };
            let select = pivot(table, columns, aggregate_functions, column, values, default_on_null.as_ref())?;
            (select, alias)
        }
        TableFactor::Unpivot {
            table,
            value: Expr::Identifier(value),
            name,
            columns: wanted,
            null_inclusion,
            alias,
        } => {
            let keeps_nulls = matches!(null_inclusion, Some(NullInclusion::IncludeNulls));
            (unpivot(table, columns, value, name, wanted, keeps_nulls)?, alias)
        }
        _ => return None,
    };
    Some(derived(build::query(None, SetExpr::Select(Box::new(select))), alias.clone()))
}

/// All of the relation, so that the planner says what is wrong with it.
pub(super) fn only_source(factor: &TableFactor) -> Option<TableFactor> {
    let select = build::all_of(source(factor)?.clone());
    Some(derived(build::query(None, SetExpr::Select(Box::new(select))), None))
}

fn derived(subquery: Query, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery: Box::new(subquery), alias, sample: None }
}

fn pivot(
    table: &TableFactor,
    columns: &[String],
    aggregates: &[ExprWithAlias],
    column: &Expr,
    values: &[ExprWithAlias],
    default: Option<&Expr>,
) -> Option<Select> {
    let mut used = names_in(column);
    for aggregate in aggregates {
        used.extend(names_in(&aggregate.expr));
    }
    let groups: Vec<Ident> = columns
        .iter()
        .filter(|name| !used.contains(&name.to_lowercase()))
        .map(|name| Ident::with_quote('"', name))
        .collect();
    let mut projection: Vec<SelectItem> =
        groups.iter().map(|name| SelectItem::UnnamedExpr(Expr::Identifier(name.clone()))).collect();
    for value in values {
        let title = match &value.alias {
            Some(alias) => alias.value.clone(),
            None => written_value(&value.expr),
        };
        for aggregate in aggregates {
            let Expr::Function(function) = &aggregate.expr else { return None };
            let mut function = function.clone();
            let is_value = match &value.expr {
                Expr::Value(found) if found.value == Value::Null => Expr::IsNull(Box::new(column.clone())),
                other => binary(column.clone(), BinaryOperator::Eq, other.clone()),
            };
            function.filter = Some(Box::new(match function.filter.take() {
                Some(filter) => binary(Expr::Nested(filter), BinaryOperator::And, is_value),
                None => is_value,
            }));
            let name = match &aggregate.alias {
                Some(alias) => format!("{title}_{}", alias.value),
                None if aggregates.len() > 1 => format!("{title}_{}", aggregate.expr),
                None => title.clone(),
            };
            let expr = match default {
                Some(default) => call("coalesce", vec![Expr::Function(function), default.clone()]),
                None => Expr::Function(function),
            };
            projection.push(SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) });
        }
    }
    let mut select = build::all_of(table.clone());
    select.projection = projection;
    select.group_by = GroupByExpr::Expressions(groups.into_iter().map(Expr::Identifier).collect(), Vec::new());
    Some(select)
}

fn unpivot(
    table: &TableFactor,
    columns: &[String],
    value: &Ident,
    name: &Ident,
    wanted: &[ExprWithAlias],
    keeps_nulls: bool,
) -> Option<Select> {
    let mut used = BTreeSet::new();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in wanted {
        let found = name_of(&column.expr)?;
        used.insert(found.value.to_lowercase());
        let title = column.alias.as_ref().unwrap_or(&found);
        names.push(build::text(&title.value));
        values.push(column.expr.clone());
    }
    let rest = columns.iter().filter(|column| !used.contains(&column.to_lowercase()));
    let unnested = |list: Vec<Expr>, alias: &Ident| SelectItem::ExprWithAlias {
        expr: call("unnest", vec![call("make_array", list)]),
        alias: alias.clone(),
    };
    // Both lists have one item for each column, so that they stay side by side.
    let mut items = build::all_of(table.clone());
    items.projection =
        rest.map(|name| SelectItem::UnnamedExpr(Expr::Identifier(Ident::with_quote('"', name)))).collect();
    items.projection.extend([unnested(names, name), unnested(values, value)]);
    let items = derived(build::query(None, SetExpr::Select(Box::new(items))), None);
    let mut select = build::all_of(items);
    select.selection = (!keeps_nulls).then(|| Expr::IsNotNull(Box::new(Expr::Identifier(value.clone()))));
    Some(select)
}

/// The name of a column.
fn name_of(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(name) => Some(name.clone()),
        Expr::CompoundIdentifier(path) => path.last().cloned(),
        _ => None,
    }
}

/// The names, in small letters, of the columns in an expression.
fn names_in(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _: ControlFlow<()> = visit_expressions(expr, |expr| {
        names.extend(name_of(expr).map(|name| name.value.to_lowercase()));
        ControlFlow::Continue(())
    });
    names
}

/// A value as the name of a column.
fn written_value(expr: &Expr) -> String {
    match build::literal(expr) {
        Some(text) => text.to_owned(),
        None => expr.to_string(),
    }
}
