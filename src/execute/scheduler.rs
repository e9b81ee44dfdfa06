//! Who runs when: a node starts when its prerequisites have ended well and a worker is free.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use crate::base::diagnostic::Diagnostic;
use crate::execute::node;
use crate::execute::result::{NodeResult, RunEvent, STOPPED_EARLY, Status};
use crate::execute::run::Run;
use crate::manifest::node::{Node, NodeId};
use crate::plan::run_plan::{Intent, RunPlan, Step};

/// How long a stopped run waits for its nodes to end.
const GRACE: Duration = Duration::from_secs(2);

/// What the scheduler gives back.
#[derive(Debug, Default)]
pub struct Finished {
    /// Results in the order of ending.
    pub results: Vec<NodeResult>,
    /// Whether the run was stopped from outside.
    pub interrupted: bool,
}

/// Runs all steps of a plan; returns when all have ended or the run was stopped.
pub async fn run_all(run: &Arc<Run>, plan: &RunPlan, mut stop: watch::Receiver<bool>) -> Finished {
    let mut scheduler = Scheduler::new(run, plan);
    let mut tasks: JoinSet<NodeResult> = JoinSet::new();
    let mut finished = Finished::default();
    loop {
        scheduler.start_ready(&mut tasks);
        if tasks.is_empty() {
            break;
        }
        tokio::select! {
            ended = tasks.join_next_with_id() => {
                if let Some(ended) = ended {
                    scheduler.ended(ended);
                }
            }
            () = stopped(&mut stop) => {
                finished.interrupted = true;
                tasks.abort_all();
                let ending = async {
                    while let Some(ended) = tasks.join_next_with_id().await {
                        scheduler.ended(ended);
                    }
                };
                // What does not notice in time that it was aborted is left behind.
                let _ = tokio::time::timeout(GRACE, ending).await;
                break;
            }
        }
    }
    scheduler.skip_rest(if finished.interrupted { "the run was stopped" } else { STOPPED_EARLY });
    finished.results = scheduler.results;
    finished
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone will never ask to stop.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Scheduler<'a> {
    run: &'a Arc<Run>,
    plan: &'a RunPlan,
    /// Prerequisites that have not ended yet.
    waiting: BTreeMap<NodeId, BTreeSet<NodeId>>,
    dependents: BTreeMap<NodeId, Vec<NodeId>>,
    ready: VecDeque<NodeId>,
    /// Nodes that must be skipped, and because of which node.
    doomed: BTreeMap<NodeId, NodeId>,
    running: HashMap<Id, (NodeId, usize, usize)>,
    workers: Vec<usize>,
    started: usize,
    total: usize,
    stopping: bool,
    /// Whether hooks of the end will ask for results.
    has_end: bool,
    results: Vec<NodeResult>,
}

impl<'a> Scheduler<'a> {
    fn new(run: &'a Arc<Run>, plan: &'a RunPlan) -> Self {
        let mut waiting = BTreeMap::new();
        let mut dependents: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        let mut ready = VecDeque::new();
        for (id, step) in &plan.steps {
            for prerequisite in &step.prerequisites {
                dependents.entry(prerequisite.clone()).or_default().push(id.clone());
            }
            if step.prerequisites.is_empty() {
                ready.push_back(id.clone());
            } else {
                waiting.insert(id.clone(), step.prerequisites.clone());
            }
        }
        let total = plan.steps.values().filter(|step| !matches!(step.intent, Intent::Nothing)).count();
        Self {
            run,
            plan,
            waiting,
            dependents,
            ready,
            doomed: BTreeMap::new(),
            running: HashMap::new(),
            workers: (1..=run.threads.max(1)).rev().collect(),
            started: 0,
            total,
            stopping: false,
            has_end: plan.steps.values().any(Step::runs_at_end),
            results: Vec::new(),
        }
    }

    fn start_ready(&mut self, tasks: &mut JoinSet<NodeResult>) {
        while !self.stopping && !self.ready.is_empty() {
            let Some(id) = self.ready.front().cloned() else { break };
            let Some(step) = self.plan.steps.get(&id) else {
                self.ready.pop_front();
                continue;
            };
            if let Some(cause) = self.doomed.get(&id).cloned() {
                self.ready.pop_front();
                let reason = match self.plan.steps.get(&cause) {
                    // As under dbt it says so if the reason is a part of it that has no result of its own.
                    Some(part) if part.node.is_ephemeral() => of_part(&part.node, &step.node),
                    _ => format!("skipped because {} failed", self.name(&cause)),
                };
                self.skip(step, &reason);
                self.release(&id, Some(&cause));
                continue;
            }
            if matches!(step.intent, Intent::Nothing) {
                self.ready.pop_front();
                self.release(&id, (!step.faults.is_empty()).then_some(&id));
                continue;
            }
            let Some(worker) = self.workers.pop() else { break };
            self.ready.pop_front();
            self.started += 1;
            let index = self.started;
            self.run.sink.event(&RunEvent::Started { node: &step.node, index, total: self.total });
            let (run, step) = (Arc::clone(self.run), step.clone());
            let handle = tasks.spawn(async move { node::run(&run, &step, worker).await });
            self.running.insert(handle.id(), (id, worker, index));
        }
    }

