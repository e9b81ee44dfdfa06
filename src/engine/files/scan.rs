//! The table over files: a DataFusion table provider and the plan node that reads.
//!
//! Files are spread over partitions in order of their paths, a large Parquet file by its row groups. Reading, parsing
//! and converting happen on one blocking thread per partition, which stops when nobody listens any more. Only wanted
//! columns are converted. Filters leave out files by `_karat_file` and Parquet row groups by their statistics; the
//! engine still applies them to the rows.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray, UInt64Array, new_null_array,
};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use tokio::runtime::Handle;

use super::csv::{Chunk, TextOptions};
use super::error::ExternalError;
use super::input::{Input, guarded};
use super::text::Wanted;
use super::{columnar, csv, json};
use crate::manifest::source::Policy;

/// Name of the column with the path of the file that a row comes from.
pub const FILE_COLUMN: &str = "_karat_file";
/// Name of the column with the line on which a row begins, from 1.
pub const LINE_COLUMN: &str = "_karat_line";

/// What is known of a file's inside.
#[derive(Debug)]
pub(super) enum Content {
    /// Names of the columns.
    Csv(Vec<String>),
    /// Keys of the first rows.
    Json(Vec<String>),
    /// The footer.
    Parquet(ArrowReaderMetadata),
    /// The schema.
    Arrow(SchemaRef),
}

/// One file of the table.
#[derive(Debug)]
pub(super) struct TableFile {
    pub(super) input: Input,
    pub(super) content: Content,
    /// For each column of the table: the column of the file.
    pub(super) map: Vec<Option<usize>>,
}

/// Everything that reading needs, shared by all partitions.
#[derive(Debug)]
pub(super) struct Files {
    /// The columns, then `_karat_file` and `_karat_line` where offered.
    pub(super) schema: SchemaRef,
    /// Number of columns that come from the files' content.
    pub(super) columns: usize,
    /// Whether the type of each of these columns was guessed.
    pub(super) inferred: Vec<bool>,
    pub(super) all: Vec<Arc<TableFile>>,
    pub(super) options: TextOptions,
    pub(super) on_new: Policy,
    pub(super) declared: bool,
}

/// A table over files.
#[derive(Debug)]
pub(super) struct FilesTable(pub(super) Arc<Files>);

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let predicate = self.predicate(state, filters)?;
        let mut parts = Vec::new();
        for file in &self.0.all {
            let kept = predicate.as_ref().and_then(|predicate| {
                // A predicate that cannot be decided on statistics leaves everything in.
                predicate.prune(&FileStatistics { files: &self.0, file }).ok()
            });
            parts.extend(file.parts(kept.as_deref()));
        }
        let partitions = spread(parts, state.config().target_partitions());
        let all: Vec<usize> = (0..self.0.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or(all);
        Ok(Arc::new(FilesExec::new(Arc::clone(&self.0), projection, partitions, limit)?))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        let any_column = self.0.all.iter().any(|file| matches!(file.content, Content::Parquet(_)));
        Ok(filters
            .iter()
            .map(|filter| {
                let about_files = filter.column_refs().iter().all(|column| column.name() == FILE_COLUMN);
                if (any_column || about_files) && !filter.is_volatile() {
                    TableProviderFilterPushDown::Inexact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }
}

impl FilesTable {
    fn predicate(&self, state: &dyn Session, filters: &[Expr]) -> EngineResult<Option<PruningPredicate>> {
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(None) };
        let schema = DFSchema::try_from(Arc::clone(&self.0.schema))?;
        let expression = state.create_physical_expr(filter, &schema)?;
        Ok(PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.0.schema)).try_build(expression).ok())
    }
}

/// A part of a file that one partition reads.
#[derive(Debug, Clone)]
struct Part {
    file: Arc<TableFile>,
    /// Parquet only.
    row_groups: Vec<usize>,
    bytes: u64,
}

impl TableFile {
    /// The parts of the file that are not pruned.
    fn parts(self: &Arc<Self>, kept: Option<&[bool]>) -> Vec<Part> {
        let is_kept = |index: usize| kept.is_none_or(|kept| kept.get(index).copied().unwrap_or(true));
        match &self.content {
            Content::Parquet(footer) => footer
                .metadata()
                .row_groups()
                .iter()
                .enumerate()
                .filter(|(index, _)| is_kept(*index))
                .map(|(index, group)| Part {
                    file: Arc::clone(self),
                    row_groups: vec![index],
                    bytes: u64::try_from(group.compressed_size()).unwrap_or(0),
                })
                .collect(),
            _ if is_kept(0) => {
                vec![Part { file: Arc::clone(self), row_groups: Vec::new(), bytes: self.input.meta.size }]
            }
            _ => Vec::new(),
        }
    }
}

