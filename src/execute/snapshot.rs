//! Snapshots: the history of a source's changes.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::base::diagnostic::Diagnostic;
use crate::base::limits;
use crate::compile::node::CompiledNode;
use crate::execute::failure::Failure;
use crate::execute::result::{NodeResult, RowCounts};
use crate::execute::run::Run;
use crate::execute::table::{current, described, first_count, refuse_duplicates, relation, stage};
use crate::execute::writer::Writer;
use crate::manifest::node::Node;
use crate::plan::algebra::{BATCH, CLOSINGS, FILE_INDEX, TARGET, scratch};
use crate::plan::snapshot::SnapshotPlan;
use crate::plan::steps::{column_names, widened};
use crate::store::{DataFile, TableVersion};

/// Compares the source with the history and adds what has changed.
pub async fn snapshot(
    run: &Arc<Run>,
    node: &Arc<Node>,
    compiled: &CompiledNode,
    plan: &SnapshotPlan,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    let relation = relation(node)?;
    let history = current(run, node, &relation).await?;
    let writer = Writer::new(run, node, relation);
    let source_schema = writer.result_schema(compiled, &compiled.sql).await?;
    // The source is read once: everything below sees the same rows.
    let source = writer.write_own(compiled, &compiled.sql, &source_schema).await?;
    let outcome = compare(&writer, node, plan, &source_schema, &source, history.as_deref(), result).await;
    writer.discard(&source).await;
    let version = outcome?;
    stage(run, node, version)
}

async fn compare(
    writer: &Writer<'_>,
    node: &Arc<Node>,
    plan: &SnapshotPlan,
    source_schema: &SchemaRef,
    source: &[Arc<DataFile>],
    history: Option<&TableVersion>,
    result: &mut NodeResult,
) -> Result<TableVersion, Failure> {
    let columns = column_names(source_schema);
    check_columns(node, plan, &columns)?;
    let source_version =
        TableVersion { partition_by: Vec::new(), ..writer.version(Arc::clone(source_schema), source.to_vec()) };
    writer.put_version(BATCH, &source_version, None)?;
    refuse_duplicates(writer, node, BATCH, &plan.keys, &columns).await?;
    refuse_incomplete(writer, node, plan, &columns).await?;

    let first = plan.first(&columns);
    let opened_schema = writer.made_schema(&first).await?;
    let Some(history) = history else {
        let files = writer.write_made(&first, &opened_schema).await?;
        let total = files.iter().map(|file| file.rows).sum();
        result.rows = Some(RowCounts { inserted: total, updated: 0, deleted: 0, total });
        result.bytes_written = files.iter().map(|file| file.size).sum();
        return Ok(writer.version(opened_schema, files));
    };
    if let Some(missing) = plan.added_columns().iter().find(|name| history.schema.field_with_name(name).is_err()) {
        let diagnostic =
            Diagnostic::error("not-a-snapshot", format!("the table of `{}` has no column `{missing}`", node.name))
                .at_maybe(node.location.clone(), "")
                .known_as("Snapshot target is missing configured columns")
                .with_hint(
                    "the table was made by another configuration; rename the snapshot, or move the old table away",
                );
        return Err(Failure::new(diagnostic));
    }
    let schema = widened(&history.schema, &opened_schema);
    let stored = column_names(&history.schema);
    let all: Vec<usize> = (0..history.files.len()).collect();
    writer.put_version(TARGET, history, Some(&all))?;

    let closings_sql = plan.closings(&columns, &stored);
    let closings_schema = writer.made_schema(&closings_sql).await?;
    let closings = TableVersion {
        partition_by: Vec::new(),
        ..writer
            .version(Arc::clone(&closings_schema), writer.write_unpartitioned(&closings_sql, &closings_schema).await?)
    };
    writer.put_version(CLOSINGS, &closings, None)?;
    let outcome = apply(writer, node, plan, &columns, &schema, history, result).await;
    writer.discard(&closings.files).await;
    outcome
}

