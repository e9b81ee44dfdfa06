//! Constraints as queries: the rows of a staged table that break them.
//!
//! Only an enforced contract has constraints that count, and only a table: a view has no rows of its own to hold back.

use crate::base::diagnostic::Diagnostic;
use crate::base::ident::quote;
use crate::manifest::config::Materialization;
use crate::manifest::constraint::{Constraint, ConstraintKind, KeyTarget};
use crate::manifest::node::Node;
use crate::plan::algebra::{key_sql, repeated, scratch};
use crate::plan::contract::has_contract;

/// Name of the scratch relation that holds the whole new content of the table.
pub const RESULT: &str = "result";

/// A constraint and the rows that break it.
#[derive(Debug, Clone)]
pub struct ConstraintCheck {
    /// The constraint.
    pub constraint: Constraint,
    /// What it asks for, such as "`not_null` on `id`".
    pub what: String,
    /// How the broken rows are found.
    pub rows: Broken,
}

/// The rows that break a constraint.
#[derive(Debug, Clone)]
pub enum Broken {
    /// Those of the table for which a condition holds.
    Where(String),
    /// Those of a query: the columns that are named, perhaps with a number of `rows`.
    Query {
        /// The names of its columns.
        columns: Vec<String>,
        /// The query, without a limit.
        sql: String,
    },
}

/// The constraints of a node that are enforced, each with the query of the rows that break it. `relation` gives the SQL
/// of what a foreign key leads to.
pub fn checks(
    node: &Node,
    columns: &[String],
    relation: &dyn Fn(&KeyTarget) -> Option<String>,
) -> Vec<ConstraintCheck> {
    let mut checks = Vec::new();
    for constraint in constraints(node) {
        let keys = &constraint.columns;
        let name = constraint.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let what = match (&constraint.expression, constraint.kind) {
            (Some(expression), ConstraintKind::Check) => format!("`check`{name} `{expression}`"),
            _ => format!("`{}`{name} on {}", constraint.kind.as_str(), listed(keys)),
        };
        let mut add = |rows: Broken| {
            checks.push(ConstraintCheck { constraint: constraint.clone(), what: what.clone(), rows });
        };
        let any_null = || {
            let parts: Vec<String> = keys.iter().map(|key| format!("{} is null", key_sql(key, columns))).collect();
            parts.join(" or ")
        };
        match constraint.kind {
            ConstraintKind::Check => {
                if let Some(expression) = &constraint.expression {
                    // A condition that is null is met, as SQL has it.
                    add(Broken::Where(format!("not ({expression})")));
                }
            }
            ConstraintKind::NotNull => add(Broken::Where(any_null())),
            ConstraintKind::Unique => add(unique(keys, columns)),
            ConstraintKind::PrimaryKey => {
                add(Broken::Where(any_null()));
                add(unique(keys, columns));
            }
            ConstraintKind::ForeignKey => {
                if let Some(target) = constraint.target.as_ref().and_then(relation) {
                    add(without_parent(constraint, columns, &target));
                }
            }
            ConstraintKind::Custom => {}
        }
    }
    checks
}

/// The constraints that count for a node.
fn constraints(node: &Node) -> impl Iterator<Item = &Constraint> {
    let counts = has_contract(node) && is_table(node);
    let of_model = node.model().map(|model| model.constraints.as_slice()).unwrap_or_default();
    node.columns.values().flat_map(|column| &column.constraints).chain(of_model).filter(move |_| counts)
}

fn is_table(node: &Node) -> bool {
    matches!(node.config.materialized, Materialization::Table | Materialization::Incremental)
}

fn unique(keys: &[String], columns: &[String]) -> Broken {
    let names = keys.to_vec();
    Broken::Query { columns: names, sql: repeated(RESULT, keys, columns) }
}

