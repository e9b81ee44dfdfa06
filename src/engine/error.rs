//! Problems with SQL, in the user's terms: which rule, where in the text, what to do.

use std::error::Error;
use std::ops::Range;

use arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::Span;
use regex::Regex;

use crate::base::diagnostic::{Label, did_you_mean};
use crate::base::source::{Position, SourceFile};
use crate::engine::dialect::refused;
use crate::engine::files::ExternalError;
use crate::engine::guard::known;
use crate::engine::wording::{groups, operator, sentence, sql_types};
use crate::manifest::relation::RelationKey;
use crate::store::StoreError;

/// A problem with one SQL text.
#[derive(Debug, Clone)]
pub struct SqlProblem {
    /// Diagnostic code.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// Bytes of the SQL text that it is about, if known.
    pub range: Option<Range<usize>>,
    /// What to do.
    pub hint: Option<String>,
    /// What else is known; apart, because problems are handed on by value.
    pub further: Box<Further>,
    /// Whether memory ran out, so that another plan may succeed.
    pub exhausted: bool,
    /// Whether the world failed (disk full, storage), not the query.
    pub world: bool,
}

/// Facts and places beside the first.
#[derive(Debug, Clone, Default)]
pub struct Further {
    /// Facts, one line each.
    pub notes: Vec<String>,
    /// Places in files outside of the project's SQL, such as a line of a data file.
    pub places: Vec<Label>,
}

impl SqlProblem {
    /// A problem without place or hint.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            range: None,
            hint: None,
            further: Box::default(),
            exhausted: false,
            world: false,
        }
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, range: Range<usize>) -> Self {
        self.range = Some(range);
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the place to the only place of a word.
    #[must_use]
    pub(crate) fn at_word(mut self, sql: &str, word: &str) -> Self {
        self.range = find_word(sql, word);
        self
    }

    /// Byte offset of a line and column that count from 1.
    pub(crate) fn offset(sql: &str, line: u64, column: u64) -> usize {
        let position =
            Position { line: usize::try_from(line).unwrap_or(1), column: usize::try_from(column).unwrap_or(1) };
        // Only the arithmetic of positions is needed; the path is not shown.
        SourceFile { path: String::new(), text: sql.to_owned(), first_line: 1 }.offset(position)
    }

    /// Byte range of a token.
    pub(crate) fn span_range(sql: &str, span: Span) -> Range<usize> {
        let at = |location| known(location).map(|(line, column)| Self::offset(sql, line, column));
        let start = at(span.start).unwrap_or(0);
        start..at(span.end).unwrap_or(start).max(start)
    }

    /// Translates an error of the engine about a SQL text.
    pub fn from_engine(sql: &str, error: &DataFusionError) -> Self {
        if let Some(file) = ExternalError::find(error) {
            return file_problem(file);
        }
        if let Some(store) = find::<StoreError>(error) {
            let mut problem = Self::new(store.code(), store.to_string());
            problem.hint = store.hint().map(str::to_owned);
            problem.world = true;
            return problem;
        }
        if let Some(view) = find::<ViewError>(error) {
            return view.problem(sql);
        }
        let root = error.find_root();
        let mut problem = classify(sql, root);
        if problem.range.is_none()
            && let Some(span) = error.diagnostic().and_then(|diagnostic| diagnostic.span)
        {
            problem.range = Some(
                Self::offset(sql, span.start.line, span.start.column)
                    ..Self::offset(sql, span.end.line, span.end.column),
            );
        }
        // A value of the data that stands in a message may be a word of the query by chance.
        let about_text = matches!(root, DataFusionError::Plan(_) | DataFusionError::SchemaError(..));
        if problem.range.is_none() && about_text {
            problem.range = quoted_name(&problem.message).and_then(|name| find_word(sql, &name));
        }
        if problem.hint.is_none()
            && let Some(diagnostic) = error.diagnostic()
        {
            problem.hint = diagnostic.helps.first().map(|help| sentence(&help.message));
        }
        problem
    }
}

/// A problem inside the query of a view, met while another query was planned.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the view `{view}` cannot be read: {}", .problem.message)]
pub struct ViewError {
    /// The view.
    pub view: RelationKey,
    /// What is wrong with its query.
    pub problem: SqlProblem,
}

