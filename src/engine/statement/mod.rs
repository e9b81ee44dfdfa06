//! Statements that change the warehouse: what a hook, an operation or `run_query` may say beside a query.
//!
//! The text is read into karat's own words here; what a statement does to a table is SQL over scratch relations
//! (`plan::statement`), and `execute::statement` runs it. What would leave the warehouse, or change what karat does not
//! keep, is refused.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::datatypes::DataType;

use crate::manifest::relation::{Namespace, Relation, RelationKey};

mod read;
mod refused;
mod scope;

pub use read::{Defaults, read, relations};
pub use refused::{FORMS, REFUSED};

/// One statement of a text.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Where it stands in the text.
    pub range: Range<usize>,
    /// What it does.
    pub action: Action,
    /// The relations that it reads.
    pub reads: BTreeSet<RelationKey>,
}

/// What a statement does.
#[derive(Debug, Clone)]
pub enum Action {
    /// It asks and changes nothing.
    Query,
    /// It has no effect here: `begin`, `commit`, `analyze`; its first word.
    Nothing(&'static str),
    /// `create schema`: a schema is there as soon as it has a relation.
    CreateSchema(Namespace),
    /// `drop schema`.
    DropSchema {
        /// Its name.
        namespace: Namespace,
        /// Whether relations in it are dropped, too.
        cascade: bool,
    },
    /// `create table`.
    CreateTable(CreateTable),
    /// `create view`.
    CreateView(CreateView),
    /// `insert into`.
    Insert(Insert),
    /// `update`.
    Update(Update),
    /// `delete from`.
    Delete(Delete),
    /// `merge into`.
    Merge(Merge),
    /// `truncate`.
    Truncate(Vec<Relation>),
    /// `drop table` or `drop view`.
    Drop(Drop),
    /// `alter table` or `alter view`.
    Alter(Alter),
}

impl Action {
    /// The words that name it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Query => "select",
            Self::Nothing(word) => word,
            Self::CreateSchema(_) => "create schema",
            Self::DropSchema { .. } => "drop schema",
            Self::CreateTable(_) => "create table",
            Self::CreateView(_) => "create view",
            Self::Insert(_) => "insert",
            Self::Update(_) => "update",
            Self::Delete(_) => "delete",
            Self::Merge(_) => "merge",
            Self::Truncate(_) => "truncate",
            Self::Drop(drop) if drop.view => "drop view",
            Self::Drop(_) => "drop table",
            Self::Alter(_) => "alter table",
        }
    }

    /// The relations that it changes.
    pub fn changed(&self) -> Vec<RelationKey> {
        match self {
            Self::Query | Self::Nothing(_) | Self::CreateSchema(_) | Self::DropSchema { .. } => Vec::new(),
            Self::CreateTable(CreateTable { relation, .. })
            | Self::CreateView(CreateView { relation, .. })
            | Self::Insert(Insert { relation, .. })
            | Self::Update(Update { relation, .. })
            | Self::Delete(Delete { relation, .. })
            | Self::Merge(Merge { relation, .. })
            | Self::Alter(Alter { relation, .. }) => vec![relation.key()],
            Self::Truncate(relations) | Self::Drop(Drop { relations, .. }) => {
                relations.iter().map(Relation::key).collect()
            }
        }
    }

    /// Whether it may change a relation.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Query | Self::Nothing(_) | Self::CreateSchema(_))
    }
}

/// `create table`.
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// The table.
    pub relation: Relation,
    /// Whether one that exists is replaced.
    pub or_replace: bool,
    /// Whether one that exists is left as it is.
    pub if_not_exists: bool,
    /// Whether it goes when the run ends.
    pub temporary: bool,
    /// Its columns, if they are written; with a query their types are optional.
    pub columns: Vec<NewColumn>,
    /// Its rows.
    pub query: Option<String>,
}

/// A column of a new table.
#[derive(Debug, Clone)]
pub struct NewColumn {
    /// Name.
    pub name: String,
    /// Type; absent only in the list of names before a query.
    pub data_type: Option<DataType>,
    /// Whether nulls are allowed.
    pub nullable: bool,
}

