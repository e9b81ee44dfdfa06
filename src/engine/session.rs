//! The runtime and the sessions: how karat configures DataFusion.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::Result as EngineResult;
use datafusion::common::config::{ConfigNonZeroUsize, Dialect};
use datafusion::datasource::TableType;
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, collect, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use object_store::ObjectStore;
use url::Url;

use crate::base::limits;
use crate::engine::correlated::Correlated;
use crate::engine::dialect::capitals::Capitals;
use crate::engine::dialect::lateral::Names;
use crate::engine::dialect::{Division, Multiples, Stars, Truths, twice, using};
use crate::engine::distinct::CountDistinctByPairs;
use crate::engine::error::SqlProblem;
use crate::engine::information::{self, InformationSchema};
use crate::engine::membership;
use crate::engine::memory::MemoryBudget;
use crate::engine::numbers::{Checked, Numbers};
use crate::engine::operands::OfOneType;
use crate::engine::pool::RoomyPool;
use crate::engine::syntax::Syntax;
use crate::engine::texts::TimesAsText;
use crate::engine::user_functions::{Definition, UserFunctions, check_query};
use crate::engine::{dialect, functions, guard, guarded, statement};
use crate::files::NullOrder;
use crate::manifest::relation::{Relation, RelationKey};

/// How the engine is set up for one invocation.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// What all that runs at once may hold.
    pub memory: MemoryBudget,
    /// Partitions of one query: how many cores it may use.
    pub partitions: usize,
    /// The instant of `now()`.
    pub now: DateTime<Utc>,
    /// Dialect of the SQL parser.
    pub dialect: String,
    /// Whether `/` of two integers is a fraction (`DuckDB`, Snowflake) and not an integer (Postgres).
    pub fractional_division: bool,
    /// Whether `^` is a power (`DuckDB`, Postgres) and not exclusive or (`BigQuery`).
    pub caret_is_power: bool,
    /// Where nulls are sorted without `nulls first` or `nulls last`.
    pub null_order: NullOrder,
    /// Where spilled data goes.
    pub temporary_folder: PathBuf,
    /// The name of the target's own database.
    pub database: String,
    /// Other databases that something of the project lies in: statements may change what is in them.
    pub other_databases: Vec<String>,
    /// Schema of names without one.
    pub default_schema: String,
}

/// What a session plans with when the first plan ran out of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The ordinary configuration.
    Normal,
    /// Joins that can spill and fewer partitions: slower, but needs less memory.
    Frugal,
    /// One partition: slower, but rows come in the order of the files, so that "the first rows" are always the same.
    Ordered,
}

/// Answers what a name in SQL means.
#[async_trait]
pub trait RelationSource: Send + Sync + fmt::Debug + 'static {
    /// The relation with a name, or `None`.
    async fn table(&self, key: &RelationKey) -> EngineResult<Option<Arc<dyn TableProvider>>>;

    /// Names of all relations, for `information_schema` and for near misses.
    fn names(&self) -> Vec<RelationKey>;

    /// Whether a relation exists, without opening it.
    fn exists(&self, key: &RelationKey) -> bool;

    /// Whether a relation is a table or a view, without opening it: its files may be gone or far away.
    fn table_type(&self, key: &RelationKey) -> Option<TableType> {
        self.exists(key).then_some(TableType::Base)
    }

    /// The functions of the project.
    fn functions(&self) -> Arc<UserFunctions> {
        Arc::default()
    }

    /// Names, in lower case, that the target's own database had before.
    fn former_homes(&self) -> Arc<[String]> {
        Arc::default()
    }
}

/// Rows of a batch when memory is short.
const FRUGAL_BATCH_ROWS: usize = 1024;

/// The query engine of one invocation.
#[derive(Debug, Clone)]
pub struct Engine {
    base: SessionState,
    options: EngineOptions,
}