impl ViewError {
    /// The problem as seen from a query that reads the view: its place is where the view is named.
    fn problem(&self, sql: &str) -> SqlProblem {
        SqlProblem {
            message: self.to_string(),
            range: find_word(sql, &self.view.identifier),
            hint: self.problem.hint.clone().or_else(|| Some(format!("build `{}` again", self.view.identifier))),
            ..self.problem.clone()
        }
    }
}

impl From<ViewError> for DataFusionError {
    fn from(error: ViewError) -> Self {
        Self::External(Box::new(error))
    }
}

/// The error of a type that another one wraps.
fn find<T: Error + 'static>(error: &DataFusionError) -> Option<&T> {
    let mut current: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = current {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        // Some wrappers show the cause of what they hold instead of what they hold.
        current = match (cause.downcast_ref::<DataFusionError>(), cause.downcast_ref::<ArrowError>()) {
            (Some(DataFusionError::External(inner)), _) | (_, Some(ArrowError::ExternalError(inner))) => {
                Some(inner.as_ref())
            }
            (Some(DataFusionError::Shared(inner)), _) => Some(inner.as_ref()),
            (Some(DataFusionError::ArrowError(inner, _)), _) => Some(inner.as_ref()),
            (Some(DataFusionError::Collection(all)), _) => all.first().map(|first| first as &(dyn Error + 'static)),
            _ => cause.source(),
        };
    }
    None
}

fn classify(sql: &str, error: &DataFusionError) -> SqlProblem {
    let text = error.to_string();
    if text.contains("No space left on device") || text.contains("(os error 28)") {
        let mut problem = SqlProblem::new("storage-full", "no space left on the disk while the query was running")
            .hint("free some space where the target path and the warehouse are; published tables are intact");
        problem.world = true;
        return problem;
    }
    match error {
        DataFusionError::SQL(error, _) => syntax_problem(sql, error),
        DataFusionError::SchemaError(schema, _) => schema_problem(schema),
        DataFusionError::ResourcesExhausted(text) => exhausted_problem(text),
        DataFusionError::ArrowError(arrow, _) => arrow_problem(arrow),
        DataFusionError::ParquetError(error) => damaged_file(&error.to_string()),
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
            let mut problem = SqlProblem::new("storage-failed", sentence(&text));
            problem.world = true;
            problem
        }
        DataFusionError::External(error) => match error.downcast_ref::<ArrowError>() {
            Some(arrow) => arrow_problem(arrow),
            None => SqlProblem::new("sql-error", sentence(&error.to_string())),
        },
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => SqlProblem::from_engine(sql, first),
            None => SqlProblem::new("sql-error", sentence(&text)),
        },
        DataFusionError::NotImplemented(text) => match groups(text, r"(?i)^query (insert|update|delete|merge)\b") {
            Some(verb) => not_a_query(&verb.concat().to_lowercase()),
            None if text.contains("WindowFunction(") => {
                SqlProblem::new("misplaced-window", "a window function stands where none is allowed")
                    .hint("filter on it with `qualify`, or in an outer query")
            }
            None => SqlProblem::new("unsupported-sql", sentence(text)),
        },
        // The engine calls a wrong use of a function a mistake of its own.
        DataFusionError::Plan(text) | DataFusionError::Execution(text) | DataFusionError::Internal(text) => {
            plan_problem(text)
        }
        DataFusionError::ExecutionJoin(error) if error.is_panic() => {
            SqlProblem::new("internal-error", "a bug in the engine stopped the query")
                .hint("please report it with the model's SQL and the end of karat.log")
        }
        other => SqlProblem::new("sql-error", sentence(&other.message())),
    }
}

/// A data file of the warehouse that cannot be read: nothing of the query is to blame.
fn damaged_file(text: &str) -> SqlProblem {
    let is_missing = text.contains("not found") || text.contains("No such file");
    let state = if is_missing { "is missing" } else { "is damaged" };
    let message = match groups(text, r"for file ([^\s:]+):").as_deref() {
        Some([path]) => format!("the data file `/{}` {state}", path.trim_start_matches('/')),
        _ => format!("a data file {state}: {}", sentence(text)),
    };
    let mut problem = SqlProblem::new("damaged-file", message)
        .hint("restore the file from a copy, or make its table anew with `karat build --full-refresh`");
    problem.world = true;
    problem
}

