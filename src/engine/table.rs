//! A table as a list of Parquet files with their statistics: how karat reads its own tables, staged or published.
//!
//! The list comes from the store, so nothing is listed or opened before the scan, and a remote engine could be given
//! the same list.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics, project_schema};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::store::{TableVersion, Warehouse};

/// Name of the extra column of [`FileTable::with_file_index`].
pub const FILE_INDEX: &str = "__karat_file_index";

/// One Parquet file of a table.
#[derive(Debug, Clone)]
pub struct TableFile {
    /// Path in the object store.
    pub location: Path,
    /// Its place in the table's list of files.
    pub index: usize,
    /// Size in bytes.
    pub size: u64,
    /// Number of rows.
    pub rows: u64,
    /// When it was written; part of the cache key of its metadata.
    pub modified: chrono::DateTime<chrono::Utc>,
    /// Statistics of each column of the table, if known.
    pub statistics: Option<Arc<Statistics>>,
}

/// The provider of a table's files, or of some of them by their place in the list; then with the column [`FILE_INDEX`],
/// which holds that place.
pub fn provider(
    warehouse: &Warehouse,
    version: &TableVersion,
    only: Option<&[usize]>,
) -> Result<Arc<dyn TableProvider>> {
    let store = ObjectStoreUrl::parse(warehouse.object_store_url())?;
    let file = |index: usize| {
        let file = version.files.get(index)?;
        let mut statistics = Statistics::new_unknown(&version.schema);
        statistics.num_rows = Precision::Exact(usize::try_from(file.rows).unwrap_or(usize::MAX));
        for (field, column) in version.schema.fields().iter().zip(&mut statistics.column_statistics) {
            if let Some(nulls) = file.statistics.columns.get(field.name()).and_then(|known| known.null_count) {
                column.null_count = Precision::Exact(usize::try_from(nulls).unwrap_or(usize::MAX));
            }
        }
        Some(TableFile {
            location: warehouse.file_path(&version.relation, file),
            index,
            size: file.size,
            rows: file.rows,
            modified: chrono::DateTime::from_timestamp_millis(file.modification_time).unwrap_or_default(),
            statistics: Some(Arc::new(statistics)),
        })
    };
    let schema = Arc::clone(&version.schema);
    Ok(match only {
        None => Arc::new(FileTable::new(schema, store, (0..version.files.len()).filter_map(file).collect())),
        Some(only) => {
            let files = only.iter().copied().filter_map(file).collect();
            Arc::new(FileTable::with_file_index(&schema, store, files))
        }
    })
}

/// A list of Parquet files that share a schema; columns that a file lacks read as null.
#[derive(Debug)]
pub struct FileTable {
    schema: SchemaRef,
    table_schema: TableSchema,
    store: ObjectStoreUrl,
    files: Vec<TableFile>,
    with_index: bool,
}

impl FileTable {
    /// A table of the given files in one object store.
    pub fn new(schema: SchemaRef, store: ObjectStoreUrl, files: Vec<TableFile>) -> Self {
        Self { table_schema: TableSchema::from(Arc::clone(&schema)), schema, store, files, with_index: false }
    }

    /// The same with a last column [`FILE_INDEX`] that holds the place of the row's file in the list: a merge needs to
    /// know which files hold the rows that it changes.
    pub fn with_file_index(schema: &SchemaRef, store: ObjectStoreUrl, files: Vec<TableFile>) -> Self {
        let index = Arc::new(Field::new(FILE_INDEX, DataType::Int64, false));
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::clone(&index));
        Self {
            table_schema: TableSchema::builder(Arc::clone(schema)).with_table_partition_cols(vec![index]).build(),
            schema: Arc::new(Schema::new(fields)),
            store,
            files,
            with_index: true,
        }
    }

    fn partitioned_file(&self, file: &TableFile) -> PartitionedFile {
        let meta = ObjectMeta {
            location: file.location.clone(),
            last_modified: file.modified,
            size: file.size,
            e_tag: None,
            version: None,
        };
        let mut partitioned = PartitionedFile::new_from_meta(meta);
        if self.with_index {
            partitioned = partitioned
                .with_partition_values(vec![ScalarValue::Int64(Some(i64::try_from(file.index).unwrap_or(i64::MAX)))]);
        }
        match &file.statistics {
            Some(statistics) => partitioned.with_statistics(Arc::clone(statistics)),
            None => partitioned,
        }
    }

    fn statistics_of_all(&self) -> Statistics {
        let rows: u64 = self.files.iter().map(|file| file.rows).sum();
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
        statistics
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            // A scan without files has no partitions, which the planner does not expect.
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let files: Vec<PartitionedFile> = self.files.iter().map(|file| self.partitioned_file(file)).collect();
        // Filters reach the source by the optimizer's own push-down, which prunes files and row groups.
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let options =
            TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
        let source = ParquetSource::new(self.table_schema.clone()).with_table_parquet_options(options);
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(self.statistics_of_all())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics_of_all())
    }
}