impl Engine {
    /// Sets up memory, spilling, functions and settings.
    pub fn new(options: EngineOptions) -> EngineResult<Self> {
        const TOP_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);
        let pool = TrackConsumersPool::new(RoomyPool::new(options.memory.queries()), TOP_CONSUMERS);
        let spill = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![options.temporary_folder.clone()]));
        let runtime =
            RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).with_disk_manager_builder(spill).build_arc()?;
        let base = base_state(&options, runtime)?;
        Ok(Self { base, options })
    }

    /// The runtime, for registering object stores.
    pub fn runtime(&self) -> &Arc<RuntimeEnv> {
        self.base.runtime_env()
    }

    /// Makes an object store reachable under a URL's scheme and host.
    pub fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) {
        self.base.runtime_env().register_object_store(url, store);
    }

    /// The options that the engine was made with.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Adds a function to those of the project; the number is that of the form with the problem.
    pub fn add_function(
        &self,
        functions: &mut UserFunctions,
        name: &Relation,
        definitions: &[Definition],
    ) -> Result<(), (usize, SqlProblem)> {
        functions.add(self.syntax(), name, definitions)
    }

    fn syntax(&self) -> Syntax {
        Syntax::new(self.base.config_options().sql_parser.dialect, self.options.caret_is_power)
    }

    /// A session in which names mean what `relations` says.
    pub fn session(&self, relations: Arc<dyn RelationSource>, variant: Variant) -> Session {
        let homes = self.homes(relations.as_ref());
        let catalogs = Databases { homes: homes.clone(), relations: Arc::clone(&relations) };
        let mut config = self.base.config().clone();
        if variant == Variant::Ordered {
            config.options_mut().execution.target_partitions = 1;
        }
        if variant == Variant::Frugal {
            let settings = config.options_mut();
            settings.optimizer.prefer_hash_join = false;
            // With a single partition the engine would choose the hash join after all.
            settings.execution.target_partitions = (self.options.partitions / 2).max(2);
            // Every run of a sort that is merged back keeps a batch in memory.
            if let Ok(rows) = ConfigNonZeroUsize::try_new(FRUGAL_BATCH_ROWS) {
                settings.execution.batch_size = rows;
            }
        }
        let state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_catalog_list(Arc::new(catalogs))
            .with_config(config)
            .build();
        let functions = relations.functions();
        let others = self.options.other_databases.clone();
        Session { state, syntax: self.syntax(), now: self.options.now, relations, functions, homes, others }
    }

    /// The names of the target's own database, the present one first.
    fn homes(&self, relations: &dyn RelationSource) -> Vec<String> {
        let former = relations.former_homes();
        let is_other =
            |name: &&String| self.options.other_databases.iter().any(|other| other.eq_ignore_ascii_case(name));
        let former = former.iter().filter(|name| !is_other(name)).cloned();
        [self.options.database.clone()].into_iter().chain(former).collect()
    }
}

/// The functions that may stand after `from`; `unnest` belongs to the language itself.
const TABLE_FUNCTIONS: [&str; 2] = ["generate_series", "range"];
/// The part of all queries' memory that one partition of a sort keeps back.
const SORT_RESERVE_SHARE: usize = 64;

/// The engine's rules between those of ours.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(OfOneType), Arc::new(Numbers)];
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(TimesAsText::new()));
    rules.push(Arc::new(Correlated));
    rules.push(Arc::new(Checked));
    rules
}

