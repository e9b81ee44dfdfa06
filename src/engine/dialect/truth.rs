//! Comparisons of a boolean with a number, where true counts as one and false as zero (DuckDB, Snowflake, MySQL).

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable as _};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Plans such comparisons; the engine has none.
#[derive(Debug)]
pub(crate) struct Truths;

impl ExprPlanner for Truths {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let (left, right) = if compares(&op) {
            // What has no type is told by the planner, which knows where it stands.
            match (left.get_type(schema), right.get_type(schema)) {
                (Ok(DataType::Boolean), Ok(other)) if other.is_numeric() => (number(left), right),
                (Ok(other), Ok(DataType::Boolean)) if other.is_numeric() => (left, number(right)),
                _ => (left, right),
            }
        } else {
            (left, right)
        };
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

fn compares(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn number(truth: Expr) -> Expr {
    Expr::Cast(Cast::new(Box::new(truth), DataType::Int64))
}
