//! The one way to make a name that becomes part of a path or of SQL.

use std::fmt;

use crate::base::limits;

/// A checked name of a schema, table or column folder: 1 to 128 bytes of ASCII letters, digits, `_`, `-` and `$`,
/// beginning with a letter, a digit or `_`.
///
/// The set is narrow because the name becomes a folder: no separator, no `.`, no `#` (which the object store's local
/// backend reserves for files being written), nothing that two systems spell differently. Letters keep their case;
/// two names that differ only in case are the same [`key`](Identifier::key).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(String);

/// Why a text is not an [`Identifier`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// No characters at all.
    #[error("a name must not be empty")]
    Empty,
    /// Too long.
    #[error("the name `{0}` is longer than {max} bytes", max = limits::IDENTIFIER_BYTES)]
    TooLong(String),
    /// A character outside the set.
    #[error("the name `{name}` contains {character:?}; only ASCII letters, digits, `_`, `-` and `$` are allowed")]
    Character {
        /// The name.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A first character that is allowed only later.
    #[error("the name `{0}` must begin with a letter, a digit or `_`")]
    First(String),
}

impl Identifier {
    /// Checks a text.
    pub fn new(text: impl Into<String>) -> Result<Self, IdentifierError> {
        let name = text.into();
        if name.is_empty() {
            return Err(IdentifierError::Empty);
        }
        if let Some(character) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'))) {
            return Err(IdentifierError::Character { name, character });
        }
        if name.len() > limits::IDENTIFIER_BYTES {
            return Err(IdentifierError::TooLong(name));
        }
        if name.starts_with(['-', '$']) {
            return Err(IdentifierError::First(name));
        }
        Ok(Self(name))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name for comparison: names that differ only in case are one name.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A name as a quoted SQL identifier: `"` around it, `"` within doubled.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name within quotes; `None` if the text is no quoted name.
pub fn unquoted(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    let is_one_name = !inner.is_empty() && !inner.replace("\"\"", "").contains('"');
    is_one_name.then(|| inner.replace("\"\"", "\""))
}

/// A text as a SQL string literal.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
