//! Parquet and Arrow IPC: schemas, reading, and casts that lose nothing.
//!
//! A value that does not fit the table's type is refused with file and column: a fraction for a whole number, a
//! decimal with too many digits, a number too large. Times are the exception: they are kept to the microsecond, as
//! everything the warehouse stores.

use std::io::{BufReader, Cursor, Read, Seek};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast_with_options;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use object_store::{GetResultPayload, ObjectStore as _, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use tokio::runtime::Handle;

use super::csv::{Chunk, Sink};
use super::error::{ExternalError, shortened};
use super::input::Input;
use super::text::{LENIENT, STRICT, Wanted};
use crate::engine::types::sql_type_of;

/// First bytes of an Arrow IPC file, as opposed to a stream.
const ARROW_MAGIC: &[u8] = b"ARROW1";

/// Bytes of the footer that are fetched at once: most footers are smaller.
const FOOTER_BYTES: usize = 64 << 10;

/// Lets the Parquet reader fetch ranges of a file.
struct Ranges(Input);

impl AsyncFileReader for Ranges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move { Ok(self.0.store.get_range(&self.0.meta.location, range).await?) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { Ok(self.0.store.get_ranges(&self.0.meta.location, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let size = self.0.meta.size;
            let reader = ParquetMetaDataReader::new()
                .with_metadata_options(options.map(|options| options.metadata_options().clone()))
                .with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

fn not_parquet(input: &Input) -> impl Fn(parquet::errors::ParquetError) -> ExternalError + '_ {
    |error| match error {
        parquet::errors::ParquetError::External(source) if source.downcast_ref::<object_store::Error>().is_some() => {
            ExternalError::Access { action: "read", path: input.shown.clone(), source }
        }
        error => input.damaged("Parquet", error.to_string()),
    }
}

/// Reads a Parquet file's footer.
pub(super) fn parquet_footer(input: &Input, handle: &Handle) -> Result<ArrowReaderMetadata, ExternalError> {
    let mut reader = Ranges(input.clone());
    handle.block_on(ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new())).map_err(not_parquet(input))
}

/// Reads row groups of a Parquet file.
pub(super) fn read_parquet(
    input: &Input,
    handle: &Handle,
    footer: &ArrowReaderMetadata,
    row_groups: Vec<usize>,
    wanted: &[Wanted],
    batch_rows: usize,
    sink: &mut Sink<'_>,
) -> Result<(), ExternalError> {
    let roots = roots(wanted);
    let mask = ProjectionMask::roots(footer.parquet_schema(), roots.iter().copied());
    let mut stream = ParquetRecordBatchStreamBuilder::new_with_metadata(Ranges(input.clone()), footer.clone())
        .with_projection(mask)
        .with_row_groups(row_groups)
        .with_batch_size(batch_rows)
        .build()
        .map_err(not_parquet(input))?;
    while let Some(batch) = handle.block_on(stream.next()) {
        if !sink(adapt(input, &batch.map_err(not_parquet(input))?, &roots, wanted)?)? {
            break;
        }
    }
    Ok(())
}

/// Positions of the wanted columns in the file, ascending.
fn roots(wanted: &[Wanted]) -> Vec<usize> {
    let mut roots: Vec<usize> = wanted.iter().map(|wanted| wanted.index).collect();
    roots.sort_unstable();
    roots
}

/// Casts the columns of a batch that has the given columns of the file.
fn adapt(input: &Input, batch: &RecordBatch, roots: &[usize], wanted: &[Wanted]) -> Result<Chunk, ExternalError> {
    let mut columns = Vec::with_capacity(wanted.len());
    for column in wanted {
        let array = roots
            .binary_search(&column.index)
            .ok()
            .and_then(|at| batch.columns().get(at))
            .ok_or_else(|| ExternalError::Changed { path: input.shown.clone() })?;
        columns.push(exact_cast(array, &column.data_type).map_err(|row| ExternalError::Cast {
            path: input.shown.clone(),
            column: column.name.clone(),
            value: shortened(&array_value_to_string(array, row).unwrap_or_default()),
            found: sql_type_of(array.data_type()),
            expected: sql_type_of(&column.data_type),
        })?);
    }
    Ok(Chunk { columns, lines: Vec::new(), rows: batch.num_rows() })
}

/// Casts without loss, or says which row cannot be cast.
fn exact_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, usize> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let cast = cast_with_options(array, to, &STRICT).map_err(|_| {
        cast_with_options(array, to, &LENIENT)
            .ok()
            .and_then(|cast| (0..array.len()).find(|row| array.is_valid(*row) && cast.is_null(*row)))
            .unwrap_or(0)
    })?;
    if may_round(array.data_type(), to) {
        // Whatever comes back unequal has lost digits.
        let back = cast_with_options(&cast, array.data_type(), &LENIENT).map_err(|_| 0_usize)?;
        let same = not_distinct(&back, array).map_err(|_| 0_usize)?;
        if let Some(row) = (0..array.len()).find(|row| !same.value(*row)) {
            return Err(row);
        }
    }
    Ok(cast)
}

/// Whether a cast between two types drops digits silently.
fn may_round(from: &DataType, to: &DataType) -> bool {
    let scale = |data_type: &DataType| match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    };
    match (scale(from), scale(to)) {
        (Some(from), Some(to)) => to < from,
        (Some(from), None) => from > 0 && to.is_integer(),
        _ => from.is_floating() && to.is_integer(),
    }
}

trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

fn not_arrow(input: &Input) -> impl Fn(arrow::error::ArrowError) -> ExternalError + '_ {
    |error| input.damaged("Arrow IPC", error.to_string())
}