/// `create view`.
#[derive(Debug, Clone)]
pub struct CreateView {
    /// The view.
    pub relation: Relation,
    /// Whether one that exists is replaced.
    pub or_replace: bool,
    /// Whether one that exists is left as it is.
    pub if_not_exists: bool,
    /// Whether it goes when the run ends.
    pub temporary: bool,
    /// Other names of its columns.
    pub columns: Vec<String>,
    /// The query.
    pub query: String,
}

/// `insert into`.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The table.
    pub relation: Relation,
    /// The columns that get values; none are all of them.
    pub columns: Vec<String>,
    /// The rows.
    pub query: String,
    /// Whether the former rows go.
    pub overwrite: bool,
}

/// `update`.
#[derive(Debug, Clone)]
pub struct Update {
    /// The table.
    pub relation: Relation,
    /// Its name in the expressions, quoted.
    pub alias: String,
    /// Columns and their new values.
    pub set: Vec<(String, String)>,
    /// Other relations.
    pub from: Option<String>,
    /// Which rows.
    pub condition: Option<String>,
}

/// `delete from`.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The table.
    pub relation: Relation,
    /// Its name in the expressions, quoted.
    pub alias: String,
    /// Other relations.
    pub using: Option<String>,
    /// Which rows.
    pub condition: Option<String>,
}

/// `merge into`.
#[derive(Debug, Clone)]
pub struct Merge {
    /// The table.
    pub relation: Relation,
    /// Its name in the expressions, quoted.
    pub alias: String,
    /// What is merged into it, as a part of a `from` clause.
    pub source: String,
    /// The name of the source in the expressions, quoted.
    pub source_alias: String,
    /// When rows match.
    pub on: String,
    /// What is done, the first that holds.
    pub clauses: Vec<Clause>,
}

/// `when ... then ...`.
#[derive(Debug, Clone)]
pub struct Clause {
    /// For which rows.
    pub side: Side,
    /// A further condition.
    pub condition: Option<String>,
    /// What to do.
    pub effect: Effect,
}

/// For which rows a clause of a merge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Rows of the table that a row of the source matches.
    Matched,
    /// Rows of the source that match none of the table.
    NotMatched,
    /// Rows of the table that no row of the source matches.
    NotMatchedBySource,
}

/// What a clause of a merge does.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Changes columns.
    Update(Vec<(String, String)>),
    /// Removes the row.
    Delete,
    /// Adds a row; no values are those of the columns of the same names.
    Insert {
        /// Columns; none are all.
        columns: Vec<String>,
        /// Their values.
        values: Option<Vec<String>>,
    },
}

/// `drop table` or `drop view`.
#[derive(Debug, Clone)]
pub struct Drop {
    /// What is dropped.
    pub relations: Vec<Relation>,
    /// Whether views are meant.
    pub view: bool,
    /// Whether one that does not exist is no error.
    pub if_exists: bool,
}

/// `alter table` or `alter view`.
#[derive(Debug, Clone)]
pub struct Alter {
    /// The relation.
    pub relation: Relation,
    /// Whether one that does not exist is no error.
    pub if_exists: bool,
    /// What is altered, in order.
    pub steps: Vec<Alteration>,
}

/// One step of `alter table`.
#[derive(Debug, Clone)]
pub enum Alteration {
    /// A new column.
    Add {
        /// The column.
        column: NewColumn,
        /// The value in rows that are there; null without.
        default: Option<String>,
        /// Whether one that exists is left as it is.
        if_not_exists: bool,
    },
    /// Columns go.
    Drop {
        /// Their names.
        columns: Vec<String>,
        /// Whether one that does not exist is no error.
        if_exists: bool,
    },
    /// A column gets another name.
    Rename {
        /// Name so far.
        from: String,
        /// New name.
        to: String,
    },
    /// A column gets another type.
    Retype {
        /// Its name.
        column: String,
        /// The new type.
        data_type: DataType,
        /// How values are converted; a cast without.
        using: Option<String>,
    },
    /// Nulls are allowed, or no longer.
    Nullable {
        /// The column.
        column: String,
        /// Whether nulls are allowed.
        nullable: bool,
    },
    /// The relation gets another name.
    RenameTo(Relation),
}
