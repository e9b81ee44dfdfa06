//! What relation names mean in one run: first what this run has made (or will make), then what the environment has
//! published, then the files of sources.
//!
//! The same type serves the check before a run, where relations of the run are known by their columns only, and the
//! run itself, where they are staged files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{TableType, ViewTable};
use datafusion::logical_expr::LogicalPlan;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::base::diagnostic::Diagnostic;
use crate::engine::error::{SqlProblem, ViewError};
use crate::engine::files::{self, Access, Cause, DeltaOpener, ExternalTable, StoreLookup};
use crate::engine::neighbors::{DeferredNames, Foreign, Neighbors, opened};
use crate::engine::session::{Engine, RelationSource, Session, Variant};
use crate::engine::table;
use crate::engine::user_functions::UserFunctions;
use crate::manifest::relation::RelationKey;
use crate::manifest::source::ExternalSource;
use crate::store::{Catalog, PublishedRelation, TableVersion, Warehouse, foreign_table};
use crate::template::host::RelationKind;

/// A relation that this run has made, or will make.
#[derive(Debug, Clone)]
pub enum Fresh {
    /// Known by its columns: the check before the run.
    Planned(SchemaRef, RelationKind),
    /// Will be made, its columns are not known yet.
    Unknown(RelationKind),
    /// Written, not yet published.
    Staged(Arc<TableVersion>),
    /// A stored query, not yet published.
    View {
        /// The query.
        sql: String,
        /// Its columns.
        schema: SchemaRef,
    },
    /// Put together from what is staged and what is published, while its node still runs.
    Assembled(Arc<dyn TableProvider>),
    /// Dropped by a statement of this run.
    Gone,
}

/// Where everything comes from; shared by all views of an invocation.
#[derive(Clone)]
pub struct Surroundings {
    /// The engine.
    pub engine: Engine,
    /// The warehouse.
    pub warehouse: Arc<Warehouse>,
    /// What the environment has published.
    pub catalog: Arc<Catalog>,
    /// Files of sources, by the relation that stands for them.
    pub sources: Arc<BTreeMap<RelationKey, ExternalSource>>,
    /// The project's folder, for relative locations.
    pub project_root: PathBuf,
    /// Opens the object stores of sources.
    pub stores: Arc<StoreLookup>,
    /// Names that mean what another environment has published.
    pub deferred: Arc<DeferredNames>,
    /// Finds the other environments.
    pub neighbors: Arc<dyn Neighbors>,
    /// The functions of the project.
    pub functions: Arc<UserFunctions>,
}

/// Opens the Delta tables of sources through the store.
struct ForeignDelta;

#[async_trait]
impl DeltaOpener for ForeignDelta {
    async fn open(&self, location: &str) -> Result<Option<Arc<dyn TableProvider>>, Cause> {
        Ok(foreign_table(location).await?)
    }
}

/// The meaning of names at one moment of a run.
pub struct WarehouseView {
    surroundings: Surroundings,
    fresh: RwLock<BTreeMap<RelationKey, Fresh>>,
    opened: tokio::sync::RwLock<BTreeMap<RelationKey, Arc<dyn TableProvider>>>,
    neighbors: tokio::sync::RwLock<BTreeMap<String, Arc<Self>>>,
    former_homes: Arc<[String]>,
    warnings: RwLock<Vec<Diagnostic>>,
    this: Weak<Self>,
}

impl fmt::Debug for WarehouseView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WarehouseView").finish_non_exhaustive()
    }
}

impl WarehouseView {
    /// A view in which nothing has been made yet.
    pub fn new(surroundings: Surroundings) -> Arc<Self> {
        let former_homes = former_homes(&surroundings.catalog);
        Arc::new_cyclic(|this| Self {
            former_homes,
            surroundings,
            fresh: RwLock::default(),
            opened: tokio::sync::RwLock::default(),
            neighbors: tokio::sync::RwLock::default(),
            warnings: RwLock::default(),
            this: this.clone(),
        })
    }

    /// What the view was made from.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Puts a relation of this run in front of everything else.
    pub fn put(&self, key: RelationKey, fresh: Fresh) {
        self.fresh.write().unwrap_or_else(PoisonError::into_inner).insert(key, fresh);
    }

