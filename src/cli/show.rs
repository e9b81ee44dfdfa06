//! `karat show`: the first rows of a node's query, or of a query on the command line. Nothing is stored.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use indexmap::IndexMap;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::source::SourceFile;
use crate::cli::Outcome;
use crate::cli::application::{Application, Project};
use crate::cli::defer::{Deferral, Work};
use crate::cli::options::{OutputFormat, ShowOptions};
use crate::cli::table;
use crate::compile::host::Invocation;
use crate::compile::introspect::{Blind, Introspect};
use crate::compile::node::{CompiledNode, compile, compile_code, compile_inline};
use crate::engine::error::SqlProblem;
use crate::engine::session::Variant;
use crate::engine::view::WarehouseView;
use crate::manifest::node::{Code, Detail, Node, NodeId, ResourceType};
use crate::plan::check::{Beforehand, sql_diagnostic};
use crate::select::IndirectSelection;
use crate::template::RenderError;

/// Runs the verb.
pub async fn execute(app: &Application, options: &ShowOptions) -> Result<Outcome, Outcome> {
    check_usage(app, options)?;
    let project = app.project()?;
    if let Some(sql) = options.inline.as_ref().or(options.inline_direct.as_ref()) {
        let Opened { view, invocation, .. } = open(app, &project, &[]).await?;
        let compiled = if options.inline_direct.is_some() {
            CompiledNode::verbatim(sql, "--inline-direct")
        } else {
            let file = SourceFile::new("--inline", sql.as_str());
            let code = Code { text: Arc::from(sql.as_str()), offset: Some(0), file };
            let view = introspect_if(options.introspects, &view);
            let compiled = compile_inline(&invocation, &view, &code);
            compiled.map_err(|error| render_problem(app, error))?
        };
        let batches = rows(&view, &compiled, options.limit).await.map_err(|(outcome, problem)| {
            let mut diagnostic = Diagnostic::error(problem.code, problem.message.clone());
            diagnostic.hint.clone_from(&problem.hint);
            app.printer.diagnostic(&compiled.point(diagnostic, problem.range.as_ref(), None));
            outcome
        })?;
        print(app, None, &batches, options.output)?;
        return Ok(Outcome::Success);
    }
    let kinds = [
        ResourceType::Model,
        ResourceType::Seed,
        ResourceType::Snapshot,
        ResourceType::Source,
        ResourceType::Test,
        ResourceType::Analysis,
    ];
    let mut selection_options = options.selection.clone();
    // The tests of a shown model are not asked for, unless a test is named.
    selection_options.indirect_selection.get_or_insert(IndirectSelection::Empty);
    let selection = app.select(&project, &selection_options, &kinds)?;
    let selected: Vec<NodeId> = selection.iter().cloned().collect();
    let Opened { view, invocation, missing } = open(app, &project, &selected).await?;
    app.report(&missing)?;
    for id in &selected {
        let Some(node) = project.manifest.get(id) else { continue };
        let compiled = node_query(app, &invocation, &introspect_if(options.introspects, &view), node)?;
        let batches = rows(&view, &compiled, options.limit).await.map_err(|(outcome, problem)| {
            app.printer.diagnostic(&sql_diagnostic(node, &compiled, &problem));
            outcome
        })?;
        print(app, Some(&node.name), &batches, options.output)?;
    }
    Ok(Outcome::Success)
}

/// Either a query or nodes, as under dbt.
fn check_usage(app: &Application, options: &ShowOptions) -> Result<(), Outcome> {
    let selection = &options.selection;
    let chooses = !selection.select.is_empty() || selection.selector.is_some();
    let inline = options.inline.is_some() || options.inline_direct.is_some();
    let message = match (inline, chooses) {
        (true, true) => "`--inline` cannot be combined with `--select` or `--selector`",
        (false, false) => "`show` needs `--select`, `--selector` or `--inline`",
        _ => return Ok(()),
    };
    app.report(&Diagnostic::error("invalid-argument", message).into())
}

/// What a verb that builds nothing works with.
pub struct Opened {
    /// What is published now, and what is deferred to a state.
    pub view: Arc<WarehouseView>,
    /// Facts for templates.
    pub invocation: Arc<Invocation>,
    /// What should be read from a state, and is not published there.
    pub missing: Diagnostics,
}

