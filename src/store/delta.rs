//! Delta's log of one table: reading a version, and the bytes of a commit.
//!
//! Commits are created by [`Warehouse::create`], strictly at the version after the one that was read, without the
//! Delta library's own merging of concurrent commits: what changed meanwhile is a conflict.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::Bytes;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel as _};
use deltalake_core::kernel::{
    Action, Add, CommitInfo, LogicalFileView, Metadata, Protocol, Remove, Snapshot, StructType, Transaction,
};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore, get_actions};
use deltalake_core::protocol::checkpoints::create_checkpoint;
use futures::TryStreamExt as _;
use object_store::prefix::PrefixStore;
use serde_json::{Value, json};

use crate::base::clock::{Clock, unique_id};
use crate::manifest::relation::{Relation, RelationKey};
use crate::store::error::StoreError;
use crate::store::local;
use crate::store::schema::has_zoneless_timestamp;
use crate::store::statistics::FileStatistics;
use crate::store::table::{DataFile, TableDocs, TableVersion};
use crate::store::warehouse::{Durability, Warehouse, blocking, table_folder};

/// Folder of a table that holds its log.
pub(super) const LOG_FOLDER: &str = "_delta_log";

/// A checkpoint is written each time this many commits have come together: it bounds the cost of opening a table.
const CHECKPOINT_INTERVAL: u64 = 50;

/// Tag of a file's hash in the log.
const HASH_TAG: &str = "karat.blake3";

/// Key of a column's comment in Delta's schema.
const COMMENT: &str = "comment";

/// Key of our facts in a commit's description.
const KARAT_KEY: &str = "karat";

/// Features of Delta's protocol that change nothing about how karat reads and writes.
const HARMLESS_FEATURES: [&str; 3] = ["appendOnly", "invariants", "timestampNtz"];

/// A version of a table as its log tells it.
#[derive(Debug)]
pub(super) struct TableState {
    /// Delta's version.
    pub version: u64,
    /// Delta's id of the table.
    pub table_id: String,
    /// When the table was created, in milliseconds since 1970.
    created_time: Option<i64>,
    /// Whether the protocol knows timestamps without a zone.
    has_zoneless: bool,
    /// Columns and files.
    pub content: Arc<TableVersion>,
}

/// What karat writes into the description of each of its commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommitMark {
    /// The environment that published.
    pub environment: String,
    /// The entry that was to follow the commit.
    pub entry: u64,
    /// The run.
    pub invocation_id: String,
    /// The node.
    pub node_id: String,
    /// The version whose content this commit brought back, if it is a repair.
    pub restores: Option<u64>,
}

/// Who made a commit.
#[derive(Debug)]
pub(super) enum Author {
    /// This program, in some environment.
    Karat(CommitMark),
    /// Another one, with the name that it gives itself.
    Foreign(String),
}

/// A commit to be made.
#[derive(Debug)]
pub(super) struct Commit<'a> {
    /// The wanted columns and files.
    pub content: &'a TableVersion,
    /// The latest version; `None` if there is no table yet.
    pub current: Option<&'a TableState>,
    /// Our facts.
    pub mark: CommitMark,
    /// Delta's name of the operation.
    pub operation: &'a str,
    /// Time of the run in milliseconds since 1970.
    pub timestamp: i64,
    /// Version of karat.
    pub karat_version: &'a str,
}

/// The bytes of a commit and what it will make.
#[derive(Debug)]
pub(super) struct PreparedCommit {
    /// The log entry.
    pub bytes: Bytes,
    /// The version that it makes.
    pub version: u64,
    /// Delta's id of the table.
    pub table_id: String,
    /// Files that the latest version does not have.
    pub added: Vec<Arc<DataFile>>,
    /// The state that will be.
    pub state: TableState,
}

/// Path of a log entry, relative to the warehouse.
pub(super) fn commit_path(key: &RelationKey, version: u64) -> String {
    format!("{}/{LOG_FOLDER}/{version:020}.json", table_folder(key))
}