    /// What this run has made of a relation.
    pub fn fresh(&self, key: &RelationKey) -> Option<Fresh> {
        self.fresh.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The query of a view and its columns.
    pub fn view_query(&self, key: &RelationKey) -> Option<(String, SchemaRef)> {
        match self.fresh(key) {
            Some(Fresh::View { sql, schema }) => Some((sql, schema)),
            Some(_) => None,
            None => match self.surroundings.catalog.get(key) {
                Some(PublishedRelation::View(view)) => Some((view.sql.clone(), Arc::clone(&view.common.schema))),
                _ => None,
            },
        }
    }

    /// Relations, and for views what they read in turn.
    pub fn behind(self: &Arc<Self>, keys: &BTreeSet<RelationKey>) -> BTreeSet<RelationKey> {
        let session = self.session(Variant::Normal);
        let mut found = BTreeSet::new();
        let mut next: Vec<RelationKey> = keys.iter().cloned().collect();
        while let Some(key) = next.pop() {
            if let Some((sql, _)) = self.view_query(&key).filter(|_| !found.contains(&key)) {
                next.extend(session.relations(&sql));
            }
            found.insert(key);
        }
        found
    }

    /// Forgets what this run has made of a relation.
    pub fn forget(&self, key: &RelationKey) {
        self.fresh.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Lets published views be planned anew, because a relation that they read may have changed.
    pub async fn forget_views(&self) {
        self.opened.write().await.retain(|key, _| self.published_kind(key) != Some(RelationKind::View));
    }

    /// Warnings of the sources that were opened (a new column, a missing file), each once.
    pub fn take_warnings(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut *self.warnings.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// A session in which names mean what this view says.
    pub fn session(self: &Arc<Self>, variant: Variant) -> Session {
        self.surroundings.engine.session(Arc::clone(self) as Arc<dyn RelationSource>, variant)
    }

    /// What a relation is, in this run or published.
    pub fn kind(&self, key: &RelationKey) -> Option<RelationKind> {
        match self.fresh(key) {
            Some(Fresh::Planned(_, kind) | Fresh::Unknown(kind)) => Some(kind),
            Some(Fresh::Staged(_) | Fresh::Assembled(_)) => Some(RelationKind::Table),
            Some(Fresh::View { .. }) => Some(RelationKind::View),
            Some(Fresh::Gone) => None,
            None if self.surroundings.deferred.contains_key(key) => {
                self.surroundings.deferred.get(key).map(|deferred| deferred.kind)
            }
            None if self.surroundings.sources.contains_key(key) => Some(RelationKind::External),
            None => self.published_kind(key),
        }
    }

    /// What a published relation is.
    pub fn published_kind(&self, key: &RelationKey) -> Option<RelationKind> {
        self.surroundings.catalog.get(key).map(|relation| match relation {
            PublishedRelation::Table(_) => RelationKind::Table,
            PublishedRelation::View(_) => RelationKind::View,
        })
    }

    /// The files of a table as a provider.
    pub fn table_provider(&self, version: &TableVersion) -> EngineResult<Arc<dyn TableProvider>> {
        table::provider(&self.surroundings.warehouse, version, None)
    }

    async fn published(&self, relation: &PublishedRelation) -> EngineResult<Arc<dyn TableProvider>> {
        match relation {
            PublishedRelation::Table(table) => {
                let version = self
                    .surroundings
                    .warehouse
                    .table_at(table)
                    .await
                    .map_err(|error| DataFusionError::External(Box::new(error)))?;
                self.table_provider(&version)
            }
            PublishedRelation::View(view) => {
                let this = self.this()?;
                let names: Arc<dyn RelationSource> = if view.deferred.is_empty() {
                    this
                } else {
                    Arc::new(Foreign { view: this, deferred: view.deferred.clone() })
                };
                self.view_provider(&relation.relation().key(), &view.sql, names).await
            }
        }
    }

    fn this(&self) -> EngineResult<Arc<Self>> {
        let gone = || DataFusionError::Internal("the view of the warehouse is gone".into());
        self.this.upgrade().ok_or_else(gone)
    }

    /// What another environment has published, as a view of its own.
    pub(super) async fn neighbor(&self, environment: &str) -> EngineResult<Arc<Self>> {
        if let Some(known) = self.neighbors.read().await.get(environment) {
            return Ok(Arc::clone(known));
        }
        let found = self.surroundings.neighbors.find(environment).await;
        let found = found.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let view = Self::new(Surroundings {
            warehouse: found.warehouse,
            catalog: found.catalog,
            deferred: Arc::default(),
            ..self.surroundings.clone()
        });
        // Two openers find the same; the first stays, so that one run sees one state of the environment.
        Ok(Arc::clone(self.neighbors.write().await.entry(environment.to_owned()).or_insert(view)))
    }

    async fn view_provider(
        &self,
        key: &RelationKey,
        sql: &str,
        names: Arc<dyn RelationSource>,
    ) -> EngineResult<Arc<dyn TableProvider>> {
        // A view is planned each time it is opened, so it follows its parents.
        let session = self.surroundings.engine.session(names, Variant::Normal);
        let planning: BoxFuture<'static, Result<LogicalPlan, SqlProblem>> = planned(session, sql.to_owned()).boxed();
        let plan = planning.await.map_err(|problem| ViewError { view: key.clone(), problem })?;
        Ok(Arc::new(ViewTable::new(plan, Some(sql.to_owned()))))
    }

    async fn open(&self, key: &RelationKey) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        match self.fresh(key) {
            Some(Fresh::Planned(schema, _)) => return Ok(Some(without_rows(&schema))),
            Some(Fresh::Unknown(_)) => {
                return Err(DataFusionError::Plan(format!("the columns of `{key}` are not known before it is built")));
            }
            Some(Fresh::Staged(version)) => return self.table_provider(&version).map(Some),
            Some(Fresh::View { sql, .. }) => return self.view_provider(key, &sql, self.this()?).await.map(Some),
            Some(Fresh::Assembled(table)) => return Ok(Some(table)),
            Some(Fresh::Gone) => return Ok(None),
            None => {}
        }
        if let Some(deferred) = self.surroundings.deferred.get(key) {
            return opened(self.this()?, deferred.environment.clone(), key.clone()).await;
        }
        if let Some(provider) = self.opened.read().await.get(key) {
            return Ok(Some(Arc::clone(provider)));
        }
        let provider = if let Some(source) = self.surroundings.sources.get(key) {
            self.open_source(source).await?
        } else if let Some(relation) = self.surroundings.catalog.get(key) {
            self.published(relation).await?
        } else {
            return Ok(None);
        };
        // What two openers find is the same; the first stays, so that one run sees one list of files.
        Ok(Some(Arc::clone(self.opened.write().await.entry(key.clone()).or_insert(provider))))
    }

    async fn open_source(&self, source: &ExternalSource) -> EngineResult<Arc<dyn TableProvider>> {
        let opening: BoxFuture<'static, _> = open_source(self.surroundings.clone(), source.clone()).boxed();
        let opened = opening.await?;
        self.warnings.write().unwrap_or_else(PoisonError::into_inner).extend(opened.warnings.0);
        Ok(opened.provider)
    }
}

/// The names by which published views may call the target's own database: what it was called when something in it was
/// built. A name that is now that of another database means that one.
fn former_homes(catalog: &Catalog) -> Arc<[String]> {
    let (mut homes, mut others) = (BTreeSet::new(), BTreeSet::new());
    for relation in catalog.relations() {
        let database = &relation.relation().database;
        let names = if database.is_home() { &mut homes } else { &mut others };
        names.insert(database.as_str().to_ascii_lowercase());
    }
    homes.difference(&others).cloned().collect()
}

async fn open_source(surroundings: Surroundings, source: ExternalSource) -> EngineResult<ExternalTable> {
    let access =
        Access { project_root: &surroundings.project_root, stores: surroundings.stores.as_ref(), delta: &ForeignDelta };
    files::open_external(&source, access).await.map_err(|error| DataFusionError::External(Box::new(error)))
}

async fn planned(session: Session, sql: String) -> Result<LogicalPlan, SqlProblem> {
    session.plan(&sql).await
}

#[async_trait]
impl RelationSource for WarehouseView {
    async fn table(&self, key: &RelationKey) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        self.open(key).await
    }

    fn names(&self) -> Vec<RelationKey> {
        let fresh = self.fresh.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<RelationKey> = fresh.keys().cloned().collect();
        names.extend(self.surroundings.sources.keys().cloned());
        names.extend(self.surroundings.deferred.keys().cloned());
        names.extend(self.surroundings.catalog.relations().map(|relation| relation.relation().key()));
        names.sort();
        names.dedup();
        names.retain(|key| !matches!(fresh.get(key), Some(Fresh::Gone)));
        names
    }

    fn exists(&self, key: &RelationKey) -> bool {
        self.kind(key).is_some()
    }

    fn table_type(&self, key: &RelationKey) -> Option<TableType> {
        self.kind(key).map(|kind| if kind == RelationKind::View { TableType::View } else { TableType::Base })
    }

    fn functions(&self) -> Arc<UserFunctions> {
        Arc::clone(&self.surroundings.functions)
    }

    fn former_homes(&self) -> Arc<[String]> {
        Arc::clone(&self.former_homes)
    }
}

/// Another source of relations with some scratch relations in front: the inputs of one step.
#[derive(Debug)]
pub struct Overlay {
    below: Arc<dyn RelationSource>,
    scratch: RwLock<BTreeMap<RelationKey, Arc<dyn TableProvider>>>,
}

impl Overlay {
    /// An overlay without scratch relations.
    pub fn new(below: Arc<dyn RelationSource>) -> Arc<Self> {
        Arc::new(Self { below, scratch: RwLock::default() })
    }

