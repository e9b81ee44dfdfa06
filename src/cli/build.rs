//! `karat run`, `test`, `seed`, `snapshot` and `build`: the whole pipeline, one line per stage.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use arrow::datatypes::{Field, Schema};
use tokio::sync::watch;

use crate::base::codes;
use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::cli::application::{Application, Project, store_diagnostic};
use crate::cli::defer::Work;
use crate::cli::events::counted;
use crate::cli::options::{BuildOptions, OutputFormat};
use crate::cli::retry::Retried;
use crate::cli::show::print;
use crate::cli::summary::Context;
use crate::cli::{Outcome, events, invocation_args};
use crate::engine::session::Variant;
use crate::engine::types::sql_type_of;
use crate::engine::view::WarehouseView;
use crate::execute::changes::Changes;
use crate::execute::node::{action, blank};
use crate::execute::publication::{Held, publish, withheld};
use crate::execute::result::{EventSink, NOT_RUN, NodeResult, Publication, RunEvent, RunResult, Status};
use crate::execute::run::Run;
use crate::execute::scheduler::{of_part, run_all};
use crate::execute::turns::Turns;
use crate::graph::schedule::Schedule;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Detail, Node, NodeId, ResourceType};
use crate::plan::check::check;
use crate::plan::run_plan::{Intent, RunPlan};
use crate::record;
use crate::record::catalog::{CatalogColumn, CatalogRow};
use crate::store::{Catalog, EnvLock, HolderInfo, PublishedRelation, Recovered, Warehouse};

/// Rows of each seed that `--show` prints.
const SHOWN_SEED_ROWS: usize = 5;

/// The kinds of node that a verb is about.
pub fn kinds(verb: &str) -> &'static [ResourceType] {
    use ResourceType::{Function, Model, Seed, Snapshot, Test, UnitTest};
    match verb {
        "run" => &[Model],
        "test" => &[Test, UnitTest],
        "seed" => &[Seed],
        "snapshot" => &[Snapshot],
        _ => &[Seed, Model, Snapshot, Test, UnitTest, Function],
    }
}

/// Runs one of the verbs.
pub async fn execute(
    app: &Application,
    options: &BuildOptions,
    stop: watch::Receiver<bool>,
) -> Result<Outcome, Outcome> {
    let project = app.project()?;
    if options.retried.as_ref().is_some_and(Retried::is_empty) {
        app.printer.message("nothing to retry: all nodes of the last command ended well");
        return Ok(Outcome::Success);
    }
    let selected = selected(app, &project, options, kinds(app.verb))?;
    app.printer.structured(&events::dbt::found(&project.manifest));
    let schedule = if app.verb == "build" {
        project.dag.build_schedule(&project.manifest, &selected)
    } else {
        project.dag.schedule(&selected)
    };
    let schedule = if selected.is_empty() { schedule } else { with_hooks(&project, schedule) };

    let warehouse = app.warehouse(&project)?;
    let (_lock, catalog) = begin(app, &project, &warehouse).await?;
    let work = Work { selected: &selected, builds: app.verb != "test" };
    let deferral = app.deferral(&project, &warehouse, &catalog, work).await?;
    app.report(&deferral.missing)?;
    let invocation = app.invocation(&project, selected.clone(), deferral.nodes);
    let surroundings = app.surroundings(&project, Arc::clone(&warehouse), catalog, deferral.names, &invocation)?;

    let (plan, problems) = check(&invocation, &schedule, &WarehouseView::new(surroundings.clone())).await;
    // What is wrong with single nodes is told before anything runs, but as under dbt stops only them.
    for fault in plan.faults() {
        app.printer.diagnostic(fault);
    }
    if let Err(outcome) = app.report(&problems) {
        let result = not_run(app, &project.manifest, &plan);
        app.printer.not_run(&result);
        write_artifacts(app, &project, &result)?;
        return Err(outcome);
    }

    let nodes = plan.steps.len();
    app.printer.structured(&events::dbt::concurrency(app.threads(&project), &project.target.name, nodes));
    let view = WarehouseView::new(surroundings);
    let sink: Arc<dyn EventSink> = Arc::clone(&app.printer) as _;
    let fail_fast = app.options.fail_fast.unwrap_or(false);
    let run = Arc::new(Run {
        invocation,
        view,
        sink,
        threads: app.threads(&project),
        turns: Turns::default(),
        fail_fast,
        result_value: app.result_value(&project),
        ended: Mutex::default(),
        changes: Changes::default(),
    });
    let finished = run_all(&run, &plan, stop).await;
    let mut result = RunResult {
        results: finished.results,
        publication: None,
        failure: None,
        interrupted: finished.interrupted,
        elapsed: app.clock.elapsed(),
    };
    if !result.interrupted {
        make_visible(app, &run, &plan, &mut result).await;
    }
    warehouse.discard_staged().await;
    result.elapsed = app.clock.elapsed();
    write_artifacts(app, &project, &result)?;
    if options.show_seeds {
        show_seeds(app, &run.view, &result).await?;
    }
    if options.output == OutputFormat::Json {
        let results = record::run_results::artifact(&result, &invocation_args::told(&app.args), &app.record());
        app.printer.result(&results.to_string());
    }
    app.printer.summary(&result, &Context::new(app.verb, &app.options), options.output);
    // A fault of an ephemeral model has no result of its own.
    Ok(match outcome(&result) {
        Outcome::Success if plan.faults().next().is_some() => Outcome::Failed,
        outcome => outcome,
    })
}

