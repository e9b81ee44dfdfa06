//! What other environments have published: read where a run defers to their state, and by views that were made so.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::datasource::TableType;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::engine::session::RelationSource;
use crate::engine::user_functions::UserFunctions;
use crate::engine::view::WarehouseView;
use crate::manifest::relation::RelationKey;
use crate::store::{Catalog, StoreError, Warehouse};
use crate::template::host::RelationKind;

/// An environment that can be read beside the run's own.
#[derive(Debug, Clone)]
pub struct Neighbor {
    /// Where it lies.
    pub warehouse: Arc<Warehouse>,
    /// What it has published.
    pub catalog: Arc<Catalog>,
}

/// Finds environments by their names.
#[async_trait]
pub trait Neighbors: Send + Sync {
    /// The names of all that are known.
    async fn names(&self) -> Result<Vec<String>, StoreError>;

    /// What an environment has published; nothing if there is no such environment.
    async fn find(&self, environment: &str) -> Result<Neighbor, StoreError>;
}

/// A name that means what another environment has published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// The environment.
    pub environment: String,
    /// What the relation is there.
    pub kind: RelationKind,
}

/// The names of a run that mean what another environment has published.
pub type DeferredNames = BTreeMap<RelationKey, Deferred>;

/// The relations of a view that was made while some names were deferred: these keep their meaning.
pub(super) struct Foreign {
    pub(super) view: Arc<WarehouseView>,
    pub(super) deferred: BTreeMap<RelationKey, String>,
}

impl fmt::Debug for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Foreign").field("deferred", &self.deferred).finish_non_exhaustive()
    }
}

#[async_trait]
impl RelationSource for Foreign {
    async fn table(&self, key: &RelationKey) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        match self.deferred.get(key) {
            Some(environment) => opened(Arc::clone(&self.view), environment.clone(), key.clone()).await,
            None => self.view.table(key).await,
        }
    }

    fn names(&self) -> Vec<RelationKey> {
        let mut names = self.view.names();
        names.extend(self.deferred.keys().cloned());
        names.sort();
        names.dedup();
        names
    }

    fn exists(&self, key: &RelationKey) -> bool {
        self.deferred.contains_key(key) || self.view.exists(key)
    }

    fn table_type(&self, key: &RelationKey) -> Option<TableType> {
        if self.deferred.contains_key(key) { Some(TableType::Base) } else { self.view.table_type(key) }
    }

    fn functions(&self) -> Arc<UserFunctions> {
        self.view.functions()
    }

    fn former_homes(&self) -> Arc<[String]> {
        self.view.former_homes()
    }
}

/// Opens a relation of another environment. Boxed, because a view there may lead on.
pub(super) fn opened(
    view: Arc<WarehouseView>,
    environment: String,
    key: RelationKey,
) -> BoxFuture<'static, EngineResult<Option<Arc<dyn TableProvider>>>> {
    async move {
        let neighbor = view.neighbor(&environment).await?;
        match neighbor.table(&key).await? {
            Some(found) => Ok(Some(found)),
            None => Err(DataFusionError::Plan(format!(
                "`{key}` is deferred to the environment `{environment}`, which has not published it"
            ))),
        }
    }
    .boxed()
}
