//! Contracts and constraints through the real binary: what a table promises, and what breaks it.

use insta::assert_snapshot;
use serde_json::Value as Json;

use crate::support::Project;

const PROJECT: &str = "name: p\nversion: '1.0'\nconfig-version: 2\nmodels: {+materialized: table}\n";

/// A model of lines with a constraint of each kind.
const LINES: &str = "models:
  - name: lines
    config: {contract: {enforced: true}}
    constraints:
      - {type: primary_key, columns: [order_id, line]}
      - {type: foreign_key, columns: [product_id], to: ref('products'), to_columns: [id], name: sold}
      - {type: check, expression: amount < 100 or code = 'big', name: not_too_big}
    columns:
      - {name: order_id, data_type: bigint}
      - {name: line, data_type: bigint}
      - name: product_id
        data_type: bigint
      - name: code
        data_type: varchar
        constraints: [{type: unique}]
      - name: amount
        data_type: double
        constraints: [{type: not_null}, {type: check, expression: amount >= 0}]
";

/// The model over rows of `order_id, line, product_id, code, amount`.
fn lines(rows: &str) -> String {
    format!(
        "select amount::double as amount, order_id::bigint as order_id, line::bigint as line, product_id::bigint as \
         product_id, code::varchar as code from (values {rows}) as v(order_id, line, product_id, code, amount)"
    )
}

const GOOD: &str = "(1, 1, 7, 'a', 1), (1, 2, 8, null, 2), (2, 1, null, null, 0), (3, 1, 7, 'big', 500)";

fn project(rows: &str, properties: &str) -> Project {
    Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/products.sql", "select * from (values (7), (8)) as v(id)"),
        ("models/lines.sql", &lines(rows)),
        ("models/s.yml", properties),
    ])
}

#[test]
fn constraints_that_are_kept_make_the_table() {
    let project = project(GOOD, LINES);
    let run = project.ok(&["build"]);
    assert_snapshot!(project.complaints(&run), @"");
    // The columns are in the order of the contract, as under dbt.
    assert_eq!(project.rows("select * from main.lines order by 1, 2 limit 1"), ["1|1|7|a|1.0"]);
    let log = project.read("warehouse/main/lines/_delta_log/00000000000000000000.json");
    let metadata: Json = log
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap())
        .find(|line| line.get("metaData").is_some())
        .unwrap();
    let schema: Json = serde_json::from_str(metadata["metaData"]["schemaString"].as_str().unwrap()).unwrap();
    let nullable: Vec<String> = schema["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| format!("{}:{}", field["name"].as_str().unwrap(), field["nullable"]))
        .collect();
    assert_eq!(nullable.join(" "), "order_id:false line:false product_id:true code:true amount:false");
    // It can be read, and built again.
    project.ok(&["build"]);
    assert_eq!(project.rows("select count(*) from main.lines where amount is not null"), ["4"]);
    let manifest: Json = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    let model = &manifest["nodes"]["model.p.lines"];
    assert_eq!(model["primary_key"], serde_json::json!(["line", "order_id"]));
    assert_eq!(model["depends_on"]["nodes"], serde_json::json!(["model.p.products"]));
    // What dbt 1.12 computes for the same contract.
    assert_eq!(model["contract"]["checksum"], "acb900d3ac2e2932eb898ac8f6cab4abd8de93387ca950c5f329bbb213ddfa18");
}

#[test]
fn constraints_may_say_the_same_twice() {
    let twice = "models:
  - name: products
    config: {contract: {enforced: true}}
    columns: [{name: id, data_type: bigint, constraints: [{type: not_null}, {type: primary_key}]}]
";
    let project = project(GOOD, twice);
    project.ok(&["build"]);
    project.write("models/products.sql", "select 1 as id union all select null");
    let run = project.run(&["build"]).expect_code(1);
    run.expect_message(&[
        "`not_null` on `id` of `main.products`: 1 row",
        "`primary_key` on `id` of `main.products`: 1 row",
    ]);
}