/// Distributes parts over at most `most` partitions of about the same size, in order; parts of one file that meet in
/// a partition become one.
fn spread(parts: Vec<Part>, most: usize) -> Vec<Vec<Part>> {
    let total: u64 = parts.iter().map(|part| part.bytes.max(1)).sum();
    let most = u64::try_from(most.max(1)).unwrap_or(1);
    let mut partitions: Vec<Vec<Part>> = Vec::new();
    let mut before: u64 = 0;
    let mut current = None;
    for part in parts {
        let size = part.bytes.max(1);
        // The partition in which the middle of this part falls.
        let slot = (before + size / 2).saturating_mul(most) / total.max(1);
        before += size;
        if current != Some(slot) || partitions.is_empty() {
            partitions.push(Vec::new());
            current = Some(slot);
        }
        let Some(partition) = partitions.last_mut() else { continue };
        match partition.last_mut() {
            Some(last) if Arc::ptr_eq(&last.file, &part.file) => {
                last.row_groups.extend(part.row_groups);
                last.bytes += part.bytes;
            }
            _ => partition.push(part),
        }
    }
    if partitions.is_empty() {
        partitions.push(Vec::new());
    }
    partitions
}

/// What is known of the parts of a file before they are read: one container per row group, or one for the file.
struct FileStatistics<'a> {
    files: &'a Files,
    file: &'a TableFile,
}

impl FileStatistics<'_> {
    /// Statistics of a column that has the same type in the file as in the table.
    fn of<T>(
        &self,
        column: &Column,
        get: impl FnOnce(&StatisticsConverter<'_>, &ArrowReaderMetadata) -> parquet::errors::Result<T>,
    ) -> Option<T> {
        let Content::Parquet(footer) = &self.file.content else { return None };
        let (at, field) = self.files.schema.column_with_name(column.name())?;
        let index = (*self.file.map.get(at)?)?;
        let found = footer.schema().fields().get(index)?;
        if found.data_type() != field.data_type() {
            return None;
        }
        let converter = StatisticsConverter::try_new(found.name(), footer.schema(), footer.parquet_schema()).ok()?;
        get(&converter, footer).ok()
    }

    /// The value that `_karat_file` has in every row.
    fn path(&self, column: &Column) -> Option<ArrayRef> {
        let offered =
            self.files.schema.fields().get(self.files.columns).is_some_and(|field| field.name() == FILE_COLUMN);
        (offered && column.name() == FILE_COLUMN).then(|| {
            Arc::new(StringArray::from(vec![self.file.input.shown.as_str(); self.num_containers()])) as ArrayRef
        })
    }
}

impl PruningStatistics for FileStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.path(column)
            .or_else(|| self.of(column, |converter, footer| converter.row_group_mins(footer.metadata().row_groups())))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.path(column)
            .or_else(|| self.of(column, |converter, footer| converter.row_group_maxes(footer.metadata().row_groups())))
    }

    fn num_containers(&self) -> usize {
        match &self.file.content {
            Content::Parquet(footer) => footer.metadata().num_row_groups(),
            _ => 1,
        }
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        if self.path(column).is_some() {
            return Some(Arc::new(UInt64Array::from(vec![0; self.num_containers()])));
        }
        self.of(column, |converter, footer| {
            converter.row_group_null_counts(footer.metadata().row_groups()).map(|counts| Arc::new(counts) as ArrayRef)
        })
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let Content::Parquet(footer) = &self.file.content else { return None };
        let counts = footer.metadata().row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Reads the parts of files.
#[derive(Debug)]
struct FilesExec {
    files: Arc<Files>,
    projection: Vec<usize>,
    partitions: Vec<Vec<Part>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl FilesExec {
    fn new(
        files: Arc<Files>,
        projection: Vec<usize>,
        partitions: Vec<Vec<Part>>,
        limit: Option<usize>,
    ) -> EngineResult<Self> {
        let schema = Arc::new(files.schema.project(&projection)?);
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(Self { files, projection, partitions, limit, properties })
    }
}

impl DisplayAs for FilesExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: HashSet<&str> =
            self.partitions.iter().flatten().map(|part| part.file.input.shown.as_str()).collect();
        let names: Vec<String> =
            self.properties.eq_properties.schema().fields().iter().map(|field| field.name().clone()).collect();
        write!(
            formatter,
            "FilesExec: files={} of {}, partitions={}, columns=[{}]",
            files.len(),
            self.files.all.len(),
            self.partitions.len(),
            names.join(", ")
        )?;
        self.limit.map_or(Ok(()), |limit| write!(formatter, ", limit={limit}"))
    }
}

