//! Arithmetic: exact division with rounding, remainders, signs, buckets, and the treatment of zero and null.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array, Scalar,
};
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::compute::kernels::numeric::{div, rem};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{cast, is_null, nullif};
use datafusion::arrow::datatypes::{DataType, Decimal256Type, Float64Type, i256};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;

use super::Entry;
use super::scalar::{Call, Function, Planned, integer, strict};

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::scalar(
            Function::new(
                "div_round",
                "div_round(numerator, denominator, scale) with decimals or integers",
                div_round_types,
                div_round_type,
                div_round,
            ),
            "div_round(numerator, denominator, scale)",
            "The exact quotient of decimals or integers, rounded half away from zero to a literal number of digits \
             after the point. The result is a decimal(38, scale); division by zero and overflow are errors.",
            "select div_round(2, 3, 4)",
            "0.6667",
        ),
        Entry::scalar(
            Function::new("div0", "div0(dividend, divisor)", div0_types, |planned| Ok(div0_type(planned)), div0),
            "div0(dividend, divisor)",
            "The quotient, or zero if the divisor is zero. Decimals and integers are divided exactly and rounded half \
             away from zero to six more digits than the dividend has, up to twelve.",
            "select div0(1, 8)",
            "0.125000",
        ),
        Entry::scalar(
            Function::new(
                "div",
                "div(dividend, divisor)",
                div_types,
                |_| Ok(DataType::Int64),
                |call| Ok(div(&call.array(0)?, &call.array(1)?)?),
            ),
            "div(dividend, divisor)",
            "The quotient of integers without its fraction (BigQuery); division by zero is an error. The operator `//` \
             gives null then (DuckDB).",
            "select div(-7, 2)",
            "-3",
        ),
        Entry::scalar(
            Function::new("mod", "mod(dividend, divisor)", mod_types, mod_type, |call| {
                Ok(rem(&call.array(0)?, &call.array(1)?)?)
            }),
            "mod(dividend, divisor)",
            "The remainder with the sign of the dividend, as the operator `%` gives it.",
            "select mod(-7, 3)",
            "-1",
        ),
        Entry::scalar(
            Function::new("sign", "sign(number)", sign_types, |planned| Ok(sign_type(&planned.data_type(0))), sign),
            "sign(number)",
            "-1, 0 or 1 by the sign of a number: an integer, or a float for a float.",
            "select sign(-3)",
            "-1",
        ),
        Entry::scalar(
            Function::new(
                "zeroifnull",
                "zeroifnull(number)",
                number_types,
                |planned| Ok(planned.data_type(0)),
                zero_if_null,
            )
            .with_nulls(),
            "zeroifnull(number)",
            "The number, or zero if it is null.",
            "select zeroifnull(cast(null as int))",
            "0",
        ),
        Entry::scalar(
            Function::new(
                "nullifzero",
                "nullifzero(number)",
                number_types,
                |planned| Ok(planned.data_type(0)),
                |call| {
                    let numbers = call.array(0)?;
                    let zero = Scalar::new(ScalarValue::new_zero(numbers.data_type())?.to_array()?);
                    Ok(nullif(&numbers, &eq(&numbers, &zero)?)?)
                },
            ),
            "nullifzero(number)",
            "The number, or null if it is zero.",
            "select nullifzero(0)",
            "NULL",
        ),
        Entry::scalar(
            Function::new(
                "width_bucket",
                "width_bucket(number, low, high, buckets)",
                bucket_types,
                |_| Ok(DataType::Int64),
                width_bucket,
            ),
            "width_bucket(number, low, high, buckets)",
            "The number of the bucket, of equally wide buckets from low to high, into which a number falls; 0 below \
             the range and the number of buckets plus one from its end on. Integers and decimals are compared exactly.",
            "select width_bucket(35, 0, 100, 10)",
            "4",
        ),
    ]
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_decimal() || data_type.is_null()
}

/// The number of digits after the point of an exact type.
fn scale_of(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    }
}

