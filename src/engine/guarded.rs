//! Conditions that may fail are asked only of rows that the conditions before them keep.
//!
//! `select n from (select x::int as n from (select * from t where x ~ '^[0-9]+$')) where n > 1` reads no text that is no
//! number. The engine moves conditions down to the files, below the casts that they name, and asks all conditions of a
//! filter of the same rows. [`Guarded`] comes before that: it moves a condition that may fail to the filter below it
//! itself, and writes it as `case when <what stands before it> then <condition> else false end`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result as EngineResult, TableReference};
use datafusion::logical_expr::expr::{Case, Cast};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable as _, Filter, LogicalPlan, Operator, Projection, SubqueryAlias, lit,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rule of this module.
#[derive(Debug)]
pub(crate) struct Guarded;

impl OptimizerRule for Guarded {
    fn name(&self) -> &'static str {
        "guarded"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> EngineResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else { return Ok(Transformed::no(plan)) };
        let (mut kept, mut input, mut is_changed) = (Vec::new(), Arc::clone(&filter.input), false);
        for condition in split_conjunction(&filter.predicate) {
            if let Some(below) = moved(condition.clone(), &input)? {
                input = Arc::new(below);
                is_changed = true;
            } else {
                kept.push(condition.clone());
            }
        }
        let mut conditions: Vec<Expr> = Vec::with_capacity(kept.len());
        for condition in kept {
            let guarded = guarded(condition, &conditions, input.schema());
            is_changed |= guarded.transformed;
            conditions.push(guarded.data);
        }
        if !is_changed {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        Ok(Transformed::yes(match conjunction(conditions) {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, input)?),
            None => Arc::unwrap_or_clone(input),
        }))
    }
}

/// A plan with a condition in the next filter below, if it may fail there and there is one.
fn moved(condition: Expr, plan: &LogicalPlan) -> EngineResult<Option<LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Projection(projection) => {
            let columns = projection.schema.columns();
            let below: HashMap<Column, Expr> =
                columns.into_iter().zip(projection.expr.iter().map(|expr| expr.clone().unalias())).collect();
            let named = condition.column_refs();
            if named.iter().any(|column| below.get(column).is_none_or(|expr| !may_move(expr))) {
                return Ok(None);
            }
            let Some(input) = moved(written(condition, &below)?, &projection.input)? else { return Ok(None) };
            let (exprs, schema) = (projection.expr.clone(), Arc::clone(&projection.schema));
            Some(LogicalPlan::Projection(Projection::try_new_with_schema(exprs, Arc::new(input), schema)?))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let inner = alias.input.schema().columns().into_iter().map(Expr::Column);
            let below: HashMap<Column, Expr> = alias.schema.columns().into_iter().zip(inner).collect();
            let Some(input) = moved(written(condition, &below)?, &alias.input)? else { return Ok(None) };
            Some(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?))
        }
        LogicalPlan::Filter(filter) => {
            let before: Vec<Expr> = split_conjunction(&filter.predicate).into_iter().cloned().collect();
            let guarded = guarded(condition, &before, filter.input.schema());
            if !guarded.transformed {
                return Ok(None);
            }
            let predicate = filter.predicate.clone().and(guarded.data);
            Some(LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(&filter.input))?))
        }
        _ => None,
    })
}

/// Whether an expression of a select list can be computed once more, further down.
fn may_move(expr: &Expr) -> bool {
    let has_other = expr.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::WindowFunction(_)
                | Expr::AggregateFunction(_)
                | Expr::Unnest(_)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(_, _)
        ))
    });
    !expr.is_volatile() && !has_other.unwrap_or(true)
}

/// A condition with columns written as what they are further down.
fn written(condition: Expr, below: &HashMap<Column, Expr>) -> EngineResult<Expr> {
    let written = condition.transform_up(|expr| {
        Ok(match &expr {
            Expr::Column(column) => match below.get(column) {
                Some(below) => Transformed::yes(below.clone()),
                None => Transformed::no(expr),
            },
            _ => Transformed::no(expr),
        })
    })?;
    Ok(written.data)
}

/// A condition that may fail, asked only where those hold that stand before it and read the same relations.
fn guarded(condition: Expr, before: &[Expr], schema: &DFSchema) -> Transformed<Expr> {
    if !may_move(&condition) || !may_fail(&condition, schema) || is_join(&condition) {
        return Transformed::no(condition);
    }
    let read = relations(&condition);
    let guards = before.iter().filter(|before| {
        let of = relations(before);
        !of.is_empty() && of.is_subset(&read) && may_move(before) && !matches!(before, Expr::Case(_))
    });
    let Some(guard) = conjunction(guards.cloned()) else { return Transformed::no(condition) };
    let whens = vec![(Box::new(guard), Box::new(condition))];
    Transformed::yes(Expr::Case(Case::new(None, whens, Some(Box::new(lit(false))))))
}

fn relations(expr: &Expr) -> BTreeSet<Option<TableReference>> {
    expr.column_refs().into_iter().map(|column| column.relation.clone()).collect()
}

/// Whether a condition can be that of a join: it compares columns with columns for equality.
fn is_join(condition: &Expr) -> bool {
    matches!(condition, Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right })
        if !left.column_refs().is_empty() && !right.column_refs().is_empty())
}

/// Whether an expression fails for some values: a text that is cast to something else, a division. What `case` asks is
/// asked in its order.
fn may_fail(expr: &Expr, schema: &DFSchema) -> bool {
    let mut found = false;
    let _ = expr.apply(|expr| {
        let fails = match expr {
            Expr::Case(_) => return Ok(TreeNodeRecursion::Jump),
            Expr::Cast(Cast { expr: inner, field }) => {
                let is_text = |found: &DataType| found.is_string();
                !inner.column_refs().is_empty()
                    && !is_text(field.data_type())
                    && inner.get_type(schema).is_ok_and(|found| is_text(&found))
            }
            Expr::BinaryExpr(BinaryExpr { op: Operator::Divide | Operator::Modulo, right, .. }) => {
                !right.column_refs().is_empty() && right.get_type(schema).is_ok_and(|found| !found.is_floating())
            }
            _ => false,
        };
        found |= fails;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// The engine's rules with this one before the one that moves conditions.
pub(crate) fn among(mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let place = rules.iter().position(|rule| rule.name() == "push_down_filter").unwrap_or(rules.len());
    rules.insert(place, Arc::new(Guarded));
    rules
}
