//! `karat clone`: relations of a state become relations of this environment, without building them.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::watch;

use crate::base::diagnostic::Diagnostic;
use crate::cli::application::{Application, Project, store_diagnostic};
use crate::cli::build::{begin, outcome, selected};
use crate::cli::defer::{StateRelation, StateRelations, name_in_state};
use crate::cli::options::{BuildOptions, OutputFormat};
use crate::cli::summary::Context;
use crate::cli::{Outcome, invocation_args};
use crate::execute::clone::{Original, copied, copy, left};
use crate::execute::node::blank;
use crate::execute::result::{EventSink as _, NodeResult, Publication, RunEvent, RunResult, Status, Timing};
use crate::manifest::node::{Node, ResourceType};
use crate::manifest::relation::Relation;
use crate::record;
use crate::state::{self, Previous};
use crate::store::{Catalog, Change, StoreError, Warehouse};

/// What is to be done with one node.
enum Wish {
    /// Nothing, and why.
    Leave(String),
    /// Copy this relation.
    Copy(Box<Original>),
    /// It cannot be done.
    Refuse(Diagnostic),
}

/// One node's part of the command.
struct Task {
    node: Arc<Node>,
    relation: Relation,
    wish: Wish,
}

/// Runs the verb.
pub async fn execute(
    app: &Application,
    options: &BuildOptions,
    stop: watch::Receiver<bool>,
) -> Result<Outcome, Outcome> {
    use ResourceType::{Model, Seed, Snapshot};
    let project = app.project()?;
    let previous = app.deferred_state(&project, "`clone` copies what a state has")?;
    let selected = selected(app, &project, options, &[Seed, Model, Snapshot])?;
    let warehouse = app.warehouse(&project)?;
    let (_lock, catalog) = begin(app, &project, &warehouse).await?;

    let nodes = selected.iter().filter_map(|id| project.manifest.get(id)).filter(|node| !node.is_ephemeral());
    let nodes: Vec<Arc<Node>> = nodes.cloned().collect();
    let place = Place { app, project: &project, warehouse: &warehouse, catalog: &catalog, previous: &previous };
    let tasks = place.tasks(&nodes, options.full_refresh.unwrap_or(false)).await.map_err(|error| app.store(&error))?;
    let (results, changes) = place.copies(tasks, &stop).await;
    let mut result = RunResult {
        results,
        publication: None,
        failure: None,
        interrupted: *stop.borrow(),
        elapsed: app.clock.elapsed(),
    };
    if !result.interrupted && !changes.is_empty() {
        match warehouse.publish(&catalog, &app.run_info(), changes).await {
            Ok(published) => {
                let publication = Publication {
                    environment: catalog.environment().to_string(),
                    entry: published.entry,
                    relations: published.relations,
                };
                app.printer.event(&RunEvent::Published(&publication));
                result.publication = Some(publication);
            }
            Err(error) => result.failure = Some(store_diagnostic(&error)),
        }
    }
    warehouse.discard_staged().await;
    result.elapsed = app.clock.elapsed();
    app.write_manifest(&project, &record::manifest::CompiledSql::new())?;
    let artifact = record::run_results::artifact(&result, &invocation_args::told(&app.args), &app.record());
    app.write_artifact(&project, record::run_results::FILE_NAME, &artifact)?;
    if options.output == OutputFormat::Json {
        app.printer.result(&artifact.to_string());
    }
    app.printer.summary(&result, &Context::new(app.verb, &app.options), options.output);
    Ok(outcome(&result))
}

/// What all nodes of the command share.
struct Place<'a> {
    app: &'a Application,
    project: &'a Project,
    warehouse: &'a Arc<Warehouse>,
    catalog: &'a Catalog,
    previous: &'a Previous,
}