/// Exact numbers as wide integers with a common scale.
struct Exact {
    numbers: Decimal256Array,
    scale: i8,
}

impl Exact {
    fn read(array: &ArrayRef) -> Result<Self> {
        Self::read_at(array, scale_of(array.data_type()))
    }

    fn read_at(array: &ArrayRef, scale: i8) -> Result<Self> {
        let wide = cast(array, &DataType::Decimal256(76, scale))?;
        if let Some(numbers) = wide.as_primitive_opt::<Decimal256Type>() {
            Ok(Self { numbers: numbers.clone(), scale })
        } else {
            internal_err!("a cast to a decimal gave {}", wide.data_type())
        }
    }
}

/// `numerator * 10^power / denominator`, rounded half away from zero, or nothing if it needs more than 38 digits.
/// The denominator must not be zero.
fn divide(numerator: i256, denominator: i256, power: i32) -> Option<i128> {
    let ten = i256::from_i128(10);
    let steps = power.unsigned_abs();
    let denominator = if power < 0 { denominator.checked_mul(ten.checked_pow(steps)?)? } else { denominator };
    let shift = if power < 0 { 0 } else { steps };

    let scaled = ten.checked_pow(shift).and_then(|factor| numerator.checked_mul(factor));
    let (mut quotient, mut rest) = if let Some(scaled) = scaled {
        (scaled.checked_div(denominator)?, scaled.checked_rem(denominator)?)
    } else {
        // The product is too wide: divide by hand, digit by digit, which needs only the rest to be small.
        let mut quotient = numerator.checked_div(denominator)?;
        let mut rest = numerator.checked_rem(denominator)?;
        for _ in 0..shift {
            let next = rest.checked_mul(ten)?;
            quotient = quotient.checked_mul(ten)?.checked_add(next.checked_div(denominator)?)?;
            rest = next.checked_rem(denominator)?;
        }
        (quotient, rest)
    };
    rest = rest.checked_abs()?;
    // Twice the rest may overflow, so what is missing to the next number is compared with the rest.
    if rest >= denominator.checked_abs()?.checked_sub(rest)? {
        let away = if numerator.is_negative() == denominator.is_negative() { i256::ONE } else { i256::MINUS_ONE };
        quotient = quotient.checked_add(away)?;
    }
    quotient.to_i128().filter(|quotient| quotient.unsigned_abs() < 10_u128.pow(38))
}

/// The quotients of two exact arrays with `scale` digits; `by_zero` says what a division by zero gives.
fn quotients(
    name: &str,
    numerators: &ArrayRef,
    denominators: &ArrayRef,
    scale: i8,
    by_zero: impl Fn() -> Result<i128>,
) -> Result<ArrayRef> {
    let (above, below) = (Exact::read(numerators)?, Exact::read(denominators)?);
    let power = i32::from(below.scale) + i32::from(scale) - i32::from(above.scale);
    let quotients: Vec<Option<i128>> = strict(numerators.len(), &[&above.numbers, &below.numbers], |row| {
        let (numerator, denominator) = (above.numbers.value(row), below.numbers.value(row));
        if denominator == i256::ZERO {
            return by_zero();
        }
        divide(numerator, denominator, power)
            .ok_or_else(|| exec_datafusion_err!("{name}: the quotient does not fit a decimal(38, {scale})"))
    })
    .collect::<Result<_>>()?;
    Ok(Arc::new(Decimal128Array::from(quotients).with_precision_and_scale(38, scale)?))
}

/// The type of an exact argument: what it is, where null is an integer.
fn exact(data_type: &DataType) -> Option<DataType> {
    is_exact(data_type).then(|| if data_type.is_null() { DataType::Int64 } else { data_type.clone() })
}

fn div_round_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [numerator, denominator, scale] = types else { return None };
    Some(vec![exact(numerator)?, exact(denominator)?, integer(scale)?])
}

