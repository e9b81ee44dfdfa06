//! Configuration of nodes: the typed values that the later stages use, beside the raw ones for artifacts and Jinja.

use indexmap::IndexMap;
use serde_json::Value;

use crate::base::diagnostic::Diagnostic;
use crate::manifest::group::Access;
use crate::manifest::microbatch::Microbatch;

/// How a model becomes data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Materialization {
    /// A stored query.
    View,
    /// A table, replaced by each run.
    Table,
    /// A table that each run adds to or changes.
    Incremental,
    /// No relation of its own: a common table expression in each child.
    Ephemeral,
    /// One that the project or a package has written; the configuration has its name.
    Custom,
}

impl Materialization {
    /// karat's own, in the order of the reference page.
    pub const ALL: [Self; 4] = [Self::View, Self::Table, Self::Incremental, Self::Ephemeral];

    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Table => "table",
            Self::Incremental => "incremental",
            Self::Ephemeral => "ephemeral",
            Self::Custom => "custom",
        }
    }
}

/// How the result of an incremental model is combined with the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncrementalStrategy {
    /// Add all rows.
    Append,
    /// Update the rows with the same key, add the others.
    Merge,
    /// Delete the rows with the same key, add all rows.
    DeleteInsert,
    /// Replace the partitions that the result touches.
    InsertOverwrite,
    /// Replace windows of time, one batch after the other.
    Microbatch,
}

impl IncrementalStrategy {
    /// All, in the order of the reference page.
    pub const ALL: [Self; 5] = [Self::Append, Self::Merge, Self::DeleteInsert, Self::InsertOverwrite, Self::Microbatch];

    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Merge => "merge",
            Self::DeleteInsert => "delete+insert",
            Self::InsertOverwrite => "insert_overwrite",
            Self::Microbatch => "microbatch",
        }
    }
}

/// What an incremental run does when the query's columns are not the table's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSchemaChange {
    /// Keep the table's columns.
    Ignore,
    /// Fail the model.
    Fail,
    /// Add the new columns; keep those that are gone.
    AppendNewColumns,
    /// Make the table's columns those of the query.
    SyncAllColumns,
}

impl OnSchemaChange {
    /// All, in the order of the reference page.
    pub const ALL: [Self; 4] = [Self::Ignore, Self::Fail, Self::AppendNewColumns, Self::SyncAllColumns];

    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Fail => "fail",
            Self::AppendNewColumns => "append_new_columns",
            Self::SyncAllColumns => "sync_all_columns",
        }
    }
}

/// Severity of a data test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestSeverity {
    /// Failing rows may fail the run.
    Error,
    /// Failing rows only warn.
    Warn,
}

/// How a snapshot detects changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotStrategy {
    /// A row changed if its `updated_at` is later than the stored one.
    Timestamp {
        /// Column (or expression) with the time of the last change.
        updated_at: String,
    },
    /// A row changed if one of the columns did.
    Check {
        /// The columns to compare; `None` means all.
        columns: Option<Vec<String>>,
        /// Column with the time of the change, if there is one; otherwise the run's time.
        updated_at: Option<String>,
    },
}

/// What a snapshot does about keys that are gone from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HardDeletes {
    /// Nothing: the version stays open.
    Ignore,
    /// Close the open version.
    Invalidate,
    /// Close the open version and open one that is marked as deleted.
    NewRecord,
}

/// Names of the columns that a snapshot adds (dbt's `snapshot_meta_column_names`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotColumns {
    /// `dbt_valid_from`.
    pub valid_from: String,
    /// `dbt_valid_to`.
    pub valid_to: String,
    /// `dbt_scd_id`.
    pub scd_id: String,
    /// `dbt_updated_at`.
    pub updated_at: String,
    /// `dbt_is_deleted`, only with `hard_deletes: new_record`.
    pub is_deleted: String,
}

impl Default for SnapshotColumns {
    fn default() -> Self {
        Self {
            valid_from: "dbt_valid_from".into(),
            valid_to: "dbt_valid_to".into(),
            scd_id: "dbt_scd_id".into(),
            updated_at: "dbt_updated_at".into(),
            is_deleted: "dbt_is_deleted".into(),
        }
    }
}

/// A statement to run before or after a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The statement, a Jinja template.
    pub sql: String,
    /// dbt's `transaction`: one without stands outside of those that have it. Here each statement is a transaction of
    /// its own, so this decides the order alone.
    pub transaction: bool,
}

/// dbt's `latest_version_pointer`: a view of the latest version of a model under a name without version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPointer {
    /// Its name; the model's without one.
    pub alias: Option<String>,
}

