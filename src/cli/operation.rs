//! `karat run-operation`: calls a macro by name. What its statements change is published when it has ended well.

use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::base::source::SourceFile;
use crate::cli::application::Application;
use crate::cli::build::{begin, publish_operation};
use crate::cli::options::{Operation, OperationOptions};
use crate::cli::retry::Retried;
use crate::cli::show::{Opened, open, render_problem};
use crate::cli::{Outcome, invocation_args};
use crate::compile::host::CompileHost;
use crate::compile::node::compile_code;
use crate::execute::changes::Changes;
use crate::execute::failure::Failure;
use crate::execute::node::blank;
use crate::execute::result::{RunResult, Status, Timing};
use crate::execute::run::Run;
use crate::execute::statement::run_compiled;
use crate::execute::turns::Turns;
use crate::manifest::node::{Code, Node, NodeId};
use crate::record;
use crate::template::host::SharedHost;
use crate::template::{Argument, RenderError};

/// Runs the verb.
pub async fn execute(app: &Application, options: &OperationOptions) -> Result<Outcome, Outcome> {
    if options.retried.as_ref().is_some_and(Retried::is_empty) {
        app.printer.message("nothing to retry: the operation ended well");
        return Ok(Outcome::Success);
    }
    let project = app.project()?;
    let (package, name) = match &options.operation {
        Operation::Macro(written) => match written.split_once('.') {
            Some((package, name)) => (Some(package), name),
            None => (None, written.as_str()),
        },
        // dbt's name for it.
        Operation::Sql(_) => (None, "inline_query"),
    };
    let warehouse = app.warehouse(&project)?;
    let (_lock, _) = begin(app, &project, &warehouse).await?;
    let Opened { view, invocation, .. } = open(app, &project, &[]).await?;
    let warehouse = Arc::clone(&view.surroundings().warehouse);
    let run = Arc::new(Run {
        invocation,
        view,
        sink: Arc::clone(&app.printer) as _,
        threads: app.threads(&project),
        turns: Turns::default(),
        fail_fast: false,
        result_value: app.result_value(&project),
        ended: Mutex::default(),
        changes: Changes::default(),
    });
    // dbt finds an operation in any package, also one that templates of the project could not call without its name.
    let package = package.or_else(|| run.invocation.templates.package_with(name));
    let mut owner = Node::operation(package.unwrap_or(&project.manifest.project_name), name);
    // In its results dbt names the macro itself.
    let kind = if matches!(options.operation, Operation::Macro(_)) { "macro" } else { "sql_operation" };
    owner.id = NodeId::new(format!("{kind}.{}.{name}", owner.package));
    if let Some(called) = project.manifest.macros.get(owner.id.as_str()) {
        owner.path.clone_from(&called.path);
    }
    let owner = Arc::new(owner);
    let started_at = app.clock.timestamp();
    let mut result = blank(&owner, "operation", 0);
    let done = match &options.operation {
        Operation::Macro(_) => call(app, &run, &owner, package, &options.arguments),
        Operation::Sql(sql) => say(app, &run, &owner, sql).await,
    };
    let published = match done {
        Ok(()) => publish_operation(app, &run).await.map_err(|outcome| (outcome, Vec::new())),
        Err(failed) => Err(failed),
    };
    warehouse.discard_staged().await;
    let (publication, outcome) = match published {
        Ok(publication) => (publication, Outcome::Success),
        Err((outcome, diagnostics)) => {
            result.status = Status::Error;
            let message = diagnostics.first().map_or("it was not published", |found| found.message.as_str());
            result.message = Some(message.to_owned());
            result.diagnostics = diagnostics;
            (None, outcome)
        }
    };
    let elapsed = app.clock.elapsed();
    result.execution_time = elapsed;
    result.timing.push(Timing { name: "execute", started_at, completed_at: app.clock.timestamp() });
    let results = RunResult { results: vec![result], publication, failure: None, interrupted: false, elapsed };
    if app.options.write_artifacts && outcome != Outcome::Usage {
        let artifact = record::run_results::artifact(&results, &invocation_args::told(&app.args), &app.record());
        app.write_artifact(&project, record::run_results::FILE_NAME, &artifact)?;
    }
    Ok(outcome)
}

/// How the command ends, and why an operation failed; empty if that was told already.
type Failed = (Outcome, Vec<Diagnostic>);

/// Prints why a template was not rendered.
fn not_rendered(app: &Application, error: RenderError, outcome: Outcome) -> Failed {
    let diagnostics = Failure::from(error.clone()).diagnostics;
    render_problem(app, error);
    (outcome, diagnostics)
}

/// Calls the macro. What it writes is not run, as under dbt.
fn call(
    app: &Application,
    run: &Arc<Run>,
    owner: &Arc<Node>,
    package: Option<&str>,
    arguments: &IndexMap<String, Json>,
) -> Result<(), Failed> {
    let host: SharedHost = CompileHost::new(&run.invocation, &run.introspect(owner), None, IndexMap::new());
    let keyword: IndexMap<String, Argument> =
        arguments.iter().map(|(name, value)| (name.clone(), Argument::Plain(value.clone()))).collect();
    let called = run.invocation.templates.call_macro(package, &owner.name, &[], &keyword, &host);
    let outcome = called.map_err(|error| {
        let unknown = matches!(&*error, RenderError::Diagnostic(found) if found.code == "unknown-macro");
        not_rendered(app, *error, if unknown { Outcome::Usage } else { Outcome::Failed })
    })?;
    if outcome.text.trim().is_empty() {
        app.printer.message(&format!("the macro `{}` has run", owner.name));
    } else {
        app.printer.debug(&format!("the macro `{}` gave: {}", owner.name, outcome.text));
    }
    Ok(())
}

/// Runs statements from the command line.
async fn say(app: &Application, run: &Arc<Run>, owner: &Arc<Node>, sql: &str) -> Result<(), Failed> {
    let code = Code { text: Arc::from(sql), offset: Some(0), file: SourceFile::new("--sql", sql) };
    let compiled = compile_code(&run.invocation, &run.introspect(owner), &code, None, IndexMap::new());
    let compiled = compiled.map_err(|error| not_rendered(app, error, Outcome::Usage))?;
    match run_compiled(run, owner, &compiled).await {
        Ok(answer) => {
            app.printer.message(format!("{} {}", answer.verb, answer.rows_affected).trim());
            Ok(())
        }
        Err(failure) => {
            for diagnostic in &failure.diagnostics {
                app.printer.diagnostic(diagnostic);
            }
            Err((Outcome::Failed, failure.diagnostics))
        }
    }
}
