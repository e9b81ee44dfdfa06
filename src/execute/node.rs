//! One node from start to end.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::source::SourceFile;
use crate::compile::node::{CompiledNode, compile, compile_hook};
use crate::engine::session::Variant;
use crate::engine::view::Fresh;
use crate::execute::failure::Failure;
use crate::execute::result::{NodeResult, RunEvent, Status, Timing};
use crate::execute::run::Run;
use crate::execute::{custom, microbatch, snapshot, statement, table, test, unit_test};
use crate::manifest::config::Hook;
use crate::manifest::microbatch::Batch;
use crate::manifest::node::{Code, Node};
use crate::manifest::version::ModelVersion;
use crate::plan::run_plan::{Intent, Step};

/// A result that says nothing yet.
pub fn blank(node: &Arc<Node>, action: &'static str, worker: usize) -> NodeResult {
    NodeResult {
        node: Arc::clone(node),
        status: Status::Success,
        message: None,
        action,
        failures: None,
        rows: None,
        bytes_written: 0,
        timing: Vec::new(),
        worker,
        execution_time: Duration::ZERO,
        compiled_sql: None,
        ephemeral: Vec::new(),
        diagnostics: Vec::new(),
        failing_rows: None,
        failures_relation: None,
        batches: None,
        withheld: false,
    }
}

/// The word for what a step does.
pub fn action(step: &Step) -> &'static str {
    match &step.intent {
        Intent::View => "view",
        Intent::Replace => "table",
        Intent::Incremental(incremental) => incremental.strategy.action(),
        Intent::Microbatch(_) => "microbatch",
        Intent::Snapshot(_) => "snapshot",
        Intent::Load => "seed",
        Intent::Check(_) => "test",
        Intent::Compare => "unit test",
        Intent::Operation => "hook",
        Intent::Function => "function",
        Intent::Custom => "custom",
        Intent::Nothing => "nothing",
    }
}

