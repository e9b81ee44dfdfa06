//! Why an evaluation stops, and how a failure becomes a diagnostic that points at the user's files.

use std::sync::Arc;

use minijinja::{Error, ErrorKind, Value};

use crate::base::diagnostic::Diagnostic;
use crate::base::source::Location;
use crate::template::RenderError;
use crate::template::host::HostError;
use crate::template::source_map::{CallSite, CallStep};

/// Why an evaluation leaves the statement that it is in.
#[derive(Debug)]
pub enum Stop {
    /// `return()`.
    Return(Value),
    /// `{% break %}`.
    Break,
    /// `{% continue %}`.
    Continue,
    /// Something is wrong.
    Failure(Box<Failure>),
}

/// What an evaluation gives.
pub type Eval<T = Value> = Result<T, Stop>;

/// Something that is wrong, while its place is being found out.
#[derive(Debug)]
pub struct Failure {
    /// Diagnostic code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Set if the template can be rendered later.
    pub not_ready: bool,
    /// A finished diagnostic (of a text that was parsed while rendering), which needs no more but the call stack.
    pub diagnostic: Option<Box<Diagnostic>>,
    /// Where it happened.
    pub place: Option<FailurePlace>,
}

/// Where a failure happened.
#[derive(Debug)]
pub struct FailurePlace {
    /// The expression or statement.
    pub location: Location,
    /// Whether that is in one of karat's own macros.
    pub built_in: bool,
    /// The calls that led there, innermost first.
    pub call: Option<Arc<CallSite>>,
}

impl Failure {
    /// A failure without a place yet.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, hint: None, not_ready: false, diagnostic: None, place: None }
    }

    /// Sets the hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Drops the outermost call, which stands for a call that is not in any file.
    #[must_use]
    pub fn without_outermost_call(mut self) -> Self {
        if let Some(place) = &mut self.place {
            let mut sites: Vec<Arc<CallSite>> =
                std::iter::successors(place.call.take(), |site| site.outer.clone()).collect();
            sites.pop();
            for kept in sites.into_iter().rev() {
                let CallSite { name, location, built_in, .. } = &*kept;
                let (name, location, built_in) = (name.clone(), location.clone(), *built_in);
                place.call = Some(Arc::new(CallSite { name, location, built_in, outer: place.call.take() }));
            }
        }
        self
    }

    /// The error of a rendering that failed so.
    #[expect(clippy::unnecessary_box_returns, reason = "it is the error of results, and those are boxed")]
    pub fn into_error(self) -> Box<RenderError> {
        if self.not_ready {
            return Box::new(RenderError::NotReady(self.message));
        }
        let mut diagnostic = self.diagnostic.map_or_else(|| Diagnostic::error(self.code, self.message), |made| *made);
        if diagnostic.hint.is_none() {
            diagnostic.hint = self.hint;
        }
        if let Some(place) = self.place {
            diagnostic = place.label(diagnostic);
        }
        Box::new(RenderError::Diagnostic(Box::new(diagnostic)))
    }
}

impl FailurePlace {
    /// Adds the labels: the innermost place of the user's first, then each call that led there.
    fn label(self, mut diagnostic: Diagnostic) -> Diagnostic {
        if !self.built_in && diagnostic.labels.is_empty() {
            diagnostic = diagnostic.at(self.location, "");
        }
        for step in self.call.iter().flat_map(|call| call.steps()) {
            diagnostic = match step {
                CallStep::Call(label) if diagnostic.labels.is_empty() => {
                    let message = label.message.replacen("macro ", "in the built-in macro ", 1);
                    diagnostic.at(label.location, message.replacen(" called", ", called", 1))
                }
                CallStep::Call(label) => diagnostic.at(label.location, label.message),
                CallStep::Note(note) => diagnostic.with_note(note),
            };
        }
        diagnostic
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        match error {
            HostError::NotReady(reason) => {
                let mut failure = Failure::new("not-ready", reason);
                failure.not_ready = true;
                failure.into()
            }
            HostError::Refused { code, message, hint } => {
                let mut failure = Failure::new(code, message);
                failure.hint = hint;
                failure.into()
            }
        }
    }
}

/// A general failure of an operation.
pub fn fail<T>(message: impl Into<String>) -> Eval<T> {
    Err(Failure::new("jinja-error", message).into())
}

/// What is wrong according to minijinja, in our words.
pub fn reword(error: &Error, limit: u64) -> Failure {
    let detail = error.detail().map(|detail| detail.trim_end_matches('.').to_owned());
    match error.kind() {
        ErrorKind::OutOfFuel => out_of_fuel(limit),
        ErrorKind::UndefinedError => {
            Failure::new("jinja-undefined", detail.unwrap_or_else(|| "undefined value".into()))
        }
        ErrorKind::TooManyArguments => Failure::new(
            "jinja-error",
            detail.map_or("too many arguments".into(), |detail| format!("too many arguments: {detail}")),
        ),
        ErrorKind::MissingArgument => Failure::new(
            "jinja-error",
            detail.map_or("missing argument".into(), |detail| format!("missing argument: {detail}")),
        ),
        kind => Failure::new("jinja-error", detail.unwrap_or_else(|| kind.to_string())),
    }
}

/// The failure of a template that does too much.
pub fn out_of_fuel(limit: u64) -> Failure {
    Failure::new("jinja-limit", format!("the template does too much: it used up its fuel of {limit}"))
        .with_hint("every step and every 64 bytes of text cost one; look for a loop over too many items")
}
