//! What the analyzer puts in the place of casts to integers and of integers' arithmetic. No user writes these functions,
//! so columns keep the names that they would have without them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, Decimal128Array, StringArray, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::numeric::{add, mul, sub};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, IntervalMonthDayNanoType};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable as _, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::replaced::MOST_DIGITS;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Exactly {
    /// A number, or the text of one, without its fraction: floats are rounded half to even, decimals and texts half
    /// away from zero. A text that is no number stays as it is.
    Whole,
    /// The sum of integers.
    Plus,
    /// The difference of integers.
    Minus,
    /// The product of integers.
    Times,
    /// A float as text, in the form of DuckDB: `1e-05`, `1e+20`.
    Text,
    /// The nanoseconds of an interval, where a month has thirty days and a day 24 hours.
    Span,
}

impl Exactly {
    /// The function.
    pub(crate) fn function(self) -> Arc<ScalarUDF> {
        let arguments = if matches!(self, Self::Whole | Self::Text | Self::Span) { 1 } else { 2 };
        let signature = Signature::any(arguments, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Computed { what: self, signature }))
    }

    fn operator(self) -> &'static str {
        match self {
            Self::Whole | Self::Text | Self::Span => "",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Computed {
    what: Exactly,
    signature: Signature,
}

impl ScalarUDFImpl for Computed {
    fn name(&self) -> &'static str {
        match self.what {
            Exactly::Whole => "__karat_whole",
            Exactly::Text => "__karat_float_text",
            Exactly::Span => "__karat_span",
            Exactly::Plus => "__karat_plus",
            Exactly::Minus => "__karat_minus",
            Exactly::Times => "__karat_times",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [left, right] => format!("{} {} {}", left.schema_name(), self.what.operator(), right.schema_name()),
            args => args.iter().map(|arg| arg.schema_name().to_string()).collect(),
        })
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [_] if self.what == Exactly::Text => Ok(DataType::Utf8),
            [_] if self.what == Exactly::Span => Ok(DataType::Decimal128(MOST_DIGITS, 0)),
            [DataType::Decimal128(precision, scale)] if *scale > 0 => {
                let whole = precision.saturating_sub(scale.unsigned_abs()).saturating_add(1).min(MOST_DIGITS);
                Ok(DataType::Decimal128(whole, 0))
            }
            [found, ..] => Ok(found.clone()),
            [] => internal_err!("{} has arguments", self.name()),
        }
    }

    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        let types: Vec<DataType> = inputs.iter().map(|input| input.data_type()).collect();
        Interval::make_unbounded(&self.return_type(&types)?)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let found = match (self.what, arrays.as_slice()) {
            (Exactly::Whole, [values]) => whole(values, args.return_field.data_type())?,
            (Exactly::Text, [values]) => texts(values)?,
            (Exactly::Span, [values]) => spans(values)?,
            (Exactly::Plus, [left, right]) => add(left, right)?,
            (Exactly::Minus, [left, right]) => sub(left, right)?,
            (Exactly::Times, [left, right]) => mul(left, right)?,
            _ => return internal_err!("{} has other arguments", self.name()),
        };
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?));
        }
        Ok(ColumnarValue::Array(found))
    }
}

fn whole(values: &ArrayRef, output: &DataType) -> Result<ArrayRef> {
    Ok(match (values.data_type(), output) {
        (DataType::Float64, _) => {
            Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round_ties_even))
        }
        (DataType::Float32, _) => {
            Arc::new(values.as_primitive::<Float32Type>().unary::<_, Float32Type>(f32::round_ties_even))
        }
        (DataType::Decimal128(_, scale), DataType::Decimal128(precision, 0)) => {
            let unit = 10_i128.pow(u32::from(scale.unsigned_abs()));
            let rounded: Decimal128Array = values.as_primitive::<Decimal128Type>().unary(|value| {
                let (quotient, rest) = (value / unit, value % unit);
                // Twice the rest may overflow.
                if rest.abs() >= unit - rest.abs() { quotient + value.signum() } else { quotient }
            });
            Arc::new(rounded.with_precision_and_scale(*precision, 0)?)
        }
        (DataType::Utf8View, _) => {
            let texts = values.as_string_view();
            if !texts.iter().flatten().any(may_have_fraction) {
                return Ok(Arc::clone(values));
            }
            Arc::new(texts.iter().map(|text| text.map(whole_text)).collect::<StringViewArray>())
        }
        (DataType::Utf8, _) => {
            let texts = values.as_string::<i32>();
            if !texts.iter().flatten().any(may_have_fraction) {
                return Ok(Arc::clone(values));
            }
            Arc::new(texts.iter().map(|text| text.map(whole_text)).collect::<StringArray>())
        }
        (DataType::LargeUtf8, output) => {
            let texts = cast(values, &DataType::Utf8)?;
            cast(&whole(&texts, &DataType::Utf8)?, output)?
        }
        _ => Arc::clone(values),
    })
}

