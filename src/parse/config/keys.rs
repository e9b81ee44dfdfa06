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
        "meta" | "column_types" | "quoting" | "docs" | "grants" => Merge::ByKey,
        _ => Merge::Replace,
    }
}

/// Keys that karat reads.
pub const TYPED: [&str; 46] = [
    "enabled",
    "materialized",
    "schema",
    "database",
    "alias",
    "tags",
    "meta",
    "unique_key",
    "incremental_strategy",
    "incremental_predicates",
    "merge_update_columns",
    "merge_exclude_columns",
    "delete_when",
    "on_schema_change",
    "full_refresh",
    "partition_by",
    "sort_by",
    "compression",
    "strategy",
    "updated_at",
    "check_cols",
    "hard_deletes",
    "invalidate_hard_deletes",
    "dbt_valid_to_current",
    "snapshot_meta_column_names",
    "max_delete_fraction",
    "target_schema",
    "target_database",
    "column_types",
    "delimiter",
    "quote_columns",
    "pre-hook",
    "post-hook",
    "pre_hook",
    "post_hook",
    "severity",
    "warn_if",
    "error_if",
    "fail_calc",
    "where",
    "limit",
    "store_failures",
    "store_failures_as",
    "contract",
    "timestamps_utc",
    "predicates",
];

/// Keys of dbt and its adapters that are kept for artifacts and macros but mean nothing here.
pub const KEPT: [&str; 33] = [
    "access",
    "batch_size",
    "begin",
    "concurrent_batches",
    "docs",
    "event_time",
    "external_location",
    "format",
    "freshness",
    "grants",
    "group",
    "location",
    "lookback",
    "loaded_at_field",
    "loaded_at_query",
    "node_color",
    "on_configuration_change",
    "on_error",
    "options",
    "packages",
    "persist_docs",
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
];
