//! Problems with SQL, in the user's terms: which rule, where in the text, what to do.

use std::ops::Range;

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::tokenizer::Span;
use regex::Regex;

use crate::base::diagnostic::did_you_mean;
use crate::base::source::{Position, SourceFile};
use crate::engine::guard::known;

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
    /// Whether memory ran out, so that another plan may succeed.
    pub exhausted: bool,
    /// Whether the world failed (disk full, storage), not the query.
    pub world: bool,
}

impl SqlProblem {
    /// A problem without place or hint.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), range: None, hint: None, exhausted: false, world: false }
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

    /// Byte offset of a line and column that count from 1.
    pub(crate) fn offset(sql: &str, line: u64, column: u64) -> usize {
        let position =
            Position { line: usize::try_from(line).unwrap_or(1), column: usize::try_from(column).unwrap_or(1) };
        // Only the arithmetic of positions is needed; the path is not shown.
        SourceFile { path: String::new(), text: sql.to_owned() }.offset(position)
    }

    /// Byte range of a token.
    pub(crate) fn span_range(sql: &str, span: Span) -> Range<usize> {
        let at = |location| known(location).map(|(line, column)| Self::offset(sql, line, column));
        let start = at(span.start).unwrap_or(0);
        start..at(span.end).unwrap_or(start).max(start)
    }

    /// Translates an error of the engine about a SQL text.
    pub fn from_engine(sql: &str, error: &DataFusionError) -> Self {
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
        if problem.range.is_none() {
            problem.range = quoted_name(&problem.message).and_then(|name| find_word(sql, &name));
        }
        if problem.hint.is_none()
            && let Some(diagnostic) = error.diagnostic()
        {
            problem.hint = diagnostic.helps.first().map(|help| help.message.clone());
        }
        problem
    }
}

fn classify(sql: &str, error: &DataFusionError) -> SqlProblem {
    match error {
        DataFusionError::SQL(error, _) => {
            let text = error.to_string();
            let text = text.trim_start_matches("sql parser error: ").trim_start_matches("ParserError(\"");
            let (message, range) =
                match Regex::new(r"^(?s)(.*?) at Line: (\d+), Column: (\d+)").ok().and_then(|regex| {
                    let found = regex.captures(text)?;
                    let number = |group| found.get(group)?.as_str().parse::<u64>().ok();
                    let start = SqlProblem::offset(sql, number(2)?, number(3)?);
                    Some((found.get(1)?.as_str().to_owned(), start..word_end(sql, start)))
                }) {
                    Some((message, range)) => (message, Some(range)),
                    None => (text.to_owned(), None),
                };
            let mut problem = SqlProblem::new("sql-syntax", lower_first(&message.replace(", found:", "; found")));
            problem.range = range;
            problem
        }
        DataFusionError::SchemaError(schema, _) => schema_problem(schema),
        DataFusionError::ResourcesExhausted(text) => {
            let mut problem = SqlProblem::new(
                "out-of-memory",
                format!("the query needs more memory than allowed: {}", first_line(text)),
            )
            .hint("raise the limit with `--memory`, or lower `--threads` so that fewer nodes share it");
            problem.exhausted = true;
            problem
        }
        DataFusionError::ArrowError(arrow, _) => arrow_problem(arrow),
        DataFusionError::ParquetError(error) => SqlProblem::new("damaged-file", lower_first(&error.to_string())),
        DataFusionError::ObjectStore(error) => {
            let mut problem = SqlProblem::new("storage", lower_first(&error.to_string()));
            problem.world = true;
            problem
        }
        DataFusionError::IoError(error) => {
            let mut problem = SqlProblem::new("storage", lower_first(&error.to_string()));
            problem.world = true;
            problem
        }
        DataFusionError::External(error) => SqlProblem::new("sql-error", error.to_string()),
        DataFusionError::Plan(text) => plan_problem(text),
        other => SqlProblem::new("sql-error", lower_first(first_line(&other.message()))),
    }
}

fn plan_problem(text: &str) -> SqlProblem {
    let message = lower_first(first_line(text));
    let code = if message.starts_with("table ") && message.contains("not found") {
        "unknown-relation"
    } else if message.starts_with("invalid function") {
        "unknown-function"
    } else if message.contains("Projections require unique expression names") || message.contains("projections require")
    {
        return SqlProblem::new("duplicate-column", message).hint("give each expression its own name with `as`");
    } else {
        "sql-error"
    };
    SqlProblem::new(code, message)
}

fn schema_problem(error: &SchemaError) -> SqlProblem {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let name = field.name();
            let problem = SqlProblem::new("unknown-column", format!("column `{}` does not exist", field.flat_name()));
            let names: Vec<&str> = valid_fields.iter().map(|valid| valid.name()).collect();
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
        other => SqlProblem::new("duplicate-column", lower_first(&other.to_string())),
    }
}

fn arrow_problem(error: &ArrowError) -> SqlProblem {
    match error {
        ArrowError::CastError(text) | ArrowError::ParseError(text) => SqlProblem::new("bad-value", lower_first(text)),
        ArrowError::DivideByZero => {
            SqlProblem::new("division-by-zero", "division by zero").hint("use `nullif(divisor, 0)`")
        }
        ArrowError::ArithmeticOverflow(text) => SqlProblem::new("overflow", lower_first(text)),
        ArrowError::ExternalError(error) => match error.downcast_ref::<DataFusionError>() {
            Some(inner) => SqlProblem::from_engine("", inner),
            None => SqlProblem::new("sql-error", lower_first(&error.to_string())),
        },
        other => SqlProblem::new("sql-error", lower_first(&other.to_string())),
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

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn lower_first(text: &str) -> String {
    // An acronym or a type name keeps its capitals.
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
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

fn word_end(sql: &str, start: usize) -> usize {
    let length = sql
        .get(start..)
        .unwrap_or_default()
        .char_indices()
        .find(|(_, character)| !(character.is_alphanumeric() || *character == '_'))
        .map_or(sql.len().saturating_sub(start), |(at, _)| at);
    start + length.max(1)
}