    fn ended(&mut self, ended: Result<(Id, NodeResult), JoinError>) {
        let (task, result) = match ended {
            Ok((task, result)) => (task, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some((id, worker, index)) = self.running.remove(&task) else { return };
        self.workers.push(worker);
        let Some(step) = self.plan.steps.get(&id) else { return };
        let result = match result {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => {
                self.skip(step, "the run was stopped");
                return;
            }
            Err(error) => panicked(&step.node, worker, error),
        };
        let failed = result.status.is_failure();
        self.run.sink.event(&RunEvent::Finished { result: &result, index, total: self.total });
        self.note(&result);
        self.results.push(result);
        if failed && self.run.fail_fast {
            self.stopping = true;
        }
        self.release(&id, failed.then_some(&id));
    }

    /// Keeps a result for the hooks of the end, if there are any. As under dbt, they see none when a hook of the start
    /// has failed.
    fn note(&self, result: &NodeResult) {
        let cause = self.doomed.get(&result.node.id).and_then(|cause| self.plan.steps.get(cause));
        if self.has_end && cause.is_none_or(|cause| !matches!(cause.intent, Intent::Operation)) {
            self.run.note(result);
        }
    }

    /// Lets the dependents of a node go on; with a cause they are doomed to be skipped.
    fn release(&mut self, id: &NodeId, cause: Option<&NodeId>) {
        for dependent in self.dependents.get(id).cloned().unwrap_or_default() {
            // Hooks of the end run whatever became of the nodes, but not after one of them has failed.
            let at_end = |id: &NodeId| self.plan.steps.get(id).is_some_and(Step::runs_at_end);
            if let Some(cause) = cause.filter(|cause| !at_end(&dependent) || at_end(cause)) {
                self.doomed.entry(dependent.clone()).or_insert_with(|| cause.clone());
            }
            if let Some(waiting) = self.waiting.get_mut(&dependent) {
                waiting.remove(id);
                if waiting.is_empty() {
                    self.waiting.remove(&dependent);
                    self.ready.push_back(dependent);
                }
            }
        }
    }

    fn skip(&mut self, step: &Step, reason: &str) {
        if matches!(step.intent, Intent::Nothing) {
            return;
        }
        self.started += 1;
        let mut result = node::blank(&step.node, node::action(step), 0);
        result.status = Status::Skipped;
        result.message = Some(reason.to_owned());
        let (index, total) = (self.started, self.total);
        self.run.sink.event(&RunEvent::Finished { result: &result, index, total });
        self.note(&result);
        self.results.push(result);
    }

    fn skip_rest(&mut self, reason: &str) {
        let done: BTreeSet<NodeId> = self.results.iter().map(|result| result.node.id.clone()).collect();
        for (id, step) in &self.plan.steps {
            if !done.contains(id) {
                self.skip(step, reason);
            }
        }
    }

    fn name(&self, id: &NodeId) -> String {
        self.plan.steps.get(id).map_or_else(|| id.to_string(), |step| step.node.display_name())
    }
}

/// Why a node is skipped if the reason is an ephemeral model that is a part of it.
pub fn of_part(part: &Node, node: &Node) -> String {
    format!("Compilation Error in {}, an ephemeral model of {}", part.id, node.id)
}

/// A panic becomes a failure of its node.
fn panicked(node: &Arc<Node>, worker: usize, error: JoinError) -> NodeResult {
    let payload = error.into_panic();
    let text = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".to_owned());
    let diagnostic =
        Diagnostic::error("internal-error", format!("a bug in karat or its engine stopped `{}`", node.display_name()))
            .at_maybe(node.location.clone(), "")
            .with_note(text.lines().next().unwrap_or_default())
            .with_hint(
                "please report it with the model's SQL and the end of karat.log; nothing of this node was published",
            );
    let mut result = node::blank(node, "error", worker);
    result.status = Status::Error;
    result.message = Some(diagnostic.message.clone());
    result.diagnostics.push(diagnostic);
    result.execution_time = Duration::ZERO;
    result
}