impl ExecutionPlan for FilesExec {
    fn name(&self) -> &'static str {
        "FilesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> EngineResult<TreeNodeRecursion>,
    ) -> EngineResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> EngineResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn fetch(&self) -> Option<usize> {
        // The limit holds per partition.
        self.limit.filter(|_| self.partitions.len() == 1)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> EngineResult<SendableRecordBatchStream> {
        let schema = self.schema();
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&schema), 2);
        let sender = builder.tx();
        let handle = Handle::current();
        let parts = self.partitions.get(partition).cloned().unwrap_or_default();
        let (files, projection) = (Arc::clone(&self.files), self.projection.clone());
        let batch_rows = context.session_config().batch_size();
        let mut left = self.limit.unwrap_or(usize::MAX);
        builder.spawn_blocking(move || {
            for part in &parts {
                if left == 0 {
                    break;
                }
                let mut listening = true;
                let mut failure: Option<DataFusionError> = None;
                let mut sink = |chunk: Chunk| {
                    let batch = match assemble(&files, &part.file, &projection, &schema, chunk) {
                        Ok(batch) => batch.slice(0, batch.num_rows().min(left)),
                        Err(error) => {
                            failure = Some(error);
                            return Ok(false);
                        }
                    };
                    left -= batch.num_rows();
                    listening = sender.blocking_send(Ok(batch)).is_ok();
                    Ok(listening && left > 0)
                };
                guarded(&part.file.input.shown, || {
                    read_part(&files, part, &projection, &handle, batch_rows, &mut sink).map_err(|error| {
                        let input = &part.file.input;
                        error.with_lines(&|line| input.line(&handle, files.options.compression, line))
                    })
                })?;
                if let Some(failure) = failure {
                    return Err(failure);
                }
                if !listening {
                    break;
                }
            }
            Ok(())
        });
        Ok(builder.build())
    }
}

fn read_part(
    files: &Files,
    part: &Part,
    projection: &[usize],
    handle: &Handle,
    batch_rows: usize,
    sink: &mut csv::Sink<'_>,
) -> Result<(), ExternalError> {
    let file = &part.file;
    let by_key = matches!(file.content, Content::Json(_));
    let wanted: Vec<Wanted> = projection
        .iter()
        .filter(|column| **column < files.columns)
        .filter_map(|column| {
            // JSON finds its columns by key in each object, the others by position in the file.
            let index = if by_key { *column } else { (*file.map.get(*column)?)? };
            let field = files.schema.fields().get(*column)?;
            Some(Wanted {
                index,
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                inferred: files.inferred.get(*column).copied().unwrap_or(false),
            })
        })
        .collect();
    match &file.content {
        Content::Csv(names) => csv::read(&file.input, handle, &files.options, names, &wanted, batch_rows, sink),
        Content::Json(names) => {
            let columns: HashMap<String, usize> = files
                .schema
                .fields()
                .iter()
                .take(files.columns)
                .enumerate()
                .map(|(at, field)| (field.name().to_lowercase(), at))
                .collect();
            let keys = json::Keys { names, columns: &columns, on_new: files.on_new, declared: files.declared };
            json::read(&file.input, handle, &files.options, &keys, &wanted, batch_rows, sink)
        }
        Content::Parquet(footer) => {
            columnar::read_parquet(&file.input, handle, footer, part.row_groups.clone(), &wanted, batch_rows, sink)
        }
        Content::Arrow(schema) => columnar::read_arrow(&file.input, handle, schema, &wanted, sink),
    }
}

/// Completes a chunk of a file to the projected columns of the table.
fn assemble(
    files: &Files,
    file: &TableFile,
    projection: &[usize],
    schema: &SchemaRef,
    chunk: Chunk,
) -> EngineResult<RecordBatch> {
    let rows = chunk.rows;
    let mut read = chunk.columns.into_iter();
    let mut lines = Some(chunk.lines);
    let by_key = matches!(file.content, Content::Json(_));
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(projection.len());
    for (field, column) in schema.fields().iter().zip(projection) {
        let array: ArrayRef = if *column < files.columns {
            let present = by_key || file.map.get(*column).copied().flatten().is_some();
            present.then(|| read.next()).flatten().unwrap_or_else(|| new_null_array(field.data_type(), rows))
        } else if field.name() == FILE_COLUMN {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&file.input.shown, rows)))
        } else {
            Arc::new(Int64Array::from(lines.take().unwrap_or_default()))
        };
        columns.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// The schema of a table with these columns, with the columns of origin that do not clash with them.
pub(super) fn with_origin(columns: Vec<arrow::datatypes::Field>, lines: bool) -> SchemaRef {
    use arrow::datatypes::Field;
    let mut fields = columns;
    let clash = |fields: &[Field], name: &str| fields.iter().any(|field| field.name().eq_ignore_ascii_case(name));
    if !clash(&fields, FILE_COLUMN) {
        fields.push(Field::new(FILE_COLUMN, DataType::Utf8, true));
    }
    if lines && !clash(&fields, LINE_COLUMN) {
        fields.push(Field::new(LINE_COLUMN, DataType::Int64, true));
    }
    Arc::new(Schema::new(fields))
}
