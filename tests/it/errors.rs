//! Mistakes in SQL, templates and the graph, and what the user is told: the code, the sentence, the file and line. All of
//! a stage at once, and before anything is read or written. Mistakes in files are in `errors_files`.

use insta::assert_snapshot;

use crate::support::Project;

const SOURCES: &str = "sources:
  - name: landing
    tables:
      - name: items
        external: {location: 'landing/*.csv'}
        columns:
          - {name: id, data_type: bigint}
          - {name: name, data_type: varchar}
          - {name: price, data_type: 'decimal(10,2)'}
";

/// A project with a model in each layer, in which all is well.
const SHOP: [(&str, &str); 6] = [
    ("project.yml", "name: shop\nversion: '1.0'\n"),
    ("models/sources.yml", SOURCES),
    ("models/bronze/raw_items.sql", "select id, name, price\nfrom {{ source('landing', 'items') }}\n"),
    (
        "models/silver/stg_items.sql",
        "select\n    id,\n    upper(name) as name,\n    price\nfrom {{ ref('raw_items') }}\n",
    ),
    ("models/gold/totals.sql", "select sum(price) as price\nfrom {{ ref('stg_items') }}\n"),
    ("landing/items.csv", "id,name,price\n1,a,1.00\n2,b,2.00\n"),
];

/// The project with some files changed or added.
pub fn shop(changes: &[(&str, &str)]) -> Project {
    let mut files: Vec<(&str, &str)> = SHOP.to_vec();
    files.retain(|(path, _)| changes.iter().all(|(changed, _)| changed != path));
    files.extend(changes);
    Project::new(&files)
}

/// What `build` complains of; it must not have written anything.
#[track_caller]
pub fn refused(changes: &[(&str, &str)]) -> String {
    refused_with(changes, &["build"])
}

/// What `build` complains of before it runs the nodes with which nothing is wrong.
#[track_caller]
pub fn alone(changes: &[(&str, &str)]) -> String {
    alone_in(&shop(changes))
}

/// The same of a project that is there.
#[track_caller]
pub fn alone_in(project: &Project) -> String {
    let run = project.run(&["build"]).expect_code(1);
    assert!(!project.files().is_empty(), "nothing was built");
    let is_progress = |line: &str| line.starts_with(' ') && line.trim().starts_with(char::is_alphabetic);
    let told = project.complaints(&run);
    told.lines().take_while(|line| !is_progress(line)).collect::<Vec<_>>().join("\n")
}

/// What a command complains of; it must not have written anything.
#[track_caller]
pub fn refused_with(changes: &[(&str, &str)], arguments: &[&str]) -> String {
    let project = shop(changes);
    let run = project.run(arguments).expect_code(2);
    assert!(project.files().is_empty(), "the warehouse was written to");
    assert_eq!(run.stdout, "");
    project.complaints(&run)
}

#[test]
fn the_shop_builds() {
    let project = shop(&[]);
    project.ok(&["build"]);
    assert_eq!(project.text("select price from gold.totals"), "3.0");
}

