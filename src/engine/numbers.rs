//! What numbers mean where the engine and DuckDB differ: analyzer rules around the engine's own coercion of types.
//!
//! [`Numbers`] comes before it and knows the casts that the query says. A number that is cast to an integer is rounded,
//! not cut off; the rounding is a function, so no comparison is taken through the cast. A float that meets a decimal
//! (`coalesce(x, 0.0)`, `x > 0.5`) makes a float of it, [`floats`]; the engine would make decimals with fifteen digits
//! of both. [`Checked`] comes after it, when both sides have one type: sums, differences and products of integers that
//! do not fit are errors instead of other numbers, floats become text in the form of `DuckDB`, and intervals are compared
//! by how long they are.

use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as EngineResult, ScalarValue};
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Operator, Values, lit,
};
use datafusion::optimizer::AnalyzerRule;

use crate::engine::functions::exactly::{Exactly, call, has_fraction};
use crate::engine::operands::{Operand, cast, compares, each_expression};

/// Hours of a day.
const DAY: i32 = 24;

/// Casts to integers, and floats among the rows of `values`.
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
                LogicalPlan::Values(values) => of_floats(values),
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

/// Decimals become floats where all operands are numbers and there are floats among them.
pub(super) fn floats(operands: &[Operand]) -> Vec<Option<DataType>> {
    let mut float = None;
    let mut has_decimal = false;
    for operand in operands {
        match &operand.found {
            Some(found @ (DataType::Float32 | DataType::Float64)) => {
                if float != Some(&DataType::Float64) {
                    float = Some(found);
                }
            }
            Some(found) if found.is_decimal() => has_decimal = true,
            Some(found) if found.is_numeric() || found.is_null() => {}
            _ => return Vec::new(),
        }
    }
    match float.filter(|_| has_decimal) {
        Some(float) => {
            let is_decimal = |operand: &Operand| operand.found.as_ref().is_some_and(DataType::is_decimal);
            operands.iter().map(|operand| is_decimal(operand).then(|| float.clone())).collect()
        }
        None => Vec::new(),
    }
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
            *expr = cast(value, float);
        }
    }
    Ok(Transformed::yes(LogicalPlanBuilder::values(rows)?.build()?))
}
