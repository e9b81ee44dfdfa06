//! Why a node failed.

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::compile::node::CompiledNode;
use crate::engine::error::SqlProblem;
use crate::manifest::node::Node;
use crate::plan::check::sql_diagnostic;
use crate::store::StoreError;
use crate::template::RenderError;

/// A node's failure: what to tell the user, and whether the world is to blame.
#[derive(Debug, Clone)]
pub struct Failure {
    /// At least one.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether memory ran out, so that another plan may succeed.
    pub exhausted: bool,
}

impl Failure {
    /// A failure with one diagnostic.
    pub fn new(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic], exhausted: false }
    }

    /// A problem with the node's own SQL, shown in the user's file.
    pub fn of_sql(node: &Node, compiled: &CompiledNode, problem: &SqlProblem) -> Self {
        Self { diagnostics: vec![sql_diagnostic(node, compiled, problem)], exhausted: problem.exhausted }
    }

    /// A problem with SQL that karat made around the node's configuration (keys, predicates).
    pub fn of_config(node: &Node, problem: &SqlProblem) -> Self {
        let mut diagnostic = Diagnostic::error(problem.code, format!("`{}`: {}", node.display_name(), problem.message))
            .at_maybe(node.location.clone(), "");
        diagnostic.hint.clone_from(&problem.hint);
        diagnostic.notes.clone_from(&problem.further.notes);
        Self { diagnostics: vec![diagnostic], exhausted: problem.exhausted }
    }

    /// A failure of the store.
    pub fn of_store(node: &Node, error: &StoreError) -> Self {
        let mut diagnostic = Diagnostic::error(error.code(), format!("`{}`: {error}", node.display_name()))
            .at_maybe(node.location.clone(), "");
        diagnostic.hint = error.hint().map(str::to_owned);
        Self::new(diagnostic)
    }

    /// The first sentence, for one line of output.
    pub fn message(&self) -> String {
        self.diagnostics.first().map_or_else(|| "failed".to_owned(), |diagnostic| diagnostic.message.clone())
    }
}

impl From<Box<Diagnostic>> for Failure {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self::new(*diagnostic)
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::from(Box::new(diagnostic))
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics: diagnostics.0, exhausted: false }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Diagnostic(diagnostic) => Self::new(*diagnostic),
            RenderError::NotReady(what) => Self::new(Diagnostic::error("not-ready", what)),
        }
    }
}
