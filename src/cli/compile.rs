//! `karat compile`: the SQL of nodes after Jinja, printed for one node and written to `target/compiled` for all.
//! Then the SQL is planned, so that a wrong one does not pass.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::json;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::base::source::SourceFile;
use crate::cli::Outcome;
use crate::cli::application::{Application, Project};
use crate::cli::events::counted;
use crate::cli::options::{CompileOptions, OutputFormat};
use crate::cli::show::{Opened, introspect_if, open, render_problem};
use crate::compile::host::Invocation;
use crate::compile::node::{compile, compile_inline};
use crate::engine::view::WarehouseView;
use crate::manifest::node::{Code, NodeId, ResourceType};
use crate::plan::check::{check, of_template};
use crate::record;
use crate::template::RenderError;

/// Runs the verb.
pub async fn execute(app: &Application, options: &CompileOptions) -> Result<Outcome, Outcome> {
    let project = app.project()?;
    if let Some(text) = &options.inline {
        let Opened { view, invocation, .. } = open(app, &project, &[]).await?;
        let file = SourceFile::new("--inline", text.as_str());
        let code = Code { text: Arc::from(text.as_str()), offset: Some(0), file };
        let compiled = compile_inline(&invocation, &introspect_if(options.introspects, &view), &code)
            .map_err(|error| render_problem(app, error))?;
        app.printer.result(&printed(None, &compiled.sql, options.output));
        return Ok(Outcome::Success);
    }
    let kinds = [
        ResourceType::Model,
        ResourceType::Snapshot,
        ResourceType::Test,
        ResourceType::Analysis,
        ResourceType::Function,
    ];
    let selection = app.select(&project, &options.selection, &kinds)?;
    let selected: Vec<NodeId> = selection.iter().cloned().collect();
    let Opened { view, invocation, .. } = open(app, &project, &selected).await?;
    let target = app.target_path(&project);
    let introspect = introspect_if(options.introspects, &view);
    let mut sql = record::manifest::CompiledSql::new();
    let mut problems = Diagnostics::default();
    for id in &selected {
        let Some(node) = project.manifest.get(id).filter(|node| node.code.is_some()) else { continue };
        match compile(&invocation, &introspect, node, IndexMap::new()) {
            Ok(compiled) => {
                if app.options.write_artifacts {
                    record::compiled::write_compiled(&target, node, &compiled.sql).map_err(|error| app.file(error))?;
                }
                sql.insert(id.clone(), compiled.sql);
            }
            Err(RenderError::Diagnostic(problem)) => problems.0.extend(of_template(node, *problem)),
            Err(RenderError::NotReady(what)) => {
                app.printer.message(&format!("`{}` is not compiled: {what}", node.name));
            }
        }
    }
    app.write_manifest(&project, &sql)?;
    let is_test = |id: &&NodeId| project.manifest.get(id).is_some_and(|node| node.resource_type == ResourceType::Test);
    // A model that is asked for brings its tests along; it is its own SQL that the user wants to see.
    let own: Vec<&NodeId> = sql.keys().filter(|id| !is_test(id)).collect();
    let asked = if own.is_empty() { sql.keys().collect() } else { own };
    if let [id] = asked.as_slice()
        && let (Some(node), Some(text)) = (project.manifest.get(id), sql.get(id))
    {
        app.printer.result(&printed(Some(&node.name), text, options.output));
    } else {
        app.printer.status("Compiled", &counted(sql.len() as u64, "node"));
    }
    // What was made of the templates is worth seeing even if it is no good SQL: so the check comes last.
    if !problems.has_errors() {
        problems.extend(Box::pin(planned(&project, &invocation, &view, &selected)).await);
    }
    app.report(&problems)?;
    Ok(Outcome::Success)
}

/// What is wrong with the SQL of the nodes and of what they are made from. Nothing has to be built for that, and data
/// need not be there: what cannot be planned without it is left out.
async fn planned(
    project: &Project,
    invocation: &Arc<Invocation>,
    view: &Arc<WarehouseView>,
    selected: &[NodeId],
) -> Diagnostics {
    let mut all = project.dag.ancestors(selected, None);
    all.extend(selected.iter().cloned());
    all.retain(|id| !project.manifest.get(id).is_some_and(|node| node.is_empty()));
    let schedule = project.dag.schedule(&all);
    let view = WarehouseView::new(view.surroundings().clone());
    let (_, mut problems) = check(invocation, &schedule, &view).await;
    let about_data = |found: &Diagnostic| found.code.starts_with("source-") || found.code == "not-built";
    problems.0.retain(|found| found.severity == Severity::Error && !about_data(found));
    problems
}

fn printed(node: Option<&str>, sql: &str, output: OutputFormat) -> String {
    match (output, node) {
        (OutputFormat::Json, Some(node)) => json!({ "node": node, "compiled": sql }).to_string(),
        (OutputFormat::Json, None) => json!({ "compiled": sql }).to_string(),
        _ => sql.to_owned(),
    }
}
