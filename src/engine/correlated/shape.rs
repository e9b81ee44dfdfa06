//! Which subqueries read from outside, and which of them the engine can join by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, Result as EngineResult, ScalarValue, TableReference};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::logical_plan::Distinct;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Subquery};

/// What a subquery is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A value that an aggregate makes.
    Value,
    /// A value of a row.
    Lookup,
    /// `in` and `exists`.
    Rows,
    /// What is joined.
    Lateral,
}

/// Whether an expression is a subquery that is taken here: it reads columns that are at hand, in a way that the engine
/// has no join for.
pub(super) fn is_taken(expr: &Expr, at_hand: &[DFSchemaRef]) -> EngineResult<bool> {
    let (asked, of) = match expr {
        Expr::ScalarSubquery(asked) => (asked, Use::Value),
        Expr::Exists(Exists { subquery, .. }) | Expr::InSubquery(InSubquery { subquery, .. }) => (subquery, Use::Rows),
        _ => return Ok(false),
    };
    let outer = outer_columns(&asked.subquery)?;
    let is_at_hand = |column: &Column| at_hand.iter().any(|schema| schema.has_column(column));
    Ok(outer.iter().any(is_at_hand) && !is_plain(&asked.subquery, &outer, of)?)
}

/// Whether such a subquery stands in an expression.
pub(super) fn has_taken(expr: &Expr, at_hand: &[DFSchemaRef]) -> EngineResult<bool> {
    expr.exists(|expr| is_taken(expr, at_hand))
}

/// Whether the engine has a join for a subquery: above what reads nothing from outside there are conditions, names and
/// selections, and at most one aggregate, above conditions that compare a column for equality.
pub(super) fn is_plain(plan: &LogicalPlan, outer: &[Column], of: Use) -> EngineResult<bool> {
    let mut is_aggregated = false;
    let mut is_renamed = false;
    let mut next = plan;
    loop {
        if !reads(next, outer)? {
            return Ok(match of {
                Use::Value => is_aggregated,
                Use::Lookup => !is_aggregated,
                Use::Rows | Use::Lateral => true,
            });
        }
        next = match next {
            LogicalPlan::Projection(projection) if !any_reads(&projection.expr, outer)? => &projection.input,
            LogicalPlan::SubqueryAlias(alias) => {
                is_renamed = true;
                &alias.input
            }
            LogicalPlan::Subquery(subquery) => &subquery.subquery,
            LogicalPlan::Distinct(Distinct::All(input)) if of == Use::Rows => input,
            LogicalPlan::Aggregate(aggregate)
                if !is_aggregated
                    && !is_renamed
                    && (aggregate.group_expr.is_empty() || matches!(of, Use::Rows | Use::Lateral))
                    && of != Use::Lookup
                    && !any_reads(&aggregate.group_expr, outer)?
                    && !any_reads(&aggregate.aggr_expr, outer)? =>
            {
                is_aggregated = true;
                &aggregate.input
            }
            LogicalPlan::Filter(filter) => {
                for condition in split_conjunction(&filter.predicate) {
                    let is_read = any_reads(std::slice::from_ref(condition), outer)?;
                    if is_read
                        && (matches!(of, Use::Value | Use::Lookup) || is_aggregated)
                        && !is_equality(condition, outer)?
                    {
                        return Ok(false);
                    }
                }
                // What `having` asks of outside, or of the aggregate, the engine has no join for.
                if of == Use::Value && !is_aggregated || of == Use::Lateral && is_aggregate(&filter.input) {
                    return Ok(false);
                }
                &filter.input
            }
            _ => return Ok(false),
        };
    }
}

fn is_aggregate(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Aggregate(_))
}

/// Whether a condition says that a column is equal to something from outside.
fn is_equality(condition: &Expr, outer: &[Column]) -> EngineResult<bool> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return Ok(false) };
    let is_own = |expr: &Expr| match expr {
        Expr::Column(_) => true,
        Expr::Cast(cast) => matches!(*cast.expr, Expr::Column(_)),
        _ => false,
    };
    let is_outside = |expr: &Expr| -> EngineResult<bool> {
        Ok(expr.column_refs().is_empty() && any_reads(std::slice::from_ref(expr), outer)?)
    };
    Ok(is_own(left) && is_outside(right)? || is_own(right) && is_outside(left)?)
}

/// Whether a subquery of one column that is never null may have no row.
pub(super) fn may_be_empty(plan: &LogicalPlan) -> bool {
    may_be_empty_below(plan) && plan.schema().fields().first().is_some_and(|field| !field.is_nullable())
}

fn may_be_empty_below(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => may_be_empty_below(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => may_be_empty_below(&alias.input),
        LogicalPlan::Aggregate(aggregate) => !aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => !empty.produce_one_row,
        _ => true,
    }
}

/// Whether a subquery has one row for all that it may read from outside.
pub(super) fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        LogicalPlan::Filter(filter) => has_one_row(&filter.input),
        LogicalPlan::Sort(sort) => sort.fetch == Some(1) || has_one_row(&sort.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Limit(limit) => {
            let fetch = limit.fetch.as_deref();
            matches!(fetch, Some(Expr::Literal(ScalarValue::Int64(Some(0 | 1)), _))) || has_one_row(&limit.input)
        }
        _ => false,
    }
}

/// The columns that a plan reads from outside.
pub(super) fn outer_columns(plan: &LogicalPlan) -> EngineResult<Vec<Column>> {
    let mut columns = BTreeSet::new();
    collect(plan, &mut Vec::new(), &mut columns)?;
    Ok(columns.into_iter().collect())
}

