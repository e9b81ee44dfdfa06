//! What is published: the log of an environment, and its newest entry as an immutable view.
//!
//! An entry is a JSON document that pins every relation of the environment. Entries are numbered from 1, created with
//! create-if-absent, and never changed.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::ident::Identifier;
use crate::manifest::node::NodeId;
use crate::manifest::relation::{Database, Relation, RelationKey};
use crate::store::delta::commit_number;
use crate::store::error::StoreError;
use crate::store::schema::{schema_from_json, schema_to_json};
use crate::store::warehouse::{STATE_FOLDER, Warehouse};

/// Format of the entries that are written; newer ones are refused.
const FORMAT: u32 = 1;

/// What is published in an environment: its newest entry, or an older one.
#[derive(Debug, Clone)]
pub struct Catalog {
    environment: Identifier,
    entry: Option<Entry>,
}

/// One publication.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// When it was made: the time of the run.
    pub created_at: DateTime<Utc>,
    /// The run that made it.
    pub run: RunRecord,
    /// All relations of the environment.
    pub relations: BTreeMap<RelationKey, PublishedRelation>,
}

/// Which run made an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's id.
    pub invocation_id: String,
    /// The command line, without secrets.
    pub command: String,
    /// Version of karat.
    pub karat_version: String,
}

/// How a data test ended on what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// No failures.
    Pass,
    /// Failures that only warn.
    Warn,
    /// Failures; the relation was published all the same (by a run without `build`).
    Fail,
    /// The test was not run on this version.
    NotRun,
}

/// The verdict of one data test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The test's id.
    pub test: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Failing rows.
    pub failures: u64,
}

/// What tables and views have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// The name.
    pub relation: Relation,
    /// The node that made it.
    pub node_id: NodeId,
    /// Its columns.
    pub schema: SchemaRef,
    /// Fingerprint of the plan and its inputs; opaque here.
    pub fingerprint: String,
    /// Verdicts of the tests on this content.
    pub tests: Vec<Verdict>,
    /// The entry that published this content.
    pub published_in: u64,
    /// When that was.
    pub published_at: DateTime<Utc>,
}

/// A published table.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedTable {
    /// Name, node, columns, verdicts.
    pub common: Common,
    /// Delta's version.
    pub version: u64,
    /// Delta's id of the table, to notice when a folder was replaced.
    pub table_id: String,
    /// The columns by which files are separated.
    pub partition_by: Vec<String>,
    /// Number of rows.
    pub rows: u64,
    /// Bytes of data files.
    pub bytes: u64,
    /// Hash of columns and files.
    pub content_hash: String,
}

/// A published view.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedView {
    /// Name, node, columns, verdicts.
    pub common: Common,
    /// The query.
    pub sql: String,
    /// The relations that the query reads.
    pub depends_on: Vec<RelationKey>,
    /// Those of them that another environment has published, with its name.
    pub deferred: BTreeMap<RelationKey, String>,
}

/// A relation of an environment.
#[derive(Debug, Clone, PartialEq)]
pub enum PublishedRelation {
    /// Stored rows.
    Table(PublishedTable),
    /// A stored query.
    View(PublishedView),
}

impl PublishedRelation {
    /// What tables and views have in common.
    pub fn common(&self) -> &Common {
        match self {
            Self::Table(table) => &table.common,
            Self::View(view) => &view.common,
        }
    }

    pub(super) fn common_mut(&mut self) -> &mut Common {
        match self {
            Self::Table(table) => &mut table.common,
            Self::View(view) => &mut view.common,
        }
    }

    /// The name.
    pub fn relation(&self) -> &Relation {
        &self.common().relation
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.common().schema
    }

    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&PublishedTable> {
        match self {
            Self::Table(table) => Some(table),
            Self::View(_) => None,
        }
    }
}

impl Catalog {
    /// The view of an environment that has published nothing.
    pub fn empty(environment: Identifier) -> Self {
        Self { environment, entry: None }
    }

    pub(super) fn new(environment: Identifier, entry: Entry) -> Self {
        Self { environment, entry: Some(entry) }
    }

    /// The environment.
    pub fn environment(&self) -> &Identifier {
        &self.environment
    }

    /// The entry, if anything was published.
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    /// The number of the entry, if anything was published.
    pub fn number(&self) -> Option<u64> {
        self.entry.as_ref().map(|entry| entry.number)
    }

    /// A relation by name.
    pub fn get(&self, key: &RelationKey) -> Option<&PublishedRelation> {
        self.entry.as_ref()?.relations.get(key)
    }

