//! Tests of the graph: order, reach, cycles, schedules.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::graph::Dag;
use crate::graph::testing::manifest;
use crate::manifest::node::NodeId;

fn names<'a>(ids: impl IntoIterator<Item = &'a NodeId>) -> String {
    ids.into_iter().map(|id| id.as_str().rsplit('.').next().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn graph_answers_who_depends_on_whom() {
    // `c` is both two steps and one step below `a`.
    let manifest =
        manifest(&["model a", "model b < a", "model c < b, a", "model d < c", "model lonely", "source raw.x"]);
    let (dag, diagnostics) = Dag::new(&manifest);
    assert!(diagnostics.is_empty());
    assert_eq!(names(dag.order()), "a b c d lonely x");
    let groups: Vec<String> = dag.generations().iter().map(names).collect();
    assert_eq!(groups, ["a lonely x", "b", "c", "d"]);
    let id = |name: &str| NodeId::new(format!("model.shop.{name}"));
    assert_eq!(names(dag.parents(&id("c"))), "a b");
    assert_eq!(names(dag.children(&id("a"))), "b c");
    assert_eq!(names(&dag.ancestors([&id("d")], None)), "a b c");
    assert_eq!(names(&dag.ancestors([&id("d")], Some(1))), "c");
    assert_eq!(names(&dag.ancestors([&id("d")], Some(0))), "");
    assert_eq!(names(&dag.descendants([&id("a")], Some(1))), "b c");
    assert_eq!(names(&dag.descendants([&id("a"), &id("b")], Some(1))), "b c");
    assert_eq!(names(&dag.descendants([&id("c"), &id("nowhere")], None)), "d");
}

#[test]
fn graph_reports_every_cycle_with_its_places() {
    let manifest = manifest(&["model a < c", "model b < a", "model c < b", "model d < a", "model e < e", "model f"]);
    let (dag, diagnostics) = Dag::new(&manifest);
    assert_eq!(names(dag.order()), "f a b c d e");
    let shown: Vec<String> = diagnostics.0.iter().map(|diagnostic| diagnostic.message.clone()).collect();
    assert_eq!(
        shown,
        ["these nodes depend on each other in a circle: `a` -> `c` -> `b` -> `a`", "`e` depends on itself"]
    );
    let labels: Vec<String> = diagnostics.0[0]
        .labels
        .iter()
        .map(|label| format!("{}:{} {}", label.location.file.path, label.location.start().column, label.message))
        .collect();
    assert_eq!(
        labels,
        [
            "models/a.sql:11 `a` depends on `c`",
            "models/c.sql:11 `c` depends on `b`",
            "models/b.sql:11 `b` depends on `a`"
        ]
    );
    assert!(diagnostics.0.iter().all(|diagnostic| diagnostic.code == "cycle"));
}

#[test]
fn graph_schedules_see_through_unselected_nodes_and_gate_behind_tests() {
    let manifest = manifest(&[
        "model a",
        "model b < a",
        "model c < b",
        "model d < c",
        "model other",
        "test not_null:on_a < a",
        "test unique:on_b < b",
        "test relationships:a_and_other < a, other",
        "test relationships:a_and_b < a, b",
    ]);
    let (dag, _) = Dag::new(&manifest);
    let shown = |schedule: &crate::graph::schedule::Schedule| -> Vec<String> {
        schedule.prerequisites.iter().map(|(id, before)| format!("{} < {}", names([id]), names(before))).collect()
    };
    let all: Vec<&NodeId> = dag.order().iter().collect();
    assert_eq!(
        shown(&dag.build_schedule(&manifest, all)),
        [
            "a < ",
            "other < ",
            "a_and_other < a other",
            "on_a < a",
            "b < a on_a",
            "a_and_b < a b",
            "on_b < b",
            "c < b a_and_b on_b",
            "d < c",
        ]
    );
    // Without `b`, its test and the chain through it stay.
    let some: Vec<&NodeId> =
        dag.order().iter().filter(|id| !["model.shop.b", "model.shop.c"].contains(&id.as_str())).collect();
    assert_eq!(
        shown(&dag.build_schedule(&manifest, some.clone())),
        [
            "a < ",
            "other < ",
            "a_and_other < a other",
            "on_a < a",
            "a_and_b < a on_a",
            "on_b < a on_a",
            "d < a a_and_b on_a on_b",
        ]
    );
    let run = dag.schedule(some.into_iter().filter(|id| id.as_str().starts_with("model")));
    assert_eq!(shown(&run), ["a < ", "d < a", "other < "]);
    assert_eq!(names(run.dependents()[&NodeId::new("model.shop.a")].clone()), "d");
}

proptest! {
    /// The rule of `build` against its definition, on random graphs: a node waits, directly or not, for exactly its
    /// selected ancestors and the selected tests whose parents are all among its ancestors.
    #[test]
    fn graph_build_schedule_keeps_the_rule_of_gates(
        edges in prop::collection::vec((0usize..9, 0usize..9), 0..20),
        tests in prop::collection::vec(prop::collection::btree_set(0usize..9, 1..3), 0..6),
        chosen in prop::collection::vec(any::<bool>(), 15),
    ) {
        let parents = |child: usize| -> Vec<String> {
            let of: BTreeSet<usize> = edges.iter().map(|(a, b)| (a.min(b), a.max(b))).filter(|(a, b)| a < b && **b == child).map(|(a, _)| *a).collect();
            of.into_iter().map(|parent| format!("m{parent}")).collect()
        };
        let mut lines: Vec<String> = (0..9).map(|child| format!("model m{child} < {}", parents(child).join(","))).collect();
        for (number, parents) in tests.iter().enumerate() {
            let parents: Vec<String> = parents.iter().map(|parent| format!("m{parent}")).collect();
            lines.push(format!("test not_null:t{number} < {}", parents.join(",")));
        }
        let manifest = manifest(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let (dag, diagnostics) = Dag::new(&manifest);
        prop_assert!(diagnostics.is_empty());
        let selected: BTreeSet<NodeId> =
            manifest.nodes.keys().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(id, _)| id.clone()).collect();
        let schedule = dag.build_schedule(&manifest, &selected);
        prop_assert_eq!(schedule.order().cloned().collect::<BTreeSet<_>>(), selected.clone());
        let mut waits: std::collections::BTreeMap<NodeId, BTreeSet<NodeId>> = std::collections::BTreeMap::new();
        for (id, before) in &schedule.prerequisites {
            let mut all = before.clone();
            for other in before {
                // The order is topological: what is before has been seen.
                all.extend(waits[other].iter().cloned());
            }
            waits.insert(id.clone(), all);
        }
        for id in &selected {
            let ancestors = dag.ancestors([id], None);
            let is_test = id.as_str().starts_with("test.");
            for other in selected.iter().filter(|other| *other != id) {
                let gates = !is_test && other.as_str().starts_with("test.")
                    && manifest.nodes[other].depends_on.iter().all(|parent| ancestors.contains(parent));
                if gates || ancestors.contains(other) {
                    prop_assert!(waits[id].contains(other), "{id} does not wait for {other}");
                } else if !is_test {
                    prop_assert!(!waits[id].contains(other), "{id} waits for {other}");
                }
            }
        }
    }
}

/// The gates of a project of many models are few: only the first nodes behind a test wait for it.
#[test]
fn graph_of_many_nodes_has_few_gates() {
    let mut lines: Vec<String> = Vec::new();
    for layer in 0..20 {
        for number in 0..100 {
            let name = |layer: usize, number: usize| format!("m{layer}_{}", number % 100);
            let parents = match layer {
                0 => String::new(),
                _ => [number, number + 1, number + 7].map(|number| name(layer - 1, number)).join(","),
            };
            lines.push(format!("model {} < {parents}", name(layer, number)));
            lines.push(format!("test not_null:t{layer}_{number} < {}", name(layer, number)));
        }
    }
    let manifest = manifest(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let (dag, _) = Dag::new(&manifest);
    let schedule = dag.build_schedule(&manifest, dag.order());
    assert_eq!(schedule.prerequisites.len(), 4000);
    let waits: usize = schedule.prerequisites.values().map(BTreeSet::len).sum();
    assert!(waits < 30_000, "{waits}");
}
