//! Operands that have the type of what they meet: a boolean beside a number counts as one or zero (DuckDB, Snowflake,
//! MySQL), and a text that is written out beside a number or a boolean is what it says (DuckDB, Postgres).

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable as _, lit};
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
                (Ok(DataType::Boolean), Ok(text)) if text.is_string() => (left, read_truth(right)),
                (Ok(text), Ok(DataType::Boolean)) if text.is_string() => (read_truth(left), right),
                _ => (left, right),
            }
        } else if calculates(&op) {
            match (left.get_type(schema), right.get_type(schema)) {
                (Ok(text), Ok(other)) if text.is_string() && other.is_numeric() => (read_number(left), right),
                (Ok(other), Ok(text)) if text.is_string() && other.is_numeric() => (left, read_number(right)),
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

fn calculates(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus};
    matches!(op, Plus | Minus | Multiply | Divide | Modulo)
}

/// A text that is written out and says a number, as that number.
fn read_number(text: Expr) -> Expr {
    let number = match &text {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::trim).and_then(|written| {
            let whole = written.parse::<i64>().ok().map(lit);
            whole.or_else(|| written.parse::<f64>().ok().filter(|number| number.is_finite()).map(lit))
        }),
        _ => None,
    };
    number.unwrap_or(text)
}

/// A text that is written out and says a truth value, as that.
fn read_truth(text: Expr) -> Expr {
    let truth = match &text {
        Expr::Literal(value, _) => {
            value.try_as_str().flatten().and_then(|written| match written.trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Some(lit(true)),
                "false" | "f" | "no" | "n" | "off" | "0" => Some(lit(false)),
                _ => None,
            })
        }
        _ => None,
    };
    truth.unwrap_or(text)
}
