//! Cancelled writes, orphans, hashes, locks, failures of the disk.

use std::sync::Mutex;
use std::time::Duration;

use futures::StreamExt as _;

use super::*;

const NO_RETENTION: Duration = Duration::ZERO;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_or_is_dropped_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let batch = orders(0..400_000);
    let request = || WriteRequest {
        relation: relation("big"),
        schema: batch.schema(),
        partition_by: Vec::new(),
        codec: Codec::None,
        memory: usize::MAX,
    };
    let broken = stream_of(vec![Ok(batch.clone()), Err(DataFusionError::Execution("boom".to_owned()))], batch.schema());
    let error = warehouse.write_files(request(), vec![broken]).await.unwrap_err();
    assert!(error.to_string().contains("boom"), "{error}");
    assert_eq!(parquet_files(&folder, "big"), 0);

    let endless = futures::stream::iter(std::iter::repeat_with(move || Ok(orders(0..400_000)))).then(async |batch| {
        tokio::task::yield_now().await;
        batch
    });
    let endless = Box::pin(RecordBatchStreamAdapter::new(batch.schema(), endless));
    let write = warehouse.write_files(request(), vec![endless]);
    assert!(tokio::time::timeout(Duration::from_millis(500), write).await.is_err());
    // The task ends at its next pause.
    for _ in 0..100 {
        if parquet_files(&folder, "big") == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(parquet_files(&folder, "big"), 0);

    let content = stage(&warehouse, "big", &[], vec![batch.clone()]).await;
    assert_eq!(parquet_files(&folder, "big"), 1);
    warehouse.discard(&content.relation, &content.files).await;
    assert_eq!(parquet_files(&folder, "big"), 0);

    // Rows of other columns are refused, not squeezed in.
    let other = RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["1"])) as ArrayRef)]).unwrap();
    let error = warehouse.write_files(request(), streams(vec![other])).await.unwrap_err();
    assert_eq!(error.to_string(), "the table `gold.big` cannot be stored: the rows have 1 columns instead of 3");
    let strict = Schema::new(vec![Field::new("a", DataType::Int64, false)]);
    let nulls =
        RecordBatch::try_from_iter_with_nullable([("a", Arc::new(Int64Array::from(vec![None])) as ArrayRef, true)]);
    let request = WriteRequest { schema: Arc::new(strict), ..request() };
    let error = warehouse.write_files(request, streams(vec![nulls.unwrap()])).await.unwrap_err();
    assert!(error.to_string().contains("declared as non-nullable but contains null"), "{error}");
}

