//! Timestamps as text.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{Offset as _, TimeZone as _, Timelike as _};
use datafusion::arrow::array::{Array as _, ArrayRef, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::Entry;
use super::moment::Moments;
use super::scalar::{Call, Function};

/// Characters of a timestamp with microseconds and zone.
const USUAL_LENGTH: usize = 32;

/// The functions of this family.
pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::scalar(
        function(),
        "timestamp_text(timestamp)",
        "The timestamp as `cast(timestamp as text)` gives it: `2024-02-29 10:11:12.5`, with the offset behind it if it \
         has a time zone (Postgres, DuckDB).",
        "select timestamp_text(timestamp '2024-02-29 10:11:12.50')",
        "2024-02-29 10:11:12.5",
    )]
}

/// The function as the analyzer needs it for casts.
pub(crate) fn timestamp_text() -> ScalarUDF {
    function().into()
}

fn function() -> Function {
    Function::new("timestamp_text", "timestamp_text(timestamp)", types, |_| Ok(DataType::Utf8), texts)
}

fn types(given: &[DataType]) -> Option<Vec<DataType>> {
    matches!(given, [DataType::Timestamp(_, _)]).then(|| given.to_vec())
}

fn texts(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let moments = Moments::read(call.name, &array)?;
    let mut texts = StringBuilder::with_capacity(array.len(), array.len() * USUAL_LENGTH);
    let mut text = String::new();
    for row in 0..array.len() {
        if moments.is_null(row) {
            texts.append_null();
            continue;
        }
        let wall = moments.wall(row)?.naive()?;
        text.clear();
        // Writing into a text does not fail.
        let _ = write!(text, "{}", wall.format("%Y-%m-%d %H:%M:%S"));
        if wall.nanosecond() > 0 {
            let digits = format!("{:09}", wall.nanosecond());
            text.push('.');
            text.push_str(digits.trim_end_matches('0'));
        }
        if let Some(zone) = moments.zone() {
            let instant = moments.instant(row).naive()?;
            let seconds = zone.offset_from_utc_datetime(&instant).fix().local_minus_utc();
            let (sign, seconds) = if seconds < 0 { ('-', -seconds) } else { ('+', seconds) };
            let _ = write!(text, "{sign}{:02}", seconds / 3600);
            if seconds % 3600 > 0 {
                let _ = write!(text, ":{:02}", seconds % 3600 / 60);
            }
        }
        texts.append_value(&text);
    }
    Ok(Arc::new(texts.finish()))
}
