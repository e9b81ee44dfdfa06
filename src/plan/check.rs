//! The check before a run: every selected node is compiled and its query planned against the columns that its parents
//! will have. All problems are reported, each once: what depends on a broken node is not complained about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use arrow::record_batch::RecordBatch;
use indexmap::IndexMap;

use crate::base::diagnostic::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::base::limits;
use crate::compile::host::Invocation;
use crate::compile::introspect::Introspect;
use crate::compile::node::{CompiledNode, compile, compile_batch};
use crate::compile::unit_test::tested_model;
use crate::engine::error::SqlProblem;
use crate::engine::guard::has_subquery;
use crate::engine::session::{Session, Variant};
use crate::engine::statement::Action;
use crate::engine::types::{TypeError, sql_type_of, storage_schema};
use crate::engine::view::{Fresh, Overlay, WarehouseView, without_rows};
use crate::graph::schedule::Schedule;
use crate::manifest::config::Materialization;
use crate::manifest::constraint::{ConstraintKind, KeyTarget};
use crate::manifest::node::{Detail, Node, NodeId, ResourceType};
use crate::manifest::relation::RelationKey;
use crate::plan::algebra::{BATCH, SCRATCH_SCHEMA};
use crate::plan::constraints;
use crate::plan::contract::{self, contract_problem};
use crate::plan::functions;
use crate::plan::incremental::schema_change;
use crate::plan::microbatch::MicrobatchPlan;
use crate::plan::rehearsal::rehearse;
use crate::plan::run_plan::{Intent, RunPlan, Step};
use crate::plan::snapshot::SnapshotPlan;
use crate::plan::steps::{self, load_seed};
use crate::template::RenderError;
use crate::template::host::{Answer, ColumnValue, HostError, RelationKind};

/// What templates may learn before the run: columns, but no rows of what the run will make.
pub struct Beforehand {
    view: Arc<WarehouseView>,
    pending: BTreeSet<RelationKey>,
}

impl Beforehand {
    /// Answers from a view; rows of `pending` relations are not there yet.
    pub fn new(view: Arc<WarehouseView>, pending: BTreeSet<RelationKey>) -> Self {
        Self { view, pending }
    }
}

impl Introspect for Beforehand {
    fn kind(&self, key: &RelationKey) -> Option<RelationKind> {
        self.view.kind(key)
    }

    fn published_kind(&self, key: &RelationKey) -> Option<RelationKind> {
        self.view.published_kind(key)
    }

    fn columns(&self, key: &RelationKey) -> Result<Option<Vec<ColumnValue>>, HostError> {
        if let Some(Fresh::Unknown(_)) = self.view.fresh(key) {
            return Err(HostError::NotReady(format!("the columns of `{key}` are not known before it is built")));
        }
        columns_of(&self.view, key)
    }

    fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, HostError> {
        // Whether a query reads something that is not there yet cannot be known from its text alone, but a query
        // that names none of it is safe.
        let text = sql.to_lowercase();
        if let Some(pending) = self.pending.iter().find(|key| text.contains(key.identifier.as_str())) {
            return Err(HostError::NotReady(format!("`{pending}` is not built yet")));
        }
        query_now(&self.view, sql)
    }

    fn statements(&self, sql: &str) -> Result<Answer, HostError> {
        let found = self.view.session(Variant::Normal).statements(sql).map_err(template_problem)?;
        if let Some(changing) = found.iter().find(|statement| statement.action.changes()) {
            let verb = changing.action.verb();
            return Err(HostError::NotReady(format!("`{verb}` changes the warehouse, which only a run may do")));
        }
        let mut answer = Answer::default();
        for statement in found {
            let text = sql.get(statement.range).unwrap_or_default();
            answer.verb = statement.action.verb().to_uppercase();
            if let Action::Query = statement.action {
                answer.batches = self.query(text)?;
                answer.rows_affected = answer.batches.iter().map(|batch| batch.num_rows() as u64).sum();
            }
        }
        Ok(answer)
    }

    fn list(&self, database: Option<&str>, schema: &str) -> Vec<(RelationKey, RelationKind)> {
        list_now(&self.view, database, schema)
    }
}

