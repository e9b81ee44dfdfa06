//! From the results of a run to what becomes visible: which relations go out together, which are held back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::diagnostic::Diagnostic;
use crate::engine::session::Variant;
use crate::engine::view::Fresh;
use crate::execute::result::{NodeResult, Publication, RunEvent, Status};
use crate::execute::run::Run;
use crate::manifest::node::{Node, NodeId, ResourceType};
use crate::manifest::relation::{Relation, RelationKey};
use crate::plan::run_plan::{Intent, RunPlan};
use crate::store::{Change, Operation, Outcome, RunInfo, StoreError, TableChange, Verdict, ViewChange};

/// What must not become visible.
#[derive(Debug, Default)]
pub struct Held {
    /// The nodes whose relations are held back: those with a test that failed or could not be run, and all that was
    /// made from them.
    pub nodes: BTreeSet<NodeId>,
    /// Relations that statements have changed and that were made from what is held back.
    changed: BTreeSet<RelationKey>,
}

/// What must not become visible: what failed, and all that was made from it, by nodes and by statements.
pub fn withheld(run: &Run, plan: &RunPlan, results: &[NodeResult]) -> Held {
    let mut held = Held::default();
    for result in results {
        let good = matches!(result.status, Status::Success | Status::PartialSuccess | Status::Pass | Status::Warn);
        match (&result.node.detail, good) {
            (_, true) => {}
            (crate::manifest::node::Detail::Test(_), false) => held.nodes.extend(tested_nodes(run, &result.node)),
            (_, false) => {
                held.nodes.insert(result.node.id.clone());
            }
        }
    }
    let changed = run.changes.all();
    let read = if changed.is_empty() { BTreeMap::new() } else { relations_read(run, results) };
    loop {
        let before = (held.nodes.len(), held.changed.len());
        // The plan is in an order in which parents come first, so one pass reaches all descendants.
        for (id, step) in &plan.steps {
            let key = step.node.relation.as_ref().map(Relation::key);
            let by_statement = key.is_some_and(|key| held.changed.contains(&key));
            let reads_changed = read.get(id).is_some_and(|keys| !keys.is_disjoint(&held.changed));
            let is_built = step.node.resource_type.is_built();
            if is_built && (by_statement || reads_changed || reads_held(run, &step.node, &held.nodes)) {
                held.nodes.insert(id.clone());
            }
        }
        let hidden: BTreeSet<RelationKey> = held
            .nodes
            .iter()
            .filter_map(|id| plan.steps.get(id))
            .filter_map(|step| step.node.relation.as_ref().map(Relation::key))
            .chain(held.changed.iter().cloned())
            .collect();
        for (key, change) in &changed {
            // What a materialization of the project makes is a part of its node.
            let is_part = held.nodes.contains(&change.by)
                && plan.steps.get(&change.by).is_some_and(|step| matches!(step.intent, Intent::Custom));
            if is_part || !change.reads.is_disjoint(&hidden) {
                held.changed.insert(key.clone());
            }
        }
        if before == (held.nodes.len(), held.changed.len()) {
            return held;
        }
    }
}

/// The relations that nodes have read, by the SQL that was run: sources, and names that no `ref()` gave.
fn relations_read(run: &Run, results: &[NodeResult]) -> BTreeMap<NodeId, BTreeSet<RelationKey>> {
    let session = run.view.session(Variant::Normal);
    let built = results.iter().filter(|result| result.node.resource_type.is_built());
    built
        .filter_map(|result| {
            let named = session.relations(result.compiled_sql.as_deref()?);
            Some((result.node.id.clone(), run.view.behind(&named)))
        })
        .collect()
}

/// The nodes that a test vouches for: the one it is declared on, or all that a singular test reads, also through
/// ephemeral models.
fn tested_nodes(run: &Run, test: &Node) -> BTreeSet<NodeId> {
    if let Some(attached) = test.test().and_then(|detail| detail.attached_node.clone()) {
        return BTreeSet::from([attached]);
    }
    let mut nodes = BTreeSet::new();
    let mut read: Vec<&NodeId> = test.depends_on.iter().collect();
    while let Some(id) = read.pop() {
        let node = run.invocation.manifest.get(id);
        if nodes.insert(id.clone()) && node.is_some_and(|node| node.is_ephemeral()) {
            read.extend(node.iter().flat_map(|node| &node.depends_on));
        }
    }
    nodes
}