impl Warehouse {
    /// Reads a version of a table from its log.
    pub(super) async fn load_state(&self, relation: &Relation, version: u64) -> Result<Arc<TableState>, StoreError> {
        let key = relation.key();
        if let Some(state) = self.cached_state(&key, version) {
            return Ok(state);
        }
        let state = match self.replay(relation, version).await? {
            Some(state) => state,
            None => self.load_with_library(relation, version).await?,
        };
        let state = Arc::new(state);
        self.remember_state(&key, &state);
        Ok(state)
    }

    /// Reads a short log by itself: the tables of a warehouse are many and mostly small, and for those the library's
    /// general way takes several times as long. `None` if the log is long or its beginning is gone.
    pub(super) async fn replay(&self, relation: &Relation, version: u64) -> Result<Option<TableState>, StoreError> {
        if version >= CHECKPOINT_INTERVAL {
            return Ok(None);
        }
        let key = relation.key();
        let paths: Vec<String> = (0..=version).map(|number| commit_path(&key, number)).collect();
        let Some(contents) = self.read_all(&paths).await? else { return Ok(None) };
        let mut files: HashMap<String, Add> = HashMap::new();
        let (mut metadata, mut protocol) = (None, None);
        for ((path, content), number) in paths.iter().zip(&contents).zip(0..) {
            for action in parse_commit(path, number, content)? {
                match action {
                    Action::Add(add) => drop(files.insert(add.path.clone(), add)),
                    Action::Remove(remove) => drop(files.remove(&remove.path)),
                    Action::Metadata(found) => metadata = Some(found),
                    Action::Protocol(found) => protocol = Some(found),
                    _ => {}
                }
            }
        }
        let (Some(metadata), Some(protocol)) = (metadata, protocol) else { return Ok(None) };
        let schema = metadata.parse_schema().and_then(|schema| Ok(TryIntoArrow::<Schema>::try_into_arrow(&schema)?));
        let schema = schema.map_err(|error| StoreError::Corrupt {
            path: format!("{}/{LOG_FOLDER}", table_folder(&key)),
            problem: format!("the columns of version {version} cannot be read: {error}"),
        })?;
        state(relation, version, &metadata, &protocol, &Arc::new(schema), files.into_values()).map(Some)
    }

    /// Reads a version in the library's way, which knows checkpoints.
    pub(super) async fn load_with_library(&self, relation: &Relation, version: u64) -> Result<TableState, StoreError> {
        let log_store = self.log_store(relation);
        let snapshot = match Snapshot::try_new(log_store.as_ref(), Some(version)).await {
            Ok(snapshot) => snapshot,
            Err(error) => return Err(self.log_problem(relation, version, &error.to_string()).await),
        };
        let views: Vec<LogicalFileView> = match snapshot.file_views(log_store.as_ref(), None).try_collect().await {
            Ok(views) => views,
            Err(error) => return Err(self.log_problem(relation, version, &error.to_string()).await),
        };
        #[expect(deprecated, reason = "the only public way to a file's tags")]
        let files = views.iter().map(LogicalFileView::add_action);
        state(relation, version, snapshot.metadata(), snapshot.protocol(), &snapshot.arrow_schema(), files)
    }

    /// Who made the commit of a version.
    pub(super) async fn commit_author(&self, key: &RelationKey, version: u64) -> Result<Author, StoreError> {
        let path = commit_path(key, version);
        let Some(content) = self.read(&path).await? else {
            return Err(StoreError::Missing { path, owner: format!("the table `{key}`") });
        };
        let actions = parse_commit(&path, version, &content)?;
        let info = actions.iter().find_map(|action| match action {
            Action::CommitInfo(info) => Some(info),
            _ => None,
        });
        let Some(info) = info else { return Ok(Author::Foreign("an unknown program".to_owned())) };
        if let Some(mark) = info.info.get(KARAT_KEY).and_then(mark_from_json) {
            return Ok(Author::Karat(mark));
        }
        let client = info.info.get("clientVersion").and_then(Value::as_str);
        let name = info.engine_info.as_deref().or(client).unwrap_or("an unknown program");
        let operation = info.operation.as_deref().unwrap_or("change");
        Ok(Author::Foreign(format!("{name} ({operation})")))
    }

