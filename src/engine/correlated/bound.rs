//! A subquery for all that it may read from outside, at once: each step keeps the combinations apart.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{
    Column, DFSchema, ExprSchema as _, NullEquality, Result as EngineResult, ScalarValue, not_impl_err,
};
use datafusion::functions::core::coalesce;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Aggregate, Distinct, Window};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprFunctionExt as _, Filter, Join, JoinType, Limit, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, Sort, SortExpr, SubqueryAlias, Union, lit,
};

use crate::engine::correlated::shape::{any_reads, reads, renamed_in};
use crate::engine::correlated::{Outside, Rewriter, found};
use crate::engine::membership::only;

impl Rewriter {
    /// A subquery for all combinations at once: its columns, and after them those of the combinations.
    pub(super) fn bound(&mut self, plan: LogicalPlan, outside: &Outside) -> EngineResult<LogicalPlan> {
        let bound = self.bound_step(plan, outside)?;
        // A subquery within may have read from further out what is at hand now.
        self.node(bound).map(|changed| changed.data)
    }

    fn bound_step(&mut self, plan: LogicalPlan, outside: &Outside) -> EngineResult<LogicalPlan> {
        if !reads(&plan, &outside.asked)? {
            return LogicalPlanBuilder::from(plan).cross_join(outside.rows.clone())?.build();
        }
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.bound(Arc::unwrap_or_clone(projection.input), outside)?;
                let names = NamePreserver::new_for_projection();
                let mut exprs = replaced_all(projection.expr, &names, input.schema(), outside)?;
                exprs.extend(found(input.schema(), &outside.names)?.into_iter().map(Expr::Column));
                Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
            }
            LogicalPlan::Filter(filter) => {
                let input = self.bound(Arc::unwrap_or_clone(filter.input), outside)?;
                let predicate = replaced(filter.predicate, input.schema(), outside)?;
                Ok(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.bound(Arc::unwrap_or_clone(alias.input), outside)?;
                Ok(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias)?))
            }
            LogicalPlan::Subquery(subquery) => self.bound(Arc::unwrap_or_clone(subquery.subquery), outside),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.bound(Arc::unwrap_or_clone(input), outside)?;
                Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(input))))
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, outside),
            LogicalPlan::Window(window) => self.window(window, outside),
            LogicalPlan::Sort(Sort { input, fetch: None, .. }) => {
                // Rows have no order in what is joined.
                self.bound(Arc::unwrap_or_clone(input), outside)
            }
            LogicalPlan::Sort(Sort { expr, input, fetch: Some(fetch) }) => {
                self.first(Arc::unwrap_or_clone(input), expr, 0, Some(fetch), outside)
            }
            LogicalPlan::Limit(limit) => self.limit(limit, outside),
            LogicalPlan::Union(union) => self.union(union, outside),
            LogicalPlan::Join(join) => self.bound_join(join, outside),
            LogicalPlan::Unnest(unnest) => {
                let columns = unnest.schema.columns();
                let input = self.bound(Arc::unwrap_or_clone(unnest.input), outside)?;
                let unnested = LogicalPlanBuilder::from(input)
                    .unnest_columns_with_options(unnest.exec_columns, unnest.options)?
                    .build()?;
                in_order(columns, unnested, outside)
            }
            _ => not_impl_err!("a subquery of this form that reads columns from outside is not supported"),
        }
    }

    fn aggregate(&mut self, aggregate: Aggregate, outside: &Outside) -> EngineResult<LogicalPlan> {
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return not_impl_err!("grouping sets in a subquery that reads columns from outside are not supported");
        }
        let columns = aggregate.schema.columns();
        let is_one = aggregate.group_expr.is_empty();
        let input = self.bound(Arc::unwrap_or_clone(aggregate.input), outside)?;
        let names = NamePreserver::new_for_projection();
        let mut groups = replaced_all(aggregate.group_expr, &names, input.schema(), outside)?;
        groups.extend(found(input.schema(), &outside.names)?.into_iter().map(Expr::Column));
        let aggregates = replaced_all(aggregate.aggr_expr, &names, input.schema(), outside)?;
        let empty = aggregates.iter().map(when_empty).collect::<EngineResult<Vec<_>>>()?;
        let changed = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), groups, aggregates)?);
        if !is_one {
            return in_order(columns, changed, outside);
        }
        // Without groups there is one row for each combination, also where there is nothing to aggregate.
        let inner: Vec<String> = outside.names.iter().map(|_| self.fresh("inner")).collect();
        let keys = found(changed.schema(), &outside.names)?;
        let mut exprs: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
        exprs.extend(keys.into_iter().zip(&inner).map(|(key, name)| Expr::Column(key).alias(name)));
        let changed = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(changed))?);
        let outer: Vec<Column> = outside.names.iter().map(Column::new_unqualified).collect();
        let inner: Vec<Column> = inner.into_iter().map(Column::new_unqualified).collect();
        let pairs = with_values(outside.rows.schema(), outer.clone(), inner);
        let joined = LogicalPlanBuilder::from(outside.rows.clone())
            .join_detailed(changed, JoinType::Left, pairs, None, NullEquality::NullEqualsNull)?
            .build()?;
        let mut exprs = Vec::with_capacity(columns.len() + outer.len());
        for (column, empty) in columns.into_iter().zip(empty) {
            let value = Expr::Column(column.clone());
            exprs.push(if empty.is_null() {
                value
            } else {
                let known = coalesce().call(vec![value, Expr::Literal(empty, None)]);
                known.alias_qualified(column.relation, column.name)
            });
        }
        exprs.extend(outer.into_iter().map(Expr::Column));
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(joined))?))
    }

    fn window(&mut self, window: Window, outside: &Outside) -> EngineResult<LogicalPlan> {
        let columns = window.schema.columns();
        let input = self.bound(Arc::unwrap_or_clone(window.input), outside)?;
        let keys: Vec<Expr> = found(input.schema(), &outside.names)?.into_iter().map(Expr::Column).collect();
        let names = NamePreserver::new_for_projection();
        let mut exprs = Vec::with_capacity(window.window_expr.len());
        for expr in window.window_expr {
            let name = names.save(&expr);
            let expr = replaced(expr, input.schema(), outside)?;
            let apart = expr.transform_up(|expr| match expr {
                Expr::WindowFunction(mut function) => {
                    function.params.partition_by.extend(keys.iter().cloned());
                    Ok(Transformed::yes(Expr::WindowFunction(function)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            exprs.push(name.restore(apart.data));
        }
        let changed = LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?);
        in_order(columns, changed, outside)
    }

    fn limit(&mut self, limit: Limit, outside: &Outside) -> EngineResult<LogicalPlan> {
        let number = |expr: &Option<Box<Expr>>| match expr.as_deref() {
            None | Some(Expr::Literal(ScalarValue::Int64(None), _)) => Ok(None),
            Some(Expr::Literal(ScalarValue::Int64(Some(number)), _)) => {
                Ok(Some(usize::try_from(*number).unwrap_or_default()))
            }
            Some(_) => {
                not_impl_err!("a computed `limit` in a subquery that reads columns from outside is not supported")
            }
        };
        let (skip, fetch) = (number(&limit.skip)?.unwrap_or(0), number(&limit.fetch)?);
        match Arc::unwrap_or_clone(limit.input) {
            LogicalPlan::Sort(Sort { expr, input, fetch: None }) => {
                self.first(Arc::unwrap_or_clone(input), expr, skip, fetch, outside)
            }
            // The engine puts what is ordered by and not selected below a selection of its own.
            LogicalPlan::Projection(projection) if matches!(*projection.input, LogicalPlan::Sort(_)) => {
                let sorted = Limit { skip: limit.skip, fetch: limit.fetch, input: projection.input };
                let below = LogicalPlan::Projection(Projection::try_new(
                    projection.expr,
                    Arc::new(LogicalPlan::Limit(sorted)),
                )?);
                self.bound(below, outside)
            }
            input => self.first(input, Vec::new(), skip, fetch, outside),
        }
    }

    /// The first rows of each combination.
    fn first(
        &mut self,
        input: LogicalPlan,
        order: Vec<SortExpr>,
        skip: usize,
        fetch: Option<usize>,
        outside: &Outside,
    ) -> EngineResult<LogicalPlan> {
        let columns = input.schema().columns();
        let input = self.bound(input, outside)?;
        let keys = found(input.schema(), &outside.names)?.into_iter().map(Expr::Column).collect();
        let mut ordered = Vec::with_capacity(order.len());
        for SortExpr { expr, asc, nulls_first } in order {
            ordered.push(replaced(expr, input.schema(), outside)?.sort(asc, nulls_first));
        }
        let place = self.fresh("place");
        let numbered = row_number().partition_by(keys);
        let numbered = if ordered.is_empty() { numbered } else { numbered.order_by(ordered) };
        let numbered = numbered.build()?.alias(&place);
        let numbered = LogicalPlan::Window(Window::try_new(vec![numbered], Arc::new(input))?);
        let place = Expr::Column(Column::new_unqualified(place));
        let mut condition = place.clone().gt(lit(skip as u64));
        if let Some(fetch) = fetch {
            condition = condition.and(place.lt_eq(lit(skip.saturating_add(fetch) as u64)));
        }
        let kept = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(numbered))?);
        in_order(columns, kept, outside)
    }

    fn union(&mut self, union: Union, outside: &Outside) -> EngineResult<LogicalPlan> {
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in union.inputs {
            inputs.push(Arc::new(self.bound(Arc::unwrap_or_clone(input), outside)?));
        }
        let outer = outside.rows.schema();
        let schema = Arc::new(union.schema.join(outer)?);
        Ok(LogicalPlan::Union(Union { inputs, schema }))
    }

    fn bound_join(&mut self, join: Join, outside: &Outside) -> EngineResult<LogicalPlan> {
        use JoinType::{Full, Inner, Left, LeftAnti, LeftSemi, Right};
        let columns = join.schema.columns();
        let (reads_left, reads_right) = (reads(&join.left, &outside.asked)?, reads(&join.right, &outside.asked)?);
        // The side whose rows are kept has to be there for each combination.
        let keeps_left = matches!(join.join_type, Inner | Left | LeftSemi | LeftAnti);
        if join.join_type == Full || !(keeps_left || join.join_type == Right) {
            return not_impl_err!("this kind of join in a subquery that reads columns from outside is not supported");
        }
        let needs_left = reads_left || keeps_left && (join.join_type != Inner || !reads_right);
        let needs_right = reads_right || !keeps_left;
        let bound = |this: &mut Self, side: Arc<LogicalPlan>, needs: bool| {
            let side = Arc::unwrap_or_clone(side);
            if needs { this.bound(side, outside) } else { Ok(side) }
        };
        let left = bound(self, join.left, needs_left)?;
        let mut right = bound(self, join.right, needs_right)?;
        let mut filter = join.filter;
        // A pair that reads from outside is no key of one side any more.
        let mut on = Vec::with_capacity(join.on.len());
        for (one, other) in join.on {
            if any_reads(&[one.clone(), other.clone()], &outside.asked)? {
                let op = match join.null_equality {
                    NullEquality::NullEqualsNothing => Operator::Eq,
                    NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
                };
                let same = Expr::BinaryExpr(BinaryExpr::new(Box::new(one), op, Box::new(other)));
                filter = Some(filter.map_or(same.clone(), |filter| filter.and(same)));
            } else {
                on.push((one, other));
            }
        }
        let mut both: Vec<(Column, Column)> = Vec::new();
        if needs_left && needs_right {
            let keys = found(right.schema(), &outside.names)?;
            let renamed: Vec<String> = keys.iter().map(|_| self.fresh("other")).collect();
            let exprs =
                right.schema().columns().into_iter().map(|column| match keys.iter().position(|key| *key == column) {
                    Some(place) => Expr::Column(column).alias(&renamed[place]),
                    None => Expr::Column(column),
                });
            right = LogicalPlan::Projection(Projection::try_new(exprs.collect(), Arc::new(right))?);
            let own = found(left.schema(), &outside.names)?;
            both = own.into_iter().zip(renamed.into_iter().map(Column::new_unqualified)).collect();
        }
        let schema = left.schema().join(right.schema())?;
        filter = filter.map(|filter| replaced(filter, &schema, outside)).transpose()?;
        for (left, right) in both.iter().cloned() {
            let same = Expr::BinaryExpr(BinaryExpr::new(
                Box::new(Expr::Column(left)),
                Operator::IsNotDistinctFrom,
                Box::new(Expr::Column(right)),
            ));
            filter = Some(filter.map_or(same.clone(), |filter| filter.and(same)));
        }
        let changed = Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on,
            filter,
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let changed = LogicalPlan::Join(changed);
        if join.join_type == Right && !both.is_empty() {
            // The combinations of the side that is kept.
            let mut exprs: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
            exprs.extend(both.into_iter().zip(&outside.names).map(|((_, kept), name)| Expr::Column(kept).alias(name)));
            return Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(changed))?));
        }
        in_order(columns, changed, outside)
    }
}

