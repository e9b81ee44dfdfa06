//! Values that must not be shown: a type without `Display`, and the filter that everything printed passes.

use std::fmt;

/// What replaces a secret wherever it would be shown.
pub const MASK: &str = "*****";

/// Names of environment variables with these prefixes hold secrets (dbt's prefix is honored, too).
pub const SECRET_PREFIXES: [&str; 2] = ["KARAT_ENV_SECRET_", "DBT_ENV_SECRET_"];

/// Whether an environment variable's name says that its value is a secret.
pub fn is_secret_name(name: &str) -> bool {
    SECRET_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A secret; prints as a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself: only for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

/// Replaces known secret values in text that leaves the process.
#[derive(Debug, Clone, Default)]
pub struct Scrubber(Vec<Secret>);

impl Scrubber {
    /// A scrubber for all secrets of an environment; values shorter than 4 bytes would mask ordinary text.
    pub fn new(env: &crate::base::env::ProcessEnv) -> Self {
        let mut secrets: Vec<Secret> = env
            .0
            .iter()
            .filter(|(name, value)| is_secret_name(name) && value.len() >= 4)
            .map(|(_, value)| Secret::new(value))
            .collect();
        // Longest first, so that a secret that contains another one is masked whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self(secrets)
    }

    /// The text with every secret masked.
    pub fn scrub<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        let mut clean = std::borrow::Cow::Borrowed(text);
        for secret in &self.0 {
            if clean.contains(secret.expose()) {
                clean = std::borrow::Cow::Owned(clean.replace(secret.expose(), MASK));
            }
        }
        clean
    }
}
