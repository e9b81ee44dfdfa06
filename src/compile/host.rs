//! Answers a template's questions while it is compiled: names are resolved, the warehouse may be looked at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::base::clock::Clock;
use crate::base::diagnostic::did_you_mean;
use crate::base::env::ProcessEnv;
use crate::base::fs::ProjectDir;
use crate::base::ident::Identifier;
use crate::base::secret::is_secret_name;
use crate::compile::context::Shapes;
use crate::compile::ephemeral::cte_name;
use crate::compile::introspect::Introspect;
use crate::compile::unit_test::Substitutes;
use crate::engine::types::sql_type_of;
use crate::files::Target;
use crate::files::query_comment::QueryComment;
use crate::manifest::config::Materialization;
use crate::manifest::constraint::KeyTarget;
use crate::manifest::function::FunctionCall;
use crate::manifest::manifest::Manifest;
use crate::manifest::microbatch::{Batch, BatchRequest, Window};
use crate::manifest::node::{Node, NodeId, RefCall, ResourceType, SourceCall};
use crate::manifest::relation::{Database, Relation, RelationKey};
use crate::parse::Vars;
use crate::template::Templates;
use crate::template::host::{Answer, ColumnValue, Host, HostError, MessageLevel, RelationKind, RelationValue};

/// Receives messages of templates.
pub type MessageSink = Arc<dyn Fn(MessageLevel, &str) + Send + Sync>;

/// The facts of one invocation that templates may see: the same for all nodes.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Invocation {
    /// The project.
    pub manifest: Arc<Manifest>,
    /// Its folder.
    pub project: Arc<ProjectDir>,
    /// Its templates.
    pub templates: Arc<Templates>,
    /// Its variables.
    pub vars: Vars,
    /// The process environment.
    pub env: ProcessEnv,
    /// The target.
    pub target: Target,
    /// The run's clock.
    pub clock: Clock,
    /// `--full-refresh`.
    pub full_refresh: bool,
    /// `--empty`: parents are read without rows.
    pub empty: bool,
    /// Which batches of microbatch models are made.
    pub batches: BatchRequest,
    /// `--sample`: the window of time for which parents with an `event_time` are read.
    pub sample: Option<Window>,
    /// `--store-failures`.
    pub store_failures: bool,
    /// `--warn-error`: a test that would warn fails.
    pub warn_error: bool,
    /// What stands at the SQL in the log.
    pub query_comment: QueryComment,
    /// Ids of the selected nodes.
    pub selected: Vec<NodeId>,
    /// What `ref()` of a node means that is deferred to a state.
    pub deferred: BTreeMap<NodeId, DeferredRelation>,
    /// Globals of templates that hold for the whole run: `target`, `flags`, `run_started_at` and so on.
    pub globals: BTreeMap<String, Json>,
    /// Where messages of templates go.
    pub messages: MessageSink,
    /// How templates see nodes.
    pub shapes: Shapes,
    /// `graph`, made when a template first asks.
    pub graph: OnceLock<Json>,
}

/// The relation of a state that stands for the one of a node.
#[derive(Debug, Clone)]
pub struct DeferredRelation {
    /// Its name; the database is the run's own.
    pub relation: Relation,
    /// What it is.
    pub kind: RelationKind,
}

impl Invocation {
    /// The relation that a node is read from: its own, or the one of the state that it is deferred to.
    pub fn relation_of<'a>(&'a self, node: &'a Node) -> Option<&'a Relation> {
        self.deferred.get(&node.id).map(|deferred| &deferred.relation).or(node.relation.as_ref())
    }

    /// Whether an incremental model, a seed or a snapshot is built from nothing.
    pub fn is_full_refresh(&self, node: &Node) -> bool {
        node.config.full_refresh.unwrap_or(self.full_refresh)
    }

    /// The SQL of the relation that a foreign key of a node leads to; `None` if it is not stored.
    pub fn key_target(&self, node: &Node, target: &KeyTarget) -> Option<String> {
        let found = match target {
            KeyTarget::Ref(call) => self.resolve_ref(&node.package, call).ok()?,
            KeyTarget::Source(call) => self.manifest.find_source(&call.source, &call.table)?,
        };
        found.relation.as_ref().filter(|_| !found.is_ephemeral()).map(Relation::to_sql)
    }

