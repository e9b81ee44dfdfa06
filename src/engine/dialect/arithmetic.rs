//! Arithmetic that other databases have: `/` of integers and decimals, and multiples of intervals.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable as _, Operator, ScalarUDF, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::engine::functions::interval_times;

/// Plans `/` of integers and decimals. Of two integers it gives a fraction, as in `DuckDB` and Snowflake, or an integer,
/// as in Postgres. The engine cuts the quotient of decimals to four digits more than the dividend has: `DuckDB` gives a
/// float there, and Postgres at least sixteen digits.
#[derive(Debug)]
pub(crate) struct Division {
    /// Whether it is that of `DuckDB`.
    pub(crate) fractional: bool,
}

/// Digits after the point that a dividend is given: the quotient has four more.
const DIVIDEND_SCALE: i8 = 12;
/// Digits of a decimal of 128 bits.
const DECIMAL_DIGITS: u8 = 38;

impl Division {
    /// The type that the dividend is cast to, if it is.
    fn dividend(&self, left: &DataType, right: &DataType) -> Option<DataType> {
        let is_exact = |found: &DataType| found.is_integer() || matches!(found, DataType::Decimal128(_, _));
        if !is_exact(left) || !is_exact(right) {
            return None;
        }
        if self.fractional {
            return Some(DataType::Float64);
        }
        let (precision, scale) = match (left, right) {
            (DataType::Decimal128(precision, scale), _) => (*precision, *scale),
            // An integer of 64 bits has 19 digits.
            (_, DataType::Decimal128(_, _)) => (19, 0),
            _ => return None,
        };
        // What stands before the point must still fit.
        let whole = i16::from(precision) - i16::from(scale);
        let wanted = (i16::from(DECIMAL_DIGITS) - whole).min(i16::from(DIVIDEND_SCALE));
        if wanted <= i16::from(scale) {
            return None;
        }
        let precision = u8::try_from(whole + wanted).ok()?;
        Some(DataType::Decimal128(precision, i8::try_from(wanted).ok()?))
    }
}

impl ExprPlanner for Division {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        // What has no type is told by the planner, which knows where it stands.
        let types = (op == BinaryOperator::Divide).then(|| (left.get_type(schema), right.get_type(schema)));
        let wanted = match &types {
            Some((Ok(one), Ok(other))) => self.dividend(one, other),
            _ => None,
        };
        let left = match wanted {
            Some(wanted) => Expr::Cast(Cast::new(Box::new(left), wanted)),
            None => left,
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