fn without_parent(constraint: &Constraint, columns: &[String], target: &str) -> Broken {
    let keys: Vec<String> = constraint.columns.iter().map(|key| key_sql(key, columns)).collect();
    let aliased = |names: Vec<String>| -> String {
        let named = names.iter().enumerate().map(|(at, name)| format!("{name} as \"__karat_key_{at}\""));
        named.collect::<Vec<_>>().join(", ")
    };
    let not_null: Vec<String> = keys.iter().map(|key| format!("{key} is not null")).collect();
    // A column of the target is found whatever its case, unless it is quoted.
    let theirs: Vec<String> = constraint.to_columns.iter().map(|column| column.trim().to_owned()).collect();
    let equal: Vec<String> =
        (0..keys.len()).map(|at| format!("child.\"__karat_key_{at}\" = parent.\"__karat_key_{at}\"")).collect();
    let sql = format!(
        "select distinct child.* from (select {} from {} where {}) as child left anti join (select {} from {target}) as \
         parent on {}",
        aliased(keys),
        scratch(RESULT),
        not_null.join(" and "),
        aliased(theirs),
        equal.join(" and "),
    );
    Broken::Query { columns: constraint.columns.clone(), sql }
}

impl ConstraintCheck {
    /// The query of some of the rows that break the constraint, with the columns that tell what is wrong.
    pub fn examples(&self, columns: &[String], limit: usize) -> (String, Vec<String>) {
        match &self.rows {
            Broken::Where(condition) => {
                let list: Vec<String> = columns.iter().map(|column| quote(column)).collect();
                let sql =
                    format!("select {} from {} where {condition} limit {limit}", list.join(", "), scratch(RESULT));
                (sql, columns.to_vec())
            }
            Broken::Query { columns, sql } => {
                let first: Vec<String> = (1..=columns.len()).map(|at| at.to_string()).collect();
                let order = first.join(", ");
                (format!("select * from ({sql}) as broken order by {order} limit {limit}"), columns.clone())
            }
        }
    }
}

/// One query that counts the rows that break each of the constraints with a condition, one column each.
pub fn counts(conditions: &[&str]) -> String {
    // Two constraints may have the same condition.
    let counted = conditions.iter().enumerate();
    let columns: Vec<String> =
        counted.map(|(at, condition)| format!("count(case when {condition} then 1 end) as \"count_{at}\"")).collect();
    format!("select {} from {}", columns.join(", "), scratch(RESULT))
}

/// Warns of constraints that are not enforced.
pub fn unenforced(node: &Node, relation: &dyn Fn(&KeyTarget) -> Option<String>) -> Vec<Diagnostic> {
    if !has_contract(node) {
        return Vec::new();
    }
    let of_model = node.model().map(|model| model.constraints.as_slice()).unwrap_or_default();
    let all: Vec<&Constraint> = node.columns.values().flat_map(|column| &column.constraints).chain(of_model).collect();
    let warning = |constraint: &Constraint, message: String, hint: &str| {
        let place = constraint.location.clone().or_else(|| node.location.clone());
        Diagnostic::warning("constraint-not-enforced", message).at_maybe(place, "").with_hint(hint)
    };
    if !is_table(node) {
        let first = all.into_iter().find(|constraint| constraint.warn_unsupported);
        let message = format!(
            "the constraints of model `{}` are not enforced, because it is {} {}",
            node.name,
            if node.is_ephemeral() { "an" } else { "a" },
            node.materialized()
        );
        return first.map(|first| warning(first, message, "make it a table, or test it")).into_iter().collect();
    }
    let mut warnings = Vec::new();
    for constraint in all {
        let kind = constraint.kind.as_str();
        let message = format!("the constraint `{kind}` of model `{}` is not enforced", node.name);
        match constraint.kind {
            ConstraintKind::Custom if constraint.warn_unsupported => {
                warnings.push(warning(constraint, message, "`custom` is text for the tables of other databases"));
            }
            ConstraintKind::ForeignKey
                if constraint.warn_unenforced && constraint.target.as_ref().and_then(relation).is_none() =>
            {
                let hint = "name a relation that is stored: `to: ref('model')` with `to_columns`";
                warnings.push(warning(constraint, message, hint));
            }
            _ => {}
        }
    }
    warnings
}

fn listed(columns: &[String]) -> String {
    columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
}
