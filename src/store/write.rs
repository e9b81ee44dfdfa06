//! Staging: streams of rows become data files in a table's folder, seen by no reader until they are published.
//!
//! The files of a write that fails or is dropped are removed. Rows must have the table's columns; a column whose type
//! is only another representation of the stored one (a string view, a dictionary, nanoseconds) is converted.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options, take_record_batch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::row::{RowConverter, SortField};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::base::clock::{Clock, unique_id};
use crate::manifest::relation::Relation;
use crate::store::error::StoreError;
use crate::store::local;
use crate::store::schema::{storable_schema, storable_type};
use crate::store::statistics::FileStatistics;
use crate::store::table::DataFile;
use crate::store::warehouse::{CONCURRENCY, STATE_FOLDER, Warehouse, table_folder};

/// A file that has reached this size is closed and a new one is begun.
const FILE_BYTES: usize = 256 << 20;

/// Rows of a row group; small groups cost time and space.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Bytes of a row group at most, as long as it is held.
const ROW_GROUP_BYTES: usize = 128 << 20;

/// Rows held back per stream and partition before a file is begun, in bytes: what stays below is put into one file
/// for all streams, so that a small table is one file.
const HELD_BACK_BYTES: usize = 8 << 20;

/// What one stream holds over its partitions: at most, and at least, however little memory there is.
const STREAM_BYTES: (usize, usize) = (1 << 20, 256 << 20);

/// A row group is copied into a buffer that grows when it is written out, so it takes memory up to so many times.
const COPIES: usize = 3;

/// Files of one stream that stay open when partitions compete for its memory.
const OPEN_FILES: usize = 32;

/// Writes to the disk of at least this size leave the thread to others.
const BLOCKING_BYTES: usize = 256 << 10;

/// Folder of the rows whose partition column is null, as Hive calls it.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// How data files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    /// Zstandard, level 1: the best space for little time.
    #[default]
    Zstd,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// None.
    None,
}

/// What to write, and where.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The table.
    pub relation: Relation,
    /// Its columns; must be [storable](storable_schema).
    pub schema: SchemaRef,
    /// The columns by which files are separated.
    pub partition_by: Vec<String>,
    /// How files are compressed.
    pub codec: Codec,
    /// Bytes that all streams together may hold of what is not written yet: with less, row groups are smaller. Each
    /// stream takes a few megabytes in any case.
    pub memory: usize,
}

impl Warehouse {
    /// Writes the rows of all streams, which run side by side, into new files of a table. A stream without rows makes
    /// no file. Dropping the future stops the work and removes the files.
    pub async fn write_files(
        &self,
        request: WriteRequest,
        streams: Vec<SendableRecordBatchStream>,
    ) -> Result<Vec<Arc<DataFile>>, StoreError> {
        let relation = request.relation.clone();
        let stream_count = streams.len();
        let target = Arc::new(Target::new(self, request, stream_count)?);
        let mut tasks = JoinSet::new();
        for (index, stream) in streams.into_iter().enumerate() {
            let target = Arc::clone(&target);
            tasks.spawn(async move { Drain::new(target, index).run(stream).await });
        }
        // Dropping this future drops the tasks and with them their files.
        let mut drained = Vec::new();
        while let Some(joined) = tasks.join_next().await {
            let joined = match joined {
                // The one who asked for the rows contains the panic, and says which node it was.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                joined => joined.map_err(StoreError::io("finish writing", &target.table)),
            };
            match joined.flatten() {
                Ok(one) => drained.push(one),
                Err(error) => {
                    // Whoever tries again finds the memory free and no file left.
                    tasks.shutdown().await;
                    return Err(error);
                }
            }
        }
        drained.sort_by_key(|drained| drained.index);
        let mut staged = Vec::new();
        let mut rests: BTreeMap<PartitionKey, Vec<RecordBatch>> = BTreeMap::new();
        for one in drained {
            staged.extend(one.staged);
            for (key, batches) in one.rests {
                rests.entry(key).or_default().extend(batches);
            }
        }
        let rests: Vec<_> = rests
            .into_iter()
            .map(|(key, batches)| {
                let target = Arc::clone(&target);
                async move {
                    let mut file = OpenFile::create(&target, &key, (stream_count, 0))?;
                    for batch in &batches {
                        file.write(&target, batch).await?;
                    }
                    file.close(&target, &key).await
                }
            })
            .collect();
        staged.extend(futures::stream::iter(rests).buffered(CONCURRENCY).try_collect::<Vec<_>>().await?);
        let mut files: Vec<_> = staged.into_iter().map(Staged::keep).collect();
        files.sort_by(|left, right| left.order().cmp(&right.order()));
        self.note_staged(&relation, &files);
        Ok(files)
    }

