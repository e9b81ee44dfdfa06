//! `count(distinct …)` of many groups without a set for each group.
//!
//! The engine counts the distinct values of all types but integers with one hash set per group, which takes some ten
//! kilobytes for a group with a single text. [`CountDistinct`] keeps one set of pairs (group, value) for all groups. It
//! spills as the engine's aggregates do: as lists of values.

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, Int64Array, ListArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{and, filter, is_not_null, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, UInt64Type};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result as EngineResult, ScalarValue, internal_err};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Alias};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, Aggregate, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, ExprSchemable as _, GroupsAccumulator,
    LogicalPlan, Signature, Volatility,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

/// Puts [`CountDistinct`] in the place of the engine's `count(distinct …)` where there are groups. It comes after the
/// engine's rules, so what they turn into a grouping of its own stays that.
#[derive(Debug)]
pub struct CountDistinctByPairs {
    function: Arc<AggregateUDF>,
}

impl CountDistinctByPairs {
    /// The rule.
    pub fn new() -> Self {
        let signature = Signature::any(1, Volatility::Immutable);
        Self { function: Arc::new(AggregateUDF::new_from_impl(CountDistinct { signature })) }
    }

    /// The expression with our function, under the name that it had.
    fn replaced(&self, expression: &Expr, input: &LogicalPlan) -> EngineResult<Option<Expr>> {
        let (call, alias) = match expression {
            Expr::Alias(Alias { expr, relation, name, .. }) => (expr.as_ref(), Some((relation.clone(), name.clone()))),
            call => (call, None),
        };
        let Expr::AggregateFunction(AggregateFunction { func, params }) = call else { return Ok(None) };
        let [argument] = params.args.as_slice() else { return Ok(None) };
        if func.name() != "count" || !params.distinct || !params.order_by.is_empty() {
            return Ok(None);
        }
        if !is_counted_by_pairs(&argument.get_type(input.schema())?) {
            return Ok(None);
        }
        let mut params = params.clone();
        params.distinct = false;
        let own = Expr::AggregateFunction(AggregateFunction { func: Arc::clone(&self.function), params });
        let (relation, name) = alias.unwrap_or_else(|| (None, expression.schema_name().to_string()));
        Ok(Some(own.alias_qualified(relation, name)))
    }
}

impl OptimizerRule for CountDistinctByPairs {
    fn name(&self) -> &'static str {
        "count_distinct_by_pairs"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> EngineResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        if aggregate.group_expr.is_empty() {
            return Ok(Transformed::no(plan));
        }
        let mut is_changed = false;
        let mut expressions = Vec::with_capacity(aggregate.aggr_expr.len());
        for expression in &aggregate.aggr_expr {
            let replaced = self.replaced(expression, &aggregate.input)?;
            is_changed |= replaced.is_some();
            expressions.push(replaced.unwrap_or_else(|| expression.clone()));
        }
        if !is_changed {
            return Ok(Transformed::no(plan));
        }
        let changed = Aggregate::try_new_with_schema(
            Arc::clone(&aggregate.input),
            aggregate.group_expr.clone(),
            expressions,
            Arc::clone(&aggregate.schema),
        )?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(changed)))
    }
}

/// Types for which two values are equal just when their bytes are, apart from integers, which the engine does well.
fn is_counted_by_pairs(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::Boolean
            | DataType::Date32
            | DataType::Timestamp(_, _)
            | DataType::Decimal128(_, _)
    )
}

/// The number of distinct values that are not null.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CountDistinct {
    signature: Signature,
}

