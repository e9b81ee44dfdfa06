//! The files of a batch: written aside, then put into the table's folders all together.
//!
//! While it is written, a batch lies in `_greenhouse/staging`. Its manifest comes there last. From then on it is
//! finished: should the program end while the files are being moved, the next run moves the rest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use parquet::file::writer::SerializedFileWriter;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::encode::{Encoded, Format, csv_header, file_writer, refused};
use crate::failure::Failure;
use crate::partition::Partitions;
use crate::tables::{Form, TABLES, Table};

/// The folder, beside those of the tables, of everything that is not data.
pub const OWN_FOLDER: &str = "_greenhouse";

/// Where a batch goes, and in what form.
#[derive(Debug, Clone)]
pub struct Target {
    /// The folder with one folder for each table.
    pub landing: PathBuf,
    /// The batch's number.
    pub batch: u64,
    /// Form of files.
    pub layout: Layout,
}

/// The form of files; a batch has that of the first load unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Form of files.
    pub format: Format,
    /// How values and names are written.
    pub form: Form,
    /// Whether each day of events has a folder of its own.
    pub partition_by_date: bool,
    /// Size at which a Parquet file is closed and another begun, in bytes.
    pub file_bytes: u64,
}

/// A file of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Path below the landing folder.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// How many nulls each column has, in the order of the columns.
    #[serde(skip)]
    pub nulls: Vec<u64>,
    /// The day of its events, if days have folders.
    #[serde(skip)]
    pub day: Option<String>,
}

enum Writer {
    Lines(BufWriter<File>),
    Columns(Box<SerializedFileWriter<File>>),
}

struct Open {
    writer: Writer,
    finished: Finished,
}

/// The files of one table.
struct TableFiles {
    schema: SchemaRef,
    open: Option<Open>,
    finished: Vec<Finished>,
    partitions: Option<Partitions>,
    /// What comes before the header of a CSV file.
    preamble: Vec<u8>,
}

/// The files of a batch that is being written.
pub struct Output {
    target: Target,
    tables: BTreeMap<Table, TableFiles>,
}

/// Where the rows of a piece went.
#[derive(Debug, Clone)]
pub struct Place {
    /// Path of the file below the landing folder; none if the rows went to several files.
    pub file: Option<String>,
    /// How many rows the file had before.
    pub rows: u64,
}

/// The name of a batch, such as `batch-000001`.
pub fn batch_name(batch: u64) -> String {
    format!("batch-{batch:06}")
}

impl Target {
    /// The folder in which the batch is written.
    pub fn staging(&self) -> PathBuf {
        self.landing.join(OWN_FOLDER).join("staging")
    }

    /// Where a file of the batch's own folder will be, below the landing folder.
    pub fn own(&self, name: &str) -> String {
        format!("{OWN_FOLDER}/{}/{name}", batch_name(self.batch))
    }
}

impl Output {
    /// Begins a batch of tables with these schemas, each with what comes before its CSV header.
    pub fn new(target: Target, tables: Vec<(Table, SchemaRef, Vec<u8>)>) -> Result<Self, Failure> {
        disk::remove_folder(&target.staging())?;
        let by_date = target.layout.partition_by_date;
        let files = |table, schema: SchemaRef, preamble| TableFiles {
            partitions: (by_date && table == Table::Events).then(|| Partitions::new(&target, &schema)),
            schema,
            open: None,
            finished: Vec::new(),
            preamble,
        };
        let tables = tables.into_iter().map(|(table, schema, preamble)| (table, files(table, schema, preamble)));
        let tables = tables.collect();
        Ok(Self { target, tables })
    }

    /// A batch without tables.
    pub fn new_empty(target: Target) -> Self {
        Self { target, tables: BTreeMap::new() }
    }

