//! Points in time are counted in microseconds, also where a date meets a timestamp.
//!
//! The engine takes nanoseconds for what a date and a timestamp have in common, and these end in the year 2262: the end
//! of time that histories are kept with, `9999-12-31`, could not be compared.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

use crate::engine::operands::Operand;

/// Dates, timestamps of other units, and texts that are written out become microseconds where they meet timestamps.
pub(super) fn microseconds(operands: &[Operand]) -> Vec<Option<DataType>> {
    let is_date =
        |operand: &Operand| operand.is_text || matches!(operand.found, Some(DataType::Date32 | DataType::Date64));
    let mut timestamps = operands.iter().filter_map(|operand| match &operand.found {
        Some(DataType::Timestamp(unit, zone)) => Some((*unit, zone.clone())),
        _ => None,
    });
    let Some((first, zone)) = timestamps.next() else { return Vec::new() };
    let zone = zone.or_else(|| timestamps.clone().find_map(|(_, zone)| zone));
    if !operands.iter().any(is_date) && timestamps.all(|(unit, _)| unit == first) {
        return Vec::new();
    }
    let wanted = |operand: &Operand| {
        let wanted = match &operand.found {
            // Its time zone is the business of the engine.
            Some(DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            _ if is_date(operand) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            _ => return None,
        };
        (operand.found.as_ref() != Some(&wanted)).then_some(wanted)
    };
    operands.iter().map(wanted).collect()
}
