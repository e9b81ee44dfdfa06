//! Groups of nodes, and who may refer to a model.

use indexmap::IndexMap;
use serde_json::Value;

use crate::base::source::Location;

/// Who may refer to a model; names as in dbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Nodes of the same group.
    Private,
    /// Nodes of the same package; of others as well, unless the package says `restrict-access: true`.
    #[default]
    Protected,
    /// Everybody.
    Public,
}

impl Access {
    /// All, from the narrowest.
    pub const ALL: [Self; 3] = [Self::Private, Self::Protected, Self::Public];

    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Protected => "protected",
            Self::Public => "public",
        }
    }
}

/// A group of nodes with an owner.
#[derive(Debug, Clone)]
pub struct Group {
    /// `group.shop.finance`.
    pub id: String,
    /// Name.
    pub name: String,
    /// Package that defines it.
    pub package: String,
    /// Path of the defining file, relative to its package.
    pub path: String,
    /// Path below the configured folder.
    pub relative_path: String,
    /// Description as written.
    pub description: Option<String>,
    /// Owner: name and e-mail.
    pub owner: IndexMap<String, Value>,
    /// Free metadata.
    pub meta: IndexMap<String, Value>,
    /// Where its name is written.
    pub location: Location,
}
