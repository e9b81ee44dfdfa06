//! The only door to visible data: a run is published as one.
//!
//! Order of a publication: look at every table's log and plan its commit; sync and check all new files; commit the
//! tables; create the environment's next entry. Only the entry makes the run visible to karat's readers. A crash
//! before it leaves commits that no entry pins; [`Warehouse::recover`] takes them back, and the next publication of
//! the same table repairs it anyway, because it commits the difference to what the log says.
//!
//! Conflicts are refused: an entry or a version that exists already, a commit of another program, a table of another
//! environment. Nothing is merged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::base::fs::sync_dir;
use crate::manifest::node::NodeId;
use crate::manifest::relation::{Relation, RelationKey};
use crate::store::catalog::{
    Catalog, Common, Entry, PublishedRelation, PublishedTable, PublishedView, RunRecord, Verdict, encode, entry_path,
};
use crate::store::delta::{Author, Commit, CommitMark, PreparedCommit, TableState, commit_path};
use crate::store::error::StoreError;
use crate::store::local;
use crate::store::table::{DataFile, TableVersion};
use crate::store::warehouse::{CONCURRENCY, Durability, FailPoint, Warehouse, blocking, table_folder};
use crate::store::write::{check_relation, check_shape};

/// Facts about the run that publishes.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// The run's id.
    pub invocation_id: String,
    /// The run's time.
    pub now: DateTime<Utc>,
    /// Version of karat.
    pub karat_version: String,
    /// The command line, without secrets.
    pub command: String,
}

/// What was done to a table, for its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// All rows are new.
    Overwrite,
    /// Rows were added.
    Append,
    /// Rows were added, changed or taken away by key or by partition.
    Merge,
    /// An older version was brought back.
    Restore,
}

impl Operation {
    /// Delta's name.
    fn as_str(self) -> &'static str {
        match self {
            Self::Overwrite | Self::Append => "WRITE",
            Self::Merge => "MERGE",
            Self::Restore => "RESTORE",
        }
    }
}

/// New content of a table.
#[derive(Debug, Clone)]
pub struct TableChange {
    /// Columns and files, those that stay among them.
    pub content: Arc<TableVersion>,
    /// The node that made it.
    pub node_id: NodeId,
    /// Fingerprint of the plan and its inputs.
    pub fingerprint: String,
    /// Verdicts of the tests on this content.
    pub tests: Vec<Verdict>,
    /// What was done.
    pub operation: Operation,
}

/// A new or changed view.
#[derive(Debug, Clone)]
pub struct ViewChange {
    /// The name.
    pub relation: Relation,
    /// The columns.
    pub schema: SchemaRef,
    /// The query.
    pub sql: String,
    /// The relations that the query reads.
    pub depends_on: Vec<RelationKey>,
    /// Those of them that another environment has published, with its name.
    pub deferred: BTreeMap<RelationKey, String>,
    /// The node that made it.
    pub node_id: NodeId,
    /// Fingerprint of the plan and its inputs.
    pub fingerprint: String,
    /// Verdicts of the tests on this content.
    pub tests: Vec<Verdict>,
}

/// New facts about content that stays as it is.
#[derive(Debug, Clone)]
pub struct KeepChange {
    /// The relation.
    pub key: RelationKey,
    /// Fingerprint of the plan and its inputs.
    pub fingerprint: String,
    /// Verdicts of the tests on this content.
    pub tests: Vec<Verdict>,
}

/// One change of an environment.
#[derive(Debug, Clone)]
pub enum Change {
    /// A table has new content. A view of the same name goes.
    Table(TableChange),
    /// A view is new or changed. A table of the same name goes; its folder stays until the sweep.
    View(ViewChange),
    /// Content stays, the facts about it change.
    Keep(KeepChange),
    /// A relation goes; a table's folder stays until the sweep.
    Drop(RelationKey),
}

impl Change {
    /// The relation that changes.
    pub fn key(&self) -> RelationKey {
        match self {
            Self::Table(change) => change.content.relation.key(),
            Self::View(change) => change.relation.key(),
            Self::Keep(change) => change.key.clone(),
            Self::Drop(key) => key.clone(),
        }
    }
}