fn reads_held(run: &Run, node: &Node, held: &BTreeSet<NodeId>) -> bool {
    node.depends_on.iter().any(|parent| {
        held.contains(parent)
            || run
                .invocation
                .manifest
                .get(parent)
                .is_some_and(|parent| parent.is_ephemeral() && reads_held(run, parent, held))
    })
}

/// Whether a node reads something that is held back and was never published.
fn reads_unpublished(run: &Run, node: &Node, held: &BTreeSet<NodeId>) -> bool {
    node.depends_on.iter().filter_map(|id| run.invocation.manifest.get(id)).any(|parent| {
        let published = parent.relation.as_ref().and_then(|relation| run.view.published_kind(&relation.key()));
        held.contains(&parent.id) && published.is_none() && parent.resource_type.is_built()
    })
}

/// Publishes what a run has made, but for the nodes that are held back. `None` if there is nothing to publish.
pub async fn publish(
    run: &Arc<Run>,
    plan: &RunPlan,
    results: &[NodeResult],
    held: &Held,
    info: &RunInfo,
) -> Result<Option<Publication>, StoreError> {
    let mut verdicts = verdicts(results);
    let mut changes = Vec::new();
    for result in results {
        let node = &result.node;
        let Some(step) = plan.steps.get(&node.id) else { continue };
        // Stored failures are a by-product: they help most when the test failed.
        let is_audit = node.resource_type == ResourceType::Test && result.failures_relation.is_some();
        let built = matches!(result.status, Status::Success | Status::PartialSuccess);
        let good = built && !held.nodes.contains(&node.id);
        if !(good && node.resource_type.is_built() || is_audit) {
            continue;
        }
        let Some(relation) = &node.relation else { continue };
        let tests = verdicts.remove(&node.id).unwrap_or_default();
        let fingerprint = fingerprint(result);
        match run.view.fresh(&relation.key()) {
            Some(Fresh::Staged(content)) => changes.push(Change::Table(TableChange {
                content,
                node_id: node.id.clone(),
                fingerprint,
                tests,
                operation: operation(&step.intent),
            })),
            // Failing rows as a view of something that nobody can see yet.
            Some(Fresh::View { .. }) if is_audit && reads_unpublished(run, node, &held.nodes) => {}
            Some(Fresh::View { sql, schema }) => changes.push(Change::View(ViewChange {
                relation: relation.clone(),
                schema,
                deferred: deferred_names(run, &sql),
                sql,
                depends_on: parents(run, node),
                node_id: node.id.clone(),
                fingerprint,
                tests,
            })),
            Some(Fresh::Gone) if run.view.published_kind(&relation.key()).is_some() => {
                changes.push(Change::Drop(relation.key()));
            }
            _ => {}
        }
    }
    changes.extend(of_statements(run, plan, held));
    if changes.is_empty() {
        return Ok(None);
    }
    let surroundings = run.view.surroundings();
    let published = surroundings.warehouse.publish(&surroundings.catalog, info, changes).await?;
    Ok(Some(Publication {
        environment: surroundings.catalog.environment().to_string(),
        entry: published.entry,
        relations: published.relations,
    }))
}

