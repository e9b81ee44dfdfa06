//! Exact decimals, as queries return them. Sums, differences and products stay exact; a quotient is a float.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{DynObject, Object, ObjectRepr};
use serde_json::Value as Json;

/// A number with a fixed count of decimal places.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    unscaled: i128,
    scale: u32,
}

impl Decimal {
    /// `unscaled` divided by ten to the power of `scale`.
    pub fn new(unscaled: i128, scale: u32) -> Self {
        Self { unscaled, scale }
    }

    /// As a value of the template.
    pub fn value(self) -> Value {
        Value::from_object(self)
    }

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// A JSON number if that is exact, else text.
    pub fn to_json(self) -> Json {
        let text = self.to_string();
        match text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
            Some(number) if text.len() <= 16 => Json::Number(number),
            _ => Json::String(text),
        }
    }

    /// The same number with the opposite sign.
    pub fn negated(self) -> Option<Self> {
        Some(Self::new(self.unscaled.checked_neg()?, self.scale))
    }

    /// The sum, unless it is too large.
    pub fn add(self, other: Self) -> Option<Self> {
        let (left, right, scale) = self.aligned(other)?;
        Some(Self::new(left.checked_add(right)?, scale))
    }

    /// The difference, unless it is too large.
    pub fn subtract(self, other: Self) -> Option<Self> {
        self.add(other.negated()?)
    }

    /// The product, unless it is too large.
    pub fn multiply(self, other: Self) -> Option<Self> {
        Some(Self::new(self.unscaled.checked_mul(other.unscaled)?, self.scale + other.scale))
    }

    /// Compares by value.
    pub fn compare(self, other: Self) -> Ordering {
        match self.aligned(other) {
            Some((left, right, _)) => left.cmp(&right),
            None => self.to_f64().total_cmp(&other.to_f64()),
        }
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        let grown = |number: Self| number.unscaled.checked_mul(10_i128.checked_pow(scale - number.scale)?);
        Some((grown(self)?, grown(other)?, scale))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let places = self.scale as usize;
        let digits = format!("{:0>width$}", self.unscaled.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        if fraction.is_empty() {
            write!(formatter, "{sign}{whole}")
        } else {
            write!(formatter, "{sign}{whole}.{fraction}")
        }
    }
}

impl Object for Decimal {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.unscaled != 0
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.compare(*other))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}