/// The nodes of a command among the verb's kinds: those that are done again, or those that are selected.
pub fn selected(
    app: &Application,
    project: &Project,
    options: &BuildOptions,
    kinds: &[ResourceType],
) -> Result<Vec<NodeId>, Outcome> {
    let Some(retried) = &options.retried else {
        let selection = app.select(project, &options.selection, kinds)?;
        return Ok(selection.iter().cloned().collect());
    };
    let nodes = retried.nodes(&project.manifest, &project.dag, app.verb);
    let nodes = nodes.map_err(|problems| app.report(&problems).err().unwrap_or(Outcome::Usage))?;
    let count = counted(nodes.len() as u64, "node");
    app.printer.status("Retrying", &format!("{count} of the last `karat {}`", app.verb));
    Ok(nodes)
}

/// Prints the first rows of the seeds that were loaded.
async fn show_seeds(app: &Application, view: &Arc<WarehouseView>, result: &RunResult) -> Result<(), Outcome> {
    for loaded in &result.results {
        let node = &loaded.node;
        let (ResourceType::Seed, Status::Success, Some(relation)) = (node.resource_type, loaded.status, &node.relation)
        else {
            continue;
        };
        let sql = format!("select * from {} limit {SHOWN_SEED_ROWS}", relation.to_sql());
        let session = view.session(Variant::Normal);
        let batches = session.query(&sql).await.map_err(|problem| {
            app.printer.diagnostic(&Diagnostic::error(problem.code, problem.message));
            Outcome::Failed
        })?;
        print(app, Some(&node.name), &batches, OutputFormat::Text)?;
    }
    Ok(())
}

/// What is published, as `catalog.json` tells it: under its node, and under a source that names the same relation.
pub fn catalog_rows(manifest: &Manifest, catalog: &Catalog) -> Vec<CatalogRow> {
    let row = |id: &NodeId, published: &PublishedRelation| {
        let table = published.as_table();
        CatalogRow {
            id: id.clone(),
            kind: if table.is_some() { "table" } else { "view" },
            columns: columns_of(published.schema()),
            rows: table.map(|table| table.rows),
            bytes: table.map(|table| table.bytes),
        }
    };
    let own = catalog.relations().map(|published| row(&published.common().node_id, published));
    let of_sources = manifest.of_type(ResourceType::Source).filter_map(|node| {
        let relation =
            node.relation.as_ref().filter(|_| node.source().is_some_and(|table| table.external.is_none()))?;
        Some(row(&node.id, catalog.get(&relation.key())?))
    });
    own.chain(of_sources).collect()
}

/// The columns of a schema with their SQL types.
pub fn columns_of(schema: &Schema) -> Vec<CatalogColumn> {
    let column =
        |field: &Arc<Field>| CatalogColumn { name: field.name().clone(), data_type: sql_type_of(field.data_type()) };
    schema.fields().iter().map(column).collect()
}

/// Adds the run's results to the newest result of each node. A former file that cannot be read is begun anew.
fn write_last_results(app: &Application, project: &Project, result: &RunResult) -> Result<(), Outcome> {
    let name = record::last_results::file_name(app.environment(project)?.as_str());
    let former = app.last_results(project, &name);
    let artifact = record::last_results::artifact(former, result, &project.manifest, &app.record());
    app.write_artifact(project, &name, &artifact)
}

