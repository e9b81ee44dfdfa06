//! Tables: replaced, loaded from a seed, or changed by an incremental run.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::base::diagnostic::Diagnostic;
use crate::base::limits;
use crate::compile::node::CompiledNode;
use crate::engine::view::Fresh;
use crate::execute::constraints;
use crate::execute::failure::Failure;
use crate::execute::result::{NodeResult, RowCounts};
use crate::execute::run::Run;
use crate::execute::writer::Writer;
use crate::manifest::node::Node;
use crate::manifest::relation::Relation;
use crate::plan::algebra::{BATCH, Combination, TARGET, duplicates, scratch};
use crate::plan::contract;
use crate::plan::incremental::{Incremental, Strategy, schema_change, update_columns};
use crate::plan::steps::{column_names, load_seed};
use crate::store::{DataFile, PublishedRelation, TableVersion};

/// The relation of a node that has one.
pub fn relation(node: &Node) -> Result<Relation, Failure> {
    let missing = || Failure::new(Diagnostic::error("no-relation", format!("`{}` has no relation", node.name)));
    node.relation.clone().ok_or_else(missing)
}

/// The content of a table now: what statements of this run have made of it, or what is published.
pub async fn current(run: &Run, node: &Node, relation: &Relation) -> Result<Option<Arc<TableVersion>>, Failure> {
    let surroundings = run.view.surroundings();
    match run.view.fresh(&relation.key()) {
        Some(Fresh::Staged(version)) => return Ok(Some(version)),
        Some(Fresh::Gone | Fresh::View { .. }) => return Ok(None),
        _ => {}
    }
    match surroundings.catalog.get(&relation.key()) {
        Some(PublishedRelation::Table(table)) => {
            let version = surroundings.warehouse.table_at(table).await;
            version.map(Some).map_err(|error| Failure::of_store(node, &error))
        }
        _ => Ok(None),
    }
}

fn rows(files: &[Arc<DataFile>]) -> u64 {
    files.iter().map(|file| file.rows).sum()
}

fn bytes(files: &[Arc<DataFile>]) -> u64 {
    files.iter().map(|file| file.size).sum()
}

/// The columns that a node's query gives, held to its contract: what can be known only now is checked now.
pub async fn contracted(writer: &Writer<'_>, node: &Node, compiled: &CompiledNode) -> Result<SchemaRef, Failure> {
    let schema = writer.result_schema(compiled, &compiled.sql).await?;
    match contract::contract_problem(node, &schema) {
        Some(problem) => Err(Failure::new(problem)),
        None => Ok(contract::ordered(node, &schema)),
    }
}

/// A table's new content with the columns that its contract promises, once its rows keep the promise.
pub async fn kept(run: &Run, writer: &Writer<'_>, node: &Node, version: TableVersion) -> Result<TableVersion, Failure> {
    constraints::enforce(run, writer, node, &version).await?;
    Ok(TableVersion { schema: contract::stored(node, &version.schema), ..version })
}

/// Makes the result the whole content.
pub async fn replace(
    run: &Arc<Run>,
    node: &Arc<Node>,
    compiled: &CompiledNode,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    let writer = Writer::new(run, node, relation(node)?);
    let schema = contracted(&writer, node, compiled).await?;
    let mut files = writer.write_own(compiled, &compiled.sql, &schema).await?;
    if let Some(delete_when) = &node.config.delete_when {
        // A first build has nothing to remove: the rows are simply not there.
        let all = writer.version(Arc::clone(&schema), std::mem::take(&mut files));
        writer.put_version(BATCH, &all, None)?;
        let sql = format!("select * from {} where not coalesce(({delete_when}), false)", scratch(BATCH));
        files = writer.write_made(&sql, &schema).await?;
        writer.discard(&all.files).await;
    }
    let total = rows(&files);
    result.rows = Some(RowCounts { inserted: total, updated: 0, deleted: 0, total });
    result.bytes_written = bytes(&files);
    let version = kept(run, &writer, node, writer.version(schema, files)).await?;
    stage(run, node, version)
}

/// Makes a seed's file the whole content; with `--empty` it gives the columns alone.
pub async fn load(run: &Arc<Run>, node: &Arc<Node>, result: &mut NodeResult) -> Result<(), Failure> {
    let writer = Writer::new(run, node, relation(node)?);
    let (source, mut batches) = load_seed(&run.invocation, node)?;
    if run.invocation.empty {
        batches.clear();
    }
    let schema = crate::engine::types::storage_schema(&source)
        .map_err(|error| Failure::new(Diagnostic::error("unstorable-type", error.to_string())))?;
    let files = writer.write_rows(&source, batches, &schema).await?;
    let total = rows(&files);
    result.rows = Some(RowCounts { inserted: total, updated: 0, deleted: 0, total });
    result.bytes_written = bytes(&files);
    if run.invocation.is_full_refresh(node) {
        // dbt's word for a seed that is loaded anew.
        result.message = Some(format!("CREATE {total}"));
    }
    stage(run, node, writer.version(schema, files))
}