#[test]
fn unknown_parents() {
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as one\nfrom {{ ref('stg_itens') }}\n")]), @r"
    error[unknown-ref]: there is no model, seed or snapshot `stg_itens`
     --> models/gold/totals.sql:2:9
      |
    2 | from {{ ref('stg_itens') }}
      |         ^^^^^^^^^^^^^^^^
      |
      = hint: did you mean `stg_items`?
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as one\nfrom {{ ref('warehouse', 'stg_items') }}\n")]), @r"
    error[unknown-ref]: there is no package `warehouse`
     --> models/gold/totals.sql:2:9
      |
    2 | from {{ ref('warehouse', 'stg_items') }}
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `ref('warehouse', 'stg_items')` of model `totals`
    ");
    assert_snapshot!(refused(&[(
        "models/bronze/raw_items.sql",
        "select *\nfrom {{ source('landing', 'item') }}\nunion all\nselect * from {{ source('landin', 'items') }}\n"
    )]), @r"
    error[unknown-source]: the source `landing` has no table `item`
     --> models/bronze/raw_items.sql:2:9
      |
    2 | from {{ source('landing', 'item') }}
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: did you mean `items`?
    error[unknown-source]: there is no source `landin`
     --> models/bronze/raw_items.sql:4:18
      |
    4 | select * from {{ source('landin', 'items') }}
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: did you mean `landing`?
    ");
    assert_snapshot!(refused(&[
        ("models/gold/a.sql", "{{ config(enabled=false) }} select 1 as a"),
        ("models/gold/b.sql", "select * from {{ ref('a') }}")
    ]), @r"
    error[disabled-ref]: model `a` is disabled
     --> models/gold/b.sql:1:18
      |
    1 | select * from {{ ref('a') }}
      |                  ^^^^^^^^ used by model `b`
      |
      = note: it is in `models/gold/a.sql`
      = hint: enable it, or disable what uses it
    ");
}

#[test]
fn unknown_columns_in_each_layer() {
    assert_snapshot!(refused(&[(
        "models/bronze/raw_items.sql",
        "select id, nmae, price\nfrom {{ source('landing', 'items') }}\n"
    )]), @r"
    error[unknown-column]: column `nmae` does not exist
     --> models/bronze/raw_items.sql:1:12
      |
    1 | select id, nmae, price
      |            ^^^^
      |
      = hint: did you mean `name`?
    ");
    assert_snapshot!(refused(&[(
        "models/silver/stg_items.sql",
        "{% set columns = ['id', 'name'] %}\nselect\n    {{ columns | join(', ') }},\n    i.prise\nfrom {{ ref('raw_items') }} as i\n"
    )]), @r"
    error[unknown-column]: column `i.prise` does not exist
     --> models/silver/stg_items.sql:4:5
      |
    4 |     i.prise
      |     ^^^^^^^
      |
      = hint: did you mean `price`?
    ");
    assert_snapshot!(refused(&[(
        "models/gold/totals.sql",
        "with items as (\n    select * from {{ ref('stg_items') }}\n)\nselect sum(items.total) as price\nfrom items\n"
    )]), @r"
    error[unknown-column]: column `items.total` does not exist
     --> models/gold/totals.sql:4:12
      |
    4 | select sum(items.total) as price
      |            ^^^^^^^^^^^
      |
      = hint: columns here: `id`, `name`, `price`
    ");
    // The last model only reads the renamed column: what breaks is said once, where it is.
    assert_snapshot!(refused(&[(
        "models/silver/stg_items.sql",
        "select id, name, price as amount\nfrom {{ ref('raw_items') }}\n"
    )]), @r"
    error[unknown-column]: column `price` does not exist
     --> models/gold/totals.sql:1:12
      |
    1 | select sum(price) as price
      |            ^^^^^
      |
      = hint: columns here: `id`, `name`, `amount`
    ");
}

#[test]
fn a_column_that_comes_from_a_macro() {
    assert_snapshot!(refused(&[
        (
            "macros/money.sql",
            "{% macro cents(column) %}\n    cast({{ column }} * 100 as bigint)\n{% endmacro %}\n\n{% macro total_cents() %}\n    \
             sum({{ cents('amount') }})\n{% endmacro %}\n"
        ),
        ("models/gold/totals.sql", "select\n    {{ total_cents() }} as cents\nfrom {{ ref('stg_items') }}\n")
    ]), @r"
    error[unknown-column]: column `amount` does not exist
     --> macros/money.sql:2:13
      |
    2 |     cast({{ column }} * 100 as bigint)
      |             ^^^^^^
    ...
    6 |     sum({{ cents('amount') }})
      |            --------------- macro `cents` called here
      |
     ::: models/gold/totals.sql:2:8
      |
    2 |     {{ total_cents() }} as cents
      |        ------------- macro `total_cents` called here
      |
      = hint: columns here: `id`, `name`, `price`
    ");
}

#[test]
fn sql_that_is_not_sql() {
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select sum(price as price\nfrom {{ ref('stg_items') }}\n")]), @r"
    error[sql-syntax]: expected `)`, found `as`
     --> models/gold/totals.sql:1:18
      |
    1 | select sum(price as price
      |                  ^^
      |
      = hint: look at this place and just before it: a comma, quote or bracket too many or missing, or a keyword used as a name
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select price\nfrm {{ ref('stg_items') }}\nwhere 1 = 1\n")]), @r#"
    error[sql-syntax]: expected end of statement, found `"shop"`
     --> models/gold/totals.sql:2:8
      |
    2 | frm {{ ref('stg_items') }}
      |        ^^^^^^^^^^^^^^^^
      |
      = hint: look at this place and just before it: a comma, quote or bracket too many or missing, or a keyword used as a name
    "#);
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 'never closed\nfrom {{ ref('stg_items') }}\n")]), @r"
    error[sql-syntax]: unterminated string literal
     --> models/gold/totals.sql:1:8
      |
    1 |   select 'never closed
      |  ________^
    2 | | from {{ ref('stg_items') }}
      | |_____^
      |
      = hint: look at this place and just before it: a comma, quote or bracket too many or missing, or a keyword used as a name
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "create table x as\nselect 1 as a\n")]), @r"
    error[not-a-query]: expected a query, found `create`
     --> models/gold/totals.sql:1:1
      |
    1 | create table x as
      | ^^^^^^
      |
      = hint: model SQL is one `select` (or `with ... select`); karat itself creates and fills the table
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as a;\ndrop table y\n")]), @r"
    error[not-a-query]: expected one statement, found a second one after `;`
     --> models/gold/totals.sql:2:1
      |
    2 | drop table y
      | ^^^^
      |
      = hint: a model is one query; move the second statement to a model or a hook of its own
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "{% if false %}select 1 as a{% endif %}\n-- nothing\n")]), @r"
    error[empty-sql]: the SQL is empty; expected a query
     --> models/gold/totals.sql:1:1
      |
    1 | {% if false %}select 1 as a{% endif %}
      | ^
      |
      = hint: a model is one `select` statement; a file that is not a model belongs elsewhere
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select nofunction(price) as a\nfrom {{ ref('stg_items') }}\n")]), @r"
    error[unknown-function]: there is no function `nofunction`
     --> models/gold/totals.sql:1:8
      |
    1 | select nofunction(price) as a
      |        ^^^^^^^^^^
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select name + 1 as a, sum(name) as b\nfrom {{ ref('stg_items') }}\n")]), @r"
    error[type-mismatch]: there is no `+` of varchar and bigint
     --> models/gold/totals.sql:1:8
      |
    1 | select name + 1 as a, sum(name) as b
      |        ^^^^
      |
      = hint: cast one of them to the type of the other
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as price, 2 as price\nfrom {{ ref('stg_items') }} as a\n")]), @r"
    error[duplicate-column]: two columns of the query have the name `price`
     --> models/gold/totals.sql:1:1
      |
    1 | select 1 as price, 2 as price
      | ^
      |
      = hint: give each expression its own name with `as`
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select * from other.place\n")]), @r"
    error[unknown-relation]: relation `other.place` does not exist
     --> models/gold/totals.sql:1:15
      |
    1 | select * from other.place
      |               ^^^^^^^^^^^
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select * from 'landing/items.csv'\n")]), @r"
    error[unknown-relation]: relation `main.landing/items.csv` does not exist
     --> models/gold/totals.sql:1:1
      |
    1 | select * from 'landing/items.csv'
      | ^
      |
      = hint: files are read through a source (`external: {location: ...}`)
    ");
}

#[test]
fn sql_without_end() {
    let chain = format!("select {} as a\n", vec!["1"; 20_000].join("+"));
    assert!(chain.len() > 40_000);
    let said = refused(&[("models/gold/totals.sql", &chain)]);
    assert!(said.contains("error[sql-limit]") && said.contains("models/gold/totals.sql:1:"), "{said}");
    let nested = format!("select {}1{} as a\n", "(".repeat(10_000), ")".repeat(10_000));
    let said = refused(&[("models/gold/totals.sql", &nested)]);
    assert!(said.contains("error[sql-limit]") && said.contains("models/gold/totals.sql:1:"), "{said}");
    let said = refused(&[("models/gold/totals.sql", "{% for i in range(100000000) %}select{% endfor %}\n")]);
    assert!(said.contains("error[jinja-"), "{said}");
    let said = refused(&[
        ("macros/again.sql", "{% macro again() %}{{ again() }}{% endmacro %}"),
        ("models/gold/totals.sql", "select {{ again() }}\n"),
    ]);
    assert!(said.contains("error[jinja-") && said.contains("macros/again.sql:1:"), "{said}");
}

#[test]
fn templates_that_are_wrong() {
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as a\n{% if x %}\nfrom {{ ref('stg_items') }}\n")]), @r"
    error[jinja-syntax]: `{% if %}` is never closed
     --> models/gold/totals.sql:2:1
      |
    2 | {% if x %}
      | ^^^^^^^^^^ opened here
      |
      = hint: add `{% endif %}`
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select 1 as a\nfrom {{ ref('stg_items' }}\n")]), @r"
    error[jinja-syntax]: unexpected `}`, expected `,`
     --> models/gold/totals.sql:2:25
      |
    2 | from {{ ref('stg_items' }}
      |                         ^
    ");
    assert_snapshot!(alone(&[("models/gold/totals.sql", "{% set a = {} %}\nselect {{ a.b.c }} as a\n")]), @r"
    error[jinja-undefined]: `a.b` is undefined
     --> models/gold/totals.sql:2:11
      |
    2 | select {{ a.b.c }} as a
      |           ^^^
      |
      = hint: set it before, correct its spelling, or give a default with `| default(...)`
    ");
    assert_snapshot!(alone(&[("models/gold/totals.sql", "select {{ cents('price') }} as a\n")]), @r"
    error[jinja-undefined]: `cents` is undefined
     --> models/gold/totals.sql:1:11
      |
    1 | select {{ cents('price') }} as a
      |           ^^^^^
      |
      = hint: set it before, correct its spelling, or give a default with `| default(...)`
    ");
    assert_snapshot!(refused(&[
        ("macros/cents.sql", "{% macro cents(column) %}{{ column }} * 100{% endmacro %}"),
        ("models/gold/totals.sql", "select\n    {{ cent('price') }} as a,\n    {{ cents() }} as b,\n    {{ cents('a', scale=2) }} as c\n")
    ]), @r"
    error[jinja-error]: macro `cents` has no argument `scale`
     --> models/gold/totals.sql:4:8
      |
    4 |     {{ cents('a', scale=2) }} as c
      |        ^^^^^^^^^^^^^^^^^^^
    error[jinja-undefined]: `cent` is undefined
     --> models/gold/totals.sql:2:8
      |
    2 |     {{ cent('price') }} as a,
      |        ^^^^
      |
      = hint: did you mean `cents`?
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "select '{{ env_var('KARAT_NOWHERE') }}' as a\n")]), @r"
    error[missing-env-var]: the environment variable `KARAT_NOWHERE` is not set
     --> models/gold/totals.sql:1:12
      |
    1 | select '{{ env_var('KARAT_NOWHERE') }}' as a
      |            ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: set it, or give a default: `env_var('KARAT_NOWHERE', '...')`
    ");
    assert_snapshot!(alone(&[("models/gold/totals.sql", "select '{{ var('start') }}' as a\n")]), @r"
    error[missing-var]: the variable `start` is not set
     --> models/gold/totals.sql:1:12
      |
    1 | select '{{ var('start') }}' as a
      |            ^^^^^^^^^^^^
      |
      = hint: set it under `vars:` in the project file, with `--vars '{start: ...}'`, or give a default
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "{{ exceptions.raise_compiler_error('no such luck') }}\nselect 1 as a\n")]), @r"
    error[raised-by-macro]: no such luck
     --> models/gold/totals.sql:1:4
      |
    1 | {{ exceptions.raise_compiler_error('no such luck') }}
      |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused(&[("macros/broken.sql", "{% macro one() %}\n1\n{% endmacro %}\n{% macro two( %}\n{% endmacro %}\n")]), @r"
    error[jinja-syntax]: unexpected `%`, expected identifier
     --> macros/broken.sql:4:15
      |
    4 | {% macro two( %}
      |               ^
    ");
}

#[test]
fn graphs_that_are_none() {
    assert_snapshot!(refused(&[
        ("models/gold/a.sql", "select * from {{ ref('c') }}"),
        ("models/gold/b.sql", "select *\nfrom {{ ref('a') }}"),
        ("models/gold/c.sql", "select * from {{ ref('b') }}"),
        ("models/gold/own.sql", "select * from {{ ref('own') }}")
    ]), @r"
    error[cycle]: these nodes depend on each other in a circle: `a` -> `c` -> `b` -> `a`
     --> models/gold/a.sql:1:18
      |
    1 | select * from {{ ref('c') }}
      |                  ^^^^^^^^ `a` depends on `c`
      |
     ::: models/gold/c.sql:1:18
      |
    1 | select * from {{ ref('b') }}
      |                  -------- `c` depends on `b`
      |
     ::: models/gold/b.sql:2:9
      |
    2 | from {{ ref('a') }}
      |         -------- `b` depends on `a`
      |
      = hint: remove one of these references, for example by moving the shared part to a model of its own
    error[cycle]: `own` depends on itself
     --> models/gold/own.sql:1:18
      |
    1 | select * from {{ ref('own') }}
      |                  ^^^^^^^^^^ `own` depends on `own`
      |
      = hint: remove one of these references, for example by moving the shared part to a model of its own
    ");
    assert_snapshot!(refused(&[("models/silver/totals.sql", "select 1 as a")]), @r"
    error[duplicate-node]: there are two models `totals`
     --> models/silver/totals.sql:1:1
      |
    1 | select 1 as a
      | ^ again here
      |
     ::: models/gold/totals.sql:1:1
      |
    1 | select sum(price) as price
      | - first here
      |
      = note: they are in `models/gold/totals.sql` and `models/silver/totals.sql`
      = hint: rename one of the files; with `alias` the relation can keep its name
    ");
    assert_snapshot!(refused(&[("models/gold/sums.sql", "{{ config(alias='TOTALS') }}\nselect 1 as a")]), @r"
    error[duplicate-relation]: model `sums` and model `totals` are both stored as `gold.totals`
     --> models/gold/totals.sql:1:1
      |
    1 | select sum(price) as price
      | ^ this one
      |
     ::: models/gold/sums.sql:1:1
      |
    1 | {{ config(alias='TOTALS') }}
      | - and this one
      |
      = note: names that differ only in case are the same
      = hint: give one of them another `schema` or `alias`
    ");
    assert_snapshot!(refused(&[("seeds/stg_items.csv", "id\n1\n")]), @r"
    error[duplicate-node]: model `stg_items` and seed `stg_items` have the same name
     --> seeds/stg_items.csv:1:1
      |
    1 |
      | ^ again here
      |
     ::: models/silver/stg_items.sql:1:1
      |
    1 | select
      | - first here
      |
      = note: they are in `models/silver/stg_items.sql` and `seeds/stg_items.csv`
      = hint: rename one of the files; with `alias` the relation can keep its name
    ");
}
