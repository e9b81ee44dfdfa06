//! Microbatch models: one batch after the other, each in place of the rows of its window.
//!
//! A batch writes the files of its own rows and nothing else. What the table holds in between, which a model may read
//! as `this`, is a query over the old files and those of the batches so far. Old files are rewritten once, at the end,
//! and only those that hold a row of a window: a long history costs no more per batch than a short one.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::datasource::ViewTable;

use crate::base::limits;
use crate::compile::node::compile_batch;
use crate::engine::session::Variant;
use crate::engine::view::Fresh;
use crate::execute::failure::Failure;
use crate::execute::result::{BatchEvent, Batches, NodeResult, RowCounts, RunEvent, Status};
use crate::execute::run::Run;
use crate::execute::table::{contracted, current, kept, relation, stage};
use crate::execute::writer::Writer;
use crate::manifest::microbatch::{Batch, Outcomes, Window};
use crate::manifest::node::Node;
use crate::plan::algebra::{BATCH, TARGET, scratch};
use crate::plan::contract;
use crate::plan::incremental::schema_change;
use crate::plan::microbatch::MicrobatchPlan;
use crate::plan::steps::column_names;
use crate::store::{DataFile, TableVersion};

/// Makes the batches. A batch that fails leaves its window as it was; if it is the first one, none is tried after it.
pub async fn microbatch(
    run: &Arc<Run>,
    node: &Arc<Node>,
    plan: &MicrobatchPlan,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    let goes_on = plan.batches.first().is_some_and(|batch| batch.incremental);
    // A table that is made anew is not looked at: it may be damaged.
    let before = if goes_on { current(run, node, &relation(node)?).await? } else { None };
    let mut table = Table::new(run, node, plan, before)?;
    let mut batches = Batches::default();
    let mut first_failure = None;
    for (index, batch) in plan.batches.iter().enumerate() {
        let event = BatchEvent { node, batch, index: index + 1, total: plan.batches.len() };
        let gives_up = index > 0 && batches.outcomes.successful.is_empty();
        if gives_up {
            batches.outcomes.failed.push(batch.window);
            run.sink.event(&RunEvent::BatchFinished { batch: event, status: Status::Skipped, rows: 0, seconds: 0.0 });
            continue;
        }
        run.sink.event(&RunEvent::BatchStarted { batch: event });
        let started = run.invocation.clock.elapsed();
        let outcome = table.make(*batch, &mut batches).await;
        let seconds = run.invocation.clock.elapsed().saturating_sub(started).as_secs_f64();
        let (status, rows) = match outcome {
            Ok(rows) => {
                batches.outcomes.successful.push(batch.window);
                (Status::Success, rows)
            }
            Err(mut failure) => {
                batches.outcomes.failed.push(batch.window);
                if batches.outcomes.failed.len() <= limits::SHOWN_FAILURES {
                    failure.diagnostics.iter_mut().for_each(|found| found.notes.push(format!("in batch {batch}")));
                    result.diagnostics.extend(failure.diagnostics.iter().cloned());
                }
                first_failure.get_or_insert(failure.message());
                (Status::Error, 0)
            }
        };
        run.sink.event(&RunEvent::BatchFinished { batch: event, status, rows, seconds });
    }
    let Outcomes { successful, failed } = &mut batches.outcomes;
    let (made, all) = (successful.len(), successful.len() + failed.len());
    if made > 0 {
        table.finish(result).await?;
    }
    if made == 0 {
        result.status = Status::Error;
        result.message = first_failure;
    } else if made < all {
        result.status = Status::PartialSuccess;
        result.message = Some(format!("PARTIAL SUCCESS ({made}/{all})"));
    }
    batches.made.clone_from(successful);
    successful.extend(&plan.earlier);
    result.batches = Some(batches);
    Ok(())
}

