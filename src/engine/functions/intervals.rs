//! Intervals that are computed: a multiple or a part of one.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, IntervalMonthDayNanoArray};
use datafusion::arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::ScalarUDF;

use super::Entry;
use super::moment::NANOS_PER_DAY;
use super::scalar::{Call, Function};

/// Days of a month that is not whole, as in Postgres and `DuckDB`.
const DAYS_PER_MONTH: f64 = 30.0;

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::scalar(
        function(),
        "interval_times(interval, number)",
        "The interval that is a number of times as long; `interval * number` and `interval / number` are written out as \
         this. What is left of months counts 30 days each, what is left of days 24 hours.",
        "select date '2024-01-01' + interval_times(interval '1 day', 3)",
        "2024-01-04",
    )]
}

/// The function as the planner needs it for `*` and `/`.
pub(crate) fn interval_times() -> ScalarUDF {
    function().into()
}

fn function() -> Function {
    Function::new("interval_times", "interval_times(interval, number)", types, |_| Ok(months_days_nanos()), times)
}

fn months_days_nanos() -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

fn types(given: &[DataType]) -> Option<Vec<DataType>> {
    match given {
        [DataType::Interval(_) | DataType::Null, number] if number.is_numeric() || number.is_null() => {
            Some(vec![months_days_nanos(), DataType::Float64])
        }
        _ => None,
    }
}

fn times(call: &Call<'_>) -> Result<ArrayRef> {
    let (intervals, numbers) = (call.array(0)?, call.array(1)?);
    let (Some(intervals), Some(numbers)) =
        (intervals.as_primitive_opt::<IntervalMonthDayNanoType>(), numbers.as_primitive_opt::<Float64Type>())
    else {
        return internal_err!("{}: the arguments were not cast", call.name);
    };
    let mut found = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        found.push(if intervals.is_null(row) || numbers.is_null(row) {
            None
        } else {
            Some(multiple(intervals.value(row), numbers.value(row))?)
        });
    }
    Ok(Arc::new(IntervalMonthDayNanoArray::from(found)))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the range is checked, and parts of a \
                                                                                 microsecond are not kept"
)]
fn multiple(interval: IntervalMonthDayNano, number: f64) -> Result<IntervalMonthDayNano> {
    const NANOS_PER_MICRO: f64 = 1000.0;
    let months = f64::from(interval.months) * number;
    let days = f64::from(interval.days) * number + months.fract() * DAYS_PER_MONTH;
    let nanos = interval.nanoseconds as f64 * number + days.fract() * NANOS_PER_DAY as f64;
    let fits = months.abs() < f64::from(i32::MAX) && days.abs() < f64::from(i32::MAX) && nanos.abs() < i64::MAX as f64;
    if !fits {
        return exec_err!("interval out of range: an interval times {number} is too long");
    }
    Ok(IntervalMonthDayNano {
        months: months.trunc() as i32,
        days: days.trunc() as i32,
        nanoseconds: ((nanos / NANOS_PER_MICRO).round() * NANOS_PER_MICRO) as i64,
    })
}