    /// The latest version of a table in its log; `None` if there is no log.
    pub(super) async fn latest_version(&self, key: &RelationKey) -> Result<Option<u64>, StoreError> {
        let names = self.names(&format!("{}/{LOG_FOLDER}", table_folder(key))).await?;
        Ok(names.iter().filter_map(|(name, _)| commit_number(name)).max())
    }

    /// Writes a checkpoint if the version is one that gets one. Failing to do so is no failure of the publication:
    /// opening the table is only slower.
    pub(super) async fn checkpoint(&self, relation: &Relation, version: u64) {
        if !(version + 1).is_multiple_of(CHECKPOINT_INTERVAL) {
            return;
        }
        let mut table = DeltaTable::new(self.log_store(relation));
        let written = match table.load_version(version).await {
            Ok(()) => create_checkpoint(&table, None).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(table = relation.short_name(), version, %error, "no checkpoint was written");
            return;
        }
        let folder = self.disk(&format!("{}/{LOG_FOLDER}", table_folder(&relation.key())));
        if let (Some(folder), Durability::Safe) = (folder, self.options.durability) {
            let synced = blocking(move || {
                local::sync(&folder.join(format!("{version:020}.checkpoint.parquet")))?;
                local::sync(&folder.join("_last_checkpoint"))?;
                local::sync(&folder)
            });
            if let Err(error) = synced.await {
                tracing::warn!(table = relation.short_name(), version, %error, "the checkpoint was not synced");
            }
        }
    }

    fn log_store(&self, relation: &Relation) -> LogStoreRef {
        let store = self.object_store();
        let prefixed = PrefixStore::new(Arc::clone(&store), self.path(&table_folder(&relation.key())));
        default_logstore(Arc::new(prefixed), store, &self.table_url(relation), &StorageConfig::default())
    }

    /// Why a log cannot be read: names the first damaged or missing entry, if it is one of the entries.
    async fn log_problem(&self, relation: &Relation, version: u64, text: &str) -> StoreError {
        let key = relation.key();
        match self.latest_version(&key).await {
            Ok(None) => {
                let (path, owner) = (table_folder(&key), format!("the table `{}`", relation.short_name()));
                return StoreError::Missing { path, owner };
            }
            Err(error) => return error,
            Ok(Some(_)) => {}
        }
        for number in 0..=version {
            let path = commit_path(&key, number);
            match self.read(&path).await {
                Ok(Some(content)) => {
                    if let Err(error) = parse_commit(&path, number, &content) {
                        return error;
                    }
                }
                Ok(None) if number == version => {
                    return StoreError::Missing { path, owner: format!("the table `{}`", relation.short_name()) };
                }
                // Older entries may have been cleaned up after a checkpoint.
                Ok(None) => {}
                Err(error) => return error,
            }
        }
        let path = format!("{}/{LOG_FOLDER}", table_folder(&key));
        StoreError::Corrupt { path, problem: format!("version {version} cannot be read: {text}") }
    }
}

