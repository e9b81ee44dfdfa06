//! Subqueries that read columns of the query around them, in every shape.
//!
//! The engine makes joins of them where they compare for equality and aggregate. [`Correlated`] takes the others, before
//! the engine checks the plan: values of a lookup without an aggregate, comparisons other than `=`, `order by … limit`,
//! `distinct`, windows, `union`, and `unnest` of a column from outside. A lookup for equality is given an aggregate, so
//! that the engine can go on with it. For all else the subquery is asked once for every different combination of the
//! columns that it reads from outside, and the answers are joined to the rows that ask (T. Neumann and A. Kemper,
//! "Unnesting Arbitrary Queries", BTW 2015): these combinations are joined below, and each step of the subquery keeps
//! them apart.
//!
//! A subquery that stands for a value and has two rows for a row that asks fails while running, as in Postgres.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{
    Column, DFSchema, DFSchemaRef, ExprSchema as _, NullEquality, Result as EngineResult, ScalarValue, TableReference,
    not_impl_err, plan_err,
};
use datafusion::functions::core::named_struct;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Aggregate, Distinct, Window};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, Sort, SortExpr, Subquery, SubqueryAlias,
    lit, when,
};
use datafusion::optimizer::AnalyzerRule;

use crate::base::limits;
use crate::engine::correlated::bound::with_values;
use crate::engine::correlated::only_row::{nullable, only_row};
use crate::engine::correlated::shape::{
    Use, asked_columns, asks, has_one_row, has_subquery, has_taken, is_plain, is_taken, lateral, may_be_empty,
    outer_columns,
};
use crate::engine::membership::only;

mod bound;
mod only_row;
mod shape;

/// The rule of this module.
#[derive(Debug)]
pub(crate) struct Correlated;

impl AnalyzerRule for Correlated {
    fn name(&self) -> &'static str {
        "correlated"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> EngineResult<LogicalPlan> {
        if !asks(&plan)? {
            return Ok(plan);
        }
        let mut rewriter = Rewriter { made: 0, copied: 0, is_widened: false };
        let each = |node| {
            let node = rewriter.with_nulls(node)?;
            let node = rewriter.node(node)?;
            rewriter.is_widened |= node.transformed;
            // What may be null now is so in all that is made from it.
            if rewriter.is_widened { Ok(Transformed::yes(node.data.recompute_schema()?)) } else { Ok(node) }
        };
        plan.transform_up_with_subqueries(each).map(|changed| changed.data)
    }
}

struct Rewriter {
    /// How many names were made.
    made: usize,
    /// Steps of the plan that are there twice.
    copied: u64,
    /// Whether a value may be null of which the engine has not known it.
    is_widened: bool,
}

/// What a subquery reads from outside: every different combination of it, as rows.
struct Outside {
    /// The columns of the rows that ask.
    asked: Vec<Column>,
    /// What these are called in `rows`.
    names: Vec<String>,
    /// The combinations.
    rows: LogicalPlan,
}

/// The rows that ask, and what was joined to them so far.
struct Asking {
    /// As they came.
    rows: LogicalPlan,
    /// With answers.
    joined: LogicalPlan,
}

impl Asking {
    fn new(rows: LogicalPlan) -> Self {
        Self { joined: rows.clone(), rows }
    }
}

impl Rewriter {
    fn fresh(&mut self, what: &str) -> String {
        self.made += 1;
        format!("__{what}_{}", self.made)
    }

