//! Columns and expressions that would have the name of another.
//!
//! A later column without a name of its own is numbered, as in DuckDB: `select a, a` has `a` and `a_1`. And the planner
//! tells aggregates, keys of groups and windows from each other by names in which no casts stand, so it takes
//! `sum(x::int)` and `sum(x::double)` for the same. It is asked first; a query that it refuses for this is planned
//! once more with casts that show.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, VisitMut as _, VisitorMut,
};

use crate::engine::dialect::build;
use crate::engine::functions::CAST_THAT_SHOWS;

/// Numbers the columns of a select list that have no name of their own and would have that of an earlier one.
pub(super) fn number(select: &mut Select) {
    if select.projection.len() < 2 {
        return;
    }
    let mut names: BTreeSet<String> = select.projection.iter().filter_map(given).collect();
    let mut seen = BTreeSet::new();
    for item in &mut select.projection {
        let Some(name) = called(item) else { continue };
        if seen.insert(name.value.to_lowercase()) {
            continue;
        }
        if let SelectItem::UnnamedExpr(expr) = item {
            let alias = numbered(&name, &mut names);
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// The first of `a_1`, `a_2`, … that no column is called.
fn numbered(name: &Ident, names: &mut BTreeSet<String>) -> Ident {
    let mut number = 1_usize;
    loop {
        let value = format!("{}_{number}", name.value);
        if names.insert(value.to_lowercase()) {
            let quote_style = name.quote_style.or((!is_plain(&value)).then_some('"'));
            return Ident { value, quote_style, span: name.span };
        }
        number += 1;
    }
}

fn is_plain(name: &str) -> bool {
    name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_')
}

/// The name of a column in small letters, if its item says it.
fn given(item: &SelectItem) -> Option<String> {
    called(item).map(|name| name.value.to_lowercase())
}

/// What a column will be called: what stands for it where it has no name.
fn called(item: &SelectItem) -> Option<Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        SelectItem::UnnamedExpr(expr) => Some(build::column_name(expr).unwrap_or_else(|| Ident::new(expr.to_string()))),
        _ => None,
    }
}

/// Aggregates in which `order by` may name a column that the select list hides.
const AGGREGATES: [&str; 12] =
    ["any_value", "avg", "count", "count_if", "first", "last", "max", "mean", "median", "min", "stddev", "sum"];

/// Lets `order by max(b)` read the column `b` where the select list has another `b`: the engine takes a name within an
/// aggregate for that of the list. Where more than one relation is read, it is not known whose column that is.
pub(super) fn order_by_columns(query: &mut Query) {
    let (SetExpr::Select(select), Some(order)) = (query.body.as_ref(), &mut query.order_by) else { return };
    let OrderByKind::Expressions(order) = &mut order.kind else { return };
    let [tables] = select.from.as_slice() else { return };
    let relation = match &tables.relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => &alias.name,
        TableFactor::Table { name, alias: None, args: None, .. } => {
            let Some(name) = name.0.last().and_then(|part| part.as_ident()) else { return };
            name
        }
        _ => return,
    };
    if !tables.joins.is_empty() {
        return;
    }
    let hidden = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { expr, alias } if !matches!(expr, Expr::Identifier(name) if name == alias) => {
            Some(alias.value.to_lowercase())
        }
        _ => None,
    };
    let hidden: BTreeSet<String> = select.projection.iter().filter_map(hidden).collect();
    if hidden.is_empty() {
        return;
    }
    for ordered in order {
        let _ = ordered.expr.visit(&mut Qualify { relation, hidden: &hidden, within: 0 });
    }
}

struct Qualify<'a> {
    relation: &'a Ident,
    hidden: &'a BTreeSet<String>,
    /// How many aggregates are around an expression.
    within: usize,
}

fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if function.over.is_none()
        && AGGREGATES.contains(&function.name.to_string().to_ascii_lowercase().as_str()))
}

impl VisitorMut for Qualify<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        // Names of a subquery are its own.
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.within += usize::from(is_aggregate(expr));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if is_aggregate(expr) {
            self.within = self.within.saturating_sub(1);
        } else if let Expr::Identifier(name) = expr
            && self.within > 0
            && self.hidden.contains(&name.value.to_lowercase())
        {
            *expr = Expr::CompoundIdentifier(vec![self.relation.clone(), name.clone()]);
        }
        ControlFlow::Continue(())
    }
}

/// Lets casts show in the names of what is computed, if the planner refused a query because two of them are the same.
pub(crate) fn tell_apart(statement: &mut Statement, error: &DataFusionError) -> bool {
    let name = match error.find_root() {
        DataFusionError::SchemaError(problem, _) => match problem.as_ref() {
            SchemaError::DuplicateUnqualifiedField { .. } | SchemaError::DuplicateQualifiedField { .. } => None,
            _ => return false,
        },
        DataFusionError::Plan(text) if text.contains("require unique expression names") => twice_named(text),
        _ => return false,
    };
    let mut shown = Shown { name, any: false };
    let _ = statement.visit(&mut shown);
    shown.any
}

/// The column that a star and an item behind it both have.
fn twice_named(text: &str) -> Option<String> {
    let name = text.split('"').nth(1)?;
    Some(name.rsplit('.').next().unwrap_or(name).to_lowercase())
}

struct Shown {
    name: Option<String>,
    any: bool,
}

impl VisitorMut for Shown {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let is_star = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _));
        let Some(star) = select.projection.iter().position(is_star) else { return ControlFlow::Continue(()) };
        let mut names: BTreeSet<String> = select.projection.iter().filter_map(given).collect();
        for item in select.projection.iter_mut().skip(star + 1) {
            if let SelectItem::UnnamedExpr(expr) = item
                && let Some(name) = build::column_name(expr)
                && self.name.as_ref().is_some_and(|twice| *twice == name.value.to_lowercase())
            {
                let alias = numbered(&name, &mut names);
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                self.any = true;
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        // The planner looks at literals itself.
        if let Expr::Cast { expr: inner, .. } = expr
            && !matches!(inner.as_ref(), Expr::Value(_))
        {
            *expr = build::call(CAST_THAT_SHOWS, vec![expr.clone()]);
            self.any = true;
        }
        ControlFlow::Continue(())
    }
}
