//! Delimited text: options, header, guessing of types, reading.
//!
//! An empty field is null, quoted or not (`quoted_nulls: false` keeps a quoted field as text). Names of a header are
//! taken without blanks around them and matched to columns without regard to case and order, file by file.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::ArrayRef;
use indexmap::IndexMap;
use tokio::runtime::Handle;

use super::error::{ExternalError, shortened};
use super::input::{Compression, Input, TextReader};
use super::records::{Dialect, Record, RecordError, RecordReader};
use super::text::{Guess, RowBuffer, Wanted};
use crate::base::diagnostic::did_you_mean;

/// Rows that guess the types of undeclared columns, unless the option `sample_rows` says otherwise.
pub(super) const SAMPLE_ROWS: usize = 10_000;
/// A batch ends when its text has this many bytes, however few its rows.
pub(super) const BATCH_BYTES: usize = 16 << 20;

/// Some rows of a file: the wanted columns and the line of each row.
pub(super) struct Chunk {
    pub(super) columns: Vec<ArrayRef>,
    /// Empty for formats without lines.
    pub(super) lines: Vec<i64>,
    pub(super) rows: usize,
}

/// Takes chunks; says whether it wants more.
pub(super) type Sink<'a> = dyn FnMut(Chunk) -> Result<bool, ExternalError> + 'a;

/// How text files are to be read.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct TextOptions {
    pub(super) dialect: Dialect,
    pub(super) header: bool,
    null_values: Vec<String>,
    quoted_nulls: bool,
    pub(super) compression: Compression,
    pub(super) sample_rows: usize,
    pub(super) all_text: bool,
    pub(super) allow_empty: bool,
}

/// Options that only delimited text has.
const CSV_OPTIONS: [&str; 7] = ["delimiter", "header", "quote", "escape", "comment", "null_values", "quoted_nulls"];
/// Options of all text formats.
const TEXT_OPTIONS: [&str; 4] = ["compression", "sample_rows", "all_text", "allow_empty"];

impl TextOptions {
    /// Options that read the usual comma-separated file.
    pub(super) fn with_delimiter(delimiter: u8) -> Self {
        Self {
            dialect: Dialect { delimiter, quote: Some(b'"'), escape: None, comment: None },
            header: true,
            null_values: Vec::new(),
            quoted_nulls: true,
            compression: Compression::Auto,
            sample_rows: SAMPLE_ROWS,
            all_text: false,
            allow_empty: false,
        }
    }

    /// Reads the declared options; all problems are reported.
    pub(super) fn parse(declared: &IndexMap<String, String>, csv: bool) -> Result<Self, ExternalError> {
        let mut options = Self::with_delimiter(b',');
        let mut problems = Vec::new();
        for (name, value) in declared {
            if let Err(problem) = options.set(name, value, csv) {
                problems.push(problem);
            }
        }
        let Dialect { delimiter, quote, escape, comment } = options.dialect;
        let special = [Some(delimiter), quote, escape.filter(|escape| Some(*escape) != quote), comment];
        let mut seen = BTreeSet::new();
        for byte in special.into_iter().flatten() {
            if !seen.insert(byte) {
                problems.push(ExternalError::Option {
                    name: "delimiter".to_owned(),
                    value: char::from(byte).to_string(),
                    expected: "different characters for delimiter, quote, escape and comment".to_owned(),
                });
            }
        }
        ExternalError::of_all(problems).map_or(Ok(options), Err)
    }

    fn set(&mut self, name: &str, value: &str, csv: bool) -> Result<(), ExternalError> {
        match name {
            "delimiter" if csv => {
                self.dialect.delimiter =
                    byte(name, value)?.ok_or_else(|| wrong(name, value, "one character, or `tab`"))?;
            }
            "quote" if csv => self.dialect.quote = byte(name, value)?,
            "escape" if csv => self.dialect.escape = byte(name, value)?,
            "comment" if csv => self.dialect.comment = byte(name, value)?,
            "header" if csv => self.header = boolean(name, value)?,
            "null_values" if csv => {
                self.null_values = value.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect();
            }
            "quoted_nulls" if csv => self.quoted_nulls = boolean(name, value)?,
            "compression" => self.compression = Compression::parse(value)?,
            "sample_rows" => {
                self.sample_rows = match value {
                    "all" | "-1" => usize::MAX,
                    number => number.parse().map_err(|_| wrong(name, value, "a number of rows, or `all`"))?,
                }
            }
            "all_text" => self.all_text = boolean(name, value)?,
            "allow_empty" => self.allow_empty = boolean(name, value)?,
            _ => return Err(unknown_option(name, value, if csv { &CSV_OPTIONS } else { &[] }, &TEXT_OPTIONS)),
        }
        Ok(())
    }