/// Functions that mean something only with `over`.
const WINDOW_FUNCTIONS: [&str; 9] =
    ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "nth_value"];

/// A statement that does not only read.
pub(crate) fn not_a_query(found: &str) -> SqlProblem {
    SqlProblem::new("not-a-query", format!("expected a query, found `{found}`")).hint(
        refused::syntax(found)
            .unwrap_or("model SQL is one `select` (or `with ... select`); karat itself creates and fills the table"),
    )
}

/// What most often is behind a text that is not SQL.
pub(crate) const SYNTAX_HINT: &str =
    "look at this place and just before it: a comma, quote or bracket too many or missing, or a keyword used as a name";

fn syntax_problem(sql: &str, error: &ParserError) -> SqlProblem {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return SqlProblem::new("sql-limit", "the SQL is nested too deeply")
                .hint("move inner queries and expressions into common table expressions (`with`)");
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (message, range) = match groups(text, r"^(?s)(.*?) at Line: (\d+), Column: (\d+)").as_deref() {
        Some([message, line, column]) => {
            let start = SqlProblem::offset(sql, line.parse().unwrap_or(1), column.parse().unwrap_or(1));
            (message.clone(), Some(start..word_end(sql, start)))
        }
        _ => (text.clone(), None),
    };
    // What is missing is missing at the end, behind what is there.
    let end = sql.trim_end().len();
    let range = range.or_else(|| text.contains("found: EOF").then_some(end..end));
    let message = match groups(&message, r"^(?s)Expected: (.*), found: (.*)$").as_deref() {
        Some([expected, found]) if found == "EOF" => format!("expected {expected}, found the end of the SQL"),
        Some([expected, found]) if !expected.contains(char::is_alphanumeric) => {
            format!("expected `{expected}`, found `{found}`")
        }
        Some([expected, found]) => format!("expected {expected}, found `{found}`"),
        _ => sentence(&message),
    };
    let start = range.as_ref().map(|range| range.start);
    let hint = groups(text, r"^(?s)Expected: (.*), found: (.*?) at Line").and_then(|said| match said.as_slice() {
        [expected, found] => refused::parser_hint(sql, start, expected, found),
        _ => None,
    });
    let mut problem = SqlProblem::new("sql-syntax", message).hint(hint.unwrap_or(SYNTAX_HINT));
    problem.range = range;
    problem
}

/// A file outside is to blame, not the query that reads it.
fn file_problem(error: &ExternalError) -> SqlProblem {
    let mut found = error.diagnostics().0.into_iter();
    let mut problem = SqlProblem::new(error.code(), error.to_string());
    if let Some(first) = found.next() {
        problem = SqlProblem::new(first.code, first.message);
        problem.hint = first.hint;
        problem.further.places = first.labels;
    }
    for other in found {
        problem.further.notes.push(other.message);
        problem.further.places.extend(other.labels);
    }
    problem.world = matches!(error, ExternalError::Access { .. });
    problem
}

/// Memory ran out: who wanted more, and who has it.
fn exhausted_problem(text: &str) -> SqlProblem {
    let wanted = groups(text, r"Failed to allocate additional ([\d.]+ \w+) for (.+?) with ([\d.]+ \w+) already");
    let pool = groups(text, r"pool_size: ([\d.]+ \w+)").map(|groups| groups.concat());
    let limit = pool.map(|limit| format!(" ({limit}, half of the limit)")).unwrap_or_default();
    let message = match wanted.as_deref() {
        Some([more, who, has]) => {
            format!(
                "the query needs more memory than queries may have{limit}: {} has {has} and needs {more} more",
                operator(who)
            )
        }
        _ => format!("the query needs more memory than queries may have: {}", sentence(text)),
    };
    let mut problem = SqlProblem::new("out-of-memory", message)
        .hint("raise the limit with `--memory`, or lower `--threads` so that fewer nodes share it");
    let consumers = Regex::new(r"(?m)^\s+(.+)#\d+\(can spill: (\w+)\) consumed ([\d.]+ \w+)").ok();
    let top: Vec<String> = consumers.map_or_else(Vec::new, |regex| {
        let consumer = |found: regex::Captures<'_>| {
            let remark = if &found[2] == "true" { "" } else { ", cannot spill to disk" };
            format!("{} ({}{remark})", operator(&found[1]), &found[3])
        };
        regex.captures_iter(text).map(consumer).collect()
    });
    if !top.is_empty() {
        problem.further.notes.push(format!("most memory of all that runs: {}", top.join(", ")));
    }
    problem.exhausted = true;
    problem
}

