//! The two hosts of this stage: one that renders YAML values, one that records what a node's template asks for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::record_batch::RecordBatch;
use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::base::env::ProcessEnv;
use crate::base::secret::is_secret_name;
use crate::manifest::function::FunctionCall;
use crate::manifest::node::{RefCall, SourceCall};
use crate::parse::vars::Vars;
use crate::template::host::{ColumnValue, Host, HostError, MessageLevel, RelationValue};

/// What all hosts of an invocation share.
#[derive(Debug)]
pub struct Shared {
    /// Variables.
    pub vars: Vars,
    /// The environment.
    pub env: ProcessEnv,
    /// Plain globals by name: `target`, `run_started_at` and so on.
    pub globals: BTreeMap<String, Json>,
}

impl Shared {
    /// The value of an environment variable; secrets are for profiles only.
    pub fn env_var(&self, name: &str, secrets: Secrets) -> Result<Option<String>, HostError> {
        if secrets == Secrets::Refused && is_secret_name(name) {
            return Err(HostError::Refused {
                code: "secret-outside-profile",
                message: format!("the secret `{name}` may only be used in `profiles.yml`"),
                hint: Some("a value that may be shown needs a name without `ENV_SECRET`".to_owned()),
            });
        }
        Ok(self.env.get(name).map(str::to_owned))
    }
}

/// Whether secret environment variables may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// In `profiles.yml`.
    Allowed,
    /// Everywhere else.
    Refused,
}

/// Renders values of YAML files: knows variables, the environment and the target, but no nodes.
pub struct YamlHost {
    /// What is shared.
    pub shared: Arc<Shared>,
    /// The package whose file it is.
    pub package: String,
    /// Whether secrets may be read.
    pub secrets: Secrets,
}

fn not_in_yaml(what: &str) -> HostError {
    HostError::Refused {
        code: "not-in-yaml",
        message: format!("`{what}` can't be used in this value"),
        hint: Some("values of YAML files know `var`, `env_var` and `target`".to_owned()),
    }
}

impl Host for YamlHost {
    fn execute(&self) -> bool {
        false
    }

    fn package(&self) -> &str {
        &self.package
    }

    fn reference(&self, _: RefCall) -> Result<RelationValue, HostError> {
        Err(not_in_yaml("ref"))
    }

    fn source(&self, _: SourceCall) -> Result<RelationValue, HostError> {
        Err(not_in_yaml("source"))
    }

    fn function(&self, _: FunctionCall) -> Result<RelationValue, HostError> {
        Err(not_in_yaml("function"))
    }

    fn set_config(&self, _: IndexMap<String, Json>) -> Result<(), HostError> {
        Err(not_in_yaml("config"))
    }

    fn get_config(&self, _: &str) -> Option<Json> {
        None
    }

    fn var(&self, package: &str, name: &str) -> Option<Json> {
        self.shared.vars.get(package, name).cloned()
    }

    fn env_var(&self, name: &str) -> Result<Option<String>, HostError> {
        self.shared.env_var(name, self.secrets)
    }

    fn this(&self) -> Option<RelationValue> {
        None
    }

    fn is_incremental(&self) -> bool {
        false
    }

    fn global(&self, name: &str) -> Option<Json> {
        self.shared.globals.get(name).cloned()
    }

    fn message(&self, _: MessageLevel, _: &str) {}

    fn query(&self, _: &str) -> Result<Vec<RecordBatch>, HostError> {
        Err(not_in_yaml("run_query"))
    }

    fn columns(&self, _: &RelationValue) -> Result<Option<Vec<ColumnValue>>, HostError> {
        Err(not_in_yaml("adapter"))
    }

    fn find_relation(&self, _: &str, _: &str, _: &str) -> Result<Option<RelationValue>, HostError> {
        Err(not_in_yaml("adapter"))
    }

    fn list_relations(&self, _: &str, _: &str) -> Result<Vec<RelationValue>, HostError> {
        Err(not_in_yaml("adapter"))
    }
}

/// What a node's template asked for.
#[derive(Debug, Default)]
pub struct Recorded {
    /// `ref()` calls, each target once.
    pub refs: Vec<RefCall>,
    /// `source()` calls, each target once.
    pub sources: Vec<SourceCall>,
    /// `function()` calls, each target once.
    pub functions: Vec<FunctionCall>,
    /// `config()` calls in order.
    pub configs: Vec<IndexMap<String, Json>>,
    /// What is wrong with the template once it is executed.
    pub foreseen: Vec<Diagnostic>,
}