    /// Removes files that were staged by this process and not committed; all others stay, so that this may be called
    /// after any failure. What cannot be removed is left to the sweep.
    pub async fn discard(&self, relation: &Relation, files: &[Arc<DataFile>]) {
        for file in self.take_staged(relation, files) {
            let disk = self.disk(&format!("{}/{}", table_folder(&relation.key()), file.path));
            let result = if let Some(path) = disk {
                local::remove(&path).map_err(|error| error.to_string())
            } else {
                let deleted = self.object_store().delete(&self.file_path(relation, &file)).await;
                deleted.map_err(|error| error.to_string())
            };
            if let Err(error) = result {
                tracing::warn!(file = file.path, error, "a staged file was not removed");
            }
        }
    }

    /// Removes all files that this process has staged and not committed: what is left when a run has ended, such as the
    /// files of nodes that failed. What cannot be removed is left to the sweep.
    pub async fn discard_staged(&self) {
        for path in self.take_all_staged() {
            let Ok(location) = ObjectPath::parse(&path) else { continue };
            match self.object_store().delete(&location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => tracing::warn!(file = path, %error, "a staged file was not removed"),
            }
        }
    }
}

/// Refuses names that would collide with our own folders.
pub(super) fn check_relation(relation: &Relation) -> Result<(), StoreError> {
    if relation.schema.key() == STATE_FOLDER {
        let problem = format!("the schema name `{STATE_FOLDER}` is reserved");
        return Err(StoreError::Unstorable { table: relation.short_name(), problem });
    }
    Ok(())
}

