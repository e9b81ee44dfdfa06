//! What can go wrong with files outside the warehouse: every variant names the file, and line and column as known.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;

use datafusion::error::DataFusionError;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::source::{Location, SourceFile};

/// A cause from another library.
pub type Cause = Box<dyn Error + Send + Sync>;

/// A source, a seed or one of their files that cannot be read as declared.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// A location that is not a path, a URL or a pattern.
    #[error("the location `{location}` cannot be used: {reason}")]
    Location {
        /// As declared.
        location: String,
        /// Why not.
        reason: String,
    },
    /// Nothing at the location.
    #[error("no file matches `{location}`")]
    NoFiles {
        /// As declared.
        location: String,
    },
    /// A location without a pattern that is a folder.
    #[error("`{location}` is a folder; name its files with a pattern such as `{example}`")]
    Folder {
        /// As declared.
        location: String,
        /// A pattern that takes the files below it.
        example: String,
    },
    /// No file has columns and none are declared.
    #[error("`{location}` has no columns: no file has any and none are declared")]
    NoColumns {
        /// As declared.
        location: String,
    },
    /// The disk or the object store refused.
    #[error("cannot {action} `{path}`: {source}")]
    Access {
        /// What was being done, as a verb.
        action: &'static str,
        /// To which path.
        path: String,
        /// What the system said.
        source: Cause,
    },
    /// An option that is unknown or has a value that it cannot have.
    #[error("option `{name}`: found `{value}`, expected {expected}")]
    Option {
        /// Name of the option.
        name: String,
        /// Its value as found.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A declared type that is not a type.
    #[error("column `{column}`: {source}")]
    Type {
        /// Name of the column.
        column: String,
        /// What is wrong with its type.
        source: crate::engine::types::TypeError,
    },
    /// A file of zero bytes where a header is expected.
    #[error("`{path}` is empty: expected at least a header line")]
    EmptyFile {
        /// The file.
        path: String,
    },
    /// Bytes that are not UTF-8 text.
    #[error("{path}:{line}: not UTF-8 text: {detail}")]
    Encoding {
        /// The file.
        path: String,
        /// Line, from 1.
        line: u64,
        /// What was found where.
        detail: String,
    },
    /// A header line with names that cannot be columns.
    #[error("{path}:{line}: {reason}")]
    Header {
        /// The file.
        path: String,
        /// Line of the header, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file whose columns cannot be told apart.
    #[error("`{path}`: {reason}")]
    Columns {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A record with more or fewer fields than the header.
    #[error("{path}:{line}: found {found} field{}, expected {expected}", if *found == 1 { "" } else { "s" })]
    Ragged {
        /// The file.
        path: String,
        /// Line where the record begins.
        line: u64,
        /// Number of fields found.
        found: usize,
        /// Number of columns.
        expected: usize,
    },
    /// Text that does not follow the format's grammar.
    #[error("{path}:{line}: {detail}")]
    Syntax {
        /// The file.
        path: String,
        /// Line, from 1.
        line: u64,
        /// What was found and expected.
        detail: String,
    },
    /// A value that is not of its column's type.
    #[error("{path}:{line}: column `{column}`: `{value}` is not a valid {expected}{hint}")]
    Value {
        /// The file.
        path: String,
        /// Line where the record begins.
        line: u64,
        /// Name of the column.
        column: String,
        /// The value, shortened when long.
        value: String,
        /// The type that was wanted, as SQL spells it.
        expected: String,
        /// Where the type comes from when it was inferred, else empty.
        hint: &'static str,
    },
    /// A value of a Parquet or Arrow file that does not fit the column's type.
    #[error("`{path}`: column `{column}`: `{value}` ({found}) does not fit {expected}")]
    Cast {
        /// The file.
        path: String,
        /// Name of the column.
        column: String,
        /// The value, shortened when long.
        value: String,
        /// Its type in the file.
        found: String,
        /// The type that was wanted.
        expected: String,
    },
    /// A file that does not hold what its format demands, or was cut off.
    #[error("`{path}` is damaged or not {format}: {detail}")]
    Damaged {
        /// The file.
        path: String,
        /// The format it should have.
        format: &'static str,
        /// What the reader said.
        detail: String,
    },
    /// A file that is not what it was when the source was opened.
    #[error("`{path}` changed while it was being read")]
    Changed {
        /// The file.
        path: String,
    },
    /// A column that is not declared, or not in the first file.
    #[error("`{path}`: column `{column}` is new: it is not {expected}")]
    NewColumn {
        /// The file.
        path: String,
        /// Name of the column.
        column: String,
        /// Where it was looked for: `declared` or `in <first file>`.
        expected: String,
    },
    /// A declared column, or one of the first file, that a file lacks.
    #[error("`{path}`: column `{column}` is missing: it is {expected}")]
    MissingColumn {
        /// The file.
        path: String,
        /// Name of the column.
        column: String,
        /// Where it is: `declared` or `in <first file>`.
        expected: String,
    },
    /// A column whose type differs from the declared one, or that of the first file.
    #[error("`{path}`: column `{column}` is {found}, expected {expected}")]
    TypeChange {
        /// The file.
        path: String,
        /// Name of the column.
        column: String,
        /// Type in this file.
        found: String,
        /// Declared type, or that of the first file.
        expected: String,
    },
    /// A problem with the line of the file that it is about.
    #[error("{error}")]
    Shown {
        /// The problem.
        error: Box<ExternalError>,
        /// The line.
        excerpt: Arc<SourceFile>,
    },
    /// Several problems at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<ExternalError>),
}

impl ExternalError {
    /// One error of many problems; `None` when there is no problem.
    pub(super) fn of_all(mut problems: Vec<Self>) -> Option<Self> {
        match problems.len() {
            0 => None,
            1 => problems.pop(),
            _ => Some(Self::Several(problems)),
        }
    }

    /// The error that a query failed with, if a file was the cause.
    pub fn find(error: &DataFusionError) -> Option<&Self> {
        let mut current: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = current {
            if let Some(found) = cause.downcast_ref::<Self>() {
                return Some(found);
            }
            // `External` and `Shared` hide their content from `source()`: the content itself is a level, too.
            current = match cause.downcast_ref::<DataFusionError>() {
                Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
                _ => match cause.downcast_ref::<arrow::error::ArrowError>() {
                    Some(arrow::error::ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
                    _ => cause.source(),
                },
            };
        }
        None
    }

    /// Stable name of the problem, in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Location { .. } => "source-location",
            Self::NoFiles { .. } => "source-no-files",
            Self::Folder { .. } => "source-is-folder",
            Self::NoColumns { .. } => "source-no-columns",
            Self::Access { .. } => "source-access",
            Self::Option { .. } => "source-option",
            Self::Type { .. } => "source-column-type",
            Self::EmptyFile { .. } => "source-empty-file",
            Self::Encoding { .. } => "source-encoding",
            Self::Header { .. } | Self::Columns { .. } => "source-header",
            Self::Ragged { .. } => "source-ragged-row",
            Self::Syntax { .. } => "source-syntax",
            Self::Value { .. } | Self::Cast { .. } => "source-value",
            Self::Damaged { .. } => "source-damaged-file",
            Self::Changed { .. } => "source-changed",
            Self::NewColumn { .. } => "source-new-column",
            Self::MissingColumn { .. } => "source-missing-column",
            Self::TypeChange { .. } => "source-type-change",
            Self::Shown { error, .. } => error.code(),
            Self::Several(_) => "source-problems",
        }
    }

    /// The problem without the line of the file.
    pub fn bare(&self) -> &Self {
        match self {
            Self::Shown { error, .. } => error,
            other => other,
        }
    }

    /// The line of a text file that the problem is about, from 1.
    fn line(&self) -> Option<u64> {
        match self {
            Self::Encoding { line, .. }
            | Self::Header { line, .. }
            | Self::Ragged { line, .. }
            | Self::Syntax { line, .. }
            | Self::Value { line, .. } => Some(*line),
            Self::EmptyFile { .. } => Some(1),
            _ => None,
        }
    }

    /// The same with the lines that it is about; `read` gives the text of a line.
    pub(super) fn with_lines(self, read: &dyn Fn(u64) -> Option<Arc<SourceFile>>) -> Self {
        if let Self::Several(all) = self {
            return Self::Several(all.into_iter().map(|error| error.with_lines(read)).collect());
        }
        match self.line().and_then(read) {
            Some(excerpt) => Self::Shown { error: Box::new(self), excerpt },
            None => self,
        }
    }

    /// The bytes of a line that the problem is about.
    fn range_in(&self, line: &str) -> Range<usize> {
        let wanted = match self {
            Self::Value { value, .. } => value.trim_end_matches('…'),
            Self::Encoding { .. } => "\u{fffd}",
            _ => "",
        };
        match line.find(wanted).filter(|_| !wanted.is_empty()) {
            Some(at) => at..at + wanted.len(),
            None => 0..line.len(),
        }
    }

    /// What the user could do about it.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoFiles { .. } => Some("set `missing_files: warn` or `empty` if the files may come later"),
            Self::EmptyFile { .. } => {
                Some("a data file begins with a header; the option `allow_empty: true` of a source skips empty files")
            }
            Self::NewColumn { .. } => Some("declare the column, or set `on_new_column: warn` or `allow`"),
            Self::MissingColumn { .. } => Some("set `on_missing_column: warn` or `allow` to read it as null"),
            Self::TypeChange { .. } => Some("declare the column's type, or set `on_type_change: warn` or `allow`"),
            Self::Ragged { .. } => Some("check the delimiter and the quotes of this record"),
            Self::Encoding { .. } => Some("convert the file to UTF-8"),
            Self::Syntax { .. } => Some("correct the file at this line, or the `quote` and `escape` of the source"),
            Self::Value { .. } | Self::Cast { .. } => {
                Some("correct the file, or declare the column as `varchar` and convert it with `try_cast`")
            }
            Self::Header { .. } => Some("give each column of the header a name of its own"),
            Self::Damaged { .. } => Some("load the file again, or correct the `format` of the source"),
            Self::Changed { .. } => Some("let files appear in one step (write, then rename), and run again"),
            Self::Folder { .. } | Self::Location { .. } => Some("locations are relative to the project's folder"),
            Self::NoColumns { .. } => Some("declare the columns of the table"),
            Self::Type { .. } => Some("use a SQL type such as `bigint`, `varchar`, `decimal(10, 2)` or `timestamp`"),
            _ => None,
        }
    }

    /// The problems one by one, as the user sees them; the caller adds the place where the source is declared.
    pub fn diagnostics(&self) -> Diagnostics {
        self.reported(Diagnostic::error)
    }

    /// The same as a warning, for policies that let the problem pass.
    pub(super) fn warning(&self) -> Diagnostic {
        Diagnostic::warning(self.code(), self.to_string())
    }

    fn reported(&self, make: fn(&'static str, String) -> Diagnostic) -> Diagnostics {
        match self {
            Self::Several(all) => Diagnostics(all.iter().flat_map(|problem| problem.reported(make).0).collect()),
            Self::Shown { error, excerpt } => {
                let place = Location::new(excerpt, error.range_in(&excerpt.text));
                let found = error.reported(make).0.into_iter();
                Diagnostics(found.map(|diagnostic| diagnostic.at(place.clone(), "")).collect())
            }
            one => {
                let diagnostic = make(one.code(), one.to_string());
                match one.hint() {
                    Some(hint) => diagnostic.with_hint(hint).into(),
                    None => diagnostic.into(),
                }
            }
        }
    }
}

impl From<ExternalError> for DataFusionError {
    fn from(error: ExternalError) -> Self {
        Self::External(Box::new(error))
    }
}

/// A value for a message: at most 80 characters, control characters escaped.
pub(super) fn shortened(value: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = value.chars().take(MOST).flat_map(EscapeControl::escape_control).collect();
    if value.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

/// Escapes control characters only.
trait EscapeControl {
    fn escape_control(self) -> Vec<char>;
}

impl EscapeControl for char {
    fn escape_control(self) -> Vec<char> {
        if self.is_control() { self.escape_default().collect() } else { vec![self] }
    }
}