fn plan_problem(text: &str) -> SqlProblem {
    let message = sentence(text);
    if let Some([name]) = groups(text, r"(?i)^table '([^']+)' not found").as_deref() {
        let short = name.split_once('.').map_or(name.as_str(), |(_, short)| short);
        return SqlProblem::new("unknown-relation", format!("relation `{short}` does not exist"));
    }
    if let Some([name]) = groups(text, r"(?i)^table function '([^']+)' not found").as_deref() {
        return SqlProblem::new("unknown-function", format!("there is no table function `{name}`")).hint(
            refused::function(name)
                .unwrap_or("files are read through a source (`external: {location: ...}`), not through a function"),
        );
    }
    if let Some([name]) = groups(text, r"(?i)^invalid function '([^']+)'").as_deref() {
        if WINDOW_FUNCTIONS.contains(&name.to_ascii_lowercase().as_str()) {
            return SqlProblem::new("misplaced-window", format!("the window function `{name}` needs `over (...)`"));
        }
        let problem = SqlProblem::new("unknown-function", format!("there is no function `{name}`"));
        if let Some(instead) = refused::function(name) {
            return problem.hint(instead);
        }
        let near = groups(text, r"Did you mean '([^']+)'").map(|near| near.concat());
        // The engine names the nearest function however far it is.
        return match near.as_deref().and_then(|near| did_you_mean(name, [near])) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        };
    }
    if let Some([first, second]) =
        groups(text, r#"expression "(.+?)" at position \d+ and "(.+?)" at position"#).as_deref()
    {
        let name = |text: &str| text.rsplit_once(" AS ").map_or(text, |(_, name)| name).trim_matches('"').to_owned();
        let name = if name(first) == name(second) { name(first) } else { sentence(first) };
        return SqlProblem::new("duplicate-column", format!("two columns of the query have the name `{name}`"))
            .hint("give each expression its own name with `as`");
    }
    if let Some([column]) = groups(text, r#"column "([^"]+)" must appear in the GROUP BY"#).as_deref() {
        let name = column.rsplit('.').next().unwrap_or(column);
        let message = format!("column `{name}` is neither in `group by` nor inside an aggregate function");
        return SqlProblem::new("not-grouped", message)
            .hint(format!("add `{name}` to `group by`, or use an aggregate such as `max({name})`"));
    }
    if let Some(problem) = argument_problem(text) {
        return problem;
    }
    if let Some([left, operation, right]) =
        groups(text, r"^Cannot (?:coerce arithmetic expression|infer common argument type for (?:comparison )?operation) (.+?) ([^\w\s]+|IS [A-Z ]+) (.+?)(?: to valid types)?$").as_deref()
    {
        let (left, right) = (sql_types(left), sql_types(right));
        return SqlProblem::new("type-mismatch", format!("there is no `{operation}` of {left} and {right}"))
            .hint("cast one of them to the type of the other");
    }
    if let Some([first, second, column]) = groups(
        text,
        r"Incompatible inputs for Union: Previous inputs were of type (.+?), but got incompatible type (.+?) on column '(.+?)'",
    )
    .as_deref()
    {
        let message =
            format!("column `{column}` of the union is {} here and {} there", sql_types(first), sql_types(second));
        return SqlProblem::new("type-mismatch", message).hint("cast the column to the same type in each part");
    }
    let code = match message.as_str() {
        text if text.contains("returned more than one row") || text.contains("has more than one row") => {
            return SqlProblem::new("too-many-rows", message).hint("aggregate in the subquery, or add `limit 1`");
        }
        text if text.starts_with("cannot cast")
            || text.starts_with("can't cast")
            || text.starts_with("error parsing") =>
        {
            return value_problem(message);
        }
        _ => "sql-error",
    };
    SqlProblem::new(code, message)
}