/// A view of what is published now, for some selected nodes.
pub async fn open(app: &Application, project: &Project, selected: &[NodeId]) -> Result<Opened, Outcome> {
    let warehouse = app.warehouse(project)?;
    let catalog = warehouse.catalog(&app.environment(project)?).await.map_err(|error| app.store(&error))?;
    let work = Work { selected, builds: false };
    let Deferral { nodes, names, missing } = app.deferral(project, &warehouse, &catalog, work).await?;
    let invocation = app.invocation(project, selected.to_vec(), nodes);
    let surroundings = app.surroundings(project, warehouse, catalog, names, &invocation)?;
    Ok(Opened { view: WarehouseView::new(surroundings), invocation, missing })
}

/// What templates may learn of a view, if they may ask at all.
pub fn introspect_if(asks: bool, view: &Arc<WarehouseView>) -> Arc<dyn Introspect> {
    if asks { introspect(view) } else { Arc::new(Blind) }
}

/// What templates may learn of a view.
pub fn introspect(view: &Arc<WarehouseView>) -> Arc<dyn Introspect> {
    Arc::new(Beforehand::new(Arc::clone(view), std::collections::BTreeSet::new()))
}

/// Prints why a template was not rendered.
pub fn render_problem(app: &Application, error: RenderError) -> Outcome {
    let diagnostic = match error {
        RenderError::Diagnostic(diagnostic) => *diagnostic,
        RenderError::NotReady(what) => Diagnostic::error("not-ready", what),
    };
    app.printer.diagnostic(&diagnostic);
    Outcome::Usage
}

fn failed(app: &Application, diagnostic: &Diagnostic) -> Outcome {
    app.printer.diagnostic(diagnostic);
    Outcome::Failed
}

/// The query whose rows are the node's: its own, or a look at its relation.
fn node_query(
    app: &Application,
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    node: &Arc<Node>,
) -> Result<CompiledNode, Outcome> {
    let compiled = match (&node.detail, &node.relation) {
        (Detail::Seed { .. } | Detail::Source(_) | Detail::Snapshot, Some(relation)) => {
            let sql = format!("select * from {}", relation.to_sql());
            let code =
                Code { file: SourceFile::new(node.path.as_str(), sql.as_str()), text: Arc::from(sql), offset: None };
            compile_code(invocation, view, &code, None, IndexMap::new())
        }
        _ => compile(invocation, view, node, IndexMap::new()),
    };
    compiled.map_err(|error| render_problem(app, error))
}

/// The rows of a query. A problem that shows before anything is read is the user's to mend; later the query has failed.
async fn rows(
    view: &Arc<WarehouseView>,
    compiled: &CompiledNode,
    limit: Option<usize>,
) -> Result<Vec<RecordBatch>, (Outcome, SqlProblem)> {
    // "The first rows" should be the same each time; all rows may come in any order.
    let session = view.session(if limit.is_some() { Variant::Ordered } else { Variant::Normal });
    // The user's own text is checked first, so that places in it are right.
    let outcome = |problem: &SqlProblem, usual| if problem.world { Outcome::World } else { usual };
    let plan = session.plan(&compiled.sql).await.map_err(|problem| (outcome(&problem, Outcome::Usage), problem))?;
    let rows = session.query_plan(&compiled.sql, plan, limit).await;
    rows.map_err(|problem| (outcome(&problem, Outcome::Failed), problem))
}

/// Prints rows in the form asked for.
pub fn print(
    app: &Application,
    node: Option<&str>,
    batches: &[RecordBatch],
    output: OutputFormat,
) -> Result<(), Outcome> {
    let empty = Arc::new(Schema::empty());
    let schema = batches.first().map_or(empty, RecordBatch::schema);
    let text: Result<String, ArrowError> = match output {
        OutputFormat::Text => table::text_table(&schema, batches).map(|text| match node {
            Some(node) => format!("Previewing node `{node}`:\n{text}"),
            None => text,
        }),
        OutputFormat::Json => table::json_document(node, batches),
        OutputFormat::Csv => table::csv(&schema, batches),
        OutputFormat::Ndjson => table::json_rows(batches).map(|rows| rows.join("\n")),
    };
    match text {
        // A form of one line per row has no line without a row.
        Ok(text) if text.is_empty() => Ok(()),
        Ok(text) => {
            app.printer.result(&text);
            Ok(())
        }
        Err(error) => Err(failed(app, &Diagnostic::error("unprintable", error.to_string()))),
    }
}