    /// All relations by name.
    pub fn relations(&self) -> impl Iterator<Item = &PublishedRelation> {
        self.entry.iter().flat_map(|entry| entry.relations.values())
    }

    /// All tables by name.
    pub fn tables(&self) -> impl Iterator<Item = &PublishedTable> {
        self.relations().filter_map(PublishedRelation::as_table)
    }
}

impl Warehouse {
    /// What is published in an environment now: one listing and one read.
    pub async fn catalog(&self, environment: &Identifier) -> Result<Catalog, StoreError> {
        match self.entries(environment).await?.last() {
            None => Ok(Catalog::empty(environment.clone())),
            Some(number) => self.catalog_at(environment, *number).await,
        }
    }

    /// What was published in an environment by the entry of a number.
    pub async fn catalog_at(&self, environment: &Identifier, number: u64) -> Result<Catalog, StoreError> {
        let path = entry_path(environment, number);
        let Some(content) = self.read(&path).await? else {
            return Err(StoreError::Missing { path, owner: format!("the environment `{environment}`") });
        };
        let entry = decode(&path, &content)?;
        if entry.number != number {
            let problem = format!("it says that it is entry {}", entry.number);
            return Err(StoreError::Corrupt { path, problem });
        }
        Ok(Catalog::new(environment.clone(), entry))
    }

    /// The numbers of the entries of an environment, ascending.
    pub async fn entries(&self, environment: &Identifier) -> Result<Vec<u64>, StoreError> {
        let names = self.names(&environment_folder(environment)).await?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|(name, _)| commit_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// All environments that have a log in this warehouse.
    pub async fn environments(&self) -> Result<Vec<Identifier>, StoreError> {
        let names = self.names(&format!("{STATE_FOLDER}/env")).await?;
        Ok(names.into_iter().filter(|(_, folder)| *folder).filter_map(|(name, _)| Identifier::new(name).ok()).collect())
    }
}

/// The folder of an environment's log, relative to the warehouse.
pub(super) fn environment_folder(environment: &Identifier) -> String {
    format!("{STATE_FOLDER}/env/{}", environment.key())
}

/// The path of an entry, relative to the warehouse.
pub(super) fn entry_path(environment: &Identifier, number: u64) -> String {
    format!("{}/{number:020}.json", environment_folder(environment))
}

/// An entry as bytes.
pub(super) fn encode(environment: &Identifier, entry: &Entry) -> Result<Bytes, StoreError> {
    let document = Document {
        format: FORMAT,
        entry: entry.number,
        environment: environment.to_string(),
        created_at: entry.created_at,
        run: entry.run.clone(),
        relations: entry.relations.values().map(RelationRecord::from).collect(),
    };
    let bytes =
        serde_json::to_vec(&document).map_err(StoreError::io("write", entry_path(environment, entry.number)))?;
    Ok(bytes.into())
}

fn decode(path: &str, content: &[u8]) -> Result<Entry, StoreError> {
    let corrupt = |problem: String| StoreError::Corrupt { path: path.to_owned(), problem };
    let header: Header = serde_json::from_slice(content).map_err(|error| corrupt(error.to_string()))?;
    if header.format > FORMAT {
        return Err(StoreError::NewerFormat { path: path.to_owned(), found: header.format, supported: FORMAT });
    }
    let document: Document = serde_json::from_slice(content).map_err(|error| corrupt(error.to_string()))?;
    let mut relations = BTreeMap::new();
    for record in document.relations {
        let relation = PublishedRelation::try_from(record).map_err(corrupt)?;
        relations.insert(relation.relation().key(), relation);
    }
    Ok(Entry { number: document.entry, created_at: document.created_at, run: document.run, relations })
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    entry: u64,
    environment: String,
    created_at: DateTime<Utc>,
    run: RunRecord,
    relations: Vec<RelationRecord>,
}

#[derive(Serialize, Deserialize)]
struct RelationRecord {
    database: String,
    /// Whether it lies in another database than the target's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    elsewhere: bool,
    schema: String,
    identifier: String,
    node_id: String,
    fingerprint: String,
    published_in: u64,
    published_at: DateTime<Utc>,
    #[serde(default)]
    tests: Vec<Verdict>,
    #[serde(flatten)]
    kind: KindRecord,
    columns: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum KindRecord {
    Table {
        version: u64,
        table_id: String,
        partition_by: Vec<String>,
        rows: u64,
        bytes: u64,
        content_hash: String,
    },
    View {
        sql: String,
        depends_on: Vec<KeyRecord>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deferred: Vec<DeferredRecord>,
    },
}

/// Schema and identifier; before them the database, if it is not the target's own.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeyRecord {
    Home(String, String),
    Elsewhere(String, String, String),
}

impl From<&RelationKey> for KeyRecord {
    fn from(key: &RelationKey) -> Self {
        let RelationKey { database, schema, identifier } = key.clone();
        match database {
            None => Self::Home(schema, identifier),
            Some(database) => Self::Elsewhere(database, schema, identifier),
        }
    }
}

impl From<KeyRecord> for RelationKey {
    fn from(record: KeyRecord) -> Self {
        match record {
            KeyRecord::Home(schema, identifier) => Self::new(&schema, &identifier),
            KeyRecord::Elsewhere(database, schema, identifier) => Self::within(Some(&database), &schema, &identifier),
        }
    }
}

/// Schema, identifier and environment; before them the database, if it is not the target's own.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DeferredRecord {
    Home(String, String, String),
    Elsewhere(String, String, String, String),
}

