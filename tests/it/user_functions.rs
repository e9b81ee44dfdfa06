//! Functions of the project through the real binary: calls, forms, names, order, artifacts, selection, mistakes.

use insta::assert_snapshot;

use crate::support::Project;

const PROJECT: &str = "name: p\nversion: '1.0'\nconfig-version: 2\n";

const PROPERTIES: &str = "functions:
  - name: price_for_xlarge
    description: Twice the price
    arguments:
      - {name: price, data_type: double, description: The standard price}
    returns: {data_type: double, description: The larger one}
    overloads:
      - defined_in: price_of_several
        arguments: [{name: price, data_type: double}, {name: quantity, data_type: int}]
  - name: rounded
    config: {tags: [money], schema: tools, alias: rounded_third}
    arguments: [{name: x, data_type: double}, {name: digits, data_type: int, default_value: 1}]
    returns: {data_type: double}
  - name: best
    arguments: [{name: k, data_type: int}]
    returns: {data_type: int}
  - name: sum_squared
    config: {type: aggregate, volatility: deterministic}
    arguments: [{name: value, data_type: double}]
    returns: {data_type: double}
  - name: is_large
    arguments: [{name: size, data_type: text}]
    returns: {data_type: boolean}
";

fn project() -> Project {
    Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("functions/price_for_xlarge.sql", "SELECT price * 2"),
        ("functions/price_of_several.sql", "price * quantity"),
        (
            "functions/money/rounded.sql",
            "round({{ function('price_for_xlarge') }}(x) / {{ var('divisor', 3) }}, digits)",
        ),
        ("functions/best.sql", "select max(v) from {{ ref('base') }} where g = k"),
        ("functions/sum_squared.sql", "power(sum(value), 2)"),
        ("functions/is_large.sql", "select size in ('L', 'XL') -- not XXL\n;"),
        ("functions/all.yml", PROPERTIES),
        ("models/base.sql", "select * from (values (1, 1), (1, 5), (2, 3)) as t(g, v)"),
        (
            "models/priced.sql",
            "select g, v, {{ function('price_for_xlarge') }}(v), {{ function('p', 'price_for_xlarge') }}(v, 3) as p, \
             {{ function('rounded') }}(v) as r from {{ ref('base') }} order by v",
        ),
        (
            "models/named.sql",
            "{{ config(materialized='table') }}\nselect b.g, b.v, {{ function('best') }}(b.g) as best, \
             {{ function('rounded') }}(x => b.v, digits => 2) as r from {{ ref('base') }} b \
             where {{ function('best') }}(b.g) > 3 order by b.v",
        ),
        (
            "models/squares.sql",
            "select g, {{ function('sum_squared') }}(v) as q from {{ ref('base') }} group by g order by g",
        ),
        (
            "models/large.sql",
            "select size, {{ function('is_large') }}(size) as l from (values ('S'), ('XL'), (null)) as t(size)",
        ),
    ])
}