fn base_state(options: &EngineOptions, runtime: Arc<RuntimeEnv>) -> EngineResult<SessionState> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(&options.database, &options.default_schema)
        .with_create_default_catalog_and_schema(false)
        .with_target_partitions(options.partitions.max(1));
    {
        let settings = config.options_mut();
        settings.execution.time_zone = Some("UTC".into());
        // Literals such as 1.10 are exact: money must not pass through binary floating point.
        settings.sql_parser.parse_float_as_decimal = true;
        let nulls = match options.null_order {
            NullOrder::Last => "nulls_last",
            NullOrder::Largest => "nulls_max",
            NullOrder::Smallest => "nulls_min",
        };
        nulls.clone_into(&mut settings.sql_parser.default_null_ordering);
        settings.sql_parser.collect_spans = true;
        settings.sql_parser.map_string_types_to_utf8view = false;
        settings.sql_parser.dialect = options.dialect.parse::<Dialect>()?;
        settings.sql_parser.recursion_limit = ConfigNonZeroUsize::try_new(limits::SQL_RECURSION)?;
        settings.execution.parquet.pushdown_filters = false;
        // Each partition of each sort keeps so much back for merging; the default would use up a small limit.
        let reserve = settings.execution.sort_spill_reservation_bytes;
        settings.execution.sort_spill_reservation_bytes = reserve.min(options.memory.queries() / SORT_RESERVE_SHARE);
        // Statistics come with the file lists of our own tables; other files are small or read once.
        settings.execution.collect_statistics = true;
    }
    let mut state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_analyzer_rules(analyzer_rules())
        .with_optimizer_rules(guarded::among(membership::rules()))
        .with_optimizer_rule(Arc::new(CountDistinctByPairs::new()))
        .with_relation_planners(vec![Arc::new(Stars)])
        .build();
    // A function that makes a table may read files; only these make up their rows.
    let strange: Vec<String> =
        state.table_functions().keys().filter(|name| !TABLE_FUNCTIONS.contains(&name.as_str())).cloned().collect();
    for name in strange {
        state.deregister_udtf(&name)?;
    }
    functions::register_all(&mut state)?;
    state.register_expr_planner(Arc::new(Truths))?;
    state.register_expr_planner(Arc::new(Multiples::new()))?;
    state.register_expr_planner(Arc::new(Division { fractional: options.fractional_division }))?;
    Ok(state)
}

/// A place to plan and run queries.
#[derive(Debug, Clone)]
pub struct Session {
    state: SessionState,
    syntax: Syntax,
    now: DateTime<Utc>,
    relations: Arc<dyn RelationSource>,
    functions: Arc<UserFunctions>,
    /// The names of the target's own database, the present one first.
    homes: Vec<String>,
    /// Other databases in which statements may change something.
    others: Vec<String>,
}

impl Session {
    /// The state with the run's clock: DataFusion takes `now()` from the start of a query.
    fn state(&self) -> SessionState {
        let mut state = self.state.clone();
        state.mark_start_execution();
        state.execution_props_mut().query_execution_start_time = Some(self.now);
        state
    }

    /// DataFusion's own state, for providers that need one.
    pub fn raw_state(&self) -> &SessionState {
        &self.state
    }

    /// Checks and plans one query. Nothing is read but schemas.
    pub async fn plan(&self, sql: &str) -> Result<LogicalPlan, SqlProblem> {
        let state = self.state();
        let mut statement = self.statement(sql)?;
        if using::may_be_in(sql) {
            statement = Box::pin(self.without_using(&state, statement)).await;
        }
        let (mut names, mut capitals) = (Names::default(), Capitals::default());
        let mut first = None;
        let plan = loop {
            let error = match state.statement_to_plan(statement.clone()).await {
                Ok(plan) => break plan,
                Err(error) => error,
            };
            let Statement::Statement(query) = &mut statement else { return Err(self.problem(sql, &error)) };
            if capitals.replace(query.as_mut(), &error) || names.replace(query.as_mut(), &error) {
                continue;
            }
            if first.is_some() || !twice::tell_apart(query.as_mut(), &error) {
                return Err(self.problem(sql, first.as_ref().unwrap_or(&error)));
            }
            first = Some(error);
        };
        guard::check_size(&plan)?;
        guard::check_plan(&plan)?;
        // The analyzer finds wrong types, which the planner lets pass.
        let analyzed = state
            .analyzer()
            .execute_and_check(plan, state.config_options(), |_, _| {})
            .map_err(|error| self.problem(sql, &error))?;
        Ok(analyzed)
    }

    /// A statement without `using` and `natural`. A relation that cannot be planned is left to the planner, which says
    /// what is wrong.
    async fn without_using(&self, state: &SessionState, statement: Statement) -> Statement {
        let Statement::Statement(query) = &statement else { return statement };
        let mut columns = BTreeMap::new();
        loop {
            let (written, asked) = using::written_out(query, &columns);
            if asked.is_empty() {
                return Statement::Statement(Box::new(written));
            }
            for query in asked {
                let key = query.to_string();
                let query = ast::Statement::Query(Box::new(query));
                let planned = state.statement_to_plan(Statement::Statement(Box::new(query))).await;
                let names =
                    |plan: LogicalPlan| plan.schema().fields().iter().map(|field| field.name().clone()).collect();
                columns.insert(key, planned.ok().map(names));
            }
        }
    }