/// What a publication made visible.
#[derive(Debug, Clone)]
pub struct Published {
    /// Number of the new entry.
    pub entry: u64,
    /// How many relations changed.
    pub relations: usize,
    /// The new state.
    pub catalog: Catalog,
}

/// A commit of another program on top of what karat published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The table.
    pub relation: Relation,
    /// The version of the commit.
    pub version: u64,
    /// Who made it, as far as the commit says.
    pub writer: String,
}

/// What recovery found and did.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// Tables whose unpublished commits were taken back.
    pub restored: Vec<Relation>,
    /// Tables with commits of others; they stay as they are, and publishing to them will be refused.
    pub foreign: Vec<Foreign>,
}

/// A table's change with its commit.
struct TablePlan<'a> {
    change: &'a TableChange,
    key: RelationKey,
    /// `None` if the log says already what is wanted.
    commit: Option<PreparedCommit>,
    version: u64,
    table_id: String,
}

impl Warehouse {
    /// Makes the results of a run visible, all or none: see the module's description. If it fails before the first
    /// commit, the staged files of the changes are removed.
    pub async fn publish(&self, base: &Catalog, run: &RunInfo, changes: Vec<Change>) -> Result<Published, StoreError> {
        let number = base.number().map_or(1, |number| number + 1);
        self.failpoint(FailPoint::AfterStage)?;
        let plans = match self.prepare(base, run, number, &changes).await {
            Ok(plans) => plans,
            Err(error) => {
                for content in contents(&changes) {
                    self.discard(&content.relation, &content.files).await;
                }
                return Err(error);
            }
        };
        self.failpoint(FailPoint::AfterSync)?;

        // From here on a commit may refer to the files, whatever comes back: they must stay.
        for content in contents(&changes) {
            self.take_staged(&content.relation, &content.files);
        }
        let at_once = if self.options.failpoint.is_some() { 1 } else { CONCURRENCY };
        let commits = plans.iter().map(|plan| self.commit(plan));
        let mut commits = futures::stream::iter(commits).buffered(at_once);
        let mut errors = Vec::new();
        while let Some(result) = commits.next().await {
            match result {
                Ok(()) => self.failpoint(FailPoint::BetweenCommits)?,
                Err(error) => errors.push(error),
            }
        }
        drop(commits);
        if let Err(error) = StoreError::all(errors) {
            // Some tables may be committed. If nobody else is at work, readers outside get the old content back now;
            // otherwise, or if this fails as well, the next run sees to it.
            if !error.is_conflict()
                && let Err(second) = self.recover(base, run).await
            {
                tracing::warn!(%second, "the commits of a failed publication were not taken back");
            }
            return Err(error);
        }
        self.failpoint(FailPoint::AfterCommits)?;

        let entry = next_entry(base, run, number, &changes, &plans);
        let content = encode(base.environment(), &entry)?;
        if !self.create(&entry_path(base.environment(), number), content).await? {
            return Err(entry_taken(base, number));
        }
        self.failpoint(FailPoint::AfterEntry)?;
        for plan in plans {
            if let Some(commit) = plan.commit {
                if commit.version == 0 {
                    self.forget_states(&plan.key);
                }
                self.remember_state(&plan.key, &Arc::new(commit.state));
            }
            self.checkpoint(&plan.change.content.relation, plan.version).await;
        }
        Ok(Published {
            entry: number,
            relations: changes.len(),
            catalog: Catalog::new(base.environment().clone(), entry),
        })
    }

