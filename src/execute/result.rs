//! What was done: the results of nodes and of a run, and the events on the way.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};

use crate::base::diagnostic::Diagnostic;
use crate::manifest::microbatch::{Batch, Outcomes, Window};
use crate::manifest::node::{Node, NodeId, ResourceType};

/// Why a node was skipped by `--fail-fast`.
pub const STOPPED_EARLY: &str = "the run stopped at the first failure";

/// Why a node was skipped that the check before the run stopped.
pub const NOT_RUN: &str = "not run: the check before the run found errors";

/// How a node ended; the texts are those of dbt's `run_results.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// A model, seed, snapshot or hook that was built.
    Success,
    /// A microbatch model of which some batches failed.
    PartialSuccess,
    /// A test without failures.
    Pass,
    /// A test whose failures only warn.
    Warn,
    /// A test whose failures fail the run.
    Fail,
    /// A node that could not be done.
    Error,
    /// A node that was not started because something before it failed or the run was stopped.
    Skipped,
}

impl Status {
    /// dbt's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::PartialSuccess => "partial success",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }

    /// Whether the run's exit code becomes 1.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Fail | Self::Error | Self::PartialSuccess)
    }
}

/// One phase of a node's work.
#[derive(Debug, Clone)]
pub struct Timing {
    /// `compile` or `execute`.
    pub name: &'static str,
    /// Start of the phase.
    pub started_at: DateTime<Utc>,
    /// End of the phase.
    pub completed_at: DateTime<Utc>,
}

/// How many rows changed, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows that were added.
    pub inserted: u64,
    /// Rows that were changed in place (a merge's matches; versions that a snapshot closed).
    pub updated: u64,
    /// Rows that were taken away.
    pub deleted: u64,
    /// Rows of the whole relation afterwards.
    pub total: u64,
}

/// The batches of a microbatch model that was run.
#[derive(Debug, Clone, Default)]
pub struct Batches {
    /// Which came about; with those that an earlier command has made.
    pub outcomes: Outcomes,
    /// Those that this command has made.
    pub made: Vec<Window>,
    /// The compiled SQL of each.
    pub sql: Vec<(Batch, String)>,
}

/// What became of one node.
#[derive(Debug, Clone)]
pub struct NodeResult {
    /// The node.
    pub node: Arc<Node>,
    /// How it ended.
    pub status: Status,
    /// One line for people: an error's sentence, `Got 3 results, configured to fail if != 0`, a skip's reason.
    pub message: Option<String>,
    /// What was done, in one word: `view`, `table`, `append`, `merge`, `delete+insert`, `insert_overwrite`, `seed`,
    /// `snapshot`, `test`, `hook`.
    pub action: &'static str,
    /// Failing rows of a test, after `fail_calc`.
    pub failures: Option<u64>,
    /// Rows written.
    pub rows: Option<RowCounts>,
    /// Bytes of data files written.
    pub bytes_written: u64,
    /// Phases.
    pub timing: Vec<Timing>,
    /// Number of the worker, from 1.
    pub worker: usize,
    /// Time from start to end.
    pub execution_time: Duration,
    /// The compiled SQL, if there is some.
    pub compiled_sql: Option<String>,
    /// The queries of the ephemeral models in it.
    pub ephemeral: Vec<(NodeId, String)>,
    /// What to show to the user: errors with their place.
    pub diagnostics: Vec<Diagnostic>,
    /// The first failing rows of a test.
    pub failing_rows: Option<RecordBatch>,
    /// Relation in which a test's failing rows were stored (`schema.identifier`).
    pub failures_relation: Option<String>,
    /// The batches of a microbatch model.
    pub batches: Option<Batches>,
    /// Whether the node's relation was built but is held back because a test or a parent failed.
    pub withheld: bool,
}

/// What a run made visible.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Name of the environment.
    pub environment: String,
    /// Number of the entry in the environment's log.
    pub entry: u64,
    /// How many relations changed.
    pub relations: usize,
}

/// What became of a run.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// The nodes in the order they ended.
    pub results: Vec<NodeResult>,
    /// What was made visible; `None` if nothing was.
    pub publication: Option<Publication>,
    /// A failure of the world that ended the run (storage, lock): exit code 3.
    pub failure: Option<Diagnostic>,
    /// Whether the user stopped the run.
    pub interrupted: bool,
    /// Wall time.
    pub elapsed: Duration,
}

impl RunResult {
    /// How many nodes ended with a status.
    pub fn count(&self, status: Status) -> usize {
        self.results.iter().filter(|result| result.status == status).count()
    }

    /// Whether any node failed.
    pub fn has_failures(&self) -> bool {
        self.results.iter().any(|result| result.status.is_failure())
    }

    /// The number of results of a kind of node.
    pub fn count_of(&self, kind: ResourceType) -> usize {
        self.results.iter().filter(|result| result.node.resource_type == kind).count()
    }
}

/// A batch of a microbatch model, for events.
#[derive(Debug, Clone, Copy)]
pub struct BatchEvent<'a> {
    /// The model.
    pub node: &'a Node,
    /// The batch.
    pub batch: &'a Batch,
    /// Its place among the batches of the run, from 1.
    pub index: usize,
    /// How many batches the run has.
    pub total: usize,
}

/// Something that happened during a run; printed, logged, or drawn as progress.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// A node was started; the total is the number of nodes of the run.
    Started {
        /// The node.
        node: &'a Node,
        /// Its place in the order of starting, from 1.
        index: usize,
        /// How many nodes the run has.
        total: usize,
    },
    /// A node ended.
    Finished {
        /// Its result.
        result: &'a NodeResult,
        /// Its place in the order of starting, from 1.
        index: usize,
        /// How many nodes the run has.
        total: usize,
    },
    /// A batch was begun.
    BatchStarted {
        /// The batch.
        batch: BatchEvent<'a>,
    },
    /// A batch ended.
    BatchFinished {
        /// The batch.
        batch: BatchEvent<'a>,
        /// `Success`, `Error` or `Skipped`.
        status: Status,
        /// Its rows.
        rows: u64,
        /// How long it took.
        seconds: f64,
    },
    /// What is run for a node, with the comment that the project puts there.
    Query {
        /// The node.
        node: &'a Node,
        /// The SQL.
        sql: &'a str,
    },
    /// A template's `print()`: goes to standard output.
    Print(&'a str),
    /// A template's `log(info=true)`, or another message.
    Message(&'a str),
    /// A warning or note with a place.
    Diagnostic(&'a Diagnostic),
    /// Waiting for the environment's lock, held by the one described.
    Waiting(&'a str),
    /// The run's results became visible.
    Published(&'a Publication),
}

/// Where events go.
pub trait EventSink: Send + Sync {
    /// Takes one event; called from several threads.
    fn event(&self, event: &RunEvent<'_>);
}
