//! Sources that live in files outside the warehouse: delimited text, JSON, Parquet, Arrow IPC, foreign Delta tables.
//!
//! [`open_external`] finds the files, looks at the header of each, settles the columns by what is declared and by the
//! source's policies, and returns a table provider that reads as the engine asks. Whatever is wrong with a file is an
//! [`ExternalError`] that names it; a query that fails while reading carries one, see [`ExternalError::find`].
//!
//! Every table has `_karat_file` (path of the file, relative to the project when inside of it) behind its own columns,
//! text formats also `_karat_line` (line on which the record begins); `select *` includes them. A file that has a
//! column of such a name keeps its own.
//!
//! Nothing here writes, and nothing caches: a source is opened once per run.

mod columnar;
mod csv;
mod delta;
mod drift;
mod error;
mod input;
mod json;
mod location;
mod records;
mod scan;
mod seed;
#[cfg(test)]
mod tests;
mod text;

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::runtime::Handle;

pub use delta::DeltaOpener;
pub use error::{Cause, ExternalError};
pub use location::StoreLookup;
pub use scan::{FILE_COLUMN, LINE_COLUMN};
pub use seed::read_seed;

use crate::base::diagnostic::Diagnostics;
use crate::engine::types::{TypeError, data_type_of, plain_type};
use crate::manifest::source::{ExternalSource, FileFormat, MissingFiles};
use csv::TextOptions;
use drift::{FileShape, Unified, unify};
use input::{Input, guarded};
use location::Place;
use scan::{Content, Files, FilesTable, TableFile, with_origin};
use text::Guess;

/// Files whose headers are looked at together.
const OPEN_AT_ONCE: usize = 8;

/// What opening a source needs from its caller.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The project folder: relative locations begin there.
    pub project_root: &'a Path,
    /// Object stores of URLs other than local files.
    pub stores: &'a StoreLookup,
    /// Opens Delta tables.
    pub delta: &'a dyn DeltaOpener,
}

