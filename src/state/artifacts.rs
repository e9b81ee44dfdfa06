//! The shapes of artifacts as far as they are compared. Keys that are not known are passed over, keys that are missing
//! are null: both karat's and dbt's artifacts are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

/// What all artifacts begin with.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// Facts about the artifact.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Metadata {
    /// URL of the schema.
    pub(super) dbt_schema_version: Option<String>,
    /// `karat`, or the database of a dbt.
    #[serde(default)]
    pub(super) adapter_type: Option<String>,
}

/// The versions of an artifact that can be read.
pub(super) fn versions(schema: &str) -> &'static [&'static str] {
    match schema {
        "manifest" => &["v12"],
        "run-results" => &["v6", "v5"],
        _ => &["v3"],
    }
}

/// `manifest.json`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Manifest {
    /// Facts about the artifact.
    #[serde(default)]
    pub(super) metadata: Metadata,
    /// Models, seeds, snapshots, tests, analyses, hooks.
    #[serde(default)]
    pub nodes: BTreeMap<String, Node>,
    /// Source tables.
    #[serde(default)]
    pub(super) sources: BTreeMap<String, Node>,
    /// Exposures.
    #[serde(default)]
    pub(super) exposures: BTreeMap<String, Node>,
    /// Unit tests.
    #[serde(default)]
    pub(super) unit_tests: BTreeMap<String, Node>,
    /// Functions.
    #[serde(default)]
    pub(super) functions: BTreeMap<String, Node>,
    /// Semantic models.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) semantic_models: BTreeMap<String, Node>,
    /// Metrics.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) metrics: BTreeMap<String, Node>,
    /// Queries over metrics that are kept.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) saved_queries: BTreeMap<String, Node>,
    /// Macros.
    #[serde(default)]
    pub(super) macros: BTreeMap<String, Macro>,
    /// Disabled nodes.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) disabled: BTreeMap<String, Vec<Node>>,
}

impl Manifest {
    /// The environment that karat had built; `None` in the manifest of a dbt.
    pub fn environment(&self) -> Option<&str> {
        self.macros.get(OWNER)?.meta[ENVIRONMENT].as_str()
    }

    /// Whether karat wrote it.
    pub(super) fn is_of_karat(&self) -> bool {
        self.metadata.adapter_type.as_deref() == Some("karat")
    }

    /// A node of any kind.
    pub(super) fn any(&self, id: &str) -> Option<&Node> {
        let data = [&self.nodes, &self.sources, &self.exposures, &self.unit_tests, &self.functions];
        let meaning = [&self.semantic_models, &self.metrics, &self.saved_queries];
        let mut sections = data.into_iter().chain(meaning);
        sections.find_map(|section| section.get(id))
    }
}

/// The macro in whose `meta` a manifest says what dbt has no place for. It is in every manifest, and readers of dbt's
/// artifacts check the keys of other places strictly.
pub const OWNER: &str = "macro.dbt.generate_schema_name";

/// Key in that `meta`: the environment that the command worked on.
pub const ENVIRONMENT: &str = "karat_environment";

