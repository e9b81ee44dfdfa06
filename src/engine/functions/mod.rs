//! The SQL functions that analytics users expect and the engine does not have, as one pack.
//!
//! Each family of functions is one file; an entry holds the function together with its documentation, so that the
//! reference page and the tests are made from the same text that ships. The pack never replaces a function of the
//! engine by one with another meaning: it only adds names. It does not extend the grammar either. Spellings that the
//! parser accepts but the planner refuses (an unquoted date part, `within group` of `listagg`) are rewritten by
//! [`adapt`], which the caller applies to a parsed statement before it is planned.

mod adapt;
mod aggregates;
mod conditions;
mod dates;
pub(crate) mod exactly;
mod formats;
mod intervals;
mod json;
mod json_values;
mod lists;
mod moment;
mod numbers;
mod parts;
mod periods;
mod reading;
mod replaced;
mod scalar;
mod shown;
mod stamps;
mod text;
mod totals;
mod written_times;
mod zones;

pub use adapt::adapt;
pub(crate) use intervals::interval_times;
pub(crate) use shown::CAST_THAT_SHOWS;
pub(crate) use stamps::timestamp_text;
pub(crate) use written_times::regular_time;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

/// The documentation of one function, from which the reference page is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDoc {
    /// The heading under which the function is listed.
    pub family: &'static str,
    /// The name of the function.
    pub name: String,
    /// Other names of the same function.
    pub aliases: Vec<String>,
    /// How the function is called, for example `iff(condition, then, otherwise)`.
    pub signature: &'static str,
    /// What the function does, in one or two sentences.
    pub summary: &'static str,
    /// A query that shows the function.
    pub example: &'static str,
    /// What the query of the example gives, as text.
    pub result: &'static str,
}

/// One function of the pack with its documentation.
pub(crate) struct Entry {
    implementation: Implementation,
    signature: &'static str,
    summary: &'static str,
    example: &'static str,
    result: &'static str,
}

enum Implementation {
    Scalar(Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUDF>),
}

impl Entry {
    fn scalar(
        function: impl Into<ScalarUDF>,
        signature: &'static str,
        summary: &'static str,
        example: &'static str,
        result: &'static str,
    ) -> Self {
        let implementation = Implementation::Scalar(Arc::new(function.into()));
        Self { implementation, signature, summary, example, result }
    }

    fn aggregate(
        function: impl Into<AggregateUDF>,
        signature: &'static str,
        summary: &'static str,
        example: &'static str,
        result: &'static str,
    ) -> Self {
        let implementation = Implementation::Aggregate(Arc::new(function.into()));
        Self { implementation, signature, summary, example, result }
    }

    fn doc(&self, family: &'static str) -> FunctionDoc {
        let (name, aliases) = match &self.implementation {
            Implementation::Scalar(function) => (function.name(), function.aliases()),
            Implementation::Aggregate(function) => (function.name(), function.aliases()),
        };
        FunctionDoc {
            family,
            name: name.to_owned(),
            aliases: aliases.to_vec(),
            signature: self.signature,
            summary: self.summary,
            example: self.example,
            result: self.result,
        }
    }
}

/// Each family with its functions, in the order of the reference page.
fn families() -> [(&'static str, Vec<Entry>); 14] {
    [
        ("Date arithmetic", dates::entries()),
        ("Periods", periods::entries()),
        ("Intervals", intervals::entries()),
        ("Timestamps as text", stamps::entries()),
        ("Date parts and formats", parts::entries()),
        ("Reading and counting time", reading::entries()),
        ("Time zones", zones::entries()),
        ("Numbers", numbers::entries()),
        ("Conditions and types", conditions::entries()),
        ("Text", text::entries()),
        ("Formats and similarity", formats::entries()),
        ("Lists", lists::entries()),
        ("JSON", json::entries().into_iter().chain(json_values::entries()).collect()),
        ("Aggregates", aggregates::entries()),
    ]
}

/// Registers the whole pack, and the operators `->`, `->>`, `#>`, `#>>` and `?` on JSON text.
pub fn register_all(registry: &mut dyn FunctionRegistry) -> Result<()> {
    datafusion_functions_json::register_all(registry)?;
    for entry in families().into_iter().flat_map(|(_, entries)| entries) {
        match entry.implementation {
            Implementation::Scalar(function) => drop(registry.register_udf(function)?),
            Implementation::Aggregate(function) => drop(registry.register_udaf(function)?),
        }
    }
    for function in replaced::scalars() {
        registry.register_udf(function)?;
    }
    registry.register_udf(shown::function())?;
    for function in totals::aggregates() {
        registry.register_udaf(function)?;
    }
    for function in replaced::windows() {
        registry.register_udwf(function)?;
    }
    Ok(())
}

/// The documentation of each function of the pack, by family and then in the order of the source.
pub fn catalog() -> Vec<FunctionDoc> {
    families().iter().flat_map(|(family, entries)| entries.iter().map(|entry| entry.doc(family))).collect()
}