#[test]
fn user_functions_are_called_by_models() {
    let project = project();
    let run = project.ok(&["build"]);
    run.expect_message(&["Built price_for_xlarge", "5 models, 5 functions"]);
    assert_snapshot!(project.text("select * from main.priced order by v"), @r"
    1|1|2.0|3.0|0.7
    2|3|6.0|9.0|2.0
    1|5|10.0|15.0|3.3
    ");
    assert_snapshot!(project.text("select * from main.named order by v"), @r"
    1|1|5|0.67
    1|5|5|3.33
    ");
    assert_snapshot!(project.text("select * from main.squares order by g"), @r"
    1|36.0
    2|9.0
    ");
    assert_snapshot!(project.text("select * from main.large order by size"), @r"
    S|false
    XL|true
    null|null
    ");
    assert_snapshot!(project.text("select {{ function('price_for_xlarge') }}(100) as x, main_tools.rounded_third(1) as y"), @"200.0|0.7");
}

/// What is built keeps its meaning until it is built again.
#[test]
fn user_functions_change_a_view_only_when_it_is_built() {
    let project = project();
    project.ok(&["build"]);
    project.write("functions/is_large.sql", "false");
    assert_snapshot!(project.text("select count(*) filter (where l) as n from main.large"), @"1");
    project.ok(&["run", "--select", "large"]);
    assert_snapshot!(project.text("select count(*) filter (where l) as n from main.large"), @"0");
}

#[test]
fn user_functions_are_nodes() {
    let project = project();
    let list = |arguments: &[&str]| project.ok(&[&["ls", "--quiet"], arguments].concat()).stdout;
    assert_snapshot!(list(&[]), @r"
    p.base
    p.best
    p.is_large
    p.large
    p.money.rounded
    p.named
    p.price_for_xlarge
    p.priced
    p.squares
    p.sum_squared
    ");
    assert_snapshot!(list(&["--resource-type", "function"]), @r"
    p.best
    p.is_large
    p.money.rounded
    p.price_for_xlarge
    p.sum_squared
    ");
    assert_snapshot!(list(&["--select", "price_for_xlarge+"]), @r"
    p.money.rounded
    p.named
    p.price_for_xlarge
    p.priced
    ");
    assert_snapshot!(list(&["--select", "tag:money", "--output", "path"]), @"functions/money/rounded.sql");
    assert_snapshot!(list(&["--select", "+named", "--exclude", "resource_type:model"]), @r"
    p.best
    p.money.rounded
    p.price_for_xlarge
    ");
    project.ok(&["build", "--select", "+named"]).expect_message(&["2 models, 3 functions"]);
    project.ok(&["run"]).expect_message(&["Finished run in", "5 models"]);
    let manifest = serde_json::from_str::<serde_json::Value>(&project.read("target/manifest.json")).unwrap();
    let function = &manifest["functions"]["function.p.price_for_xlarge"];
    assert_snapshot!(function["arguments"].to_string(), @r#"
    [{"name":"price","data_type":"double","description":"The standard price","default_value":null}]
    "#);
    assert_snapshot!(function["returns"].to_string(), @r#"
    {"data_type":"double","description":"The larger one"}
    "#);
    assert_snapshot!(function["overloads"].to_string(), @r#"
    [{"defined_in":"price_of_several","arguments":[{"name":"price","data_type":"double","description":null,"default_value":null},{"name":"quantity","data_type":"int","description":null,"default_value":null}],"returns":null,"description":null,"raw_body":"price * quantity","compiled_body":null}]
    "#);
    assert_snapshot!(function["relation_name"].to_string(), @r#"
    "\"p\".\"main\".\"price_for_xlarge\""
    "#);
    assert_snapshot!(manifest["functions"]["function.p.rounded"]["depends_on"]["nodes"].to_string(), @r#"
    ["function.p.price_for_xlarge"]
    "#);
    assert_snapshot!(manifest["functions"]["function.p.rounded"]["fqn"].to_string(), @r#"
    ["p","money","rounded"]
    "#);
    assert_snapshot!(manifest["functions"]["function.p.sum_squared"]["config"]["volatility"].to_string(), @r#"
    "deterministic"
    "#);
    assert_snapshot!(manifest["nodes"]["model.p.named"]["functions"].to_string(), @r#"
    [["best"],["rounded"]]
    "#);
    assert_snapshot!(manifest["child_map"]["function.p.price_for_xlarge"].to_string(), @r#"
    ["function.p.rounded","model.p.priced"]
    "#);
}

/// A function whose text or signature changed is modified, and so is nothing else.
#[test]
fn user_functions_are_compared_with_a_state() {
    let project = project();
    project.ok(&["parse"]);
    project.write("state/manifest.json", &project.read("target/manifest.json"));
    let modified = || project.ok(&["ls", "--quiet", "--select", "state:modified", "--state", "state"]).stdout;
    assert_snapshot!(modified(), @"");
    project.write("functions/sum_squared.sql", "power(sum(value), 3)");
    project.write("functions/all.yml", &PROPERTIES.replace("name: k, data_type: int", "name: k, data_type: bigint"));
    assert_eq!(modified(), "p.best\np.sum_squared\n");
}

/// A broken function is told when it is built, and where it is called; what does not call it runs.
#[test]
fn user_functions_that_are_broken_are_told() {
    let project = project();
    project.write("functions/price_for_xlarge.sql", "SELECT pricee * 2");
    project.write("functions/sum_squared.sql", "sum(value");
    let run = project.run(&["build"]).expect_code(2);
    run.expect_message(&[
        "error[unknown-column]: column `pricee` does not exist",
        "functions/price_for_xlarge.sql:1:8",
        "did you mean `price`?",
        "error[sql-syntax]",
        "functions/sum_squared.sql:1:",
    ]);
    let run = project.run(&["run"]).expect_code(2);
    run.expect_message(&["the function `main.sum_squared` can't be called", "models/squares.sql:1:"]);
    project.ok(&["run", "--select", "base", "large"]);
}

#[test]
fn user_functions_called_wrongly_are_told_where() {
    let project = project();
    project.write("models/wrong.sql", "select {{ function('price_for_xlarge') }}(1, 2, 3) as a");
    project.write("models/over.sql", "select {{ function('rounded') }}(1) over () as b");
    project.write("models/caught.sql", "select {{ function('best') }}(g) as c from {{ ref('base') }}");
    project.write("models/named_wrong.sql", "select {{ function('rounded') }}(y => 1) as d");
    let run = project.run(&["run"]).expect_code(2);
    run.expect_message(&[
        "the function `main.price_for_xlarge` takes 1 or 2 arguments, 3 were given",
        "models/wrong.sql:1:11",
        "a call of the function `main_tools.rounded_third` can't have `over (...)`",
        "`g` could mean a column of what the function `main.best` reads",
        "the function `main_tools.rounded_third` has no argument `y`",
    ]);
    project.write("models/wrong.sql", "select {{ function('price_for_large') }}(1) as a");
    project
        .run(&["parse"])
        .expect_code(2)
        .expect_message(&["there is no function `price_for_large`", "did you mean `price_for_xlarge`?"]);
}

#[test]
fn user_functions_must_be_described() {
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("functions/f.sql", "1"),
        ("functions/g.sql", "1"),
        ("functions/g2.sql", "1"),
        ("functions/h.sql", "a"),
        (
            "functions/f.yml",
            "functions:\n  - name: g\n    returns: {data_type: int}\n    overloads: [{defined_in: g2}, {defined_in: g3}]\n  \
             - name: h\n    config: {type: table}\n    arguments: [{name: a, data_type: int, default_value: 1}, {name: b}, {name: a, data_type: int}]\n    \
             returns: {data_type: int}\n",
        ),
    ]);
    let run = project.run(&["parse"]).expect_code(2);
    run.expect_message(&[
        "nothing says what the function `f` returns",
        "two forms of the function `g` take the same number of arguments",
        "there is no file `g3.sql`",
        "`type` of function `h`",
        "`data_type`",
        "the function `h` has the argument `a` twice",
    ]);
}
