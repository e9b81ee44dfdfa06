//! A node: anything in the graph.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset};
use indexmap::IndexMap;
use serde_json::Value;

use crate::base::diagnostic::Diagnostic;
use crate::base::source::{Location, SourceFile};
use crate::manifest::config::{Materialization, NodeConfig};
use crate::manifest::constraint::Constraint;
use crate::manifest::function::{FunctionCall, FunctionDetail};
use crate::manifest::relation::{Layer, Relation};
use crate::manifest::semantic::{ColumnMeaning, Metric, MetricCall, SavedQuery, SemanticModel, TimeSpine};
use crate::manifest::source::ExternalSource;
use crate::manifest::unit_test::UnitTest;
use crate::manifest::version::{ModelVersion, Version};

/// dbt's `unique_id`, such as `model.shop.fct_orders` or `test.shop.not_null_fct_orders_order_id.0123456789`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub Arc<str>);

impl NodeId {
    /// An id from its text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The kinds of node; names as in dbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A SQL model.
    Model,
    /// A small table under version control.
    Seed,
    /// A history of changes.
    Snapshot,
    /// A relation that karat does not build.
    Source,
    /// A data test.
    Test,
    /// A test of a model's logic on given rows.
    UnitTest,
    /// A use of the data, outside.
    Exposure,
    /// What a model means: dbt's semantic layer.
    SemanticModel,
    /// A number with a meaning.
    Metric,
    /// A query over metrics that is kept.
    SavedQuery,
    /// A query that is compiled but not run.
    Analysis,
    /// A function that SQL may call.
    Function,
    /// A hook of the project (`on-run-start`, `on-run-end`).
    Operation,
}

impl ResourceType {
    /// dbt's name, which is also the first part of an id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Source => "source",
            Self::Test => "test",
            Self::UnitTest => "unit_test",
            Self::Exposure => "exposure",
            Self::SemanticModel => "semantic_model",
            Self::Metric => "metric",
            Self::SavedQuery => "saved_query",
            Self::Analysis => "analysis",
            Self::Function => "function",
            Self::Operation => "operation",
        }
    }

    /// The kind of a name; dbt's `data_test` is a synonym of `test`.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Model,
            Self::Seed,
            Self::Snapshot,
            Self::Source,
            Self::Test,
            Self::UnitTest,
            Self::Exposure,
            Self::SemanticModel,
            Self::Metric,
            Self::SavedQuery,
            Self::Analysis,
            Self::Function,
            Self::Operation,
        ];
        if matches!(text, "data_test" | "data-test") {
            return Some(Self::Test);
        }
        all.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether it is part of the semantic layer.
    pub fn is_semantic(self) -> bool {
        matches!(self, Self::SemanticModel | Self::Metric | Self::SavedQuery)
    }

    /// Whether a run stores something for this kind of node.
    pub fn is_built(self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot)
    }
}

/// One `ref()` of a node, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefCall {
    /// Package, if two arguments were given.
    pub package: Option<String>,
    /// Name of the model, seed or snapshot.
    pub name: String,
    /// Version, if given.
    pub version: Option<Version>,
    /// Where it was written, if known.
    pub location: Option<Location>,
}

/// One `source()` of a node, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCall {
    /// Name of the source.
    pub source: String,
    /// Name of the table.
    pub table: String,
    /// Where it was written, if known.
    pub location: Option<Location>,
}

/// A documented column.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// Name as written.
    pub name: String,
    /// Description with `doc()` resolved.
    pub description: String,
    /// Ids of the docs blocks that it is made of.
    pub doc_blocks: Vec<String>,
    /// Declared SQL type.
    pub data_type: Option<String>,
    /// Free metadata.
    pub meta: IndexMap<String, Value>,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether the name is quoted.
    pub quote: Option<bool>,
    /// What every row must meet in this column.
    pub constraints: Vec<Constraint>,
    /// What it is to the semantic layer.
    pub meaning: ColumnMeaning,
}

impl Column {
    /// Whether it is the column of that name in a relation: one that is quoted is only as it is written.
    pub fn is_called(&self, name: &str) -> bool {
        if self.quote == Some(true) { name == self.name } else { name.eq_ignore_ascii_case(&self.name) }
    }
}