/// A source that has been opened.
#[derive(Debug)]
pub struct ExternalTable {
    /// The table.
    pub provider: Arc<dyn TableProvider>,
    /// Differences that the source's policies let pass; the caller adds where the source is declared.
    pub warnings: Diagnostics,
    /// The files found, ordered by path.
    pub files: Vec<ExternalFile>,
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalFile {
    /// Path as `_karat_file` shows it.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// Opens a source.
pub async fn open_external(spec: &ExternalSource, access: Access<'_>) -> Result<ExternalTable, ExternalError> {
    let declared = declared_columns(spec)?;
    let options = text_options(spec)?;
    let place = Place::new(&spec.location, access.project_root, access.stores)?;
    if spec.format == FileFormat::Delta {
        return open_delta(spec, &declared, &place, access.delta).await;
    }
    let found = place.list().await?.files;
    if found.is_empty() {
        return empty(spec, &declared, options);
    }
    let files: Vec<ExternalFile> = found
        .iter()
        .map(|file| ExternalFile { path: file.shown.clone(), size: file.meta.size, modified: file.meta.last_modified })
        .collect();
    let inputs =
        found.into_iter().map(|file| Input { store: Arc::clone(&place.store), meta: file.meta, shown: file.shown });
    let names: Arc<Vec<String>> = Arc::new(declared.iter().map(|(name, _)| name.clone()).collect());
    let handle = Handle::current();
    let looks: Vec<Option<Look>> = futures::stream::iter(inputs)
        .map(|input| {
            let (handle, names, options, format) = (handle.clone(), Arc::clone(&names), options.clone(), spec.format);
            blocking(move || {
                let shown = input.shown.clone();
                let read = input.clone();
                guarded(&shown, || look(input, format, &handle, &options, &names))
                    .map_err(|error| error.with_lines(&|line| read.line(&handle, options.compression, line)))
            })
        })
        .buffered(OPEN_AT_ONCE)
        .try_collect()
        .await?;
    let looks: Vec<Look> = looks.into_iter().flatten().collect();

    let shapes: Vec<FileShape<'_>> = looks.iter().map(Look::shape).collect();
    let Unified { columns, maps, warnings } = unify(&declared, &shapes, spec)?;
    if columns.is_empty() {
        return Err(ExternalError::NoColumns { location: spec.location.clone() });
    }
    let known: Vec<Option<DataType>> = columns.iter().map(|(_, data_type)| data_type.clone()).collect();
    let (types, looks, maps) = match spec.format {
        FileFormat::Csv => {
            let options = options.clone();
            blocking(move || guess_csv(&known, looks, maps, &options, &handle)).await?
        }
        FileFormat::Json => (guess_json(&known, &looks, &maps, &options), looks, maps),
        _ => (known.into_iter().map(|known| (known.unwrap_or(DataType::Utf8), false)).collect(), looks, maps),
    };
    let fields =
        columns.iter().zip(&types).map(|((name, _), (data_type, _))| Field::new(name, data_type.clone(), true));
    let lines = matches!(spec.format, FileFormat::Csv | FileFormat::Json);
    let table = Files {
        schema: with_origin(fields.collect(), lines),
        columns: columns.len(),
        inferred: types.iter().map(|(_, inferred)| *inferred).collect(),
        all: looks
            .into_iter()
            .zip(maps)
            .map(|(look, map)| Arc::new(TableFile { input: look.input, content: look.content, map }))
            .collect(),
        options,
        on_new: spec.on_new_column,
        declared: !declared.is_empty(),
    };
    Ok(ExternalTable { provider: Arc::new(FilesTable(Arc::new(table))), warnings, files })
}

/// The declared columns with their types; all problems are reported.
fn declared_columns(spec: &ExternalSource) -> Result<Vec<(String, Option<DataType>)>, ExternalError> {
    let text = matches!(spec.format, FileFormat::Csv | FileFormat::Json);
    let mut problems = Vec::new();
    let mut columns: Vec<(String, Option<DataType>)> = Vec::new();
    for column in &spec.columns {
        let data_type =
            column.data_type.as_deref().map(data_type_of).transpose().and_then(|data_type| match data_type {
                Some(found) if text && !text::convertible(&found) => Err(TypeError::Unknown {
                    name: column.data_type.clone().unwrap_or_default(),
                    reason: "text cannot be converted to it".to_owned(),
                }),
                data_type => Ok(data_type),
            });
        match data_type {
            Ok(data_type) => {
                if columns.iter().any(|(name, _)| name.to_lowercase() == column.name.to_lowercase()) {
                    problems.push(ExternalError::Columns {
                        path: spec.location.clone(),
                        reason: format!("column `{}` is declared twice", column.name),
                    });
                }
                columns.push((column.name.clone(), data_type));
            }
            Err(source) => problems.push(ExternalError::Type { column: column.name.clone(), source }),
        }
    }
    ExternalError::of_all(problems).map_or(Ok(columns), Err)
}

/// The options; formats other than text have none.
fn text_options(spec: &ExternalSource) -> Result<TextOptions, ExternalError> {
    match spec.format {
        FileFormat::Csv => TextOptions::parse(&spec.options, true),
        FileFormat::Json => TextOptions::parse(&spec.options, false),
        FileFormat::Parquet | FileFormat::Arrow | FileFormat::Delta => {
            let problems =
                spec.options.iter().map(|(name, value)| csv::unknown_option(name, value, &[], &[])).collect();
            ExternalError::of_all(problems).map_or(Ok(TextOptions::with_delimiter(b',')), Err)
        }
    }
}

/// The table of a location without files, if the source allows it.
fn empty(
    spec: &ExternalSource,
    declared: &[(String, Option<DataType>)],
    options: TextOptions,
) -> Result<ExternalTable, ExternalError> {
    let missing = ExternalError::NoFiles { location: spec.location.clone() };
    let mut warnings = Diagnostics::default();
    match spec.missing_files {
        MissingFiles::Fail => return Err(missing),
        MissingFiles::Warn => warnings.push(missing.warning()),
        MissingFiles::Empty => {}
    }
    if declared.is_empty() {
        return Err(ExternalError::NoColumns { location: spec.location.clone() });
    }
    let fields = declared
        .iter()
        .map(|(name, data_type)| Field::new(name, data_type.clone().unwrap_or(DataType::Utf8), true))
        .collect();
    let table = Files {
        schema: with_origin(fields, matches!(spec.format, FileFormat::Csv | FileFormat::Json)),
        columns: declared.len(),
        inferred: vec![false; declared.len()],
        all: Vec::new(),
        options,
        on_new: spec.on_new_column,
        declared: true,
    };
    Ok(ExternalTable { provider: Arc::new(FilesTable(Arc::new(table))), warnings, files: Vec::new() })
}

async fn open_delta(
    spec: &ExternalSource,
    declared: &[(String, Option<DataType>)],
    place: &Place,
    opener: &dyn DeltaOpener,
) -> Result<ExternalTable, ExternalError> {
    let folder = place.folder()?;
    let opened = opener.open(&folder).await.map_err(|source| ExternalError::Access {
        action: "open the Delta table",
        path: spec.location.clone(),
        source,
    })?;
    let Some(provider) = opened else {
        let options = TextOptions::with_delimiter(b',');
        return empty(spec, declared, options);
    };
    let shown = place.shown(folder.trim_start_matches('/'));
    let shown = if folder.contains("://") { folder } else { shown };
    let mut unified = unify(declared, &[delta::shape(&provider, &shown)], spec)?;
    let warnings = std::mem::take(&mut unified.warnings);
    Ok(ExternalTable { provider: delta::adapt(provider, &unified, &shown)?, warnings, files: Vec::new() })
}

/// What a first look into a file shows.
struct Look {
    input: Input,
    content: Content,
    /// JSON only.
    survey: Option<json::Survey>,
}

impl Look {
    fn shape(&self) -> FileShape<'_> {
        let typed = |schema: &arrow::datatypes::Schema| {
            let columns = schema.fields().iter();
            columns.map(|field| (field.name().clone(), Some(plain_type(field.data_type())))).collect()
        };
        let untyped = |names: &[String]| names.iter().map(|name| (name.clone(), None)).collect();
        FileShape {
            shown: &self.input.shown,
            columns: match &self.content {
                Content::Csv(names) | Content::Json(names) => untyped(names),
                Content::Parquet(footer) => typed(footer.schema()),
                Content::Arrow(schema) => typed(schema),
            },
            // An empty JSON file says nothing about its columns.
            complete: self.survey.as_ref().is_none_or(|survey| survey.complete && survey.rows > 0),
        }
    }
}

/// Looks into a file; `None` if it is empty and may be.
fn look(
    input: Input,
    format: FileFormat,
    handle: &Handle,
    options: &TextOptions,
    declared: &[String],
) -> Result<Option<Look>, ExternalError> {
    let mut survey = None;
    let content = match format {
        FileFormat::Csv => match csv::names(&input, handle, options, declared)? {
            Some(names) => Content::Csv(names),
            None => return Ok(None),
        },
        FileFormat::Json => {
            let seen = json::survey(&input, handle, options)?;
            let names = seen.keys.values().map(|(name, _)| name.clone()).collect();
            survey = Some(seen);
            Content::Json(names)
        }
        FileFormat::Parquet => Content::Parquet(columnar::parquet_footer(&input, handle)?),
        FileFormat::Arrow | FileFormat::Delta => Content::Arrow(columnar::arrow_schema(&input, handle)?),
    };
    Ok(Some(Look { input, content, survey }))
}

/// Types of the columns, and whether each was guessed.
type Types = Vec<(DataType, bool)>;
/// For each file and each column of the table: the column of the file.
type Maps = Vec<Vec<Option<usize>>>;

/// Guesses the types that are not declared from the first rows of the files.
fn guess_csv(
    known: &[Option<DataType>],
    looks: Vec<Look>,
    maps: Maps,
    options: &TextOptions,
    handle: &Handle,
) -> Result<(Types, Vec<Look>, Maps), ExternalError> {
    let mut guesses: Vec<Guess> = vec![Guess::default(); known.len()];
    let guessing = !options.all_text && known.iter().any(Option::is_none);
    // Where nothing is to be guessed, the first rows are read all the same: a file that cannot be read as declared is
    // better told before the run than in the middle of it.
    let mut left = if guessing { options.sample_rows } else { options.sample_rows.min(csv::SAMPLE_ROWS) };
    let mut problems = Vec::new();
    for (look, map) in looks.iter().zip(&maps) {
        let Content::Csv(names) = &look.content else { continue };
        if left == 0 {
            break;
        }
        let mut of_file: Vec<Option<Guess>> = vec![None; names.len()];
        for ((guess, known), place) in guesses.iter().zip(known).zip(map) {
            if !guessing {
                break;
            }
            if let (None, Some(slot)) = (known, place.and_then(|place| of_file.get_mut(place))) {
                *slot = Some(*guess);
            }
        }
        match csv::sample(&look.input, handle, options, names, &mut of_file, left) {
            Ok(rows) => left -= rows.min(left),
            Err(error) => {
                problems.push(error.with_lines(&|line| look.input.line(handle, options.compression, line)));
                continue;
            }
        }
        for (guess, place) in guesses.iter_mut().zip(map) {
            if let Some(seen) = place.and_then(|place| of_file.get(place).copied().flatten()) {
                *guess = seen;
            }
        }
    }
    if let Some(problem) = ExternalError::of_all(problems) {
        return Err(problem);
    }
    let types = known.iter().zip(guesses).map(|(known, guess)| match known {
        Some(known) => (known.clone(), false),
        None => (guess.data_type(), !options.all_text),
    });
    Ok((types.collect(), looks, maps))
}

/// Guesses the types that are not declared from what the surveys saw.
fn guess_json(known: &[Option<DataType>], looks: &[Look], maps: &[Vec<Option<usize>>], options: &TextOptions) -> Types {
    let kind = |column: usize| {
        let kinds = looks.iter().zip(maps).filter_map(|(look, map)| {
            let place = (*map.get(column)?)?;
            look.survey.as_ref()?.keys.get_index(place).map(|(_, (_, kind))| kind.clone())
        });
        kinds.fold(json::Kind::Null, json::Kind::merge)
    };
    known
        .iter()
        .enumerate()
        .map(|(column, known)| match known {
            Some(known) => (known.clone(), false),
            None if options.all_text => (DataType::Utf8, false),
            None => (kind(column).data_type(), true),
        })
        .collect()
}

/// Runs blocking work; a panic in it becomes an error.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ExternalError> + Send + 'static,
) -> Result<T, ExternalError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(ExternalError::Access {
            action: "look into",
            path: "files of the source".to_owned(),
            source: Box::new(error),
        })
    })
}