/// The relations that statements have changed and no node of the run answers for. One that was made from what is held
/// back is held back, too.
fn of_statements(run: &Run, plan: &RunPlan, held: &Held) -> Vec<Change> {
    let owners: BTreeMap<RelationKey, &NodeId> = plan
        .steps
        .iter()
        .filter(|(_, step)| step.node.resource_type.is_built() && !step.node.is_ephemeral())
        .filter_map(|(id, step)| Some((step.node.relation.as_ref()?.key(), id)))
        .collect();
    let changed = run.changes.all();
    let mut changes = Vec::new();
    for (key, change) in changed {
        let is_gone = matches!(run.view.fresh(&key), Some(Fresh::Gone));
        if change.temporary || is_gone && run.view.published_kind(&key).is_none() {
            // It was only on the way.
            continue;
        }
        let owner = owners.get(&key);
        if held.changed.contains(&key) || owner.is_some_and(|owner| held.nodes.contains(*owner)) {
            // Of what a node did to its own relation the node tells.
            if owner.is_none_or(|owner| **owner != change.by) {
                let message =
                    format!("`{key}` stays as it was: a statement changed it together with what is held back");
                run.sink.event(&RunEvent::Diagnostic(&Diagnostic::warning("change-withheld", message)));
            }
            continue;
        }
        if owner.is_some() {
            // The node publishes it.
            continue;
        }
        let surroundings = run.view.surroundings();
        let published = surroundings.catalog.get(&key);
        let node_id = published.map_or(change.by, |known| known.common().node_id.clone());
        let tests = Vec::new();
        match run.view.fresh(&key) {
            Some(Fresh::Staged(content)) => changes.push(Change::Table(TableChange {
                content,
                node_id,
                fingerprint: change.fingerprint,
                tests,
                operation: change.operation,
            })),
            Some(Fresh::View { sql, schema }) => changes.push(Change::View(ViewChange {
                relation: change.relation,
                schema,
                deferred: deferred_names(run, &sql),
                sql,
                depends_on: change.reads.into_iter().collect(),
                node_id,
                fingerprint: change.fingerprint,
                tests,
            })),
            Some(Fresh::Gone) if published.is_some() => changes.push(Change::Drop(key)),
            _ => {}
        }
    }
    changes
}

fn parents(run: &Run, node: &Node) -> Vec<RelationKey> {
    let relation = |id: &NodeId| {
        run.invocation.manifest.get(id).and_then(|node| run.invocation.relation_of(node)).map(Relation::key)
    };
    node.depends_on.iter().filter_map(relation).collect()
}

/// The names of a query that mean what another environment has published. A name that only looks as if the query had
/// it does no harm: the query does not ask for it.
fn deferred_names(run: &Run, sql: &str) -> BTreeMap<RelationKey, String> {
    let text = sql.to_lowercase();
    let deferred = run.view.surroundings().deferred.iter();
    deferred
        .filter(|(key, _)| text.contains(key.identifier.as_str()))
        .map(|(key, deferred)| (key.clone(), deferred.environment.clone()))
        .collect()
}

/// What the result was computed from, as far as its text goes.
fn fingerprint(result: &NodeResult) -> String {
    let batches = result.batches.iter().flat_map(|batches| &batches.sql).map(|(_, sql)| sql.as_str());
    let texts: String = result.compiled_sql.as_deref().into_iter().chain(batches).collect();
    blake3::hash(texts.as_bytes()).to_hex().to_string()
}

fn operation(intent: &Intent) -> Operation {
    use crate::plan::incremental::Strategy;
    match intent {
        Intent::Incremental(incremental) => match incremental.strategy {
            Strategy::Append => Operation::Append,
            Strategy::Combine(..) => Operation::Merge,
            Strategy::OverwritePartitions => Operation::Overwrite,
        },
        Intent::Microbatch(plan) if plan.batches.iter().all(|batch| batch.incremental) => Operation::Merge,
        Intent::Snapshot(_) => Operation::Merge,
        _ => Operation::Overwrite,
    }
}

fn verdicts(results: &[NodeResult]) -> BTreeMap<NodeId, Vec<Verdict>> {
    let mut verdicts: BTreeMap<NodeId, Vec<Verdict>> = BTreeMap::new();
    for result in results {
        let Some(attached) = result.node.test().and_then(|test| test.attached_node.clone()) else { continue };
        let outcome = match result.status {
            Status::Pass | Status::Success => Outcome::Pass,
            Status::Warn => Outcome::Warn,
            Status::Fail => Outcome::Fail,
            Status::Error | Status::PartialSuccess | Status::Skipped => Outcome::NotRun,
        };
        verdicts.entry(attached).or_default().push(Verdict {
            test: result.node.id.to_string(),
            outcome,
            failures: result.failures.unwrap_or(0),
        });
    }
    verdicts
}