    /// Looks, plans, and makes durable: all that can be done before the first commit.
    async fn prepare<'a>(
        &self,
        base: &Catalog,
        run: &RunInfo,
        number: u64,
        changes: &'a [Change],
    ) -> Result<Vec<TablePlan<'a>>, StoreError> {
        check_changes(base, changes)?;
        // Looking before committing keeps most losers of a race from touching any table; creating the entry decides.
        self.check_newest(base).await?;
        let tables = changes.iter().filter_map(|change| match change {
            Change::Table(change) => Some(self.plan_table(base, run, number, change)),
            _ => None,
        });
        let planned: Vec<_> = futures::stream::iter(tables).buffered(CONCURRENCY).collect().await;
        let (mut plans, mut errors) = (Vec::new(), Vec::new());
        for planned in planned {
            match planned {
                Ok(plan) => plans.push(plan),
                Err(error) => errors.push(error),
            }
        }
        StoreError::all(errors)?;
        self.settle(&plans).await?;
        Ok(plans)
    }

    /// Takes back what a crashed run committed but did not publish, so that readers outside karat see the published
    /// content again. Cheap when there is nothing to do: one look per table.
    pub async fn recover(&self, catalog: &Catalog, run: &RunInfo) -> Result<Recovered, StoreError> {
        let tables = catalog.tables().map(|table| self.recover_table(catalog, run, table));
        let outcomes: Vec<_> = futures::stream::iter(tables).buffered(CONCURRENCY).collect().await;
        let (mut recovered, mut errors) = (Recovered::default(), Vec::new());
        for outcome in outcomes {
            match outcome {
                Ok(None) => {}
                Ok(Some(Recovery::Restored(relation))) => recovered.restored.push(relation),
                Ok(Some(Recovery::Foreign(foreign))) => recovered.foreign.push(foreign),
                Err(error) => errors.push(error),
            }
        }
        StoreError::all(errors)?;
        Ok(recovered)
    }

    /// The changes that bring an environment back to an older entry; to be published as any others.
    pub async fn rollback_changes(&self, current: &Catalog, target: &Catalog) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        for relation in target.relations() {
            let common = relation.common().clone();
            if current.get(&common.relation.key()) == Some(relation) {
                continue;
            }
            changes.push(match relation {
                PublishedRelation::Table(table) => Change::Table(TableChange {
                    content: self.table_at(table).await?,
                    node_id: common.node_id,
                    fingerprint: common.fingerprint,
                    tests: common.tests,
                    operation: Operation::Restore,
                }),
                PublishedRelation::View(view) => Change::View(ViewChange {
                    relation: common.relation,
                    schema: common.schema,
                    sql: view.sql.clone(),
                    depends_on: view.depends_on.clone(),
                    deferred: view.deferred.clone(),
                    node_id: common.node_id,
                    fingerprint: common.fingerprint,
                    tests: common.tests,
                }),
            });
        }
        let keys = current.relations().map(|relation| relation.relation().key());
        changes.extend(keys.filter(|key| target.get(key).is_none()).map(Change::Drop));
        Ok(changes)
    }

    /// The content of a published table.
    pub async fn table_at(&self, table: &PublishedTable) -> Result<Arc<TableVersion>, StoreError> {
        let state = self.load_state(&table.common.relation, table.version).await?;
        check_identity(table, &state)?;
        Ok(Arc::clone(&state.content))
    }

    async fn check_newest(&self, base: &Catalog) -> Result<(), StoreError> {
        match self.entries(base.environment()).await?.last() {
            newest if newest.copied() == base.number() => Ok(()),
            newest => Err(entry_taken(base, newest.copied().unwrap_or(0))),
        }
    }

    async fn plan_table<'a>(
        &self,
        base: &Catalog,
        run: &RunInfo,
        entry: u64,
        change: &'a TableChange,
    ) -> Result<TablePlan<'a>, StoreError> {
        let relation = &change.content.relation;
        check_shape(relation, &change.content.schema, &change.content.partition_by)?;
        check_partitions(&change.content)?;
        let current = self.current_state(base, relation).await?;
        let mark = CommitMark {
            environment: base.environment().to_string(),
            entry,
            invocation_id: run.invocation_id.clone(),
            node_id: change.node_id.to_string(),
            restores: None,
        };
        let commit = Commit {
            content: &change.content,
            current: current.as_deref(),
            mark,
            operation: if current.is_none() { "CREATE TABLE AS SELECT" } else { change.operation.as_str() },
            timestamp: run.now.timestamp_millis(),
            karat_version: &run.karat_version,
        };
        let commit = commit.prepare()?;
        let (version, table_id) = match (&commit, current) {
            (Some(commit), _) => (commit.version, commit.table_id.clone()),
            (None, Some(current)) => (current.version, current.table_id.clone()),
            // Without a table there is always something to commit.
            (None, None) => (0, String::new()),
        };
        Ok(TablePlan { change, key: relation.key(), commit, version, table_id })
    }

    /// The latest version of a table that karat may build upon; `None` if there is no table yet.
    async fn current_state(&self, base: &Catalog, relation: &Relation) -> Result<Option<Arc<TableState>>, StoreError> {
        let key = relation.key();
        let environment = base.environment();
        let pinned = base.get(&key).and_then(PublishedRelation::as_table);
        let (from, mut latest) = match pinned {
            Some(pinned) => (pinned.version + 1, Some(pinned.version)),
            None => (0, None),
        };
        if pinned.is_some() && self.exists(&commit_path(&key, from)).await? || pinned.is_none() {
            latest = self.latest_version(&key).await?;
        } else if pinned.is_some() && !self.exists(&commit_path(&key, from - 1)).await? {
            // Nobody has this version: either all is gone, and the table begins anew, or a part of the log is.
            latest = self.latest_version(&key).await?;
        }
        let Some(latest) = latest else { return Ok(None) };
        if latest + 1 < from {
            let problem = format!("its log ends with version {latest}, but version {} was published", from - 1);
            return Err(StoreError::Replaced { table: relation.short_name(), problem });
        }
        // Of a table that this environment does not know, the last commit says whose it is.
        for version in if pinned.is_some() { from } else { latest }..=latest {
            match self.commit_author(&key, version).await? {
                Author::Karat(mark) if mark.environment == environment.as_str() => {}
                Author::Karat(mark) => {
                    return Err(StoreError::OtherEnvironment {
                        table: relation.short_name(),
                        owner: mark.environment,
                        environment: environment.to_string(),
                    });
                }
                Author::Foreign(writer) => {
                    return Err(StoreError::ForeignCommit { table: relation.short_name(), version, writer });
                }
            }
        }
        let state = self.load_state(relation, latest).await?;
        if let Some(pinned) = pinned {
            check_identity(pinned, &state)?;
        }
        Ok(Some(state))
    }

    /// Makes all new files durable and reads them back: size, footer, number of rows.
    async fn settle(&self, plans: &[TablePlan<'_>]) -> Result<(), StoreError> {
        let sync = self.options.durability == Durability::Safe;
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        let mut checks = Vec::new();
        for plan in plans {
            let relation = &plan.change.content.relation;
            for file in plan.commit.iter().flat_map(|commit| &commit.added) {
                let disk = self.disk(&format!("{}/{}", table_folder(&plan.key), file.path));
                if let (Some(disk), Some(root)) = (&disk, self.local_root()) {
                    let above = disk.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
                    folders.extend(above.map(Path::to_path_buf));
                }
                checks.push(self.settle_file(relation, file, disk, sync));
            }
        }
        let results: Vec<_> = futures::stream::iter(checks).buffered(CONCURRENCY).collect().await;
        StoreError::all(results.into_iter().filter_map(Result::err).collect())?;
        if let (true, Some(root)) = (sync && !folders.is_empty(), self.local_root().map(Path::to_path_buf)) {
            blocking(move || {
                // The deepest first: a folder's name is durable only after its content.
                folders.iter().rev().try_for_each(|folder| sync_dir(folder))?;
                local::sync_outside(&root)
            })
            .await?;
        }
        Ok(())
    }

    async fn settle_file(
        &self,
        relation: &Relation,
        file: &Arc<DataFile>,
        disk: Option<PathBuf>,
        sync: bool,
    ) -> Result<(), StoreError> {
        let path = format!("{}/{}", table_folder(&relation.key()), file.path);
        let owner = format!("the table `{}`", relation.short_name());
        let file = Arc::clone(file);
        if let Some(disk) = disk {
            return blocking(move || {
                let open = match local::open(&disk) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Err(StoreError::Missing { path, owner });
                    }
                    other => other.map_err(StoreError::io("read", disk.display()))?,
                };
                if sync {
                    // A sync that failed is never tried again: the system may have dropped the data.
                    open.sync_all().map_err(StoreError::io("sync", disk.display()))?;
                }
                let size = open.metadata().map_err(StoreError::io("read", disk.display()))?.len();
                check_size(&path, &file, size)?;
                check_footer(&path, &file, ParquetMetaDataReader::new().parse_and_finish(&open))
            })
            .await;
        }
        let object = self.file_path(relation, &file);
        let store = self.object_store();
        let meta = match store.head(&object).await {
            Err(object_store::Error::NotFound { .. }) => return Err(StoreError::Missing { path, owner }),
            other => other.map_err(StoreError::io("read", &path))?,
        };
        check_size(&path, &file, meta.size)?;
        let footer = ParquetMetaDataReader::new().load_and_finish(Footer { store, object }, meta.size).await;
        check_footer(&path, &file, footer)
    }

    async fn commit(&self, plan: &TablePlan<'_>) -> Result<(), StoreError> {
        let Some(commit) = &plan.commit else { return Ok(()) };
        if self.create(&commit_path(&plan.key, commit.version), commit.bytes.clone()).await? {
            return Ok(());
        }
        let table = plan.change.content.relation.short_name();
        Err(StoreError::TableRaced { table, version: commit.version })
    }

    async fn recover_table(
        &self,
        catalog: &Catalog,
        run: &RunInfo,
        table: &PublishedTable,
    ) -> Result<Option<Recovery>, StoreError> {
        let relation = &table.common.relation;
        let key = relation.key();
        if !self.exists(&commit_path(&key, table.version + 1)).await? {
            return Ok(None);
        }
        let latest = self.latest_version(&key).await?.unwrap_or(table.version);
        let mut is_restored = false;
        for version in table.version + 1..=latest {
            match self.commit_author(&key, version).await? {
                Author::Karat(mark) if mark.environment == catalog.environment().as_str() => {
                    is_restored = mark.restores == Some(table.version);
                }
                Author::Karat(mark) => {
                    let writer = format!("karat in the environment `{}`", mark.environment);
                    return Ok(Some(Recovery::Foreign(Foreign { relation: relation.clone(), version, writer })));
                }
                Author::Foreign(writer) => {
                    return Ok(Some(Recovery::Foreign(Foreign { relation: relation.clone(), version, writer })));
                }
            }
        }
        if is_restored {
            return Ok(None);
        }
        let (wanted, current) = (self.table_at(table).await?, self.load_state(relation, latest).await?);
        let mark = CommitMark {
            environment: catalog.environment().to_string(),
            entry: catalog.number().unwrap_or(0),
            invocation_id: run.invocation_id.clone(),
            node_id: table.common.node_id.to_string(),
            restores: Some(table.version),
        };
        let commit = Commit {
            content: &wanted,
            current: Some(&current),
            mark,
            operation: Operation::Restore.as_str(),
            timestamp: run.now.timestamp_millis(),
            karat_version: &run.karat_version,
        };
        let Some(commit) = commit.prepare()? else { return Ok(None) };
        if !self.create(&commit_path(&key, commit.version), commit.bytes).await? {
            return Err(StoreError::TableRaced { table: relation.short_name(), version: commit.version });
        }
        Ok(Some(Recovery::Restored(relation.clone())))
    }
}