/// Numbers that do not compress, each batch with rows of all parts.
fn mixed(parts: i64) -> Vec<Result<RecordBatch, DataFusionError>> {
    let batch = |first: i64| {
        let numbers = (first..first + 8192).map(|id| id.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()));
        let columns: [(&str, ArrayRef); 2] = [
            ("number", Arc::new(Int64Array::from_iter_values(numbers))),
            ("part", Arc::new(Int64Array::from_iter_values((first..first + 8192).map(|id| id % parts)))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    };
    (0..20).map(|index| Ok(batch(index * 8192))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn little_memory_makes_row_groups_smaller_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let write = async |table: &str, parts: i64, partition_by: &[&str], memory: usize| {
        let batches = mixed(parts);
        let schema = batches[0].as_ref().unwrap().schema();
        let streams = vec![stream_of(batches, Arc::clone(&schema))];
        let version = stage_streams(&warehouse, table, partition_by, schema, memory, streams).await;
        let mut rows = rows_of(&warehouse, &version);
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), 20 * 8192);
        version.files
    };
    let groups = |table: &str, file: &DataFile| {
        let path = warehouse.file_url(&relation(table), file).to_file_path().unwrap();
        let reader = parquet::file::reader::SerializedFileReader::new(local::open(&path).unwrap()).unwrap();
        parquet::file::reader::FileReader::metadata(&reader).num_row_groups()
    };
    let much = write("much", 20, &[], usize::MAX).await;
    assert_eq!((much.len(), groups("much", &much[0])), (1, 1));
    let little = write("little", 20, &[], 0).await;
    assert_eq!(little.len(), 1);
    assert!((2..=20).contains(&groups("little", &little[0])), "{}", groups("little", &little[0]));
    // A file for each part, as long as not too many would be open at once.
    assert_eq!(write("few", 20, &["part"], 0).await.len(), 20);
    assert!(write("many", 100, &["part"], 0).await.len() >= 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_found_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    publish(&warehouse, &[("a", 0..3), ("dropped", 0..3)]).await.unwrap();
    let second = publish(&warehouse, &[("a", 3..6)]).await.unwrap();
    let gone = vec![Change::Drop(relation("dropped").key())];
    warehouse.publish(&second.catalog, &run_info(), gone).await.unwrap();
    stage(&warehouse, "a", &[], vec![orders(6..9)]).await;
    stage(&warehouse, "never", &[], vec![orders(6..9)]).await;
    let root = folder.path().join("warehouse");
    let litter = [
        "gold/a/part-1.parquet#1",
        "gold/a/_delta_log/00000000000000000009.json#3",
        "_karat/env/dev/_commit_x.json.tmp",
    ];
    for path in litter {
        std::fs::write(root.join(path), b"x").unwrap();
    }
    // Things that are not ours.
    std::fs::create_dir_all(root.join("gold/notes")).unwrap();
    for path in ["gold/notes/readme.txt", "gold/a/readme.txt", "readme.txt"] {
        std::fs::write(root.join(path), b"x").unwrap();
    }

    let now = Utc::now() + chrono::Duration::seconds(5);
    assert!(warehouse.orphans(Duration::from_hours(1), now).await.unwrap().is_empty());
    let orphans = warehouse.orphans(NO_RETENTION, now).await.unwrap();
    let count = |kind| orphans.iter().filter(|orphan| orphan.kind == kind).count();
    // The dropped table has one data file and one log entry.
    assert_eq!(
        (count(OrphanKind::Data), count(OrphanKind::Temporary), count(OrphanKind::DroppedTable)),
        (2, 3, 2),
        "{orphans:#?}"
    );
    assert!(warehouse.remove_orphans(&orphans).await.unwrap() > 0);
    assert!(warehouse.orphans(NO_RETENTION, now).await.unwrap().is_empty());
    assert!(!root.join("gold/never").exists() && !root.join("gold/dropped").exists());
    assert!(root.join("gold/notes/readme.txt").exists() && root.join("gold/a/readme.txt").exists());
    // Old versions are still whole.
    let first = open(&folder).catalog_at(&name("dev"), 1).await.unwrap();
    let old = first.get(&relation("a").key()).unwrap().as_table().unwrap();
    assert_eq!(rows_of(&warehouse, &warehouse.table_at(old).await.unwrap()), texts(&[orders(0..3)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_gets_a_checkpoint_that_keeps_all_facts() {
    let folder = TempDir::new().unwrap();
    let options = WarehouseOptions { durability: Durability::Fast, ..WarehouseOptions::default() };
    let warehouse = open_with(&folder, options);
    let mut last = None;
    for round in 0..51 {
        last = Some(publish(&warehouse, &[("a", round..round + 2)]).await.unwrap());
    }
    let log = folder.path().join("warehouse/gold/a/_delta_log");
    assert!(log.join("00000000000000000049.checkpoint.parquet").is_file() && log.join("_last_checkpoint").is_file());
    let catalog = last.unwrap().catalog;
    let table = catalog.get(&relation("a").key()).unwrap().as_table().unwrap();
    assert_eq!(table.version, 50);
    let (known, read) = (warehouse.table_at(table).await.unwrap(), open(&folder).table_at(table).await.unwrap());
    assert_eq!((&known.files, &known.schema), (&read.files, &read.schema));
    // The version of the checkpoint itself, and one before it.
    for (entry, ids) in [(50, 49..51), (20, 19..21)] {
        let catalog = warehouse.catalog_at(&name("dev"), entry).await.unwrap();
        let table = catalog.get(&relation("a").key()).unwrap().as_table().unwrap();
        let read = open(&folder).table_at(table).await.unwrap();
        assert_eq!(read.files, warehouse.table_at(table).await.unwrap().files);
        assert_eq!(rows_of(&warehouse, &read), texts(&[orders(ids)]));
        assert!(warehouse.verify(&read).await.unwrap().is_empty());
    }
    assert_eq!(outside(&warehouse, "a").await, texts(&[orders(50..52)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_bytes_are_found() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let catalog = publish(&warehouse, &[("a", 0..3)]).await.unwrap().catalog;
    let table = catalog.get(&relation("a").key()).unwrap().as_table().unwrap();
    let content = open(&folder).table_at(table).await.unwrap();
    assert!(warehouse.verify(&content).await.unwrap().is_empty());
    let path = warehouse.file_url(&content.relation, &content.files[0]).to_file_path().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(warehouse.verify(&content).await.unwrap()[0].problem, "its bytes have changed");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(warehouse.verify(&content).await.unwrap()[0].problem, "it is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_names_its_holder_and_is_free_again() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    let holder = |pid| HolderInfo {
        pid,
        host: "box".to_owned(),
        command: "karat build".to_owned(),
        started: "06:00".to_owned(),
    };
    let told = Mutex::new(Vec::new());
    let acquire = async |pid, wait| {
        let wait = Duration::from_millis(wait);
        EnvLock::acquire(&warehouse, &name("dev"), wait, &holder(pid), |who| told.lock().unwrap().push(who.to_owned()))
            .await
    };
    let first = acquire(1, 0).await.unwrap();
    let error = acquire(2, 250).await.unwrap_err();
    let who = "`karat build` (process 1 on box, since 06:00)";
    assert_eq!(error.to_string(), format!("the environment `dev` is in use by {who}; waited 0 s"));
    assert_eq!(*told.lock().unwrap(), [who]);
    drop(first);
    drop(acquire(3, 0).await.unwrap());
    assert!(open(&folder).catalog(&name("dev")).await.unwrap().entry().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_disk_are_told_in_plain_words() {
    let folder = TempDir::new().unwrap();
    let warehouse = open(&folder);
    // A file where a folder must be.
    std::fs::create_dir_all(folder.path().join("warehouse")).unwrap();
    std::fs::write(folder.path().join("warehouse/gold"), b"").unwrap();
    let batch = orders(0..3);
    let request = WriteRequest {
        relation: relation("a"),
        schema: batch.schema(),
        partition_by: Vec::new(),
        codec: Codec::Lz4,
        memory: usize::MAX,
    };
    let error = warehouse.write_files(request, streams(vec![batch])).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot create `"), "{error}");
    assert_eq!(error.code(), "storage-failed");
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let wrapped = parquet::errors::ParquetError::External(Box::new(full));
    let error = StoreError::io("write", "gold/a/part-1.parquet")(wrapped);
    assert_eq!(error.to_string(), "cannot write `gold/a/part-1.parquet`: no space left on the device");
    assert_eq!(error.code(), "storage-full");
    for (location, problem) in [("relative/folder", "neither an absolute folder nor a URL"), ("ftp://x/y", "")] {
        let error = Warehouse::open(location, WarehouseOptions::default()).unwrap_err();
        assert!(error.to_string().contains(problem) && error.code() == "invalid-warehouse", "{error}");
    }
    assert!(Failpoint::parse("after-sync:abort").is_ok() && Failpoint::parse("nowhere:abort").is_err());
}
