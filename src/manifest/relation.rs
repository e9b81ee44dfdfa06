//! Names of things that can be selected from.

use std::fmt;

use crate::base::ident::{Identifier, quote};

/// The medallion layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Raw data as it arrived.
    Bronze,
    /// Cleaned and typed.
    Silver,
    /// Answers to questions.
    Gold,
}

impl Layer {
    /// The layer's folder name, which is its default schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
        }
    }

    /// The layer of a folder name.
    pub fn from_folder(name: &str) -> Option<Self> {
        [Self::Bronze, Self::Silver, Self::Gold].into_iter().find(|layer| layer.as_str() == name)
    }
}

/// The full name of a table or view: database, schema, identifier.
///
/// A table is stored in the folder `<warehouse>/<schema>/<identifier>/`. Two relations whose names differ only in
/// case are the same: compare by [`key`](Relation::key).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// The environment's database name (the catalog in SQL).
    pub database: Identifier,
    /// The schema, also the folder in the warehouse.
    pub schema: Identifier,
    /// The table's name, also its folder.
    pub identifier: Identifier,
}

impl Relation {
    /// The name for comparison and for the environment's log: `schema.identifier` in lower case.
    pub fn key(&self) -> RelationKey {
        RelationKey { schema: self.schema.key(), identifier: self.identifier.key() }
    }

    /// The relation as SQL: three quoted names.
    pub fn to_sql(&self) -> String {
        [&self.database, &self.schema, &self.identifier].map(|name| quote(name.as_str())).join(".")
    }

    /// The name that people read: `schema.identifier`.
    pub fn short_name(&self) -> String {
        format!("{}.{}", self.schema, self.identifier)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_sql())
    }
}

/// Schema and identifier in lower case: what makes a relation unique in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationKey {
    /// The schema in lower case.
    pub schema: String,
    /// The identifier in lower case.
    pub identifier: String,
}

impl RelationKey {
    /// A key from two names of any case.
    pub fn new(schema: &str, identifier: &str) -> Self {
        Self { schema: schema.to_ascii_lowercase(), identifier: identifier.to_ascii_lowercase() }
    }
}

impl fmt::Display for RelationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.schema, self.identifier)
    }
}
