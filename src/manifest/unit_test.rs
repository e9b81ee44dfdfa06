//! A unit test: a model's query over rows that the test gives, compared with rows that it expects.

use indexmap::IndexMap;
use serde_json::Value;

use crate::base::source::Location;
use crate::manifest::node::{Code, RefCall, SourceCall};
use crate::manifest::version::Version;

/// What makes a unit test.
#[derive(Debug, Clone)]
pub struct UnitTest {
    /// Name of the tested model, as written.
    pub model: String,
    /// The version of it that is tested, if it has versions.
    pub version: Option<Version>,
    /// `versions` in dbt's shape, if given.
    pub versions: Option<Value>,
    /// What stands for the relations that the model reads.
    pub given: Vec<GivenInput>,
    /// What the model must give.
    pub expect: Fixture,
    /// What stands for macros, variables and the environment.
    pub overrides: Overrides,
}

/// Rows that stand for a relation.
#[derive(Debug, Clone)]
pub struct GivenInput {
    /// The relation.
    pub input: Input,
    /// The relation as written, such as `ref('orders')`.
    pub written: String,
    /// The rows.
    pub fixture: Fixture,
    /// Where the input is named.
    pub location: Location,
}

/// What an input stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `ref(…)`.
    Ref(RefCall),
    /// `source(…)`.
    Source(SourceCall),
    /// `this`: the model's own table, in its incremental form.
    This,
}

/// Rows and how they were written.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// The rows.
    pub rows: FixtureRows,
    /// `dict`, `csv` or `sql`.
    pub format: &'static str,
    /// Name of the file that holds them, if it is not the properties file.
    pub file: Option<String>,
    /// Where they are written.
    pub location: Location,
}

/// Rows of a fixture.
#[derive(Debug, Clone)]
pub enum FixtureRows {
    /// Values by column.
    Values(Vec<IndexMap<String, Value>>),
    /// A query, perhaps with Jinja.
    Sql(Code),
    /// Those of the seed that the input names.
    Seed,
}

/// What a unit test sets for the rendering of its model.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// What calls of macros give, by `macro` or `package.macro`; also plain values such as `invocation_id`.
    pub macros: IndexMap<String, Value>,
    /// Values of `var()`.
    pub vars: IndexMap<String, Value>,
    /// Values of `env_var()`.
    pub env_vars: IndexMap<String, Value>,
}

impl UnitTest {
    /// `given` in dbt's shape.
    pub fn given_value(&self) -> Value {
        let given = self.given.iter().map(|given| {
            let mut value = given.fixture.value();
            if let Some(keys) = value.as_object_mut() {
                keys.insert("input".to_owned(), Value::from(given.written.as_str()));
            }
            value
        });
        Value::Array(given.collect())
    }
}

impl Fixture {
    /// The fixture in dbt's shape.
    pub fn value(&self) -> Value {
        let rows = match &self.rows {
            FixtureRows::Values(rows) => serde_json::json!(rows),
            FixtureRows::Sql(code) => Value::from(code.text.as_ref()),
            FixtureRows::Seed => Value::Null,
        };
        serde_json::json!({ "rows": rows, "format": self.format, "fixture": self.file })
    }
}