fn div_round_type(planned: &Planned<'_>) -> Result<DataType> {
    if let Ok(scale @ 0..=38) = i8::try_from(planned.integer(2, "scale")?) {
        Ok(DataType::Decimal128(38, scale))
    } else {
        plan_err!("{}: the scale must be from 0 to 38", planned.name)
    }
}

fn div_round(call: &Call<'_>) -> Result<ArrayRef> {
    let scale = scale_of(call.output);
    quotients(call.name, &call.array(0)?, &call.array(1)?, scale, || exec_err!("{}: division by zero", call.name))
}

fn div0_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [dividend, divisor] = types else { return None };
    if let (Some(dividend), Some(divisor)) = (exact(dividend), exact(divisor)) {
        return Some(vec![dividend, divisor]);
    }
    let numeric = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
    (numeric(dividend) && numeric(divisor)).then(|| vec![DataType::Float64; 2])
}

fn div0_type(planned: &Planned<'_>) -> DataType {
    if planned.data_type(0).is_floating() {
        return DataType::Float64;
    }
    let scale = scale_of(&planned.data_type(0));
    DataType::Decimal128(38, scale.max(scale.saturating_add(6).min(12)))
}

fn div0(call: &Call<'_>) -> Result<ArrayRef> {
    let (dividends, divisors) = (call.array(0)?, call.array(1)?);
    if call.output != &DataType::Float64 {
        return quotients(call.name, &dividends, &divisors, scale_of(call.output), || Ok(0));
    }
    let (dividends, divisors) = (dividends.as_primitive::<Float64Type>(), divisors.as_primitive::<Float64Type>());
    let quotients: Float64Array = dividends
        .iter()
        .zip(divisors)
        .map(|(dividend, divisor)| {
            let (dividend, divisor) = (dividend?, divisor?);
            Some(if divisor == 0.0 { 0.0 } else { dividend / divisor })
        })
        .collect();
    Ok(Arc::new(quotients))
}

fn div_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [dividend, divisor] = types else { return None };
    Some(vec![integer(dividend)?, integer(divisor)?])
}

fn mod_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [dividend, divisor] = types else { return None };
    let numeric = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
    if !numeric(dividend) || !numeric(divisor) {
        return None;
    }
    if dividend.is_null() && divisor.is_null() {
        return Some(vec![DataType::Int64; 2]);
    }
    let (dividend, divisor) = BinaryTypeCoercer::new(dividend, &Operator::Modulo, divisor).get_input_types().ok()?;
    Some(vec![dividend, divisor])
}

fn mod_type(planned: &Planned<'_>) -> Result<DataType> {
    BinaryTypeCoercer::new(&planned.data_type(0), &Operator::Modulo, &planned.data_type(1)).get_result_type()
}

fn number_types(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [DataType::Null] => Some(vec![DataType::Int64]),
        [number] if number.is_numeric() => Some(types.to_vec()),
        _ => None,
    }
}

fn sign_types(types: &[DataType]) -> Option<Vec<DataType>> {
    number_types(types).map(|types| {
        types.into_iter().map(|number| if number.is_floating() { DataType::Float64 } else { number }).collect()
    })
}

fn sign_type(number: &DataType) -> DataType {
    if number.is_floating() { DataType::Float64 } else { DataType::Int64 }
}

fn sign(call: &Call<'_>) -> Result<ArrayRef> {
    let numbers = call.array(0)?;
    if let Some(floats) = numbers.as_primitive_opt::<Float64Type>() {
        let signs: Float64Array = floats.unary(|float| {
            if float > 0.0 {
                1.0
            } else if float < 0.0 {
                -1.0
            } else {
                float * 0.0
            }
        });
        return Ok(Arc::new(signs));
    }
    let exact = Exact::read(&numbers)?;
    let signs: Int64Array =
        exact.numbers.unary(|number| i64::from(number.is_positive()) - i64::from(number.is_negative()));
    Ok(Arc::new(signs))
}

