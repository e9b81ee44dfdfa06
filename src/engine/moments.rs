//! Points in time are counted in microseconds, also where a date meets a timestamp.
//!
//! The engine takes nanoseconds for what a date and a timestamp have in common, and these end in the year 2262: the end
//! of time that histories are kept with, `9999-12-31`, could not be compared. [`Microseconds`] casts before the engine
//! does.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, Result as EngineResult};
use datafusion::logical_expr::expr::{Cast, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Case, Expr, ExprSchemable as _, Join, LogicalPlan, Operator, Projection, Union,
};
use datafusion::optimizer::AnalyzerRule;

/// Functions of the engine whose arguments, or those from a place on, must be of one type.
const OF_ONE_TYPE: [(&str, usize); 9] = [
    ("coalesce", 0),
    ("nvl", 0),
    ("ifnull", 0),
    ("nvl2", 1),
    ("nullif", 0),
    ("greatest", 0),
    ("least", 0),
    ("make_array", 0),
    ("iff", 1),
];
/// Functions that would take a date for nanoseconds, and which argument it is.
const OF_TIMESTAMPS: [(&str, usize); 1] = [("date_bin", 1)];

/// Casts dates, and timestamps of other units, to microseconds where they meet timestamps.
#[derive(Debug)]
pub(crate) struct Microseconds;

impl AnalyzerRule for Microseconds {
    fn name(&self) -> &'static str {
        "microseconds"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> EngineResult<LogicalPlan> {
        let changed = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            let changed = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_up(|expr| Ok(rewritten(expr, &schema)))?;
                Ok(if changed.transformed { changed.update_data(|expr| name.restore(expr)) } else { changed })
            })?;
            changed.transform_data(|plan| match plan {
                LogicalPlan::Join(join) => Ok(keys(join)),
                LogicalPlan::Union(union) => rows(union),
                other => Ok(Transformed::no(other)),
            })
        })?;
        if changed.transformed { changed.data.recompute_schema() } else { Ok(changed.data) }
    }
}

/// The type that moments of these types have in common, if the engine would take nanoseconds.
fn common<'a>(types: &(impl Iterator<Item = &'a DataType> + Clone)) -> Option<DataType> {
    let mut units = types.clone().filter_map(|found| match found {
        DataType::Timestamp(unit, zone) => Some((*unit, zone.clone())),
        _ => None,
    });
    let (first, zone) = units.next()?;
    let zone = zone.or_else(|| units.clone().find_map(|(_, zone)| zone));
    let has_date = types.clone().any(|found| matches!(found, DataType::Date32 | DataType::Date64));
    let is_mixed = units.any(|(unit, _)| unit != first);
    (has_date || is_mixed).then_some(DataType::Timestamp(TimeUnit::Microsecond, zone))
}

/// Casts the moments among operands of one type; whether there were any to cast.
fn unite(operands: Vec<&mut Expr>, schema: &DFSchema) -> bool {
    let types: Vec<DataType> = operands.iter().map(|expr| type_of(expr, schema)).collect();
    let Some(common) = common(&types.iter()) else { return false };
    let mut changed = false;
    for (operand, found) in operands.into_iter().zip(&types) {
        let is_moment = matches!(found, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _));
        // A time zone is the business of the engine.
        let wanted = match (found, &common) {
            (DataType::Timestamp(_, zone), DataType::Timestamp(unit, _)) => DataType::Timestamp(*unit, zone.clone()),
            _ => common.clone(),
        };
        if is_moment && *found != wanted {
            let inner = std::mem::take(operand);
            *operand = Expr::Cast(Cast::new(Box::new(inner), wanted));
            changed = true;
        }
    }
    changed
}

/// The type of an operand. A text that is written out is a date for what it meets.
fn type_of(expr: &Expr, schema: &DFSchema) -> DataType {
    match expr {
        Expr::Literal(value, _) if value.try_as_str().flatten().is_some() => DataType::Date32,
        // What has no type here is of a query further out.
        other => other.get_type(schema).unwrap_or(DataType::Null),
    }
}

