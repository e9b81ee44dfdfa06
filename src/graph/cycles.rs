//! Finds nodes that depend on themselves and says through which references.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::source::Location;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, NodeId};

/// One diagnostic per cycle.
///
/// A tangle of many nodes can hold more cycles than anybody can count. Each node that is on a cycle is on at least one
/// reported cycle, the shortest through the first such node that no earlier one named; so nothing stays hidden, and a
/// tangle of n nodes has at most n reports.
pub(super) fn report(manifest: &Manifest, graph: &DiGraph<NodeId, ()>) -> Diagnostics {
    let mut knots: Vec<BTreeSet<NodeIndex>> = kosaraju_scc(graph)
        .into_iter()
        .filter(|knot| knot.len() > 1 || knot.iter().any(|index| graph.contains_edge(*index, *index)))
        .map(|knot| knot.into_iter().collect())
        .collect();
    knots.sort_by_key(|knot| knot.first().copied());
    let mut diagnostics = Diagnostics::default();
    for knot in knots {
        let mut named = BTreeSet::new();
        for start in &knot {
            if !named.contains(start) {
                let cycle = shortest_cycle(graph, &knot, *start);
                diagnostics.push(describe(manifest, cycle.iter().map(|index| &graph[*index]).collect()));
                named.extend(cycle);
            }
        }
    }
    diagnostics
}

/// The nodes of the shortest cycle through `start` within a strongly connected set, each followed by a parent of it.
fn shortest_cycle(graph: &DiGraph<NodeId, ()>, knot: &BTreeSet<NodeIndex>, start: NodeIndex) -> Vec<NodeIndex> {
    let mut came_from: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(index) = queue.pop_front() {
        let mut parents: Vec<NodeIndex> = graph.neighbors_directed(index, Direction::Incoming).collect();
        parents.sort();
        for parent in parents.into_iter().filter(|parent| knot.contains(parent)) {
            if parent == start {
                let mut cycle = vec![index];
                while let Some(previous) = cycle.last().and_then(|last| came_from.get(last)) {
                    cycle.push(*previous);
                }
                cycle.reverse();
                return cycle;
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = came_from.entry(parent) {
                entry.insert(index);
                queue.push_back(parent);
            }
        }
    }
    vec![start]
}

fn describe(manifest: &Manifest, cycle: Vec<&NodeId>) -> Diagnostic {
    let nodes: Vec<&Node> = cycle.into_iter().filter_map(|id| manifest.get(id)).map(AsRef::as_ref).collect();
    let parents = nodes.iter().cycle().skip(1);
    let path: Vec<String> = nodes.iter().chain(nodes.first()).map(|node| format!("`{}`", node.name)).collect();
    let message = if let [only] = nodes.as_slice() {
        format!("`{}` depends on itself", only.name)
    } else {
        format!("these nodes depend on each other in a circle: {}", path.join(" -> "))
    };
    let mut diagnostic = Diagnostic::error("cycle", message);
    for (node, parent) in nodes.iter().zip(parents) {
        let remark = format!("`{}` depends on `{}`", node.name, parent.name);
        diagnostic = match place_of_reference(node, parent) {
            Some(location) => diagnostic.at(location, remark),
            None => diagnostic.with_note(format!("{remark} (`{}`)", node.path)),
        };
    }
    diagnostic.with_hint("remove one of these references, for example by moving the shared part to a model of its own")
}

/// Where `node` mentions `parent`; the place of the node if the mention's own is not known.
fn place_of_reference(node: &Node, parent: &Node) -> Option<Location> {
    node.refs
        .iter()
        .filter(|call| call.name == parent.name)
        .filter(|call| call.package.as_ref().is_none_or(|package| *package == parent.package))
        .find_map(|call| call.location.clone())
        .or_else(|| node.location.clone())
}