fn zero_if_null(call: &Call<'_>) -> Result<ArrayRef> {
    let numbers = call.array(0)?;
    let zero = Scalar::new(ScalarValue::new_zero(numbers.data_type())?.to_array()?);
    Ok(zip(&is_null(&numbers)?, &zero, &numbers)?)
}

fn bucket_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [bounds @ .., buckets] = types else { return None };
    if bounds.len() != 3 {
        return None;
    }
    let buckets = integer(buckets)?;
    if let Some(mut exact) = bounds.iter().map(exact).collect::<Option<Vec<_>>>() {
        exact.push(buckets);
        return Some(exact);
    }
    let numeric = bounds.iter().all(|bound| bound.is_numeric() || bound.is_null());
    numeric.then(|| vec![DataType::Float64, DataType::Float64, DataType::Float64, buckets])
}

fn width_bucket(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = (0..3).map(|index| call.array(index)).collect::<Result<Vec<_>>>()?;
    let [numbers, lows, highs] = arrays.as_slice() else {
        return internal_err!("{} has too few arguments", call.name);
    };
    let buckets = call.integers(3)?;
    let nulls: [&dyn Array; 4] = [numbers, lows, highs, &buckets];
    let check = |row: usize| match buckets.value(row) {
        count @ 1..=0x7fff_ffff => Ok(count),
        count => exec_err!("{}: the number of buckets must be positive and at most 2147483647, not {count}", call.name),
    };
    let same =
        || exec_datafusion_err!("{}: the bounds must be finite and differ, and the number must not be NaN", call.name);
    let found: Vec<Option<i64>> = if numbers.data_type().is_floating() {
        let [numbers, lows, highs] = [numbers, lows, highs].map(AsArray::as_primitive::<Float64Type>);
        strict(call.rows, &nulls, |row| {
            let count = check(row)?;
            float_bucket(numbers.value(row), lows.value(row), highs.value(row), count).ok_or_else(same)
        })
        .collect::<Result<_>>()?
    } else {
        let scale = arrays.iter().map(|array| scale_of(array.data_type())).max().unwrap_or_default();
        let (numbers, lows) = (Exact::read_at(numbers, scale)?, Exact::read_at(lows, scale)?);
        let highs = Exact::read_at(highs, scale)?;
        strict(call.rows, &nulls, |row| {
            let count = check(row)?;
            let (low, high) = (lows.numbers.value(row), highs.numbers.value(row));
            if low == high {
                return Err(same());
            }
            exact_bucket(numbers.numbers.value(row), low, high, count)
                .ok_or_else(|| exec_datafusion_err!("{}: the numbers are too large", call.name))
        })
        .collect::<Result<_>>()?
    };
    Ok(Arc::new(Int64Array::from(found)))
}

/// Nothing if the range is empty or has no finite bounds.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts have at most 31 bits")]
fn float_bucket(number: f64, low: f64, high: f64, count: i64) -> Option<i64> {
    if !low.is_finite() || !high.is_finite() || number.is_nan() || (high - low).abs() <= 0.0 {
        return None;
    }
    let position = (number - low) / (high - low);
    Some(if position < 0.0 {
        0
    } else if position >= 1.0 {
        count + 1
    } else {
        ((position * count as f64).floor() as i64).min(count - 1) + 1
    })
}

/// Nothing on overflow. The bounds must differ.
fn exact_bucket(number: i256, low: i256, high: i256, count: i64) -> Option<i64> {
    let (mut distance, mut width) = (number.checked_sub(low)?, high.checked_sub(low)?);
    if width.is_negative() {
        (distance, width) = (distance.checked_neg()?, width.checked_neg()?);
    }
    Some(if distance.is_negative() {
        0
    } else if distance >= width {
        count + 1
    } else {
        let bucket = distance.checked_mul(i256::from_i128(i128::from(count)))?.checked_div(width)?;
        i64::try_from(bucket.to_i128()?).ok()? + 1
    })
}