/// A function that is not there for the types it was given.
fn argument_problem(text: &str) -> Option<SqlProblem> {
    let problem = |function: &str, given: &str| {
        let given = sql_types(given);
        let given = if given.is_empty() { "be called without arguments".to_owned() } else { format!("take ({given})") };
        let hint = match function {
            "array_has" => "the list comes first: `array_contains(list, value)`",
            _ => "check the number of arguments, or cast them to types that the function takes",
        };
        SqlProblem::new("argument-types", format!("function `{function}` cannot {given}")).hint(hint)
    };
    if let Some([function, given]) = groups(text, r"argument types '([\w$]+)\((.*?)\)'").as_deref() {
        return Some(problem(function, given));
    }
    let function = groups(text, r"(?i)function '([\w$]+)'(?: failed to match any signature|.* failed with)")?.concat();
    let given = groups(text, r"DataType: ([^)]*\)?)\)").map(|given| given.concat()).unwrap_or_default();
    Some(problem(&function, &given))
}

/// A value of the data that cannot become what the query wants.
fn value_problem(message: String) -> SqlProblem {
    let problem = SqlProblem::new("bad-value", message);
    if problem.message.starts_with("invalid") {
        return problem;
    }
    problem.hint("use `try_cast` to read such values as null, or mend them before")
}

fn schema_problem(error: &SchemaError) -> SqlProblem {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let name = field.name();
            let problem = SqlProblem::new("unknown-column", format!("column `{}` does not exist", field.flat_name()));
            // Columns of karat's own are none that anybody means.
            let names = valid_fields.iter().map(Column::name).filter(|name| !name.starts_with("__karat"));
            let names: Vec<&str> = names.collect();
            match did_you_mean(name, names.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None if names.is_empty() => problem,
                None => problem.hint(format!("columns here: {}", list(&names))),
            }
        }
        SchemaError::AmbiguousReference { field } => {
            SqlProblem::new("ambiguous-column", format!("column `{}` is in more than one relation", field.flat_name()))
                .hint("write the relation's name or alias before it")
        }
        other => SqlProblem::new("duplicate-column", sentence(&other.to_string())),
    }
}

fn arrow_problem(error: &ArrowError) -> SqlProblem {
    match error {
        ArrowError::CastError(text) | ArrowError::ParseError(text) => value_problem(cast_words(&sentence(text))),
        ArrowError::DivideByZero => {
            SqlProblem::new("division-by-zero", "division by zero").hint("use `nullif(divisor, 0)`")
        }
        ArrowError::ArithmeticOverflow(text) => {
            SqlProblem::new("overflow", sentence(text)).hint("cast to a wider type before the operation")
        }
        ArrowError::InvalidArgumentError(text) if text.contains("too large to store in a Decimal") => {
            value_problem(sentence(text))
        }
        ArrowError::IoError(..) => {
            let mut problem = SqlProblem::new("storage-failed", sentence(&error.to_string()));
            problem.world = true;
            problem
        }
        ArrowError::ExternalError(error) => match error.downcast_ref::<DataFusionError>() {
            Some(inner) => SqlProblem::from_engine("", inner),
            None => SqlProblem::new("sql-error", sentence(&error.to_string())),
        },
        other => SqlProblem::new("sql-error", sentence(&other.to_string())),
    }
}

fn list(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// `cannot cast string ... to value of integer type` in fewer words.
fn cast_words(message: &str) -> String {
    match groups(message, r"^cannot cast string `(.*)` to value of (.+) type$").as_deref() {
        Some([value, data_type]) => format!("`{value}` is not a valid {data_type}"),
        _ => message.to_owned(),
    }
}

/// The first name in quotes of a message, without its qualifiers.
fn quoted_name(message: &str) -> Option<String> {
    let regex = Regex::new(r#"[`'"]([A-Za-z_][\w.]*)[`'"]"#).ok()?;
    let name = regex.captures(message)?.get(1)?.as_str();
    name.rsplit('.').next().map(str::to_owned)
}

/// The only place of a word in a SQL text; several places mean that none is known to be the one.
fn find_word(sql: &str, word: &str) -> Option<Range<usize>> {
    let regex = Regex::new(&format!(r"(?i)\b{}\b", regex::escape(word))).ok()?;
    let mut places = regex.find_iter(sql);
    let first = places.next()?;
    places.next().is_none().then(|| first.range())
}

/// The end of the word at a place, or of the one character there.
fn word_end(sql: &str, start: usize) -> usize {
    let rest = sql.get(start..).unwrap_or_default();
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let word = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
    start + word.max(rest.chars().next().map_or(0, char::len_utf8))
}