/// The columns of a relation as a view knows them.
pub fn columns_of(view: &Arc<WarehouseView>, key: &RelationKey) -> Result<Option<Vec<ColumnValue>>, HostError> {
    use crate::engine::session::RelationSource as _;
    let opened = block_on(view.table(key))
        .map_err(|error| HostError::refused("introspection", SqlProblem::from_engine("", &error).message))?;
    Ok(opened.map(|provider| {
        let column =
            |field: &Arc<Field>| ColumnValue { name: field.name().clone(), data_type: sql_type_of(field.data_type()) };
        provider.schema().fields().iter().map(column).collect()
    }))
}

/// Runs a template's query now.
pub fn query_now(view: &Arc<WarehouseView>, sql: &str) -> Result<Vec<RecordBatch>, HostError> {
    let session = view.session(Variant::Normal);
    let batches = block_on(session.query(sql)).map_err(template_problem)?;
    check_rows(&batches)?;
    Ok(batches)
}

/// A problem with SQL that a template runs, as its author sees it.
fn template_problem(problem: SqlProblem) -> HostError {
    HostError::Refused {
        code: problem.code,
        message: format!("the template's query failed: {}", problem.message),
        hint: problem.hint,
    }
}

/// Refuses more rows than a template can work with.
pub fn check_rows(batches: &[RecordBatch]) -> Result<(), HostError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let limit = limits::TEMPLATE_QUERY_ROWS;
    if rows > limit {
        let message = format!("the template's query brought {rows} rows, more than the limit of {limit}");
        return Err(HostError::refused("template-limit", message));
    }
    Ok(())
}

/// The relations of a schema; without a database it is in the target's own.
pub fn list_now(view: &Arc<WarehouseView>, database: Option<&str>, schema: &str) -> Vec<(RelationKey, RelationKind)> {
    use crate::engine::session::RelationSource as _;
    let wanted = RelationKey::within(database, schema, "");
    let in_schema = |key: &RelationKey| key.database == wanted.database && key.schema == wanted.schema;
    view.names().into_iter().filter(in_schema).filter_map(|key| view.kind(&key).map(|kind| (key, kind))).collect()
}

/// Waits for the engine from within a template, which is not asynchronous.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// Makes the plan of a run and checks it. The plan is complete even if there are diagnostics; with an error it must
/// not be run.
pub async fn check(
    invocation: &Arc<Invocation>,
    schedule: &Schedule,
    view: &Arc<WarehouseView>,
) -> (RunPlan, Diagnostics) {
    let pending = schedule
        .order()
        .filter_map(|id| invocation.manifest.get(id))
        .filter(|node| node.resource_type.is_built() && !node.is_ephemeral())
        .filter_map(|node| node.relation.as_ref().map(crate::manifest::relation::Relation::key))
        .collect();
    let introspect: Arc<dyn Introspect> = Arc::new(Beforehand::new(Arc::clone(view), pending));
    let mut check = Check {
        invocation,
        view,
        introspect,
        session: view.session(Variant::Normal),
        diagnostics: Diagnostics::default(),
        broken: BTreeSet::new(),
        deferred: BTreeSet::new(),
        timeless: BTreeSet::new(),
        makes_relations: schedule.order().filter_map(|id| invocation.manifest.get(id)).any(|node| {
            let config = &node.config;
            config.pre_hook.iter().chain(&config.post_hook).any(|hook| hook.sql.to_lowercase().contains("create"))
        }),
    };
    let mut plan = RunPlan::default();
    for (id, prerequisites) in &schedule.prerequisites {
        let Some(node) = invocation.manifest.get(id) else { continue };
        let before = check.diagnostics.0.len();
        let mut step = steps::step(invocation, node, view.as_ref(), prerequisites.clone());
        check.step(node, &mut step).await;
        let found = check.diagnostics.0.iter().skip(before).filter(|found| found.severity == Severity::Error);
        let errors: Vec<Diagnostic> = found.cloned().collect();
        if !errors.is_empty() {
            plan.problems.insert(id.clone(), errors);
            check.broken.insert(id.clone());
        }
        plan.steps.insert(id.clone(), step);
    }
    check.diagnostics.0.extend(view.take_warnings());
    (plan, check.diagnostics)
}

