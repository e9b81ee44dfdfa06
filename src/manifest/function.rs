//! A function of the project: an expression with a name, which SQL may call (dbt's `functions/`).

use serde_json::Value;

use crate::base::source::Location;
use crate::manifest::node::Code;

/// What only functions have.
#[derive(Debug, Clone)]
pub struct FunctionDetail {
    /// The form that the file of the function's own name holds.
    pub own: Signature,
    /// Its other forms, which differ in the number of arguments.
    pub overloads: Vec<Overload>,
}

/// What a function takes and gives.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The arguments in order.
    pub arguments: Vec<Argument>,
    /// What it gives.
    pub returns: Returns,
}

/// An argument.
#[derive(Debug, Clone)]
pub struct Argument {
    /// The name by which the function's code means it.
    pub name: String,
    /// SQL type.
    pub data_type: String,
    /// Description with `doc()` resolved.
    pub description: Option<String>,
    /// What holds where a call leaves it out, as SQL.
    pub default_value: Option<Value>,
}

impl Argument {
    /// The default as SQL.
    pub fn default_sql(&self) -> Option<String> {
        match self.default_value.as_ref()? {
            Value::String(sql) => Some(sql.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// What a function gives.
#[derive(Debug, Clone)]
pub struct Returns {
    /// SQL type.
    pub data_type: String,
    /// Description with `doc()` resolved.
    pub description: Option<String>,
}

/// Another form of a function, with code in a file of its own.
#[derive(Debug, Clone)]
pub struct Overload {
    /// The name of the file without its ending.
    pub defined_in: String,
    /// What it takes and gives.
    pub signature: Signature,
    /// Whether it says itself what it gives; else it gives what the function gives.
    pub own_returns: bool,
    /// Description with `doc()` resolved.
    pub description: Option<String>,
    /// Its template.
    pub code: Code,
}

/// One `function()` of a node, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCall {
    /// Package, if two arguments were given.
    pub package: Option<String>,
    /// Name of the function.
    pub name: String,
    /// Where it was written, if known.
    pub location: Option<Location>,
}