/// An expression that takes what is from outside out of the combinations.
fn replaced(expr: Expr, schema: &DFSchema, outside: &Outside) -> EngineResult<Expr> {
    let keys = found(schema, &outside.names)?;
    let key = |column: &Column| keys.get(outside.asked.iter().position(|asked| asked == column)?).cloned();
    // In the expression it is a column now, in subqueries within it one of the query around them.
    let outer = |column: &Column| {
        let key = key(column)?;
        let field = schema.field_from_column(&key).ok()?;
        Some(Expr::OuterReferenceColumn(Arc::clone(field), key))
    };
    let own = [Arc::new(schema.clone())];
    let expr = renamed_in(expr, &outer, &mut Vec::new(), &own)?;
    expr.transform_up(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) if keys.contains(&column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })
    .map(|changed| changed.data)
}

fn replaced_all(
    exprs: Vec<Expr>,
    names: &NamePreserver,
    schema: &DFSchema,
    outside: &Outside,
) -> EngineResult<Vec<Expr>> {
    let mut changed = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let name = names.save(&expr);
        changed.push(name.restore(replaced(expr, schema, outside)?));
    }
    Ok(changed)
}

/// What an aggregate gives where there is nothing to aggregate.
fn when_empty(expr: &Expr) -> EngineResult<ScalarValue> {
    match expr {
        Expr::Alias(alias) => when_empty(&alias.expr),
        Expr::AggregateFunction(function) => function.func.default_value(&DataType::Int64),
        _ => Ok(ScalarValue::Null),
    }
}

/// Columns of a subquery, and those of the combinations after them.
fn in_order(columns: Vec<Column>, plan: LogicalPlan, outside: &Outside) -> EngineResult<LogicalPlan> {
    let outer = found(plan.schema(), &outside.names)?;
    only(columns.into_iter().chain(outer), plan)
}

/// The pairs of keys without those that have no type: these are null in all rows, and the engine's joins lose the rows.
pub(super) fn with_values(schema: &DFSchema, left: Vec<Column>, right: Vec<Column>) -> (Vec<Column>, Vec<Column>) {
    let has_type = |column: &Column| schema.data_type(column).is_ok_and(|found| !found.is_null());
    left.into_iter().zip(right).filter(|(column, _)| has_type(column)).unzip()
}
