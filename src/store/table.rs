//! The content of a table: its columns and its data files, staged or published.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use indexmap::IndexMap;

use crate::manifest::relation::Relation;
use crate::store::statistics::FileStatistics;

/// One Parquet file of a table. The file has all columns, those of the partitions too.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Path relative to the table's folder, with `/`; made of characters that need no encoding.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Number of rows.
    pub rows: u64,
    /// The values of the partition columns, as Delta spells them; `None` is null.
    pub partition_values: IndexMap<String, Option<String>>,
    /// Bounds and null counts.
    pub statistics: FileStatistics,
    /// BLAKE3 of the file's bytes, in hexadecimal.
    pub hash: String,
    /// When it was written, in milliseconds since 1970.
    pub modification_time: i64,
}

impl DataFile {
    /// What the files of a table are sorted by: the order of writes, then the order within a write.
    pub(super) fn order(&self) -> (i64, &str) {
        (self.modification_time, &self.path)
    }
}

/// What a table tells its readers about itself: Delta's description of the table, and comments of its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDocs {
    /// Of the whole table; `None` says nothing, so that what is there stays.
    pub description: Option<String>,
    /// Of its columns by their names; `None` says nothing.
    pub columns: Option<BTreeMap<String, String>>,
}

impl TableDocs {
    /// These, and where they say nothing the ones that are there. An empty text is none, as it is in the log.
    #[must_use]
    pub fn over(&self, there: &Self) -> Self {
        let mut columns = self.columns.clone().or_else(|| there.columns.clone()).unwrap_or_default();
        columns.retain(|_, comment| !comment.is_empty());
        let description = self.description.clone().or_else(|| there.description.clone());
        Self {
            description: description.filter(|text| !text.is_empty()),
            columns: (!columns.is_empty()).then_some(columns),
        }
    }

    /// The comment of a column.
    pub(super) fn of_column(&self, name: &str) -> Option<&String> {
        self.columns.as_ref()?.get(name)
    }
}

/// The content of a table: what readers see, or would see if it were published.
#[derive(Debug, Clone)]
pub struct TableVersion {
    /// The table.
    pub relation: Relation,
    /// Its columns, all of them [storable](crate::store::storable_schema).
    pub schema: SchemaRef,
    /// The columns by which files are separated.
    pub partition_by: Vec<String>,
    /// Its files; none is an empty table.
    pub files: Vec<Arc<DataFile>>,
    /// What it tells about itself.
    pub docs: TableDocs,
    /// Delta's version; `None` while staged.
    pub version: Option<u64>,
}

impl TableVersion {
    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// A hash of the columns and of all files' bytes. Equal hashes mean equal content; the same rows written in
    /// another order have another hash.
    pub fn content_hash(&self) -> String {
        let mut lines: Vec<_> = self.files.iter().map(|file| format!("{} {}", file.hash, file.rows)).collect();
        lines.sort();
        let mut text = String::new();
        for field in self.schema.fields() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {} {}", field.name(), field.data_type(), field.is_nullable());
        }
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }
}