impl Commit<'_> {
    /// The difference between the latest version and the wanted content as a commit; `None` if there is none.
    pub(super) fn prepare(&self) -> Result<Option<PreparedCommit>, StoreError> {
        let version = self.current.map_or(0, |current| current.version + 1);
        let known: HashMap<&str, &Arc<DataFile>> = self
            .current
            .iter()
            .flat_map(|current| &current.content.files)
            .map(|file| (file.path.as_str(), file))
            .collect();
        let wanted: HashMap<&str, &Arc<DataFile>> =
            self.content.files.iter().map(|file| (file.path.as_str(), file)).collect();
        let added: Vec<Arc<DataFile>> =
            self.content.files.iter().filter(|file| !known.contains_key(file.path.as_str())).map(Arc::clone).collect();
        let removed: Vec<&Arc<DataFile>> = self
            .current
            .iter()
            .flat_map(|current| &current.content.files)
            .filter(|file| !wanted.contains_key(file.path.as_str()))
            .collect();
        let docs = match self.current {
            Some(current) => self.content.docs.over(&current.content.docs),
            None => self.content.docs.over(&TableDocs::default()),
        };
        let same_shape = self.current.is_some_and(|current| {
            current.content.schema == self.content.schema
                && current.content.partition_by == self.content.partition_by
                && current.content.docs == docs
        });
        if same_shape && added.is_empty() && removed.is_empty() {
            return Ok(None);
        }
        let mut actions = vec![Action::CommitInfo(self.commit_info())];
        let needs_zoneless = self.content.schema.fields().iter().any(|field| has_zoneless_timestamp(field.data_type()));
        let has_zoneless = self.current.is_some_and(|current| current.has_zoneless);
        if self.current.is_none() || (needs_zoneless && !has_zoneless) {
            actions.push(Action::Protocol(self.parse("protocol", protocol(needs_zoneless))?));
        }
        let table_id = self.current.map_or_else(|| unique_id().to_string(), |current| current.table_id.clone());
        let created_time = self.current.map_or(Some(self.timestamp), |current| current.created_time);
        if !same_shape {
            actions.push(Action::Metadata(self.metadata(&table_id, created_time, &docs)?));
        }
        // The time of removal is the real one, not the run's: other tools count their retention from it.
        let now = Clock::new(None).now().timestamp_millis();
        actions.extend(removed.iter().map(|file| Action::Remove(remove_action(file, now))));
        actions.extend(added.iter().map(|file| Action::Add(add_action(file))));
        let application = format!("karat:{}:{}", self.mark.environment, self.mark.node_id);
        let transaction = Transaction::new(application, i64::try_from(self.mark.entry).unwrap_or(i64::MAX));
        actions.push(Action::Txn(transaction));
        let mut text = String::new();
        for action in &actions {
            text.push_str(&serde_json::to_string(action).map_err(StoreError::io("write", self.subject()))?);
            text.push('\n');
        }
        let mut content = TableVersion { version: Some(version), docs, ..self.content.clone() };
        content.files.sort_by(|left, right| left.order().cmp(&right.order()));
        let state = TableState {
            version,
            table_id: table_id.clone(),
            created_time,
            has_zoneless: has_zoneless || needs_zoneless,
            content: Arc::new(content),
        };
        Ok(Some(PreparedCommit { bytes: text.into(), version, table_id, added, state }))
    }

    fn subject(&self) -> String {
        self.content.relation.short_name()
    }

    fn commit_info(&self) -> CommitInfo {
        CommitInfo {
            timestamp: Some(self.timestamp),
            operation: Some(self.operation.to_owned()),
            operation_parameters: Some(HashMap::from([(
                "partitionBy".to_owned(),
                Value::from(json!(self.content.partition_by).to_string()),
            )])),
            read_version: self.current.map(|current| current.version),
            engine_info: Some(format!("karat/{}", self.karat_version)),
            is_blind_append: Some(false),
            info: HashMap::from([(KARAT_KEY.to_owned(), mark_to_json(&self.mark))]),
            ..CommitInfo::default()
        }
    }

    fn metadata(&self, table_id: &str, created_time: Option<i64>, docs: &TableDocs) -> Result<Metadata, StoreError> {
        let fields = self.content.schema.fields().iter().map(|field| with_comment(field, docs));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let kernel: StructType = (&schema).try_into_kernel().map_err(|error: arrow::error::ArrowError| {
            StoreError::Unstorable { table: self.subject(), problem: error.to_string() }
        })?;
        let schema = serde_json::to_string(&kernel).map_err(StoreError::io("write", self.subject()))?;
        let mut value = json!({
            "id": table_id,
            "name": self.subject(),
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema,
            "partitionColumns": self.content.partition_by,
            "configuration": { "delta.checkpointInterval": CHECKPOINT_INTERVAL.to_string() },
            "createdTime": created_time,
        });
        if let (Some(description), Some(keys)) = (docs.description.as_ref(), value.as_object_mut()) {
            keys.insert("description".to_owned(), json!(description));
        }
        self.parse("metadata", value)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, what: &'static str, value: Value) -> Result<T, StoreError> {
        serde_json::from_value(value).map_err(StoreError::io("write", format!("{} of {}", what, self.subject())))
    }
}

