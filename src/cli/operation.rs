//! `karat run-operation`: calls a macro by name.

use indexmap::IndexMap;

use crate::cli::Outcome;
use crate::cli::application::Application;
use crate::cli::options::OperationOptions;
use crate::cli::show::{introspect, open, render_problem};
use crate::compile::host::CompileHost;
use crate::template::host::SharedHost;
use crate::template::{Argument, RenderError};

/// Runs the verb.
pub async fn execute(app: &Application, options: &OperationOptions) -> Result<Outcome, Outcome> {
    let project = app.project()?;
    let view = open(app, &project).await?;
    let invocation = app.invocation(&project, Vec::new());
    let host: SharedHost = CompileHost::new(&invocation, &introspect(&view), None, IndexMap::new());
    let (package, name) = match options.macro_name.split_once('.') {
        Some((package, name)) => (Some(package), name),
        None => (None, options.macro_name.as_str()),
    };
    let keyword: IndexMap<String, Argument> =
        options.arguments.iter().map(|(name, value)| (name.clone(), Argument::Plain(value.clone()))).collect();
    let called = invocation.templates.call_macro(package, name, &[], &keyword, &host);
    let outcome = called.map_err(|error| {
        let unknown = matches!(&*error, RenderError::Diagnostic(found) if found.code == "unknown-macro");
        let usage = render_problem(app, *error);
        if unknown { usage } else { Outcome::Failed }
    })?;
    if outcome.text.trim().is_empty() {
        app.printer.message(&format!("the macro `{}` has run", options.macro_name));
    } else {
        app.printer.debug(&format!("the macro `{}` gave: {}", options.macro_name, outcome.text));
    }
    Ok(Outcome::Success)
}
