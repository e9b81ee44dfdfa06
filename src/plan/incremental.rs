//! How the result of an incremental model is combined with its table.

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::engine::types::sql_type_of;
use crate::manifest::config::{IncrementalStrategy, NodeConfig, OnSchemaChange};
use crate::manifest::node::Node;
use crate::plan::algebra::Combination;

/// The change that one incremental run makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incremental {
    /// How rows are combined.
    pub strategy: Strategy,
    /// What happens if the columns differ.
    pub on_schema_change: OnSchemaChange,
}

/// How rows are combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// Add all rows.
    Append,
    /// Change the rows with the same keys. The name is that of the strategy.
    Combine(IncrementalStrategy, Combination),
    /// Replace the partitions that the result touches; without partitions the whole table.
    OverwritePartitions,
}

impl Strategy {
    /// The word for what is done.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Combine(strategy, _) => strategy.as_str(),
            Self::OverwritePartitions => "insert_overwrite",
        }
    }
}

/// The incremental change of a model's configuration.
pub fn incremental(node: &Node) -> Incremental {
    let config = &node.config;
    let default = if config.unique_key.is_empty() { IncrementalStrategy::Append } else { IncrementalStrategy::Merge };
    let strategy = match config.incremental_strategy.unwrap_or(default) {
        // Batches have a plan of their own.
        IncrementalStrategy::Append | IncrementalStrategy::Microbatch => Strategy::Append,
        IncrementalStrategy::InsertOverwrite => Strategy::OverwritePartitions,
        // Without a key nothing can match: as under dbt, all rows are added.
        IncrementalStrategy::Merge | IncrementalStrategy::DeleteInsert if config.unique_key.is_empty() => {
            Strategy::Append
        }
        IncrementalStrategy::Merge => Strategy::Combine(IncrementalStrategy::Merge, combination(config, true)),
        IncrementalStrategy::DeleteInsert => {
            Strategy::Combine(IncrementalStrategy::DeleteInsert, combination(config, false))
        }
    };
    Incremental { strategy, on_schema_change: config.on_schema_change }
}

fn combination(config: &NodeConfig, merge: bool) -> Combination {
    Combination {
        keys: config.unique_key.clone(),
        // dbt-duckdb's name of the table.
        predicates: config
            .incremental_predicates
            .iter()
            .map(|predicate| predicate.replace("DBT_INCREMENTAL_TARGET", "DBT_INTERNAL_DEST"))
            .collect(),
        update_columns: None,
        delete_when: config.delete_when.clone(),
        unique: merge,
    }
}

/// The columns that a merge updates, once those of the table and of the query are known; `None` means all.
///
/// As under dbt, a merge sets what the query has: a column that only the table has, which `append_new_columns` allows,
/// keeps its values.
pub fn update_columns(config: &NodeConfig, table: &[String], query: &Schema) -> Option<Vec<String>> {
    let excluded = &config.merge_exclude_columns;
    let is_excluded = |column: &&String| excluded.iter().any(|name| name.eq_ignore_ascii_case(column));
    let is_lost =
        |column: &String| find(query, column).is_none() && table.iter().any(|name| name.eq_ignore_ascii_case(column));
    let chosen = match &config.merge_update_columns {
        Some(columns) => columns.clone(),
        None if excluded.is_empty() && !table.iter().any(is_lost) => return None,
        None => table.iter().filter(|column| !is_excluded(column)).cloned().collect(),
    };
    Some(chosen.into_iter().filter(|column| !is_lost(column)).collect())
}

fn find(schema: &Schema, name: &str) -> Option<Arc<Field>> {
    schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name)).cloned()
}

/// What the columns of a result mean for the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// The table's columns after the run.
    pub schema: SchemaRef,
    /// Whether the table's files must be rewritten: a column was dropped or its type changed, and a file that still
    /// holds the old values would bring them back.
    pub rewrite: bool,
    /// Whether the table's schema changes at all.
    pub changed: bool,
}

