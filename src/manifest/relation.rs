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

/// The database of a relation (the catalog in SQL): the target's own, or another one that a `database` config names.
///
/// The target's own is called home here. Its tables lie in the warehouse's folder itself, those of another database in
/// a folder of its own within. What home is called may change, as with another profile, without its tables moving.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Database {
    name: Identifier,
    is_home: bool,
}

impl Database {
    /// The target's own database.
    pub fn home(name: Identifier) -> Self {
        Self { name, is_home: true }
    }

    /// A database other than the target's own.
    pub fn other(name: Identifier) -> Self {
        Self { name, is_home: false }
    }

    /// The database of a name, given the name of the target's own.
    pub fn named(name: Identifier, home: &Identifier) -> Self {
        if name.key() == home.key() { Self::home(home.clone()) } else { Self::other(name) }
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        self.name.as_str()
    }

    /// Whether it is the target's own.
    pub fn is_home(&self) -> bool {
        self.is_home
    }

    /// What tells it from others: nothing for the target's own, else the name in lower case.
    pub fn key(&self) -> Option<String> {
        (!self.is_home).then(|| self.name.key())
    }
}

impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(formatter)
    }
}

/// A schema within its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// The database.
    pub database: Database,
    /// The schema.
    pub schema: Identifier,
}

impl Namespace {
    /// Whether a relation lies in it.
    pub fn holds(&self, key: &RelationKey) -> bool {
        key.database == self.database.key() && key.schema == self.schema.key()
    }
}

/// The full name of a table or view: database, schema, identifier.
///
/// A table is stored in the folder `<warehouse>/<schema>/<identifier>/`, one of another database than the target's own
/// in `<warehouse>/<database>.db/<schema>/<identifier>/`. Two relations whose names differ only in case are the same:
/// compare by [`key`](Relation::key).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// The database.
    pub database: Database,
    /// The schema, also the folder in the warehouse.
    pub schema: Identifier,
    /// The table's name, also its folder.
    pub identifier: Identifier,
}

impl Relation {
    /// The name for comparison and for the environment's log, in lower case.
    pub fn key(&self) -> RelationKey {
        RelationKey { database: self.database.key(), schema: self.schema.key(), identifier: self.identifier.key() }
    }

    /// The same relation where the target's own database has another name.
    #[must_use]
    pub fn seen_from(&self, home: &Identifier) -> Self {
        let database = if self.database.is_home { Database::home(home.clone()) } else { self.database.clone() };
        Self { database, ..self.clone() }
    }

    /// The relation as SQL: three quoted names.
    pub fn to_sql(&self) -> String {
        [self.database.as_str(), self.schema.as_str(), self.identifier.as_str()].map(quote).join(".")
    }

    /// The name that people read: `schema.identifier`, with the database before it if that is not the target's own.
    pub fn short_name(&self) -> String {
        let name = format!("{}.{}", self.schema, self.identifier);
        if self.database.is_home { name } else { format!("{}.{name}", self.database) }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_sql())
    }
}

/// Database, schema and identifier in lower case: what makes a relation unique in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationKey {
    /// The database in lower case; `None` is the target's own.
    pub database: Option<String>,
    /// The schema in lower case.
    pub schema: String,
    /// The identifier in lower case.
    pub identifier: String,
}

impl RelationKey {
    /// A key in the target's own database, from two names of any case.
    pub fn new(schema: &str, identifier: &str) -> Self {
        Self::within(None, schema, identifier)
    }

    /// A key from names of any case; without a database it is in the target's own.
    pub fn within(database: Option<&str>, schema: &str, identifier: &str) -> Self {
        Self {
            database: database.map(str::to_ascii_lowercase),
            schema: schema.to_ascii_lowercase(),
            identifier: identifier.to_ascii_lowercase(),
        }
    }
}

impl fmt::Display for RelationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(database) = &self.database {
            write!(formatter, "{database}.")?;
        }
        write!(formatter, "{}.{}", self.schema, self.identifier)
    }
}