    /// The node of a `function()`, as seen from a package.
    pub fn resolve_function(&self, package: &str, call: &FunctionCall) -> Result<&Arc<Node>, HostError> {
        let named = |node: &&Arc<Node>| {
            node.name == call.name && call.package.as_ref().is_none_or(|package| node.package == *package)
        };
        let found: Vec<&Arc<Node>> = self.manifest.of_type(ResourceType::Function).filter(named).collect();
        let from = |package: &str| found.iter().find(|node| node.package == package);
        let first = from(package).or_else(|| from(&self.manifest.project_name)).or_else(|| found.first());
        first.copied().ok_or_else(|| HostError::Refused {
            code: "unknown-function",
            message: format!("there is no function `{}`", call.name),
            hint: did_you_mean(
                &call.name,
                self.manifest.of_type(ResourceType::Function).map(|node| node.name.as_str()),
            )
            .map(|near| format!("did you mean `{near}`?")),
        })
    }

    /// The node of a `ref()`, as seen from a package.
    pub fn resolve_ref(&self, package: &str, call: &RefCall) -> Result<&Arc<Node>, HostError> {
        let found = self.manifest.find_version(call.package.as_deref(), &call.name, call.version.as_ref());
        let of = |package: &str| found.iter().find(|node| node.package == package);
        // The root project first, as `require_ref_searches_node_package_before_root` is not set under dbt either.
        of(&self.manifest.project_name).or_else(|| of(package)).or_else(|| found.first()).copied().ok_or_else(|| {
            let names: Vec<&str> = self
                .manifest
                .nodes
                .values()
                .filter(|node| node.resource_type.is_built())
                .map(|node| node.name.as_str())
                .collect();
            HostError::Refused {
                code: "unknown-ref",
                message: format!("there is no model, seed or snapshot `{}`", call.name),
                hint: did_you_mean(&call.name, names).map(|near| format!("did you mean `{near}`?")),
            }
        })
    }
}

/// The database that a template names, if it is not the target's own.
fn other_database<'n>(name: Option<&'n str>, home: &Identifier) -> Option<&'n str> {
    // `none` is how a template leaves a name out.
    name.filter(|name| !name.is_empty() && *name != "None" && !name.eq_ignore_ascii_case(home.as_str()))
}

/// A relation as templates see it.
pub fn relation_value(relation: &Relation, kind: Option<RelationKind>) -> RelationValue {
    RelationValue {
        database: Some(relation.database.to_string()),
        schema: Some(relation.schema.to_string()),
        identifier: Some(relation.identifier.to_string()),
        kind,
        render_as: None,
        filter: None,
    }
}

/// dbt's `model.batch`.
fn batch_value(batch: &Batch) -> Json {
    json!({
        "id": batch.id(),
        "event_time_start": batch.window.start.to_rfc3339(),
        "event_time_end": batch.window.end.to_rfc3339(),
    })
}

/// The host of one node (or of a text of the command line, which has none).
pub struct CompileHost {
    invocation: Arc<Invocation>,
    view: Arc<dyn Introspect>,
    node: Option<Arc<Node>>,
    package: String,
    extra: IndexMap<String, Json>,
    ephemeral: Mutex<BTreeMap<NodeId, String>>,
    /// What stands for what, if the node is compiled for a unit test.
    substitutes: Option<Substitutes>,
    /// The batch that is made, if the node is a microbatch model that runs.
    batch: Option<Batch>,
    /// What `this` is in a query of the command line.
    inline: Option<Relation>,
}

impl CompileHost {
    /// A host for a node; `extra` are further globals, such as `results` of `on-run-end`.
    pub fn new(
        invocation: &Arc<Invocation>,
        view: &Arc<dyn Introspect>,
        node: Option<&Arc<Node>>,
        extra: IndexMap<String, Json>,
    ) -> Arc<Self> {
        Arc::new(Self::made(invocation, view, node, extra, None))
    }

    /// A host for a query of the command line, whose `this` is dbt's `inline_query`: a relation that is never there.
    pub fn for_inline(invocation: &Arc<Invocation>, view: &Arc<dyn Introspect>) -> Arc<Self> {
        let target = &invocation.target;
        let relation = Identifier::new("inline_query").ok().map(|identifier| Relation {
            database: Database::home(target.database.clone()),
            schema: target.schema.clone(),
            identifier,
        });
        Arc::new(Self { inline: relation, ..Self::made(invocation, view, None, IndexMap::new(), None) })
    }