/// A column with its comment, which is where Delta's readers look for one.
fn with_comment(field: &Arc<Field>, docs: &TableDocs) -> Arc<Field> {
    let Some(comment) = docs.of_column(field.name()) else { return Arc::clone(field) };
    let mut metadata = field.metadata().clone();
    metadata.insert(COMMENT.to_owned(), comment.clone());
    Arc::new(field.as_ref().clone().with_metadata(metadata))
}

/// The columns without their comments, and the comments.
fn without_comments(schema: &SchemaRef) -> (SchemaRef, Option<BTreeMap<String, String>>) {
    let mut comments = BTreeMap::new();
    let plain = |field: &Arc<Field>| {
        let mut metadata = field.metadata().clone();
        let Some(comment) = metadata.remove(COMMENT) else { return Arc::clone(field) };
        comments.insert(field.name().clone(), comment);
        Arc::new(field.as_ref().clone().with_metadata(metadata))
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(plain).collect();
    let comments = (!comments.is_empty()).then_some(comments);
    (Arc::new(Schema::new(fields)), comments)
}

fn protocol(needs_zoneless: bool) -> Value {
    if needs_zoneless {
        json!({
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["timestampNtz"],
            "writerFeatures": HARMLESS_FEATURES,
        })
    } else {
        json!({ "minReaderVersion": 1, "minWriterVersion": 2 })
    }
}

/// The names of the features that a table's protocol asks for.
fn features(protocol: &Protocol) -> impl Iterator<Item = String> {
    let reader = protocol.reader_features().unwrap_or_default();
    let writer = protocol.writer_features().unwrap_or_default();
    reader.iter().chain(writer).map(ToString::to_string)
}

fn check_protocol(relation: &Relation, protocol: &Protocol) -> Result<(), StoreError> {
    let foreign = features(protocol).find(|feature| !HARMLESS_FEATURES.contains(&feature.as_str()));
    let feature = match foreign {
        Some(feature) => format!("the Delta feature `{feature}`"),
        // The versions between those of plain tables and those with a list of features imply features.
        None if protocol.min_writer_version() > 2 && protocol.min_writer_version() < 7 => {
            format!("version {} of Delta's protocol", protocol.min_writer_version())
        }
        None => return Ok(()),
    };
    Err(StoreError::Unsupported { table: relation.short_name(), feature })
}

/// Puts together what the log says about a version.
fn state(
    relation: &Relation,
    version: u64,
    metadata: &Metadata,
    protocol: &Protocol,
    schema: &SchemaRef,
    adds: impl Iterator<Item = Add>,
) -> Result<TableState, StoreError> {
    check_protocol(relation, protocol)?;
    if metadata.configuration().get("delta.columnMapping.mode").is_some_and(|mode| mode != "none") {
        let (table, feature) = (relation.short_name(), "column mapping".to_owned());
        return Err(StoreError::Unsupported { table, feature });
    }
    let partition_by = metadata.partition_columns().to_vec();
    let mut files = Vec::new();
    for add in adds {
        files.push(Arc::new(data_file(relation, schema, &partition_by, add)?));
    }
    files.sort_by(|left, right| left.order().cmp(&right.order()));
    let (schema, columns) = without_comments(schema);
    let docs = TableDocs { description: metadata.description().map(str::to_owned), columns };
    let content =
        TableVersion { relation: relation.clone(), schema, partition_by, files, docs, version: Some(version) };
    Ok(TableState {
        version,
        table_id: metadata.id().to_owned(),
        created_time: metadata.created_time(),
        has_zoneless: features(protocol).any(|feature| feature == "timestampNtz"),
        content: Arc::new(content),
    })
}

fn data_file(
    relation: &Relation,
    schema: &SchemaRef,
    partition_by: &[String],
    add: Add,
) -> Result<DataFile, StoreError> {
    let corrupt = |problem: &str| StoreError::Corrupt {
        path: format!("{}/{LOG_FOLDER}", table_folder(&relation.key())),
        problem: format!("the file `{}` {problem}", add.path),
    };
    if add.deletion_vector.is_some() {
        let feature = "deletion vectors".to_owned();
        return Err(StoreError::Unsupported { table: relation.short_name(), feature });
    }
    let statistics = add.stats.as_deref().and_then(|text| FileStatistics::from_delta(schema, text));
    let (rows, statistics) = statistics.ok_or_else(|| corrupt("has no number of rows"))?;
    let size = u64::try_from(add.size).map_err(|_| corrupt("has a negative size"))?;
    let value = |column: &String| add.partition_values.get(column).cloned().flatten();
    let partition_values = partition_by.iter().map(|column| (column.clone(), value(column))).collect();
    let hash = add.tags.as_ref().and_then(|tags| tags.get(HASH_TAG).cloned().flatten()).unwrap_or_default();
    let modification_time = add.modification_time;
    Ok(DataFile { path: add.path, size, rows, partition_values, statistics, hash, modification_time })
}

fn add_action(file: &DataFile) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: partition_map(file),
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        modification_time: file.modification_time,
        data_change: true,
        stats: Some(file.statistics.to_delta(file.rows)),
        tags: Some(HashMap::from([(HASH_TAG.to_owned(), Some(file.hash.clone()))])),
        ..Add::default()
    }
}

