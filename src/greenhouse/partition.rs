//! Events divided among folders, one for each day: `event_date=2024-01-31`. The day is that of `created_at`, on the
//! shop's clock.
//!
//! Sessions come in the order of their users, so every block has events of nearly every day. What is not yet written
//! of all days together is bounded: beyond the bound, the days with most of it write a row group.

use std::collections::BTreeMap;
use std::fs::File;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;

use crate::disk;
use crate::encode::{properties, refused};
use crate::failure::Failure;
use crate::output::{Finished, Target, batch_name, parquet_failure};
use crate::tables::Table;
use crate::time::{DAY, Written, parse_wall};

/// Rows in memory, of all days together.
const MOST_ROWS: usize = 1_500_000;

/// The name of the column that gives the folders.
pub const EVENT_DATE: &str = "event_date";

/// A day of events whose time cannot be read.
const NO_DAY: i64 = i64::MIN;

/// The open files of the days.
pub struct Partitions {
    target: Target,
    schema: SchemaRef,
    days: BTreeMap<i64, Day>,
    rows: usize,
}

#[derive(Default)]
struct Day {
    waiting: Vec<RecordBatch>,
    rows: usize,
    writer: Option<ArrowWriter<File>>,
    finished: Option<Finished>,
}

impl Partitions {
    /// No day yet.
    pub fn new(target: &Target, schema: &SchemaRef) -> Self {
        Self { target: target.clone(), schema: SchemaRef::clone(schema), days: BTreeMap::new(), rows: 0 }
    }

    /// Divides rows among the days.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let place = self.schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case("created_at"));
        let days = place.map(|place| days_of(batch.column(place))).unwrap_or_default();
        let mut rows_of: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (row, day) in days.into_iter().enumerate() {
            rows_of.entry(day).or_default().push(row as u64);
        }
        for (day, rows) in rows_of {
            let part = take_record_batch(batch, &UInt64Array::from(rows)).map_err(refused(Table::Events))?;
            let day = self.days.entry(day).or_default();
            day.rows += part.num_rows();
            self.rows += part.num_rows();
            day.waiting.push(part);
        }
        if self.rows > MOST_ROWS {
            let mut fullest: Vec<(usize, i64)> = self.days.iter().map(|(day, held)| (held.rows, *day)).collect();
            fullest.sort_unstable();
            while let Some((_, day)) = fullest.pop().filter(|_| self.rows > MOST_ROWS / 2) {
                self.write(day)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, number: i64) -> Result<(), Failure> {
        let Some(day) = self.days.get_mut(&number).filter(|day| day.rows > 0) else { return Ok(()) };
        let rows = concat_batches(&self.schema, &day.waiting).map_err(refused(Table::Events))?;
        self.rows -= day.rows;
        day.rows = 0;
        day.waiting.clear();
        let finished = day.finished.get_or_insert_with(|| {
            let text = match number {
                NO_DAY => "__HIVE_DEFAULT_PARTITION__".to_owned(),
                _ => Written { wall: number * DAY, offset: None }.to_string()[..10].to_owned(),
            };
            let path =
                format!("{}/{EVENT_DATE}={text}/{}-0001.parquet", Table::Events.name(), batch_name(self.target.batch));
            Finished { path, rows: 0, bytes: 0, nulls: Vec::new(), day: (number != NO_DAY).then_some(text) }
        });
        finished.rows += rows.num_rows() as u64;
        finished.nulls.resize(rows.num_columns(), 0);
        for (sum, column) in finished.nulls.iter_mut().zip(rows.columns()) {
            *sum += column.null_count() as u64;
        }
        let failure = parquet_failure(&self.target, &finished.path);
        let writer = match &mut day.writer {
            Some(writer) => writer,
            None => {
                let file = disk::create(&self.target.staging().join(&finished.path))?;
                let properties = Some(properties(Table::Events));
                let writer = ArrowWriter::try_new(file, SchemaRef::clone(&self.schema), properties);
                day.writer.insert(writer.map_err(&failure)?)
            }
        };
        writer.write(&rows).and_then(|()| writer.flush()).map_err(failure)
    }

    /// Writes what waits and closes all files.
    pub fn finish(mut self) -> Result<Vec<Finished>, Failure> {
        let days: Vec<i64> = self.days.keys().copied().collect();
        for day in days {
            self.write(day)?;
        }
        let mut all = Vec::new();
        for day in self.days.into_values() {
            if let (Some(writer), Some(finished)) = (day.writer, day.finished) {
                writer.close().map_err(parquet_failure(&self.target, &finished.path))?;
                all.push(finished);
            }
        }
        Ok(all)
    }
}

/// The day of each time, as days since 1970.
fn days_of(times: &ArrayRef) -> Vec<i64> {
    match times.data_type() {
        DataType::Utf8 => {
            let day = |text: Option<&str>| text.and_then(parse_wall).map_or(NO_DAY, |wall| wall.div_euclid(DAY));
            times.as_string::<i32>().iter().map(day).collect()
        }
        _ => {
            let times = times.as_primitive_opt::<TimestampMicrosecondType>();
            let day = |time: Option<i64>| time.map_or(NO_DAY, |time| time.div_euclid(DAY * 1_000_000));
            times.map(|times| times.iter().map(day).collect()).unwrap_or_default()
        }
    }
}
