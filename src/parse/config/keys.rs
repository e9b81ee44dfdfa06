//! The names of configuration keys: which exist, which are spelled in several ways, and how their values merge.

/// How a value combines with the less specific one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The new value is the value.
    Replace,
    /// A list without repetitions, the old items first.
    AddUnique,
    /// A list, the old items first.
    Append,
    /// A mapping, the new entries over the old ones.
    ByKey,
}

/// The one spelling of a key.
pub fn canonical(key: &str) -> &str {
    match key {
        "pre_hook" => "pre-hook",
        "post_hook" => "post-hook",
        "predicates" => "incremental_predicates",
        _ => key,
    }
}

/// How the values of a key merge.
pub fn merge_of(key: &str) -> Merge {
    match key {
        "tags" | "classifiers" => Merge::AddUnique,
        "pre-hook" | "post-hook" => Merge::Append,
        "meta" | "column_types" | "quoting" | "docs" | "grants" | "contract" => Merge::ByKey,
        _ => Merge::Replace,
    }
}

/// A key that karat reads.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name as written.
    pub name: &'static str,
    /// The kinds of node that it is for.
    pub of: &'static str,
    /// What it may hold.
    pub value: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// One sentence or two.
    pub meaning: &'static str,
}

/// Whether a key is known at all: read, or kept for others.
pub fn is_known(key: &str) -> bool {
    known().any(|known| known == key)
}

/// All known keys.
pub fn known() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.name).chain(KEPT)
}