/// Runs one step. A failure is a result, too.
pub async fn run(run: &Arc<Run>, step: &Step, worker: usize) -> NodeResult {
    let clock = &run.invocation.clock;
    let started = clock.elapsed();
    let started_at = clock.timestamp();
    let mut result = blank(&step.node, action(step), worker);
    if let Some(fault) = step.faults.first() {
        // It was told before the run.
        result.status = Status::Error;
        result.message = Some(fault.message.clone());
        result.diagnostics.clone_from(&step.faults);
        return result;
    }
    let compiled = compile_step(run, step, worker);
    let compiled_at = clock.timestamp();
    result.timing.push(Timing { name: "compile", started_at, completed_at: compiled_at });
    let outcome = match compiled {
        Ok(compiled) => {
            result.compiled_sql = compiled.as_ref().map(|compiled| compiled.sql.clone());
            result.ephemeral = compiled.as_ref().map(|compiled| compiled.ephemeral.clone()).unwrap_or_default();
            with_hooks(run, step, compiled.as_deref(), &mut result).await
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = outcome {
        result.status = Status::Error;
        result.message = Some(failure.message());
        result.diagnostics.extend(failure.diagnostics);
    }
    // Temporary relations are for the statements of one node.
    for key in run.changes.take_temporary(&step.node.id) {
        run.view.forget(&key);
    }
    result.timing.push(Timing { name: "execute", started_at: compiled_at, completed_at: clock.timestamp() });
    result.execution_time = clock.elapsed().saturating_sub(started);
    for warning in run.view.take_warnings() {
        run.sink.event(&RunEvent::Diagnostic(&warning));
    }
    result
}

fn compile_step(run: &Arc<Run>, step: &Step, worker: usize) -> Result<Option<Arc<CompiledNode>>, Failure> {
    // Batches are compiled one by one.
    if !step.node.has_query() || matches!(step.intent, Intent::Microbatch(_)) {
        return Ok(None);
    }
    match &step.compiled {
        Some(compiled) => Ok(Some(Arc::clone(compiled))),
        None => {
            let mut extra = if step.runs_at_end() { run.end_globals() } else { IndexMap::new() };
            extra.insert("thread_id".to_owned(), thread(worker));
            Ok(Some(Arc::new(compile(&run.invocation, &run.introspect(&step.node), &step.node, extra)?)))
        }
    }
}

/// The node's own hooks, before and after its work. A failing hook fails the node.
async fn with_hooks(
    run: &Arc<Run>,
    step: &Step,
    compiled: Option<&CompiledNode>,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    let config = &step.node.config;
    // A custom materialization runs its hooks itself.
    let stores = !matches!(step.intent, Intent::Check(_) | Intent::Compare | Intent::Operation | Intent::Custom);
    // As under dbt, the first batch runs the hooks before, and the last one those after.
    let (first, last) = match &step.intent {
        Intent::Microbatch(plan) => (plan.batches.first().copied(), plan.batches.last().copied()),
        _ => (None, None),
    };
    if stores {
        hooks(run, &step.node, &config.pre_hook, "pre-hook", first, result.worker).await?;
    }
    execute(run, step, compiled, result).await?;
    if stores && result.status != Status::Error {
        hooks(run, &step.node, &config.post_hook, "post-hook", last, result.worker).await?;
        if let Some(pointer) = pointer(&step.node) {
            hooks(run, &step.node, &[pointer], "latest version", last, result.worker).await?;
        }
    }
    Ok(())
}

/// The statement that keeps a view of the latest version under a name without version (dbt's
/// `latest_version_pointer`). It is published, and held back, with the model.
fn pointer(node: &Node) -> Option<Hook> {
    let wanted = node.config.latest_version_pointer.as_ref()?;
    let relation = node.relation.as_ref().filter(|_| node.version().is_some_and(ModelVersion::is_latest))?;
    let name = wanted.alias.as_ref().unwrap_or(&node.name);
    let (database, schema) = (relation.database.as_str(), relation.schema.as_str());
    let name = [database, schema, name].map(crate::base::ident::quote).join(".");
    Some(Hook {
        sql: format!("create or replace view {name} as select * from {}", relation.to_sql()),
        transaction: true,
    })
}

/// dbt's `thread_id`.
fn thread(worker: usize) -> Json {
    json!(format!("Thread-{worker} (worker)"))
}

async fn hooks(
    run: &Arc<Run>,
    node: &Arc<Node>,
    hooks: &[Hook],
    name: &str,
    batch: Option<Batch>,
    worker: usize,
) -> Result<(), Failure> {
    for (index, hook) in hooks.iter().enumerate() {
        let file = SourceFile::new(format!("{} ({name} {})", node.path, index + 1), hook.sql.as_str());
        let code = Code { text: Arc::from(hook.sql.as_str()), offset: Some(0), file };
        let extra = IndexMap::from([("thread_id".to_owned(), thread(worker))]);
        let compiled = compile_hook(&run.invocation, &run.introspect(node), &code, node, batch, extra)?;
        statement::run_compiled(run, node, &compiled).await?;
    }
    Ok(())
}

async fn execute(
    run: &Arc<Run>,
    step: &Step,
    compiled: Option<&CompiledNode>,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    // What a template of its own or a hook says is told when it is said.
    let says_itself = matches!(step.intent, Intent::Custom | Intent::Operation);
    if let Some(compiled) = compiled.filter(|_| !says_itself) {
        run.tell(&step.node, &compiled.sql)?;
    }
    // Statements of other nodes' hooks may be about this relation. Those of its own template ask for the lock themselves.
    let runs_statements = matches!(step.intent, Intent::Custom | Intent::Microbatch(_));
    let _lock = match &step.node.relation {
        Some(relation) if step.node.resource_type.is_built() && !runs_statements => {
            Some(run.changes.lock(&relation.key()).await)
        }
        _ => None,
    };
    match (&step.intent, compiled) {
        (Intent::Load, _) => table::load(run, &step.node, result).await,
        (Intent::View, Some(compiled)) => view(run, &step.node, compiled).await,
        (Intent::Replace, Some(compiled)) => table::replace(run, &step.node, compiled, result).await,
        (Intent::Incremental(incremental), Some(compiled)) => {
            table::incremental(run, &step.node, compiled, incremental, result).await
        }
        (Intent::Microbatch(plan), _) => microbatch::microbatch(run, &step.node, plan, result).await,
        (Intent::Snapshot(plan), Some(compiled)) => snapshot::snapshot(run, &step.node, compiled, plan, result).await,
        (Intent::Check(plan), Some(compiled)) => test::check(run, &step.node, compiled, plan, result).await,
        (Intent::Compare, Some(compiled)) => unit_test::check(run, &step.node, compiled, result).await,
        (Intent::Custom, Some(compiled)) => custom::materialize(run, &step.node, compiled, result),
        (Intent::Operation, Some(compiled)) => statement::run_compiled(run, &step.node, compiled).await.map(|_| ()),
        _ => Ok(()),
    }
}

/// A view is checked and kept as its SQL.
async fn view(run: &Arc<Run>, node: &Arc<Node>, compiled: &CompiledNode) -> Result<(), Failure> {
    let session = run.view.session(Variant::Normal);
    let plan = session.plan(&compiled.sql).await.map_err(|problem| Failure::of_sql(node, compiled, &problem))?;
    if let Some(relation) = &node.relation {
        let schema = Arc::new(plan.schema().as_arrow().clone());
        // A published view means the same until it is built again, whatever becomes of the functions that it calls.
        run.view.put(relation.key(), Fresh::View { sql: session.written_out(&compiled.sql), schema });
    }
    Ok(())
}