    /// Says of values of subqueries which may have no row that they may be null: the engine takes them for as null as
    /// their column, and fails when there is no row. Those that read from outside are joined, which says it.
    fn with_nulls(&mut self, plan: LogicalPlan) -> EngineResult<LogicalPlan> {
        let mut is_widened = false;
        let changed = plan.map_expressions(|expr| {
            expr.transform_up(|expr| match expr {
                Expr::ScalarSubquery(asked)
                    if may_be_empty(&asked.subquery) && outer_columns(&asked.subquery)?.is_empty() =>
                {
                    is_widened = true;
                    let (relation, field) = asked.subquery.schema().qualified_field(0);
                    let value = Expr::Column(Column::from((relation, field)));
                    let value = nullable().call(vec![value]).alias_qualified(relation.cloned(), field.name());
                    let rows = Projection::try_new(vec![value], Arc::clone(&asked.subquery))?;
                    Ok(Transformed::yes(Expr::ScalarSubquery(asked.with_plan(Arc::new(LogicalPlan::Projection(rows))))))
                }
                other => Ok(Transformed::no(other)),
            })
        })?;
        self.is_widened |= is_widened;
        Ok(changed.data)
    }

    /// Takes the subqueries of one step that the engine can't.
    fn node(&mut self, plan: LogicalPlan) -> EngineResult<Transformed<LogicalPlan>> {
        let plan = match plan {
            LogicalPlan::Join(join) => return self.join(join),
            LogicalPlan::Sort(sort) => return self.sort(sort),
            plan => plan,
        };
        let at_hand: Vec<DFSchemaRef> = plan.inputs().into_iter().map(|input| Arc::clone(input.schema())).collect();
        let mut is_asking = false;
        plan.apply_expressions(|expr| {
            is_asking |= has_taken(expr, &at_hand)?;
            Ok(if is_asking { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if !is_asking {
            return Ok(Transformed::no(plan));
        }
        let columns = plan.schema().columns();
        match plan {
            LogicalPlan::Projection(projection) => {
                let names = NamePreserver::new_for_projection();
                let mut input = Asking::new(Arc::unwrap_or_clone(projection.input));
                let exprs = self.all_computed(projection.expr, &names, &mut input)?;
                Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input.joined))?)))
            }
            LogicalPlan::Filter(filter) => {
                let mut input = Asking::new(Arc::unwrap_or_clone(filter.input));
                let predicate = self.computed(filter.predicate, &mut input)?;
                let changed = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input.joined))?);
                Ok(Transformed::yes(only(columns, changed)?))
            }
            LogicalPlan::Aggregate(aggregate) => {
                let names = NamePreserver::new_for_projection();
                let mut input = Asking::new(Arc::unwrap_or_clone(aggregate.input));
                let groups = self.all_computed(aggregate.group_expr, &names, &mut input)?;
                let aggregates = self.all_computed(aggregate.aggr_expr, &names, &mut input)?;
                let changed = Aggregate::try_new(Arc::new(input.joined), groups, aggregates)?;
                Ok(Transformed::yes(LogicalPlan::Aggregate(changed)))
            }
            LogicalPlan::Window(window) => {
                let names = NamePreserver::new_for_projection();
                let mut input = Asking::new(Arc::unwrap_or_clone(window.input));
                let exprs = self.all_computed(window.window_expr, &names, &mut input)?;
                let changed = LogicalPlan::Window(Window::try_new(exprs, Arc::new(input.joined))?);
                Ok(Transformed::yes(only(columns, changed)?))
            }
            plan => Ok(Transformed::no(plan)),
        }
    }

    /// An order by what subqueries say: the engine takes these in a list of what is selected, and not here.
    fn sort(&mut self, sort: Sort) -> EngineResult<Transformed<LogicalPlan>> {
        if !sort.expr.iter().any(|SortExpr { expr, .. }| has_subquery(expr)) {
            return Ok(Transformed::no(LogicalPlan::Sort(sort)));
        }
        let mut asked = BTreeSet::new();
        for SortExpr { expr, .. } in &sort.expr {
            asked.extend(asked_columns(expr)?);
        }
        let columns = sort.input.schema().columns();
        let mut input = Arc::unwrap_or_clone(sort.input);
        if let LogicalPlan::Projection(projection) = &input {
            // What is ordered by need not be selected.
            let below = projection.input.schema();
            let is_missing = |column: &Column| !projection.schema.has_column(column) && below.has_column(column);
            let missing: Vec<Column> = asked.into_iter().filter(is_missing).collect();
            if !missing.is_empty() {
                let exprs = projection.expr.iter().cloned().chain(missing.into_iter().map(Expr::Column)).collect();
                input = LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(&projection.input))?);
            }
        }
        let mut exprs: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let mut order = Vec::with_capacity(sort.expr.len());
        for SortExpr { expr, asc, nulls_first } in sort.expr {
            if has_subquery(&expr) {
                let key = self.fresh("key");
                exprs.push(expr.alias(&key));
                order.push(Expr::Column(Column::new_unqualified(key)).sort(asc, nulls_first));
            } else {
                order.push(expr.sort(asc, nulls_first));
            }
        }
        let keyed = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?);
        let keyed = self.node(keyed)?.data;
        let sorted = LogicalPlan::Sort(Sort { expr: order, input: Arc::new(keyed), fetch: sort.fetch });
        Ok(Transformed::yes(only(columns, sorted)?))
    }

    /// The right side of a join, if it reads from the left one in a way that the engine has no join for.
    fn taken_lateral(join: &Join) -> EngineResult<Option<(&LogicalPlan, Option<TableReference>)>> {
        let marked = lateral(&join.right);
        let is_marked = marked.is_some();
        let (asked, alias) = marked.unwrap_or((&join.right, None));
        let outer = outer_columns(asked)?;
        let is_at_hand = outer.iter().any(|column| join.left.schema().has_column(column));
        // The engine does not see what only subqueries within read.
        let is_taken = is_at_hand && !(is_marked && is_plain(asked, &outer, Use::Lateral)?);
        Ok(is_taken.then_some((asked, alias)))
    }

    /// A join whose condition asks, or whose right side is `lateral`.
    fn join(&mut self, join: Join) -> EngineResult<Transformed<LogicalPlan>> {
        if matches!(join.join_type, JoinType::Inner | JoinType::Left)
            && let Some((asked, alias)) = Self::taken_lateral(&join)?
        {
            let columns = join.schema.columns();
            let outside = self.outside(&join.left, asked)?;
            let mut right = self.bound(asked.clone(), &outside)?;
            let (left, on, filter) = (Arc::unwrap_or_clone(join.left), join.on, join.filter);
            if let Some(alias) = alias {
                right = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(right), alias)?);
            }
            let keys = found(right.schema(), &outside.names)?;
            let conditions = on.into_iter().map(|(left, right)| left.eq(right)).chain(filter);
            let filter = conditions.reduce(Expr::and);
            let keys = with_values(left.schema(), outside.asked, keys);
            let joined = LogicalPlanBuilder::from(left)
                .join_detailed(right, join.join_type, keys, filter, NullEquality::NullEqualsNull)?
                .build()?;
            return Ok(Transformed::yes(only(columns, joined)?));
        }
        let Some(filter) = join.filter.clone() else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
        let at_hand = [Arc::clone(join.left.schema()), Arc::clone(join.right.schema())];
        if !has_taken(&filter, &at_hand)? {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        let columns = join.schema.columns();
        let mut left = Asking::new(join.left.as_ref().clone());
        let mut right = Asking::new(join.right.as_ref().clone());
        let (mut within, mut above) = (Vec::new(), Vec::new());
        for condition in split_conjunction(&filter) {
            if !has_taken(condition, &at_hand)? {
                within.push(condition.clone());
                continue;
            }
            let asked = asked_columns(condition)?;
            let all_in = |schema: &DFSchema| asked.iter().all(|column| schema.has_column(column));
            if all_in(left.rows.schema()) {
                within.push(self.computed(condition.clone(), &mut left)?);
            } else if all_in(right.rows.schema()) {
                within.push(self.computed(condition.clone(), &mut right)?);
            } else if join.join_type == JoinType::Inner {
                above.push(condition.clone());
            } else {
                return not_impl_err!(
                    "a subquery in the condition of an outer join that reads columns of both sides is not supported"
                );
            }
        }
        let changed = Join::try_new(
            Arc::new(left.joined),
            Arc::new(right.joined),
            join.on,
            within.into_iter().reduce(Expr::and),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let mut plan = LogicalPlan::Join(changed);
        if let Some(condition) = above.into_iter().reduce(Expr::and) {
            let mut rows = Asking::new(plan);
            let predicate = self.computed(condition, &mut rows)?;
            plan = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(rows.joined))?);
        }
        Ok(Transformed::yes(only(columns, plan)?))
    }

    fn all_computed(&mut self, exprs: Vec<Expr>, names: &NamePreserver, input: &mut Asking) -> EngineResult<Vec<Expr>> {
        let mut computed = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let name = names.save(&expr);
            computed.push(name.restore(self.computed(expr, input)?));
        }
        Ok(computed)
    }

    /// Lets the input compute what an expression asks; gives the expression that takes it from there.
    fn computed(&mut self, expr: Expr, input: &mut Asking) -> EngineResult<Expr> {
        let at_hand = [Arc::clone(input.rows.schema())];
        expr.transform_up(|expr| {
            if !is_taken(&expr, &at_hand)? {
                return Ok(Transformed::no(expr));
            }
            match expr {
                Expr::ScalarSubquery(asked) => self.value(&asked, input).map(Transformed::yes),
                Expr::Exists(Exists { subquery, negated }) => {
                    let found = self.any(subquery.subquery.as_ref().clone(), input)?;
                    Ok(Transformed::yes(if negated { found.is_null() } else { found.is_not_null() }))
                }
                Expr::InSubquery(asked) => self.among(asked, input).map(Transformed::yes),
                other => Ok(Transformed::no(other)),
            }
        })
        .map(|changed| changed.data)
    }

    /// The value of a subquery.
    fn value(&mut self, asked: &Subquery, input: &mut Asking) -> EngineResult<Expr> {
        let plan = asked.subquery.as_ref();
        let outer = outer_columns(plan)?;
        if is_plain(plan, &outer, Use::Lookup)? {
            // The engine joins it once it has an aggregate.
            let rows = counted(plan.clone(), Vec::new())?;
            let value = Expr::Column(Column::from(rows.schema().qualified_field(0)));
            let rows = LogicalPlan::Projection(Projection::try_new(vec![value], Arc::new(rows))?);
            return Ok(only_row().call(vec![Expr::ScalarSubquery(asked.with_plan(Arc::new(rows)))]));
        }
        let outside = self.outside(&input.rows, plan)?;
        let mut answers = self.bound(plan.clone(), &outside)?;
        if !has_one_row(plan) {
            let keys = found(answers.schema(), &outside.names)?;
            answers = counted(answers, keys)?;
        }
        let answer = self.fresh("answer");
        let value = Expr::Column(Column::from(answers.schema().qualified_field(0)));
        let value = if has_one_row(plan) { value } else { only_row().call(vec![value]) };
        joined(input, outside, answers, value.alias(&answer))?;
        Ok(Expr::Column(Column::new_unqualified(answer)))
    }

    /// Something that is not null where a subquery has rows.
    fn any(&mut self, asked: LogicalPlan, input: &mut Asking) -> EngineResult<Expr> {
        let outside = self.outside(&input.rows, &asked)?;
        let rows = self.bound(asked, &outside)?;
        let keys = found(rows.schema(), &outside.names)?;
        let answers = LogicalPlan::Distinct(Distinct::All(Arc::new(only(keys, rows)?)));
        let answer = self.fresh("found");
        joined(input, outside, answers, lit(true).alias(&answer))?;
        Ok(Expr::Column(Column::new_unqualified(answer)))
    }

    /// `value in (select …)`, unknown where SQL says so: nothing is equal, but the value or one of the others is null.
    fn among(&mut self, asked: InSubquery, input: &mut Asking) -> EngineResult<Expr> {
        let InSubquery { expr, subquery, negated } = asked;
        let plan = subquery.subquery.as_ref();
        let schema = Arc::clone(input.rows.schema());
        let value = expr.transform_up(|expr| match expr {
            Expr::Column(column) => {
                let field = Arc::clone(schema.field_from_column(&column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let other = Expr::Column(Column::from(plan.schema().qualified_field(0)));
        let with = |condition: Expr| Filter::try_new(condition, Arc::new(plan.clone())).map(LogicalPlan::Filter);
        let equal = self.any(with(other.clone().eq(value.data.clone()))?, input)?;
        let unknown = self.any(with(other.is_null().or(value.data.is_null()))?, input)?;
        let found = when(equal.is_not_null(), lit(true))
            .when(unknown.is_not_null(), Expr::Literal(ScalarValue::Boolean(None), None))
            .otherwise(lit(false))?;
        Ok(if negated { Expr::Not(Box::new(found)) } else { found })
    }

    /// What a subquery reads of the rows around it.
    fn outside(&mut self, input: &LogicalPlan, asked: &LogicalPlan) -> EngineResult<Outside> {
        // What is asked of the rows further out is decided there.
        let asked: Vec<Column> =
            outer_columns(asked)?.into_iter().filter(|column| input.schema().has_column(column)).collect();
        let mut steps = 0_u64;
        input.apply(|_| {
            steps += 1;
            Ok(TreeNodeRecursion::Continue)
        })?;
        self.copied += steps;
        if self.copied > limits::SQL_PLAN_STEPS {
            return plan_err!("the query has too many steps when its subqueries are joined");
        }
        let is_volatile = |plan: &LogicalPlan| {
            let mut is_volatile = false;
            plan.apply_expressions(|expr| {
                is_volatile |= expr.is_volatile();
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(is_volatile)
        };
        if input.exists(is_volatile)? {
            return not_impl_err!(
                "a subquery that reads rows which `random()` or another function of chance has made is not supported"
            );
        }
        let names: Vec<String> = asked.iter().map(|_| self.fresh("outer")).collect();
        let exprs = asked.iter().zip(&names).map(|(column, name)| Expr::Column(column.clone()).alias(name));
        let rows = LogicalPlan::Projection(Projection::try_new(exprs.collect(), Arc::new(input.clone()))?);
        Ok(Outside { asked, names, rows: LogicalPlan::Distinct(Distinct::All(Arc::new(rows))) })
    }
}

/// Joins answers to the rows that ask.
fn joined(input: &mut Asking, outside: Outside, answers: LogicalPlan, answer: Expr) -> EngineResult<()> {
    let keys = found(answers.schema(), &outside.names)?;
    let mut exprs = vec![answer];
    exprs.extend(keys.into_iter().zip(&outside.names).map(|(key, name)| Expr::Column(key).alias(name)));
    let answers = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(answers))?);
    let keys: Vec<Column> = outside.names.iter().map(Column::new_unqualified).collect();
    input.joined = LogicalPlanBuilder::from(input.joined.clone())
        .join_detailed(answers, JoinType::Left, (outside.asked, keys), None, NullEquality::NullEqualsNull)?
        .build()?;
    Ok(())
}

/// The columns of these names, whatever relation they belong to by now.
fn found(schema: &DFSchema, names: &[String]) -> EngineResult<Vec<Column>> {
    names.iter().map(|name| schema.qualified_field_with_unqualified_name(name).map(Column::from)).collect()
}

/// The first row of each group and how many there are, in one column; the groups after it.
fn counted(plan: LogicalPlan, groups: Vec<Column>) -> EngineResult<LogicalPlan> {
    let value = Expr::Column(Column::from(plan.schema().qualified_field(0)));
    let aggregates = vec![
        first_value_udaf().call(vec![value]).alias("__first"),
        count_udaf().call(vec![lit(1_i64)]).alias("__rows"),
    ];
    let by = groups.iter().cloned().map(Expr::Column).collect();
    let aggregated = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), by, aggregates)?);
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let both = named_struct().call(vec![lit("first"), column("__first"), lit("rows"), column("__rows")]);
    let exprs = std::iter::once(both.alias("__counted")).chain(groups.into_iter().map(Expr::Column));
    Ok(LogicalPlan::Projection(Projection::try_new(exprs.collect(), Arc::new(aggregated))?))
}
