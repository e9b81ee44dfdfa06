//! What a scheduler needs: the selected nodes in order, and for each the selected nodes that must be done before it.
//!
//! A dependency that leads through nodes that are not selected still counts: if `c` reads `b` and `b` reads `a`, a run
//! of `a` and `c` waits with `c` for `a`.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use petgraph::Direction;
use petgraph::graph::NodeIndex;

use crate::graph::Dag;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{NodeId, ResourceType};

/// The selected nodes, each after its prerequisites.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// For each node the nodes that must be done before it; both are selected.
    pub prerequisites: IndexMap<NodeId, BTreeSet<NodeId>>,
}

impl Schedule {
    /// The nodes in an order that keeps all prerequisites.
    pub fn order(&self) -> impl Iterator<Item = &NodeId> {
        self.prerequisites.keys()
    }

    /// The reverse of the prerequisites: for each node those that wait for it directly, in order.
    pub fn dependents(&self) -> BTreeMap<&NodeId, Vec<&NodeId>> {
        let mut dependents: BTreeMap<&NodeId, Vec<&NodeId>> = BTreeMap::new();
        for (id, prerequisites) in &self.prerequisites {
            for prerequisite in prerequisites {
                dependents.entry(prerequisite).or_default().push(id);
            }
        }
        dependents
    }
}