/// Lets the rest of the run see a table's new content.
pub fn stage(run: &Run, node: &Node, version: TableVersion) -> Result<(), Failure> {
    run.view.put(relation(node)?.key(), Fresh::Staged(Arc::new(version)));
    Ok(())
}

/// Adds the result to the table, or combines it.
pub async fn incremental(
    run: &Arc<Run>,
    node: &Arc<Node>,
    compiled: &CompiledNode,
    plan: &Incremental,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    let relation = relation(node)?;
    let Some(table) = current(run, node, &relation).await? else {
        return replace(run, node, compiled, result).await;
    };
    let writer = Writer::new(run, node, relation);
    let columns = contracted(&writer, node, compiled).await?;
    let change = schema_change(node, plan.on_schema_change, &columns, &table.schema)
        .map_err(|diagnostic| Failure::new(diagnostic.at_maybe(node.location.clone(), "")))?;
    let schema = contract::nullable(&change.schema);
    let batch = writer.write_own(compiled, &compiled.sql, &schema).await?;
    let before = TableVersion {
        schema: Arc::clone(&schema),
        partition_by: writer.version(Arc::clone(&schema), Vec::new()).partition_by,
        files: table.files.clone(),
        ..table.as_ref().clone()
    };
    let repartitioned = before.partition_by != table.partition_by;
    let before = if change.rewrite || repartitioned {
        writer.put_version(TARGET, &TableVersion { schema: Arc::clone(&table.schema), ..before.clone() }, None)?;
        let files = writer.write_made(&format!("select * from {}", scratch(TARGET)), &schema).await?;
        TableVersion { files, ..before }
    } else {
        before
    };
    let outcome = match &plan.strategy {
        Strategy::Append => Changed { inserted: rows(&batch), ..Changed::of([before.files.clone(), batch].concat()) },
        Strategy::OverwritePartitions => overwrite_partitions(&before, batch),
        Strategy::Combine(_, combination) => {
            let mut combination = combination.clone();
            combination.update_columns =
                if combination.unique { update_columns(&node.config, &column_names(&schema), &columns) } else { None };
            combine(&writer, node, &combination, &before, batch).await?
        }
    };
    let fresh: Vec<Arc<DataFile>> =
        outcome.files.iter().filter(|file| !table.files.iter().any(|old| old.path == file.path)).cloned().collect();
    result.rows = Some(RowCounts {
        inserted: outcome.inserted,
        updated: outcome.updated,
        deleted: outcome.deleted,
        total: rows(&outcome.files),
    });
    result.bytes_written = bytes(&fresh);
    let version = kept(run, &writer, node, writer.version(schema, outcome.files)).await?;
    stage(run, node, version)
}

/// The new files of a table, and how many rows changed.
#[derive(Debug, Default)]
struct Changed {
    files: Vec<Arc<DataFile>>,
    inserted: u64,
    updated: u64,
    deleted: u64,
}

impl Changed {
    fn of(files: Vec<Arc<DataFile>>) -> Self {
        Self { files, ..Self::default() }
    }
}

/// Files hold one partition each, so replacing partitions is a matter of lists.
fn overwrite_partitions(table: &TableVersion, batch: Vec<Arc<DataFile>>) -> Changed {
    let is_replaced = |file: &&Arc<DataFile>| {
        table.partition_by.is_empty() || batch.iter().any(|new| new.partition_values == file.partition_values)
    };
    let (gone, kept): (Vec<&Arc<DataFile>>, Vec<&Arc<DataFile>>) = table.files.iter().partition(is_replaced);
    let deleted = gone.iter().map(|file| file.rows).sum();
    let inserted = rows(&batch);
    Changed { files: kept.into_iter().cloned().chain(batch).collect(), inserted, updated: 0, deleted }
}