fn may_have_fraction(text: &str) -> bool {
    text.bytes().any(|each| matches!(each, b'.' | b'e' | b'E'))
}

/// The integer that the text of a number is rounded to, as text.
fn whole_text(text: &str) -> String {
    rounded(text.trim()).unwrap_or_else(|| text.to_owned())
}

fn rounded(text: &str) -> Option<String> {
    if !may_have_fraction(text) {
        return None;
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = |digits: &str| digits.bytes().all(|each| each.is_ascii_digit());
    if let Some((mantissa, exponent)) = digits.split_once(['e', 'E']) {
        // An exponent makes a float; up to here its integers are exact.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let is_plain = is_number(&mantissa.replacen('.', "", 1)) && is_number(exponent.trim_start_matches(['+', '-']));
        let value: f64 = text.parse().ok().filter(|value: &f64| is_plain && value.abs() <= EXACT)?;
        return Some(format!("{:.0}", value.round_ties_even()));
    }
    let (before, after) = digits.split_once('.')?;
    if !is_number(before) || !is_number(after) || before.len() + after.len() == 0 {
        return None;
    }
    let mut whole: i128 = if before.is_empty() { 0 } else { before.parse().ok()? };
    if after.bytes().next().is_some_and(|first| first >= b'5') {
        whole += 1;
    }
    Some(format!("{sign}{whole}"))
}

fn spans(intervals: &ArrayRef) -> Result<ArrayRef> {
    const DAYS_PER_MONTH: i128 = 30;
    const NANOS_PER_DAY: i128 = 86_400_000_000_000;
    let Some(intervals) = intervals.as_primitive_opt::<IntervalMonthDayNanoType>() else {
        return internal_err!("{} is no interval", intervals.data_type());
    };
    let spans: Decimal128Array = intervals.unary(|interval| {
        let days = i128::from(interval.months) * DAYS_PER_MONTH + i128::from(interval.days);
        days * NANOS_PER_DAY + i128::from(interval.nanoseconds)
    });
    Ok(Arc::new(spans.with_precision_and_scale(MOST_DIGITS, 0)?))
}

fn texts(floats: &ArrayRef) -> Result<ArrayRef> {
    let texts: StringArray = match floats.data_type() {
        DataType::Float64 => floats
            .as_primitive::<Float64Type>()
            .iter()
            .map(|value| value.map(|value| text(&format!("{value:e}"))))
            .collect(),
        DataType::Float32 => floats
            .as_primitive::<Float32Type>()
            .iter()
            .map(|value| value.map(|value| text(&format!("{value:e}"))))
            .collect(),
        other => return internal_err!("{other} is no float"),
    };
    Ok(Arc::new(texts))
}

/// The text of a float, from its shortest digits with an exponent (`1.25e-7`).
fn text(shortest: &str) -> String {
    /// From this exponent on, and below the next one, a number is written with it.
    const LARGE: i32 = 16;
    const SMALL: i32 = -4;
    let (sign, number) = match shortest.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", shortest),
    };
    let Some((mantissa, exponent)) = number.split_once('e') else { return shortest.to_lowercase() };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(SMALL..LARGE).contains(&exponent) {
        return format!("{sign}{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let digits = mantissa.replace('.', "");
    let place = usize::try_from(exponent.max(0)).unwrap_or_default() + 1;
    if exponent < 0 {
        let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
        format!("{sign}0.{}{digits}", "0".repeat(zeros))
    } else if digits.len() <= place {
        format!("{sign}{digits}{}.0", "0".repeat(place - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..place], &digits[place..])
    }
}

/// The call of one of these.
pub(crate) fn call(what: Exactly, args: Vec<Expr>) -> Expr {
    let call = datafusion::logical_expr::expr::ScalarFunction::new_udf(what.function(), args);
    Expr::ScalarFunction(call)
}

/// Whether an expression has a type that [`Exactly::Whole`] rounds.
pub(crate) fn has_fraction(expr: &Expr, schema: &datafusion::common::DFSchema) -> bool {
    match expr.get_type(schema) {
        Ok(DataType::Decimal128(_, scale)) => scale > 0,
        Ok(found) => found.is_string() || matches!(found, DataType::Float32 | DataType::Float64),
        // What has no type here is of a query further out.
        Err(_) => false,
    }
}