/// Records what a node's template asks for and answers with placeholders.
pub struct ParseHost {
    /// What is shared.
    pub shared: Arc<Shared>,
    /// The node's package.
    pub package: String,
    /// The node's relation as far as it is known.
    pub this: Option<RelationValue>,
    /// `model` in templates.
    pub model: Json,
    /// Configuration from the project file and properties.
    pub config: IndexMap<String, Json>,
    /// What was asked for so far.
    pub recorded: Mutex<Recorded>,
    /// Whether what is undefined waits until the template is executed.
    pub lenient: bool,
}

impl ParseHost {
    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        // A panic while recording leaves a list that is still a list.
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was recorded.
    pub fn take(&self) -> Recorded {
        std::mem::take(&mut self.recorded())
    }
}

fn placeholder(schema: &str, identifier: &str) -> RelationValue {
    RelationValue {
        database: None,
        schema: Some(schema.to_owned()),
        identifier: Some(identifier.to_owned()),
        kind: None,
        render_as: None,
        filter: None,
    }
}

impl Host for ParseHost {
    fn execute(&self) -> bool {
        false
    }

    fn is_lenient(&self) -> bool {
        self.lenient
    }

    fn foresee(&self, problem: Diagnostic) {
        self.recorded().foreseen.push(problem);
    }

    fn package(&self) -> &str {
        &self.package
    }

    fn reference(&self, call: RefCall) -> Result<RelationValue, HostError> {
        let relation = placeholder(call.package.as_deref().unwrap_or(&self.package), &call.name);
        let mut recorded = self.recorded();
        let same =
            |known: &RefCall| known.name == call.name && known.package == call.package && known.version == call.version;
        if !recorded.refs.iter().any(same) {
            recorded.refs.push(call);
        }
        Ok(relation)
    }

    fn source(&self, call: SourceCall) -> Result<RelationValue, HostError> {
        let relation = placeholder(&call.source, &call.table);
        let mut recorded = self.recorded();
        if !recorded.sources.iter().any(|known| known.source == call.source && known.table == call.table) {
            recorded.sources.push(call);
        }
        Ok(relation)
    }

    fn function(&self, call: FunctionCall) -> Result<RelationValue, HostError> {
        let relation = placeholder(call.package.as_deref().unwrap_or(&self.package), &call.name);
        let mut recorded = self.recorded();
        if !recorded.functions.iter().any(|known| known.name == call.name && known.package == call.package) {
            recorded.functions.push(call);
        }
        Ok(relation)
    }

    fn set_config(&self, values: IndexMap<String, Json>) -> Result<(), HostError> {
        let canonical = super::config::keys::canonical;
        let twice = values.keys().enumerate().find_map(|(index, key)| {
            let other = values.keys().take(index).find(|other| canonical(other) == canonical(key))?;
            Some((other.clone(), key.clone()))
        });
        if let Some((first, second)) = twice {
            return Err(HostError::Refused {
                code: "bad-config",
                message: format!("`{first}` and `{second}` are one configuration, given twice"),
                hint: Some(format!("write all of it as `{}`", canonical(&first))),
            });
        }
        self.recorded().configs.push(values);
        Ok(())
    }

    fn get_config(&self, name: &str) -> Option<Json> {
        let name = super::config::keys::canonical(name);
        let recorded = self.recorded();
        let same = |key: &str| super::config::keys::canonical(key) == name;
        let own = recorded
            .configs
            .iter()
            .rev()
            .find_map(|values| values.iter().find(|(key, _)| same(key)).map(|(_, value)| value.clone()));
        own.or_else(|| self.config.get(name).cloned())
    }

    fn var(&self, package: &str, name: &str) -> Option<Json> {
        self.shared.vars.get(package, name).cloned()
    }

    fn env_var(&self, name: &str) -> Result<Option<String>, HostError> {
        self.shared.env_var(name, Secrets::Refused)
    }

    fn this(&self) -> Option<RelationValue> {
        self.this.clone()
    }

    fn is_incremental(&self) -> bool {
        false
    }

    fn global(&self, name: &str) -> Option<Json> {
        if name == "model" { Some(self.model.clone()) } else { self.shared.globals.get(name).cloned() }
    }

    // What a template prints belongs to the run; it would be printed twice.
    fn message(&self, _: MessageLevel, _: &str) {}

    fn query(&self, _: &str) -> Result<Vec<RecordBatch>, HostError> {
        Err(HostError::NotReady("a query".to_owned()))
    }

    fn columns(&self, _: &RelationValue) -> Result<Option<Vec<ColumnValue>>, HostError> {
        Ok(None)
    }

    fn find_relation(&self, _: &str, _: &str, _: &str) -> Result<Option<RelationValue>, HostError> {
        Ok(None)
    }

    fn list_relations(&self, _: &str, _: &str) -> Result<Vec<RelationValue>, HostError> {
        Ok(Vec::new())
    }
}