/// How a run ended.
pub fn outcome(result: &RunResult) -> Outcome {
    if result.interrupted {
        Outcome::Interrupted
    } else if result.failure.is_some() || result.results.iter().any(is_of_the_world) {
        Outcome::World
    } else if result.has_failures() {
        Outcome::Failed
    } else {
        Outcome::Success
    }
}

/// Whether a node failed for a reason that is not the project's: a full disk, a damaged file.
fn is_of_the_world(result: &NodeResult) -> bool {
    let world = Outcome::World.code();
    let is_world = |found: &Diagnostic| {
        codes::find(found.code).is_some_and(|code| code.exits.first().is_some_and(|exit| *exit == world))
    };
    result.status == Status::Error && result.diagnostics.iter().any(is_world)
}

/// What recovery did is worth knowing; a commit of others will refuse this run's publication to that table.
fn recovery_remarks(recovered: &Recovered) -> Diagnostics {
    let restored = recovered.restored.iter().map(|relation| {
        let message =
            format!("`{}` is back at its published version: an earlier run was cut off", relation.short_name());
        Diagnostic::note("recovered", message)
    });
    let foreign = recovered.foreign.iter().map(|commit| {
        let name = commit.relation.short_name();
        let message =
            format!("`{name}` has a commit that karat did not make: version {} by {}", commit.version, commit.writer);
        Diagnostic::warning("foreign-commit", message)
            .with_hint("karat reads the version it published and refuses to publish over this one")
    });
    Diagnostics(restored.chain(foreign).collect())
}

/// Publishes what may be seen, and marks what is held back.
async fn make_visible(app: &Application, run: &Arc<Run>, plan: &RunPlan, result: &mut RunResult) {
    let held = withheld(run, plan, &result.results);
    for node in &mut result.results {
        node.withheld = node.node.resource_type.is_built() && held.nodes.contains(&node.node.id);
    }
    match publish(run, plan, &result.results, &held, &app.run_info()).await {
        Ok(publication) => {
            if let Some(publication) = &publication {
                app.printer.event(&RunEvent::Published(publication));
            }
            result.publication = publication;
        }
        Err(error) => result.failure = Some(store_diagnostic(&error)),
    }
}

/// Publishes what the statements of an operation have changed.
pub async fn publish_operation(app: &Application, run: &Arc<Run>) -> Result<Option<Publication>, Outcome> {
    let published = publish(run, &RunPlan::default(), &[], &Held::default(), &app.run_info()).await;
    match published {
        Ok(publication) => {
            if let Some(publication) = &publication {
                app.printer.event(&RunEvent::Published(publication));
            }
            Ok(publication)
        }
        Err(error) => {
            app.printer.diagnostic(&store_diagnostic(&error));
            Err(Outcome::World)
        }
    }
}

/// Puts the project's hooks before and after everything else.
fn with_hooks(project: &Project, schedule: Schedule) -> Schedule {
    let mut start: Vec<(usize, NodeId)> = Vec::new();
    let mut end: Vec<(usize, NodeId)> = Vec::new();
    for node in project.manifest.of_type(ResourceType::Operation) {
        if let Detail::Operation { event, index } = &node.detail {
            let hooks = if *event == "on-run-start" { &mut start } else { &mut end };
            hooks.push((*index, node.id.clone()));
        }
    }
    if start.is_empty() && end.is_empty() {
        return schedule;
    }
    start.sort();
    end.sort();
    let mut with_hooks = Schedule::default();
    let mut before: BTreeSet<NodeId> = BTreeSet::new();
    for (_, id) in start {
        with_hooks.prerequisites.insert(id.clone(), before.clone());
        before.insert(id);
    }
    let mut all = before.clone();
    for (id, mut prerequisites) in schedule.prerequisites {
        prerequisites.extend(before.iter().cloned());
        all.insert(id.clone());
        with_hooks.prerequisites.insert(id, prerequisites);
    }
    for (_, id) in end {
        with_hooks.prerequisites.insert(id.clone(), all.clone());
        all.insert(id);
    }
    with_hooks
}