/// Reads the footer of a file on an object store.
struct Footer {
    store: Arc<dyn ObjectStore>,
    object: ObjectPath,
}

impl MetadataFetch for Footer {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let fetched = async move { self.store.get_range(&self.object, range).await.map_err(ParquetError::from) };
        fetched.boxed()
    }
}

/// What recovery did to one table.
enum Recovery {
    Restored(Relation),
    Foreign(Foreign),
}

fn contents(changes: &[Change]) -> impl Iterator<Item = &Arc<TableVersion>> {
    changes.iter().filter_map(|change| match change {
        Change::Table(change) => Some(&change.content),
        _ => None,
    })
}

fn check_changes(base: &Catalog, changes: &[Change]) -> Result<(), StoreError> {
    let (mut seen, mut errors) = (BTreeSet::new(), Vec::new());
    for change in changes {
        let key = change.key();
        let problem = match change {
            Change::Keep(_) if base.get(&key).is_none() => Some("it is not published yet"),
            Change::View(view) => {
                errors.extend(check_relation(&view.relation).err());
                None
            }
            _ => None,
        };
        let problem = if seen.insert(key.clone()) { problem } else { Some("it is published twice by this run") };
        if let Some(problem) = problem {
            errors.push(StoreError::Unstorable { table: key.to_string(), problem: problem.to_owned() });
        }
    }
    StoreError::all(errors)
}

