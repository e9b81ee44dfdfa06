//! What all nodes of a run share.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use crate::compile::host::Invocation;
use crate::compile::introspect::Introspect;
use crate::engine::view::WarehouseView;
use crate::execute::result::EventSink;
use crate::manifest::relation::RelationKey;
use crate::plan::check::{columns_of, list_now, query_now};
use crate::template::host::{ColumnValue, HostError, RelationKind};

/// A run in progress.
pub struct Run {
    /// Facts of the invocation.
    pub invocation: Arc<Invocation>,
    /// What relation names mean now.
    pub view: Arc<WarehouseView>,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// Nodes at once.
    pub threads: usize,
    /// Whether the first failure stops the run.
    pub fail_fast: bool,
}

impl Run {
    /// What templates may learn now, when a node's parents are ready.
    pub fn introspect(&self) -> Arc<dyn Introspect> {
        Arc::new(Now { view: Arc::clone(&self.view) })
    }
}

/// Answers templates from what is there now.
struct Now {
    view: Arc<WarehouseView>,
}

impl Introspect for Now {
    fn kind(&self, key: &RelationKey) -> Option<RelationKind> {
        self.view.kind(key)
    }

    fn published_kind(&self, key: &RelationKey) -> Option<RelationKind> {
        self.view.published_kind(key)
    }

    fn columns(&self, key: &RelationKey) -> Result<Option<Vec<ColumnValue>>, HostError> {
        columns_of(&self.view, key)
    }

    fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, HostError> {
        query_now(&self.view, sql)
    }

    fn list(&self, schema: Option<&str>) -> Vec<(RelationKey, RelationKind)> {
        list_now(&self.view, schema)
    }
}