    /// A host for a model that a unit test is about.
    pub fn for_unit_test(
        invocation: &Arc<Invocation>,
        view: &Arc<dyn Introspect>,
        model: &Arc<Node>,
        substitutes: Substitutes,
    ) -> Arc<Self> {
        Arc::new(Self::made(invocation, view, Some(model), IndexMap::new(), Some(substitutes)))
    }

    /// A host for one batch of a microbatch model.
    pub fn for_batch(
        invocation: &Arc<Invocation>,
        view: &Arc<dyn Introspect>,
        model: &Arc<Node>,
        batch: Batch,
        extra: IndexMap<String, Json>,
    ) -> Arc<Self> {
        let host = Self::made(invocation, view, Some(model), extra, None);
        Arc::new(Self { batch: Some(batch), ..host })
    }

    fn made(
        invocation: &Arc<Invocation>,
        view: &Arc<dyn Introspect>,
        node: Option<&Arc<Node>>,
        extra: IndexMap<String, Json>,
        substitutes: Option<Substitutes>,
    ) -> Self {
        let package = node.map_or_else(|| invocation.manifest.project_name.clone(), |node| node.package.clone());
        Self {
            invocation: Arc::clone(invocation),
            view: Arc::clone(view),
            node: node.map(Arc::clone),
            package,
            extra,
            ephemeral: Mutex::new(BTreeMap::new()),
            substitutes,
            batch: None,
            inline: None,
        }
    }

    /// The relation that a unit test puts in the place of a node.
    fn substituted(&self, substitutes: &Substitutes, node: &Node, call: &str) -> Result<RelationValue, HostError> {
        let Some(name) = substitutes.inputs.get(&node.id) else {
            return Err(HostError::Refused {
                code: "missing-input",
                message: format!("unit test `{}` gives no rows for `{call}`", substitutes.test),
                hint: Some(format!("add `- input: {call}` with its `rows` to `given`; `rows: []` for none")),
            });
        };
        let mut value = match &node.relation {
            Some(relation) => self.render_relation(node, relation),
            None => RelationValue {
                database: None,
                schema: None,
                identifier: None,
                kind: None,
                render_as: None,
                filter: None,
            },
        };
        value.render_as = Some(crate::base::ident::quote(name));
        Ok(value)
    }

    /// The ephemeral models that the template referred to.
    pub fn used_ephemeral(&self) -> Vec<NodeId> {
        self.ephemeral.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The rows of a parent that are meant: none with `--empty`, and those of a window of time if the parent says when
    /// its events happened.
    fn filter(&self, parent: &Node) -> Option<String> {
        // The rows of a unit test are given: they are not those of a parent.
        if self.invocation.empty && self.substitutes.is_none() {
            return Some("false limit 0".to_owned());
        }
        Some(self.window()?.condition(&parent.sql_event_time()?))
    }

    /// The window of time that parents are read for: that of the batch, as far as it lies in the one of `--sample`,
    /// which holds for models and snapshots.
    fn window(&self) -> Option<Window> {
        let batch = self.batch.as_ref().map(|batch| batch.window);
        let own = self.node.as_ref().filter(|_| self.substitutes.is_none()).map(|node| node.resource_type);
        let sampled = matches!(own, Some(ResourceType::Model | ResourceType::Snapshot));
        match (batch, self.invocation.sample.filter(|_| sampled)) {
            // Batches are those of the sample, so the two always share time.
            (Some(batch), Some(sample)) if batch.start < sample.end && sample.start < batch.end => {
                Some(Window { start: batch.start.max(sample.start), end: batch.end.min(sample.end) })
            }
            (batch, sample) => batch.or(sample),
        }
    }

    fn render_relation(&self, node: &Node, relation: &Relation) -> RelationValue {
        let kind = match node.resource_type {
            ResourceType::Source if node.source().is_some_and(|source| source.external.is_some()) => {
                Some(RelationKind::External)
            }
            ResourceType::Model if node.config.materialized == Materialization::View => Some(RelationKind::View),
            _ => Some(RelationKind::Table),
        };
        let mut value = relation_value(relation, kind);
        value.filter = self.filter(node);
        value
    }
}

impl Host for CompileHost {
    fn execute(&self) -> bool {
        true
    }

    fn package(&self) -> &str {
        &self.package
    }