/// Takes the environment's lock, and takes back what a run that was cut off has left: what is published now.
pub async fn begin(app: &Application, project: &Project, warehouse: &Warehouse) -> Result<(EnvLock, Catalog), Outcome> {
    let held = lock(app, project, warehouse).await?;
    let catalog = warehouse.catalog(&app.environment(project)?).await.map_err(|error| app.store(&error))?;
    let recovered = warehouse.recover(&catalog, &app.run_info()).await.map_err(|error| app.store(&error))?;
    app.report(&recovery_remarks(&recovered))?;
    Ok((held, catalog))
}

/// Takes the environment's lock, waiting for who has it.
pub async fn lock(app: &Application, project: &Project, warehouse: &Warehouse) -> Result<EnvLock, Outcome> {
    let environment = app.environment(project)?;
    let holder = HolderInfo {
        pid: std::process::id(),
        host: app.env.first(&["HOSTNAME", "COMPUTERNAME"]).unwrap_or("this machine").to_owned(),
        command: app.command.clone(),
        started: record::instant(app.clock.timestamp()),
    };
    let waiting = |who: &str| app.printer.event(&RunEvent::Waiting(who));
    EnvLock::acquire(warehouse, &environment, app.options.lock_timeout, &holder, waiting).await.map_err(|error| {
        app.printer.diagnostic(&store_diagnostic(&error));
        Outcome::World
    })
}

/// An ephemeral model that is a part of a node, and with which something is wrong.
fn broken_part<'m>(manifest: &'m Manifest, plan: &RunPlan, node: &Node) -> Option<&'m Arc<Node>> {
    let mut parents = node.depends_on.iter().filter_map(|id| manifest.get(id)).filter(|parent| parent.is_ephemeral());
    parents.find_map(|parent| {
        let is_broken = plan.errors_of(&parent.id).next().is_some();
        if is_broken { Some(parent) } else { broken_part(manifest, plan, parent) }
    })
}

/// The results of a run that the check has stopped: what is wrong has an error, and nothing else was done. Who reads the
/// artifacts finds this command in them and not the one before it.
fn not_run(app: &Application, manifest: &Manifest, plan: &RunPlan) -> RunResult {
    let results = plan.steps.values().filter(|step| !matches!(step.intent, Intent::Nothing));
    let results = results.filter(|step| step.node.resource_type != ResourceType::Operation).map(|step| {
        let mut result = blank(&step.node, action(step), 0);
        let errors: Vec<Diagnostic> = plan.errors_of(&step.node.id).cloned().collect();
        if let Some(problem) = errors.first() {
            result.status = Status::Error;
            result.message = Some(problem.message.clone());
            result.diagnostics = errors;
        } else {
            result.status = Status::Skipped;
            // As under dbt it says so if the reason is a part of it that has no result of its own.
            let part = broken_part(manifest, plan, &step.node);
            result.message = Some(match part {
                Some(part) => of_part(part, &step.node),
                None => NOT_RUN.to_owned(),
            });
        }
        result.compiled_sql = step.compiled.as_ref().map(|compiled| compiled.sql.clone());
        result.ephemeral = step.compiled.as_ref().map(|compiled| compiled.ephemeral.clone()).unwrap_or_default();
        result
    });
    RunResult {
        results: results.collect(),
        publication: None,
        failure: None,
        interrupted: false,
        elapsed: app.clock.elapsed(),
    }
}

fn write_artifacts(app: &Application, project: &Project, result: &RunResult) -> Result<(), Outcome> {
    if !app.options.write_artifacts {
        return Ok(());
    }
    let target = app.target_path(project);
    let mut compiled = record::manifest::CompiledSql::new();
    for node in &result.results {
        for (batch, sql) in node.batches.iter().flat_map(|batches| &batches.sql) {
            record::compiled::write_batch(&target, &node.node, batch, sql).map_err(|error| app.file(error))?;
        }
        let Some(sql) = &node.compiled_sql else { continue };
        compiled.insert(node.node.id.clone(), sql.clone());
        compiled.extend(node.ephemeral.iter().cloned());
        if node.node.resource_type != ResourceType::Operation {
            record::compiled::write_compiled(&target, &node.node, sql)
                .and_then(|_| record::compiled::write_run(&target, &node.node, sql))
                .map_err(|error| app.file(error))?;
        }
    }
    app.write_manifest(project, &compiled)?;
    let results = record::run_results::artifact(result, &invocation_args::told(&app.args), &app.record());
    app.write_artifact(project, record::run_results::FILE_NAME, &results)?;
    write_last_results(app, project, result)
}
