//! What numbers mean where the engine and DuckDB differ: analyzer rules around the engine's own coercion of types.
//!
//! [`Numbers`] comes before it and knows the casts that the query says. A number that is cast to an integer is rounded,
//! not cut off; the rounding is a function, so no comparison is taken through the cast. A float that meets a decimal
//! (`coalesce(x, 0.0)`, `x > 0.5`) makes a float of it; the engine would make decimals with fifteen digits of both.
//! [`Checked`] comes after it, when both sides have one type: sums, differences and products of integers that do not
//! fit are errors instead of other numbers, floats become text in the form of DuckDB, and
//! intervals are compared by how long they are.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, Result as EngineResult, ScalarValue};
use datafusion::logical_expr::expr::{Between, Case, Cast, InList, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Union, Values, lit,
};
use datafusion::optimizer::AnalyzerRule;

use crate::engine::functions::exactly::{Exactly, call, has_fraction};

/// Functions whose arguments become of one type.
const OF_ONE_TYPE: [&str; 8] = ["coalesce", "greatest", "iff", "least", "make_array", "nullif", "nvl", "nvl2"];
/// Hours of a day.
const DAY: i32 = 24;

/// Casts to integers, and floats that meet decimals.
#[derive(Debug)]
pub(crate) struct Numbers;

impl AnalyzerRule for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> EngineResult<LogicalPlan> {
        each_expression(
            plan,
            |plan| match plan {
                LogicalPlan::Union(union) => united(union),
                LogicalPlan::Values(values) => of_floats(values),
                LogicalPlan::Join(mut join) => {
                    let (left, right) = (Arc::clone(join.left.schema()), Arc::clone(join.right.schema()));
                    let mut is_changed = false;
                    for (one, other) in &mut join.on {
                        let (Ok(first), Ok(second)) = (one.get_type(&left), other.get_type(&right)) else { continue };
                        if let Some(float) = common(&[first.clone(), second.clone()]) {
                            let side = if first.is_decimal() { one } else { other };
                            *side = as_float(side.clone(), &float);
                            is_changed = true;
                        }
                    }
                    Ok(Transformed::new_transformed(LogicalPlan::Join(join), is_changed))
                }
                plan => Ok(Transformed::no(plan)),
            },
            meaning,
        )
    }
}

/// Arithmetic of integers, texts of floats, and comparisons of intervals.
#[derive(Debug)]
pub(crate) struct Checked;

impl AnalyzerRule for Checked {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> EngineResult<LogicalPlan> {
        each_expression(plan, |plan| Ok(Transformed::no(plan)), coerced)
    }
}

/// What an expression means whose parts have the types that they are computed with.
fn coerced(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let what = match op {
                Operator::Plus => Some(Exactly::Plus),
                Operator::Minus => Some(Exactly::Minus),
                Operator::Multiply => Some(Exactly::Times),
                _ => None,
            };
            if compares(op) && is_span(&left, schema) && is_span(&right, schema) {
                let [left, right] = [left, right].map(|side| Box::new(call(Exactly::Span, vec![*side])));
                return Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }));
            }
            let is_of_integers = || match (left.get_type(schema), right.get_type(schema)) {
                (Ok(one), Ok(other)) => one.is_integer() && one == other,
                _ => false,
            };
            match what {
                Some(what) if is_of_integers() => Transformed::yes(call(what, vec![*left, *right])),
                _ => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            }
        }
        Expr::Cast(Cast { expr: inner, field }) if is_float_text(&inner, field.data_type(), schema) => {
            let text = call(Exactly::Text, vec![*inner]);
            Transformed::yes(match field.data_type() {
                DataType::Utf8 => text,
                _ => Expr::Cast(Cast { expr: Box::new(text), field }),
            })
        }
        Expr::TryCast(TryCast { expr: inner, field }) if is_float_text(&inner, field.data_type(), schema) => {
            let text = call(Exactly::Text, vec![*inner]);
            Transformed::yes(Expr::TryCast(TryCast { expr: Box::new(text), field }))
        }
        expr => Transformed::no(expr),
    }
}

