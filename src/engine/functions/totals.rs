//! `avg` of decimals that is a float, as in DuckDB, and `sum` of integers that does not wrap around.

use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array, UInt64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::{average, sum};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};

use super::replaced::MOST_DIGITS;

/// Both functions.
pub(super) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    vec![
        Arc::new(AggregateUDF::new_from_impl(Average { inner: average::avg_udaf() })),
        Arc::new(AggregateUDF::new_from_impl(Sum { inner: sum::sum_udaf() })),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Average {
    inner: Arc<AggregateUDF>,
}

/// The same arguments for the engine's function, which gives a decimal for decimals.
#[expect(clippy::needless_pass_by_value, reason = "the arguments go on in what is given back")]
fn of_decimals<'a>(inner: &AggregateUDF, args: AccumulatorArgs<'a>) -> Result<Option<AccumulatorArgs<'a>>> {
    let Some(field) = args.expr_fields.first().filter(|field| field.data_type().is_decimal()) else { return Ok(None) };
    let output = inner.return_type(&[field.data_type().clone()])?;
    let return_field = Arc::new(Field::new(args.return_field.name(), output, true));
    Ok(Some(AccumulatorArgs { return_field, ..args }))
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [found] if found.is_decimal() => Ok(DataType::Float64),
            types => self.inner.return_type(types),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match of_decimals(&self.inner, args.clone())? {
            Some(args) => Ok(Box::new(Mean { inner: self.inner.accumulator(args)? })),
            None => self.inner.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match of_decimals(&self.inner, args.clone())? {
            Some(args) => Ok(Box::new(Means { inner: self.inner.create_groups_accumulator(args)? })),
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match of_decimals(&self.inner, args.clone())? {
            Some(args) => Ok(Box::new(Mean { inner: self.inner.create_sliding_accumulator(args)? })),
            None => self.inner.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_udf()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// The quotients of sums and counts. The sum is divided once, so that no digit is lost twice.
#[expect(clippy::cast_precision_loss, reason = "the result is a float")]
fn quotients(sums: &ArrayRef, counts: &UInt64Array) -> Result<ArrayRef> {
    let scale = match sums.data_type() {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale,
        other => return internal_err!("a sum of decimals is {other}"),
    };
    let sums = cast(sums, &DataType::Decimal128(MOST_DIGITS, scale))?;
    let unit = 10_f64.powi(i32::from(scale));
    let means = sums.as_primitive::<Decimal128Type>().iter().zip(counts.iter()).map(|(sum, count)| {
        let count = count.filter(|count| *count > 0)?;
        Some(sum? as f64 / (unit * count as f64))
    });
    Ok(Arc::new(means.collect::<Float64Array>()))
}

/// The mean of decimals of one group, from the engine's count and sum, or from its list of different values.
#[derive(Debug)]
struct Mean {
    inner: Box<dyn Accumulator>,
}

impl Accumulator for Mean {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (sum, count) = match self.inner.state()?.as_slice() {
            [count, sum] => (sum.to_array()?, count.to_array()?),
            [ScalarValue::List(list)] => {
                let values = list.values();
                let DataType::Decimal128(_, scale) = values.data_type() else {
                    return self.inner.evaluate()?.cast_to(&DataType::Float64);
                };
                let sum = values.as_primitive::<Decimal128Type>().iter().flatten().try_fold(0_i128, i128::checked_add);
                let sum = sum.ok_or_else(|| ArrowError::ArithmeticOverflow("overflow in avg".to_owned()))?;
                let count = u64::try_from(values.len() - values.null_count()).unwrap_or(u64::MAX);
                let sum = ScalarValue::Decimal128(Some(sum), MOST_DIGITS, *scale).to_array()?;
                (sum, Arc::new(UInt64Array::from(vec![count])) as ArrayRef)
            }
            _ => return internal_err!("avg has another state"),
        };
        ScalarValue::try_from_array(&quotients(&sum, count.as_primitive::<UInt64Type>())?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }
}

/// The means of decimals of many groups.
struct Means {
    inner: Box<dyn GroupsAccumulator>,
}

impl GroupsAccumulator for Means {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        match self.inner.state(emit_to)?.as_slice() {
            [counts, sums] => quotients(sums, counts.as_primitive::<UInt64Type>()),
            _ => internal_err!("avg has another state"),
        }
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum {
    inner: Arc<AggregateUDF>,
}

fn is_of_integers(args: &AccumulatorArgs<'_>) -> bool {
    !args.is_distinct && *args.return_field.data_type() == DataType::Int64
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if is_of_integers(&args) { Ok(Box::<Total>::default()) } else { self.inner.accumulator(args) }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        if is_of_integers(&args) { Ok(Box::<Totals>::default()) } else { self.inner.create_groups_accumulator(args) }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if is_of_integers(&args) { Ok(Box::<Total>::default()) } else { self.inner.create_sliding_accumulator(args) }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_udf()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }

    fn value_from_stats(&self, args: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.inner.inner().value_from_stats(args)
    }
}

fn overflow() -> ArrowError {
    ArrowError::ArithmeticOverflow("the sum of integers is beyond bigint".to_owned())
}

/// The sum of one group. Only the result has to fit.
#[derive(Debug, Default)]
struct Total {
    sum: i128,
    count: u64,
}

impl Total {
    fn add(&mut self, values: &[ArrayRef], sign: i128) -> Result<()> {
        let [values] = values else { return internal_err!("there is not one column") };
        let values = values.as_primitive::<Int64Type>();
        // 2^63 values of 64 bits fit.
        if values.null_count() == 0 {
            self.sum += sign * values.values().iter().map(|value| i128::from(*value)).sum::<i128>();
        } else {
            self.sum += sign * values.iter().flatten().map(i128::from).sum::<i128>();
        }
        let count = u64::try_from(values.len() - values.null_count()).unwrap_or(u64::MAX);
        self.count = if sign > 0 { self.count.saturating_add(count) } else { self.count.saturating_sub(count) };
        Ok(())
    }
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return Ok(ScalarValue::Int64(None));
        }
        Ok(ScalarValue::Int64(Some(i64::try_from(self.sum).map_err(|_| overflow())?)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

/// The sums of many groups.
#[derive(Default)]
struct Totals {
    sums: Vec<i64>,
    /// Groups that have a value.
    seen: Vec<bool>,
}

impl GroupsAccumulator for Totals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        let [values] = values else { return internal_err!("there is not one column") };
        let values = values.as_primitive::<Int64Type>();
        self.sums.resize(total, 0);
        self.seen.resize(total, false);
        let has_all = values.null_count() == 0 && filter.is_none();
        let counts = |row: usize| {
            has_all || (values.is_valid(row) && filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row)))
        };
        for (row, (group, value)) in groups.iter().zip(values.values()).enumerate() {
            if counts(row) {
                let sum = &mut self.sums[*group];
                *sum = sum.checked_add(*value).ok_or_else(overflow)?;
                self.seen[*group] = true;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, seen) = (emit_to.take_needed(&mut self.sums), emit_to.take_needed(&mut self.seen));
        let sums = sums.into_iter().zip(seen).map(|(sum, seen)| seen.then_some(sum));
        Ok(Arc::new(sums.collect::<Int64Array>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.update_batch(values, groups, None, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let [values] = values else { return internal_err!("there is not one column") };
        let Some(filter) = filter else { return Ok(vec![Arc::clone(values)]) };
        let values = values.as_primitive::<Int64Type>().iter().zip(filter.iter());
        let kept = values.map(|(value, keeps)| value.filter(|_| keeps == Some(true)));
        Ok(vec![Arc::new(kept.collect::<Int64Array>())])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i64>() + self.seen.capacity()
    }
}
