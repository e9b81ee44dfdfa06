//! Aggregates. Where the engine has an aggregate with the same meaning, the optimizer is given that one, because it
//! works on whole groups; what is here then only serves window functions, for which there is no such rewrite.

use std::collections::HashMap;
use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, make_comparator, new_null_array};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, internal_err, not_impl_err, plan_err};
use datafusion::functions_aggregate::string_agg::{StringAgg, string_agg_udaf};
use datafusion::functions_aggregate::{bool_and_or, count, first_last};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, Sort};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility, lit};
use datafusion::physical_expr::expressions::Literal;

use super::Entry;
use super::scalar::is_text;

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    let aggregate = |function: Own| AggregateUDF::new_from_impl(function);
    vec![
        Entry::aggregate(
            aggregate(Own::new("listagg", &[], Kind::Text { separator: "" })),
            "listagg(value [, separator] [order by ...])",
            "The values as one text, with a literal separator, which is empty unless given; `within group (order by \
             ...)` works too. Null if there are no values that are not null.",
            "select listagg(c, '-' order by c desc) from (values ('a'), ('b'), (null)) as t(c)",
            "b-a",
        ),
        Entry::aggregate(
            aggregate(Own::new("group_concat", &[], Kind::Text { separator: "," })),
            "group_concat(value [, separator] [order by ...])",
            "Like `listagg`, but with a comma unless another separator is given.",
            "select group_concat(c order by c) from (values ('a'), ('b')) as t(c)",
            "a,b",
        ),
        Entry::aggregate(
            aggregate(Own::new("max_by", &["arg_max"], Kind::Extreme { largest: true })),
            "max_by(value, by)",
            "The value of the row with the largest `by`; of several such rows the first one that is read. Rows whose \
             `by` is null do not count, but the value may be null.",
            "select max_by(a, b) from (values ('x', 1), ('y', 2), ('z', null)) as t(a, b)",
            "y",
        ),
        Entry::aggregate(
            aggregate(Own::new("min_by", &["arg_min"], Kind::Extreme { largest: false })),
            "min_by(value, by)",
            "The value of the row with the smallest `by`; of several such rows the first one that is read. Rows whose \
             `by` is null do not count, but the value may be null.",
            "select min_by(a, b) from (values ('x', 1), ('y', 2), ('z', null)) as t(a, b)",
            "x",
        ),
        Entry::aggregate(
            aggregate(Own::new("mode", &[], Kind::Mode)),
            "mode(value)",
            "The most frequent value that is not null; of several such values the smallest one.",
            "select mode(a) from (values (3), (1), (3), (1), (2)) as t(a)",
            "1",
        ),
        Entry::aggregate(
            aggregate(Own::new("quantile_disc", &["percentile_disc", "quantile"], Kind::Quantile)),
            "quantile_disc(value, fraction)",
            "The smallest value up to which there are as many rows as the literal fraction says; also \
             `percentile_disc(fraction) within group (order by value)` and `quantile` (DuckDB, Postgres).",
            "select quantile_disc(a, 0.5) from (values (3), (1), (9), (2)) as t(a)",
            "2",
        ),
        Entry::aggregate(
            aggregate(Own::new("count_if", &["countif"], Kind::CountIf)),
            "count_if(condition)",
            "The number of rows for which the condition is true.",
            "select count_if(a > 1) from (values (1), (2), (3), (null)) as t(a)",
            "2",
        ),
        Entry::aggregate(
            aggregate(Own::new("product", &[], Kind::Product)),
            "product(number)",
            "The product of the numbers that are not null, as a float.",
            "select product(a) from (values (2), (3), (null)) as t(a)",
            "6.0",
        ),
        Entry::aggregate(
            (*bool_and_or::bool_or_udaf()).clone().with_aliases(["boolor_agg"]),
            "boolor_agg(condition)",
            "Whether the condition is true for any row, without the rows for which it is null.",
            "select boolor_agg(a > 1) from (values (1), (2), (null)) as t(a)",
            "true",
        ),
        Entry::aggregate(
            (*bool_and_or::bool_and_udaf()).clone().with_aliases(["booland_agg"]),
            "booland_agg(condition)",
            "Whether the condition is true for all rows, without the rows for which it is null.",
            "select booland_agg(a > 1) from (values (1), (2), (null)) as t(a)",
            "false",
        ),
    ]
}

/// Which aggregate a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Text { separator: &'static str },
    Extreme { largest: bool },
    Mode,
    Quantile,
    CountIf,
    Product,
}

/// An aggregate of the pack.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Own {
    name: &'static str,
    aliases: Vec<String>,
    kind: Kind,
    signature: Signature,
}