    /// Guards and parses one statement.
    fn statement(&self, sql: &str) -> Result<Statement, SqlProblem> {
        let tokens = guard::check_text(sql, self.syntax)?;
        let mut statement = self.syntax.statement(tokens).map_err(|error| self.problem(sql, &error))?;
        if let Statement::Statement(query) = &mut statement {
            guard::check_uses(query)?;
            self.functions.expand(sql, query.as_mut())?;
            dialect::adapt(sql, query.as_mut())?;
            functions::adapt(query.as_mut());
        }
        Ok(statement)
    }

    /// The functions of the project.
    pub fn functions(&self) -> &Arc<UserFunctions> {
        &self.functions
    }

    /// The query with the calls of the project's functions written out; as it is if there are none, or if it cannot be
    /// read.
    pub fn written_out(&self, sql: &str) -> String {
        if !self.functions.is_empty()
            && let Ok(tokens) = guard::check_text(sql, self.syntax)
            && let Ok(Statement::Statement(mut query)) = self.syntax.statement(tokens)
            && let Ok(true) = self.functions.expand(sql, query.as_mut())
        {
            return query.to_string();
        }
        sql.to_owned()
    }

    /// Whether the code of a function can be planned; what its arguments are is not known. A place is one in the code.
    pub async fn check_function(&self, definition: &Definition) -> Result<(), SqlProblem> {
        let Some((sql, moved)) = check_query(self.syntax, definition) else { return Ok(()) };
        let code = moved..moved + definition.body.len();
        self.plan(&sql).await.map(|_| ()).map_err(|mut problem| {
            let inside = problem.range.take().filter(|range| code.start <= range.start && range.end <= code.end);
            problem.range = inside.map(|range| range.start - moved..range.end - moved);
            problem
        })
    }

    /// Reads a text of one or several statements, which may change the warehouse.
    pub fn statements(&self, sql: &str) -> Result<Vec<statement::Statement>, SqlProblem> {
        statement::read(sql, self.syntax, self.defaults())
    }

    /// The relations that a query names.
    pub fn relations(&self, sql: &str) -> BTreeSet<RelationKey> {
        statement::relations(&self.written_out(sql), self.syntax, self.defaults())
    }

    fn defaults(&self) -> statement::Defaults<'_> {
        statement::Defaults {
            homes: &self.homes,
            others: &self.others,
            schema: &self.state.config_options().catalog.default_schema,
        }
    }

    /// Optimizes a plan and makes it runnable.
    pub async fn physical(&self, sql: &str, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>, SqlProblem> {
        self.state().create_physical_plan(plan).await.map_err(|error| self.problem(sql, &error))
    }

    /// Starts a plan: one stream per partition.
    pub fn streams(
        &self,
        sql: &str,
        plan: &Arc<dyn ExecutionPlan>,
    ) -> Result<Vec<SendableRecordBatchStream>, SqlProblem> {
        let context = self.state.task_ctx();
        (0..plan.output_partitioning().partition_count())
            .map(|partition| plan.execute(partition, Arc::clone(&context)))
            .collect::<EngineResult<_>>()
            .map_err(|error| self.problem(sql, &error))
    }

    /// Starts a plan as one stream.
    pub fn stream(&self, sql: &str, plan: Arc<dyn ExecutionPlan>) -> Result<SendableRecordBatchStream, SqlProblem> {
        execute_stream(plan, self.state.task_ctx()).map_err(|error| self.problem(sql, &error))
    }

    /// Runs a query and brings back all rows: for small results.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, SqlProblem> {
        let plan = self.plan(sql).await?;
        self.query_plan(sql, plan, None).await
    }

    /// Runs a plan of [`plan`](Self::plan) and brings back the first rows, or all.
    pub async fn query_plan(
        &self,
        sql: &str,
        plan: LogicalPlan,
        limit: Option<usize>,
    ) -> Result<Vec<RecordBatch>, SqlProblem> {
        let plan = match limit {
            Some(limit) => LogicalPlanBuilder::from(plan)
                .limit(0, Some(limit))
                .and_then(LogicalPlanBuilder::build)
                .map_err(|error| self.problem(sql, &error))?,
            None => plan,
        };
        let physical = self.physical(sql, &plan).await?;
        let schema = physical.schema();
        let mut batches = collect(physical, self.state.task_ctx()).await.map_err(|error| self.problem(sql, &error))?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(batches)
    }

    fn problem(&self, sql: &str, error: &datafusion::error::DataFusionError) -> SqlProblem {
        let mut problem = SqlProblem::from_engine(sql, error);
        if problem.code == "unknown-relation" && problem.hint.is_none() {
            let wanted = problem.range.clone().and_then(|range| sql.get(range)).unwrap_or_default().to_lowercase();
            if wanted.contains(['/', '\\']) || problem.message.contains('/') {
                problem.hint = Some("files are read through a source (`external: {location: ...}`)".to_owned());
                return problem;
            }
            let names: Vec<String> = self.relations.names().into_iter().map(|key| key.to_string()).collect();
            let short: Vec<&str> = names.iter().map(|name| name.split('.').next_back().unwrap_or(name)).collect();
            problem.hint = crate::base::diagnostic::did_you_mean(&wanted, short).map(|near| {
                format!("did you mean `{near}`? models are read through `ref()`, sources through `source()`")
            });
        }
        problem
    }
}