    /// Begins a table's file, so that the table has one even without rows.
    pub fn open(&mut self, table: Table) -> Result<(), Failure> {
        let target = &self.target;
        match self.tables.get_mut(&table) {
            Some(files) if files.open.is_none() && files.partitions.is_none() => files.begin(target, table).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Appends rows to a table.
    pub fn append(&mut self, table: Table, encoded: Encoded, rows: u64, nulls: &[u64]) -> Result<Place, Failure> {
        let target = &self.target;
        let Some(files) = self.tables.get_mut(&table) else { return Ok(Place { file: None, rows: 0 }) };
        if let Encoded::Rows(batch) = &encoded {
            if let Some(partitions) = &mut files.partitions {
                partitions.append(batch)?;
            }
            return Ok(Place { file: None, rows: 0 });
        }
        let open = match files.open.take() {
            Some(open) => files.open.insert(open),
            None => files.begin(target, table)?,
        };
        let before = open.finished.rows;
        let path = open.finished.path.clone();
        open.finished.rows += rows;
        open.finished.nulls.resize(nulls.len(), 0);
        open.finished.nulls.iter_mut().zip(nulls).for_each(|(sum, nulls)| *sum += nulls);
        let mut is_full = false;
        match (&mut open.writer, encoded) {
            (Writer::Lines(file), Encoded::Lines(lines)) => {
                file.write_all(&lines).map_err(Failure::disk("write", &target.staging().join(&path)))?;
            }
            (Writer::Columns(file), Encoded::RowGroup(chunks)) if rows > 0 => {
                let mut group = file.next_row_group().map_err(parquet_failure(target, &path))?;
                for chunk in chunks {
                    chunk.append_to_row_group(&mut group).map_err(parquet_failure(target, &path))?;
                }
                group.close().map_err(parquet_failure(target, &path))?;
                is_full = file.bytes_written() as u64 >= target.layout.file_bytes;
            }
            _ => {}
        }
        if is_full {
            files.close(target)?;
        }
        Ok(Place { file: Some(path), rows: before })
    }

    /// Closes all files and says what was written, by table.
    pub fn finish(mut self) -> Result<BTreeMap<Table, Vec<Finished>>, Failure> {
        let mut all = BTreeMap::new();
        for (table, files) in &mut self.tables {
            files.close(&self.target)?;
            if let Some(partitions) = files.partitions.take() {
                files.finished.extend(partitions.finish()?);
            }
            for finished in &mut files.finished {
                finished.bytes = disk::size(&self.target.staging().join(&finished.path))?;
            }
            all.insert(*table, std::mem::take(&mut files.finished));
        }
        Ok(all)
    }
}

impl TableFiles {
    fn begin(&mut self, target: &Target, table: Table) -> Result<&mut Open, Failure> {
        let layout = target.layout;
        let name = batch_name(target.batch);
        let name = match layout.format {
            // Columnar files are closed at a size, so a batch may have several.
            Format::Parquet | Format::Delta => format!("{name}-{:04}", self.finished.len() + 1),
            Format::Csv | Format::Ndjson => name,
        };
        let path = format!("{}/{name}.{}", table.name(), layout.format.extension());
        let staged = target.staging().join(&path);
        let file = disk::create(&staged)?;
        let writer = match layout.format {
            Format::Parquet | Format::Delta => {
                Writer::Columns(Box::new(file_writer(file, table, &self.schema).map_err(refused(table))?))
            }
            Format::Csv | Format::Ndjson => {
                let mut file = BufWriter::with_capacity(1 << 20, file);
                if layout.format == Format::Csv {
                    let header = csv_header(&self.schema);
                    let begun = file.write_all(&self.preamble).and_then(|()| file.write_all(header.as_bytes()));
                    begun.map_err(Failure::disk("write", &staged))?;
                }
                Writer::Lines(file)
            }
        };
        let finished = Finished { path, rows: 0, bytes: 0, nulls: Vec::new(), day: None };
        Ok(self.open.insert(Open { writer, finished }))
    }

    fn close(&mut self, target: &Target) -> Result<(), Failure> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let path = target.staging().join(&open.finished.path);
        match open.writer {
            Writer::Lines(mut file) => file.flush().map_err(Failure::disk("write", &path))?,
            Writer::Columns(file) => {
                file.close().map_err(parquet_failure(target, &open.finished.path))?;
            }
        }
        self.finished.push(open.finished);
        Ok(())
    }
}

/// What a Parquet writer refuses is nearly always the disk's doing.
pub fn parquet_failure(target: &Target, path: &str) -> impl Fn(parquet::errors::ParquetError) -> Failure {
    let path = target.staging().join(path);
    move |error| Failure::disk("write", &path)(std::io::Error::other(error.to_string()))
}

/// Puts a finished batch in its place; nothing if there is none. Says whether there was one.
pub fn publish(landing: &Path) -> Result<bool, Failure> {
    let staging = landing.join(OWN_FOLDER).join("staging");
    let files = disk::files_below(&staging)?;
    let manifest = files.iter().find(|path| path.starts_with(OWN_FOLDER) && path.ends_with("manifest.json"));
    let Some(manifest) = manifest else {
        disk::remove_folder(&staging)?;
        return Ok(false);
    };
    let is_commit = |path: &Path| path.components().any(|part| part.as_os_str() == "_delta_log");
    for table in TABLES {
        let own: Vec<&PathBuf> = files.iter().filter(|path| path.starts_with(table.name())).collect();
        for path in own.iter().filter(|path| !is_commit(path)) {
            disk::place(&staging.join(path), &landing.join(path))?;
        }
        // The files of a commit are there before the commit is.
        for path in own.iter().filter(|path| is_commit(path)) {
            let commit = disk::read(&staging.join(path))?.unwrap_or_default();
            if disk::read(&landing.join(path))?.as_ref() != Some(&commit) {
                disk::write_new(&landing.join(path), commit.as_bytes())?;
            }
        }
    }
    let rest = files.iter().filter(|path| path.starts_with(OWN_FOLDER) && *path != manifest);
    for path in rest.chain([manifest]) {
        disk::place(&staging.join(path), &landing.join(path))?;
    }
    disk::remove_folder(&staging)?;
    Ok(true)
}