/// Checks that a table can be stored as described, and says all that is wrong.
pub(super) fn check_shape(relation: &Relation, schema: &SchemaRef, partition_by: &[String]) -> Result<(), StoreError> {
    check_relation(relation)?;
    let mut problems = Vec::new();
    match storable_schema(schema) {
        Err(columns) => {
            problems.extend(columns.iter().map(|found| format!("column `{}`: {}", found.column, found.problem)));
        }
        Ok(stored) if stored != *schema => {
            let differing = stored.fields().iter().zip(schema.fields()).filter(|(stored, given)| stored != given);
            problems.extend(differing.map(|(stored, given)| {
                format!("column `{}` has the type {}, not {}", given.name(), given.data_type(), stored.data_type())
            }));
        }
        Ok(_) => {}
    }
    for column in partition_by {
        match schema.field_with_name(column) {
            Err(_) => problems.push(format!("the partition column `{column}` is not a column")),
            Ok(field) if !can_partition(field.data_type()) => {
                problems.push(format!("the column `{column}` of type {} cannot separate files", field.data_type()));
            }
            Ok(_) => {}
        }
    }
    if !partition_by.is_empty() && partition_by.len() >= schema.fields().len() {
        problems.push("there must be a column that is not a partition column".to_owned());
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(StoreError::Unstorable { table: relation.short_name(), problem: problems.join("; ") })
}

/// The values of the partition columns of a file.
type PartitionKey = Vec<Option<String>>;

/// All that is needed to write files of one table.
struct Target {
    table: String,
    /// The table's folder within the warehouse, for messages.
    shown_folder: String,
    schema: SchemaRef,
    partition_by: Vec<String>,
    partition_columns: Vec<usize>,
    properties: WriterProperties,
    store: Arc<dyn ObjectStore>,
    folder: ObjectPath,
    disk: Option<PathBuf>,
    /// Bytes that one stream may hold.
    stream_bytes: usize,
    /// One time for all files of a write, so that files are in the order of writes.
    time: i64,
}

impl Target {
    fn new(warehouse: &Warehouse, request: WriteRequest, stream_count: usize) -> Result<Self, StoreError> {
        let WriteRequest { relation, schema, partition_by, codec, memory } = request;
        check_shape(&relation, &schema, &partition_by)?;
        let compression = match codec {
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Codec::Snappy => Compression::SNAPPY,
            Codec::Lz4 => Compression::LZ4_RAW,
            Codec::None => Compression::UNCOMPRESSED,
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by(concat!("karat ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let partition_columns = partition_by.iter().filter_map(|column| schema.index_of(column).ok()).collect();
        let folder = table_folder(&relation.key());
        Ok(Self {
            table: relation.short_name(),
            partition_columns,
            properties,
            store: warehouse.object_store(),
            disk: warehouse.disk(&folder),
            folder: warehouse.path(&folder),
            shown_folder: folder,
            stream_bytes: (memory / stream_count.max(1) / COPIES).clamp(STREAM_BYTES.0, STREAM_BYTES.1),
            time: Clock::new(None).now().timestamp_millis(),
            schema,
            partition_by,
        })
    }

    fn rows_error<E: Error + Send + Sync + 'static>(&self, error: E) -> StoreError {
        StoreError::Rows { table: self.table.clone(), source: Box::new(error) }
    }

    /// A failure of the Parquet writer: of the disk beneath, which the sink has told in words and the writer has
    /// wrapped, or of the rows.
    fn write_error(&self, error: ParquetError) -> StoreError {
        let mut next: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(current) = next {
            if let Some(StoreError::Io { action, subject, reason, .. }) = current.downcast_ref() {
                let (action, subject, reason) = (*action, subject.clone(), reason.clone());
                return StoreError::Io { action, subject, reason, source: Box::new(error) };
            }
            next = current.source();
        }
        self.rows_error(error)
    }

    /// Gives a batch exactly the table's schema, converting representations.
    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, StoreError> {
        let unfit = |problem: String| StoreError::Unstorable { table: self.table.clone(), problem };
        if batch.num_columns() != self.schema.fields().len() {
            let (given, wanted) = (batch.num_columns(), self.schema.fields().len());
            return Err(unfit(format!("the rows have {given} columns instead of {wanted}")));
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for ((field, column), given) in
            self.schema.fields().iter().zip(batch.columns()).zip(batch.schema_ref().fields())
        {
            if given.name() != field.name() {
                return Err(unfit(format!("the rows have a column `{}` in place of `{}`", given.name(), field.name())));
            }
            if column.data_type() == field.data_type() {
                columns.push(Arc::clone(column));
                continue;
            }
            if storable_type(column.data_type()).as_ref() != Ok(field.data_type())
                && !differs_in_precision(column.data_type(), field.data_type())
            {
                let (given, wanted) = (column.data_type(), field.data_type());
                return Err(unfit(format!("column `{}` has rows of type {given} instead of {wanted}", field.name())));
            }
            let options = CastOptions { safe: false, ..CastOptions::default() };
            columns.push(cast_with_options(column, field.data_type(), &options).map_err(|e| self.rows_error(e))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|e| self.rows_error(e))
    }

    /// Splits a batch by the values of the partition columns.
    fn split(
        &self,
        converter: &RowConverter,
        batch: RecordBatch,
    ) -> Result<Vec<(PartitionKey, RecordBatch)>, StoreError> {
        if self.partition_columns.is_empty() {
            return Ok(vec![(Vec::new(), batch)]);
        }
        let columns: Vec<ArrayRef> =
            self.partition_columns.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        let rows = converter.convert_columns(&columns).map_err(|error| self.rows_error(error))?;
        let mut groups: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
        let indices = 0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        let rows: Vec<_> = rows.iter().collect();
        for (row, index) in rows.iter().zip(indices) {
            groups.entry(row.as_ref()).or_default().push(index);
        }
        let whole = groups.len() == 1;
        let mut parts = Vec::with_capacity(groups.len());
        for indices in groups.into_values() {
            let mut key = PartitionKey::with_capacity(columns.len());
            let first = indices.first().copied().unwrap_or(0) as usize;
            for (column, name) in columns.iter().zip(&self.partition_by) {
                let value = partition_value(column, first).map_err(|problem| StoreError::Unstorable {
                    table: self.table.clone(),
                    problem: format!("partition column `{name}`: {problem}"),
                })?;
                key.push(value);
            }
            let part = if whole {
                batch.clone()
            } else {
                take_record_batch(&batch, &UInt32Array::from(indices)).map_err(|error| self.rows_error(error))?
            };
            parts.push((key, part));
        }
        Ok(parts)
    }
}

/// Whether values of a type can be spelled in a partition's value.
fn can_partition(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Utf8
            | DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond, _)
            | DataType::Decimal128(_, _)
    )
}

/// A value of a partition column as Delta spells it.
fn partition_value(column: &ArrayRef, row: usize) -> Result<Option<String>, String> {
    if column.is_null(row) {
        return Ok(None);
    }
    let unknown = || format!("the type {} cannot separate files", column.data_type());
    Ok(Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Decimal128(_, _) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        DataType::Date32 => {
            let day = date32_to_datetime(column.as_primitive::<Date32Type>().value(row)).ok_or_else(unknown)?;
            day.format("%Y-%m-%d").to_string()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let instant = column.as_primitive::<TimestampMicrosecondType>().value(row);
            let instant = timestamp_us_to_datetime(instant).ok_or_else(unknown)?;
            instant.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
        }
        DataType::Utf8 => match column.as_string::<i32>().value(row) {
            // Delta's log has one spelling for the empty text and for null, so readers would see null.
            "" => return Err("an empty text cannot be told from null; turn it into null or another text".to_owned()),
            text => text.to_owned(),
        },
        _ => return Err(unknown()),
    }))
}

/// The folder of a partition within the table, with a `/` at its end. It is for people: readers take the values from
/// the log, so characters that a path or a URL would have to encode are replaced.
fn partition_folder(columns: &[String], key: &PartitionKey) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .take(100)
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '-' })
            .collect()
    };
    let mut folder = String::new();
    for (column, value) in columns.iter().zip(key) {
        folder.push_str(&plain(column));
        folder.push('=');
        folder.push_str(&value.as_deref().map_or_else(|| NULL_PARTITION.to_owned(), plain));
        folder.push('/');
    }
    folder
}