fn is_span(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Interval(IntervalUnit::MonthDayNano)))
}

fn is_float_text(number: &Expr, wanted: &DataType, schema: &DFSchema) -> bool {
    wanted.is_string() && matches!(number.get_type(schema), Ok(DataType::Float32 | DataType::Float64))
}

/// Rewrites each plan and each expression, from below; columns keep their names.
fn each_expression(
    plan: LogicalPlan,
    mut of_plan: impl FnMut(LogicalPlan) -> EngineResult<Transformed<LogicalPlan>>,
    mut of_expr: impl FnMut(Expr, &DFSchema) -> Transformed<Expr>,
) -> EngineResult<LogicalPlan> {
    let mut is_any_changed = false;
    let changed = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| Ok(of_expr(expr, &schema)))?;
            Ok(if changed.transformed { changed.update_data(|expr| name.restore(expr)) } else { changed })
        })?;
        let is_changed = plan.transformed;
        let plan = of_plan(plan.data)?;
        is_any_changed |= is_changed || plan.transformed;
        if !is_any_changed {
            return Ok(plan);
        }
        // Types may have changed below.
        Ok(Transformed::yes(plan.data.recompute_schema()?))
    })?;
    Ok(changed.data)
}

/// The float that numbers of these types are compared as, if decimals meet floats.
fn common(types: &[DataType]) -> Option<DataType> {
    let is_float = |found: &&DataType| matches!(found, DataType::Float32 | DataType::Float64);
    if !types.iter().any(DataType::is_decimal) || !types.iter().all(|found| found.is_numeric() || found.is_null()) {
        return None;
    }
    let has_double = types.contains(&DataType::Float64);
    let float = types.iter().find(is_float)?;
    Some(if has_double { DataType::Float64 } else { float.clone() })
}

fn as_float(expr: Expr, float: &DataType) -> Expr {
    match &expr {
        Expr::Literal(value, _) => match value.cast_to(float) {
            Ok(value) => lit(value),
            Err(_) => Expr::Cast(Cast::new(Box::new(expr), float.clone())),
        },
        _ => Expr::Cast(Cast::new(Box::new(expr), float.clone())),
    }
}

/// Makes floats of the decimals among expressions, if there are floats among them.
fn meet<'a>(exprs: impl IntoIterator<Item = &'a mut Expr>, schema: &DFSchema) -> bool {
    let mut exprs: Vec<&mut Expr> = exprs.into_iter().collect();
    // What has no type here is of a query further out, or an error that the engine tells.
    let types: Result<Vec<DataType>, _> = exprs.iter().map(|expr| expr.get_type(schema)).collect();
    let Ok(types) = types else { return false };
    let Some(float) = common(&types) else { return false };
    for (expr, found) in exprs.iter_mut().zip(&types) {
        if found.is_decimal() {
            let decimal = std::mem::replace(*expr, lit(ScalarValue::Null));
            **expr = as_float(decimal, &float);
        }
    }
    true
}