    fn reference(&self, call: RefCall) -> Result<RelationValue, HostError> {
        let node = self.invocation.resolve_ref(&self.package, &call)?;
        if let Some(own) = &self.node
            && own.resource_type.is_built()
            && !own.depends_on.contains(&node.id)
        {
            return Err(HostError::Refused {
                code: "late-ref",
                message: format!(
                    "`{}` refers to `{}`, which was not seen when the project was parsed",
                    own.name, call.name
                ),
                hint: Some(format!(
                    "add the line `-- depends_on: {{{{ ref('{}') }}}}` outside of any condition",
                    call.name
                )),
            });
        }
        if let Some(substitutes) = &self.substitutes {
            let package = call.package.as_ref().map(|package| format!("'{package}', ")).unwrap_or_default();
            let version = call.version.as_ref().map(|version| format!(", v={}", version.as_str())).unwrap_or_default();
            return self.substituted(substitutes, node, &format!("ref({package}'{}'{version})", call.name));
        }
        if node.is_ephemeral() {
            let name = cte_name(node.alias());
            let rendered = crate::base::ident::quote(&name);
            self.ephemeral.lock().unwrap_or_else(PoisonError::into_inner).insert(node.id.clone(), name.clone());
            return Ok(RelationValue {
                database: None,
                schema: None,
                identifier: Some(name),
                kind: Some(RelationKind::Cte),
                render_as: Some(rendered),
                filter: self.filter(node),
            });
        }
        match self.invocation.relation_of(node) {
            Some(relation) => {
                let mut value = self.render_relation(node, relation);
                value.kind = self.invocation.deferred.get(&node.id).map_or(value.kind, |deferred| Some(deferred.kind));
                Ok(value)
            }
            None => Err(HostError::refused("unknown-ref", format!("`{}` has no relation", call.name))),
        }
    }

    fn source(&self, call: SourceCall) -> Result<RelationValue, HostError> {
        let found = self.invocation.manifest.find_source(&call.source, &call.table);
        if let (Some(substitutes), Some(node)) = (&self.substitutes, found) {
            return self.substituted(substitutes, node, &format!("source('{}', '{}')", call.source, call.table));
        }
        match found.and_then(|node| node.relation.as_ref().map(|relation| self.render_relation(node, relation))) {
            Some(value) => Ok(value),
            None => Err(HostError::refused(
                "unknown-source",
                format!("there is no source table `{}.{}`", call.source, call.table),
            )),
        }
    }

    fn function(&self, call: FunctionCall) -> Result<RelationValue, HostError> {
        let found = self.invocation.resolve_function(&self.package, &call)?;
        match &found.relation {
            Some(relation) => Ok(relation_value(relation, Some(RelationKind::Function))),
            None => Err(HostError::refused("unknown-function", format!("`{}` has no name in SQL", call.name))),
        }
    }

    fn set_config(&self, _values: IndexMap<String, Json>) -> Result<(), HostError> {
        // Parsing has taken them.
        Ok(())
    }

    fn get_config(&self, name: &str) -> Option<Json> {
        let node = self.node.as_ref()?;
        match name {
            "materialized" => Some(json!(node.materialized())),
            "tags" => Some(json!(node.config.tags)),
            "meta" => Some(json!(node.config.meta)),
            "enabled" => Some(json!(node.config.enabled)),
            _ => node.config.raw.get(name).cloned(),
        }
    }

    fn var(&self, package: &str, name: &str) -> Option<Json> {
        let own = self.substitutes.as_ref().and_then(|substitutes| substitutes.overrides.vars.get(name));
        if let Some(value) = own {
            return Some(value.clone());
        }
        self.invocation.vars.get(package, name).cloned()
    }

    fn env_var(&self, name: &str) -> Result<Option<String>, HostError> {
        let own = self.substitutes.as_ref().and_then(|substitutes| substitutes.overrides.env_vars.get(name));
        if let Some(value) = own {
            // As Python writes it, which is what a project that comes from dbt expects.
            return Ok(Some(match value {
                Json::String(text) => text.clone(),
                Json::Bool(true) => "True".to_owned(),
                Json::Bool(false) => "False".to_owned(),
                other => other.to_string(),
            }));
        }
        if is_secret_name(name) {
            return Err(HostError::Refused {
                code: "secret-misuse",
                message: format!("the secret `{name}` may be used in profiles.yml only"),
                hint: Some("SQL and descriptions are stored and shown; a secret must not get there".into()),
            });
        }
        Ok(self.invocation.env.get(name).map(str::to_owned))
    }