impl From<(&RelationKey, &String)> for DeferredRecord {
    fn from((key, environment): (&RelationKey, &String)) -> Self {
        let RelationKey { database, schema, identifier } = key.clone();
        match database {
            None => Self::Home(schema, identifier, environment.clone()),
            Some(database) => Self::Elsewhere(database, schema, identifier, environment.clone()),
        }
    }
}

impl From<DeferredRecord> for (RelationKey, String) {
    fn from(record: DeferredRecord) -> Self {
        match record {
            DeferredRecord::Home(schema, identifier, environment) => {
                (RelationKey::new(&schema, &identifier), environment)
            }
            DeferredRecord::Elsewhere(database, schema, identifier, environment) => {
                (RelationKey::within(Some(&database), &schema, &identifier), environment)
            }
        }
    }
}

impl From<&PublishedRelation> for RelationRecord {
    fn from(relation: &PublishedRelation) -> Self {
        let common = relation.common();
        let kind = match relation {
            PublishedRelation::Table(table) => KindRecord::Table {
                version: table.version,
                table_id: table.table_id.clone(),
                partition_by: table.partition_by.clone(),
                rows: table.rows,
                bytes: table.bytes,
                content_hash: table.content_hash.clone(),
            },
            PublishedRelation::View(view) => KindRecord::View {
                sql: view.sql.clone(),
                depends_on: view.depends_on.iter().map(KeyRecord::from).collect(),
                deferred: view.deferred.iter().map(DeferredRecord::from).collect(),
            },
        };
        Self {
            database: common.relation.database.to_string(),
            elsewhere: !common.relation.database.is_home(),
            schema: common.relation.schema.to_string(),
            identifier: common.relation.identifier.to_string(),
            node_id: common.node_id.to_string(),
            fingerprint: common.fingerprint.clone(),
            published_in: common.published_in,
            published_at: common.published_at,
            tests: common.tests.clone(),
            kind,
            columns: schema_to_json(&common.schema),
        }
    }
}

impl TryFrom<RelationRecord> for PublishedRelation {
    type Error = String;

    fn try_from(record: RelationRecord) -> Result<Self, String> {
        let name = |text: String| Identifier::new(text).map_err(|error| error.to_string());
        let database = name(record.database)?;
        let relation = Relation {
            database: if record.elsewhere { Database::other(database) } else { Database::home(database) },
            schema: name(record.schema)?,
            identifier: name(record.identifier)?,
        };
        let schema =
            schema_from_json(&record.columns).map_err(|error| format!("{}: {error}", relation.short_name()))?;
        let common = Common {
            relation,
            node_id: NodeId::new(record.node_id),
            schema,
            fingerprint: record.fingerprint,
            tests: record.tests,
            published_in: record.published_in,
            published_at: record.published_at,
        };
        Ok(match record.kind {
            KindRecord::Table { version, table_id, partition_by, rows, bytes, content_hash } => {
                Self::Table(PublishedTable { common, version, table_id, partition_by, rows, bytes, content_hash })
            }
            KindRecord::View { sql, depends_on, deferred } => {
                let depends_on = depends_on.into_iter().map(RelationKey::from).collect();
                let deferred = deferred.into_iter().map(<(RelationKey, String)>::from).collect();
                Self::View(PublishedView { common, sql, depends_on, deferred })
            }
        })
    }
}