/// What an expression means.
fn meaning(mut expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_changed = match &mut expr {
        Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field }) => {
            let rounds = field.data_type().is_integer() && has_fraction(inner, schema);
            if rounds {
                let number = std::mem::replace(inner.as_mut(), lit(ScalarValue::Null));
                **inner = call(Exactly::Whole, vec![number]);
            }
            rounds
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            meet([left.as_mut(), right.as_mut()], schema)
        }
        Expr::Between(Between { expr, low, high, .. }) => meet([expr.as_mut(), low.as_mut(), high.as_mut()], schema),
        Expr::InList(InList { expr, list, .. }) => meet(std::iter::once(expr.as_mut()).chain(list), schema),
        Expr::Case(Case { expr, when_then_expr, else_expr }) => {
            let mut is_changed = false;
            if let Some(expr) = expr {
                let whens = when_then_expr.iter_mut().map(|(when, _)| when.as_mut());
                is_changed |= meet(std::iter::once(expr.as_mut()).chain(whens), schema);
            }
            let thens = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            is_changed | meet(thens.chain(else_expr.as_deref_mut()), schema)
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if OF_ONE_TYPE.contains(&func.name()) => meet(args, schema),
        _ => false,
    };
    if let Expr::ScalarFunction(ScalarFunction { func, args }) = &expr
        && func.name() == "date_part"
        && let [Expr::Literal(part, _), span] = args.as_slice()
        && part.try_as_str().flatten().is_some_and(|part| part.eq_ignore_ascii_case("hour"))
        && matches!(span.get_type(schema), Ok(DataType::Duration(_)))
    {
        // The difference of timestamps is days and hours.
        return Transformed::yes(expr % lit(DAY));
    }
    Transformed::new_transformed(expr, is_changed)
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// Makes floats of the columns that are floats in another part of a union.
fn united(union: Union) -> EngineResult<Transformed<LogicalPlan>> {
    let width = union.inputs.first().map_or(0, |input| input.schema().fields().len());
    let mut floats = Vec::with_capacity(width);
    for column in 0..width {
        let types: Option<Vec<DataType>> = union
            .inputs
            .iter()
            .map(|input| input.schema().fields().get(column).map(|field| field.data_type().clone()))
            .collect();
        floats.push(types.and_then(|types| common(&types)));
    }
    if floats.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let mut inputs = Vec::with_capacity(union.inputs.len());
    for input in union.inputs {
        let schema = Arc::clone(input.schema());
        let exprs: Vec<Expr> = schema
            .iter()
            .zip(&floats)
            .map(|((relation, field), float)| {
                let column = Expr::Column(Column::new(relation.cloned(), field.name()));
                match float {
                    Some(float) if field.data_type().is_decimal() => {
                        as_float(column, float).alias_qualified(relation.cloned(), field.name())
                    }
                    _ => column,
                }
            })
            .collect();
        inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, input)?)));
    }
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

/// Makes floats of the columns of `values` in which the planner has cast floats to decimals.
fn of_floats(values: Values) -> EngineResult<Transformed<LogicalPlan>> {
    let empty = DFSchema::empty();
    let types: Vec<DataType> = values.schema.fields().iter().map(|field| field.data_type().clone()).collect();
    let float = |expr: &Expr, found: &DataType| match expr {
        Expr::Cast(Cast { expr, field }) if field.data_type() == found => {
            expr.get_type(&empty).ok().filter(|inner| matches!(inner, DataType::Float32 | DataType::Float64))
        }
        _ => None,
    };
    let floats: Vec<Option<DataType>> = types
        .iter()
        .enumerate()
        .map(|(column, found)| {
            let rows = || values.values.iter().filter_map(|row| row.get(column));
            // Where all rows are cast so, the query says it.
            let is_mixed = found.is_decimal() && rows().any(|expr| float(expr, found).is_none());
            rows().find_map(|expr| float(expr, found)).filter(|_| is_mixed)
        })
        .collect();
    if floats.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Values(values)));
    }
    let mut rows = values.values;
    for row in &mut rows {
        for ((expr, float), found) in row.iter_mut().zip(&floats).zip(&types) {
            let Some(float) = float else { continue };
            let value = std::mem::replace(expr, lit(ScalarValue::Null));
            let value = match value {
                Expr::Cast(Cast { expr, field })
                    if field.data_type() == found && expr.get_type(&empty).is_ok_and(|inner| inner.is_floating()) =>
                {
                    *expr
                }
                value => value,
            };
            *expr = as_float(value, float);
        }
    }
    Ok(Transformed::yes(LogicalPlanBuilder::values(rows)?.build()?))
}
