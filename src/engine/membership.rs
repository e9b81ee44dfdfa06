//! `in (select …)` and `exists (…)` wherever a value may stand, and unknown where SQL says unknown.
//!
//! The engine turns such predicates into joins only in `where` and `having`, and there takes "unknown" for "false"
//! unless the predicate is a condition of its own. [`Memberships`] comes before the engine's rule. It computes the
//! predicates of select lists, aggregates, windows and joins below these, and spells out when `in` is null: if the
//! value is not found, and either the value is null and there is something to compare it with, or a null is among what
//! it is compared with (SQL:2016, 8.4).

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, Result as EngineResult, ScalarValue};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Aggregate, Window};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Case, Expr, ExprSchemable as _, Filter, Join, LogicalPlan, Operator, Projection, Subquery,
    SubqueryAlias, lit,
};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};

/// The name of a subquery that has none.
const ASKED: &str = "__asked";

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The engine's rules, with [`Memberships`] before the one that knows no null.
pub(crate) fn rules() -> Vec<Rule> {
    let mut rules = Optimizer::new().rules;
    let place = rules.iter().position(|rule| rule.name() == DecorrelatePredicateSubquery::new().name()).unwrap_or(0);
    rules.insert(place, Arc::new(Memberships));
    rules
}

/// The rule of this module.
#[derive(Debug)]
struct Memberships;

impl OptimizerRule for Memberships {
    fn name(&self) -> &'static str {
        "memberships"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        // What is within a subquery must be right before the subquery becomes a join.
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> EngineResult<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Filter(filter) => of_filter(filter, config),
            LogicalPlan::Join(join) => of_join(join, config),
            LogicalPlan::Projection(projection) if projection.expr.iter().any(asks) => {
                let names = NamePreserver::new_for_projection();
                let mut input = Arc::unwrap_or_clone(projection.input);
                let mut exprs = Vec::with_capacity(projection.expr.len());
                for expr in projection.expr {
                    exprs.push(computed(expr, &names, &mut input, config)?);
                }
                Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?)))
            }
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().chain(&aggregate.aggr_expr).any(asks) => {
                if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)) && asks(expr)) {
                    return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
                }
                let names = NamePreserver::new_for_projection();
                let mut input = Arc::unwrap_or_clone(aggregate.input);
                let mut computed_all = |exprs: Vec<Expr>| -> EngineResult<Vec<Expr>> {
                    exprs.into_iter().map(|expr| computed(expr, &names, &mut input, config)).collect()
                };
                let groups = computed_all(aggregate.group_expr)?;
                let aggregates = computed_all(aggregate.aggr_expr)?;
                let changed = Aggregate::try_new(Arc::new(input), groups, aggregates)?;
                Ok(Transformed::yes(LogicalPlan::Aggregate(changed)))
            }
            LogicalPlan::Window(window) if window.window_expr.iter().any(asks) => {
                let columns = window.schema.columns();
                let names = NamePreserver::new_for_projection();
                let mut input = Arc::unwrap_or_clone(window.input);
                let mut exprs = Vec::with_capacity(window.window_expr.len());
                for expr in window.window_expr {
                    exprs.push(computed(expr, &names, &mut input, config)?);
                }
                let changed = LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?);
                Ok(Transformed::yes(only(columns, changed)?))
            }
            plan => Ok(Transformed::no(plan)),
        }
    }
}

/// Conditions that the engine's rule gets right are left to it: its joins are the cheapest.
fn of_filter(filter: Filter, config: &dyn OptimizerConfig) -> EngineResult<Transformed<LogicalPlan>> {
    if !asks(&filter.predicate) {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let schema = Arc::clone(filter.input.schema());
    let names = NamePreserver::new(&LogicalPlan::Filter(filter.clone()));
    let mut input = Arc::unwrap_or_clone(filter.input);
    let mut conditions = Vec::new();
    let mut is_changed = false;
    for condition in split_conjunction_owned(filter.predicate) {
        if !asks(&condition) || is_answered_by_anti_join(&condition) {
            conditions.push(condition);
            continue;
        }
        let exact = exact(condition, &schema, true)?;
        if exact.transformed {
            is_changed = true;
            conditions.push(computed(exact.data, &names, &mut input, config)?);
        } else {
            conditions.push(exact.data);
        }
    }
    let predicate = conjunction(conditions).unwrap_or_else(|| lit(true));
    let plan = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?);
    if !is_changed {
        return Ok(Transformed::no(plan));
    }
    Ok(Transformed::yes(only(schema.columns(), plan)?))
}