/// All files must have values for exactly the partition columns.
fn check_partitions(content: &TableVersion) -> Result<(), StoreError> {
    match content.files.iter().find(|file| !file.partition_values.keys().eq(&content.partition_by)) {
        None => Ok(()),
        Some(file) => {
            let problem = format!("the file `{}` was written for other partition columns; rebuild all rows", file.path);
            Err(StoreError::Unstorable { table: content.relation.short_name(), problem })
        }
    }
}

fn check_identity(published: &PublishedTable, state: &TableState) -> Result<(), StoreError> {
    if published.table_id == state.table_id {
        return Ok(());
    }
    let problem = "its folder holds another table".to_owned();
    Err(StoreError::Replaced { table: published.common.relation.short_name(), problem })
}

fn check_size(path: &str, file: &DataFile, size: u64) -> Result<(), StoreError> {
    if size == file.size {
        return Ok(());
    }
    let problem = format!("it has {size} bytes instead of {}", file.size);
    Err(StoreError::Corrupt { path: path.to_owned(), problem })
}

fn check_footer<E: std::fmt::Display>(
    path: &str,
    file: &DataFile,
    footer: Result<ParquetMetaData, E>,
) -> Result<(), StoreError> {
    let problem = match footer {
        Ok(footer) if u64::try_from(footer.file_metadata().num_rows()) == Ok(file.rows) => return Ok(()),
        Ok(footer) => format!("it has {} rows instead of {}", footer.file_metadata().num_rows(), file.rows),
        Err(error) => error.to_string(),
    };
    Err(StoreError::Corrupt { path: path.to_owned(), problem })
}

