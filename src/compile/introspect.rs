//! What a template may learn of the warehouse, answered by the run's own view of it.

use arrow::record_batch::RecordBatch;

use crate::manifest::relation::RelationKey;
use crate::template::host::{Answer, ColumnValue, HostError, RelationKind};

/// Answers nothing (`--no-introspect`): what a template asks of the warehouse is an error.
pub struct Blind;

impl Blind {
    fn refusal<T>() -> Result<T, HostError> {
        Err(HostError::refused("introspection", "a template asks the warehouse, which `--no-introspect` forbids"))
    }
}

impl Introspect for Blind {
    fn kind(&self, _: &RelationKey) -> Option<RelationKind> {
        None
    }

    fn published_kind(&self, _: &RelationKey) -> Option<RelationKind> {
        None
    }

    fn columns(&self, _: &RelationKey) -> Result<Option<Vec<ColumnValue>>, HostError> {
        Self::refusal()
    }

    fn query(&self, _: &str) -> Result<Vec<RecordBatch>, HostError> {
        Self::refusal()
    }

    fn statements(&self, _: &str) -> Result<Answer, HostError> {
        Self::refusal()
    }

    fn list(&self, _: Option<&str>, _: &str) -> Vec<(RelationKey, RelationKind)> {
        Vec::new()
    }
}

/// A view of the warehouse: what this run has built or will build first, then what is published.
pub trait Introspect: Send + Sync + 'static {
    /// What a relation is; `None` if it does not exist yet.
    fn kind(&self, key: &RelationKey) -> Option<RelationKind>;

    /// What a relation is among the published ones, whatever this run does: decides `is_incremental()`.
    fn published_kind(&self, key: &RelationKey) -> Option<RelationKind>;

    /// The columns of a relation; `None` if it does not exist.
    fn columns(&self, key: &RelationKey) -> Result<Option<Vec<ColumnValue>>, HostError>;

    /// Runs a query.
    fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, HostError>;

    /// Runs statements, which may change the warehouse.
    fn statements(&self, sql: &str) -> Result<Answer, HostError>;

    /// The relations of one schema; without a database it is in the target's own.
    fn list(&self, database: Option<&str>, schema: &str) -> Vec<(RelationKey, RelationKind)>;
}