/// Adds what a plan reads from outside, but for columns that a query on the way has.
fn collect(plan: &LogicalPlan, between: &mut Vec<DFSchemaRef>, columns: &mut BTreeSet<Column>) -> EngineResult<()> {
    let own: Vec<DFSchemaRef> = plan.inputs().into_iter().map(|input| Arc::clone(input.schema())).collect();
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            if let Expr::OuterReferenceColumn(_, column) = expr
                && !between.iter().any(|schema| schema.has_column(column))
            {
                columns.insert(column.clone());
            }
            if let Some(asked) = subquery(expr) {
                let known = between.len();
                between.extend(own.iter().cloned());
                collect(&asked.subquery, between, columns)?;
                between.truncate(known);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if let LogicalPlan::Join(join) = plan
        && lateral(&join.right).is_some()
    {
        collect(&join.left, between, columns)?;
        between.push(Arc::clone(join.left.schema()));
        collect(&join.right, between, columns)?;
        between.pop();
        return Ok(());
    }
    for input in plan.inputs() {
        collect(input, between, columns)?;
    }
    Ok(())
}

/// A plan in which what is read from outside has other names, but for columns that a query on the way has.
pub(super) fn renamed(
    plan: LogicalPlan,
    names: &dyn Fn(&Column) -> Option<Expr>,
    between: &mut Vec<DFSchemaRef>,
) -> EngineResult<LogicalPlan> {
    let own: Vec<DFSchemaRef> = plan.inputs().into_iter().map(|input| Arc::clone(input.schema())).collect();
    let plan = plan.map_expressions(|expr| renamed_in(expr, names, between, &own).map(Transformed::yes))?.data;
    let lateral_over = match &plan {
        LogicalPlan::Join(join) if lateral(&join.right).is_some() => Some(Arc::clone(join.left.schema())),
        _ => None,
    };
    let mut is_right = false;
    plan.map_children(|input| {
        let hides = lateral_over.clone().filter(|_| is_right);
        is_right = true;
        let known = between.len();
        between.extend(hides);
        let changed = renamed(input, names, between)?;
        between.truncate(known);
        Ok(Transformed::yes(changed))
    })
    .map(|changed| changed.data)
}

/// The same in an expression of a plan with these inputs.
pub(super) fn renamed_in(
    expr: Expr,
    names: &dyn Fn(&Column) -> Option<Expr>,
    between: &mut Vec<DFSchemaRef>,
    own: &[DFSchemaRef],
) -> EngineResult<Expr> {
    expr.transform_up(|mut expr| {
        if let Expr::OuterReferenceColumn(_, column) = &expr
            && !between.iter().any(|schema| schema.has_column(column))
            && let Some(other) = names(column)
        {
            return Ok(Transformed::yes(other));
        }
        let asked = match &mut expr {
            Expr::ScalarSubquery(asked) => asked,
            Expr::Exists(Exists { subquery, .. }) | Expr::InSubquery(InSubquery { subquery, .. }) => subquery,
            Expr::SetComparison(comparison) => &mut comparison.subquery,
            _ => return Ok(Transformed::no(expr)),
        };
        let known = between.len();
        between.extend(own.iter().cloned());
        let plan = renamed(asked.subquery.as_ref().clone(), names, between)?;
        between.truncate(known);
        asked.outer_ref_columns = plan.all_out_ref_exprs();
        asked.subquery = Arc::new(plan);
        Ok(Transformed::yes(expr))
    })
    .map(|changed| changed.data)
}

/// Whether a plan reads one of these columns from outside.
pub(super) fn reads(plan: &LogicalPlan, outer: &[Column]) -> EngineResult<bool> {
    Ok(outer_columns(plan)?.iter().any(|column| outer.contains(column)))
}

/// Whether an expression, or a subquery in it, may read one of these columns from outside.
pub(super) fn any_reads(exprs: &[Expr], outer: &[Column]) -> EngineResult<bool> {
    for expr in exprs {
        let is_read = |expr: &Expr| match expr {
            Expr::OuterReferenceColumn(_, column) => Ok(outer.contains(column)),
            expr => subquery(expr).map_or(Ok(false), |asked| reads(&asked.subquery, outer)),
        };
        if expr.exists(is_read)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The subquery that an expression is.
fn subquery(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(asked) => Some(asked),
        Expr::Exists(Exists { subquery, .. }) | Expr::InSubquery(InSubquery { subquery, .. }) => Some(subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery),
        _ => None,
    }
}

/// The subquery of `lateral`, and what it is called.
pub(super) fn lateral(plan: &LogicalPlan) -> Option<(&LogicalPlan, Option<TableReference>)> {
    match plan {
        LogicalPlan::Subquery(subquery) => Some((&subquery.subquery, None)),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((&subquery.subquery, Some(alias.alias.clone()))),
            _ => None,
        },
        _ => None,
    }
}

/// The columns that an expression, or a subquery in it, reads of the plan that it stands in.
pub(super) fn asked_columns(expr: &Expr) -> EngineResult<Vec<Column>> {
    let mut columns: Vec<Column> = expr.column_refs().into_iter().cloned().collect();
    expr.apply(|expr| {
        if let Some(asked) = subquery(expr) {
            columns.extend(outer_columns(&asked.subquery)?);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(columns)
}

/// Whether there is a subquery in an expression.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(subquery(expr).is_some())).unwrap_or(false)
}

/// Whether there is a subquery in a plan.
pub(super) fn asks(plan: &LogicalPlan) -> EngineResult<bool> {
    plan.exists(|node| {
        let mut is_found = matches!(node, LogicalPlan::Subquery(_));
        node.apply_expressions(|expr| {
            is_found |= has_subquery(expr);
            Ok(if is_found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        Ok(is_found)
    })
}