/// What a condition of a join asks of one side only is computed in that side.
fn of_join(join: Join, config: &dyn OptimizerConfig) -> EngineResult<Transformed<LogicalPlan>> {
    let Some(filter) = join.filter.clone().filter(asks) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let schema = Arc::clone(&join.schema);
    let names = NamePreserver::new(&LogicalPlan::Join(join.clone()));
    let (mut left, mut right) = (join.left.as_ref().clone(), join.right.as_ref().clone());
    let mut conditions = Vec::new();
    let mut is_changed = false;
    for condition in split_conjunction_owned(filter) {
        let side = match (asks(&condition), asked_columns(&condition)?) {
            (true, columns) if columns.iter().all(|column| left.schema().has_column(column)) => &mut left,
            (true, columns) if columns.iter().all(|column| right.schema().has_column(column)) => &mut right,
            _ => {
                conditions.push(condition);
                continue;
            }
        };
        is_changed = true;
        conditions.push(computed(condition, &names, side, config)?);
    }
    if !is_changed {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let changed = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        join.on,
        conjunction(conditions),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    Ok(Transformed::yes(only(schema.columns(), LogicalPlan::Join(changed))?))
}

pub(super) fn only(columns: impl IntoIterator<Item = Column>, plan: LogicalPlan) -> EngineResult<LogicalPlan> {
    let exprs = columns.into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
}

/// Whether a subquery's rows are asked about anywhere in the expression.
fn asks(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(matches!(expr, Expr::InSubquery(_) | Expr::Exists(_)))).unwrap_or_default()
}

/// The columns that an expression and the subqueries in it take from the rows at hand.
fn asked_columns(expr: &Expr) -> EngineResult<Vec<Column>> {
    let mut columns: Vec<Column> = expr.column_refs().into_iter().cloned().collect();
    expr.apply(|expr| {
        if let Expr::InSubquery(InSubquery { subquery, .. }) | Expr::Exists(Exists { subquery, .. }) = expr {
            columns.extend(subquery.outer_ref_columns.iter().filter_map(|outer| match outer {
                Expr::OuterReferenceColumn(_, column) => Some(column.clone()),
                _ => None,
            }));
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    Ok(columns)
}

/// `a not in (select …)` of its own becomes a join that knows null, unless rows of the subquery depend on the row.
fn is_answered_by_anti_join(condition: &Expr) -> bool {
    match condition {
        Expr::InSubquery(asked) if asked.negated => asked.subquery.outer_ref_columns.is_empty(),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::InSubquery(asked) if !asked.negated => asked.subquery.outer_ref_columns.is_empty(),
            _ => false,
        },
        _ => false,
    }
}

/// The expression with its predicates as columns of `input`, which becomes the join that has them.
///
/// The engine's rule only looks at filters, so it is given one that asks nothing but whether the expression is null;
/// what it makes is taken apart again.
fn computed(
    expr: Expr,
    names: &NamePreserver,
    input: &mut LogicalPlan,
    config: &dyn OptimizerConfig,
) -> EngineResult<Expr> {
    if !asks(&expr) {
        return Ok(expr);
    }
    let name = names.save(&expr);
    let expr = exact(expr, input.schema(), false)?.data;
    let asked = Filter::try_new(Expr::IsNotNull(Box::new(expr.clone())), Arc::new(input.clone()))?;
    let answered = DecorrelatePredicateSubquery::new().rewrite(LogicalPlan::Filter(asked), config)?.data;
    let answered = match answered {
        LogicalPlan::Projection(projection) => Arc::unwrap_or_clone(projection.input),
        other => other,
    };
    let expr = match answered {
        LogicalPlan::Filter(Filter { predicate: Expr::IsNotNull(answer), input: joined, .. }) => {
            *input = Arc::unwrap_or_clone(joined);
            *answer
        }
        // Not of the shape that the rule makes: the planner says what it does not support.
        _ => expr,
    };
    Ok(name.restore(expr))
}

/// Spells out where `in` is null, unless that is the same as false there: in a condition.
fn exact(expr: Expr, schema: &DFSchema, is_condition: bool) -> EngineResult<Transformed<Expr>> {
    if !asks(&expr) {
        return Ok(Transformed::no(expr));
    }
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let left = exact(*left, schema, is_condition)?;
            let right = exact(*right, schema, is_condition)?;
            let is_changed = left.transformed || right.transformed;
            let both = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            Ok(Transformed::new_transformed(Expr::BinaryExpr(both), is_changed))
        }
        Expr::IsTrue(inner) => Ok(exact(*inner, schema, true)?.update_data(|inner| Expr::IsTrue(Box::new(inner)))),
        Expr::IsNotTrue(inner) => {
            Ok(exact(*inner, schema, true)?.update_data(|inner| Expr::IsNotTrue(Box::new(inner))))
        }
        Expr::Case(Case { expr: None, when_then_expr, else_expr }) => {
            let mut is_changed = false;
            let mut known = |expr: Expr, is_condition: bool| -> EngineResult<Box<Expr>> {
                let known = exact(expr, schema, is_condition)?;
                is_changed |= known.transformed;
                Ok(Box::new(known.data))
            };
            let mut branches = Vec::with_capacity(when_then_expr.len());
            for (when, then) in when_then_expr {
                branches.push((known(*when, true)?, known(*then, is_condition)?));
            }
            let otherwise = else_expr.map(|expr| known(*expr, is_condition)).transpose()?;
            let case = Expr::Case(Case::new(None, branches, otherwise));
            Ok(Transformed::new_transformed(case, is_changed))
        }
        Expr::InSubquery(asked) => {
            let value = exact(*asked.expr, schema, false)?;
            let subquery = qualified(asked.subquery)?;
            let is_changed = value.transformed || subquery.transformed;
            let asked = InSubquery::new(Box::new(value.data), subquery.data, asked.negated);
            if is_condition && !asked.negated {
                return Ok(Transformed::new_transformed(Expr::InSubquery(asked), is_changed));
            }
            match unknown(&asked, schema)? {
                Some(unknown) => Ok(Transformed::yes(three_valued(asked, unknown))),
                None => Ok(Transformed::new_transformed(Expr::InSubquery(asked), is_changed)),
            }
        }
        other => other.map_children(|child| exact(child, schema, false)),
    }
}