/// All databases: the target's own, by each of its names, and every other one that has a relation.
#[derive(Debug)]
struct Databases {
    homes: Vec<String>,
    relations: Arc<dyn RelationSource>,
}

impl CatalogProviderList for Databases {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        let others = self.relations.names().into_iter().filter_map(|key| key.database);
        let mut names: Vec<String> = self.homes.iter().cloned().chain(others).collect();
        names.sort();
        names.dedup();
        names
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let is_home = self.homes.iter().any(|home| home.eq_ignore_ascii_case(name));
        let key = (!is_home).then(|| name.to_ascii_lowercase());
        Some(Arc::new(Database { name: name.to_owned(), key, relations: Arc::clone(&self.relations) }))
    }
}

/// One database: all its schemas that have a relation.
#[derive(Debug)]
struct Database {
    /// What it is called.
    name: String,
    /// What it is called in keys.
    key: Option<String>,
    relations: Arc<dyn RelationSource>,
}

impl CatalogProvider for Database {
    fn schema_names(&self) -> Vec<String> {
        let inside = self.relations.names().into_iter().filter(|key| key.database == self.key);
        let mut names: Vec<String> = inside.map(|key| key.schema).collect();
        names.sort();
        names.dedup();
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name.eq_ignore_ascii_case(information::NAME) {
            let (name, database, relations) = (self.name.clone(), self.key.clone(), Arc::clone(&self.relations));
            return Some(Arc::new(InformationSchema { name, database, relations }));
        }
        let (database, relations) = (self.key.clone(), Arc::clone(&self.relations));
        Some(Arc::new(DatabaseSchema { database, name: name.to_owned(), relations }))
    }
}

#[derive(Debug)]
struct DatabaseSchema {
    database: Option<String>,
    name: String,
    relations: Arc<dyn RelationSource>,
}

impl DatabaseSchema {
    fn key(&self, name: &str) -> RelationKey {
        RelationKey::within(self.database.as_deref(), &self.name, name)
    }
}

#[async_trait]
impl SchemaProvider for DatabaseSchema {
    fn table_names(&self) -> Vec<String> {
        let schema = self.name.to_ascii_lowercase();
        let inside = |key: &RelationKey| key.database == self.database && key.schema == schema;
        self.relations.names().into_iter().filter(inside).map(|key| key.identifier).collect()
    }

    async fn table(&self, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        self.relations.table(&self.key(name)).await
    }

    async fn table_type(&self, name: &str) -> EngineResult<Option<TableType>> {
        Ok(self.relations.table_type(&self.key(name)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.relations.exists(&self.key(name))
    }
}