/// Keys that karat reads, in the order of the reference page.
pub const KEYS: [Key; 55] = [
    Key {
        name: "enabled",
        of: "all",
        value: "true or false",
        default: "true",
        meaning: "Whether the node exists at all.",
    },
    Key {
        name: "materialized",
        of: "models",
        value: "view, table, incremental, ephemeral",
        default: "by layer: view in bronze, table in silver and gold; view elsewhere",
        meaning: "How the model becomes data.",
    },
    Key {
        name: "schema",
        of: "models, seeds, snapshots, tests, functions",
        value: "text",
        default: "the layer, or the target's schema",
        meaning: "Custom schema; `generate_schema_name` makes the name from it.",
    },
    Key {
        name: "database",
        of: "models, seeds, snapshots, tests",
        value: "text",
        default: "the target's database",
        meaning: "Custom database; `generate_database_name` makes the name from it.",
    },
    Key {
        name: "alias",
        of: "models, seeds, snapshots, tests",
        value: "text",
        default: "the node's name",
        meaning: "Name of the table or view; `generate_alias_name` makes the name from it.",
    },
    Key {
        name: "tags",
        of: "all",
        value: "text or list",
        default: "none",
        meaning: "Words to select by, as in `tag:nightly`; tags of folders and nodes add up.",
    },
    Key {
        name: "meta",
        of: "all",
        value: "mapping",
        default: "none",
        meaning: "Free facts for people and programs; entries of folders and nodes merge by key.",
    },
    Key {
        name: "latest_version_pointer",
        of: "models with versions",
        value: "mapping: `enabled`, `alias`",
        default: "none",
        meaning: "A view of the latest version under the model's name, or under `alias`.",
    },
    Key {
        name: "unique_key",
        of: "incremental models, snapshots",
        value: "text or list",
        default: "none",
        meaning: "Columns that identify a row. One entry may be an expression.",
    },
    Key {
        name: "incremental_strategy",
        of: "incremental models",
        value: "append, merge, delete+insert, insert_overwrite, microbatch",
        default: "merge with a unique key, else append",
        meaning: "How new rows are combined with the table.",
    },
    Key {
        name: "event_time",
        of: "models, seeds, snapshots, sources",
        value: "column or expression",
        default: "none; required with microbatch",
        meaning: "When the event of a row happened. Microbatch models replace their own rows by it, and read only the batch's rows of parents that have it. `ref('x').render()` reads all.",
    },
    Key {
        name: "begin",
        of: "microbatch models",
        value: "date or point in time, in UTC",
        default: "required",
        meaning: "Where the first batch begins.",
    },
    Key {
        name: "batch_size",
        of: "microbatch models",
        value: "hour, day, month, year",
        default: "required",
        meaning: "How long a batch is.",
    },
    Key {
        name: "lookback",
        of: "microbatch models",
        value: "number from 0",
        default: "1",
        meaning: "How many batches before the newest one are made again in each run.",
    },
    Key {
        name: "concurrent_batches",
        of: "microbatch models",
        value: "true or false",
        default: "false",
        meaning: "Kept for dbt: batches run one after the other, each with all cores.",
    },
    Key {
        name: "incremental_predicates",
        of: "incremental models",
        value: "list of SQL conditions",
        default: "none",
        meaning: "Conditions on `DBT_INTERNAL_DEST` and `DBT_INTERNAL_SOURCE` that a row must meet to be matched.",
    },
    Key {
        name: "predicates",
        of: "incremental models",
        value: "list of SQL conditions",
        default: "none",
        meaning: "Older name of `incremental_predicates`.",
    },
    Key {
        name: "merge_update_columns",
        of: "incremental models",
        value: "list",
        default: "all columns",
        meaning: "The columns that a merge updates.",
    },
    Key {
        name: "merge_exclude_columns",
        of: "incremental models",
        value: "list",
        default: "none",
        meaning: "The columns that a merge does not update.",
    },
    Key {
        name: "delete_when",
        of: "incremental models",
        value: "SQL condition",
        default: "none",
        meaning: "Ours: rows of the batch for which it holds remove their key from the table. Needs `unique_key` and the strategy `merge` or `delete+insert`.",
    },
    Key {
        name: "on_schema_change",
        of: "incremental models",
        value: "ignore, fail, append_new_columns, sync_all_columns",
        default: "ignore",
        meaning: "What happens when the query's columns are not the table's.",
    },
    Key {
        name: "full_refresh",
        of: "models, seeds",
        value: "true or false",
        default: "as `--full-refresh` says",
        meaning: "Whether the table is rebuilt from nothing, whatever the command line says.",
    },
    Key {
        name: "partition_by",
        of: "models, snapshots",
        value: "text or list",
        default: "none",
        meaning: "Columns whose values become folders of the table.",
    },
    Key {
        name: "sort_by",
        of: "models, snapshots",
        value: "text or list",
        default: "none",
        meaning: "Ours: order of the rows in the table's files, as `order by` terms.",
    },
    Key {
        name: "compression",
        of: "models, snapshots",
        value: "none, snappy, lz4, zstd, zstd(1) to zstd(22)",
        default: "zstd",
        meaning: "Ours: compression of the table's files.",
    },
    Key {
        name: "strategy",
        of: "snapshots",
        value: "timestamp, check",
        default: "required",
        meaning: "How a snapshot finds out that a row changed.",
    },
    Key {
        name: "updated_at",
        of: "snapshots",
        value: "column or expression",
        default: "required with timestamp",
        meaning: "When the row changed.",
    },
    Key {
        name: "check_cols",
        of: "snapshots",
        value: "list, or all",
        default: "required with check",
        meaning: "The columns to compare.",
    },
    Key {
        name: "hard_deletes",
        of: "snapshots",
        value: "ignore, invalidate, new_record",
        default: "ignore",
        meaning: "What happens to the versions of keys that are gone.",
    },
    Key {
        name: "invalidate_hard_deletes",
        of: "snapshots",
        value: "true or false",
        default: "false",
        meaning: "Older form of `hard_deletes: invalidate`.",
    },
    Key {
        name: "dbt_valid_to_current",
        of: "snapshots",
        value: "SQL expression",
        default: "null",
        meaning: "What `dbt_valid_to` holds in current versions.",
    },
    Key {
        name: "snapshot_meta_column_names",
        of: "snapshots",
        value: "mapping",
        default: "dbt's names",
        meaning: "Other names for `dbt_valid_from`, `dbt_valid_to`, `dbt_scd_id`, `dbt_updated_at`, `dbt_is_deleted`.",
    },
    Key {
        name: "max_delete_fraction",
        of: "snapshots",
        value: "0 to 1",
        default: "no limit, but an empty source closes nothing",
        meaning: "Ours: largest share of the open versions that one run may close because their keys are gone.",
    },
    Key {
        name: "target_schema",
        of: "snapshots",
        value: "text",
        default: "none",
        meaning: "Schema of a snapshot in its old form; goes around `generate_schema_name`.",
    },
    Key {
        name: "target_database",
        of: "snapshots",
        value: "text",
        default: "none",
        meaning: "Database of a snapshot in its old form.",
    },
    Key {
        name: "column_types",
        of: "seeds",
        value: "mapping of columns to SQL types",
        default: "inferred",
        meaning: "Types of a seed's columns.",
    },
    Key {
        name: "delimiter",
        of: "seeds",
        value: "one character",
        default: "`,`",
        meaning: "What separates a seed's fields.",
    },
    Key {
        name: "quote_columns",
        of: "seeds",
        value: "true or false",
        default: "false",
        meaning: "Whether the names of a seed's columns keep their case.",
    },
    Key {
        name: "pre-hook",
        of: "models, seeds, snapshots",
        value: "text or list",
        default: "none",
        meaning: "Statements before the node.",
    },
    Key {
        name: "post-hook",
        of: "models, seeds, snapshots",
        value: "text or list",
        default: "none",
        meaning: "Statements after the node.",
    },
    Key {
        name: "pre_hook",
        of: "models, seeds, snapshots",
        value: "text or list",
        default: "none",
        meaning: "Another spelling of `pre-hook`.",
    },
    Key {
        name: "post_hook",
        of: "models, seeds, snapshots",
        value: "text or list",
        default: "none",
        meaning: "Another spelling of `post-hook`.",
    },
    Key {
        name: "severity",
        of: "tests",
        value: "error, warn",
        default: "error",
        meaning: "Whether failing rows fail the run or only warn.",
    },
    Key {
        name: "warn_if",
        of: "tests",
        value: "comparison, such as `>10`",
        default: "`!= 0`",
        meaning: "The number of failures that warns.",
    },
    Key {
        name: "error_if",
        of: "tests",
        value: "comparison, such as `>10`",
        default: "`!= 0`",
        meaning: "The number of failures that fails.",
    },
    Key {
        name: "fail_calc",
        of: "tests",
        value: "SQL expression",
        default: "`count(*)`",
        meaning: "How the failures are counted.",
    },
    Key {
        name: "where",
        of: "tests",
        value: "SQL condition",
        default: "none",
        meaning: "The rows that the test looks at.",
    },
    Key {
        name: "limit",
        of: "tests",
        value: "number",
        default: "none",
        meaning: "Most failing rows that the test counts.",
    },
    Key {
        name: "store_failures",
        of: "tests",
        value: "true or false",
        default: "as `--store-failures` says",
        meaning: "Whether failing rows are stored as a table.",
    },
    Key {
        name: "store_failures_as",
        of: "tests",
        value: "table, view, ephemeral",
        default: "none",
        meaning: "How failing rows are stored; wins over `store_failures`. A view shows those of the moment in which it is read.",
    },
    Key {
        name: "group",
        of: "all",
        value: "text",
        default: "none",
        meaning: "The group that the node belongs to; it must be described below `groups:` in a properties file.",
    },
    Key {
        name: "access",
        of: "models",
        value: "private, protected, public",
        default: "protected",
        meaning: "Who may refer to the model: nodes of its group, of its package, everybody. Other packages may use what is protected unless its package says `restrict-access: true`.",
    },
    Key {
        name: "persist_docs",
        of: "models, seeds, snapshots",
        value: "mapping `{relation: true, columns: true}`",
        default: "none",
        meaning: "Whether descriptions of the table and of its columns are stored with it, for other readers.",
    },
    Key {
        name: "contract",
        of: "models",
        value: "mapping `{enforced: true}`",
        default: "not enforced",
        meaning: "Whether the columns are held to their declared names and types.",
    },
    Key {
        name: "timestamps_utc",
        of: "models",
        value: "true or false",
        default: "false",
        meaning: "Ours: declares timestamps without zone in this model to be UTC, for the test `utc_times`.",
    },
];

/// Keys of dbt and its adapters that are kept for artifacts and macros but mean nothing here.
pub const KEPT: [&str; 32] = [
    "cache",
    "docs",
    "export_as",
    "external_location",
    "format",
    "freshness",
    "grants",
    "location",
    "loaded_at_field",
    "loaded_at_query",
    "node_color",
    "on_configuration_change",
    "on_error",
    "options",
    "packages",
    "plugin",
    "query_tag",
    "quoting",
    "sql_header",
    "static_analysis",
    "transient",
    "unlogged",
    "indexes",
    "cluster_by",
    "file_format",
    "relation",
    "unrendered_config",
    "type",
    "volatility",
    "runtime_version",
    "entry_point",
    "snowflake",
];
