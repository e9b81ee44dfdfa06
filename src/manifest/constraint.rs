//! Constraints: what the rows of a model with an enforced contract must meet.

use serde_json::{Value, json};

use crate::base::source::Location;
use crate::manifest::node::{RefCall, SourceCall};

/// The kinds of constraint; names as in dbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// A condition that no row makes false.
    Check,
    /// No null in the columns.
    NotNull,
    /// No two rows with the same values, unless one of them is null.
    Unique,
    /// Unique and not null.
    PrimaryKey,
    /// The values are those of a row of another relation.
    ForeignKey,
    /// Text for the table definition of other databases.
    Custom,
}

impl ConstraintKind {
    /// All, as dbt lists them.
    pub const ALL: [Self; 6] =
        [Self::Check, Self::NotNull, Self::Unique, Self::PrimaryKey, Self::ForeignKey, Self::Custom];

    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::NotNull => "not_null",
            Self::Unique => "unique",
            Self::PrimaryKey => "primary_key",
            Self::ForeignKey => "foreign_key",
            Self::Custom => "custom",
        }
    }
}

/// The relation that a foreign key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTarget {
    /// `ref(…)`.
    Ref(RefCall),
    /// `source(…)`.
    Source(SourceCall),
}

/// One constraint of a model or of a column.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Its kind.
    pub kind: ConstraintKind,
    /// Name given by the user.
    pub name: Option<String>,
    /// The condition of a check; the rest of the definition for other kinds.
    pub expression: Option<String>,
    /// The columns; of a column's constraint, that column.
    pub columns: Vec<String>,
    /// Where a foreign key leads, as written.
    pub to: Option<String>,
    /// Where a foreign key leads.
    pub target: Option<KeyTarget>,
    /// The columns there.
    pub to_columns: Vec<String>,
    /// Whether to warn if it is not enforced.
    pub warn_unenforced: bool,
    /// Whether to warn if it has no effect at all.
    pub warn_unsupported: bool,
    /// Whether it is one of a single column.
    pub of_column: bool,
    /// Where it is written.
    pub location: Option<Location>,
}

impl Constraint {
    /// The constraint in dbt's shape.
    pub fn value(&self) -> Value {
        let mut value = json!({
            "type": self.kind.as_str(),
            "name": self.name,
            "expression": self.expression,
            "warn_unenforced": self.warn_unenforced,
            "warn_unsupported": self.warn_unsupported,
            "to": self.to,
            "to_columns": self.to_columns,
        });
        if let (false, Some(entries)) = (self.of_column, value.as_object_mut()) {
            entries.insert("columns".to_owned(), json!(self.columns));
        }
        value
    }
}
