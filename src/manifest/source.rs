//! What a source over files declares: where the files are, what they hold, and what to do when they change.

use indexmap::IndexMap;

/// Format of external files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated (or otherwise delimited) text.
    Csv,
    /// One JSON object per line, or one JSON array of objects per file: told apart by the first character.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC file or stream.
    Arrow,
    /// A Delta table; the location is its folder.
    Delta,
}

impl FileFormat {
    /// The name as a project writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Delta => "delta",
        }
    }
}

/// What to do about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Take it silently.
    Allow,
    /// Take it and warn.
    Warn,
    /// Refuse.
    Fail,
}

/// What to do when a location matches no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFiles {
    /// An error.
    Fail,
    /// A warning; the source is empty.
    Warn,
    /// The source is empty.
    Empty,
}

/// A declared column of an external source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalColumn {
    /// Name as the SQL sees it.
    pub name: String,
    /// SQL type, such as `varchar` or `decimal(18,2)`; `None` means: as the file says, or inferred.
    pub data_type: Option<String>,
}

/// A source that lives in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalSource {
    /// Path or URL with globs, relative to the project; Jinja and placeholders already filled in.
    pub location: String,
    /// Format of the files.
    pub format: FileFormat,
    /// Options of the format as text: CSV `delimiter`, `header`, `quote`, `escape`, `comment`, `null_values`
    /// (comma-separated list, default the empty text), `compression` (`auto`, `gzip`, `zstd`, `bzip2`, `xz`, `none`).
    pub options: IndexMap<String, String>,
    /// Declared columns in order; empty means: all columns of the files.
    pub columns: Vec<ExternalColumn>,
    /// Columns in a file that are not declared (or, without declaration, not in the first file).
    pub on_new_column: Policy,
    /// Declared columns that a file lacks; allowed ones read as null.
    pub on_missing_column: Policy,
    /// A column whose type in a file differs from the declared or first one and is cast.
    pub on_type_change: Policy,
    /// No file at the location.
    pub missing_files: MissingFiles,
}