    fn this(&self) -> Option<RelationValue> {
        let relation = self.node.as_ref().map_or(self.inline.as_ref(), |node| node.relation.as_ref())?;
        let mut value = relation_value(relation, self.view.kind(&relation.key()));
        let own = self.substitutes.as_ref().and_then(|substitutes| substitutes.this.as_ref());
        value.render_as = own.map(|name| crate::base::ident::quote(name));
        Some(value)
    }

    fn is_incremental(&self) -> bool {
        let Some(node) = &self.node else { return false };
        let Some(relation) = &node.relation else { return false };
        if let Some(batch) = &self.batch {
            return batch.incremental;
        }
        node.resource_type == ResourceType::Model
            && node.materialized() == "incremental"
            // A unit test says itself when it tests the incremental form.
            && self.substitutes.is_none()
            && !self.invocation.is_full_refresh(node)
            && self.view.published_kind(&relation.key()) == Some(RelationKind::Table)
    }

    fn overridden(&self, package: Option<&str>, name: &str) -> Option<Json> {
        self.substitutes.as_ref()?.macro_value(package, name)
    }

    fn global(&self, name: &str) -> Option<Json> {
        if let Some(value) = self.extra.get(name) {
            return Some(value.clone());
        }
        let invocation = &self.invocation;
        let node_relation = || self.node.as_ref().and_then(|node| node.relation.as_ref());
        match name {
            "model" | "node" => self.node.as_ref().map(|node| {
                let mut model = (invocation.shapes.model)(node);
                if node.config.microbatch.is_some() {
                    model["batch"] = json!(self.batch.as_ref().map(batch_value));
                }
                if let Some(sql) = self.extra.get("compiled_code") {
                    // A materialization of the project's own sees what its model has become.
                    model["compiled"] = json!(true);
                    model["compiled_code"] = sql.clone();
                    model["compiled_sql"] = sql.clone();
                }
                model
            }),
            "graph" => Some(invocation.graph.get_or_init(|| (invocation.shapes.graph)()).clone()),
            "karat_version" => Some(json!(env!("CARGO_PKG_VERSION"))),
            "thread_id" => Some(json!("MainThread")),
            "selected_resources" => {
                Some(json!(invocation.selected.iter().map(ToString::to_string).collect::<Vec<_>>()))
            }
            "schema" => Some(json!(
                node_relation()
                    .map_or_else(|| invocation.target.schema.to_string(), |relation| relation.schema.to_string())
            )),
            "database" => Some(json!(
                node_relation()
                    .map_or_else(|| invocation.target.database.to_string(), |relation| relation.database.to_string())
            )),
            _ => invocation.globals.get(name).cloned(),
        }
    }

    fn message(&self, level: MessageLevel, text: &str) {
        (self.invocation.messages)(level, text);
    }

    fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, HostError> {
        self.view.query(sql)
    }

    fn type_name(&self, data_type: &DataType) -> String {
        sql_type_of(data_type)
    }

    fn statements(&self, sql: &str) -> Result<Answer, HostError> {
        self.view.statements(sql)
    }

    fn columns(&self, relation: &RelationValue) -> Result<Option<Vec<ColumnValue>>, HostError> {
        match (&relation.schema, &relation.identifier) {
            (Some(schema), Some(identifier)) => {
                let database = other_database(relation.database.as_deref(), &self.invocation.target.database);
                self.view.columns(&RelationKey::within(database, schema, identifier))
            }
            _ => Ok(None),
        }
    }

    fn find_relation(
        &self,
        database: &str,
        schema: &str,
        identifier: &str,
    ) -> Result<Option<RelationValue>, HostError> {
        let key =
            RelationKey::within(other_database(Some(database), &self.invocation.target.database), schema, identifier);
        let kind = self.view.kind(&key);
        Ok(kind.map(|kind| RelationValue {
            database: Some(database.to_owned()),
            schema: Some(schema.to_owned()),
            identifier: Some(identifier.to_owned()),
            kind: Some(kind),
            render_as: None,
            filter: None,
        }))
    }

    fn list_relations(&self, database: &str, schema: &str) -> Result<Vec<RelationValue>, HostError> {
        let relation = |(key, kind): (RelationKey, RelationKind)| RelationValue {
            database: Some(database.to_owned()),
            schema: Some(key.schema),
            identifier: Some(key.identifier),
            kind: Some(kind),
            render_as: None,
            filter: None,
        };
        Ok(self
            .view
            .list(other_database(Some(database), &self.invocation.target.database), schema)
            .into_iter()
            .map(relation)
            .collect())
    }
}