/// Compares the columns of a result with those of the table and decides as `on_schema_change` says.
pub fn schema_change(
    node: &Node,
    policy: OnSchemaChange,
    result: &Schema,
    table: &SchemaRef,
) -> Result<SchemaChange, Box<Diagnostic>> {
    let added: Vec<Arc<Field>> =
        result.fields().iter().filter(|field| find(table, field.name()).is_none()).cloned().collect();
    let removed: Vec<&str> = table
        .fields()
        .iter()
        .filter(|field| find(result, field.name()).is_none())
        .map(|field| field.name().as_str())
        .collect();
    let retyped: Vec<(Arc<Field>, Arc<Field>)> = table
        .fields()
        .iter()
        .filter_map(|old| find(result, old.name()).map(|new| (Arc::clone(old), new)))
        .filter(|(old, new)| old.data_type() != new.data_type())
        .collect();
    // New fields of a struct are new columns within a column.
    let grown: Vec<(&str, DataType)> = match policy {
        OnSchemaChange::AppendNewColumns => retyped
            .iter()
            .filter_map(|(old, new)| Some((old.name().as_str(), grown(old.data_type(), new.data_type())?)))
            .collect(),
        _ => Vec::new(),
    };
    let is_grown = |name: &str| grown.iter().any(|(known, _)| *known == name);
    // A merge and an append store what the query gives as what the table has.
    let impossible =
        retyped.iter().find(|(old, new)| !can_cast_types(new.data_type(), old.data_type()) && !is_grown(old.name()));
    let keeps_types = matches!(policy, OnSchemaChange::Ignore | OnSchemaChange::AppendNewColumns);
    if let (Some((old, new)), true) = (impossible, keeps_types) {
        let (was, is) = (sql_type_of(old.data_type()), sql_type_of(new.data_type()));
        let message = format!(
            "column `{}` of `{}` is {was} in its table and {is} in its query, which cannot become {was}",
            old.name(),
            node.name
        );
        return Err(Box::new(Diagnostic::error("type-mismatch", message).with_hint(
            "cast it in the query, set `on_schema_change: sync_all_columns`, or run with `--full-refresh`",
        )));
    }
    let unchanged = SchemaChange { schema: Arc::clone(table), rewrite: false, changed: false };
    let added_names: Vec<&str> = added.iter().map(|field| field.name().as_str()).collect();
    match policy {
        OnSchemaChange::Ignore if removed.is_empty() => Ok(unchanged),
        OnSchemaChange::Ignore => {
            let mut diagnostic = Diagnostic::error(
                "schema-change",
                format!("the query of `{}` no longer has the column {} of its table", node.name, names(&removed)),
            );
            if let Some(near) = removed.iter().find_map(|name| did_you_mean(name, added_names.iter().copied())) {
                diagnostic = diagnostic.with_note(format!("the query has a new column `{near}`"));
            }
            Err(Box::new(diagnostic.with_hint(
                "set `on_schema_change` to `append_new_columns` or `sync_all_columns`, or run with `--full-refresh`",
            )))
        }
        OnSchemaChange::Fail if added.is_empty() && removed.is_empty() && retyped.is_empty() => Ok(unchanged),
        OnSchemaChange::Fail => {
            let mut diagnostic = Diagnostic::error(
                "schema-change",
                format!("the columns of `{}` have changed and `on_schema_change` is `fail`", node.name),
            );
            if !added.is_empty() {
                diagnostic = diagnostic.with_note(format!("new in the query: {}", names(&added_names)));
            }
            if !removed.is_empty() {
                diagnostic = diagnostic.with_note(format!("gone from the query: {}", names(&removed)));
            }
            for (old, new) in &retyped {
                diagnostic = diagnostic.with_note(format!(
                    "`{}` was {} and is {}",
                    old.name(),
                    sql_type_of(old.data_type()),
                    sql_type_of(new.data_type())
                ));
            }
            Err(Box::new(diagnostic.with_hint("run with `--full-refresh` to rebuild the table with the new columns")))
        }
        OnSchemaChange::AppendNewColumns => {
            let kept = table.fields().iter().map(|old| match grown.iter().find(|(name, _)| name == old.name()) {
                Some((_, data_type)) if data_type != old.data_type() => {
                    (Arc::new(old.as_ref().clone().with_data_type(data_type.clone())), true)
                }
                _ => (Arc::clone(old), false),
            });
            let kept: Vec<(Arc<Field>, bool)> = kept.collect();
            let rewrite = kept.iter().any(|(_, is_new)| *is_new);
            if added.is_empty() && !rewrite {
                return Ok(unchanged);
            }
            let fields: Vec<Arc<Field>> = kept.into_iter().map(|(field, _)| field).chain(added).collect();
            Ok(SchemaChange { schema: Arc::new(Schema::new(fields)), rewrite, changed: true })
        }
        OnSchemaChange::SyncAllColumns => {
            if added.is_empty() && removed.is_empty() && retyped.is_empty() {
                return Ok(unchanged);
            }
            // A column keeps its name as the table spells it: the files that are there have it by that name.
            let kept = table.fields().iter().filter_map(|old| {
                find(result, old.name()).map(|new| Arc::new(new.as_ref().clone().with_name(old.name())))
            });
            let fields: Vec<Arc<Field>> = kept.chain(added).collect();
            let rewrite = !removed.is_empty() || !retyped.is_empty();
            Ok(SchemaChange { schema: Arc::new(Schema::new(fields)), rewrite, changed: true })
        }
    }
}

/// The type of a struct with the fields of another one that it lacks; `None` if one of them is no struct, or a field
/// that both have cannot be kept.
fn grown(old: &DataType, new: &DataType) -> Option<DataType> {
    let (DataType::Struct(old), DataType::Struct(new)) = (old, new) else { return None };
    let mut fields: Vec<Arc<Field>> = Vec::with_capacity(old.len());
    for field in old {
        let same = new.iter().find(|other| other.name() == field.name());
        let kept = match same {
            Some(other) if other.data_type() != field.data_type() => {
                match grown(field.data_type(), other.data_type()) {
                    Some(data_type) => Arc::new(field.as_ref().clone().with_data_type(data_type)),
                    None if can_cast_types(other.data_type(), field.data_type()) => Arc::clone(field),
                    None => return None,
                }
            }
            _ => Arc::clone(field),
        };
        fields.push(kept);
    }
    // What older rows do not have is null there.
    let is_new = |field: &&Arc<Field>| !old.iter().any(|known| known.name() == field.name());
    fields.extend(new.iter().filter(is_new).map(|field| Arc::new(field.as_ref().clone().with_nullable(true))));
    Some(DataType::Struct(fields.into()))
}

fn names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