/// What only one kind of node has.
#[derive(Debug, Clone)]
pub enum Detail {
    /// A model, a singular piece of SQL.
    Model(Box<ModelDetail>),
    /// A query that is compiled but not run.
    Analysis,
    /// A seed.
    Seed {
        /// Path of the CSV file, relative to the project.
        path: String,
        /// SHA-256 of its text without the blanks around it, in hex.
        checksum: String,
    },
    /// A snapshot: its query is the node's code.
    Snapshot,
    /// A source table.
    Source(Box<SourceTable>),
    /// A data test.
    Test(TestDetail),
    /// A unit test.
    UnitTest(Box<UnitTest>),
    /// A function.
    Function(Box<FunctionDetail>),
    /// An exposure.
    Exposure(Exposure),
    /// A semantic model.
    SemanticModel(Box<SemanticModel>),
    /// A metric.
    Metric(Box<Metric>),
    /// A query over metrics that is kept.
    SavedQuery(Box<SavedQuery>),
    /// A hook of the project.
    Operation {
        /// `on-run-start` or `on-run-end`.
        event: &'static str,
        /// Its place in the list.
        index: usize,
    },
}

/// What only models have, beside their configuration.
#[derive(Debug, Clone, Default)]
pub struct ModelDetail {
    /// Its version, if the model has versions.
    pub version: Option<ModelVersion>,
    /// From when on nobody should use it.
    pub deprecation_date: Option<DateTime<FixedOffset>>,
    /// What all rows must meet; those of single columns are with the columns.
    pub constraints: Vec<Constraint>,
    /// How it is laid out, if it is the table of all times that metrics are shown by.
    pub time_spine: Option<TimeSpine>,
}

/// A source table.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// Name of the source.
    pub source_name: String,
    /// Description of the source.
    pub source_description: String,
    /// Database as written.
    pub unrendered_database: Option<String>,
    /// Schema as written.
    pub unrendered_schema: Option<String>,
    /// Name of the loader, free text.
    pub loader: String,
    /// Files, if the source lives in files; otherwise it is a relation of the warehouse.
    pub external: Option<ExternalSource>,
    /// Column (or expression) with the time of loading.
    pub loaded_at_field: Option<String>,
    /// Query that gives the time of loading.
    pub loaded_at_query: Option<String>,
    /// What is said of its freshness, also where nothing is expected; `None` after `freshness: null`.
    pub freshness: Option<Freshness>,
}

impl SourceTable {
    /// What is expected of the table's freshness, if anything is.
    pub fn expected_freshness(&self) -> Option<&Freshness> {
        let expects = |freshness: &&Freshness| freshness.warn_after.is_some() || freshness.error_after.is_some();
        self.freshness.as_ref().filter(expects)
    }
}

/// How old a source may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Age that warns.
    pub warn_after: Option<Age>,
    /// Age that fails.
    pub error_after: Option<Age>,
    /// Filter on the rows looked at.
    pub filter: Option<String>,
}

/// An age: dbt's `{count, period}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// How many.
    pub count: u64,
    /// `minute`, `hour` or `day`.
    pub period: String,
}

/// What makes a data test.
#[derive(Debug, Clone)]
pub struct TestDetail {
    /// The generic test and its arguments; `None` for a singular test.
    pub generic: Option<GenericTestCall>,
    /// The node that the test was declared on.
    pub attached_node: Option<NodeId>,
    /// The column that the test was declared on; in quotes if the column has `quote: true`.
    pub column_name: Option<String>,
}

/// A use of a generic test.
#[derive(Debug, Clone)]
pub struct GenericTestCall {
    /// Name of the test, such as `not_null`.
    pub name: String,
    /// Package, if written as `package.test`.
    pub namespace: Option<String>,
    /// Arguments as written, without `model` and `column_name`.
    pub arguments: IndexMap<String, Value>,
    /// What is configured where it is used, as written.
    pub config: IndexMap<String, Value>,
}

/// A use of the data, outside.
#[derive(Debug, Clone, Default)]
pub struct Exposure {
    /// `dashboard`, `notebook`, `analysis`, `ml` or `application`.
    pub kind: String,
    /// Title for people.
    pub label: Option<String>,
    /// `high`, `medium` or `low`.
    pub maturity: Option<String>,
    /// Where it is.
    pub url: Option<String>,
    /// Owner: name and e-mail.
    pub owner: IndexMap<String, Value>,
    /// Metrics that it uses.
    pub metrics: Vec<MetricCall>,
}