/// The merged configuration of one node.
///
/// Values hold what dbt's documentation says they mean; those of karat's own are marked. `raw` holds every key as
/// merged, also keys that have no typed field here, for artifacts, `config.get` and selectors.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a documented key of its own")]
pub struct NodeConfig {
    /// Every merged key.
    pub raw: IndexMap<String, Value>,
    /// Every key that somebody set, as written: Jinja is not rendered, values are replaced and not merged. dbt compares
    /// it to tell whether a node was modified.
    pub unrendered: IndexMap<String, Value>,
    /// What is wrong with it for whoever builds the node, and for nobody else.
    pub unusable: Vec<Diagnostic>,
    /// Whether the node exists at all.
    pub enabled: bool,
    /// Materialization of a model; other kinds of node ignore it.
    pub materialized: Materialization,
    /// Custom schema, before `generate_schema_name`.
    pub schema: Option<String>,
    /// Custom database, before `generate_database_name`.
    pub database: Option<String>,
    /// Custom alias, before `generate_alias_name`.
    pub alias: Option<String>,
    /// Tags, in order of definition without repetition.
    pub tags: Vec<String>,
    /// Free metadata.
    pub meta: IndexMap<String, Value>,
    /// Key columns of an incremental model or a snapshot; one entry may be an expression.
    pub unique_key: Vec<String>,
    /// Strategy of an incremental model; `None` means: merge with a unique key, append without.
    pub incremental_strategy: Option<IncrementalStrategy>,
    /// Column with the time of a row's event: batches of microbatch models that read the relation are filtered by it.
    pub event_time: Option<String>,
    /// The view that stands for the latest version of a model.
    pub latest_version_pointer: Option<VersionPointer>,
    /// The batches of a microbatch model.
    pub microbatch: Option<Microbatch>,
    /// Conditions on `DBT_INTERNAL_DEST` and `DBT_INTERNAL_SOURCE` that a row must meet to be matched.
    pub incremental_predicates: Vec<String>,
    /// Columns that a merge updates; `None` means all.
    pub merge_update_columns: Option<Vec<String>>,
    /// Columns that a merge does not update.
    pub merge_exclude_columns: Vec<String>,
    /// karat: rows of the batch for which this is true remove their key from the table and are not inserted.
    pub delete_when: Option<String>,
    /// What to do when the columns change.
    pub on_schema_change: OnSchemaChange,
    /// `full_refresh: true` or `false` overrides the flag; `None` follows it.
    pub full_refresh: Option<bool>,
    /// Columns whose values become folders of the table.
    pub partition_by: Vec<String>,
    /// karat: sort order of the rows in the table's files, as `order by` terms.
    pub sort_by: Vec<String>,
    /// karat: Parquet compression: `zstd` (the default), `snappy`, `lz4` or `none`.
    pub compression: Option<String>,
    /// Strategy of a snapshot.
    pub snapshot_strategy: Option<SnapshotStrategy>,
    /// What a snapshot does about keys that are gone.
    pub hard_deletes: HardDeletes,
    /// SQL expression for the `valid_to` of current rows instead of null.
    pub dbt_valid_to_current: Option<String>,
    /// Names of the columns that a snapshot adds.
    pub snapshot_columns: SnapshotColumns,
    /// karat: largest share (0 to 1) of a snapshot's open rows that one run may close because their keys are gone;
    /// a source without any row may close nothing unless this is 1.
    pub max_delete_fraction: Option<f64>,
    /// Types of a seed's columns, as SQL.
    pub column_types: IndexMap<String, String>,
    /// A seed's field separator, one ASCII character.
    pub delimiter: char,
    /// Whether a seed's column names keep their case.
    pub quote_columns: bool,
    /// Statements before the node.
    pub pre_hook: Vec<Hook>,
    /// Statements after the node.
    pub post_hook: Vec<Hook>,
    /// Severity of a test.
    pub severity: TestSeverity,
    /// Condition on a test's failures that warns, such as `>10`.
    pub warn_if: String,
    /// Condition on a test's failures that fails, such as `!= 0`.
    pub error_if: String,
    /// Expression that counts a test's failures.
    pub fail_calc: String,
    /// Filter on the rows that a test looks at.
    pub where_clause: Option<String>,
    /// Most failing rows that a test counts.
    pub limit: Option<u64>,
    /// Whether failing rows are stored as a table.
    pub store_failures: Option<bool>,
    /// Whether they are stored as a view, which shows the failing rows of the moment.
    pub store_failures_as_view: bool,
    /// Whether the columns are held to their declared names and types.
    pub contract_enforced: bool,
    /// The group that the node belongs to.
    pub group: Option<String>,
    /// Who may refer to the model.
    pub access: Access,
    /// Whether the node's description is stored with its relation (dbt's `persist_docs: {relation: true}`).
    pub persist_relation_docs: bool,
    /// Whether its columns' descriptions are (`persist_docs: {columns: true}`).
    pub persist_column_docs: bool,
    /// Whether timestamps without zone in this relation are declared to be UTC (karat; used by `utc_times`).
    pub timestamps_utc: bool,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            raw: IndexMap::new(),
            unrendered: IndexMap::new(),
            unusable: Vec::new(),
            enabled: true,
            materialized: Materialization::View,
            schema: None,
            database: None,
            alias: None,
            tags: Vec::new(),
            meta: IndexMap::new(),
            unique_key: Vec::new(),
            incremental_strategy: None,
            event_time: None,
            latest_version_pointer: None,
            microbatch: None,
            incremental_predicates: Vec::new(),
            merge_update_columns: None,
            merge_exclude_columns: Vec::new(),
            delete_when: None,
            on_schema_change: OnSchemaChange::Ignore,
            full_refresh: None,
            partition_by: Vec::new(),
            sort_by: Vec::new(),
            compression: None,
            snapshot_strategy: None,
            hard_deletes: HardDeletes::Ignore,
            dbt_valid_to_current: None,
            snapshot_columns: SnapshotColumns::default(),
            max_delete_fraction: None,
            column_types: IndexMap::new(),
            delimiter: ',',
            quote_columns: false,
            pre_hook: Vec::new(),
            post_hook: Vec::new(),
            severity: TestSeverity::Error,
            warn_if: "!= 0".into(),
            error_if: "!= 0".into(),
            fail_calc: "count(*)".into(),
            where_clause: None,
            limit: None,
            store_failures: None,
            store_failures_as_view: false,
            contract_enforced: false,
            group: None,
            access: Access::default(),
            persist_relation_docs: false,
            persist_column_docs: false,
            timestamps_utc: false,
        }
    }
}
