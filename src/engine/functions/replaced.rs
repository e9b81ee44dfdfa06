//! Functions of the engine whose results have another type here: numbers of rows with a sign, and whole decimals that
//! do not overflow.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _, Decimal128Array};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::math;
use datafusion::functions_window::{ntile, rank, row_number};
use datafusion::logical_expr::function::{ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, LimitEffect, PartitionEvaluator, ReversedUDWF, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_plan::PhysicalExpr;

/// `row_number`, `rank`, `dense_rank` and `ntile` with 64 bits and a sign: differences of them may be negative.
pub(super) fn windows() -> Vec<Arc<WindowUDF>> {
    [row_number::row_number_udwf(), rank::rank_udwf(), rank::dense_rank_udwf(), ntile::ntile_udwf()]
        .into_iter()
        .map(|inner| Arc::new(WindowUDF::new_from_impl(Signed { inner })))
        .collect()
}

/// `ceil` and `floor` of decimals with a digit more before the point and none after it: 9.5 becomes 10.
pub(super) fn scalars() -> Vec<Arc<ScalarUDF>> {
    [(math::ceil(), true), (math::floor(), false)]
        .into_iter()
        .map(|(inner, is_up)| Arc::new(ScalarUDF::new_from_impl(Whole { inner, is_up })))
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Signed {
    inner: Arc<WindowUDF>,
}

impl WindowUDFImpl for Signed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn expressions(&self, args: ExpressionArgs<'_>) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.inner().expressions(args)
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(SignedEvaluator { inner: self.inner.inner().partition_evaluator(args)? }))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let name = args.name().to_owned();
        let field = self.inner.inner().field(args)?;
        Ok(Arc::new(Field::new(name, DataType::Int64, field.is_nullable())))
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.inner.inner().sort_options()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(types)
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        self.inner.inner().reverse_expr()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.inner().documentation()
    }

    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        self.inner.inner().limit_effect(args)
    }
}

#[derive(Debug)]
struct SignedEvaluator {
    inner: Box<dyn PartitionEvaluator>,
}

impl PartitionEvaluator for SignedEvaluator {
    fn memoize(&mut self, state: &mut WindowAggState) -> Result<()> {
        self.inner.memoize(state)
    }

    fn get_range(&self, index: usize, rows: usize) -> Result<Range<usize>> {
        self.inner.get_range(index, rows)
    }

    fn is_causal(&self) -> bool {
        self.inner.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        Ok(cast(&self.inner.evaluate_all(values, rows)?, &DataType::Int64)?)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        self.inner.evaluate(values, range)?.cast_to(&DataType::Int64)
    }

    fn evaluate_all_with_rank(&self, rows: usize, ranks: &[Range<usize>]) -> Result<ArrayRef> {
        Ok(cast(&self.inner.evaluate_all_with_rank(rows, ranks)?, &DataType::Int64)?)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.inner.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.inner.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.inner.include_rank()
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Whole {
    inner: Arc<ScalarUDF>,
    is_up: bool,
}

/// Most digits of a decimal of 128 bits.
pub(super) const MOST_DIGITS: u8 = 38;

impl ScalarUDFImpl for Whole {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Decimal128(precision, scale)] if *scale > 0 => {
                let whole = precision.saturating_sub(scale.unsigned_abs()).saturating_add(1).min(MOST_DIGITS);
                Ok(DataType::Decimal128(whole, 0))
            }
            types => self.inner.return_type(types),
        }
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(types)
    }

    fn is_strict(&self) -> bool {
        self.inner.inner().is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Decimal128(_, scale) = args.args[0].data_type() else {
            return self.inner.invoke_with_args(args);
        };
        let (0.., DataType::Decimal128(precision, 0)) = (scale - 1, args.return_field.data_type().clone()) else {
            return self.inner.invoke_with_args(args);
        };
        let values = ColumnarValue::values_to_arrays(&args.args)?;
        let values = values[0].as_primitive::<Decimal128Type>();
        let unit = 10_i128.pow(u32::from(scale.unsigned_abs()));
        let whole: Decimal128Array = values.unary(|value| {
            let (below, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
            if self.is_up && rest > 0 { below + 1 } else { below }
        });
        Ok(ColumnarValue::Array(Arc::new(whole.with_precision_and_scale(precision, 0)?)))
    }
}