struct Check<'a> {
    invocation: &'a Arc<Invocation>,
    view: &'a Arc<WarehouseView>,
    introspect: Arc<dyn Introspect>,
    session: Session,
    diagnostics: Diagnostics,
    /// Nodes with an error.
    broken: BTreeSet<NodeId>,
    /// Nodes whose columns are known only when they are built.
    deferred: BTreeSet<NodeId>,
    /// Nodes whose `event_time` was found to be no time.
    timeless: BTreeSet<NodeId>,
    /// Whether hooks make relations that are known only when they have run.
    makes_relations: bool,
}

impl Check<'_> {
    async fn step(&mut self, node: &Arc<Node>, step: &mut Step) {
        if step.runs_at_end() {
            // The others are told when it is compiled, after everything else has run.
            return self.diagnostics.0.extend(node.foreseen.iter().cloned());
        }
        if matches!(step.intent, Intent::Nothing) && !node.is_ephemeral() {
            return;
        }
        if !node.config.unusable.is_empty() {
            return self.fault(node, step, node.config.unusable.clone());
        }
        if node.unit_test().is_some() {
            return self.unit_test(node, step);
        }
        let is_hook = matches!(step.intent, Intent::Operation);
        if !is_hook && self.depends_on(node, &self.broken) {
            // Its own problems show when its parents are mended.
            self.broken.insert(node.id.clone());
            self.remember(node, None);
            return;
        }
        let mut unreadable = Vec::new();
        self.collect_unreadable(node, &mut unreadable);
        if !unreadable.is_empty() {
            return self.fault(node, step, unreadable);
        }
        if let Intent::Load = step.intent {
            let before = self.diagnostics.0.len();
            match load_seed(self.invocation, node) {
                Ok((schema, _)) => {
                    self.diagnostics.0.extend(steps::needless_types(node, &schema));
                    self.columns_known(node, step, &schema).await;
                }
                Err(problems) => self.diagnostics.extend(problems),
            }
            let (errors, others): (Vec<_>, Vec<_>) =
                self.diagnostics.0.split_off(before).into_iter().partition(|found| found.severity == Severity::Error);
            self.diagnostics.0.extend(others);
            if !errors.is_empty() {
                return self.fault(node, step, errors);
            }
            return self.remember(node, step.schema.clone());
        }
        if let Intent::Microbatch(plan) = &step.intent
            && plan.batches.len() > limits::BATCHES
        {
            return self.diagnostics.push(too_many_batches(node));
        }
        let compiled = match self.compiled(node, &step.intent) {
            Ok(compiled) => Arc::new(compiled),
            Err(RenderError::NotReady(_)) if node.foreseen.is_empty() => {
                // What it will make is not known, so names that nobody knows may be its.
                self.makes_relations |= matches!(step.intent, Intent::Operation);
                return self.defer(node);
            }
            Err(error) => {
                let problems = match error {
                    RenderError::Diagnostic(problem) => of_template(node, *problem),
                    RenderError::NotReady(_) => node.foreseen.clone(),
                };
                // As under dbt, a hook of the run stops the run.
                if is_hook {
                    return self.diagnostics.0.extend(problems);
                }
                return self.fault(node, step, problems);
            }
        };
        step.compiled = Some(Arc::clone(&compiled));
        match step.intent {
            Intent::Nothing => return,
            Intent::Function => {
                let engine = &self.view.surroundings().engine;
                match functions::check(self.invocation, &self.introspect, engine, &self.session, node).await {
                    Ok(problems) => self.diagnostics.extend(Diagnostics(problems)),
                    Err(RenderError::Diagnostic(diagnostic)) => self.diagnostics.push(*diagnostic),
                    Err(RenderError::NotReady(_)) => self.defer(node),
                }
                return;
            }
            Intent::Operation => {
                if let Err(problem) = rehearse(self.view, &compiled.sql).await
                    // A hook before it may make what it names.
                    && !(problem.code == "unknown-relation" && self.makes_relations)
                {
                    self.diagnostics.push(sql_diagnostic(node, &compiled, &problem));
                }
                return;
            }
            _ => {}
        }
        if self.depends_on(node, &self.deferred) {
            return self.defer(node);
        }
        if !self.parents_exist(node) {
            return;
        }
        match self.plan_query(step, &compiled).await {
            // What columns it will have is for the materialization to say.
            Ok(_) if matches!(step.intent, Intent::Custom) => return self.defer(node),
            Ok(schema) => self.columns_known(node, step, &schema).await,
            Err(problem) if problem.code == "unknown-relation" && self.makes_relations => return self.defer(node),
            Err(problem) => self.diagnostics.push(sql_diagnostic(node, &compiled, &problem)),
        }
        self.remember(node, step.schema.clone());
        self.event_times(node, step).await;
        if let (Intent::Microbatch(plan), Some(schema)) = (&step.intent, &step.schema) {
            self.later_batch(node, plan, schema).await;
        }
    }

    /// The SQL that a step begins with.
    fn compiled(&self, node: &Arc<Node>, intent: &Intent) -> Result<CompiledNode, RenderError> {
        let batch = match intent {
            Intent::Microbatch(plan) => plan.batches.first(),
            _ => None,
        };
        match batch {
            Some(batch) => compile_batch(self.invocation, &self.introspect, node, *batch),
            None => compile(self.invocation, &self.introspect, node, IndexMap::new()),
        }
    }

    /// Batches after the first one of a table may have another form: `is_incremental()` holds. That form is planned on
    /// the table that the first one makes.
    async fn later_batch(&mut self, node: &Arc<Node>, plan: &MicrobatchPlan, schema: &SchemaRef) {
        let (Some(first), Some(last)) = (plan.batches.first(), plan.batches.last()) else { return };
        if first.incremental || !last.incremental {
            return;
        }
        let compiled = match compile_batch(self.invocation, &self.introspect, node, *last) {
            Ok(compiled) => compiled,
            Err(RenderError::NotReady(_)) => return,
            Err(RenderError::Diagnostic(diagnostic)) => return self.diagnostics.push(*diagnostic),
        };
        let planned = self.session.plan(&compiled.sql).await;
        let stored = planned.map(|plan| storage_schema(&Arc::new(plan.schema().as_arrow().clone())));
        match stored {
            Err(problem) => self.diagnostics.push(sql_diagnostic(node, &compiled, &problem)),
            Ok(Ok(columns)) => {
                if let Err(diagnostic) = schema_change(node, plan.on_schema_change, &columns, schema) {
                    self.diagnostics.push(diagnostic.at_maybe(node.location.clone(), ""));
                }
            }
            // Told when the batch runs; the first one has the same columns.
            Ok(Err(_)) => {}
        }
    }

    /// A unit test needs the columns of what its model reads, and nothing of the model itself: that may come later.
    fn unit_test(&mut self, node: &Arc<Node>, step: &mut Step) {
        let Ok(model) = tested_model(self.invocation, node).cloned() else { return };
        if !node.foreseen.is_empty() {
            return self.fault(node, step, node.foreseen.clone());
        }
        if self.depends_on(&model, &self.broken) {
            self.broken.insert(node.id.clone());
            return;
        }
        // As under dbt, what is wrong with a test, or with its model over these rows, fails the test when it runs, and
        // nothing else. What is wrong with the model itself is told about the model.
        if let Ok(compiled) = compile(self.invocation, &self.introspect, node, IndexMap::new()) {
            step.compiled = Some(Arc::new(compiled));
        }
    }

    /// Plans the query that the step runs and gives the columns of its result.
    async fn plan_query(&self, step: &Step, compiled: &CompiledNode) -> Result<SchemaRef, SqlProblem> {
        let plan = self.session.plan(&compiled.sql).await?;
        let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
        match &step.intent {
            Intent::Check(test) => {
                let verdict = test.verdict(&compiled.sql);
                // The query itself was fine, so what is wrong now is the test's configuration.
                self.session.plan(&verdict).await.map_err(|problem| SqlProblem { range: None, ..problem })?;
                Ok(schema)
            }
            Intent::Snapshot(snapshot) => self.plan_snapshot(snapshot, &schema).await,
            Intent::Microbatch(plan) => self.plan_windows(plan, compiled, schema).await,
            _ => Ok(schema),
        }
    }

    /// The time of events must be among the columns of the result.
    async fn plan_windows(
        &self,
        plan: &MicrobatchPlan,
        compiled: &CompiledNode,
        schema: SchemaRef,
    ) -> Result<SchemaRef, SqlProblem> {
        let Some(batch) = plan.batches.first() else { return Ok(schema) };
        let condition = plan.within(batch.window, &steps::column_names(&schema));
        let sql = format!("select * from ({}\n) as batch where {condition}", compiled.sql);
        let planned = self.session.plan(&sql).await;
        let told = |problem: SqlProblem| SqlProblem {
            range: None,
            message: format!("`event_time` of a microbatch model: {}", problem.message),
            ..problem
        };
        planned.map_err(told)?;
        let time = plan.time(&steps::column_names(&schema));
        let sql = format!("select {time} from ({}\n) as batch", compiled.sql);
        self.event_time(&sql).await.map_err(told)?;
        Ok(schema)
    }

    /// What a node reads for a window of time must say its time in a type that can be compared with one: the planner
    /// would take a number for some instant, and find no row.
    async fn event_times(&mut self, node: &Node, step: &Step) {
        let sampled = matches!(node.resource_type, ResourceType::Model | ResourceType::Snapshot);
        if !(matches!(step.intent, Intent::Microbatch(_)) || sampled && self.invocation.sample.is_some()) {
            return;
        }
        for parent in node.depends_on.iter().filter_map(|id| self.invocation.manifest.get(id)) {
            let (Some(time), Some(relation)) = (parent.sql_event_time(), self.invocation.relation_of(parent)) else {
                continue;
            };
            if self.timeless.contains(&parent.id) {
                continue;
            }
            let sql = format!("select {time} from {}", relation.to_sql());
            // What else is wrong with it, the query of the node tells.
            if let Err(problem) = self.event_time(&sql).await
                && problem.code == "type-mismatch"
            {
                self.timeless.insert(parent.id.clone());
                let message = format!("`event_time` of `{}`: {}", parent.display_name(), problem.message);
                let diagnostic = Diagnostic::error(problem.code, message).at_maybe(parent.location.clone(), "");
                self.diagnostics.push(match problem.hint {
                    Some(hint) => diagnostic.with_hint(hint),
                    None => diagnostic,
                });
            }
        }
    }

    /// Whether the one column of a query is a time, or a text that may be one.
    async fn event_time(&self, sql: &str) -> Result<(), SqlProblem> {
        let planned = self.session.plan(sql).await?;
        let Some(field) = planned.schema().as_arrow().fields().first() else { return Ok(()) };
        let data_type = sql_type_of(field.data_type());
        if matches!(data_type.as_str(), "date" | "timestamp" | "timestamptz" | "varchar" | "null") {
            return Ok(());
        }
        let message = format!("`{}` is {data_type}, and no date or timestamp", field.name());
        Err(SqlProblem::new("type-mismatch", message).hint("make a timestamp of it where the column comes from"))
    }

    async fn plan_snapshot(&self, snapshot: &SnapshotPlan, source: &SchemaRef) -> Result<SchemaRef, SqlProblem> {
        let overlay = Overlay::new(Arc::clone(self.view) as _);
        let storable = steps::storable(source).map_err(|message| SqlProblem::new("unstorable-type", message))?;
        overlay.put(RelationKey::new(SCRATCH_SCHEMA, BATCH), without_rows(&storable));
        let session = self.view.surroundings().engine.session(overlay, Variant::Normal);
        let columns = steps::column_names(&storable);
        if let Some(name) = snapshot.unknown_columns(&columns).first() {
            let problem = SqlProblem::new("unknown-column", format!("column `{name}` of `check_cols` does not exist"));
            return Err(match did_you_mean(name, columns.iter().map(String::as_str)) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
        let sql = snapshot.first(&columns);
        let plan = session.plan(&sql).await.map_err(|problem| SqlProblem { range: None, ..problem })?;
        Ok(Arc::new(plan.schema().as_arrow().clone()))
    }

    /// Decides the columns that the relation will have.
    async fn columns_known(&mut self, node: &Arc<Node>, step: &mut Step, result: &SchemaRef) {
        if matches!(step.intent, Intent::Check(_)) {
            return;
        }
        let stores = !matches!(step.intent, Intent::View | Intent::Nothing);
        let storable = match storage_schema(result) {
            Ok(schema) => schema,
            // What stores nothing may have columns of any type, but not of any name.
            Err(error) if !stores && error.each().iter().all(TypeError::is_about_type) => Arc::clone(result),
            Err(error) => {
                for error in error.each().iter().filter(|error| stores || !error.is_about_type()) {
                    let diagnostic =
                        Diagnostic::error("unstorable-type", format!("`{}`: {error}", node.display_name()));
                    self.diagnostics.push(diagnostic.at_maybe(node.location.clone(), ""));
                }
                return;
            }
        };
        if let Some(problem) = contract_problem(node, &storable) {
            return self.diagnostics.push(problem);
        }
        let storable = if stores { contract::ordered(node, &storable) } else { storable };
        self.constraints(node, &storable).await;
        if let Some(warning) = contract::lost_comments(node, &storable) {
            self.diagnostics.push(warning);
        }
        step.schema = Some(match &step.intent {
            Intent::View => Arc::clone(result),
            Intent::Incremental(incremental) => {
                let Some(published) = self.published_schema(node) else { return };
                match schema_change(node, incremental.on_schema_change, &storable, &published) {
                    Ok(change) => change.schema,
                    Err(diagnostic) => return self.diagnostics.push(diagnostic.at_maybe(node.location.clone(), "")),
                }
            }
            Intent::Microbatch(plan) => match self.published_schema(node) {
                Some(published) if plan.batches.iter().all(|batch| batch.incremental) => {
                    match schema_change(node, plan.on_schema_change, &storable, &published) {
                        Ok(change) => change.schema,
                        Err(diagnostic) => {
                            return self.diagnostics.push(diagnostic.at_maybe(node.location.clone(), ""));
                        }
                    }
                }
                _ => storable,
            },
            Intent::Snapshot(_) => match self.published_schema(node) {
                Some(published) => steps::widened(&published, &storable),
                None => storable,
            },
            _ => storable,
        });
    }

    /// Plans the queries of the constraints: what is wrong with one is told before anything runs.
    async fn constraints(&mut self, node: &Arc<Node>, schema: &SchemaRef) {
        let invocation = Arc::clone(self.invocation);
        let relation = |target: &KeyTarget| invocation.key_target(node, target);
        self.diagnostics.0.extend(constraints::unenforced(node, &relation));
        let columns = steps::column_names(schema);
        let checks = constraints::checks(node, &columns, &relation);
        if checks.is_empty() {
            return;
        }
        let overlay = Overlay::new(Arc::clone(self.view) as _);
        overlay.put(RelationKey::new(SCRATCH_SCHEMA, constraints::RESULT), without_rows(&contract::nullable(schema)));
        let session = self.view.surroundings().engine.session(overlay, Variant::Normal);
        for check in checks {
            let (sql, _) = check.examples(&columns, 1);
            let problem = match session.plan(&sql).await {
                // As in other databases, a check is about one row; what is broken has to be found in one pass.
                Ok(plan) if check.constraint.kind == ConstraintKind::Check && has_subquery(&plan) => {
                    SqlProblem::new("bad-constraint", "a check cannot ask another query")
                        .hint("write a data test for what other rows or relations have to say")
                }
                Ok(_) => continue,
                Err(problem) => problem,
            };
            let message = format!("the constraint {} of model `{}`: {}", check.what, node.name, problem.message);
            let mut diagnostic = Diagnostic::error(problem.code, message);
            diagnostic.hint.clone_from(&problem.hint);
            let place = check.constraint.location.clone().or_else(|| node.location.clone());
            self.diagnostics.push(diagnostic.at_maybe(place, ""));
        }
    }

    fn published_schema(&self, node: &Node) -> Option<SchemaRef> {
        let key = node.relation.as_ref()?.key();
        self.view.surroundings().catalog.get(&key).map(|published| Arc::clone(published.schema()))
    }

    /// Makes the node's columns known to those that read it.
    fn remember(&mut self, node: &Node, schema: Option<SchemaRef>) {
        if !node.resource_type.is_built() || node.is_ephemeral() {
            return;
        }
        let Some(relation) = &node.relation else { return };
        let kind = match node.config.materialized {
            Materialization::View if node.resource_type == ResourceType::Model => RelationKind::View,
            _ => RelationKind::Table,
        };
        let fresh = schema.map_or(Fresh::Unknown(kind), |schema| Fresh::Planned(schema, kind));
        self.view.put(relation.key(), fresh);
    }

    /// Notes what is wrong with a node alone. What is made from it is not complained about.
    fn fault(&mut self, node: &Node, step: &mut Step, problems: Vec<Diagnostic>) {
        step.faults = problems;
        self.broken.insert(node.id.clone());
        self.remember(node, None);
    }

    /// What is wrong with the files of the source tables that a node reads, unless something else has made the tables.
    fn collect_unreadable(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        for parent in node.depends_on.iter().filter_map(|id| self.invocation.manifest.get(id)) {
            if parent.is_ephemeral() {
                self.collect_unreadable(parent, found);
            } else if parent.resource_type == ResourceType::Source
                && parent.relation.as_ref().is_none_or(|relation| self.view.kind(&relation.key()).is_none())
            {
                found.extend(parent.config.unusable.iter().cloned());
            }
        }
    }

    fn defer(&mut self, node: &Node) {
        self.deferred.insert(node.id.clone());
        self.remember(node, None);
    }

    /// Whether a node reads one of a set, directly or through ephemeral models.
    fn depends_on(&self, node: &Node, set: &BTreeSet<NodeId>) -> bool {
        node.depends_on.iter().any(|parent| {
            set.contains(parent)
                || self
                    .invocation
                    .manifest
                    .get(parent)
                    .is_some_and(|parent| parent.is_ephemeral() && self.depends_on(parent, set))
        })
    }

    /// Reports parents that neither exist nor are part of the run.
    fn parents_exist(&mut self, node: &Node) -> bool {
        let mut missing: BTreeMap<NodeId, Arc<Node>> = BTreeMap::new();
        self.collect_missing(node, &mut missing);
        for parent in missing.values() {
            let diagnostic = Diagnostic::error(
                "not-built",
                format!("`{}` reads `{}`, which has not been built", node.display_name(), parent.display_name()),
            );
            let call = node.refs.iter().find(|call| call.name == parent.name).and_then(|call| call.location.clone());
            let hint = if parent.is_empty() {
                format!("`{}` is empty: write its query", parent.path)
            } else {
                format!("build it too, for example with `--select +{}`", node.name)
            };
            self.diagnostics.push(diagnostic.at_maybe(call.or_else(|| node.location.clone()), "").with_hint(hint));
        }
        missing.is_empty()
    }

    fn collect_missing(&self, node: &Node, missing: &mut BTreeMap<NodeId, Arc<Node>>) {
        for id in &node.depends_on {
            let Some(parent) = self.invocation.manifest.get(id) else { continue };
            if parent.is_ephemeral() {
                self.collect_missing(parent, missing);
            } else if let Some(relation) = self.invocation.relation_of(parent)
                && matches!(parent.detail, Detail::Model(_) | Detail::Seed { .. } | Detail::Snapshot)
                && self.view.kind(&relation.key()).is_none()
            {
                missing.insert(id.clone(), Arc::clone(parent));
            }
        }
    }
}

/// Why a node's template could not be rendered. What its first rendering has shown is told, all of it.
pub fn of_template(node: &Node, problem: Diagnostic) -> Vec<Diagnostic> {
    let place = |problem: &Diagnostic| problem.labels.first().map(|label| label.location.clone());
    let mut all = node.foreseen.clone();
    // A template that was made up stands nowhere; what it is made of was looked at where it is declared.
    let made_up = !all.is_empty() && node.code.as_ref().is_some_and(|code| code.offset.is_none());
    if !made_up && !all.iter().any(|known| place(known) == place(&problem)) {
        all.insert(0, problem);
    }
    all
}

/// A problem with a node's SQL, in the user's file.
pub fn sql_diagnostic(node: &Node, compiled: &CompiledNode, problem: &SqlProblem) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(problem.code, problem.message.clone());
    if let Some(hint) = &problem.hint {
        diagnostic = diagnostic.with_hint(hint.clone());
    }
    diagnostic.notes.clone_from(&problem.further.notes);
    diagnostic.labels.clone_from(&problem.further.places);
    compiled.point(diagnostic, problem.range.as_ref(), node.location.clone())
}

fn too_many_batches(node: &Node) -> Diagnostic {
    let message = format!("`{}` would be made in more than {} batches", node.display_name(), limits::BATCHES);
    Diagnostic::error("too-many-batches", message)
        .at_maybe(node.location.clone(), "")
        .with_hint("take a larger `batch_size`, a later `begin`, or a part of the time with `--event-time-start`")
}