async fn apply(
    writer: &Writer<'_>,
    node: &Node,
    plan: &SnapshotPlan,
    columns: &[String],
    schema: &SchemaRef,
    history: &TableVersion,
    result: &mut NodeResult,
) -> Result<TableVersion, Failure> {
    let stored = column_names(&history.schema);
    let closed = guard(writer, node, plan).await?;
    let openings = writer.write_made(&plan.openings(columns, &stored), schema).await?;
    let touched_sql = format!("select distinct \"{FILE_INDEX}\" from {}", scratch(CLOSINGS));
    let touched = writer.file_indices(&touched_sql).await?;
    let mut files: Vec<Arc<DataFile>> = history
        .files
        .iter()
        .enumerate()
        .filter(|(index, _)| touched.binary_search(index).is_err())
        .map(|(_, file)| Arc::clone(file))
        .collect();
    let mut written = openings.clone();
    if !touched.is_empty() {
        writer.put_version(TARGET, history, Some(&touched))?;
        written.extend(writer.write_made(&plan.rewritten(&stored), schema).await?);
    }
    files.extend(written.iter().cloned());
    result.rows = Some(RowCounts {
        inserted: openings.iter().map(|file| file.rows).sum(),
        updated: closed,
        deleted: 0,
        total: files.iter().map(|file| file.rows).sum(),
    });
    result.bytes_written = written.iter().map(|file| file.size).sum();
    Ok(writer.version(Arc::clone(schema), files))
}

/// Refuses to close too much because keys are gone: most often the source is broken, not the world. Gives the number
/// of versions that close.
async fn guard(writer: &Writer<'_>, node: &Node, plan: &SnapshotPlan) -> Result<u64, Failure> {
    let counts: Vec<RecordBatch> = writer.query(&plan.guard_counts()).await?;
    let (open, gone, source) = (first_count(&counts, 0), first_count(&counts, 1), first_count(&counts, 2));
    let limit = plan.max_delete_fraction.unwrap_or(if source == 0 { 0.0 } else { 1.0 });
    #[expect(clippy::cast_precision_loss, reason = "a share does not need all digits")]
    let share = if open == 0 { 0.0 } else { gone as f64 / open as f64 };
    if gone > 0 && share > limit {
        let message = format!(
            "the snapshot `{}` would close {gone} of {open} current rows because their keys are gone; the source has \
             {source} rows",
            node.name
        );
        let diagnostic = Diagnostic::error("mass-deletion", message).at_maybe(node.location.clone(), "").with_hint(
            "if this is intended, set the config `max_delete_fraction: 1.0` (a share of the current rows) for this run",
        );
        return Err(Failure::new(diagnostic));
    }
    let closed = writer.query(&format!("select count(*) from {}", scratch(CLOSINGS))).await?;
    Ok(first_count(&closed, 0))
}

fn check_columns(node: &Node, plan: &SnapshotPlan, columns: &[String]) -> Result<(), Failure> {
    let unknown = plan.unknown_columns(columns);
    if unknown.is_empty() {
        return Ok(());
    }
    let diagnostics = unknown.into_iter().map(|name| {
        Diagnostic::error(
            "unknown-column",
            format!("`check_cols` of `{}` names `{name}`, which the source does not have", node.name),
        )
        .at_maybe(node.location.clone(), "")
    });
    Err(Failure { diagnostics: diagnostics.collect(), exhausted: false })
}

async fn refuse_incomplete(
    writer: &Writer<'_>,
    node: &Node,
    plan: &SnapshotPlan,
    columns: &[String],
) -> Result<(), Failure> {
    let found = writer.query(&plan.incomplete(columns, limits::SHOWN_FAILURES)).await?;
    if found.iter().all(|batch| batch.num_rows() == 0) {
        return Ok(());
    }
    let keys: Vec<usize> = (0..plan.keys.len()).collect();
    let keyed = found.iter().filter_map(|batch| batch.project(&keys).ok());
    let notes: Vec<String> = keyed.flat_map(|batch| described(&batch, &plan.keys)).collect();
    let message =
        format!("the source of the snapshot `{}` has rows without a key or without a time of change", node.name);
    let mut diagnostic = Diagnostic::error("null-key", message)
        .at_maybe(node.location.clone(), "")
        .with_hint("a version needs a key and a time; leave such rows out in the snapshot's query");
    diagnostic.notes = notes;
    Err(Failure::new(diagnostic))
}
