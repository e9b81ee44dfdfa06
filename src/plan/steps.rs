//! A node and what is published become a step. Pure, but for reading a seed's file.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::base::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::base::limits;
use crate::compile::host::Invocation;
use crate::engine::files::read_seed;
use crate::engine::types::storage_schema;
use crate::engine::view::WarehouseView;
use crate::files::discover::unreadable;
use crate::manifest::config::{HardDeletes, Materialization, SnapshotStrategy};
use crate::manifest::node::{Detail, Node, NodeId};
use crate::plan::incremental::incremental;
use crate::plan::microbatch::microbatches;
use crate::plan::run_plan::{Intent, Step};
use crate::plan::snapshot::SnapshotPlan;
use crate::plan::test::TestPlan;
use crate::template::host::RelationKind;

/// The step of a node, before its SQL is known.
pub fn step(invocation: &Invocation, node: &Arc<Node>, view: &WarehouseView, prerequisites: BTreeSet<NodeId>) -> Step {
    let published = node.relation.as_ref().and_then(|relation| view.published_kind(&relation.key()));
    let (intent, reason) = match &node.detail {
        Detail::Model(_) => match node.config.materialized {
            Materialization::View => (Intent::View, "view"),
            Materialization::Table => (Intent::Replace, "table"),
            Materialization::Ephemeral => (Intent::Nothing, "ephemeral"),
            Materialization::Custom => (Intent::Custom, "custom materialization"),
            Materialization::Incremental => incremental_intent(invocation, node, published),
        },
        Detail::Seed { .. } => (Intent::Load, "seed"),
        Detail::Snapshot => (Intent::Snapshot(snapshot(invocation, node)), "snapshot"),
        Detail::Test(_) => (Intent::Check(TestPlan::new(&node.config, invocation.store_failures)), "test"),
        Detail::UnitTest(_) => (Intent::Compare, "unit test"),
        Detail::Function(_) => (Intent::Function, "function"),
        Detail::Operation { .. } => (Intent::Operation, "hook"),
        Detail::Analysis
        | Detail::Source(_)
        | Detail::Exposure(_)
        | Detail::SemanticModel(_)
        | Detail::Metric(_)
        | Detail::SavedQuery(_) => (Intent::Nothing, "not built"),
    };
    Step { node: Arc::clone(node), intent, reason, compiled: None, schema: None, prerequisites, faults: Vec::new() }
}

fn incremental_intent(invocation: &Invocation, node: &Node, published: Option<RelationKind>) -> (Intent, &'static str) {
    let is_table = published == Some(RelationKind::Table);
    if let Some(plan) = microbatches(invocation, node, is_table) {
        return (Intent::Microbatch(plan), "microbatch");
    }
    match published {
        Some(_) if is_table && !invocation.is_full_refresh(node) => {
            (Intent::Incremental(incremental(node)), "incremental")
        }
        Some(_) if is_table => (Intent::Replace, "full refresh"),
        Some(_) => (Intent::Replace, "was not a table"),
        None => (Intent::Replace, "first build"),
    }
}

fn snapshot(invocation: &Invocation, node: &Node) -> SnapshotPlan {
    let config = &node.config;
    SnapshotPlan {
        keys: config.unique_key.clone(),
        // Parsing has refused a snapshot without a strategy.
        strategy: config
            .snapshot_strategy
            .clone()
            .unwrap_or(SnapshotStrategy::Check { columns: None, updated_at: None }),
        hard_deletes: config.hard_deletes,
        names: config.snapshot_columns.clone(),
        valid_to_current: config.dbt_valid_to_current.clone(),
        max_delete_fraction: if config.hard_deletes == HardDeletes::Ignore {
            Some(1.0)
        } else {
            config.max_delete_fraction
        },
        keeps_gone: invocation.empty,
        now: invocation.clock.now(),
    }
}

/// Reads a seed's file as rows with their types.
pub fn load_seed(invocation: &Invocation, node: &Node) -> Result<(SchemaRef, Vec<RecordBatch>), Diagnostics> {
    let Detail::Seed { path, .. } = &node.detail else {
        return Err(Diagnostic::error("no-code", format!("`{}` is not a seed", node.name)).into());
    };
    let bytes = invocation
        .project
        .read_bytes(path, limits::SEED_FILE_BYTES)
        .map_err(|error| Diagnostics::from(unreadable(&error)))?;
    let config = &node.config;
    read_seed(&bytes, path, config.delimiter, config.quote_columns, &config.column_types)
        .map_err(|error| error.diagnostics())
}

/// Warnings of types that a seed declares for columns which its file has not; as under dbt they are no errors.
pub fn needless_types(node: &Node, schema: &Schema) -> Vec<Diagnostic> {
    let names = column_names(schema);
    let has = |column: &str| names.iter().any(|name| name.to_lowercase() == column.to_lowercase());
    let needless = node.config.column_types.keys().filter(|column| !has(column));
    let warning = |column: &String| {
        let message = format!("`column_types` of `{}` names the column `{column}`, which the file has not", node.name);
        let warning = Diagnostic::warning("unknown-config", message).at_maybe(node.location.clone(), "");
        match did_you_mean(column, names.iter().map(String::as_str)) {
            Some(near) => warning.with_hint(format!("did you mean `{near}`?")),
            None => warning,
        }
    };
    needless.map(warning).collect()
}

/// The columns of a schema by name.
pub fn column_names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// The storable form of a result's columns.
pub fn storable(schema: &SchemaRef) -> Result<SchemaRef, String> {
    storage_schema(schema).map_err(|error| error.to_string())
}

/// The storable form of one type.
pub fn storable_type(data_type: &DataType) -> Option<DataType> {
    let schema = Schema::new(vec![Field::new("x", data_type.clone(), true)]);
    storage_schema(&schema).ok().map(|schema| schema.field(0).data_type().clone())
}

/// A stored schema with the columns of another one that it lacks.
pub fn widened(stored: &SchemaRef, other: &Schema) -> SchemaRef {
    let is_new = |field: &&Arc<Field>| !stored.fields().iter().any(|old| old.name().eq_ignore_ascii_case(field.name()));
    let fields: Vec<Arc<Field>> =
        stored.fields().iter().cloned().chain(other.fields().iter().filter(is_new).cloned()).collect();
    Arc::new(Schema::new(fields))
}
