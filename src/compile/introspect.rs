//! What a template may learn of the warehouse, answered by the run's own view of it.

use arrow::record_batch::RecordBatch;

use crate::manifest::relation::RelationKey;
use crate::template::host::{Answer, ColumnValue, HostError, RelationKind};

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
