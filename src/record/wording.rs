//! What went wrong with a node, in the form in which dbt puts it into artifacts and logs. Readers search for the first
//! line: a class of error, the kind of node, its name, its file.

use std::fmt::Write as _;

use crate::base::codes::{self, Stage};
use crate::base::diagnostic::{Diagnostic, Severity};
use crate::execute::result::{NodeResult, Status};
use crate::manifest::node::{Node, ResourceType};
use crate::record::run_results::statement;

/// The text of a failure such as `Database Error in model orders (models/orders.sql)`, with the facts indented below;
/// `None` of a node that has not failed.
pub fn failure(result: &NodeResult) -> Option<String> {
    if result.status != Status::Error {
        return None;
    }
    let node = &result.node;
    let errors: Vec<&Diagnostic> =
        result.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    let facts = if errors.is_empty() {
        result.message.clone().unwrap_or_else(|| "failed".to_owned())
    } else {
        errors.iter().map(|error| facts(error)).collect::<Vec<_>>().join("\n")
    };
    if let Some(hook) = statement(node).filter(|_| !is_macro(node)) {
        return Some(format!("{hook} failed, error:\n {}", facts.replace('\n', "\n ")));
    }
    let class = errors.first().map_or("Runtime", |error| class(error.code, result.compiled_sql.is_some()));
    let place = match node.path_in_package(&node.path) {
        "" => String::new(),
        path => format!(" in {} {} ({path})", kind(node), node.name),
    };
    Some(format!("{class} Error{place}\n  {}", facts.replace('\n', "\n  ")))
}

/// Macros that are called by name have hooks' nodes.
fn is_macro(node: &Node) -> bool {
    node.id.as_str().starts_with("macro.") || node.id.as_str().starts_with("sql_operation.")
}

fn kind(node: &Node) -> &'static str {
    match node.resource_type {
        ResourceType::Operation => "macro",
        kind => kind.as_str(),
    }
}

/// dbt's class of an error: what it would have met while compiling, what the database would have said, and the rest.
fn class(code: &str, is_compiled: bool) -> &'static str {
    match code {
        "contract" | "not-a-snapshot" | "schema-change" => "Compilation",
        _ => match codes::find(code).map(|code| code.stage) {
            // A value, and no longer the configuration, once there is SQL.
            Some(Stage::Project) if is_compiled => "Database",
            Some(Stage::CommandLine | Stage::Project | Stage::Template | Stage::Graph) => "Compilation",
            Some(Stage::Sql | Stage::Running) => "Database",
            Some(Stage::Sources | Stage::Storage) | None => "Runtime",
            Some(Stage::Internal) => "Internal",
        },
    }
}

/// A diagnostic without its excerpts.
fn facts(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    if let Some(phrase) = &diagnostic.known_as {
        let _ = write!(text, "\n{phrase}");
    }
    if let Some(label) = diagnostic.labels.first() {
        let start = label.location.start();
        let _ = write!(text, "\n--> {}:{}:{}", label.location.file.path, start.line, start.column);
    }
    for note in &diagnostic.notes {
        let _ = write!(text, "\n{note}");
    }
    if let Some(hint) = &diagnostic.hint {
        let _ = write!(text, "\nhint: {hint}");
    }
    text
}