/// A node of any kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    /// `model`, `seed` and so on.
    #[serde(deserialize_with = "or_default")]
    pub resource_type: String,
    /// Name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Database of its relation.
    pub database: Option<String>,
    /// Schema of its relation.
    pub schema: Option<String>,
    /// Name of its relation.
    pub alias: Option<String>,
    pub(super) identifier: Json,
    pub(super) fqn: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) raw_code: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) original_file_path: String,
    pub(super) checksum: Json,
    pub(super) config: Config,
    #[serde(deserialize_with = "or_default")]
    pub(super) unrendered_config: Map<String, Json>,
    #[serde(deserialize_with = "or_default")]
    pub(super) description: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) columns: BTreeMap<String, Column>,
    #[serde(deserialize_with = "or_default")]
    pub(super) depends_on: DependsOn,
    #[serde(deserialize_with = "or_default")]
    pub(super) contract: Contract,
    #[serde(deserialize_with = "or_default")]
    pub(super) constraints: Vec<Json>,
    pub(super) version: Json,
    pub(super) latest_version: Json,
    pub(super) access: Json,
    pub(super) deprecation_date: Json,
    pub(super) test_metadata: Json,
    pub(super) quoting: Json,
    pub(super) freshness: Json,
    pub(super) loaded_at_field: Json,
    pub(super) loaded_at_query: Json,
    pub(super) external: Json,
    pub(super) unrendered_database: Json,
    pub(super) unrendered_schema: Json,
    #[serde(rename = "type")]
    pub(super) kind: Json,
    pub(super) owner: Json,
    pub(super) maturity: Json,
    pub(super) url: Json,
    pub(super) label: Json,
    pub(super) model: Json,
    pub(super) versions: Json,
    pub(super) given: Json,
    pub(super) expect: Json,
    pub(super) overrides: Json,
    pub(super) arguments: Json,
    pub(super) returns: Json,
    pub(super) tags: Json,
    pub(super) group: Json,
    pub(super) defaults: Json,
    pub(super) primary_entity: Json,
    #[serde(deserialize_with = "or_default")]
    pub(super) entities: Vec<Json>,
    #[serde(deserialize_with = "or_default")]
    pub(super) dimensions: Vec<Json>,
    #[serde(deserialize_with = "or_default")]
    pub(super) measures: Vec<Json>,
    pub(super) query_params: Json,
    #[serde(deserialize_with = "or_default")]
    pub(super) exports: Vec<Export>,
    #[serde(deserialize_with = "or_default")]
    pub(super) overloads: Vec<Overload>,
}

impl Node {
    /// Whether it has a relation that can stand for the one of another environment.
    pub fn is_relation(&self) -> bool {
        matches!(self.resource_type.as_str(), "model" | "seed" | "snapshot")
            && self.config.materialized.as_deref() != Some("ephemeral")
    }
}

/// Another form of a function; descriptions do not count.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Overload {
    defined_in: String,
    arguments: Json,
    returns: Json,
    raw_body: Option<String>,
}

/// What a kept query would be exported to.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Export {
    name: String,
    #[serde(rename = "unrendered_config", deserialize_with = "or_default")]
    config: Map<String, Json>,
}

impl Export {
    /// Whether another one exports to the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let keys = ["export_as", "schema", "alias"];
        self.name == other.name && keys.iter().all(|key| self.config.get(*key) == other.config.get(*key))
    }
}

/// The rendered configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) materialized: Option<String>,
    pub(super) enabled: Option<bool>,
    #[serde(deserialize_with = "or_default")]
    pub(super) persist_docs: Map<String, Json>,
    /// All keys that are not read themselves.
    #[serde(flatten)]
    pub(super) rest: Map<String, Json>,
}

/// A documented column.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Column {
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) description: String,
    pub(super) data_type: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) constraints: Vec<Json>,
}

/// Whether the columns are held to what is declared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Contract {
    pub(super) enforced: bool,
}

/// Parents and macros.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct DependsOn {
    pub(super) nodes: Vec<String>,
    pub(super) macros: Vec<String>,
}

/// A macro.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Macro {
    pub(super) package_name: String,
    #[serde(rename = "macro_sql")]
    pub(super) text: String,
    pub(super) depends_on: DependsOn,
    #[serde(default)]
    pub(super) meta: Json,
}

/// `run_results.json`.
#[derive(Debug, Deserialize)]
pub(super) struct RunResults {
    results: Vec<RunResult>,
}

#[derive(Debug, Deserialize)]
struct RunResult {
    unique_id: String,
    status: String,
}

impl RunResults {
    pub(super) fn statuses(self) -> BTreeMap<String, String> {
        self.results.into_iter().map(|result| (result.unique_id, result.status)).collect()
    }
}

/// `sources.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Sources {
    results: Vec<SourceResult>,
}

#[derive(Debug, Deserialize)]
struct SourceResult {
    unique_id: String,
    #[serde(default)]
    max_loaded_at: Option<String>,
}

impl Sources {
    pub(super) fn newest(self) -> BTreeMap<String, Option<String>> {
        self.results.into_iter().map(|result| (result.unique_id, result.max_loaded_at)).collect()
    }
}

/// Null is as good as nothing.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
