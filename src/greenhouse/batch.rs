//! A batch on its way: rows get their defects and their form, go to the files, and are added up for the manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use arrow::array::Array as _;

use crate::columns::{Rows, Tally};
use crate::delta;
use crate::dirt::{Defect, Spoiler};
use crate::disk;
use crate::drift;
use crate::encode::{Encoded, Encoder, Format, csv_header, refused};
use crate::failure::Failure;
use crate::manifest::{Change, Drift, FORM, Manifest, TableSummary, change_lines, defect_line};
use crate::output::{Output, Target, batch_name};
use crate::shop::Shop;
use crate::tables::{Form, TABLES, Table, schema};

/// What is done to a batch's files beside their rows.
#[derive(Debug, Clone, Default)]
pub struct FileDefects {
    /// Tables whose file ends in the middle of its last line.
    pub torn: Vec<Table>,
    /// Tables that get a further file without content.
    pub empty: Vec<Table>,
    /// Tables that get a further file with a header only.
    pub header_only: Vec<Table>,
}

/// Everything that the threads need to make rows ready.
pub struct Batch<'a> {
    /// The shop.
    pub shop: &'a Shop,
    /// Where the batch goes.
    pub target: Target,
    /// The load time of all rows.
    pub loaded: i64,
    spoiler: Spoiler,
    drift: Option<Drift>,
    encoders: BTreeMap<Table, Encoder>,
}

/// Rows of one table, ready to be appended.
pub struct Piece {
    table: Table,
    encoded: Encoded,
    rows: u64,
    nulls: Vec<u64>,
    tally: Tally,
    defects: Vec<Defect>,
}

impl<'a> Batch<'a> {
    /// A batch that will be loaded at an instant.
    pub fn new(
        shop: &'a Shop,
        target: Target,
        loaded: i64,
        spoiler: Spoiler,
        drift: Option<Drift>,
    ) -> Result<Self, Failure> {
        let mut batch = Self { shop, target, loaded, spoiler, drift, encoders: BTreeMap::new() };
        for table in TABLES {
            let is_divided = batch.target.layout.partition_by_date && table == Table::Events;
            let encoder = Encoder::new(table, batch.target.layout.format, batch.schema(table), is_divided)?;
            batch.encoders.insert(table, encoder);
        }
        Ok(batch)
    }

    /// The columns of a table's files.
    pub fn schema(&self, table: Table) -> arrow::datatypes::SchemaRef {
        let plain = schema(table, self.target.layout.form);
        if self.drifts(table) { drift::schema(table, &plain) } else { plain }
    }

    fn drifts(&self, table: Table) -> bool {
        self.drift.is_some_and(|drift| drift.table == table && self.target.batch >= drift.from)
    }

    /// Room for rows of a table.
    pub fn rows(&self, table: Table) -> Rows {
        // Defects are defects of texts.
        let form = self.target.layout.form;
        Rows::new(table, Form { raw: form.raw || self.spoiler.is_active(), ..form })
    }

    /// Makes rows ready. `is_first`: the first rows of the table in this batch.
    pub fn ready(&self, rows: Rows, is_first: bool) -> Result<Piece, Failure> {
        let table = rows.table;
        let mut chunk = rows.finish().map_err(refused(table))?;
        let mut defects = Vec::new();
        if self.spoiler.is_active() {
            chunk = self.spoiler.spoil(self.shop, chunk, self.target.layout.form, is_first, &mut defects)?;
        }
        let mut batch = chunk.batch;
        if self.drifts(table) {
            batch = drift::apply(table, &batch).map_err(refused(table))?;
        }
        let rows = batch.num_rows() as u64;
        let nulls = batch.columns().iter().map(|column| column.null_count() as u64).collect();
        let encoded = match self.encoders.get(&table) {
            Some(encoder) => encoder.encode(batch)?,
            None => Encoded::Lines(Vec::new()),
        };
        Ok(Piece { table, encoded, rows, nulls, tally: chunk.tally, defects })
    }

    /// Begins the batch's files.
    pub fn begin(&self) -> Result<Collector<'_, 'a>, Failure> {
        let mut defects = Vec::new();
        let preamble = |table: Table| -> Vec<u8> {
            let (bytes, kinds) = self.spoiler.preamble(self.shop, table, self.target.layout.format);
            let path = format!("{}/{}.csv", table.name(), batch_name(self.target.batch));
            defects.extend(kinds.iter().map(|kind| Defect::of_file(table, path.clone(), kind, None)));
            bytes
        };
        let mut preamble = preamble;
        let tables = TABLES.into_iter().map(|table| (table, self.schema(table), preamble(table))).collect();
        let output = Output::new(self.target.clone(), tables)?;
        let path = self.target.staging().join(self.target.own("dirt.ndjson"));
        let dirt = BufWriter::new(disk::create(&path)?);
        let mut collector = Collector {
            batch: self,
            output,
            dirt,
            file_defects: defects,
            tallies: BTreeMap::new(),
            rows: BTreeMap::new(),
            defects: BTreeMap::new(),
        };
        for table in TABLES.into_iter().filter(|table| self.drifts(*table)) {
            let clean = csv_header(&schema(table, self.target.layout.form));
            let path = format!("{}/{}.{}", table.name(), batch_name(self.target.batch), self.extension());
            collector.file_defects.push(Defect::of_file(table, path, "drift", Some(clean.trim_end().to_owned())));
        }
        Ok(collector)
    }