/// What became of one stream.
struct Drained {
    index: usize,
    staged: Vec<Staged>,
    rests: BTreeMap<PartitionKey, Vec<RecordBatch>>,
}

/// The rows of one partition that one stream has brought so far.
#[derive(Default)]
struct Slot {
    held: Vec<RecordBatch>,
    held_bytes: usize,
    file: Option<OpenFile>,
}

impl Slot {
    fn memory(&self) -> usize {
        self.held_bytes + self.file.as_ref().map_or(0, |file| file.writer.memory_size())
    }
}

/// Takes the rows of one stream.
struct Drain {
    target: Arc<Target>,
    index: usize,
    /// How many files were begun.
    begun: usize,
    slots: BTreeMap<PartitionKey, Slot>,
    staged: Vec<Staged>,
}

impl Drain {
    fn new(target: Arc<Target>, index: usize) -> Self {
        Self { target, index, begun: 0, slots: BTreeMap::new(), staged: Vec::new() }
    }

    async fn run(mut self, mut stream: SendableRecordBatchStream) -> Result<Drained, StoreError> {
        let target = Arc::clone(&self.target);
        let fields = target
            .partition_columns
            .iter()
            .map(|index| SortField::new(target.schema.field(*index).data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(|error| target.rows_error(error))?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| StoreError::Input(Box::new(error)))?;
            if batch.num_rows() == 0 {
                continue;
            }
            let batch = target.conform(&batch)?;
            for (key, part) in target.split(&converter, batch)? {
                self.take(key, part).await?;
            }
        }
        let mut rests = BTreeMap::new();
        for (key, slot) in std::mem::take(&mut self.slots) {
            match slot.file {
                Some(file) => self.staged.push(file.close(&target, &key).await?),
                None => drop(rests.insert(key, slot.held)),
            }
        }
        Ok(Drained { index: self.index, staged: self.staged, rests })
    }

