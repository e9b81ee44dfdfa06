//! Versions of models: dbt's `versions`, each a model of its own that shares its name with the others.

use std::cmp::Ordering;

use serde_json::Value;

/// A version as written: a number or a text. Two versions are the same if they are written the same, so `2` and `"2"`
/// are, and `2` and `2.0` are not; as under dbt.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    value: Value,
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Version {}

impl Version {
    /// A version of a text or a number; `None` for anything else, and for an empty text.
    pub fn new(value: &Value) -> Option<Self> {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then(|| Self { text, value: value.clone() })
    }

    /// The version as text, such as `2`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The version as written.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The last part of an id and of a qualified name: `v2`.
    pub fn label(&self) -> String {
        format!("v{}", self.text)
    }

    /// Which of two versions comes first: by their numbers, or as texts if one is no number.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self.text.parse::<f64>(), other.text.parse::<f64>()) {
            (Ok(own), Ok(other)) => own.total_cmp(&other),
            _ => self.text.cmp(&other.text),
        }
    }
}

/// A version of a model, and which of the model's versions is the one that `ref` without a version means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// This one.
    pub own: Version,
    /// dbt's `latest_version`.
    pub latest: Version,
}

impl ModelVersion {
    /// Whether `ref` without a version means this one.
    pub fn is_latest(&self) -> bool {
        self.own == self.latest
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(value: &Value) -> Version {
        Version::new(value).unwrap()
    }

    #[test]
    fn versions_are_compared_as_numbers_where_they_are() {
        assert_eq!(version(&json!(10)).compare(&version(&json!("9"))), Ordering::Greater);
        assert_eq!(version(&json!("b")).compare(&version(&json!("a1"))), Ordering::Greater);
        assert_eq!(version(&json!(2)), version(&json!("2")));
        assert_ne!(version(&json!(2.0)), version(&json!(2)));
        assert_eq!(Version::new(&json!(" ")), None);
        assert_eq!(Version::new(&json!(true)), None);
        assert_eq!(version(&json!(1.5)).label(), "v1.5");
    }
}
