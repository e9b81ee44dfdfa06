//! Tests of the store: on real folders, read back by the Delta library as another program would.

#![expect(clippy::disallowed_methods, reason = "tests damage files")]

mod copy;
mod crash;
mod life;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{TimeZone as _, Utc};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use deltalake_core::DeltaTableBuilder;
use tempfile::TempDir;

use super::*;
use crate::base::ident::Identifier;
use crate::manifest::node::NodeId;
use crate::manifest::relation::{Database, Relation, RelationKey};

fn name(text: &str) -> Identifier {
    Identifier::new(text).unwrap()
}

fn relation(table: &str) -> Relation {
    Relation { database: Database::home(name("shop")), schema: name("gold"), identifier: name(table) }
}

fn open(folder: &TempDir) -> Warehouse {
    open_with(folder, WarehouseOptions::default())
}

fn open_with(folder: &TempDir, options: WarehouseOptions) -> Warehouse {
    Warehouse::open(folder.path().join("warehouse").to_str().unwrap(), options).unwrap()
}

fn failing_at(folder: &TempDir, point: FailPoint) -> Warehouse {
    let failpoint = Some(Failpoint { point, action: FailAction::Error });
    open_with(folder, WarehouseOptions { failpoint, ..WarehouseOptions::default() })
}

fn run_info() -> RunInfo {
    RunInfo {
        invocation_id: crate::base::clock::unique_id().to_string(),
        now: Utc.with_ymd_and_hms(2026, 1, 31, 6, 0, 0).unwrap(),
        karat_version: "0.1.0".to_owned(),
        command: "karat build".to_owned(),
    }
}

/// A batch with an `id`, a `region` (null for each third) and a `day`.
fn orders(ids: std::ops::Range<i64>) -> RecordBatch {
    let regions = ids.clone().map(|id| (id % 3 != 0).then_some(if id % 2 == 0 { "north west/%" } else { "süd" }));
    let days = ids.clone().map(|id| Some(20_000 + i32::try_from(id % 2).unwrap()));
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone()))),
        ("region", Arc::new(regions.collect::<StringArray>())),
        ("day", Arc::new(days.collect::<Date32Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn stream_of(batches: Vec<Result<RecordBatch, DataFusionError>>, schema: SchemaRef) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches)))
}

fn streams(batches: Vec<RecordBatch>) -> Vec<SendableRecordBatchStream> {
    batches.into_iter().map(|batch| stream_of(vec![Ok(batch.clone())], batch.schema())).collect()
}

/// Stages rows, one stream per batch, and returns them as the whole content of a table.
async fn stage(warehouse: &Warehouse, table: &str, partition_by: &[&str], batches: Vec<RecordBatch>) -> TableVersion {
    let schema = batches.first().map_or_else(|| orders(0..0).schema(), RecordBatch::schema);
    let schema = storable_schema(&schema).unwrap();
    stage_streams(warehouse, table, partition_by, schema, usize::MAX, streams(batches)).await
}

/// Stages the rows of streams with so much memory.
async fn stage_streams(
    warehouse: &Warehouse,
    table: &str,
    partition_by: &[&str],
    schema: SchemaRef,
    memory: usize,
    streams: Vec<SendableRecordBatchStream>,
) -> TableVersion {
    let partition_by: Vec<String> = partition_by.iter().map(ToString::to_string).collect();
    let request = WriteRequest {
        relation: relation(table),
        schema: Arc::clone(&schema),
        partition_by: partition_by.clone(),
        codec: Codec::Zstd,
        memory,
    };
    let files = warehouse.write_files(request, streams).await.unwrap();
    TableVersion { relation: relation(table), schema, partition_by, files, docs: TableDocs::default(), version: None }
}

fn change(content: TableVersion, operation: Operation) -> Change {
    Change::Table(TableChange {
        node_id: NodeId::new(format!("model.shop.{}", content.relation.identifier)),
        content: Arc::new(content),
        fingerprint: "f1".to_owned(),
        tests: vec![Verdict { test: "test.shop.unique_id".to_owned(), outcome: Outcome::Pass, failures: 0 }],
        operation,
    })
}

/// Stages and publishes the rows of each table on top of what is published now.
async fn publish(warehouse: &Warehouse, tables: &[(&str, std::ops::Range<i64>)]) -> Result<Published, StoreError> {
    let base = warehouse.catalog(&name("dev")).await?;
    let mut changes = Vec::new();
    for (table, ids) in tables {
        changes.push(change(stage(warehouse, table, &[], vec![orders(ids.clone())]).await, Operation::Overwrite));
    }
    warehouse.publish(&base, &run_info(), changes).await
}

fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: BTreeMap<_, _> = batch
            .schema_ref()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| (field.name().clone(), ArrayFormatter::try_new(column, &options).unwrap()))
            .collect();
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|(name, column)| format!("{name}={}", column.value(row)));
            rows.push(cells.collect::<Vec<_>>().join(" "));
        }
    }
    rows.sort();
    rows
}

/// The rows that another program sees: those of Delta's latest version.
async fn outside(warehouse: &Warehouse, table: &str) -> Vec<String> {
    let mut delta = DeltaTableBuilder::from_url(warehouse.table_url(&relation(table))).unwrap().build().unwrap();
    delta.load().await.unwrap();
    let context = SessionContext::new();
    let provider = delta.table_provider().await.unwrap();
    texts(&context.read_table(provider).unwrap().collect().await.unwrap())
}

/// The rows that karat sees: those of the files of the pinned version.
async fn inside(warehouse: &Warehouse, table: &str) -> Vec<String> {
    let catalog = warehouse.catalog(&name("dev")).await.unwrap();
    let published = catalog.get(&relation(table).key()).unwrap().as_table().unwrap();
    rows_of(warehouse, &warehouse.table_at(published).await.unwrap())
}

fn rows_of(warehouse: &Warehouse, version: &TableVersion) -> Vec<String> {
    let mut batches = Vec::new();
    for file in &version.files {
        let path = warehouse.file_url(&version.relation, file).to_file_path().unwrap();
        let reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(local::open(&path).unwrap());
        for batch in reader.unwrap().build().unwrap() {
            let batch = batch.unwrap();
            assert_eq!(batch.schema().fields(), version.schema.fields());
            batches.push(batch);
        }
    }
    assert_eq!(batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), version.rows());
    texts(&batches)
}

fn parquet_files(folder: &TempDir, table: &str) -> usize {
    let found = local::walk(&folder.path().join("warehouse/gold").join(table)).unwrap();
    found.iter().filter(|found| found.path.ends_with(".parquet")).count()
}