fn remove_action(file: &DataFile, now: i64) -> Remove {
    Remove {
        path: file.path.clone(),
        data_change: true,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(partition_map(file)),
        size: Some(i64::try_from(file.size).unwrap_or(i64::MAX)),
        ..Remove::default()
    }
}

fn partition_map(file: &DataFile) -> HashMap<String, Option<String>> {
    file.partition_values.iter().map(|(column, value)| (column.clone(), value.clone())).collect()
}

fn mark_to_json(mark: &CommitMark) -> Value {
    json!({
        "environment": mark.environment,
        "entry": mark.entry,
        "invocation_id": mark.invocation_id,
        "node_id": mark.node_id,
        "restores": mark.restores,
    })
}

fn mark_from_json(json: &Value) -> Option<CommitMark> {
    let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(CommitMark {
        environment: text("environment")?,
        entry: json.get("entry")?.as_u64()?,
        invocation_id: text("invocation_id")?,
        node_id: text("node_id")?,
        restores: json.get("restores").and_then(Value::as_u64),
    })
}

/// What is wrong with a log entry, in fewer words than the library's: those hold the place twice.
fn not_json(said: &str) -> String {
    let place = said.split_once("line=`Error at ").and_then(|(_, rest)| rest.split_once('`'));
    let reason = said.split_once("err=`").and_then(|(_, rest)| rest.split_once(" at line "));
    match (place, reason) {
        (Some((place, _)), Some((reason, _))) => format!("no JSON at {place}: {reason}"),
        _ => said.to_owned(),
    }
}

/// The actions of a log entry.
pub(super) fn parse_commit(path: &str, version: u64, content: &Bytes) -> Result<Vec<Action>, StoreError> {
    let corrupt = |problem: String| StoreError::Corrupt { path: path.to_owned(), problem };
    let actions = get_actions(version, content).map_err(|error| corrupt(not_json(&error.to_string())))?;
    if actions.is_empty() { Err(corrupt("it is empty".to_owned())) } else { Ok(actions) }
}

/// The version of a log entry by its file name.
pub(super) fn commit_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}
