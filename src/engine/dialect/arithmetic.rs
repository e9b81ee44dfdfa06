//! Arithmetic that other databases have: `/` of integers that is a fraction, and multiples of intervals.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable as _, Operator, ScalarUDF, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::engine::functions::interval_times;

/// Plans `/` of two integers as a fraction, as `DuckDB` and Snowflake do; the engine gives an integer, as Postgres does.
#[derive(Debug)]
pub(crate) struct Fractions;

impl ExprPlanner for Fractions {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        // What has no type is told by the planner, which knows where it stands.
        let is_integer = |operand: &Expr| operand.get_type(schema).is_ok_and(|found| found.is_integer());
        let left = if op == BinaryOperator::Divide && is_integer(&left) && is_integer(&right) {
            Expr::Cast(Cast::new(Box::new(left), DataType::Float64))
        } else {
            left
        };
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// Plans `interval * number`, `number * interval` and `interval / number` (Postgres, `DuckDB`); the engine has none.
#[derive(Debug)]
pub(crate) struct Multiples {
    function: Arc<ScalarUDF>,
}

impl Multiples {
    pub(crate) fn new() -> Self {
        Self { function: Arc::new(interval_times()) }
    }

    fn call(&self, interval: Expr, number: Expr) -> PlannerResult<RawBinaryExpr> {
        let call = ScalarFunction::new_udf(Arc::clone(&self.function), vec![interval, number]);
        PlannerResult::Planned(Expr::ScalarFunction(call))
    }
}

impl ExprPlanner for Multiples {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, BinaryOperator::Multiply | BinaryOperator::Divide) {
            return Ok(PlannerResult::Original(expr));
        }
        let is_interval = |found: &DataType| matches!(found, DataType::Interval(_));
        let is_number = |found: &DataType| found.is_numeric() || found.is_null();
        let RawBinaryExpr { op, left, right } = expr;
        Ok(match (&op, left.get_type(schema), right.get_type(schema)) {
            (BinaryOperator::Multiply, Ok(one), Ok(other)) if is_interval(&one) && is_number(&other) => {
                self.call(left, right)
            }
            (BinaryOperator::Multiply, Ok(one), Ok(other)) if is_number(&one) && is_interval(&other) => {
                self.call(right, left)
            }
            (BinaryOperator::Divide, Ok(one), Ok(other)) if is_interval(&one) && is_number(&other) => {
                let part = BinaryExpr::new(Box::new(lit(1.0)), Operator::Divide, Box::new(right));
                self.call(left, Expr::BinaryExpr(part))
            }
            _ => PlannerResult::Original(RawBinaryExpr { op, left, right }),
        })
    }
}
