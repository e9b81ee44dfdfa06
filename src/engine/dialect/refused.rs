//! What other databases have and karat does not, with what to write instead.

use crate::engine::error::SqlProblem;

/// Syntax that is refused, and what takes its place.
pub const SYNTAX: &[(&str, &str)] = &[
    (
        "pivot",
        "write `from t pivot (sum(v) for y in (2023, 2024))` with all values, which make the columns, or use \
         `dbt_utils.pivot`, which finds them",
    ),
    ("unpivot", "write `from t unpivot (v for name in (jan, feb))` with all columns, or use `dbt_utils.unpivot`"),
    (
        "asof join",
        "join on `<=` and keep the nearest row: `qualify row_number() over (partition by key order by at desc) = 1`",
    ),
    ("lateral flatten(...)", "write `unnest(list)` in the select list; of JSON, `unnest(json_get_array(json))`"),
    ("table(generator(...))", "write `from generate_series(1, n)`"),
    ("tablesample", "write `where random() < 0.1`, or `limit`"),
    ("select * ilike '...'", "name the columns, or list them with `dbt_utils.star`"),
    (
        "a rlike b",
        "write `a ~ b` where a part may match, and `regexp_full_match(a, b)` where all of it has to: databases differ",
    ),
    ("match_recognize", "write window functions: `lag`, `lead`, and sums over conditions"),
    ("a ** b", "write `power(a, b)`"),
    ("from t where ...", "write `select *` before `from` when clauses follow"),
    ("count(distinct a, b)", "count the rows of a subquery with `select distinct a, b`"),
    (
        "extract(dayofweek from a)",
        "write `extract(dow from a)`, from 0 for Sunday (DuckDB, Snowflake, Postgres), with `+ 1` for BigQuery's numbers",
    ),
    ("merge", "a model is one query; `materialized='incremental'` with `unique_key` merges its rows"),
];

/// Functions that are refused, and what takes their place.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("columns", "name the columns, or list them with `dbt_utils.star`"),
    ("flatten", "write `unnest(list)` in the select list; of JSON, `unnest(json_get_array(json))`"),
    ("list_reduce", "unnest the list, and compute with an aggregate"),
    (
        "timestamp_trunc",
        "weeks of BigQuery begin on Sunday: write `date_trunc('week', value)`, whose weeks begin on Monday",
    ),
    (
        "datetime_trunc",
        "weeks of BigQuery begin on Sunday: write `date_trunc('week', value)`, whose weeks begin on Monday",
    ),
    ("add_months", "write `dateadd('month', n, day)`; databases differ in what becomes of the last day of a month"),
    ("rlike", "write `regexp_like(a, b)` where a part may match, and `regexp_full_match(a, b)` where all of it has to"),
    ("strtok", "write `split_part(text, separator, n)`"),
    ("aggregate", "unnest the list, and compute with an aggregate"),
    ("months_between", "write `datediff('month', start, end)`, which counts boundaries"),
    ("farm_fingerprint", "write `hash(value)`, whose values are others"),
    ("seq4", "write `row_number() over (order by ...)`"),
    ("seq8", "write `row_number() over (order by ...)`"),
    ("nextval", "write `row_number() over (order by ...)`, or a key such as `md5(...)`"),
    ("grouping_id", "write `grouping(column)`"),
    ("generate_date_array", "write `generate_series(start, end, interval '1 day')`"),
    ("from_json", "read each value and cast it: `json_extract_string(json, '$.a')::int`"),
    ("json_transform", "read each value and cast it: `json_extract_string(json, '$.a')::int`"),
    ("json_structure", "look at the keys with `json_object_keys(json)`"),
    ("json_merge_patch", "build the object with `json_object(key, value, ...)`"),
    ("strip_accents", "write `translate(text, 'áéí', 'aei')` for the letters that occur"),
    ("current_database", "write the template's `{{ target.database }}`"),
    ("current_schema", "write the template's `{{ target.schema }}`"),
];

fn of<'a>(table: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    table.iter().find(|(written, _)| written.eq_ignore_ascii_case(name)).map(|(_, instead)| *instead)
}

/// What to write instead of a function.
pub(crate) fn function(name: &str) -> Option<&'static str> {
    of(FUNCTIONS, name)
}

/// What to write instead of a syntax.
pub(crate) fn syntax(written: &str) -> Option<&'static str> {
    of(SYNTAX, written)
}

/// A syntax that is refused, at the only place of a word.
pub(crate) fn problem(sql: &str, written: &str, word: &str) -> SqlProblem {
    let mut problem = SqlProblem::new("unsupported-sql", format!("`{written}` is not supported")).at_word(sql, word);
    problem.hint = syntax(written).map(str::to_owned);
    problem
}

/// What is behind a text that the parser does not understand, if it is of another database.
pub(crate) fn parser_hint(sql: &str, at: Option<usize>, expected: &str, found: &str) -> Option<&'static str> {
    const CLAUSES: [&str; 6] = ["where", "group", "order", "limit", "qualify", "join"];
    let found = found.to_ascii_lowercase();
    if expected.contains("MATCH_CONDITION") {
        return syntax("asof join");
    }
    let before = sql.get(..at?).unwrap_or_default();
    if found == "*" && before.ends_with('*') {
        return syntax("a ** b");
    }
    if CLAUSES.contains(&found.as_str()) && expected.contains("end of statement") {
        return before.trim_start().to_ascii_lowercase().starts_with("from").then(|| syntax("from t where ..."))?;
    }
    None
}