/// Combines a batch with the rows of the table that share its keys; files without such rows are kept as they are.
async fn combine(
    writer: &Writer<'_>,
    node: &Node,
    combination: &Combination,
    table: &TableVersion,
    batch: Vec<Arc<DataFile>>,
) -> Result<Changed, Failure> {
    let columns = column_names(&table.schema);
    let batch_version = TableVersion { files: batch.clone(), version: None, ..table.clone() };
    writer.put_version(BATCH, &batch_version, None)?;
    if combination.unique {
        refuse_duplicates(writer, node, BATCH, &combination.keys, &columns).await?;
    }
    let all: Vec<usize> = (0..table.files.len()).collect();
    writer.put_version(TARGET, table, Some(&all))?;
    let touched = if all.is_empty() || batch.is_empty() {
        Vec::new()
    } else {
        writer.file_indices(&combination.touched_files(&columns)).await?
    };
    let kept = || {
        table.files.iter().enumerate().filter(|(index, _)| touched.binary_search(index).is_err()).map(|(_, file)| file)
    };
    let touched_rows: u64 = touched.iter().filter_map(|index| table.files.get(*index)).map(|file| file.rows).sum();
    let mut files: Vec<Arc<DataFile>> = kept().cloned().collect();
    let survivors_sql = combination.survivors(&columns);
    writer.put_version(TARGET, table, Some(&touched))?;
    if let Some(update) = &combination.update_columns {
        for column in update {
            if !columns.iter().any(|known| known.eq_ignore_ascii_case(column)) {
                let diagnostic = Diagnostic::error(
                    "unknown-column",
                    format!("`merge_update_columns` names `{column}`, which `{}` does not have", node.name),
                );
                return Err(Failure::new(diagnostic.at_maybe(node.location.clone(), "")));
            }
        }
        let survivors = count(writer, &survivors_sql).await?;
        let combined = writer.write_made(&combination.combined(&columns, update), &table.schema).await?;
        let matched = touched_rows - survivors.min(touched_rows);
        let deleted = deleted_rows(writer, combination, &columns, &touched).await?.min(matched);
        let inserted = (rows(&combined) + deleted).saturating_sub(touched_rows);
        writer.discard(&batch).await;
        files.extend(combined);
        return Ok(Changed { files, inserted, updated: matched - deleted, deleted });
    }
    let survivors =
        if touched.is_empty() { Vec::new() } else { writer.write_made(&survivors_sql, &table.schema).await? };
    let matched = touched_rows - rows(&survivors).min(touched_rows);
    files.extend(survivors);
    let gone = deleted_rows(writer, combination, &columns, &touched).await?.min(matched);
    let inserts = if combination.inserts_whole_batch() {
        batch
    } else {
        let inserts = writer.write_made(&combination.inserts(&columns), &table.schema).await?;
        writer.discard(&batch).await;
        inserts
    };
    let arrived = rows(&inserts);
    files.extend(inserts);
    // What was matched and came again is an update; what was matched and did not come again is gone.
    let updated = (matched - gone).min(arrived);
    Ok(Changed { files, inserted: arrived - updated, updated, deleted: matched - updated })
}

/// How many rows of the touched files go because the batch says so, for the report.
async fn deleted_rows(
    writer: &Writer<'_>,
    combination: &Combination,
    columns: &[String],
    touched: &[usize],
) -> Result<u64, Failure> {
    match combination.deletions(columns) {
        Some(sql) if !touched.is_empty() => count(writer, &sql).await,
        _ => Ok(0),
    }
}

async fn count(writer: &Writer<'_>, sql: &str) -> Result<u64, Failure> {
    let batches = writer.query(&format!("select count(*) as n from ({sql}) as counted")).await?;
    Ok(first_count(&batches, 0))
}

/// An integer of the only row of an answer.
pub fn first_count(batches: &[RecordBatch], column: usize) -> u64 {
    use arrow::array::AsArray as _;
    batches
        .iter()
        .find(|batch| batch.num_rows() > 0)
        .and_then(|batch| {
            batch.columns().get(column)?.as_primitive_opt::<arrow::datatypes::Int64Type>().map(|array| array.value(0))
        })
        .and_then(|number| u64::try_from(number).ok())
        .unwrap_or(0)
}

/// Refuses rows that share a key, naming the keys.
pub async fn refuse_duplicates(
    writer: &Writer<'_>,
    node: &Node,
    scratch_name: &str,
    keys: &[String],
    columns: &[String],
) -> Result<(), Failure> {
    let found = writer.query(&duplicates(scratch_name, keys, columns, limits::SHOWN_FAILURES)).await?;
    let notes: Vec<String> = found.iter().flat_map(|batch| described(batch, keys)).collect();
    if notes.is_empty() {
        return Ok(());
    }
    let mut diagnostic = Diagnostic::error(
        "duplicate-key",
        format!("the query of `{}` gives several rows with the same `unique_key`", node.display_name()),
    )
    .at_maybe(node.location.clone(), "")
    .with_hint("make the key unique in the query, for example with `qualify row_number() over (partition by ...) = 1`");
    diagnostic.notes = notes;
    Err(Failure::new(diagnostic))
}

/// Rows of keys and a last column, as text: `order_id = 7, product_id = 3: 2 rows`.
pub fn described(batch: &RecordBatch, keys: &[String]) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let formatters: Vec<_> =
        batch.columns().iter().filter_map(|column| ArrayFormatter::try_new(column.as_ref(), &options).ok()).collect();
    (0..batch.num_rows())
        .map(|row| {
            let names = keys.iter().zip(&formatters).map(|(key, value)| format!("{key} = {}", value.value(row)));
            let names = names.collect::<Vec<_>>().join(", ");
            match formatters.get(keys.len()) {
                Some(last) => format!("{names}: {} {}", last.value(row), batch.schema().field(keys.len()).name()),
                None => names,
            }
        })
        .collect()
}
