//! What a template may ask for: the one door between Jinja and the rest of karat.
//!
//! `template` knows how to render; it does not know projects or warehouses. Whoever renders gives a [`Host`] that
//! answers. While parsing, the host records what was asked; while compiling, it resolves. Looking at the warehouse
//! goes through [`Host::query`] and its neighbors only.

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::manifest::function::FunctionCall;
use crate::manifest::node::{RefCall, SourceCall};

/// A relation as templates see it (dbt's `Relation`): renders as quoted names, has `database`, `schema`,
/// `identifier`, `type`, `include()` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationValue {
    /// Database; not rendered if `None`.
    pub database: Option<String>,
    /// Schema; not rendered if `None`.
    pub schema: Option<String>,
    /// Identifier; not rendered if `None`.
    pub identifier: Option<String>,
    /// `table`, `view`, `cte` (an ephemeral model), `external`, or unknown.
    pub kind: Option<RelationKind>,
    /// Text to render instead of the names: the name of an ephemeral model's common table expression.
    pub render_as: Option<String>,
    /// Which of its rows are meant (`false limit 0`, or the window of a batch): written as a subquery, unless a
    /// template asks for the name with `render()`.
    pub filter: Option<String>,
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// A stored table.
    Table,
    /// A stored query.
    View,
    /// A common table expression.
    Cte,
    /// Files outside.
    External,
    /// A function that SQL may call.
    Function,
}

impl RelationKind {
    /// dbt's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Cte => "cte",
            Self::External => "external",
            Self::Function => "function",
        }
    }
}

/// A column as templates see it (dbt's `Column`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnValue {
    /// Name.
    pub name: String,
    /// SQL type, such as `decimal(18,2)`.
    pub data_type: String,
}

/// The answer to a text of statements: that of the last one.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Its rows, if it was a query.
    pub batches: Vec<RecordBatch>,
    /// Rows that it gave or changed.
    pub rows_affected: u64,
    /// What it was, in capitals: `SELECT`, `INSERT`, `CREATE TABLE`; empty if there was no statement.
    pub verb: String,
}

/// Why the host did not answer.
#[derive(Debug, Clone)]
pub enum HostError {
    /// The answer needs data that is not there yet: the template has to be rendered again when its parents are ready.
    NotReady(String),
    /// A problem that the user has to mend; the sentence says which, the hint how.
    Refused {
        /// Diagnostic code.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl HostError {
    /// A refusal without a hint.
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into(), hint: None }
    }
}

/// Level of a message from a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageLevel {
    /// `log(msg)`: to the log file only.
    Debug,
    /// `log(msg, info=true)`.
    Info,
    /// `print(msg)`: to standard output.
    Print,
    /// `exceptions.warn(msg)`.
    Warning,
}

/// Answers the questions of one template.
///
/// A host lives as long as the rendering; it is shared with objects that templates hold, hence `'static`.
pub trait Host: Send + Sync + 'static {
    /// dbt's `execute`: false while parsing, when nothing may be asked of the warehouse.
    fn execute(&self) -> bool;

    /// Whether what the template's own text uses undefined waits until the template is executed: it may be defined by
    /// then. As under dbt, so it is while parsing, but not within macros.
    fn is_lenient(&self) -> bool {
        false
    }

    /// A problem that shows while the template is not executed, and that it will most likely have when it is.
    fn foresee(&self, _problem: Diagnostic) {}

    /// The package that the template belongs to: macros are looked up from its point of view.
    fn package(&self) -> &str;

    /// `ref()`. While parsing: records the call and answers with a placeholder.
    fn reference(&self, call: RefCall) -> Result<RelationValue, HostError>;

    /// `source()`. While parsing: records the call and answers with a placeholder.
    fn source(&self, call: SourceCall) -> Result<RelationValue, HostError>;

    /// `function()`. While parsing: records the call and answers with a placeholder.
    fn function(&self, call: FunctionCall) -> Result<RelationValue, HostError>;

    /// `config(...)`: values set by the template. Ignored while compiling.
    fn set_config(&self, values: IndexMap<String, Json>) -> Result<(), HostError>;

    /// `config.get(name)`: the merged value.
    fn get_config(&self, name: &str) -> Option<Json>;

    /// `var(name)`, as seen from a package.
    fn var(&self, package: &str, name: &str) -> Option<Json>;

    /// `env_var(name)`; refused for secrets outside of the profile.
    fn env_var(&self, name: &str) -> Result<Option<String>, HostError>;

    /// `this`; `None` where there is no relation (hooks, operations).
    fn this(&self) -> Option<RelationValue>;

    /// `is_incremental()`.
    fn is_incremental(&self) -> bool;

    /// What stands for a macro, a function or a plain global instead of itself: `overrides` of a unit test. A name with
    /// a package is one that the template calls as `package.name`.
    fn overridden(&self, _package: Option<&str>, _name: &str) -> Option<Json> {
        None
    }

    /// A plain global by name, asked for when the template first uses it: `target`, `model`, `graph`, `flags`,
    /// `run_started_at` (RFC 3339 text), `invocation_id`, `project_name`, `dbt_version`, `selected_resources`,
    /// `invocation_args_dict`, `schemas`, `database_schemas`, `results`, `schema`, `database` and the like.
    fn global(&self, name: &str) -> Option<Json>;

    /// A message from the template.
    fn message(&self, level: MessageLevel, text: &str);

    /// Runs a query and brings back its rows; never called while `execute()` is false.
    fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, HostError>;

    /// SQL's name of a type that a query gives.
    fn type_name(&self, data_type: &DataType) -> String {
        data_type.to_string()
    }

    /// Runs statements, which may change the warehouse; never called while `execute()` is false.
    fn statements(&self, sql: &str) -> Result<Answer, HostError> {
        let batches = self.query(sql)?;
        let rows_affected = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Ok(Answer { batches, rows_affected, verb: "SELECT".to_owned() })
    }

    /// The columns of a relation, or `None` if it does not exist. Needs no data: a parent's planned columns will do.
    fn columns(&self, relation: &RelationValue) -> Result<Option<Vec<ColumnValue>>, HostError>;

    /// The relation with these names as it exists now (in this run or published), or `None`.
    fn find_relation(&self, database: &str, schema: &str, identifier: &str)
    -> Result<Option<RelationValue>, HostError>;

    /// All relations of a schema.
    fn list_relations(&self, database: &str, schema: &str) -> Result<Vec<RelationValue>, HostError>;
}

/// A shared host.
pub type SharedHost = Arc<dyn Host>;