    fn extension(&self) -> &'static str {
        self.target.layout.format.extension()
    }
}

/// Takes the pieces of a batch in order.
pub struct Collector<'b, 'a> {
    batch: &'b Batch<'a>,
    output: Output,
    dirt: BufWriter<File>,
    /// Defects of files, told once it is known that the table has a file.
    file_defects: Vec<Defect>,
    tallies: BTreeMap<Table, Tally>,
    rows: BTreeMap<Table, u64>,
    defects: BTreeMap<String, u64>,
}

impl Collector<'_, '_> {
    /// Begins the files of all tables, so that each has one even without rows.
    pub fn open_all(&mut self) -> Result<(), Failure> {
        for table in TABLES {
            self.output.open(table)?;
            self.rows.entry(table).or_default();
        }
        Ok(())
    }

    /// Appends rows.
    pub fn take(&mut self, piece: Piece) -> Result<(), Failure> {
        if piece.rows == 0 {
            return Ok(());
        }
        let place = self.output.append(piece.table, piece.encoded, piece.rows, &piece.nulls)?;
        self.tallies.entry(piece.table).or_default().add(&piece.tally);
        *self.rows.entry(piece.table).or_default() += piece.rows;
        for mut defect in piece.defects {
            defect.row = defect.row.filter(|_| place.file.is_some()).map(|row| row + place.rows);
            defect.file.clone_from(&place.file);
            self.tell(&defect)?;
        }
        Ok(())
    }

    fn tell(&mut self, defect: &Defect) -> Result<(), Failure> {
        *self.defects.entry(defect.kind.to_owned()).or_default() += 1;
        let path = self.batch.target.staging().join(self.batch.target.own("dirt.ndjson"));
        self.dirt.write_all(defect_line(defect).as_bytes()).map_err(Failure::disk("write", &path))
    }

    /// Closes the files, adds what is wrong with whole files, and writes the manifest: the batch is then finished.
    pub fn seal(mut self, verb: &str, changes: &[Change], wanted: &FileDefects) -> Result<Manifest, Failure> {
        let batch = self.batch;
        let target = &batch.target;
        let output = std::mem::replace(&mut self.output, Output::new_empty(target.clone()));
        let mut files = output.finish()?;
        let has_file = |defect: &Defect| files.get(&defect.table).is_some_and(|files| !files.is_empty());
        let told: Vec<Defect> = self.file_defects.iter().filter(|defect| has_file(defect)).cloned().collect();
        for defect in told {
            self.tell(&defect)?;
        }
        for table in &wanted.torn {
            if let Some(file) = files.get_mut(table).and_then(|files| files.last_mut()) {
                let path = target.staging().join(&file.path);
                if let Some((size, line)) = last_line(&path)? {
                    disk::truncate(&path, size - line.len() as u64 / 2 - 1)?;
                    file.bytes = disk::size(&path)?;
                    let clean = Some(line.trim_end().to_owned());
                    self.tell(&Defect::of_file(*table, file.path.clone(), "torn", clean))?;
                }
            }
        }
        let further = wanted.empty.iter().map(|table| (*table, "empty", String::new()));
        let headers = wanted.header_only.iter().map(|table| (*table, "header_only", csv_header(&batch.schema(*table))));
        for (table, kind, content) in further.chain(headers) {
            let path = format!("{}/{}.{kind}.{}", table.name(), batch_name(target.batch), batch.extension());
            disk::write_new(&target.staging().join(&path), content.as_bytes())?;
            self.tell(&Defect::of_file(table, path, kind, None))?;
        }
        if target.layout.format == Format::Delta {
            delta::stage_commits(target, &files, &|table| batch.schema(table), batch.loaded)?;
        }
        let path = target.staging().join(target.own("dirt.ndjson"));
        self.dirt.flush().map_err(Failure::disk("write", &path))?;
        if !changes.is_empty() {
            let path = target.staging().join(target.own("changes.ndjson"));
            disk::write_new(&path, change_lines(changes).as_bytes())?;
        }
        let tables = files.into_iter().filter(|(table, files)| self.rows.contains_key(table) || !files.is_empty());
        let tables = tables.map(|(table, files)| {
            let tally = self.tallies.get(&table).copied().unwrap_or_default();
            let rows = self.rows.get(&table).copied().unwrap_or_default();
            (table.name().to_owned(), TableSummary::new(table, &tally, rows, files))
        });
        let manifest = Manifest {
            greenhouse: FORM,
            verb: verb.to_owned(),
            batch: target.batch,
            loaded: batch.loaded,
            tables: tables.collect(),
            defects: self.defects,
            layout: target.layout,
            drift: batch.drift,
            settings: batch.shop.settings.clone(),
        };
        disk::write_new(&target.staging().join(target.own("manifest.json")), manifest.text().as_bytes())?;
        Ok(manifest)
    }
}

/// The size of a file and its last line; none if it has fewer than two. A line break between quotes ends no line.
fn last_line(path: &std::path::Path) -> Result<Option<(u64, String)>, Failure> {
    let text = disk::read(path)?.unwrap_or_default();
    let lines = text.trim_end_matches('\n');
    let is_whole = |end: &usize| text[*end..].matches('"').count() % 2 == 0;
    let end = lines.rmatch_indices('\n').map(|(end, _)| end).find(is_whole);
    Ok(end.map(|end| (text.len() as u64, text[end + 1..].to_owned())))
}
