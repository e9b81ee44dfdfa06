//! Answers an expression with nodes, and decides which tests come along.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::graph::Dag;
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{Node, NodeId, ResourceType};
use crate::select::IndirectSelection;
use crate::select::expression::{Criterion, Expression, Operators, Reach, Target};
use crate::select::matcher::Matcher;
use crate::state::Comparison;

/// What an expression selects.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// The nodes.
    pub(super) direct: BTreeSet<NodeId>,
    /// Tests that come along if the rest of the selection brings the nodes that they still miss.
    pending: BTreeMap<NodeId, IndirectSelection>,
}

impl Found {
    fn has(&self, id: &NodeId) -> bool {
        self.direct.contains(id) || self.pending.contains_key(id)
    }
}

/// What evaluation looks at.
pub(super) struct Evaluation<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) dag: &'a Dag,
    pub(super) state: Option<&'a Comparison>,
    pub(super) diagnostics: Diagnostics,
}

impl Evaluation<'_> {
    pub(super) fn evaluate(&mut self, expression: &Expression) -> Found {
        match expression {
            Expression::Everything => {
                Found { direct: self.manifest.nodes.keys().cloned().collect(), pending: BTreeMap::new() }
            }
            Expression::Criterion(criterion) => self.criterion(criterion),
            Expression::Union(parts) => {
                let mut all = Found::default();
                for part in parts {
                    let found = self.evaluate(part);
                    all.direct.extend(found.direct);
                    all.pending.extend(found.pending);
                }
                self.settle(all)
            }
            Expression::Intersection(parts) => {
                let found: Vec<Found> = parts.iter().map(|part| self.evaluate(part)).collect();
                self.settle(intersect(&found))
            }
            Expression::Difference(left, right) => {
                let mut left = self.evaluate(left);
                let right = self.evaluate(right);
                left.direct.retain(|id| !right.direct.contains(id));
                left.pending.retain(|id, _| !right.has(id));
                left
            }
            Expression::Expected { inner, text, location } => {
                let found = self.evaluate(inner);
                if found.direct.is_empty() {
                    let warning = Diagnostic::warning("no-match", format!("`{text}` matches no enabled node"));
                    let warning = self.explain(inner, warning.at(location.clone(), ""));
                    self.diagnostics.push(warning);
                }
                found
            }
        }
    }

    fn criterion(&mut self, criterion: &Criterion) -> Found {
        let mut selected = match &criterion.target {
            Target::Matcher(matcher) => self.matching(matcher),
            Target::Named(inner) => self.evaluate(inner).direct,
        };
        let Operators { childrens_parents, parents, children } = criterion.operators;
        let mut relatives = BTreeSet::new();
        if childrens_parents {
            let below = &selected | &self.dag.descendants(&selected, None);
            relatives.extend(self.dag.ancestors(&below, None));
            relatives.extend(below);
        }
        match parents {
            Reach::Nowhere => {}
            Reach::Steps(steps) => relatives.extend(self.dag.ancestors(&selected, Some(steps))),
            Reach::Anywhere => relatives.extend(self.dag.ancestors(&selected, None)),
        }
        match children {
            Reach::Nowhere => {}
            Reach::Steps(steps) => relatives.extend(self.dag.descendants(&selected, Some(steps))),
            Reach::Anywhere => relatives.extend(self.dag.descendants(&selected, None)),
        }
        selected.extend(relatives);
        self.with_tests(selected, criterion.indirect)
    }

    fn matching(&self, matcher: &Matcher) -> BTreeSet<NodeId> {
        let matching = self.manifest.nodes.iter().filter(|(_, node)| self.matches(matcher, node));
        matching.map(|(id, _)| id.clone()).collect()
    }

    fn matches(&self, matcher: &Matcher, node: &Node) -> bool {
        let compared = |holds: &dyn Fn(&Comparison) -> bool| self.state.is_some_and(holds);
        match matcher {
            Matcher::State(check) => compared(&|state| state.holds(*check, node.id.as_str())),
            Matcher::Result(status) => compared(&|state| state.has_result(node.id.as_str(), status)),
            Matcher::Fresher => compared(&|state| state.is_fresher(node.id.as_str())),
            other => other.matches(node),
        }
    }

    /// Adds the tests of the selected nodes as the mode says.
    fn with_tests(&self, selected: BTreeSet<NodeId>, mode: IndirectSelection) -> Found {
        let mut found = Found { direct: selected, pending: BTreeMap::new() };
        if mode == IndirectSelection::Empty {
            return found;
        }
        let tests: BTreeSet<NodeId> = found
            .direct
            .iter()
            .flat_map(|id| self.dag.children(id))
            .filter(|id| {
                self.manifest
                    .get(id)
                    .is_some_and(|node| matches!(node.resource_type, ResourceType::Test | ResourceType::UnitTest))
            })
            .filter(|id| !found.direct.contains(*id))
            .cloned()
            .collect();
        if mode == IndirectSelection::Eager {
            found.direct.extend(tests);
            return found;
        }
        found.pending = tests.into_iter().map(|id| (id, mode)).collect();
        self.settle(found)
    }

    /// Takes in the pending tests whose conditions hold now.
    fn settle(&self, mut found: Found) -> Found {
        found.pending.retain(|id, _| !found.direct.contains(id));
        if found.pending.is_empty() {
            return found;
        }
        let reads_only = |id: &NodeId, allowed: &dyn Fn(&NodeId) -> bool| {
            self.manifest.get(id).is_some_and(|test| test.depends_on.iter().all(allowed))
        };
        // Only a buildable test needs the ancestors.
        let above = if found.pending.values().any(|mode| *mode == IndirectSelection::Buildable) {
            self.dag.ancestors(&found.direct, None)
        } else {
            BTreeSet::new()
        };
        let is_source = |id: &NodeId| self.manifest.get(id).is_some_and(|node| node.source().is_some());
        let settled: BTreeSet<NodeId> = found
            .pending
            .iter()
            .filter(|(id, mode)| match mode {
                IndirectSelection::Eager => true,
                IndirectSelection::Empty => false,
                IndirectSelection::Cautious => reads_only(id, &|parent| found.direct.contains(parent)),
                IndirectSelection::Buildable => reads_only(id, &|parent| {
                    found.direct.contains(parent) || above.contains(parent) || is_source(parent)
                }),
            })
            .map(|(id, _)| id.clone())
            .collect();
        found.pending.retain(|id, _| !settled.contains(id));
        found.direct.extend(settled);
        found
    }

    /// Says why a typed group matches nothing, as far as that can be said.
    fn explain(&self, group: &Expression, mut warning: Diagnostic) -> Diagnostic {
        let Expression::Intersection(parts) = group else { return warning };
        let mut without_match = 0;
        for part in parts {
            let Expression::Criterion(Criterion { target: Target::Matcher(matcher), value, .. }) = part else {
                continue;
            };
            if self.manifest.nodes.values().any(|node| self.matches(matcher, node)) {
                continue;
            }
            without_match += 1;
            if let Some(disabled) = self.manifest.disabled.iter().find(|node| matcher.matches(node)) {
                warning = warning.with_note(format!("`{}` is disabled (`{}`)", disabled.name, disabled.path));
                continue;
            }
            let known: BTreeSet<String> =
                self.manifest.nodes.values().flat_map(|node| matcher.candidates(node)).collect();
            if let Some(near) = did_you_mean(value, known.iter().map(String::as_str)) {
                warning = warning.with_hint(format!("did you mean `{near}`?"));
            }
        }
        if without_match == 0 && parts.len() > 1 {
            warning = warning.with_note("each part matches some nodes, but no node is in all parts");
        }
        warning
    }
}

fn intersect(found: &[Found]) -> Found {
    let Some((first, rest)) = found.split_first() else { return Found::default() };
    let mut both = Found::default();
    for id in first.direct.iter().chain(first.pending.keys()) {
        if rest.iter().all(|other| other.has(id)) {
            match found.iter().find_map(|other| other.pending.get(id)) {
                Some(mode) if !found.iter().all(|other| other.direct.contains(id)) => {
                    both.pending.insert(id.clone(), *mode);
                }
                _ => {
                    both.direct.insert(id.clone());
                }
            }
        }
    }
    both
}