/// Reads the schema of an Arrow IPC file or stream.
pub(super) fn arrow_schema(input: &Input, handle: &Handle) -> Result<SchemaRef, ExternalError> {
    let mut reader = input.open(handle)?;
    let mut next = || {
        let mut bytes = Vec::with_capacity(8);
        (&mut reader).take(8).read_to_end(&mut bytes).map(|_| bytes).map_err(|error| input.read_error(error))
    };
    let mut head = next()?;
    if head.starts_with(ARROW_MAGIC) {
        // Behind the magic and its padding (zeros to a multiple of at most 64 bytes), a file begins like a stream.
        for _ in 0..8 {
            head = next()?;
            if head.iter().any(|byte| *byte != 0) {
                break;
            }
        }
    }
    let stream = StreamReader::try_new(Cursor::new(head).chain(reader), None).map_err(not_arrow(input))?;
    Ok(stream.schema())
}

/// Reads an Arrow IPC file or stream. A local file is read piece by piece; another store's object is fetched whole.
pub(super) fn read_arrow(
    input: &Input,
    handle: &Handle,
    schema: &SchemaRef,
    wanted: &[Wanted],
    sink: &mut Sink<'_>,
) -> Result<(), ExternalError> {
    let result = handle.block_on(input.store.get(&input.meta.location)).map_err(input.access("read"))?;
    let mut reader: Box<dyn ReadSeek> = match result.payload {
        GetResultPayload::File(file, _) => Box::new(BufReader::new(file)),
        GetResultPayload::Stream(_) => {
            Box::new(Cursor::new(handle.block_on(result.bytes()).map_err(input.access("read"))?))
        }
    };
    let mut start = Vec::with_capacity(8);
    (&mut reader).take(8).read_to_end(&mut start).map_err(|error| input.read_error(error))?;
    reader.rewind().map_err(|error| input.read_error(error))?;
    let roots = roots(wanted);
    let projection = Some(roots.clone());
    let mut each = |batches: &mut dyn Iterator<Item = arrow::error::Result<RecordBatch>>| {
        for batch in batches {
            let batch = batch.map_err(not_arrow(input))?;
            let known = roots.iter().map(|at| schema.fields().get(*at).map(|field| field.name()));
            if !known.eq(batch.schema().fields().iter().map(|field| Some(field.name()))) {
                return Err(ExternalError::Changed { path: input.shown.clone() });
            }
            if !sink(adapt(input, &batch, &roots, wanted)?)? {
                break;
            }
        }
        Ok(())
    };
    if start.starts_with(ARROW_MAGIC) {
        let mut batches = FileReader::try_new(reader, projection).map_err(not_arrow(input))?;
        each(&mut batches)
    } else {
        let mut batches = StreamReader::try_new(reader, projection).map_err(not_arrow(input))?;
        each(&mut batches)
    }
}