fn rewritten(mut expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let changed = match &mut expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) || *op == Operator::Minus => {
            unite(vec![left.as_mut(), right.as_mut()], schema)
        }
        Expr::Between(Between { expr, low, high, .. }) => {
            unite(vec![expr.as_mut(), low.as_mut(), high.as_mut()], schema)
        }
        Expr::InList(InList { expr, list, .. }) => {
            unite([expr.as_mut()].into_iter().chain(list.iter_mut()).collect(), schema)
        }
        Expr::Case(Case { expr, when_then_expr, else_expr }) => {
            let (mut whens, mut thens) = (Vec::new(), Vec::new());
            for (when, then) in when_then_expr {
                whens.push(when.as_mut());
                thens.push(then.as_mut());
            }
            thens.extend(else_expr.as_deref_mut());
            let of_value = match expr {
                Some(value) => {
                    whens.push(value.as_mut());
                    unite(whens, schema)
                }
                None => false,
            };
            unite(thens, schema) || of_value
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            if let Some((_, from)) = OF_ONE_TYPE.iter().find(|(name, _)| *name == func.name()) {
                unite(args.iter_mut().skip(*from).collect(), schema)
            } else if let Some((_, at)) = OF_TIMESTAMPS.iter().find(|(name, _)| *name == func.name())
                && let Some(argument) = args.get_mut(*at)
                && matches!(argument.get_type(schema), Ok(DataType::Date32 | DataType::Date64))
            {
                let inner = std::mem::take(argument);
                let wanted = DataType::Timestamp(TimeUnit::Microsecond, None);
                *argument = Expr::Cast(Cast::new(Box::new(inner), wanted));
                true
            } else {
                false
            }
        }
        _ => false,
    };
    if changed { Transformed::yes(expr) } else { Transformed::no(expr) }
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// The keys of a join, of which each side is of another relation.
fn keys(mut join: Join) -> Transformed<LogicalPlan> {
    let mut changed = false;
    for (left, right) in &mut join.on {
        let (Ok(of_left), Ok(of_right)) = (left.get_type(join.left.schema()), right.get_type(join.right.schema()))
        else {
            continue;
        };
        let Some(common) = common(&[&of_left, &of_right].into_iter()) else { continue };
        for (side, found) in [(left, of_left), (right, of_right)] {
            if found != common {
                let inner = std::mem::take(side);
                *side = Expr::Cast(Cast::new(Box::new(inner), common.clone()));
                changed = true;
            }
        }
    }
    if changed { Transformed::yes(LogicalPlan::Join(join)) } else { Transformed::no(LogicalPlan::Join(join)) }
}

/// The rows of several queries, which have one type for each column.
fn rows(union: Union) -> EngineResult<Transformed<LogicalPlan>> {
    let columns = union.schema.fields().len();
    let of_column = |at: usize| {
        let types =
            union.inputs.iter().filter_map(|input| input.schema().fields().get(at).map(|field| field.data_type()));
        common(&types)
    };
    let wanted: Vec<Option<DataType>> = (0..columns).map(of_column).collect();
    if wanted.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let mut inputs = Vec::with_capacity(union.inputs.len());
    for input in union.inputs {
        let columns = input.schema().iter().zip(&wanted).map(|((qualifier, field), wanted)| {
            let column = Expr::Column((qualifier, field).into());
            match wanted {
                Some(wanted) if is_moment(field) && field.data_type() != wanted => {
                    Expr::Cast(Cast::new(Box::new(column), wanted.clone()))
                        .alias_qualified(qualifier.cloned(), field.name())
                }
                _ => column,
            }
        });
        let columns: Vec<Expr> = columns.collect();
        inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, input)?)));
    }
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

fn is_moment(field: &Arc<Field>) -> bool {
    matches!(field.data_type(), DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _))
}