impl AggregateUDFImpl for CountDistinct {
    fn name(&self) -> &'static str {
        "count_distinct"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> EngineResult<DataType> {
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> EngineResult<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> EngineResult<Vec<FieldRef>> {
        let [input] = arguments.input_fields else { return internal_err!("count_distinct takes one argument") };
        let item = Field::new_list_field(input.data_type().clone(), true);
        Ok(vec![Arc::new(Field::new_list(format_state_name(arguments.name, "count distinct"), item, false))])
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> EngineResult<Box<dyn Accumulator>> {
        // One group needs one set.
        count_udaf().accumulator(AccumulatorArgs { is_distinct: true, ..arguments })
    }

    fn groups_accumulator_supported(&self, _arguments: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> EngineResult<Box<dyn GroupsAccumulator>> {
        let [input] = arguments.expr_fields else { return internal_err!("count_distinct takes one argument") };
        Ok(Box::new(Pairs::new(input.data_type())?))
    }
}

/// The distinct values of all groups.
struct Pairs {
    item: FieldRef,
    /// The pairs (number of the group since the beginning, value).
    seen: Box<dyn GroupValues>,
    /// How many distinct values each group has that was not given out yet.
    counts: Vec<i64>,
    /// How many groups were given out.
    base: u64,
    /// How many pairs of `seen` belong to groups that were given out.
    stale: usize,
    /// Instead of `seen`: the values of all groups in the order of the groups, while they are being given out.
    sorted: Option<ArrayRef>,
    /// Reused for the places of pairs.
    places: Vec<usize>,
}

impl Pairs {
    fn new(data_type: &DataType) -> EngineResult<Self> {
        let item = Arc::new(Field::new_list_field(data_type.clone(), true));
        let seen = Self::no_pairs(&item)?;
        Ok(Self { item, seen, counts: Vec::new(), base: 0, stale: 0, sorted: None, places: Vec::new() })
    }

    fn no_pairs(item: &FieldRef) -> EngineResult<Box<dyn GroupValues>> {
        let group = Field::new("group", DataType::UInt64, false);
        let value = Field::new("value", item.data_type().clone(), true);
        new_group_values(Arc::new(Schema::new(vec![group, value])), &GroupOrdering::None)
    }

    /// Adds pairs whose values are not null; `groups` are counted from the beginning.
    fn add(&mut self, groups: UInt64Array, values: &ArrayRef) -> EngineResult<()> {
        let known = self.seen.len();
        let groups = Arc::new(groups);
        self.places.clear();
        self.seen.intern(&[Arc::clone(&groups) as ArrayRef, Arc::clone(values)], &mut self.places)?;
        let mut is_new = vec![true; self.seen.len() - known];
        for (place, group) in self.places.iter().zip(groups.values()) {
            let Some(first) = place.checked_sub(known).and_then(|place| is_new.get_mut(place)) else { continue };
            if std::mem::take(first)
                && let Some(count) = self.counts.get_mut(usize::try_from(group - self.base).unwrap_or(usize::MAX))
            {
                *count += 1;
            }
        }
        Ok(())
    }

    /// Takes the pairs of groups that were not given out: groups from the beginning, and values.
    fn drain(&mut self) -> EngineResult<(UInt64Array, ArrayRef)> {
        let columns = self.seen.emit(EmitTo::All)?;
        self.seen = Self::no_pairs(&self.item)?;
        let [groups, values] = columns.as_slice() else { return internal_err!("pairs have two columns") };
        let groups = groups.as_primitive::<UInt64Type>();
        if std::mem::take(&mut self.stale) == 0 {
            return Ok((groups.clone(), Arc::clone(values)));
        }
        let is_live = groups.values().iter().map(|group| Some(*group >= self.base)).collect::<BooleanArray>();
        Ok((filter(groups, &is_live)?.as_primitive::<UInt64Type>().clone(), filter(values, &is_live)?))
    }

    /// Makes ready for more pairs.
    fn open(&mut self, total_groups: usize) -> EngineResult<()> {
        if let Some(values) = self.sorted.take() {
            let groups = (self.base..).zip(&self.counts);
            let repeated = groups.flat_map(|(group, count)| (0..*count).map(move |_| group));
            let groups = UInt64Array::from_iter_values(repeated);
            self.counts.fill(0);
            self.add(groups, &values)?;
        }
        if self.stale > self.seen.len() / 2 {
            let (groups, values) = self.drain()?;
            self.counts.fill(0);
            self.add(groups, &values)?;
        }
        self.counts.resize(total_groups.max(self.counts.len()), 0);
        Ok(())
    }

    /// Makes ready for giving out values by group.
    fn sort(&mut self) -> EngineResult<ArrayRef> {
        if let Some(values) = self.sorted.take() {
            return Ok(values);
        }
        let (groups, values) = self.drain()?;
        let mut next = Vec::with_capacity(self.counts.len());
        let mut sum = 0;
        for count in &self.counts {
            next.push(sum);
            sum += usize::try_from(*count).unwrap_or(0);
        }
        let mut order = vec![0_u64; groups.len()];
        for (place, group) in (0_u64..).zip(groups.values()) {
            let Some(next) = next.get_mut(usize::try_from(group - self.base).unwrap_or(usize::MAX)) else { continue };
            if let Some(slot) = order.get_mut(*next) {
                *slot = place;
            }
            *next += 1;
        }
        Ok(take(&values, &UInt64Array::from(order), None)?)
    }

    /// Takes the counts of groups that are given out now.
    fn give(&mut self, emit_to: EmitTo) -> (Vec<i64>, usize) {
        let counts = emit_to.take_needed(&mut self.counts);
        self.base += counts.len() as u64;
        let pairs = counts.iter().map(|count| usize::try_from(*count).unwrap_or(0)).sum();
        (counts, pairs)
    }

    /// The numbers of groups since the beginning.
    fn numbered(&self, groups: impl Iterator<Item = usize>) -> UInt64Array {
        UInt64Array::from_iter_values(groups.map(|group| self.base + group as u64))
    }
}

/// The rows that count: those with a value that the filter, if there is one, lets pass.
fn counted(values: &ArrayRef, condition: Option<&BooleanArray>) -> EngineResult<Option<BooleanArray>> {
    let is_value = (values.null_count() > 0).then(|| is_not_null(values)).transpose()?;
    // An unknown condition is not met.
    let condition = condition.map(|condition| match condition.nulls() {
        Some(nulls) => BooleanArray::new(condition.values() & nulls.inner(), None),
        None => condition.clone(),
    });
    Ok(match (is_value, condition) {
        (Some(is_value), Some(condition)) => Some(and(&is_value, &condition)?),
        (only, None) | (None, only) => only,
    })
}

impl GroupsAccumulator for Pairs {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> EngineResult<()> {
        let [values] = values else { return internal_err!("count_distinct takes one argument") };
        self.open(total_num_groups)?;
        let groups = self.numbered(group_indices.iter().copied());
        match counted(values, opt_filter)? {
            None => self.add(groups, values),
            Some(is_counted) => {
                let groups = filter(&groups, &is_counted)?.as_primitive::<UInt64Type>().clone();
                self.add(groups, &filter(values, &is_counted)?)
            }
        }
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> EngineResult<()> {
        let [lists] = values else { return internal_err!("count_distinct has one state") };
        self.open(total_num_groups)?;
        let lists = lists.as_list::<i32>();
        let repeated =
            group_indices.iter().enumerate().flat_map(|(row, group)| (0..lists.value_length(row)).map(move |_| *group));
        let groups = self.numbered(repeated);
        let offsets = lists.value_offsets();
        let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
        let (first, last) = (usize::try_from(first).unwrap_or(0), usize::try_from(last).unwrap_or(0));
        self.add(groups, &lists.values().slice(first, last - first))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> EngineResult<ArrayRef> {
        let (counts, pairs) = self.give(emit_to);
        match self.sorted.take() {
            Some(values) => self.sorted = Some(values.slice(pairs, values.len() - pairs)),
            None => self.stale += pairs,
        }
        if self.counts.is_empty() {
            (self.sorted, self.stale) = (None, 0);
            self.seen = Self::no_pairs(&self.item)?;
        }
        Ok(Arc::new(Int64Array::from(counts)))
    }

    fn state(&mut self, emit_to: EmitTo) -> EngineResult<Vec<ArrayRef>> {
        let values = self.sort()?;
        let (counts, pairs) = self.give(emit_to);
        if !self.counts.is_empty() {
            self.sorted = Some(values.slice(pairs, values.len() - pairs));
        }
        let lengths = counts.iter().map(|count| usize::try_from(*count).unwrap_or(0));
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(vec![Arc::new(ListArray::try_new(Arc::clone(&self.item), offsets, values.slice(0, pairs), None)?)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> EngineResult<Vec<ArrayRef>> {
        let [values] = values else { return internal_err!("count_distinct takes one argument") };
        let (lengths, values) = match counted(values, opt_filter)? {
            None => (OffsetBuffer::from_lengths(std::iter::repeat_n(1, values.len())), Arc::clone(values)),
            Some(is_counted) => {
                let lengths = is_counted.values().iter().map(usize::from);
                (OffsetBuffer::from_lengths(lengths), filter(values, &is_counted)?)
            }
        };
        Ok(vec![Arc::new(ListArray::try_new(Arc::clone(&self.item), lengths, values, None)?)])
    }

    fn size(&self) -> usize {
        let sorted = self.sorted.as_ref().map_or(0, Array::get_array_memory_size);
        let numbers = self.counts.capacity() * size_of::<i64>() + self.places.capacity() * size_of::<usize>();
        self.seen.size() + sorted + numbers
    }
}

#[cfg(test)]
mod tests;
