//! Layer 2: the nodes of a manifest as a directed graph. A parent comes before what is made from it.
//!
//! [`Dag`] answers who depends on whom and in which order things come; [`schedule`] turns a set of selected nodes into
//! what a scheduler needs. Nothing here decides what is selected (`select`) or runs anything (`execute`).

mod cycles;
pub mod schedule;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::diagnostic::Diagnostics;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::NodeId;

/// The graph of all enabled nodes.
#[derive(Debug, Clone)]
pub struct Dag {
    /// Edges go from parent to child. Indices are in the order of ids.
    graph: DiGraph<NodeId, ()>,
    indices: BTreeMap<NodeId, NodeIndex>,
    order: Vec<NodeId>,
    /// Place of each node in `order`, by index.
    positions: Vec<usize>,
}

impl Dag {
    /// Builds the graph of a manifest and reports each cycle in it.
    ///
    /// Parents that the manifest doesn't have are left out: `parse` has reported them.
    pub fn new(manifest: &Manifest) -> (Self, Diagnostics) {
        let mut graph = DiGraph::new();
        let indices: BTreeMap<NodeId, NodeIndex> =
            manifest.nodes.keys().map(|id| (id.clone(), graph.add_node(id.clone()))).collect();
        for (id, node) in &manifest.nodes {
            let parents = node.depends_on.iter().filter_map(|parent| indices.get(parent));
            for (parent, child) in parents.zip(std::iter::repeat(indices.get(id)).flatten()) {
                graph.update_edge(*parent, *child, ());
            }
        }
        let diagnostics = cycles::report(manifest, &graph);
        let sorted = topological_order(&graph);
        let mut positions = vec![0; sorted.len()];
        for (position, index) in sorted.iter().enumerate() {
            positions[index.index()] = position;
        }
        let order = sorted.iter().map(|index| graph[*index].clone()).collect();
        (Self { graph, indices, order, positions }, diagnostics)
    }

    /// All nodes, parents first; among nodes that are free to come next, the one with the smallest id.
    ///
    /// Nodes on a cycle, and what depends on them, come last, by id.
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// The place of a node in [`order`](Self::order).
    pub fn position(&self, id: &NodeId) -> Option<usize> {
        Some(self.positions[self.indices.get(id)?.index()])
    }

    /// Whether the graph has a node.
    pub fn contains(&self, id: &NodeId) -> bool {
        self.indices.contains_key(id)
    }

    /// The nodes that a node reads directly, by id.
    pub fn parents(&self, id: &NodeId) -> Vec<&NodeId> {
        self.neighbors(id, Direction::Incoming)
    }

    /// The nodes that read a node directly, by id.
    pub fn children(&self, id: &NodeId) -> Vec<&NodeId> {
        self.neighbors(id, Direction::Outgoing)
    }

    /// All nodes that the given ones depend on, up to `depth` steps away; `None` means any number.
    ///
    /// A given node is itself among the result only if another given one depends on it.
    pub fn ancestors<'a>(&self, of: impl IntoIterator<Item = &'a NodeId>, depth: Option<usize>) -> BTreeSet<NodeId> {
        self.reach(of, depth, Direction::Incoming)
    }

    /// All nodes that depend on the given ones, up to `depth` steps away; `None` means any number.
    ///
    /// A given node is itself among the result only if it depends on another given one.
    pub fn descendants<'a>(&self, of: impl IntoIterator<Item = &'a NodeId>, depth: Option<usize>) -> BTreeSet<NodeId> {
        self.reach(of, depth, Direction::Outgoing)
    }

    /// The nodes in groups: those without parents, then those whose parents are all in earlier groups, and so on.
    pub fn generations(&self) -> Vec<Vec<NodeId>> {
        let mut levels = vec![0; self.order.len()];
        let mut groups: Vec<Vec<NodeId>> = Vec::new();
        for id in &self.order {
            let Some(index) = self.indices.get(id) else { continue };
            let parents = self.graph.neighbors_directed(*index, Direction::Incoming);
            let level = parents.map(|parent| levels[parent.index()] + 1).max().unwrap_or(0);
            levels[index.index()] = level;
            if groups.len() <= level {
                groups.resize_with(level + 1, Vec::new);
            }
            groups[level].push(id.clone());
        }
        groups.retain(|group| !group.is_empty());
        groups
    }

    fn neighbors(&self, id: &NodeId, direction: Direction) -> Vec<&NodeId> {
        let Some(index) = self.indices.get(id) else { return Vec::new() };
        let mut found: Vec<&NodeId> =
            self.graph.neighbors_directed(*index, direction).map(|other| &self.graph[other]).collect();
        found.sort();
        found
    }

    fn reach<'a>(
        &self,
        starts: impl IntoIterator<Item = &'a NodeId>,
        depth: Option<usize>,
        direction: Direction,
    ) -> BTreeSet<NodeId> {
        let starts = starts.into_iter().filter_map(|id| self.indices.get(id)).copied();
        self.reach_indices(starts, depth, direction).into_iter().map(|index| self.graph[index].clone()).collect()
    }

    /// Breadth first from all starts at once: a node's distance is the one to the nearest other start.
    fn reach_indices(
        &self,
        starts: impl IntoIterator<Item = NodeIndex>,
        depth: Option<usize>,
        direction: Direction,
    ) -> Vec<NodeIndex> {
        let mut queue: VecDeque<(NodeIndex, usize)> = starts.into_iter().map(|index| (index, 0)).collect();
        // A start is in the queue already, with the distance zero; reached from another start it is found as well.
        let mut queued = vec![false; self.order.len()];
        for (index, _) in &queue {
            queued[index.index()] = true;
        }
        let mut seen = vec![false; self.order.len()];
        let mut found = Vec::new();
        while let Some((index, distance)) = queue.pop_front() {
            if depth.is_some_and(|depth| distance >= depth) {
                continue;
            }
            for next in self.graph.neighbors_directed(index, direction) {
                if !seen[next.index()] {
                    seen[next.index()] = true;
                    found.push(next);
                    if !queued[next.index()] {
                        queued[next.index()] = true;
                        queue.push_back((next, distance + 1));
                    }
                }
            }
        }
        found
    }
}

/// Kahn's algorithm with the smallest index first; what remains because of cycles is appended.
fn topological_order(graph: &DiGraph<NodeId, ()>) -> Vec<NodeIndex> {
    let count = |index| graph.neighbors_directed(index, Direction::Incoming).count();
    let mut missing: Vec<usize> = graph.node_indices().map(count).collect();
    let mut ready: BTreeSet<NodeIndex> = graph.node_indices().filter(|index| missing[index.index()] == 0).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for child in graph.neighbors_directed(index, Direction::Outgoing) {
            missing[child.index()] -= 1;
            if missing[child.index()] == 0 {
                ready.insert(child);
            }
        }
    }
    order.extend(graph.node_indices().filter(|index| missing[index.index()] > 0));
    order
}