    /// The text of a field, or `None` when it means null.
    fn text<'a>(&self, text: &'a str, quoted: bool) -> Option<&'a str> {
        if quoted && !self.quoted_nulls {
            return Some(text);
        }
        (!text.is_empty() && !self.null_values.iter().any(|null| null == text)).then_some(text)
    }
}

/// Complains about an option that does not exist.
pub(super) fn unknown_option(name: &str, value: &str, own: &[&str], shared: &[&str]) -> ExternalError {
    let known: Vec<&str> = own.iter().chain(shared).copied().collect();
    let expected = match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("no such option: did you mean `{near}`?"),
        None if known.is_empty() => "no options for this format".to_owned(),
        None => format!("one of the options {}", known.join(", ")),
    };
    ExternalError::Option { name: name.to_owned(), value: value.to_owned(), expected }
}

fn wrong(name: &str, value: &str, expected: &str) -> ExternalError {
    ExternalError::Option { name: name.to_owned(), value: value.to_owned(), expected: expected.to_owned() }
}

fn boolean(name: &str, value: &str) -> Result<bool, ExternalError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(wrong(name, value, "true or false")),
    }
}

/// One special byte, or none when the value is empty or `none`.
fn byte(name: &str, value: &str) -> Result<Option<u8>, ExternalError> {
    match value {
        "" | "none" => Ok(None),
        "tab" | "\\t" | "\t" => Ok(Some(b'\t')),
        _ => match value.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(Some(*byte)),
            _ => Err(wrong(name, value, "one ASCII character")),
        },
    }
}

/// An open file.
pub(super) struct Records<'a, R> {
    reader: RecordReader<R>,
    record: Record,
    path: &'a str,
    damaged: Box<dyn Fn(std::io::Error) -> ExternalError + 'a>,
}

impl<'a, R: std::io::BufRead> Records<'a, R> {
    pub(super) fn new(
        reader: RecordReader<R>,
        path: &'a str,
        damaged: impl Fn(std::io::Error) -> ExternalError + 'a,
    ) -> Self {
        Self { reader, record: Record::default(), path, damaged: Box::new(damaged) }
    }

    /// The next record.
    pub(super) fn next(&mut self) -> Result<Option<&Record>, ExternalError> {
        match self.reader.read(&mut self.record) {
            Ok(true) => Ok(Some(&self.record)),
            Ok(false) => Ok(None),
            Err(RecordError::Read(error)) => Err((self.damaged)(error)),
            Err(RecordError::Syntax { line, detail }) => {
                Err(ExternalError::Syntax { path: self.path.to_owned(), line, detail })
            }
        }
    }

    /// The next record, which must have the given number of fields.
    pub(super) fn next_of_width(&mut self, expected: usize) -> Result<Option<&Record>, ExternalError> {
        let path = self.path;
        match self.next()? {
            Some(record) if record.len() != expected => {
                Err(ExternalError::Ragged { path: path.to_owned(), line: record.line, found: record.len(), expected })
            }
            other => Ok(other),
        }
    }
}

/// A field as text.
pub(super) fn utf8<'a>(
    bytes: &'a [u8],
    path: &str,
    line: u64,
    column: impl FnOnce() -> String,
) -> Result<&'a str, ExternalError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        // A field may span lines: count to the byte itself.
        let within = bytes.get(..at).unwrap_or_default();
        let further = within.split(|byte| *byte == b'\n').count() - 1;
        let found = bytes.get(at).copied().unwrap_or_default();
        ExternalError::Encoding {
            path: path.to_owned(),
            line: line + u64::try_from(further).unwrap_or(0),
            detail: format!("byte 0x{found:02x} in column `{}`", shortened(&column())),
        }
    })
}

/// Names of a header: no name twice, none empty.
pub(super) fn header_names(record: &Record, path: &str, repeated: Repeated) -> Result<Vec<String>, ExternalError> {
    let mut names: Vec<String> = Vec::with_capacity(record.len());
    let mut problems = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for index in 0..record.len() {
        let Some((bytes, _)) = record.field(index) else { break };
        let name = utf8(bytes, path, record.line, || format!("number {}", index + 1))?.trim_ascii();
        if repeated == Repeated::Numbered && names.iter().any(|known| known == name) {
            let numbered = (2_usize..).map(|number| format!("{name}_{number}"));
            names.extend(numbered.into_iter().find(|free| !names.contains(free)));
            continue;
        }
        if name.is_empty() {
            problems.push(format!("column {} of the header has no name", index + 1));
        } else if let Some(earlier) = seen.insert(name.to_lowercase(), index + 1) {
            problems.push(format!("the header has `{}` in columns {earlier} and {}", shortened(name), index + 1));
        }
        names.push(name.to_owned());
    }
    let problems = problems
        .into_iter()
        .map(|reason| ExternalError::Header { path: path.to_owned(), line: record.line, reason })
        .collect();
    ExternalError::of_all(problems).map_or(Ok(names), Err)
}

