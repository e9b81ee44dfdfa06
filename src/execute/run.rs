//! What all nodes of a run share.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::diagnostic::Diagnostic;
use crate::compile::host::Invocation;
use crate::compile::introspect::Introspect;
use crate::compile::query_comment::commented;
use crate::engine::error::SqlProblem;
use crate::engine::session::{Session, Variant};
use crate::engine::view::WarehouseView;
use crate::execute::changes::Changes;
use crate::execute::failure::Failure;
use crate::execute::result::{EventSink, NodeResult, RunEvent};
use crate::execute::statement;
use crate::execute::turns::{Turn, Turns};
use crate::manifest::node::{Node, ResourceType};
use crate::manifest::relation::RelationKey;
use crate::plan::check::{Beforehand, block_on, check_rows, columns_of, list_now, query_now};
use crate::template::host::{Answer, ColumnValue, HostError, RelationKind};

/// Makes a value of a result as dbt's `results` has it: the shapes are said in a layer above this one.
pub type ResultValue = Arc<dyn Fn(&NodeResult) -> Json + Send + Sync>;

/// A run in progress.
pub struct Run {
    /// Facts of the invocation.
    pub invocation: Arc<Invocation>,
    /// What relation names mean now.
    pub view: Arc<WarehouseView>,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// Nodes at once.
    pub threads: usize,
    /// Which queries run at once.
    pub turns: Turns,
    /// Whether the first failure stops the run.
    pub fail_fast: bool,
    /// How hooks of the end see a result.
    pub result_value: ResultValue,
    /// What has ended so far, in dbt's shape: the `results` of `on-run-end` hooks.
    pub ended: Mutex<Vec<Json>>,
    /// What statements have changed.
    pub changes: Changes,
}

impl Run {
    /// Waits until a query may run. One that runs alone also waits for what stopped queries still hold: their work on
    /// other threads ends a little after them.
    pub async fn turn(&self, variant: Variant) -> Turn<'_> {
        const LONGEST: Duration = Duration::from_secs(5);
        const PAUSE: Duration = Duration::from_millis(10);
        let turn = self.turns.take(variant).await;
        if matches!(turn, Turn::Alone(_)) {
            let pool = &self.view.surroundings().engine.runtime().memory_pool;
            let mut waited = Duration::ZERO;
            while pool.reserved() > 0 && waited < LONGEST {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
        }
        turn
    }

    /// Runs a query with a small result. When memory runs out, it is tried once more: alone, and frugally.
    pub async fn query(
        &self,
        session: &(dyn Fn(Variant) -> Session + Sync),
        sql: &str,
    ) -> Result<Vec<RecordBatch>, SqlProblem> {
        let shared = self.turn(Variant::Normal).await;
        let answer = session(Variant::Normal).query(sql).await;
        drop(shared);
        match answer {
            Err(problem) if problem.exhausted => {
                let _alone = self.turn(Variant::Frugal).await;
                session(Variant::Frugal).query(sql).await
            }
            answer => answer,
        }
    }

    /// Puts what is run for a node into the log, with the project's comment.
    pub fn tell(&self, node: &Arc<Node>, sql: &str) -> Result<(), Failure> {
        // The comment's own queries are not told.
        let view: Arc<dyn Introspect> = Arc::new(Beforehand::new(Arc::clone(&self.view), BTreeSet::new()));
        let sql = commented(&self.invocation, &view, node.id.as_str(), Some(node), sql)?;
        self.sink.event(&RunEvent::Query { node, sql: &sql });
        Ok(())
    }

    /// Notes a result for the hooks at the end. As under dbt, hooks are not among the results that hooks see.
    pub fn note(&self, result: &NodeResult) {
        if result.node.resource_type == ResourceType::Operation {
            return;
        }
        let value = (self.result_value)(result);
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }

    /// What only `on-run-end` hooks see: `results`, and the `schemas` and `database_schemas` in which something was built.
    pub fn end_globals(&self) -> IndexMap<String, Json> {
        let results = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pair = |result: &Json| {
            let node = result.get("node")?;
            let kind = node.get("resource_type")?.as_str()?;
            let status = result.get("status")?.as_str()?;
            let built =
                matches!(kind, "model" | "seed" | "snapshot") && !matches!(status, "error" | "fail" | "skipped");
            built.then(|| Some((node.get("database")?.clone(), node.get("schema")?.clone())))?
        };
        let mut pairs: Vec<(Json, Json)> = results.iter().filter_map(pair).collect();
        pairs.sort_by_key(|(_, schema)| schema.to_string());
        pairs.dedup();
        let schemas: Vec<&Json> = pairs.iter().map(|(_, schema)| schema).collect();
        IndexMap::from([
            ("schemas".to_owned(), json!(schemas)),
            ("database_schemas".to_owned(), json!(pairs)),
            ("results".to_owned(), Json::Array(results)),
        ])
    }

    /// What templates may learn now, when a node's parents are ready.
    pub fn introspect(self: &Arc<Self>, owner: &Arc<Node>) -> Arc<dyn Introspect> {
        Arc::new(Now { run: Arc::clone(self), owner: Arc::clone(owner), view: Arc::clone(&self.view) })
    }
}

/// Answers templates from what is there now, and does what their statements say.
struct Now {
    run: Arc<Run>,
    owner: Arc<Node>,
    view: Arc<WarehouseView>,
}

impl Introspect for Now {
    fn kind(&self, key: &RelationKey) -> Option<RelationKind> {
        self.view.kind(key)
    }

    fn published_kind(&self, key: &RelationKey) -> Option<RelationKind> {
        self.view.published_kind(key)
    }

    fn columns(&self, key: &RelationKey) -> Result<Option<Vec<ColumnValue>>, HostError> {
        columns_of(&self.view, key)
    }

    fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, HostError> {
        query_now(&self.view, sql)
    }

    fn statements(&self, sql: &str) -> Result<Answer, HostError> {
        let explain = |problem: &SqlProblem| {
            let mut diagnostic = Diagnostic::error(problem.code, problem.message.clone());
            diagnostic.hint.clone_from(&problem.hint);
            diagnostic.notes.clone_from(&problem.further.notes);
            Failure { diagnostics: vec![diagnostic], exhausted: problem.exhausted }
        };
        let answer = block_on(statement::run_text(&self.run, &self.owner, sql, &explain)).map_err(|failure| {
            let (code, message, hint) = statement::of_template(&failure);
            HostError::Refused { code, message, hint }
        })?;
        check_rows(&answer.batches)?;
        Ok(answer)
    }

    fn list(&self, database: Option<&str>, schema: &str) -> Vec<(RelationKey, RelationKind)> {
        list_now(&self.view, database, schema)
    }
}
