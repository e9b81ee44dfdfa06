//! Conversions between kinds of numbers. Counts and seconds stay far below 2^52, where all of these are exact.

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// A signed amount as a float.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub fn real(amount: i64) -> f64 {
    amount as f64
}

/// The nearest whole number; what does not fit becomes the nearest number that does.
#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest number that fits")]
pub fn rounded(value: f64) -> i64 {
    value.round() as i64
}

/// The nearest count; below zero is zero.
pub fn count(value: f64) -> u64 {
    u64::try_from(rounded(value)).unwrap_or(0)
}

/// A count as a position in a list.
pub fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A count as a signed number.
pub fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
