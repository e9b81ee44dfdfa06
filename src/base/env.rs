//! The process environment, read once at the edge and passed on as a value.

use std::collections::BTreeMap;

/// A copy of the environment variables.
#[derive(Debug, Clone, Default)]
pub struct ProcessEnv(pub BTreeMap<String, String>);

impl ProcessEnv {
    /// Reads the environment of this process; values that are not Unicode are left out.
    pub fn read() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of the first of several names that is set and not empty: karat's own name, then dbt's.
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().filter_map(|name| self.get(name)).find(|value| !value.is_empty())
    }
}