impl Own {
    fn new(name: &'static str, aliases: &[&str], kind: Kind) -> Self {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        Self { name, aliases, kind, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn misuse<T>(&self, usage: &str, types: &[DataType]) -> Result<T> {
        let types: Vec<_> = types.iter().map(ToString::to_string).collect();
        plan_err!("{} is called as {usage}, but here with ({})", self.name, types.join(", "))
    }
}

/// A column of a dictionary is read by its values.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain(value),
        other => other.clone(),
    }
}

/// The condition that both conditions hold, where one of them may be missing.
fn both(filter: Option<Box<Expr>>, condition: Expr) -> Expr {
    match filter {
        Some(filter) => (*filter).and(condition),
        None => condition,
    }
}

impl AggregateUDFImpl for Own {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match (self.kind, types) {
            (Kind::Text { .. }, [value, separator @ ..]) if separator.len() <= 1 && separator.iter().all(is_text) => {
                let value = match plain(value) {
                    text if text.is_string() => text,
                    _ => DataType::Utf8,
                };
                Ok([vec![value], vec![DataType::Utf8; separator.len()]].concat())
            }
            (Kind::Text { .. }, _) => self.misuse("listagg(value, 'separator')", types),
            (Kind::Extreme { .. }, [value, by]) => Ok(vec![value.clone(), plain(by)]),
            (Kind::Extreme { .. }, _) => self.misuse("max_by(value, by)", types),
            (Kind::Mode, [value]) => Ok(vec![plain(value)]),
            (Kind::Mode, _) => self.misuse("mode(value)", types),
            (Kind::Quantile, [value, fraction]) if fraction.is_numeric() => Ok(vec![plain(value), DataType::Float64]),
            (Kind::Quantile, [value, fraction, DataType::Boolean]) if fraction.is_numeric() => {
                Ok(vec![plain(value), DataType::Float64, DataType::Boolean])
            }
            (Kind::Quantile, _) => self.misuse("quantile_disc(value, 0.5)", types),
            (Kind::CountIf, [DataType::Boolean | DataType::Null]) => Ok(vec![DataType::Boolean]),
            (Kind::CountIf, _) => self.misuse("count_if(condition)", types),
            (Kind::Product, [number]) if number.is_numeric() || number.is_null() => Ok(vec![DataType::Float64]),
            (Kind::Product, _) => self.misuse("product(number)", types),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Text { .. } => DataType::LargeUtf8,
            Kind::CountIf => DataType::Int64,
            Kind::Product => DataType::Float64,
            Kind::Extreme { .. } | Kind::Mode | Kind::Quantile => match types.first() {
                Some(value) => value.clone(),
                None => return self.misuse("a function of a value", types),
            },
        })
    }

    fn is_nullable(&self) -> bool {
        self.kind != Kind::CountIf
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        match self.kind {
            Kind::CountIf => Ok(ScalarValue::Int64(Some(0))),
            _ => ScalarValue::try_from(data_type),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        match self.kind {
            Kind::Text { .. } => AggregateOrderSensitivity::HardRequirement,
            _ => AggregateOrderSensitivity::Insensitive,
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |suffix: &str, data_type: DataType| {
            Arc::new(Field::new(format_state_name(args.name, suffix), data_type, true))
        };
        let input = |index: usize| {
            if let Some(input) = args.input_fields.get(index) {
                Ok(input.data_type().clone())
            } else {
                internal_err!("{} has no argument {index}", self.name)
            }
        };
        Ok(match self.kind {
            Kind::Text { .. } => return StringAgg::new().state_fields(args),
            Kind::Extreme { .. } => vec![field("value", input(0)?), field("by", input(1)?)],
            Kind::Mode | Kind::Quantile => vec![
                field("values", DataType::new_list(input(0)?, true)),
                field("counts", DataType::new_list(DataType::Int64, true)),
            ],
            Kind::CountIf => vec![field("count", DataType::Int64)],
            Kind::Product => vec![field("product", DataType::Float64)],
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let input = |index: usize| {
            if let Some(field) = args.expr_fields.get(index) {
                Ok(field.data_type().clone())
            } else {
                internal_err!("{} has no argument {index}", self.name)
            }
        };
        if args.is_distinct && matches!(self.kind, Kind::Mode | Kind::Quantile | Kind::CountIf | Kind::Product) {
            return not_impl_err!("{} of distinct values", self.name);
        }
        Ok(match self.kind {
            Kind::Text { .. } if args.exprs.len() > 1 => StringAgg::new().accumulator(args)?,
            Kind::Text { separator } => {
                let literal = Arc::new(Literal::new(ScalarValue::from(separator)));
                let exprs = [args.exprs, &[literal]].concat();
                let field = Arc::new(Field::new("separator", DataType::Utf8, false));
                let expr_fields = [args.expr_fields, &[field]].concat();
                let inner = StringAgg::new().accumulator(AccumulatorArgs {
                    exprs: &exprs,
                    expr_fields: &expr_fields,
                    ..args
                })?;
                Box::new(Separated { inner })
            }
            Kind::Extreme { largest } => Box::new(Extreme {
                largest,
                value: ScalarValue::try_from(&input(0)?)?,
                by: ScalarValue::try_from(&input(1)?)?,
            }),
            Kind::Mode => Box::new(Counted::new(&input(0)?, Take::MostFrequent)?),
            Kind::Quantile => {
                let literal = |index: usize| {
                    let expr = args.exprs.get(index)?;
                    expr.downcast_ref::<Literal>().map(|literal| literal.value().clone())
                };
                let Some(ScalarValue::Float64(Some(fraction @ 0.0..=1.0))) = literal(1) else {
                    return plan_err!("{}: the fraction must be a number from 0 to 1", self.name);
                };
                let descending = matches!(literal(2), Some(ScalarValue::Boolean(Some(true))));
                Box::new(Counted::new(&input(0)?, Take::Quantile { fraction, descending })?)
            }
            Kind::CountIf => Box::new(CountIf { count: 0 }),
            Kind::Product => Box::new(Product { product: None }),
        })
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        match self.kind {
            Kind::Text { separator } => Some(Box::new(move |call, _| {
                let mut params = call.params;
                if params.args.len() == 1 {
                    params.args.push(lit(separator));
                }
                Ok(native(string_agg_udaf(), params))
            })),
            Kind::Extreme { largest } => Some(Box::new(move |call, _| {
                let mut params = call.params;
                let Some(by) = params.args.pop() else {
                    return internal_err!("an aggregate of two arguments has none");
                };
                params.order_by.insert(0, Sort { expr: by.clone(), asc: !largest, nulls_first: false });
                params.filter = Some(Box::new(both(params.filter, by.is_not_null())));
                params.distinct = false;
                Ok(native(first_last::first_value_udaf(), params))
            })),
            Kind::CountIf => Some(Box::new(|call, _| {
                if call.params.distinct {
                    return not_impl_err!("count_if of distinct values");
                }
                let mut params = call.params;
                let Some(condition) = params.args.pop() else {
                    return internal_err!("an aggregate of one argument has none");
                };
                params.filter = Some(Box::new(both(params.filter, condition)));
                params.args.push(lit(1_i64));
                Ok(native(count::count_udaf(), params))
            })),
            Kind::Mode | Kind::Quantile | Kind::Product => None,
        }
    }
}

fn native(func: Arc<AggregateUDF>, params: AggregateFunctionParams) -> Expr {
    Expr::AggregateFunction(AggregateFunction { func, params })
}

/// Adds the column of the separator, which the native accumulator skips but expects.
#[derive(Debug)]
struct Separated {
    inner: Box<dyn Accumulator>,
}

impl Accumulator for Separated {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [first, rest @ ..] = values else { return internal_err!("there is no column") };
        let separator = new_null_array(&DataType::Utf8, first.len());
        let values = [&[Arc::clone(first), separator], rest].concat();
        self.inner.update_batch(&values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
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

/// The value of the row with the largest or smallest other value.
#[derive(Debug)]
struct Extreme {
    largest: bool,
    value: ScalarValue,
    by: ScalarValue,
}

impl Accumulator for Extreme {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values, by] = values else { return internal_err!("there are not two columns") };
        let compare = make_comparator(by, by, SortOptions::default())?;
        let better = |row: usize, best: usize| {
            let order = compare(row, best);
            if self.largest { order.is_gt() } else { order.is_lt() }
        };
        let mut best = None;
        for row in 0..by.len() {
            if !by.is_null(row) && !by.data_type().is_null() && best.is_none_or(|best| better(row, best)) {
                best = Some(row);
            }
        }
        let Some(best) = best else { return Ok(()) };
        let candidate = ScalarValue::try_from_array(by, best)?;
        let order = candidate.try_cmp(&self.by)?;
        if self.by.is_null() || (if self.largest { order.is_gt() } else { order.is_lt() }) {
            self.by = candidate;
            self.value = ScalarValue::try_from_array(values, best)?.compacted();
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size() + self.by.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.by.clone()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

/// Which of the values that were counted is taken.
#[derive(Debug, Clone, Copy)]
enum Take {
    /// The most frequent one, and of several such the smallest.
    MostFrequent,
    /// The first one, from the smallest or from the largest on, with which a share of all rows is reached.
    Quantile { fraction: f64, descending: bool },
}

/// A value that is found by counting rows in a form that sorts as the values do.
#[derive(Debug)]
struct Counted {
    take: Take,
    data_type: DataType,
    converter: RowConverter,
    counts: HashMap<OwnedRow, i64>,
    bytes: usize,
}

impl Counted {
    fn new(data_type: &DataType, take: Take) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())])?;
        Ok(Self { take, data_type: data_type.clone(), converter, counts: HashMap::new(), bytes: 0 })
    }

    fn taken(&self) -> Option<&OwnedRow> {
        let counts = self.counts.iter().filter(|(_, count)| **count > 0);
        match self.take {
            Take::MostFrequent => counts
                .max_by(|(row, count), (other_row, other_count)| {
                    count.cmp(other_count).then_with(|| other_row.cmp(row))
                })
                .map(|(row, _)| row),
            Take::Quantile { fraction, descending } => {
                let mut counts: Vec<(&OwnedRow, i64)> = counts.map(|(row, count)| (row, *count)).collect();
                counts.sort_unstable_by_key(|(row, _)| *row);
                if descending {
                    counts.reverse();
                }
                let total: i64 = counts.iter().map(|(_, count)| count).sum();
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    reason = "a share of rows that fit the memory"
                )]
                let wanted = ((total as f64 * fraction).ceil() as i64).max(1);
                let mut reached = 0;
                for (row, count) in counts {
                    reached += count;
                    if reached >= wanted {
                        return Some(row);
                    }
                }
                None
            }
        }
    }

    fn add(&mut self, values: &ArrayRef, count: impl Fn(usize) -> i64) -> Result<()> {
        let rows = self.converter.convert_columns(&[Arc::clone(values)])?;
        for (index, row) in rows.iter().enumerate() {
            if values.data_type().is_null() || values.is_null(index) {
                continue;
            }
            let bytes = row.as_ref().len() + size_of::<(OwnedRow, i64)>();
            let total = self.counts.entry(row.owned()).or_insert_with(|| {
                self.bytes += bytes;
                0
            });
            *total += count(index);
        }
        Ok(())
    }

    fn values<'a>(&self, rows: impl IntoIterator<Item = &'a OwnedRow>) -> Result<ArrayRef> {
        let columns = self.converter.convert_rows(rows.into_iter().map(OwnedRow::row))?;
        if let Some(values) = columns.into_iter().next() {
            Ok(values)
        } else {
            internal_err!("rows of one column have none")
        }
    }
}

