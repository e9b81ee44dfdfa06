//! What karat tells the user about the project: a code, a sentence, the place, a hint.
//!
//! A [`Diagnostic`] is about the project or the command line. Failures of the world (disk, network) are `Error`
//! types of the module that met them; the command line turns those into diagnostics at the edge.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::base::codes;
use crate::base::source::Location;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; changes nothing.
    Note,
    /// Suspicious; the command goes on.
    Warning,
    /// The command cannot do what it was asked.
    Error,
}

/// One problem (or remark), with everything needed to understand and mend it.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name in kebab case, such as `unknown-column`; explained by `karat explain`
    /// and registered in [`codes`].
    pub code: &'static str,
    /// One sentence in lower case without a final stop; literals in backticks.
    pub message: String,
    /// Places in the project, the first is the primary one.
    pub labels: Vec<Label>,
    /// Further facts, one line each.
    pub notes: Vec<String>,
    /// What the user could do about it.
    pub hint: Option<String>,
    /// The phrase by which readers of dbt's logs and artifacts find it; people are not told.
    pub known_as: Option<String>,
}

/// A place in the project with a short remark.
#[derive(Debug, Clone)]
pub struct Label {
    /// The place.
    pub location: Location,
    /// What to say about it; may be empty.
    pub message: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// A note.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }

    fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        debug_assert!(codes::find(code).is_some(), "`{code}` is not explained in base::codes");
        Self {
            severity,
            code,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            hint: None,
            known_as: None,
        }
    }

    /// Adds a place with a remark.
    #[must_use]
    pub fn at(mut self, location: Location, message: impl Into<String>) -> Self {
        self.labels.push(Label { location, message: message.into() });
        self
    }

    /// Adds a place if it is known.
    #[must_use]
    pub fn at_maybe(self, location: Option<Location>, message: impl Into<String>) -> Self {
        match location {
            Some(location) => self.at(location, message),
            None => self,
        }
    }

    /// Adds a line of further fact.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the phrase by which readers of dbt's logs find it.
    #[must_use]
    pub fn known_as(mut self, phrase: impl Into<String>) -> Self {
        self.known_as = Some(phrase.into());
        self
    }

    /// Renders the diagnostic with excerpts of the user's files.
    pub fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        let mut index = 0;
        while let Some(first) = self.labels.get(index) {
            // Labels of one file in a row share one excerpt.
            let file = &first.location.file;
            let mut snippet = Snippet::source(file.text.as_str()).path(file.path.as_str()).line_start(file.first_line);
            while let Some(label) = self.labels.get(index).filter(|label| label.location.file == *file) {
                let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let end = label.location.range.end.min(file.text.len());
                let start = label.location.range.start.min(end);
                let annotation = kind.span(start..end);
                let message = (!label.message.is_empty()).then_some(label.message.as_str());
                snippet = snippet.annotation(annotation.label(message));
                index += 1;
            }
            group = group.element(snippet);
        }
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostic {
    /// One line: `path:line:column: error[code]: message`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = self.labels.first() {
            let start = label.location.start();
            write!(formatter, "{}:{}:{}: ", label.location.file.path, start.line, start.column)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(formatter, "{severity}[{}]: {}", self.code, self.message)
    }
}

/// All diagnostics of a stage, in the order they were found.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Takes over all of another stage.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is at least one error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

/// The candidate nearest to `name`, if any is near enough to be a typing error: for "did you mean" hints.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(name.len()) / 4)
        .min_by(|left, right| left.0.cmp(&right.0).then_with(|| left.1.cmp(right.1)))
        .map(|(_, candidate)| candidate)
}
