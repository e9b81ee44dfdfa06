//! From the results of a run to what becomes visible: which relations go out together, which are held back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::view::Fresh;
use crate::execute::result::{NodeResult, Publication, Status};
use crate::execute::run::Run;
use crate::manifest::node::{Node, NodeId, ResourceType};
use crate::plan::run_plan::{Intent, RunPlan};
use crate::store::{Change, Operation, Outcome, RunInfo, StoreError, TableChange, Verdict, ViewChange};

/// The nodes whose relations must not become visible: those with a test that failed or could not be run, and all
/// that was made from them.
pub fn withheld(run: &Run, plan: &RunPlan, results: &[NodeResult]) -> BTreeSet<NodeId> {
    let mut held: BTreeSet<NodeId> = BTreeSet::new();
    for result in results {
        let good = matches!(result.status, Status::Success | Status::Pass | Status::Warn);
        match (&result.node.detail, good) {
            (_, true) => {}
            (crate::manifest::node::Detail::Test(_), false) => held.extend(tested_nodes(run, &result.node)),
            (_, false) => {
                held.insert(result.node.id.clone());
            }
        }
    }
    // The plan is in an order in which parents come first, so one pass reaches all descendants.
    for (id, step) in &plan.steps {
        if step.node.resource_type.is_built() && reads_held(run, &step.node, &held) {
            held.insert(id.clone());
        }
    }
    held
}

/// The nodes that a test vouches for: the one it is declared on, or all that a singular test reads.
fn tested_nodes(run: &Run, test: &Node) -> Vec<NodeId> {
    match test.test().and_then(|detail| detail.attached_node.clone()) {
        Some(attached) => vec![attached],
        None => {
            let mut nodes = Vec::new();
            for parent in &test.depends_on {
                match run.invocation.manifest.get(parent) {
                    Some(node) if node.is_ephemeral() => nodes.extend(node.depends_on.iter().cloned()),
                    _ => nodes.push(parent.clone()),
                }
            }
            nodes
        }
    }
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
    held: &BTreeSet<NodeId>,
    info: &RunInfo,
) -> Result<Option<Publication>, StoreError> {
    let mut verdicts = verdicts(results);
    let mut changes = Vec::new();
    for result in results {
        let node = &result.node;
        let Some(step) = plan.steps.get(&node.id) else { continue };
        // Stored failures are a by-product: they help most when the test failed.
        let is_audit = node.resource_type == ResourceType::Test && result.failures_relation.is_some();
        let good = result.status == Status::Success && !held.contains(&node.id);
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
            Some(Fresh::View { .. }) if is_audit && reads_unpublished(run, node, held) => {}
            Some(Fresh::View { sql, schema }) => changes.push(Change::View(ViewChange {
                relation: relation.clone(),
                schema,
                sql,
                depends_on: parents(run, node),
                node_id: node.id.clone(),
                fingerprint,
                tests,
            })),
            _ => {}
        }
    }
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

fn parents(run: &Run, node: &Node) -> Vec<crate::manifest::relation::RelationKey> {
    let relation = |id: &NodeId| {
        run.invocation
            .manifest
            .get(id)
            .and_then(|node| node.relation.as_ref())
            .map(crate::manifest::relation::Relation::key)
    };
    node.depends_on.iter().filter_map(relation).collect()
}

/// What the result was computed from, as far as its text goes.
fn fingerprint(result: &NodeResult) -> String {
    let text = result.compiled_sql.as_deref().unwrap_or_default();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn operation(intent: &Intent) -> Operation {
    use crate::plan::incremental::Strategy;
    match intent {
        Intent::Incremental(incremental) => match incremental.strategy {
            Strategy::Append => Operation::Append,
            Strategy::Combine(..) => Operation::Merge,
            Strategy::OverwritePartitions => Operation::Overwrite,
        },
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
            Status::Error | Status::Skipped => Outcome::NotRun,
        };
        verdicts.entry(attached).or_default().push(Verdict {
            test: result.node.id.to_string(),
            outcome,
            failures: result.failures.unwrap_or(0),
        });
    }
    verdicts
}