    async fn take(&mut self, key: PartitionKey, batch: RecordBatch) -> Result<(), StoreError> {
        let target = Arc::clone(&self.target);
        let slot = self.slots.entry(key.clone()).or_default();
        if let Some(file) = &mut slot.file {
            file.write(&target, &batch).await?;
        } else {
            slot.held_bytes += batch.get_array_memory_size();
            slot.held.push(batch);
            if slot.held_bytes >= HELD_BACK_BYTES.min(target.stream_bytes) {
                self.begun += 1;
                begin(&target, &key, slot, (self.index, self.begun)).await?;
            }
        }
        if let Some(full) = slot.file.take_if(|file| file.size() >= FILE_BYTES) {
            self.staged.push(full.close(&target, &key).await?);
            self.slots.remove(&key);
        }
        // Many partitions at once: the largest is written out until the rest fits.
        while self.slots.len() > 1 && self.slots.values().map(Slot::memory).sum::<usize>() > target.stream_bytes {
            let largest = self.slots.iter().max_by_key(|(_, slot)| slot.memory()).map(|(key, _)| key.clone());
            let Some((key, mut slot)) = largest.and_then(|key| self.slots.remove_entry(&key)) else { break };
            let open = self.slots.values().filter(|slot| slot.file.is_some()).count();
            self.begun += 1;
            let file = begin(&target, &key, &mut slot, (self.index, self.begun)).await?;
            file.flush(&target).await?;
            if open < OPEN_FILES {
                self.slots.insert(key, slot);
            } else if let Some(file) = slot.file {
                self.staged.push(file.close(&target, &key).await?);
            }
        }
        Ok(())
    }
}

/// Begins a file, unless there is one, with the rows that were held back.
async fn begin<'a>(
    target: &Target,
    key: &PartitionKey,
    slot: &'a mut Slot,
    place: (usize, usize),
) -> Result<&'a mut OpenFile, StoreError> {
    let file = match &mut slot.file {
        Some(file) => file,
        none => none.insert(OpenFile::create(target, key, place)?),
    };
    for batch in std::mem::take(&mut slot.held) {
        file.write(target, &batch).await?;
    }
    slot.held_bytes = 0;
    Ok(file)
}

/// A file that is being written.
struct OpenFile {
    writer: AsyncArrowWriter<Sink>,
    path: String,
    rows: u64,
    guard: FileGuard,
}

impl OpenFile {
    /// The place (number of the stream, number of the file in it) gives the file its rank among those of a write.
    fn create(target: &Target, key: &PartitionKey, place: (usize, usize)) -> Result<Self, StoreError> {
        let folder = partition_folder(&target.partition_by, key);
        let path = format!("{folder}part-{:05}-{:05}-{}.parquet", place.0, place.1, unique_id());
        let object = ObjectPath::parse(format!("{}/{path}", target.folder)).map_err(|e| target.rows_error(e))?;
        let shown = format!("{}/{path}", target.shown_folder);
        let (output, disk) = match &target.disk {
            Some(folder) => {
                let disk = folder.join(&path);
                let file = local::create_file(&disk).map_err(StoreError::io("create", disk.display()))?;
                (Output::Local(Some(file)), Some(disk))
            }
            None => (Output::Remote(Box::new(BufWriter::new(Arc::clone(&target.store), object.clone()))), None),
        };
        let guard = FileGuard { store: Arc::clone(&target.store), object, disk, armed: true };
        let sink = Sink { output, shown, hasher: blake3::Hasher::new(), size: 0 };
        let properties = target.properties.clone();
        let writer = AsyncArrowWriter::try_new(sink, Arc::clone(&target.schema), Some(properties))
            .map_err(|error| target.write_error(error))?;
        Ok(Self { writer, path, rows: 0, guard })
    }