/// Anything in the graph.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique id.
    pub id: NodeId,
    /// Kind.
    pub resource_type: ResourceType,
    /// Name as used in `ref()`; of a test its full name.
    pub name: String,
    /// Package that defines it.
    pub package: String,
    /// Folder of that package, relative to the project; empty for the project itself.
    pub package_folder: String,
    /// Path of the defining file, relative to the project.
    pub path: String,
    /// Path below the configured folder (dbt's `path`), used for `target/compiled`.
    pub relative_path: String,
    /// Path of the properties file that documents it.
    pub patch_path: Option<String>,
    /// Package, folders and name.
    pub fqn: Vec<String>,
    /// Medallion layer by folder.
    pub layer: Option<Layer>,
    /// The template; `None` where there is none (seeds, sources, exposures).
    pub code: Option<Code>,
    /// Where to point at in messages about the node: its name in a properties file, or the start of its file.
    pub location: Option<Location>,
    /// Merged configuration.
    pub config: NodeConfig,
    /// The relation that it is or would be; `None` for exposures and hooks.
    pub relation: Option<Relation>,
    /// Description with `doc()` resolved.
    pub description: String,
    /// Documented columns in order.
    pub columns: IndexMap<String, Column>,
    /// `ref()` calls found in the code or declared.
    pub refs: Vec<RefCall>,
    /// `source()` calls found in the code or declared.
    pub sources: Vec<SourceCall>,
    /// `function()` calls found in the code.
    pub functions: Vec<FunctionCall>,
    /// Resolved parents, without repetition, in order of mention.
    pub depends_on: Vec<NodeId>,
    /// Macros used, as ids (`macro.shop.cents`).
    pub macros: Vec<String>,
    /// Those of them that the node's own text calls.
    pub own_macros: Vec<String>,
    /// Ids of the docs blocks that the description is made of.
    pub doc_blocks: Vec<String>,
    /// Whether the code queried the warehouse while it was parsed, so that it is rendered when its parents are ready.
    pub introspective: bool,
    /// What is wrong with the code once it is executed, as far as its first rendering shows it: for whoever compiles
    /// the node, and for nobody else.
    pub foreseen: Vec<Diagnostic>,
    /// What only this kind has.
    pub detail: Detail,
}

/// A template and where it stands.
#[derive(Debug, Clone)]
pub struct Code {
    /// The file that holds it.
    pub file: Arc<SourceFile>,
    /// The template's text: the file's text from `offset`, or generated text.
    pub text: Arc<str>,
    /// Offset of the text in the file in bytes; `None` if the text was generated (a generic test).
    pub offset: Option<usize>,
}

/// The name of a node, with its version after a point: dbt's `search_name`, the last part of a model's id.
pub fn search_name(name: &str, version: Option<&ModelVersion>) -> String {
    match version {
        Some(version) => format!("{name}.{}", version.own.label()),
        None => name.to_owned(),
    }
}

impl Node {
    /// What stands for a macro that is called from the command line: it has no file, and owns no relation.
    pub fn operation(package: &str, name: &str) -> Self {
        Self {
            id: NodeId::new(format!("operation.{package}.{name}")),
            resource_type: ResourceType::Operation,
            name: name.to_owned(),
            package: package.to_owned(),
            package_folder: String::new(),
            path: String::new(),
            relative_path: String::new(),
            patch_path: None,
            fqn: vec![package.to_owned(), name.to_owned()],
            layer: None,
            code: None,
            location: None,
            config: NodeConfig::default(),
            relation: None,
            description: String::new(),
            columns: IndexMap::new(),
            refs: Vec::new(),
            sources: Vec::new(),
            functions: Vec::new(),
            depends_on: Vec::new(),
            macros: Vec::new(),
            own_macros: Vec::new(),
            doc_blocks: Vec::new(),
            introspective: false,
            foreseen: Vec::new(),
            detail: Detail::Operation { event: "run-operation", index: 0 },
        }
    }

    /// What is wrong with it alone: for whoever compiles or builds it.
    pub fn faults(&self) -> impl Iterator<Item = &Diagnostic> {
        self.foreseen.iter().chain(&self.config.unusable)
    }

    /// `schema.identifier` for nodes with a relation, the plain name for others.
    pub fn display_name(&self) -> String {
        match (&self.relation, self.resource_type) {
            (
                Some(relation),
                ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot | ResourceType::Source,
            ) => relation.short_name(),
            (_, ResourceType::UnitTest) => {
                format!("{}::{}", self.unit_test().map_or("", |test| test.model.as_str()), self.versioned_name())
            }
            _ => self.name.clone(),
        }
    }