/// Whether a model's template may look at its own table: it names `this`, asks for data, or calls macros that may.
fn reads_itself(node: &Node) -> bool {
    let names_this = node.code.as_ref().is_some_and(|code| code.text.contains("this"));
    let foreign = |id: &String| !id.starts_with("macro.dbt.");
    names_this || node.introspective || node.macros.iter().any(foreign)
}

/// A table while its batches are made.
struct Table<'a> {
    run: &'a Arc<Run>,
    node: &'a Arc<Node>,
    plan: &'a MicrobatchPlan,
    writer: Writer<'a>,
    /// Its content before the batches; `None` if it is made anew.
    before: Option<TableVersion>,
    /// Its columns, once they are known.
    schema: Option<SchemaRef>,
    /// Windows that were replaced.
    made: Vec<Window>,
    /// The files of these windows.
    files: Vec<Arc<DataFile>>,
    /// Files of the table as it was published.
    published: Vec<Arc<DataFile>>,
    /// Whether a batch may read what the batches before it have made.
    reads_itself: bool,
    inserted: u64,
    deleted: u64,
}

impl<'a> Table<'a> {
    fn new(
        run: &'a Arc<Run>,
        node: &'a Arc<Node>,
        plan: &'a MicrobatchPlan,
        before: Option<Arc<TableVersion>>,
    ) -> Result<Self, Failure> {
        let writer = Writer::new(run, node, relation(node)?);
        let before = before.map(|table| table.as_ref().clone());
        let schema = before.as_ref().map(|table| Arc::clone(&table.schema));
        let published = before.as_ref().map(|table| table.files.clone()).unwrap_or_default();
        Ok(Self {
            run,
            node,
            plan,
            writer,
            before,
            schema,
            made: Vec::new(),
            files: Vec::new(),
            published,
            reads_itself: reads_itself(node),
            inserted: 0,
            deleted: 0,
        })
    }

    /// Makes one batch; gives the number of its rows.
    async fn make(&mut self, batch: Batch, batches: &mut Batches) -> Result<u64, Failure> {
        let compiled = compile_batch(&self.run.invocation, &self.run.introspect(self.node), self.node, batch)?;
        batches.sql.push((batch, compiled.sql.clone()));
        self.run.tell(self.node, &compiled.sql)?;
        let columns = contracted(&self.writer, self.node, &compiled).await?;
        self.take_columns(&columns).await?;
        let schema = self.schema.clone().unwrap_or(columns);
        // The time is looked for in what the query gives: a column that is new to the table is no less the time.
        let condition = self.plan.within(batch.window, &column_names(&schema));
        let files = self.writer.write_rows_where(&compiled, &condition, &schema).await?;
        let rows = files.iter().map(|file| file.rows).sum();
        self.inserted += rows;
        self.files.extend(files);
        self.made.push(batch.window);
        if self.reads_itself {
            self.show().await?;
        }
        Ok(rows)
    }

    /// Fits the table's columns to those of a batch, as `on_schema_change` says.
    async fn take_columns(&mut self, columns: &SchemaRef) -> Result<(), Failure> {
        let Some(current) = &self.schema else {
            self.schema = Some(contract::nullable(columns));
            return Ok(());
        };
        let change = schema_change(self.node, self.plan.on_schema_change, columns, current)
            .map_err(|diagnostic| Failure::new(diagnostic.at_maybe(self.node.location.clone(), "")))?;
        let schema = contract::nullable(&change.schema);
        let partition_by = self.writer.version(Arc::clone(&schema), Vec::new()).partition_by;
        let repartitioned = self.before.as_ref().is_some_and(|table| table.partition_by != partition_by);
        if change.rewrite || repartitioned {
            // What is there gets the new columns at once; the batches go on from there.
            let content = self.content(&schema).await?;
            self.before = Some(content);
            self.made.clear();
            self.files.clear();
        }
        self.schema = Some(schema);
        Ok(())
    }