impl Dag {
    /// The schedule of a command that doesn't wait for tests: `run`, `test`, `seed`, `snapshot`, `compile`.
    pub fn schedule<'a>(&self, selected: impl IntoIterator<Item = &'a NodeId>) -> Schedule {
        self.schedule_behind(&self.indices_of(selected), &BTreeMap::new(), &vec![false; self.order.len()])
    }

    /// The schedule of `build`, where the selected tests are gates.
    ///
    /// A node waits for a test if all nodes that the test reads are among the node's ancestors. So the data that a node
    /// is made from has been tested before, and the added edges can't make a cycle: a test never waits for anything
    /// below what it reads. A model also waits for its unit tests, which wait for what the model reads: they need the
    /// columns of its parents, and nothing of itself.
    pub fn build_schedule<'a>(&self, manifest: &Manifest, selected: impl IntoIterator<Item = &'a NodeId>) -> Schedule {
        let selected = self.indices_of(selected);
        let kind = |id: &NodeId| manifest.get(id).map(|node| node.resource_type);
        let kinds: Vec<Option<ResourceType>> = self.graph.node_weights().map(kind).collect();
        let is_test: Vec<bool> = kinds.iter().map(|kind| *kind == Some(ResourceType::Test)).collect();
        let is_unit_test: Vec<bool> = kinds.iter().map(|kind| *kind == Some(ResourceType::UnitTest)).collect();
        let tests_something: Vec<bool> = is_test.iter().zip(&is_unit_test).map(|(test, unit)| *test || *unit).collect();
        // Most tests read one model, so the gated nodes are found once for each set of parents.
        let mut by_parents: BTreeMap<BTreeSet<NodeIndex>, Vec<NodeIndex>> = BTreeMap::new();
        for test in selected.iter().copied().filter(|index| is_test[index.index()]) {
            let parents: BTreeSet<NodeIndex> = self.graph.neighbors_directed(test, Direction::Incoming).collect();
            by_parents.entry(parents).or_default().push(test);
        }
        let mut gates: BTreeMap<NodeIndex, BTreeSet<NodeIndex>> = BTreeMap::new();
        for (parents, tests) in by_parents {
            for gated in self.first_common_descendants(&parents, &tests_something) {
                gates.entry(gated).or_default().extend(&tests);
            }
        }
        for test in selected.iter().copied().filter(|index| is_unit_test[index.index()]) {
            for model in self.graph.neighbors_directed(test, Direction::Incoming) {
                gates.entry(model).or_default().insert(test);
            }
        }
        self.schedule_behind(&selected, &gates, &is_unit_test)
    }

    fn indices_of<'a>(&self, ids: impl IntoIterator<Item = &'a NodeId>) -> BTreeSet<NodeIndex> {
        ids.into_iter().filter_map(|id| self.indices.get(id)).copied().collect()
    }

    /// The nodes (tests aside) below all of `parents` that have no parent of that kind: those behind them wait with them.
    fn first_common_descendants(&self, parents: &BTreeSet<NodeIndex>, is_test: &[bool]) -> Vec<NodeIndex> {
        let mut below_parents = vec![0; self.order.len()];
        let mut below = Vec::new();
        for parent in parents {
            below = self.reach_indices([*parent], None, Direction::Outgoing);
            for index in &below {
                below_parents[index.index()] += 1;
            }
        }
        let is_common = |index: NodeIndex| below_parents[index.index()] == parents.len();
        below.retain(|index| {
            let mut above = self.graph.neighbors_directed(*index, Direction::Incoming);
            is_common(*index) && !is_test[index.index()] && !above.any(is_common)
        });
        below
    }

    /// The schedule with further edges: `gates` names for a node the selected tests it waits for. What is `ahead` waits
    /// for the parents of its parents only.
    fn schedule_behind(
        &self,
        selected: &BTreeSet<NodeIndex>,
        gates: &BTreeMap<NodeIndex, BTreeSet<NodeIndex>>,
        ahead: &[bool],
    ) -> Schedule {
        // For each node: the selected nodes directly before it, seen through those that are not selected.
        let mut before: Vec<BTreeSet<NodeIndex>> = vec![BTreeSet::new(); self.order.len()];
        for index in self.order.iter().filter_map(|id| self.indices.get(id)).copied() {
            let mut nearest = gates.get(&index).cloned().unwrap_or_default();
            let mut parents: Vec<NodeIndex> = self.graph.neighbors_directed(index, Direction::Incoming).collect();
            if ahead[index.index()] {
                let of = |parent: NodeIndex| self.graph.neighbors_directed(parent, Direction::Incoming);
                parents = parents.into_iter().flat_map(of).collect();
            }
            for parent in parents {
                if selected.contains(&parent) {
                    nearest.insert(parent);
                } else {
                    nearest.extend(&before[parent.index()]);
                }
            }
            before[index.index()] = nearest;
        }
        let mut schedule = Schedule::default();
        for index in self.sorted_behind(selected, &before) {
            let prerequisites = before[index.index()].iter().map(|other| self.graph[*other].clone()).collect();
            schedule.prerequisites.insert(self.graph[index].clone(), prerequisites);
        }
        schedule
    }

    /// The selected nodes, each after those before it; among nodes that are free to come next, in the graph's order.
    fn sorted_behind(&self, selected: &BTreeSet<NodeIndex>, before: &[BTreeSet<NodeIndex>]) -> Vec<NodeIndex> {
        let key = |index: NodeIndex| (self.positions[index.index()], index);
        let mut missing: BTreeMap<NodeIndex, usize> = BTreeMap::new();
        let mut behind: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for index in selected {
            missing.insert(*index, before[index.index()].len());
            for other in &before[index.index()] {
                behind.entry(*other).or_default().push(*index);
            }
        }
        let mut ready: BTreeSet<(usize, NodeIndex)> =
            missing.iter().filter(|(_, count)| **count == 0).map(|(index, _)| key(*index)).collect();
        let mut sorted = Vec::with_capacity(selected.len());
        while let Some((_, index)) = ready.pop_first() {
            sorted.push(index);
            missing.remove(&index);
            for next in behind.get(&index).into_iter().flatten() {
                if let Some(count) = missing.get_mut(next) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(key(*next));
                    }
                }
            }
        }
        // Only a graph with cycles leaves something here, and it has been refused before.
        let mut rest: Vec<(usize, NodeIndex)> = missing.into_keys().map(key).collect();
        rest.sort_unstable();
        sorted.extend(rest.into_iter().map(|(_, index)| index));
        sorted
    }
}