fn entry_taken(base: &Catalog, found: u64) -> StoreError {
    let began = base.number().map_or_else(|| "an empty one".to_owned(), |number| format!("entry {number}"));
    StoreError::EntryTaken { environment: base.environment().to_string(), found, began }
}

fn next_entry(base: &Catalog, run: &RunInfo, number: u64, changes: &[Change], plans: &[TablePlan<'_>]) -> Entry {
    let mut relations: BTreeMap<RelationKey, PublishedRelation> =
        base.entry().map(|entry| entry.relations.clone()).unwrap_or_default();
    let common =
        |relation: &Relation, node_id: &NodeId, schema: &SchemaRef, fingerprint: &str, tests: &[Verdict]| Common {
            relation: relation.clone(),
            node_id: node_id.clone(),
            schema: Arc::clone(schema),
            fingerprint: fingerprint.to_owned(),
            tests: tests.to_vec(),
            published_in: number,
            published_at: run.now,
        };
    for plan in plans {
        let TableChange { content, node_id, fingerprint, tests, .. } = plan.change;
        let table = PublishedTable {
            common: common(&content.relation, node_id, &content.schema, fingerprint, tests),
            version: plan.version,
            table_id: plan.table_id.clone(),
            partition_by: content.partition_by.clone(),
            rows: content.rows(),
            bytes: content.bytes(),
            content_hash: content.content_hash(),
        };
        relations.insert(plan.key.clone(), PublishedRelation::Table(table));
    }
    for change in changes {
        match change {
            Change::Table(_) => {}
            Change::View(view) => {
                let published = PublishedView {
                    common: common(&view.relation, &view.node_id, &view.schema, &view.fingerprint, &view.tests),
                    sql: view.sql.clone(),
                    depends_on: view.depends_on.clone(),
                    deferred: view.deferred.clone(),
                };
                relations.insert(view.relation.key(), PublishedRelation::View(published));
            }
            Change::Keep(keep) => {
                if let Some(known) = relations.get_mut(&keep.key) {
                    known.common_mut().fingerprint.clone_from(&keep.fingerprint);
                    known.common_mut().tests.clone_from(&keep.tests);
                }
            }
            Change::Drop(key) => {
                relations.remove(key);
            }
        }
    }
    let run_record = RunRecord {
        invocation_id: run.invocation_id.clone(),
        command: run.command.clone(),
        karat_version: run.karat_version.clone(),
    };
    Entry { number, created_at: run.now, run: run_record, relations }
}
