//! Mistakes in YAML, configuration, data files and on the command line, and what the user is told; those in SQL and
//! templates are in `errors`.

use insta::assert_snapshot;

use crate::errors::{alone, refused, refused_with, shop};

#[test]
fn yaml_that_is_wrong() {
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n   description: x\n")]), @r"
    error[bad-yaml]: this is not YAML: while parsing a block collection, did not find expected '-' indicator
     --> models/models.yml:3:4
      |
    3 |    description: x
      |    ^
      |
      = hint: look at this line and the one above: the indentation, a blank behind `:`, quotes and brackets
    ");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n    description: x\n    description: y\n")]), @r"
    error[duplicate-yaml-key]: the key `description` occurs twice in one mapping
     --> models/models.yml:4:5
      |
    3 |     description: x
      |     ----------- first here
    4 |     description: y
      |     ^^^^^^^^^^^ again here
      |
      = hint: remove one of the two, or join their values
    ");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n    descripton: x\n")]), @r"
    error[unknown-key]: model `totals` has no key `descripton`
     --> models/models.yml:3:5
      |
    3 |     descripton: x
      |     ^^^^^^^^^^
      |
      = hint: did you mean `description`?
    ");
    assert_snapshot!(refused(&[("models/models.yml", "modles:\n  - name: totals\n")]), @r"
    error[unknown-key]: the properties file `models/models.yml` has no key `modles`
     --> models/models.yml:1:1
      |
    1 | modles:
      | ^^^^^^
      |
      = hint: did you mean `models`?
    ");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - description: x\n")]), @r"
    error[missing-key]: this model has no `name`
     --> models/models.yml:2:5
      |
    2 |   - description: x
      |     ^
    ");
    assert_snapshot!(refused(&[("models/models.yml", "models: totals\n")]), @r"
    error[wrong-type]: `models` of the properties file `models/models.yml` must be a list, but is a text
     --> models/models.yml:1:9
      |
    1 | models: totals
      |         ^^^^^^
    ");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n  - name: totals\n")]), @r"
    error[duplicate-properties]: model `totals` is described twice
     --> models/models.yml:3:11
      |
    2 |   - name: totals
      |           ------ first here
    3 |   - name: totals
      |           ^^^^^^ again here
    ");
    assert_snapshot!(alone(&[(
        "models/models.yml",
        "models:\n  - name: totals\n    columns:\n      - name: price\n        data_tests:\n          - no_negative\n          - frobs: {a: 1}\n"
    )]), @r"
    error[unknown-test]: there is no generic test `frobs`
     --> models/models.yml:7:13
      |
    7 |           - frobs: {a: 1}
      |             ^^^^^
      |
      = hint: define it: `{% test frobs(model, column_name) %}`, a query of failing rows
    error[unknown-test]: there is no generic test `no_negative`
     --> models/models.yml:6:13
      |
    6 |           - no_negative
      |             ^^^^^^^^^^^
      |
      = hint: did you mean `no_negatives`?
    ");
    assert_snapshot!(refused(&[("models/models.yml", "models:\n  - name: totals\n    description: \"{{ doc('nowhere') }}\"\n")]), @r#"
    error[unknown-doc]: there is no docs block `nowhere`
     --> models/models.yml:3:18
      |
    3 |     description: "{{ doc('nowhere') }}"
      |                  ^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: docs blocks are in `.md` files: `{% docs name %}…{% enddocs %}`
    "#);
    assert_snapshot!(refused(&[("project.yml", "name: shop\nmodel-path: [models]\n")]), @r"
    error[unknown-key]: the project file `project.yml` has no key `model-path`
     --> project.yml:2:1
      |
    2 | model-path: [models]
      | ^^^^^^^^^^
      |
      = hint: did you mean `model-paths`?
    ");
    assert_snapshot!(refused(&[("project.yml", "version: 1\n")]), @r"
    error[missing-key]: the project file `project.yml` has no `name`
     --> project.yml:1:1
      |
    1 | version: 1
      | ^
    ");
    assert_snapshot!(refused(&[("project.yml", "name: my-shop\nmodel-paths: [../models]\n")]), @r"
    error[bad-name]: the project's name `my-shop` is not a plain name
     --> project.yml:1:7
      |
    1 | name: my-shop
      |       ^^^^^^^
      |
      = hint: use letters, digits and `_`, not beginning with a digit
    ");
}

#[test]
fn configurations_that_are_wrong() {
    assert_snapshot!(alone(&[("models/gold/totals.sql", "{{ config(materialized='tabel') }}\nselect 1 as a\n")]), @r"
    error[bad-value]: `materialized` can't be `tabel`
     --> models/gold/totals.sql:1:11
      |
    1 | {{ config(materialized='tabel') }}
      |           ^^^^^^^^^^^^
      |
      = note: it can be `view`, `table`, `incremental`, `ephemeral`
      = hint: did you mean `table`?
    ");
    // As under dbt, which goes on with the default.
    let project = shop(&[(
        "models/gold/totals.sql",
        "{{ config(materialized='incremental', incremental_strategy='merge', on_schema_change='explode') }}\nselect 1 as a\n",
    )]);
    let run = project.ok(&["ls"]);
    assert_snapshot!(project.complaints(&run), @r"
    warning[bad-value]: `on_schema_change` can't be `explode`
     --> models/gold/totals.sql:1:69
      |
    1 | {{ config(materialized='incremental', incremental_strategy='merge', on_schema_change='explode') }}
      |                                                                     ^^^^^^^^^^^^^^^^
      |
      = note: it can be `ignore`, `fail`, `append_new_columns`, `sync_all_columns`
    warning[missing-config]: model `totals` has no `unique_key`, so its `incremental_strategy` adds all rows
     --> models/gold/totals.sql:1:39
      |
    1 | {{ config(materialized='incremental', incremental_strategy='merge', on_schema_change='explode') }}
      |                                       ^^^^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused(&[("models/gold/totals.sql", "{{ config(enabled='maybe', tags={'a': 1}) }}\nselect 1 as a\n")]), @r"
    error[wrong-type]: `enabled` of model `totals` must be true or false, but is `maybe`
     --> models/gold/totals.sql:1:11
      |
    1 | {{ config(enabled='maybe', tags={'a': 1}) }}
      |           ^^^^^^^
    error[wrong-type]: `tags` of model `totals` must be a text or a list of texts, but is a list
     --> models/gold/totals.sql:1:28
      |
    1 | {{ config(enabled='maybe', tags={'a': 1}) }}
      |                            ^^^^
    ");
    // A key of a package that karat does not know may be anything; one that is nearly a key of ours is pointed out.
    let project =
        shop(&[("models/gold/totals.sql", "{{ config(materialised='view', my_team='x') }}\nselect 1 as a\n")]);
    let run = project.ok(&["ls"]);
    assert_snapshot!(project.complaints(&run), @r"
    warning[unknown-config]: `materialised` of model `totals` is not a configuration that karat knows
     --> models/gold/totals.sql:1:11
      |
    1 | {{ config(materialised='view', my_team='x') }}
      |           ^^^^^^^^^^^^
      |
      = hint: did you mean `materialized`?
    ");
    project.run(&["parse", "--warn-error"]).expect_code(2);
    let project = shop(&[(
        "project.yml",
        "name: shop\nmodels:\n  shop:\n    materialized: view\n    golden:\n      +materialized: view\n",
    )]);
    let run = project.ok(&["ls"]);
    assert_snapshot!(project.complaints(&run), @r"
    warning[unused-config]: the configuration of `models: shop.golden` holds for nothing
     --> project.yml:5:5
      |
    5 |     golden:
      |     ^^^^^^
      |
      = note: there is no package, folder or node of this name
    ");
}

#[test]
fn files_that_cannot_be_read_as_declared() {
    let told = |changes: &[(&str, &str)]| {
        let project = shop(changes);
        let run = project.run(&["build"]);
        assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
        format!("exit code {}\n{}", run.code.unwrap(), project.complaints(&run))
    };
    assert_snapshot!(told(&[("landing/items.csv", "id,name,price\n1,a,1.00\n2,b\n")]), @r"
    exit code 2
    error[source-ragged-row]: landing/items.csv:3: found 2 fields, expected 3
     --> landing/items.csv:3:1
      |
    3 | 2,b
      | ^^^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: check the delimiter and the quotes of this record
    ");
    assert_snapshot!(told(&[("landing/items.csv", "id,name,price\n1,a,1.00\n2,b,2.00,more\n")]), @r"
    exit code 2
    error[source-ragged-row]: landing/items.csv:3: found 4 fields, expected 3
     --> landing/items.csv:3:1
      |
    3 | 2,b,2.00,more
      | ^^^^^^^^^^^^^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: check the delimiter and the quotes of this record
    ");
    assert_snapshot!(told(&[("landing/items.csv", "id,name,price\n1,a,1.00\ntwo,b,2.00\n")]), @r"
    exit code 1
    error[source-value]: landing/items.csv:3: column `id`: `two` is not a valid bigint
     --> landing/items.csv:3:1
      |
    3 | two,b,2.00
      | ^^^
      |
     ::: models/silver/stg_items.sql:1:1
      |
    1 | select
      | - read here
      |
      = hint: correct the file, or declare the column as `varchar` and convert it with `try_cast`
            SKIP gold.totals                          skipped because silver.stg_items failed
       Published dev@1 (1 relation changed)
    ");
    assert_snapshot!(told(&[("landing/items.csv", "id,name,price\n1,a,1.00\n2,\"b,2.00\n")]), @r#"
    exit code 2
    error[source-syntax]: landing/items.csv:3: a quote that begins here is never closed
     --> landing/items.csv:3:1
      |
    3 | 2,"b,2.00
      | ^^^^^^^^^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: correct the file at this line, or the `quote` and `escape` of the source
    "#);
    assert_snapshot!(told(&[("landing/items.csv", "")]), @r"
    exit code 2
    error[source-empty-file]: `landing/items.csv` is empty: expected at least a header line
     --> landing/items.csv:1:1
      |
    1 |
      | ^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: a data file begins with a header; the option `allow_empty: true` of a source skips empty files
    ");
    assert_snapshot!(told(&[("seeds/codes.csv", "code,name\n1,a\n2\n")]), @r"
    exit code 1
    error[source-ragged-row]: seeds/codes.csv:3: found 1 field, expected 2
     --> seeds/codes.csv:3:1
      |
    3 | 2
      | ^
      |
      = hint: check the delimiter and the quotes of this record
           ERROR seeds.codes                          seeds/codes.csv:3: found 1 field, expected 2 <duration>
           Built bronze.raw_items                     view <duration>
           Built silver.stg_items                     table         2 rows <duration>
           Built gold.totals                          table         1 row <duration>
       Published dev@1 (3 relations changed)
    ");
    let project = shop(&[]);
    project.remove("landing/items.csv");
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[source-no-files]: no file matches `landing/*.csv`
     --> models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | ^
      |
      = hint: set `missing_files: warn` or `empty` if the files may come later
    ");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "writes bytes that are not text")]
fn bytes_that_are_not_text() {
    let project = shop(&[]);
    std::fs::write(project.path("landing/items.csv"), b"id,name,price\n1,a,1.00\n2,\xff\xfe,2.00\n").unwrap();
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[source-encoding]: landing/items.csv:3: not UTF-8 text: byte 0xff in column `name`
     --> landing/items.csv:3:3
      |
    3 | 2,��,2.00
      |   ^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: convert the file to UTF-8
    ");
    let project = shop(&[]);
    std::fs::write(project.path("models/gold/totals.sql"), b"select 1 as a\n-- \xff\n").unwrap();
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[unreadable-file]: `models/gold/totals.sql` is not UTF-8 text: the byte 0xff is not valid
     --> models/gold/totals.sql:2:4
      |
    2 | -- �
      |    ^
      |
      = hint: save the file as UTF-8
    ");
}

#[test]
fn command_lines_that_are_wrong() {
    assert_snapshot!(refused_with(&[], &["build", "--vars", "{landing: "]), @r"
    error[bad-yaml]: this is not YAML: unclosed bracket '{'
     --> --vars:1:1
      |
    1 | {landing:
      | ^
      |
      = hint: look at this line and the one above: the indentation, a blank behind `:`, quotes and brackets
    ");
    assert_snapshot!(refused_with(&[], &["build", "--vars", "landing"]), @r"
    error[invalid-argument]: `landing` is not a value of `--vars`: expected a YAML mapping such as `{name: value}`
     |
     = hint: write it as `--vars '{name: value}'`
    ");
    assert_snapshot!(refused_with(&[], &["build", "--select", "colour:red"]), @r"
    error[bad-selector]: unknown selector method: `colour`
     --> --select:1:1
      |
    1 | colour:red
      | ^^^^^^^^^^
      |
      = note: known are `access`, `config`, `exposure`, `file`, `fqn`, `group`, `layer`, `metric`, `package`, `path`, `resource_type`, `result`, `saved_query`, `selector`, `semantic_model`, `source`, `source_status`, `state`, `tag`, `test_name`, `test_type`, `unit_test`, `version`
      = hint: criteria are written such as `name`, `tag:nightly`, `path:models/gold` or `+name+`
    ");
    assert_snapshot!(refused_with(&[], &["build", "--select", "@totals+"]), @r"
    error[bad-selector]: `@` before and `+` behind a criterion cannot be combined
     --> --select:1:1
      |
    1 | @totals+
      | ^^^^^^^^
      |
      = hint: `@` takes the descendants along already; remove the `+`
    ");
    assert_snapshot!(refused_with(&[], &["build", "--selector", "nightly"]), @r"
    error[bad-selector]: there is no selector `nightly`
     --> --selector:1:1
      |
    1 | nightly
      | ^^^^^^^
      |
      = note: the project has no `selectors.yml`, or it is empty
    ");
    assert_snapshot!(refused_with(&[], &["build", "--now", "yesterday"]), @"error[invalid-argument]: `--now`: `yesterday` is not an instant; expected a form such as <time> or 2024-01-31");
    assert_snapshot!(refused_with(&[], &["build", "--threads", "0", "--memory", "lots", "--resource-type", "modell"]), @r"
    error[invalid-argument]: `0` is not a value of `--threads`: expected a whole number from 1
    error[invalid-argument]: `lots` is not a value of `--memory`: expected a size such as 4GiB
    error[invalid-argument]: `modell` is not a value of `--resource-type`: expected one of model, seed, snapshot, source, test, unit_test, exposure, analysis, function, semantic_model, metric, saved_query
     |
     = hint: did you mean `model`?
    ");
    assert_snapshot!(refused_with(&[], &["build", "--target", "prod"]), @r"
    error[unknown-target]: there is no target `prod`
     |
     = note: without a `profiles.yml` the only target is `dev`
     = hint: describe further targets in a `profiles.yml` beside the project file
    ");
    assert_snapshot!(refused_with(&[], &["build", "--project-dir", "nowhere"]), @r"
    error[no-project]: `<project>/nowhere` is not a folder
     |
     = hint: a project has a `project.yml` or a `dbt_project.yml` in its folder
    ");
    assert_snapshot!(refused_with(&[("macros/cents.sql", "{% macro cents() %}1{% endmacro %}")], &["run-operation", "cent"]), @r"
    error[unknown-macro]: there is no macro `cent`
     |
     = hint: did you mean `cents`?
    ");
    assert_snapshot!(refused_with(&[], &["show", "--inline", "select nothing from {{ ref('nowhere') }}"]), @r"
    error[unknown-ref]: there is no model, seed or snapshot `nowhere`
     --> --inline:1:24
      |
    1 | select nothing from {{ ref('nowhere') }}
      |                        ^^^^^^^^^^^^^^
    ");
    // A selection without a match is a warning, as under dbt: there may be nothing to do today.
    let project = shop(&[]);
    let run = project.ok(&["build", "--select", "totally"]);
    assert_snapshot!(project.complaints(&run), @r"
    warning[no-match]: `totally` matches no enabled node
     --> --select:1:1
      |
    1 | totally
      | ^^^^^^^
      |
      = hint: did you mean `totals`?
    warning[nothing-selected]: nothing is selected, so there is nothing to do
        Finished build in <duration>: nothing to do
    ");
    assert!(project.files().is_empty());
}

/// Everything that is wrong is said in one go.
#[test]
fn all_problems_at_once() {
    assert_snapshot!(refused(&[
        ("models/bronze/raw_items.sql", "select id, nmae, price\nfrom {{ source('landing', 'items') }}\n"),
        ("models/gold/a.sql", "select nothing from (values (1)) as t(a)\n"),
        ("models/gold/b.sql", "select 1 as a;\nselect 2 as a\n"),
        ("models/gold/c.sql", "select {{ exceptions.raise_compiler_error('no') if execute else 1 }} as a\n")
    ]), @r"
    error[raised-by-macro]: no
     --> models/gold/c.sql:1:11
      |
    1 | select {{ exceptions.raise_compiler_error('no') if execute else 1 }} as a
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    error[unknown-column]: column `nothing` does not exist
     --> models/gold/a.sql:1:8
      |
    1 | select nothing from (values (1)) as t(a)
      |        ^^^^^^^
      |
      = hint: columns here: `a`
    error[not-a-query]: expected one statement, found a second one after `;`
     --> models/gold/b.sql:2:1
      |
    2 | select 2 as a
      | ^^^^^^
      |
      = hint: a model is one query; move the second statement to a model or a hook of its own
    error[unknown-column]: column `nmae` does not exist
     --> models/bronze/raw_items.sql:1:12
      |
    1 | select id, nmae, price
      |            ^^^^
      |
      = hint: did you mean `name`?
    ");
    assert_snapshot!(refused(&[
        ("models/models.yml", "models:\n  - name: totals\n    descripton: x\n    data_tests: [nothing]\n"),
        ("models/gold/a.sql", "select * from {{ ref('nowhere') }}\n"),
        ("models/gold/b.sql", "select * from {{ source('no', 'where') }}\n"),
        ("models/gold/c.sql", "{% if %}\n"),
        ("models/gold/d.sql", "{{ config(materialized='cube') }} select 1 as a\n")
    ]), @r"
    error[unknown-key]: model `totals` has no key `descripton`
     --> models/models.yml:3:5
      |
    3 |     descripton: x
      |     ^^^^^^^^^^
      |
      = hint: did you mean `description`?
    error[jinja-syntax]: `{% if %}` is never closed
     --> models/gold/c.sql:1:1
      |
    1 | {% if %}
      | ^^^^^^^^ opened here
      |
      = hint: add `{% endif %}`
    error[unknown-ref]: there is no model, seed or snapshot `nowhere`
     --> models/gold/a.sql:1:18
      |
    1 | select * from {{ ref('nowhere') }}
      |                  ^^^^^^^^^^^^^^
      |
      = hint: `ref` takes the name of a model's, seed's or snapshot's file; `karat ls` lists them
    error[unknown-source]: there is no source `no`
     --> models/gold/b.sql:1:18
      |
    1 | select * from {{ source('no', 'where') }}
      |                  ^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: sources are described under `sources:` in a `.yml` file
    error[bad-value]: `materialized` can't be `cube`
     --> models/gold/d.sql:1:11
      |
    1 | {{ config(materialized='cube') }} select 1 as a
      |           ^^^^^^^^^^^^
      |
      = note: it can be `view`, `table`, `incremental`, `ephemeral`
    error[unknown-test]: there is no generic test `nothing`
     --> models/models.yml:4:18
      |
    4 |     data_tests: [nothing]
      |                  ^^^^^^^
      |
      = hint: define it: `{% test nothing(model, column_name) %}`, a query of failing rows
    ");
}

/// What breaks only while it runs: the node fails, its children are skipped, the rest is built and published.
#[test]
fn a_failure_of_one_model_is_its_own() {
    let project = shop(&[
        (
            "models/silver/stg_items.sql",
            "select\n    id,\n    cast(name as bigint) as number,\n    price\nfrom {{ ref('raw_items') }}\n",
        ),
        ("models/gold/others.sql", "select count(*) as n from {{ ref('raw_items') }}"),
    ]);
    let run = project.run(&["build", "--threads", "1"]).expect_code(1);
    assert_snapshot!(project.redacted(&run.stderr), @r"
           Built bronze.raw_items                     view <duration>
           Built gold.others                          table         1 row <duration>
           ERROR silver.stg_items                     `a` is not a valid bigint <duration>
    error[bad-value]: `a` is not a valid bigint
     --> models/silver/stg_items.sql:1:1
      |
    1 | select
      | ^
      |
      = hint: use `try_cast` to read such values as null, or mend them before
            SKIP gold.totals                          skipped because silver.stg_items failed
       Published dev@1 (2 relations changed)

    What failed:
      silver.stg_items (models/silver/stg_items.sql:1:1) [bad-value]: `a` is not a valid bigint

    Not published: silver.stg_items, gold.totals; readers see the last good version.
    To run again after a fix: karat build --select stg_items+
    To learn more: karat explain bad-value
        Finished build in <duration>: 4 models
    ");
    assert_eq!(project.text("select n from gold.others"), "2");
}

/// Queries that karat makes up around a use (a generic test, a snapshot of a relation) are blamed where the use stands.
#[test]
fn made_up_queries_are_blamed_at_their_use() {
    assert_snapshot!(refused(&[
        (
            "models/models.yml",
            "models:\n  - name: totals\n    columns:\n      - name: prise\n        data_tests: [not_null]\n      - name: price\n        \
             data_tests:\n          - not_null: {config: {where: 'cost > 1'}}\n"
        ),
        (
            "snapshots/history.yml",
            "snapshots:\n  - name: history\n    relation: ref('totals')\n    config: {strategy: timestamp, unique_key: prize, updated_at: \
             changed_at}\n  - name: checked\n    relation: ref('stg_items')\n    config: {strategy: check, unique_key: id, check_cols: \
             [names]}\n"
        )
    ]), @r"
    error[unknown-column]: column `names` of `check_cols` does not exist
     --> snapshots/history.yml:5:11
      |
    5 |   - name: checked
      |           ^^^^^^^
      |
      = hint: did you mean `name`?
    error[unknown-column]: column `cost` does not exist
     --> models/models.yml:8:13
      |
    8 |           - not_null: {config: {where: 'cost > 1'}}
      |             ^^^^^^^^
      |
      = hint: columns here: `price`
    error[unknown-column]: column `prise` does not exist
     --> models/models.yml:5:22
      |
    5 |         data_tests: [not_null]
      |                      ^^^^^^^^
      |
      = hint: did you mean `price`?
    error[unknown-column]: column `prize` does not exist
     --> snapshots/history.yml:2:11
      |
    2 |   - name: history
      |           ^^^^^^^
      |
      = hint: did you mean `price`?
    ");
}