    /// All rows so far in new files with other columns.
    async fn content(&mut self, schema: &SchemaRef) -> Result<TableVersion, Failure> {
        let current = self.schema.clone().unwrap_or_else(|| Arc::clone(schema));
        self.put(&current)?;
        let columns = column_names(&current);
        let files = self.writer.write_made(&self.plan.replaced(&self.made, &columns), schema).await?;
        self.writer.discard(&self.files).await;
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let old: u64 = self.before.iter().flat_map(|table| &table.files).map(|file| file.rows).sum();
        let new: u64 = self.files.iter().map(|file| file.rows).sum();
        self.deleted += (old + new).saturating_sub(rows);
        Ok(self.writer.version(Arc::clone(schema), files))
    }

    /// The old files and those of the batches as scratch relations.
    fn put(&self, schema: &SchemaRef) -> Result<(), Failure> {
        let old = self.before.iter().flat_map(|table| &table.files).cloned().collect();
        self.writer.put_version(TARGET, &self.writer.version(Arc::clone(schema), old), None)?;
        self.writer.put_version(BATCH, &self.writer.version(Arc::clone(schema), self.files.clone()), None)
    }

    /// Lets the next batch see the table with the batches so far.
    async fn show(&self) -> Result<(), Failure> {
        let Some(schema) = &self.schema else { return Ok(()) };
        self.put(schema)?;
        let sql = if self.before.is_some() {
            self.plan.replaced(&self.made, &column_names(schema))
        } else {
            format!("select * from {}", scratch(BATCH))
        };
        let plan = self.writer.session(Variant::Normal).plan(&sql).await;
        let plan = plan.map_err(|problem| Failure::of_config(self.node, &problem))?;
        let key = relation(self.node)?.key();
        self.run.view.put(key, Fresh::Assembled(Arc::new(ViewTable::new(plan, None))));
        Ok(())
    }

    /// Takes the replaced windows out of the old files, and stages the whole.
    async fn finish(&mut self, result: &mut NodeResult) -> Result<(), Failure> {
        let Some(schema) = self.schema.clone() else { return Ok(()) };
        let columns = column_names(&schema);
        let mut files = Vec::new();
        if let Some(before) = self.before.take() {
            let old = self.writer.version(Arc::clone(&schema), before.files);
            let all: Vec<usize> = (0..old.files.len()).collect();
            let touched = if all.is_empty() {
                Vec::new()
            } else {
                self.writer.put_version(TARGET, &old, Some(&all))?;
                self.writer.file_indices(&self.plan.touched_files(&self.made, &columns)).await?
            };
            self.writer.put_version(TARGET, &old, Some(&touched))?;
            let survivors = if touched.is_empty() {
                Vec::new()
            } else {
                self.writer.write_made(&self.plan.survivors(&self.made, &columns), &schema).await?
            };
            let is_touched = |index: usize| touched.binary_search(&index).is_ok();
            let (gone, left): (Vec<_>, Vec<_>) =
                old.files.iter().enumerate().partition(|(index, _)| is_touched(*index));
            let rows = |files: &[Arc<DataFile>]| files.iter().map(|file| file.rows).sum::<u64>();
            let gone: u64 = gone.iter().map(|(_, file)| file.rows).sum();
            self.deleted += gone.saturating_sub(rows(&survivors));
            files.extend(left.into_iter().map(|(_, file)| Arc::clone(file)));
            files.extend(survivors);
        }
        files.append(&mut self.files);
        let is_new = |file: &&Arc<DataFile>| !self.published.iter().any(|old| old.path == file.path);
        result.bytes_written = files.iter().filter(is_new).map(|file| file.size).sum();
        let total = files.iter().map(|file| file.rows).sum();
        result.rows = Some(RowCounts { inserted: self.inserted, updated: 0, deleted: self.deleted, total });
        let version = kept(self.run, &self.writer, self.node, self.writer.version(schema, files)).await?;
        stage(self.run, self.node, version)
    }
}