#[test]
fn constraints_that_are_broken_hold_the_table_back() {
    let project = project(GOOD, LINES);
    project.ok(&["build"]);
    let before = project.files();
    project.write(
        "models/lines.sql",
        &lines(
            "(1, 1, 7, 'a', 1), (1, 1, 9, 'a', 2), (null, 1, 9, 'b', null), (3, 1, 5, 'c', 500), (4, 1, 7, 'd', -1)",
        ),
    );
    let run = project.run(&["run"]).expect_code(1);
    assert_snapshot!(project.complaints(&run), @r"
    error[constraint-failed]: constraint failed: `unique` on `code` of `main.lines`: 1 key
      --> models/s.yml:15:30
       |
    15 |         constraints: [{type: unique}]
       |                              ^^^^^^
       |
       = note: code = a: 2 rows
       = hint: nothing of it is published; mend the query or its input, or loosen the constraint
    error[constraint-failed]: constraint failed: `not_null` on `amount` of `main.lines`: 1 row
      --> models/s.yml:18:30
       |
    18 |         constraints: [{type: not_null}, {type: check, expression: amount >= 0}]
       |                              ^^^^^^^^
       |
       = note: order_id = null, line = 1, product_id = 9, code = b, amount = null
       = hint: nothing of it is published; mend the query or its input, or loosen the constraint
    error[constraint-failed]: constraint failed: `check` `amount >= 0` of `main.lines`: 1 row
      --> models/s.yml:18:48
       |
    18 |         constraints: [{type: not_null}, {type: check, expression: amount >= 0}]
       |                                                ^^^^^
       |
       = note: order_id = 4, line = 1, product_id = 7, code = d, amount = -1.0
       = hint: nothing of it is published; mend the query or its input, or loosen the constraint
    error[constraint-failed]: constraint failed: `primary_key` on `order_id`, `line` of `main.lines`: 1 row
     --> models/s.yml:5:16
      |
    5 |       - {type: primary_key, columns: [order_id, line]}
      |                ^^^^^^^^^^^
      |
      = note: order_id = null, line = 1, product_id = 9, code = b, amount = null
      = hint: nothing of it is published; mend the query or its input, or loosen the constraint
    error[constraint-failed]: constraint failed: `primary_key` on `order_id`, `line` of `main.lines`: 1 key
     --> models/s.yml:5:16
      |
    5 |       - {type: primary_key, columns: [order_id, line]}
      |                ^^^^^^^^^^^
      |
      = note: order_id = 1, line = 1: 2 rows
      = hint: nothing of it is published; mend the query or its input, or loosen the constraint
    error[constraint-failed]: constraint failed: `foreign_key` (sold) on `product_id` of `main.lines`: 2 keys
     --> models/s.yml:6:16
      |
    6 |       - {type: foreign_key, columns: [product_id], to: ref('products'), to_columns: [id], name: sold}
      |                ^^^^^^^^^^^
      |
      = note: product_id = 5
      = note: product_id = 9
      = hint: nothing of it is published; mend the query or its input, or loosen the constraint
    error[constraint-failed]: constraint failed: `check` (not_too_big) `amount < 100 or code = 'big'` of `main.lines`: 1 row
     --> models/s.yml:7:16
      |
    7 |       - {type: check, expression: amount < 100 or code = 'big', name: not_too_big}
      |                ^^^^^
      |
      = note: order_id = 3, line = 1, product_id = 5, code = c, amount = 500.0
      = hint: nothing of it is published; mend the query or its input, or loosen the constraint
       Published dev@2 (1 relation changed)
    ");
    let others = |files: &std::collections::BTreeMap<String, String>| {
        files.keys().filter(|path| path.contains("/lines/")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(others(&project.files()), others(&before));
    assert_eq!(project.rows("select count(*) from main.lines"), ["4"]);
    let message = project.run_results()["results"][1]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Database Error in model lines (models/lines.sql)\n  constraint failed"), "{message}");
    // Without the contract nothing of it counts.
    project.write("models/s.yml", &LINES.replace("enforced: true", "enforced: false"));
    project.ok(&["run"]);
    assert_eq!(project.rows("select count(*) from main.lines"), ["5"]);
}

#[test]
fn constraints_of_an_incremental_model_hold_for_the_whole_table() {
    let config = "{{ config(materialized='incremental', on_schema_change='fail') }} ";
    let project = project(GOOD, LINES);
    project.write("models/lines.sql", &format!("{config}{}", lines(GOOD)));
    project.ok(&["build"]);
    project.write("models/lines.sql", &format!("{config}{}", lines("(9, 1, 8, 'new', 3)")));
    project.ok(&["build"]);
    assert_eq!(project.rows("select count(*) from main.lines"), ["5"]);
    // The key is new in the batch, but not in the table.
    let run = project.run(&["build"]).expect_code(1);
    assert_snapshot!(project.complaints(&run), @r"
    error[constraint-failed]: constraint failed: `unique` on `code` of `main.lines`: 1 key
      --> models/s.yml:15:30
       |
    15 |         constraints: [{type: unique}]
       |                              ^^^^^^
       |
       = note: code = new: 2 rows
       = hint: nothing of it is published; mend the query or its input, or loosen the constraint
    error[constraint-failed]: constraint failed: `primary_key` on `order_id`, `line` of `main.lines`: 1 key
     --> models/s.yml:5:16
      |
    5 |       - {type: primary_key, columns: [order_id, line]}
      |                ^^^^^^^^^^^
      |
      = note: order_id = 9, line = 1: 2 rows
      = hint: nothing of it is published; mend the query or its input, or loosen the constraint
       Published dev@3 (1 relation changed)
    ");
    assert_eq!(project.rows("select count(*) from main.lines"), ["5"]);
    project.write("models/lines.sql", &format!("{config}{}", lines("(10, 1, 8, 'newer', null)")));
    let run = project.run(&["build"]).expect_code(1);
    run.expect_message(&["`not_null` on `amount` of `main.lines`: 1 row"]);
}

#[test]
fn contracts_are_compared_before_anything_runs() {
    let properties = LINES.replace("code\n        data_type: varchar", "code\n        data_type: bigint").replace(
        "      - {name: line, data_type: bigint}\n",
        "      - {name: line, data_type: bigint}\n      - {name: colour, data_type: varchar}\n",
    );
    let project = project(GOOD, &properties);
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[contract]: the columns of `main.lines` do not meet its contract
     --> models/lines.sql:1:1
      |
    1 | select amount::double as amount, order_id::bigint as order_id, line::bigint as line, product_id::bigint as product_id, code::varchar ...
      | ^
      |
      = note: | column_name | definition_type | contract_type | mismatch_reason       |
              | ----------- | --------------- | ------------- | --------------------- |
              | code        | varchar         | bigint        | data type mismatch    |
              | colour      |                 | varchar       | missing in definition |
      = hint: change the query or the declared columns until names and types are the same
    ");
    // A view keeps its own order, and has no constraints.
    let project = self::project(GOOD, &LINES.replace("contract:", "materialized: view, contract:"));
    let run = project.ok(&["build"]);
    assert_snapshot!(project.complaints(&run), @r"
    warning[constraint-not-enforced]: the constraints of model `lines` are not enforced, because it is a view
      --> models/s.yml:15:30
       |
    15 |         constraints: [{type: unique}]
       |                              ^^^^^^
       |
       = hint: make it a table, or test it
           Built main.products                        table         2 rows <duration>
           Built main.lines                           view <duration>
       Published dev@1 (2 relations changed)
        Finished build in <duration>: 2 models
    ");
}

#[test]
fn constraints_that_are_wrong() {
    let properties = "models:
  - name: lines
    config: {contract: {enforced: true}}
    constraints:
      - {type: check, expression: amount > nothing}
      - {type: unique, columns: [ordr_id]}
      - {type: foreign_key, columns: [product_id], to: ref('products'), to_columns: [key]}
      - {type: foreign_key, columns: [product_id], to: products, to_columns: [id]}
      - {type: foreign_key, columns: [product_id], expression: products (id)}
      - {type: custom, expression: tagged}
      - {type: check}
      - {type: positive}
    columns:
      - {name: order_id, data_type: bigint, constraints: [{type: primary_key}]}
      - {name: line, data_type: bigint, constraints: [{type: primary_key}]}
      - {name: product_id, data_type: bigint}
      - {name: code, data_type: varchar}
      - {name: amount, data_type: double}
";
    let project = project(GOOD, properties);
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[bad-value]: `type` can't be `positive`
      --> models/s.yml:12:16
       |
    12 |       - {type: positive}
       |                ^^^^^^^^
       |
       = note: it can be `check`, `not_null`, `unique`, `primary_key`, `foreign_key`, `custom`
    error[bad-constraint]: a foreign key leads to `products`, which is neither a `ref` nor a `source`
     --> models/s.yml:8:16
      |
    8 |       - {type: foreign_key, columns: [product_id], to: products, to_columns: [id]}
      |                ^^^^^^^^^^^
      |
      = hint: write `to: ref('model')` or `to: source('source', 'table')`
    error[bad-constraint]: model `lines` has two columns that are its primary key
      --> models/s.yml:15:62
       |
    15 |       - {name: line, data_type: bigint, constraints: [{type: primary_key}]}
       |                                                              ^^^^^^^^^^^
       |
       = hint: say a primary key of several columns on the model: `constraints: [{type: primary_key, columns: [...]}]`
    error[bad-constraint]: the constraint `unique` of model `lines` names `ordr_id`, which is none of its columns
     --> models/s.yml:6:16
      |
    6 |       - {type: unique, columns: [ordr_id]}
      |                ^^^^^^
      |
      = hint: did you mean `order_id`?
    error[bad-constraint]: the constraint `check` of model `lines` has no `expression`
      --> models/s.yml:11:16
       |
    11 |       - {type: check}
       |                ^^^^^
    ");
    let few = "models:
  - name: lines
    config: {contract: {enforced: true}}
    constraints:
      - {type: check, expression: amount > nothing}
      - {type: foreign_key, columns: [product_id], to: ref('products'), to_columns: [key]}
      - {type: foreign_key, columns: [product_id], expression: products (id)}
      - {type: custom, expression: tagged}
    columns:
      - {name: order_id, data_type: bigint}
      - {name: line, data_type: bigint}
      - {name: product_id, data_type: bigint}
      - {name: code, data_type: varchar}
      - {name: amount, data_type: double}
";
    project.write("models/s.yml", few);
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    warning[constraint-not-enforced]: the constraint `foreign_key` of model `lines` is not enforced
     --> models/s.yml:7:16
      |
    7 |       - {type: foreign_key, columns: [product_id], expression: products (id)}
      |                ^^^^^^^^^^^
      |
      = hint: name a relation that is stored: `to: ref('model')` with `to_columns`
    warning[constraint-not-enforced]: the constraint `custom` of model `lines` is not enforced
     --> models/s.yml:8:16
      |
    8 |       - {type: custom, expression: tagged}
      |                ^^^^^^
      |
      = hint: `custom` is text for the tables of other databases
    error[unknown-column]: the constraint `check` `amount > nothing` of model `lines`: column `nothing` does not exist
     --> models/s.yml:5:16
      |
    5 |       - {type: check, expression: amount > nothing}
      |                ^^^^^
      |
      = hint: columns here: `order_id`, `line`, `product_id`, `code`, `amount`
    error[unknown-column]: the constraint `foreign_key` on `product_id` of model `lines`: column `key` does not exist
     --> models/s.yml:6:16
      |
    6 |       - {type: foreign_key, columns: [product_id], to: ref('products'), to_columns: [key]}
      |                ^^^^^^^^^^^
      |
      = hint: columns here: `id`
    ");
    project.write("models/s.yml", "models: [{name: lines, config: {contract: {enforced: true}}}]\n");
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[contract]: model `lines` has an enforced contract, but no columns
     --> models/lines.sql:1:1
      |
    1 | select amount::double as amount, order_id::bigint as order_id, line::bigint as line, product_id::bigint as product_id, code::varchar ...
      | ^
      |
      = hint: list its `columns` with their `data_type` in a properties file
    ");
}

/// An integer of any size keeps the promise of an integer, and is stored as it was promised.
#[test]
fn contracts_take_integers_of_any_size() {
    let properties = "models:
  - name: m
    config: {contract: {enforced: true}}
    columns: [{name: id, data_type: integer}, {name: small, data_type: smallint}, {name: large, data_type: bigint}]
";
    let project = Project::new(&[
        ("dbt_project.yml", PROJECT),
        ("models/m.sql", "select 1 as id, length('abc') as small, 4::int as large"),
        ("models/s.yml", properties),
    ]);
    project.ok(&["build"]);
    assert_eq!(
        project.rows("select arrow_typeof(id), arrow_typeof(small), arrow_typeof(large), id, small, large from main.m"),
        ["Int32|Int16|Int64|1|3|4"]
    );
    project.write("models/m.sql", "select 3000000000 + length('') as id, 1 as small, 1 as large");
    let run = project.run(&["run"]).expect_code(1);
    run.expect_message(&["can't cast value 3000000000 to type integer", "models/m.sql:1:1"]);
}

#[test]
fn constraints_of_an_incremental_table_need_columns_that_stay() {
    let properties = "models:
  - name: lines
    config: {materialized: incremental, contract: {enforced: true}POLICY}
    columns: [{name: id, data_type: bigint}]
";
    let project = Project::new(&[("models/lines.sql", "select cast(1 as bigint) as id")]);
    for policy in ["", ", on_schema_change: sync_all_columns"] {
        project.write("models/s.yml", &properties.replace("POLICY", policy));
        let run = project.run(&["parse"]).expect_code(2);
        run.expect_message(&["error[contract]: model `lines` is incremental", "`append_new_columns` or `fail`"]);
    }
    for policy in [", on_schema_change: append_new_columns", ", on_schema_change: fail"] {
        project.write("models/s.yml", &properties.replace("POLICY", policy));
        project.ok(&["run"]);
    }
}

#[test]
fn constraints_name_columns_in_quotes_and_ask_no_query() {
    let properties = "models:
  - name: lines
    config: {materialized: table, contract: {enforced: true}}
    constraints: [{type: unique, columns: ['\"from\"', ID]}, {type: check, expression: CHECK}]
    columns: [{name: from, data_type: bigint, quote: true}, {name: id, data_type: bigint}]
";
    let project = Project::new(&[(
        "models/lines.sql",
        "select cast(1 as bigint) as \"from\", cast({{ var('id', 1) }} as bigint) as id union all select 1, 2",
    )]);
    project.write("models/s.yml", &properties.replace("CHECK", "id > 0"));
    project.ok(&["run"]);
    let run = project.run(&["run", "--vars", "{id: 2}"]).expect_code(1);
    run.expect_message(&["error[constraint-failed]"]);
    project.write("models/s.yml", &properties.replace("CHECK", "id > 0").replace("\"from", "\"From"));
    project.run(&["parse"]).expect_code(2).expect_message(&["names `\"From\"`, which is none of its columns"]);
    for check in ["id in (select 2)", "id < (select count(*) from range(9) as t(i) where i > id)"] {
        project.write("models/s.yml", &properties.replace("CHECK", check));
        let run = project.run(&["run"]).expect_code(2);
        run.expect_message(&["error[bad-constraint]", "a check cannot ask another query", "models/s.yml:4:"]);
    }
}