/// A subquery whose column has a relation: the engine's mark join takes one without, such as a union's, twice.
fn qualified(subquery: Subquery) -> EngineResult<Transformed<Subquery>> {
    if subquery.subquery.schema().qualified_field(0).0.is_some() {
        return Ok(Transformed::no(subquery));
    }
    let named = SubqueryAlias::try_new(Arc::clone(&subquery.subquery), ASKED)?;
    Ok(Transformed::yes(subquery.with_plan(Arc::new(LogicalPlan::SubqueryAlias(named)))))
}

/// When `in` is null, if it can be: it holds only for values that were not found.
fn unknown(asked: &InSubquery, schema: &DFSchema) -> EngineResult<Option<Expr>> {
    let InSubquery { expr: value, subquery, .. } = asked;
    // A volatile value cannot be asked twice. What belongs to a query further out is decided there.
    if value.is_volatile() || value.contains_outer() {
        return Ok(None);
    }
    let (relation, field) = subquery.subquery.schema().qualified_field(0);
    let is_null_among = field.is_nullable().then(|| {
        let is_null = Expr::Column(Column::from((relation, field))).is_null();
        Filter::try_new(is_null, Arc::clone(&subquery.subquery))
            .map(|nulls| exists(subquery, LogicalPlan::Filter(nulls)))
    });
    let is_null_against_some = value.nullable(schema)?.then(|| {
        let some = exists(subquery, subquery.subquery.as_ref().clone());
        value.as_ref().clone().is_null().and(some)
    });
    Ok(match (is_null_among.transpose()?, is_null_against_some) {
        (Some(among), Some(against)) => Some(among.or(against)),
        (one, other) => one.or(other),
    })
}

fn exists(subquery: &Subquery, plan: LogicalPlan) -> Expr {
    Expr::Exists(Exists::new(subquery.with_plan(Arc::new(plan)), false))
}

fn three_valued(mut asked: InSubquery, unknown: Expr) -> Expr {
    let (found, not_found) = (lit(!asked.negated), lit(asked.negated));
    asked.negated = false;
    let branches = vec![
        (Box::new(Expr::InSubquery(asked)), Box::new(found)),
        (Box::new(unknown), Box::new(Expr::Literal(ScalarValue::Boolean(None), None))),
    ];
    Expr::Case(Case::new(None, branches, Some(Box::new(not_found))))
}