impl Accumulator for Counted {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values, ..] = values else { return internal_err!("there is no column") };
        self.add(values, |_| 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values, ..] = values else { return internal_err!("there is no column") };
        self.add(values, |_| -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.taken() {
            Some(row) => ScalarValue::try_from_array(&self.values([row])?, 0),
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.converter.size() + self.bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.values(self.counts.keys())?;
        let counts: ArrayRef = Arc::new(Int64Array::from_iter_values(self.counts.values().copied()));
        Ok(vec![
            SingleRowListArrayBuilder::new(values).build_list_scalar(),
            SingleRowListArrayBuilder::new(counts).build_list_scalar(),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, counts] = states else { return internal_err!("there are not two columns of state") };
        let lists = values.as_list::<i32>().iter().zip(counts.as_list::<i32>().iter());
        for (values, counts) in lists {
            let (Some(values), Some(counts)) = (values, counts) else { continue };
            let counts = counts.as_primitive::<Int64Type>();
            self.add(&values, |index| counts.value(index))?;
        }
        Ok(())
    }
}

/// The number of rows for which a condition is true.
#[derive(Debug)]
struct CountIf {
    count: i64,
}

impl CountIf {
    fn true_rows(values: &[ArrayRef]) -> Result<i64> {
        let [values] = values else { return internal_err!("there is not one column") };
        Ok(i64::try_from(values.as_boolean().true_count()).unwrap_or(i64::MAX))
    }
}

impl Accumulator for CountIf {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count += Self::true_rows(values)?;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count -= Self::true_rows(values)?;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.count)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [counts] = states else { return internal_err!("there is not one column of state") };
        self.count += counts.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }
}

/// The product of numbers.
#[derive(Debug)]
struct Product {
    product: Option<f64>,
}

impl Accumulator for Product {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values] = values else { return internal_err!("there is not one column") };
        for value in values.as_primitive::<Float64Type>().iter().flatten() {
            self.product = Some(self.product.unwrap_or(1.0) * value);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.product))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Float64(self.product)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}
