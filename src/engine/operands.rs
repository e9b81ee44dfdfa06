//! Operands that must be of one type, and what they become where the engine's choice would lose something.
//!
//! [`OfOneType`] comes before the engine's own coercion, which then finds nothing left to do. What a group of operands
//! becomes is said by rules: [`moments`](super::moments) and [`numbers`](super::numbers) have one each.

use std::iter::once;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, Result as EngineResult};
use datafusion::logical_expr::expr::{Cast, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Case, Expr, ExprSchemable as _, Join, LogicalPlan, Operator, Projection, Union, lit,
};
use datafusion::optimizer::AnalyzerRule;

use crate::engine::{moments, numbers};

/// One of several operands.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    /// Its type; `None` for what is of a query further out, or an error that the engine tells.
    pub(super) found: Option<DataType>,
    /// Whether it is a text that is written out.
    pub(super) is_text: bool,
}

/// The types that operands become, in their order; `None` for one that stays as it is.
pub(super) type Rule = fn(&[Operand]) -> Vec<Option<DataType>>;

const RULES: [Rule; 2] = [moments::microseconds, numbers::floats];

/// Functions whose arguments, from one of them on, become of one type.
const FUNCTIONS: [(&str, usize); 9] = [
    ("coalesce", 0),
    ("greatest", 0),
    ("iff", 1),
    ("ifnull", 0),
    ("least", 0),
    ("make_array", 0),
    ("nullif", 0),
    ("nvl", 0),
    ("nvl2", 1),
];

/// Casts operands as the rules say.
#[derive(Debug)]
pub(crate) struct OfOneType;

impl AnalyzerRule for OfOneType {
    fn name(&self) -> &'static str {
        "operands_of_one_type"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> EngineResult<LogicalPlan> {
        let of_plan = |plan| match plan {
            LogicalPlan::Join(join) => Ok(keys(join)),
            LogicalPlan::Union(union) => rows(union),
            plan => Ok(Transformed::no(plan)),
        };
        each_expression(plan, of_plan, in_expression)
    }
}

/// Rewrites each plan and each expression, from below; columns keep their names.
pub(super) fn each_expression(
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

/// Whether an operator compares its operands.
pub(super) fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn in_expression(mut expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_changed = match &mut expr {
        // A date and a timestamp have a difference, too.
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) || *op == Operator::Minus => {
            meet([left.as_mut(), right.as_mut()], schema)
        }
        Expr::Between(Between { expr, low, high, .. }) => meet([expr.as_mut(), low.as_mut(), high.as_mut()], schema),
        Expr::InList(InList { expr, list, .. }) => meet(once(expr.as_mut()).chain(list), schema),
        Expr::Case(Case { expr, when_then_expr, else_expr }) => {
            let mut is_changed = false;
            if let Some(expr) = expr {
                let whens = when_then_expr.iter_mut().map(|(when, _)| when.as_mut());
                is_changed |= meet(once(expr.as_mut()).chain(whens), schema);
            }
            let thens = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            is_changed | meet(thens.chain(else_expr.as_deref_mut()), schema)
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let from = FUNCTIONS.iter().find(|(name, _)| *name == func.name()).map(|(_, from)| *from);
            from.is_some_and(|from| meet(args.iter_mut().skip(from), schema))
        }
        _ => false,
    };
    Transformed::new_transformed(expr, is_changed)
}

/// Casts a group of operands as the rules say; whether there was anything to cast.
fn meet<'a>(exprs: impl IntoIterator<Item = &'a mut Expr>, schema: &DFSchema) -> bool {
    let mut is_changed = false;
    let mut exprs: Vec<&mut Expr> = exprs.into_iter().collect();
    for rule in RULES {
        let operands: Vec<Operand> = exprs.iter().map(|expr| Operand::of(expr, schema)).collect();
        for (expr, wanted) in exprs.iter_mut().zip(rule(&operands)) {
            if let Some(wanted) = wanted {
                let operand = std::mem::take(*expr);
                **expr = cast(operand, &wanted);
                is_changed = true;
            }
        }
    }
    is_changed
}

impl Operand {
    fn of(expr: &Expr, schema: &DFSchema) -> Self {
        let is_text = matches!(expr, Expr::Literal(value, _) if value.try_as_str().flatten().is_some());
        Self { found: expr.get_type(schema).ok(), is_text }
    }

    fn column(found: &DataType) -> Self {
        Self { found: Some(found.clone()), is_text: false }
    }
}

/// An operand with another type.
pub(super) fn cast(expr: Expr, wanted: &DataType) -> Expr {
    match &expr {
        Expr::Literal(value, _) => match value.cast_to(wanted) {
            Ok(value) => lit(value),
            Err(_) => Expr::Cast(Cast::new(Box::new(expr), wanted.clone())),
        },
        _ => Expr::Cast(Cast::new(Box::new(expr), wanted.clone())),
    }
}

/// The keys of a join, of which each side is of another relation.
fn keys(mut join: Join) -> Transformed<LogicalPlan> {
    let mut is_changed = false;
    for (left, right) in &mut join.on {
        for rule in RULES {
            let operands = [Operand::of(left, join.left.schema()), Operand::of(right, join.right.schema())];
            for (side, wanted) in [&mut *left, &mut *right].into_iter().zip(rule(&operands)) {
                if let Some(wanted) = wanted {
                    let key = std::mem::take(side);
                    *side = cast(key, &wanted);
                    is_changed = true;
                }
            }
        }
    }
    Transformed::new_transformed(LogicalPlan::Join(join), is_changed)
}

/// The rows of several queries, which have one type for each column.
fn rows(union: Union) -> EngineResult<Transformed<LogicalPlan>> {
    let width = union.inputs.first().map_or(0, |input| input.schema().fields().len());
    // For each column, what it becomes in each of the queries.
    let mut wanted: Vec<Vec<Option<DataType>>> = Vec::with_capacity(width);
    for column in 0..width {
        let fields = union.inputs.iter().map(|input| input.schema().fields().get(column));
        let Some(operands) = fields.map(|field| Some(Operand::column(field?.data_type()))).collect::<Option<Vec<_>>>()
        else {
            return Ok(Transformed::no(LogicalPlan::Union(union)));
        };
        let all = RULES.iter().map(|rule| rule(&operands)).find(|types| types.iter().any(Option::is_some));
        wanted.push(all.unwrap_or_default());
    }
    if wanted.iter().all(Vec::is_empty) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let mut inputs = Vec::with_capacity(union.inputs.len());
    for (at, input) in union.inputs.into_iter().enumerate() {
        let schema = Arc::clone(input.schema());
        let columns = schema.iter().zip(&wanted).map(|((relation, field), wanted)| {
            let column = Expr::Column(Column::new(relation.cloned(), field.name()));
            match wanted.get(at) {
                Some(Some(wanted)) => cast(column, wanted).alias_qualified(relation.cloned(), field.name()),
                _ => column,
            }
        });
        inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(columns.collect(), input)?)));
    }
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}
