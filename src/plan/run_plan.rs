//! The plan of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use indexmap::IndexMap;

use crate::base::diagnostic::Diagnostic;
use crate::compile::node::CompiledNode;
use crate::manifest::node::{Detail, Node, NodeId};
use crate::plan::incremental::Incremental;
use crate::plan::microbatch::MicrobatchPlan;
use crate::plan::snapshot::SnapshotPlan;
use crate::plan::test::TestPlan;

/// What a step does with its result.
#[derive(Debug, Clone)]
pub enum Intent {
    /// Store the query itself.
    View,
    /// Make the result the whole content of the table.
    Replace,
    /// Add the result to the table, or combine it with the table.
    Incremental(Incremental),
    /// Replace windows of the table, batch after batch.
    Microbatch(MicrobatchPlan),
    /// Keep the history of the result's changes.
    Snapshot(SnapshotPlan),
    /// Load a seed's file as the whole content of the table.
    Load,
    /// Count the result's rows as failures.
    Check(TestPlan),
    /// Compare the result with the rows that a unit test expects.
    Compare,
    /// Run a statement of the project (`on-run-start`, `on-run-end`).
    Operation,
    /// Make sure of a function: it is part of the project, and stored nowhere.
    Function,
    /// Let a materialization that the project has written do what it says.
    Custom,
    /// Nothing: an ephemeral model or an exposure, selected by name.
    Nothing,
}

/// One node's work.
#[derive(Debug, Clone)]
pub struct Step {
    /// The node.
    pub node: Arc<Node>,
    /// What to do.
    pub intent: Intent,
    /// Why, for people: `first build`, `full refresh`, `table`, `incremental`.
    pub reason: &'static str,
    /// The compiled SQL; `None` for seeds, and for templates that ask for data: those are compiled when their parents
    /// are ready.
    pub compiled: Option<Arc<CompiledNode>>,
    /// The columns of the relation after the step, if they are known before it.
    pub schema: Option<SchemaRef>,
    /// Steps that must end before this one.
    pub prerequisites: BTreeSet<NodeId>,
    /// What is wrong with the node itself, and hinders nobody but who is made from it: the step ends with these errors
    /// instead of being run.
    pub faults: Vec<Diagnostic>,
}

impl Step {
    /// Whether it is a hook of the run's end: it sees the results, so it is compiled last, and runs whatever happened.
    pub fn runs_at_end(&self) -> bool {
        matches!(self.node.detail, Detail::Operation { event: "on-run-end", .. })
    }
}

/// The steps of a run, each after its prerequisites.
#[derive(Debug, Clone, Default)]
pub struct RunPlan {
    /// By node.
    pub steps: IndexMap<NodeId, Step>,
    /// What the check has found wrong with a node, so that nothing is run: its errors.
    pub problems: BTreeMap<NodeId, Vec<Diagnostic>>,
}

impl RunPlan {
    /// What is wrong with single nodes, while the others can be run.
    pub fn faults(&self) -> impl Iterator<Item = &Diagnostic> {
        self.steps.values().flat_map(|step| &step.faults)
    }

    /// The errors of a node: those that stop the run, and those that stop the node alone.
    pub fn errors_of<'p>(&'p self, id: &NodeId) -> impl Iterator<Item = &'p Diagnostic> {
        let faults = self.steps.get(id).into_iter().flat_map(|step| &step.faults);
        self.problems.get(id).into_iter().flatten().chain(faults)
    }
}