    fn size(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    async fn write(&mut self, target: &Target, batch: &RecordBatch) -> Result<(), StoreError> {
        self.writer.write(batch).await.map_err(|error| target.write_error(error))?;
        self.rows += batch.num_rows() as u64;
        if self.writer.memory_size() >= ROW_GROUP_BYTES.min(target.stream_bytes) {
            self.flush(target).await?;
        }
        Ok(())
    }

    /// Ends the row group.
    async fn flush(&mut self, target: &Target) -> Result<(), StoreError> {
        self.writer.flush().await.map_err(|error| target.write_error(error))
    }

    async fn close(mut self, target: &Target, key: &PartitionKey) -> Result<Staged, StoreError> {
        let footer = self.writer.finish().await.map_err(|error| target.write_error(error))?;
        let sink = self.writer.into_inner();
        let statistics = FileStatistics::from_footer(&target.schema, &footer, &target.partition_by);
        let file = DataFile {
            path: self.path,
            size: sink.size,
            rows: self.rows,
            partition_values: target.partition_by.iter().cloned().zip(key.iter().cloned()).collect(),
            statistics,
            hash: sink.hasher.finalize().to_hex().to_string(),
            modification_time: target.time,
        };
        Ok(Staged { file: Arc::new(file), guard: self.guard })
    }
}

/// A finished file that is still removed if nobody keeps it.
struct Staged {
    file: Arc<DataFile>,
    guard: FileGuard,
}

impl Staged {
    fn keep(mut self) -> Arc<DataFile> {
        self.guard.armed = false;
        self.file
    }
}

/// Removes its file when dropped, unless it was disarmed.
struct FileGuard {
    store: Arc<dyn ObjectStore>,
    object: ObjectPath,
    disk: Option<PathBuf>,
    armed: bool,
}

impl Drop for FileGuard {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        // What cannot be removed here is an orphan: no reader sees it, and the sweep finds it.
        if let Some(disk) = &self.disk {
            let _ = local::remove(disk);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, object) = (Arc::clone(&self.store), self.object.clone());
            runtime.spawn(async move {
                let _ = store.delete(&object).await;
            });
        }
    }
}

/// Where the bytes of a file go.
enum Output {
    /// `None` while a write is under way on another thread.
    Local(Option<File>),
    Remote(Box<BufWriter>),
}

/// Counts and hashes the bytes of a file on their way.
struct Sink {
    output: Output,
    shown: String,
    hasher: blake3::Hasher,
    size: u64,
}

impl Sink {
    fn failed(&self, error: std::io::Error) -> ParquetError {
        ParquetError::External(Box::new(StoreError::io("write", &self.shown)(error)))
    }

    async fn put(&mut self, bytes: Bytes) -> Result<(), ParquetError> {
        self.size += bytes.len() as u64;
        self.hasher.update(&bytes);
        let result = match &mut self.output {
            Output::Remote(writer) => writer.put(bytes).await.map_err(std::io::Error::from),
            Output::Local(file) => match file.take() {
                None => Err(std::io::Error::other("an earlier write was stopped")),
                Some(mut open) if bytes.len() < BLOCKING_BYTES => {
                    let result = open.write_all(&bytes);
                    *file = Some(open);
                    result
                }
                Some(mut open) => {
                    let work = tokio::task::spawn_blocking(move || open.write_all(&bytes).map(|()| open));
                    match work.await {
                        Ok(Ok(open)) => {
                            *file = Some(open);
                            Ok(())
                        }
                        Ok(Err(error)) => Err(error),
                        Err(error) => Err(std::io::Error::other(error)),
                    }
                }
            },
        };
        result.map_err(|error| self.failed(error))
    }

    async fn end(&mut self) -> Result<(), ParquetError> {
        let result = match &mut self.output {
            Output::Remote(writer) => writer.shutdown().await,
            Output::Local(_) => Ok(()),
        };
        result.map_err(|error| self.failed(error))
    }
}

impl AsyncFileWriter for Sink {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), ParquetError>> {
        self.put(bytes).boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, Result<(), ParquetError>> {
        self.end().boxed()
    }
}

/// Whether two types are decimals, the wanted one with at least as many digits behind the point. The engine's functions
/// do not always give the precision that its planner foretold (`round(sum(x), 1)`); a value that does not fit is an
/// error of the cast, not a loss.
fn differs_in_precision(given: &DataType, wanted: &DataType) -> bool {
    matches!((given, wanted), (DataType::Decimal128(_, given), DataType::Decimal128(_, wanted)) if given <= wanted)
}