impl Place<'_> {
    /// Decides what is to be done with each node.
    async fn tasks(&self, nodes: &[Arc<Node>], refresh: bool) -> Result<Vec<Task>, StoreError> {
        let Some(manifest) = &self.previous.manifest else { return Ok(Vec::new()) };
        let neighbors = self.app.neighbors(self.project, self.warehouse, None);
        let mut relations = StateRelations::new(manifest, Arc::clone(&neighbors)).await?;
        let mut tasks = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Some(relation) = &node.relation else { continue };
            let in_state = manifest.nodes.get(node.id.as_str()).filter(|found| found.is_relation());
            let wish = if self.catalog.get(&relation.key()).is_some() && !refresh {
                Wish::Leave(format!("`{}` is there already", relation.short_name()))
            } else if let Some(found) = in_state {
                self.wish(node, relation, found, &mut relations, neighbors.as_ref()).await?
            } else {
                Wish::Leave(format!("the state has no relation for `{}`", node.name))
            };
            tasks.push(Task { node: Arc::clone(node), relation: relation.clone(), wish });
        }
        Ok(tasks)
    }

    async fn wish(
        &self,
        node: &Node,
        relation: &Relation,
        in_state: &state::Node,
        relations: &mut StateRelations,
        neighbors: &dyn crate::engine::neighbors::Neighbors,
    ) -> Result<Wish, StoreError> {
        let Some(name) = name_in_state(in_state, &self.project.target.database) else {
            return Ok(Wish::Leave(format!("the state has no relation for `{}`", node.name)));
        };
        let Some(StateRelation { environment, published }) = relations.get(&name, &node.id).await? else {
            let named = relations.environment().map_or_else(
                || "any environment".to_owned(),
                |environment| format!("the environment `{environment}` of the state"),
            );
            let message = format!("`{}` is not published in {named}", name.short_name());
            let diagnostic = Diagnostic::error("not-deferrable", message).at_maybe(node.location.clone(), "");
            return Ok(Wish::Refuse(diagnostic));
        };
        let is_own = published.relation().key() == relation.key();
        if environment == self.catalog.environment().as_str() && is_own {
            return Ok(Wish::Leave(format!(
                "`{}` is the relation of the state itself, skipping clone for relation: {relation}",
                relation.short_name()
            )));
        }
        let warehouse = neighbors.find(&environment).await?.warehouse;
        let name = published.relation().seen_from(&self.project.target.database);
        Ok(Wish::Copy(Box::new(Original { environment, warehouse, published, name })))
    }

    /// Does it, several nodes at once; the results come in the order of the nodes.
    async fn copies(&self, tasks: Vec<Task>, stop: &watch::Receiver<bool>) -> (Vec<NodeResult>, Vec<Change>) {
        let total = tasks.len();
        let threads = self.app.threads(self.project);
        let work = tasks.into_iter().enumerate().map(|(place, task)| self.one(task, place + 1, total, stop));
        let mut done = futures::stream::iter(work).buffered(threads);
        let (mut results, mut changes) = (Vec::new(), Vec::new());
        while let Some((result, change)) = done.next().await {
            results.push(result);
            changes.extend(change);
        }
        (results, changes)
    }

    async fn one(
        &self,
        task: Task,
        index: usize,
        total: usize,
        stop: &watch::Receiver<bool>,
    ) -> (NodeResult, Option<Change>) {
        let Task { node, relation, wish } = task;
        let app = self.app;
        if *stop.borrow() {
            let mut result = blank(&node, "clone", 0);
            result.status = Status::Skipped;
            result.message = Some("the run was stopped".to_owned());
            app.printer.event(&RunEvent::Finished { result: &result, index, total });
            return (result, None);
        }
        let (started, started_at) = (app.clock.elapsed(), app.clock.timestamp());
        app.printer.event(&RunEvent::Started { node: &node, index, total });
        let (mut result, change) = match wish {
            Wish::Leave(why) => {
                app.printer.event(&RunEvent::Message(&why));
                (left(&node), None)
            }
            Wish::Refuse(diagnostic) => (refused(&node, diagnostic), None),
            Wish::Copy(original) => {
                let environment = self.catalog.environment().as_str();
                match copy(&node, &relation, &original, self.warehouse, environment).await {
                    Ok(change) => (copied(&node, &change, 1), Some(change)),
                    Err(error) => (refused(&node, store_diagnostic(&error)), None),
                }
            }
        };
        let elapsed: Duration = app.clock.elapsed().saturating_sub(started);
        result.execution_time = elapsed;
        result.timing.push(Timing { name: "execute", started_at, completed_at: app.clock.timestamp() });
        app.printer.event(&RunEvent::Finished { result: &result, index, total });
        (result, change)
    }
}

fn refused(node: &Arc<Node>, diagnostic: Diagnostic) -> NodeResult {
    let mut result = blank(node, "clone", 1);
    result.status = Status::Error;
    result.message = Some(diagnostic.message.clone());
    result.diagnostics.push(diagnostic);
    result
}