    /// A path of the node's package as the package itself would write it: dbt's `original_file_path`.
    pub fn path_in_package<'a>(&self, path: &'a str) -> &'a str {
        let below = path.strip_prefix(self.package_folder.as_str()).and_then(|rest| rest.strip_prefix('/'));
        below.filter(|_| !self.package_folder.is_empty()).unwrap_or(path)
    }

    /// What only models have, if it is one.
    pub fn model(&self) -> Option<&ModelDetail> {
        match &self.detail {
            Detail::Model(model) => Some(model),
            _ => None,
        }
    }

    /// The version of a model that has versions.
    pub fn version(&self) -> Option<&ModelVersion> {
        self.model()?.version.as_ref()
    }

    /// Whether a `ref` to its name that names this version, or none, means this node.
    pub fn has_version(&self, wanted: Option<&Version>) -> bool {
        match (self.version(), wanted) {
            (Some(version), Some(wanted)) => version.own == *wanted,
            (Some(version), None) => version.is_latest(),
            (None, wanted) => wanted.is_none(),
        }
    }

    /// What names exactly this node: see [`search_name`].
    pub fn search_name(&self) -> String {
        search_name(&self.name, self.version())
    }

    /// The name of a unit test with the version of the model that it is about (dbt's `versioned_name`); else the name.
    pub fn versioned_name(&self) -> String {
        match self.unit_test().and_then(|test| test.version.as_ref()) {
            Some(version) => format!("{}_{}", self.name, version.label()),
            None => self.name.clone(),
        }
    }

    /// Name of its relation, or its own name if it has none.
    pub fn alias(&self) -> &str {
        self.relation.as_ref().map_or(self.name.as_str(), |relation| relation.identifier.as_str())
    }

    /// The test's details, if it is a test.
    pub fn test(&self) -> Option<&TestDetail> {
        match &self.detail {
            Detail::Test(test) => Some(test),
            _ => None,
        }
    }

    /// The unit test, if it is one.
    pub fn unit_test(&self) -> Option<&UnitTest> {
        match &self.detail {
            Detail::UnitTest(test) => Some(test),
            _ => None,
        }
    }

    /// What only functions have, if it is one.
    pub fn function(&self) -> Option<&FunctionDetail> {
        match &self.detail {
            Detail::Function(function) => Some(function),
            _ => None,
        }
    }

    /// What only semantic models have, if it is one.
    pub fn semantic_model(&self) -> Option<&SemanticModel> {
        match &self.detail {
            Detail::SemanticModel(model) => Some(model),
            _ => None,
        }
    }

    /// What only metrics have, if it is one.
    pub fn metric(&self) -> Option<&Metric> {
        match &self.detail {
            Detail::Metric(metric) => Some(metric),
            _ => None,
        }
    }

    /// Whether it is compiled to SQL: it has a template, or tests the one of a model.
    pub fn has_query(&self) -> bool {
        self.code.is_some() || matches!(self.detail, Detail::UnitTest(_))
    }

    /// The words that it is selected by: of the semantic layer those that dbt looks at, in dbt's order.
    pub fn tags(&self) -> Vec<&str> {
        let configured = self.config.tags.iter().map(String::as_str);
        match &self.detail {
            Detail::SemanticModel(_) => Vec::new(),
            Detail::Metric(metric) => metric.tags.iter().map(String::as_str).collect(),
            Detail::SavedQuery(query) => {
                let all: BTreeSet<&str> = configured.chain(query.tags.iter().map(String::as_str)).collect();
                all.into_iter().collect()
            }
            _ => configured.collect(),
        }
    }

    /// The source table, if it is one.
    pub fn source(&self) -> Option<&SourceTable> {
        match &self.detail {
            Detail::Source(table) => Some(table),
            _ => None,
        }
    }

    /// dbt's `materialized` of any kind of node.
    pub fn materialized(&self) -> &str {
        match self.resource_type {
            ResourceType::Model => match self.config.raw.get("materialized").and_then(Value::as_str) {
                Some(name) if self.config.materialized == Materialization::Custom => name,
                _ => self.config.materialized.as_str(),
            },
            ResourceType::Seed => "seed",
            ResourceType::Snapshot => "snapshot",
            ResourceType::Test => "test",
            ResourceType::UnitTest => "unit",
            ResourceType::Function => "function",
            _ => "view",
        }
    }

    /// Whether its file is there and holds nothing: as under dbt, it is a node, and no command does anything with it.
    pub fn is_empty(&self) -> bool {
        self.code.as_ref().is_some_and(|code| code.offset.is_some() && code.text.trim().is_empty())
    }

    /// The SQL of the time of a row's event, if the node says it.
    pub fn sql_event_time(&self) -> Option<String> {
        let name = self.config.event_time.as_ref()?;
        let quoted = self.columns.get(name).is_some_and(|column| column.quote == Some(true));
        Some(if quoted { crate::base::ident::quote(name) } else { name.clone() })
    }

    /// Whether it is a model that has no relation of its own.
    pub fn is_ephemeral(&self) -> bool {
        self.resource_type == ResourceType::Model && self.config.materialized == Materialization::Ephemeral
    }
}