    /// Adds or replaces a scratch relation.
    pub fn put(&self, key: RelationKey, provider: Arc<dyn TableProvider>) {
        self.scratch.write().unwrap_or_else(PoisonError::into_inner).insert(key, provider);
    }
}

#[async_trait]
impl RelationSource for Overlay {
    async fn table(&self, key: &RelationKey) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        let scratch = self.scratch.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        match scratch {
            Some(provider) => Ok(Some(provider)),
            None => self.below.table(key).await,
        }
    }

    fn names(&self) -> Vec<RelationKey> {
        self.below.names()
    }

    fn exists(&self, key: &RelationKey) -> bool {
        self.scratch.read().unwrap_or_else(PoisonError::into_inner).contains_key(key) || self.below.exists(key)
    }

    fn table_type(&self, key: &RelationKey) -> Option<TableType> {
        self.below.table_type(key)
    }

    fn functions(&self) -> Arc<UserFunctions> {
        self.below.functions()
    }

    fn former_homes(&self) -> Arc<[String]> {
        self.below.former_homes()
    }
}

/// A relation without rows: stands for something that is not there yet.
pub fn without_rows(schema: &SchemaRef) -> Arc<dyn TableProvider> {
    Arc::new(EmptyTable::new(Arc::clone(schema)))
}