/// What becomes of a name that a header has twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeated {
    /// It is an error.
    Refused,
    /// The later ones get numbers from two on, as dbt's seeds.
    Numbered,
}

impl Input {
    fn records(&self, handle: &Handle, options: &TextOptions) -> Result<Records<'_, TextReader>, ExternalError> {
        let reader = RecordReader::new(self.open_text(handle, options.compression)?, options.dialect);
        Ok(Records::new(reader, &self.shown, |error| self.read_error(error)))
    }
}

/// The names of a file's columns; `None` for an empty file that is skipped. Without a header line the declared names
/// are given by position, and `column0`, `column1`, … beyond them.
pub(super) fn names(
    input: &Input,
    handle: &Handle,
    options: &TextOptions,
    declared: &[String],
) -> Result<Option<Vec<String>>, ExternalError> {
    let mut records = input.records(handle, options)?;
    let Some(first) = records.next()? else {
        return if options.allow_empty || !options.header {
            Ok(None)
        } else {
            Err(ExternalError::EmptyFile { path: input.shown.clone() })
        };
    };
    if options.header {
        return header_names(first, &input.shown, Repeated::Refused).map(Some);
    }
    let name = |index: usize| declared.get(index).cloned().unwrap_or_else(|| format!("column{index}"));
    Ok(Some((0..first.len()).map(name).collect()))
}

/// Shows at most `most` rows of a file to the guesses (one per column of the file); returns the rows read.
pub(super) fn sample(
    input: &Input,
    handle: &Handle,
    options: &TextOptions,
    names: &[String],
    guesses: &mut [Option<Guess>],
    most: usize,
) -> Result<usize, ExternalError> {
    let mut records = input.records(handle, options)?;
    let width = guesses.len();
    if options.header {
        records.next_of_width(width)?;
    }
    let mut rows = 0;
    while rows < most {
        let Some(record) = records.next_of_width(width)? else { break };
        for (index, guess) in guesses.iter_mut().enumerate() {
            let Some((bytes, quoted)) = record.field(index) else { continue };
            let text = utf8(bytes, &input.shown, record.line, || names.get(index).cloned().unwrap_or_default())?;
            if let (Some(guess), Some(text)) = (guess, options.text(text, quoted)) {
                guess.observe(text);
            }
        }
        rows += 1;
    }
    Ok(rows)
}

/// Reads the wanted columns of a file whose columns have the given names.
pub(super) fn read(
    input: &Input,
    handle: &Handle,
    options: &TextOptions,
    names: &[String],
    wanted: &[Wanted],
    batch_rows: usize,
    sink: &mut Sink<'_>,
) -> Result<(), ExternalError> {
    let path = input.shown.as_str();
    let mut records = input.records(handle, options)?;
    if options.header {
        let same = match records.next()? {
            Some(header) => header_names(header, path, Repeated::Refused)? == names,
            None => false,
        };
        if !same {
            return Err(ExternalError::Changed { path: path.to_owned() });
        }
    }
    let mut rows = RowBuffer::new(wanted);
    while let Some(record) = records.next_of_width(names.len())? {
        rows.row(record.line);
        for (position, column) in wanted.iter().enumerate() {
            let Some((bytes, quoted)) = record.field(column.index) else { continue };
            let text = utf8(bytes, path, record.line, || column.name.clone())?;
            rows.value(position, options.text(text, quoted));
        }
        if (rows.rows() >= batch_rows || rows.bytes() >= BATCH_BYTES) && !flush(&mut rows, path, sink)? {
            return Ok(());
        }
    }
    flush(&mut rows, path, sink).map(|_| ())
}

/// Hands the rows on; whether more are wanted.
pub(super) fn flush(rows: &mut RowBuffer<'_>, path: &str, sink: &mut Sink<'_>) -> Result<bool, ExternalError> {
    let count = rows.rows();
    if count == 0 {
        return Ok(true);
    }
    let (columns, lines) = rows.finish(path)?;
    sink(Chunk { columns, lines, rows: count })
}
