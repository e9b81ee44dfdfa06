//! Statements that are refused, and what to do instead.

use crate::engine::error::SqlProblem;

/// The forms of statements that change the warehouse, and what each does, for the reference page.
pub const FORMS: &[(&str, &str)] = &[
    ("create schema s", "nothing to do: a schema is there as soon as it has a relation"),
    (
        "create [or replace] [temporary] table [if not exists] t [(columns)] [as select ...]",
        "a new table; columns may be `not null`, and nothing else. A temporary one goes with the run",
    ),
    ("create [or replace] [temporary] view [if not exists] v [(names)] as select ...", "a stored query"),
    ("insert [overwrite] into t [(columns)] select ... | values ...", "adds rows, by the position of their columns"),
    (
        "update t [as a] set c = ... [from ...] [where ...]",
        "changes rows; two rows of `from` for one of `t` are refused",
    ),
    ("delete from t [as a] [using ...] [where ...]", "removes rows"),
    (
        "merge into t [as a] using ... as s on ... when [not] matched [by source] [and ...] then update | delete | insert",
        "the first clause that holds counts; two rows of the source for one of `t` are refused",
    ),
    ("truncate [table] t", "removes all rows"),
    ("drop table | view [if exists] r", "removes a relation"),
    ("drop schema [if exists] s [cascade]", "removes a schema's relations"),
    (
        "alter table t add | drop | rename column, alter column c type ... | set not null | drop not null",
        "changes columns; `add column` may have a `default`, which fills the rows that are there",
    ),
    (
        "alter table | view r rename to q",
        "gives a relation another name; on one disk a table's files are linked, elsewhere copied",
    ),
];

/// First words of statements that are refused, and why.
pub const REFUSED: &[(&str, &str)] = &[
    ("attach", "it opens another database; declare its files as a source"),
    ("call", "there are no stored procedures; write a macro"),
    ("comment", "descriptions come from the project's YAML files"),
    ("copy", "it writes outside of the warehouse; read files through a source, and the Delta tables with any reader"),
    ("create database", "the database is the target's; choose it with `database:` in the profile"),
    ("create function", "write a macro"),
    ("create index", "tables are Delta tables; `sort_by` and `partition_by` make reading fast"),
    ("create sequence", "keys come from `row_number()` or a hash"),
    ("describe", "ask `information_schema.columns`"),
    ("drop database", "remove the warehouse's folder"),
    ("explain", "the query's plan is no table; `karat compile` shows the query"),
    ("export", "it writes outside of the warehouse; the Delta tables can be read as they are"),
    ("grant", "who may read is decided where the warehouse lies; leave it out for this target"),
    ("install", "the engine has no extensions"),
    ("load", "the engine has no extensions"),
    ("pragma", "settings belong to the project file and the profile"),
    ("revoke", "who may read is decided where the warehouse lies; leave it out for this target"),
    ("rollback", "each statement stands for itself; what fails changes nothing"),
    ("set", "settings belong to the project file and the profile"),
    ("show", "ask `information_schema.tables`"),
    ("use", "write the schema before the name"),
];

/// Refuses a statement by its first words.
pub(super) fn refuse(words: &str) -> SqlProblem {
    let known = REFUSED
        .iter()
        .filter(|(verb, _)| words.strip_prefix(verb).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')));
    let found = known.max_by_key(|(verb, _)| verb.len());
    let (verb, why) = match found {
        Some((verb, why)) => (*verb, Some(*why)),
        None => (words, None),
    };
    let problem = SqlProblem::new("unsupported-statement", format!("the statement `{verb}` is not supported"));
    problem.hint(why.unwrap_or(
        "a hook or an operation may create, insert into, update, delete from, merge into, truncate, alter and drop \
         tables and views of the warehouse",
    ))
}
