//! Data tests through the real binary: what each built-in test counts, what the configuration makes of the count, and
//! what the user sees of a failure.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use insta::assert_snapshot;

use crate::support::Project;

/// Status, failures and message of each test of the last run, by name.
fn verdicts(project: &Project) -> BTreeMap<String, String> {
    let results = project.run_results();
    let mut verdicts = BTreeMap::new();
    for result in results["results"].as_array().unwrap() {
        let id = result["unique_id"].as_str().unwrap();
        if id.starts_with("test.") {
            let failures = result["failures"].as_u64().map_or("-".to_owned(), |count| count.to_string());
            let message = result["message"].as_str().unwrap_or_default();
            let text = format!("{} {failures} {message}", result["status"].as_str().unwrap());
            verdicts.insert(id.split('.').nth(2).unwrap().to_owned(), text.trim_end().to_owned());
        }
    }
    verdicts
}

/// A column of values, a test on it, and how many rows it finds.
type Case = (&'static str, &'static str, &'static str, u64);

/// Builds one view with one test for each case and compares all counts at once.
#[track_caller]
fn check(cases: &[Case], more: &[(&str, &str)]) {
    let mut yaml = "models:\n".to_owned();
    let mut files: Vec<(String, String)> = Vec::new();
    for (name, values, test, _) in cases {
        let body = match test.split_once(':') {
            Some((test, arguments)) => format!("{test}: {{name: {name}, arguments: {arguments}}}"),
            None => format!("{test}: {{name: {name}}}"),
        };
        let _ = writeln!(
            yaml,
            "  - name: m_{name}\n    columns:\n      - name: v\n        data_tests:\n          - {body}"
        );
        let sql = if values.starts_with("select") || values.starts_with("{{") {
            (*values).to_owned()
        } else {
            format!("select column1 as v from (values {values})")
        };
        files.push((format!("models/bronze/m_{name}.sql"), sql));
    }
    files.push(("models/models.yml".to_owned(), yaml));
    let mut all: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    all.extend(more);
    let project = Project::new(&all);
    let run = project.run(&["build"]);
    let failing = cases.iter().any(|(_, _, _, failures)| *failures > 0);
    let run = run.expect_code(i32::from(failing));
    let verdicts = verdicts(&project);
    let mut wrong = String::new();
    for (name, _, _, failures) in cases {
        let found = verdicts.get(*name).map_or("not run", String::as_str);
        let expected = match failures {
            0 => "pass 0".to_owned(),
            1 => "fail 1 Got 1 result, configured to fail if != 0".to_owned(),
            count => format!("fail {count} Got {count} results, configured to fail if != 0"),
        };
        if found != expected {
            let _ = writeln!(wrong, "{name}: found `{found}`, expected `{expected}`");
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{}", run.stderr);
}

#[test]
fn keys_values_and_references() {
    check(
        &[
            ("unique_good", "(1), (2), (null), (null)", "unique", 0),
            ("unique_bad", "(1), (1), (1), (2), (2), (3), (null), (null)", "unique", 2),
            ("unique_text", "('a'), ('A'), ('a ')", "unique", 0),
            ("unique_empty", "select 1 as v where false", "unique", 0),
            ("not_null_good", "(1), (0)", "not_null", 0),
            ("not_null_bad", "(1), (null), (null), (2)", "not_null", 2),
            ("not_null_text", "(''), (' ')", "not_null", 0),
            ("accepted_good", "('a'), ('b'), (null)", "accepted_values: {values: [a, b, c]}", 0),
            ("accepted_bad", "('a'), ('x'), ('x'), ('B')", "accepted_values: {values: [a, b]}", 2),
            ("accepted_quote", "('it''s'), ('a')", "accepted_values: {values: [\"it's\", a]}", 0),
            ("accepted_numbers", "(1), (2), (3)", "accepted_values: {values: [1, 2], quote: false}", 1),
            ("accepted_decimals", "(1.50), (2.00)", "accepted_values: {values: [1.5, 2], quote: false}", 0),
            ("accepted_booleans", "(true), (null)", "accepted_values: {values: [true], quote: false}", 0),
            ("relationships_good", "(1), (2), (null)", "relationships: {to: ref('parents'), field: id}", 0),
            ("relationships_bad", "(1), (7), (7), (8)", "relationships: {to: ref('parents'), field: id}", 3),
            (
                "relationships_source",
                "('x'), ('z')",
                "relationships: {to: \"source('landing', 'codes')\", field: code}",
                1,
            ),
        ],
        &[
            ("models/bronze/parents.sql", "select column1 as id from (values (1), (2), (null))"),
            (
                "models/sources.yml",
                "sources:\n  - name: landing\n    tables: [{name: codes, external: {location: landing/codes.csv}}]\n",
            ),
            ("landing/codes.csv", "code\nx\ny\n"),
        ],
    );
}

#[test]
fn no_negatives_knows_all_numbers() {
    check(
        &[
            ("integers", "(1), (0), (-1), (null)", "no_negatives", 1),
            ("zeros", "(cast('-0.0' as double)), (-0.0), (0.0)", "no_negatives", 0),
            ("decimals", "(-0.01), (0.00), (1.25)", "no_negatives", 1),
            ("wide_decimals", "select cast('-0.0000000001' as decimal(38, 10)) as v", "no_negatives", 1),
            ("doubles", "(cast('-1e-300' as double)), (cast('1e300' as double))", "no_negatives", 1),
            ("not_numbers", "(cast('NaN' as double)), (cast('-Infinity' as double))", "no_negatives", 1),
            ("all_null", "(null), (null)", "no_negatives", 0),
            ("small_types", "select cast(-1 as tinyint) as v union all select cast(1 as tinyint)", "no_negatives", 1),
            ("unsigned", "select cast(1 as bigint unsigned) as v", "no_negatives", 0),
            (
                "text",
                "('-1'), ('-0'), ('-0.00'), ('1'), (''), (null), ('-2.50'), (' -3 '), ('many')",
                "no_negatives",
                5,
            ),
            ("text_zeros", "('-0'), ('-0.0'), ('-.0'), ('-0e5')", "no_negatives", 0),
            ("text_small", "('-1e-5'), ('-.5')", "no_negatives", 2),
        ],
        &[],
    );
}

#[test]
fn utc_times_trusts_nothing_that_is_not_said() {
    let typed = |zone: &str| {
        format!("select arrow_cast('2024-01-01T00:00:00Z', 'Timestamp(Microsecond, Some(\"{zone}\"))') as v")
    };
    let utc: &'static str = Box::leak(typed("UTC").into_boxed_str());
    let offset: &'static str = Box::leak(typed("+00:00").into_boxed_str());
    let berlin: &'static str = Box::leak(typed("Europe/Berlin").into_boxed_str());
    let two: &'static str = Box::leak(typed("+02:00").into_boxed_str());
    check(
        &[
            ("typed_utc", utc, "utc_times", 0),
            ("typed_offset_zero", offset, "utc_times", 0),
            ("typed_other_zone", berlin, "utc_times", 1),
            ("typed_other_offset", two, "utc_times", 1),
            ("typed_no_zone", "(timestamp '2024-01-01 00:00:00'), (null)", "utc_times", 1),
            ("typed_no_zone_null", "(cast(null as timestamp)), (cast(null as timestamp))", "utc_times", 0),
            (
                "declared",
                "{{ config(timestamps_utc=true) }} select column1 as v from (values (timestamp '2024-01-01 00:00:00'))",
                "utc_times",
                0,
            ),
            (
                "text_good",
                "('2024-01-01T00:00:00Z'), ('2024-01-01 00:00:00+00:00'), ('2024-01-01 00:00:00.123456-00:00'), \
                 ('2024-01-01T00:00:00+0000'), (null)",
                "utc_times",
                0,
            ),
            ("text_no_offset", "('2024-01-01T00:00:00'), ('2024-01-01 00:00:00'), ('2024-01-01')", "utc_times", 3),
            ("text_other_offset", "('2024-01-01T00:00:00+02:00'), ('2024-01-01T00:00:00-0730')", "utc_times", 2),
            (
                "text_unreadable",
                "('yesterday'), ('2024-13-01T00:00:00Z'), ('2024-01-32T00:00:00Z'), ('')",
                "utc_times",
                4,
            ),
        ],
        &[],
    );
}

/// A view `items` of four rows (one negative, two without a name), with tests from a list.
fn items(tests: &str) -> Project {
    Project::new(&[
        (
            "models/silver/items.sql",
            "select column1 as id, column2 as name, column3 as price from (values (1, 'a', 1.5), (2, null, -2.0), (3, null, 3.0), \
             (4, 'd', null))",
        ),
        (
            "models/silver/items.yml",
            &format!("models:\n  - name: items\n    columns:\n      - name: name\n        data_tests:\n{tests}"),
        ),
    ])
}

#[test]
fn configuration_decides_the_verdict() {
    let cases = [
        ("plain", "", "fail 2 Got 2 results, configured to fail if != 0"),
        ("warns", "severity: warn", "warn 2 Got 2 results, configured to warn if != 0"),
        ("in_capitals", "severity: WARN", "warn 2 Got 2 results, configured to warn if != 0"),
        ("error_above", "error_if: '>10'", "warn 2 Got 2 results, configured to warn if != 0"),
        ("error_at", "error_if: '>=2', warn_if: '>0'", "fail 2 Got 2 results, configured to fail if >=2"),
        ("neither", "error_if: '> 10', warn_if: '> 5'", "pass 0"),
        ("warn_only_from", "severity: warn, warn_if: '>= 3'", "pass 0"),
        // With severity `warn` the error condition is not looked at, as under dbt.
        ("warn_beats_error", "severity: warn, error_if: '>1', warn_if: '>5'", "pass 0"),
        ("between", "error_if: 'between 2 and 3'", "fail 2 Got 2 results, configured to fail if between 2 and 3"),
        ("filtered", "where: 'id > 2'", "fail 1 Got 1 result, configured to fail if != 0"),
        ("filtered_out", "where: \"id = 1 or name = 'd'\"", "pass 0"),
        ("limited", "limit: 1", "fail 1 Got 1 result, configured to fail if != 0"),
        ("calculated", "fail_calc: 'sum(price)'", "fail 1 Got 1 result, configured to fail if != 0"),
        (
            "calculated_null",
            "fail_calc: 'sum(price)', where: 'id = 1'",
            "error - `fail_calc` of the test `calculated_null` must give one number, and gave null",
        ),
        ("disabled", "enabled: false", "not run"),
    ];
    let mut tests = String::new();
    for (name, config, _) in &cases {
        let _ = writeln!(tests, "          - not_null: {{name: {name}, config: {{{config}}}}}");
    }
    let project = items(&tests);
    project.ok(&["run"]);
    project.run(&["test"]).expect_code(1);
    let verdicts = verdicts(&project);
    for (name, config, expected) in &cases {
        let verdict = verdicts.get(*name).map_or("not run", String::as_str);
        // Of an error the first fact counts, which stands below the line that names the test.
        let verdict = match verdict.strip_prefix("error - ") {
            Some(told) => format!("error - {}", told.lines().nth(1).unwrap_or(told).trim()),
            None => verdict.to_owned(),
        };
        assert_eq!(verdict, *expected, "{name}: {config}");
    }
}

#[test]
fn a_bad_configuration_is_refused_in_its_line() {
    let project = items(
        "          - not_null: {name: a, config: {severity: fatal}}\n          - not_null: {name: b, config: {warn_if: lots}}\n          \
         - not_null: {name: c, config: {limit: few}}\n          - not_null: {name: d, config: {fail_calc: 'sum(prices)'}}\n",
    );
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[bad-value]: `severity` can't be `fatal`
     --> models/silver/items.yml:6:52
      |
    6 |           - not_null: {name: a, config: {severity: fatal}}
      |                                                    ^^^^^
      |
      = note: it can be `error`, `warn`
    error[wrong-type]: `warn_if` of test `b` must be a comparison with a number, such as `>10`, but is `lots`
     --> models/silver/items.yml:7:51
      |
    7 |           - not_null: {name: b, config: {warn_if: lots}}
      |                                                   ^^^^
    error[wrong-type]: `limit` of test `c` must be a number of at least 0, but is `few`
     --> models/silver/items.yml:8:49
      |
    8 |           - not_null: {name: c, config: {limit: few}}
      |                                                 ^^^
    ");
    // What only the engine can know is found before anything is built, too.
    let project = items(
        "          - not_null: {name: d, config: {fail_calc: 'sum(prices)'}}\n          - not_null: {name: e, config: {where: \
         'nothing > 1'}}\n",
    );
    let run = project.run(&["build"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[unknown-column]: column `prices` does not exist
     --> models/silver/items.yml:6:13
      |
    6 |           - not_null: {name: d, config: {fail_calc: 'sum(prices)'}}
      |             ^^^^^^^^
      |
      = hint: did you mean `price`?
    error[unknown-column]: column `nothing` does not exist
     --> models/silver/items.yml:7:13
      |
    7 |           - not_null: {name: e, config: {where: 'nothing > 1'}}
      |             ^^^^^^^^
      |
      = hint: columns here: `id`, `name`, `price`
    ");
    assert!(project.files().is_empty());
    let project = items("          - accepted_values: {arguments: {value: [a]}}\n          - accepted_values\n");
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[jinja-error]: macro `test_accepted_values` has no argument `value`
     --> models/silver/items.yml:6:13
      |
    6 |           - accepted_values: {arguments: {value: [a]}}
      |             ^^^^^^^^^^^^^^^
      |
      = hint: did you mean `values`?
    ");
}

#[test]
fn a_failing_test_shows_rows_and_where_they_are_from() {
    let project = Project::new(&[
        (
            "models/sources.yml",
            "sources:\n  - name: landing\n    tables:\n      - name: items\n        external: {location: 'landing/*.csv'}\n        \
             columns: [{name: id, data_type: bigint}, {name: price, data_type: 'decimal(10,2)'}]\n",
        ),
        ("models/bronze/items.sql", "select * from {{ source('landing', 'items') }}"),
        ("models/silver/totals.sql", "select count(*) as items, sum(price) as price from {{ ref('items') }}"),
        (
            "models/bronze/items.yml",
            "models:\n  - name: items\n    columns:\n      - name: price\n        data_tests:\n          - no_negatives\n      - name: id\n        \
             data_tests:\n          - unique:\n              config: {severity: warn}\n",
        ),
        ("landing/1.csv", "id,price\n1,1.00\n2,-2.00\n"),
        ("landing/2.csv", "id,price\n3,-3.00\n3,4.00\n4,-0.01\n5,-1\n6,-1\n7,-1\n8,-1\n"),
    ]);
    let run = project.run(&["build", "--threads", "1"]).expect_code(1);
    assert_snapshot!(project.redacted(&run.stderr), @r"
           Built bronze.items                         view <duration>
            FAIL no_negatives_items_price                                 7 rows <duration>
    error[test-failed]: test `no_negatives_items_price` failed
     --> models/bronze/items.yml:6:13
      |
    6 |           - no_negatives
      |             ^^^^^^^^^^^^ 7 rows
      |
      = note: Got 7 results, configured to fail if != 0
      |  id | price | from            |
      | --: | ----: | --------------- |
      |   2 | -2.00 | landing/1.csv:3 |
      |   3 | -3.00 | landing/2.csv:2 |
      |   4 | -0.01 | landing/2.csv:4 |
      |   5 | -1.00 | landing/2.csv:5 |
      |   6 | -1.00 | landing/2.csv:6 |
      … the first 5 of 7 rows
            WARN unique_items_id                                          1 row <duration>
    warning[test-warned]: test `unique_items_id` found failing rows
     --> models/bronze/items.yml:9:13
      |
    9 |           - unique:
      |             ^^^^^^ 1 row
      |
      = note: Got 1 result, configured to warn if != 0
      | unique_field | n_records |
      | -----------: | --------: |
      |            3 |         2 |
            SKIP silver.totals                        skipped because no_negatives_items_price failed

    What failed:
      no_negatives_items_price (models/bronze/items.yml:6:13) [test-failed]: Got 7 results, configured to fail if != 0

    What warned:
      unique_items_id (models/bronze/items.yml:9:13) [test-warned]: Got 1 result, configured to warn if != 0

    Not published: bronze.items, silver.totals; readers see the last good version.
    To run again after a fix: karat build --select items+
    To learn more: karat explain test-failed
        Finished build in <duration>: 2 models, 2 tests
    ");
    assert_snapshot!(project.redacted(&run.stdout), @"Done. PASS=1 WARN=1 ERROR=1 SKIP=1 TOTAL=4");
    assert_eq!(project.entries("dev"), Vec::<u64>::new());
}

#[test]
fn a_test_counts_as_dbt_counts() {
    let project = items(
        "          - not_null: {name: lenient, config: {error_if: '>5', warn_if: '>5'}}\n          \
         - not_null: {name: nothing, config: {where: id > 100, fail_calc: sum(id)}}\n          \
         - not_null: {name: many, config: {fail_calc: id}}\n",
    );
    let run = project.run(&["build"]).expect_code(1);
    run.expect_message(&["error[test-not-counted]", "gave null", "write `coalesce(sum(id), 0)`", "gave 2 rows"]);
    let found = verdicts(&project);
    assert_eq!(found["lenient"], "pass 0", "{found:?}");
    assert!(
        found["nothing"].contains("`fail_calc` of the test `nothing` must give one number, and gave null"),
        "{found:?}"
    );
    assert!(found["many"].starts_with("error -"), "{found:?}");
}

#[test]
fn artifacts_name_what_tests_are_about() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("seeds/sd.csv", "id\n1\n"),
        ("models/m.sql", "select 1 as \"Order\""),
        (
            "models/m.yml",
            "models:\n  - name: m\n    columns:\n      - {name: Order, quote: true, data_tests: [not_null: {name: kept, config: {store_failures: true, alias: rows, schema: aud}}]}\n",
        ),
    ]);
    project.ok(&["build"]);
    let results = project.run_results();
    let relation = |name: &str| {
        let all = results["results"].as_array().unwrap();
        let result = all.iter().find(|result| result["unique_id"].as_str().unwrap().contains(name)).unwrap();
        result["relation_name"].as_str().map(str::to_owned)
    };
    assert_eq!(relation("test.p.kept").as_deref(), Some("\"p\".\"main_aud\".\"rows\""));
    assert_eq!(relation("seed.p.sd"), None);
    assert_eq!(relation("model.p.m").as_deref(), Some("\"p\".\"main\".\"m\""));
    let manifest: serde_json::Value = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    let nodes = manifest["nodes"].as_object().unwrap();
    let (_, test) = nodes.iter().find(|(id, _)| id.starts_with("test.p.kept")).unwrap();
    assert_eq!(test["column_name"], "\"Order\"");
    assert_eq!(test["test_metadata"]["kwargs"]["column_name"], "\"Order\"");
}

#[test]
fn failing_rows_are_stored_on_demand() {
    let project = items(
        "          - not_null: {config: {store_failures: true}}\n          - unique: {config: {store_failures: true}}\n          \
         - accepted_values: {name: named, arguments: {values: [a]}, config: {store_failures: true, schema: audit, alias: odd_names, \
         severity: warn}}\n",
    );
    project.write("tests/singular.sql", "select id, price from {{ ref('items') }} where price < 0");
    let run = project.run(&["build"]).expect_code(1);
    run.expect_message(&["the failing rows are stored in main_dbt_test__audit.not_null_items_name"]);
    // The model is not published, but what explains why is.
    assert_eq!(
        project.text("select id, price from main_dbt_test__audit.not_null_items_name order by id"),
        "2|-2.0\n3|3.0"
    );
    assert_eq!(project.text("select count(*) as n from main_dbt_test__audit.unique_items_name"), "0");
    assert_eq!(project.text("select value_field, n_records from main_audit.odd_names order by 1"), "d|1");
    let run = project.run(&["show", "--inline", "select * from {{ ref('items') }}"]);
    run.expect_code(2).expect_message(&["items"]);
    // The flag is the default of the config; a run that passes replaces the rows.
    project.write("models/silver/items.sql", "select 1 as id, 'a' as name, -1.0 as price");
    project.run(&["build", "--store-failures"]).expect_code(1);
    assert_eq!(project.text("select count(*) as n from main_dbt_test__audit.not_null_items_name"), "0");
    assert_eq!(project.text("select id, price from main_dbt_test__audit.singular"), "1|-1.0");
}

#[test]
fn failing_rows_are_stored_as_a_view_or_not_at_all() {
    let tests = |of_name: &str| format!("          - not_null: {{config: {{store_failures_as: {of_name}}}}}\n");
    let project = items(&tests("view"));
    // In a build that fails, the rows are of a version that nobody can see: they are kept themselves.
    project.run(&["build"]).expect_code(1);
    assert_eq!(project.text("select count(*) as n from main_dbt_test__audit.not_null_items_name"), "2");
    let kind = |project: &Project| {
        let sql = "select table_type from information_schema.tables where table_name = 'not_null_items_name'";
        Some(project.text(sql).to_lowercase()).filter(|kind| !kind.is_empty())
    };
    assert_eq!(kind(&project).as_deref(), Some("base table"));
    project.ok(&["run"]);
    project.run(&["test"]).expect_code(1);
    assert_eq!(kind(&project).as_deref(), Some("view"));
    assert_eq!(project.text("select count(*) as n from main_dbt_test__audit.not_null_items_name"), "2");
    project.write("models/silver/items.sql", "select 1 as id, 'a' as name, -1.0 as price");
    project.ok(&["run"]);
    // A view shows the rows of the moment.
    assert_eq!(project.text("select count(*) as n from main_dbt_test__audit.not_null_items_name"), "0");
    let project = items(&tests("ephemeral"));
    project.run(&["build", "--store-failures"]).expect_code(1);
    assert!(project.entries("dev").is_empty());
}

#[test]
fn tests_of_the_project_and_on_every_kind_of_node() {
    let project = Project::new(&[
        ("project.yml", "name: shop\ndata_tests:\n  shop:\n    +tags: [checked]\n"),
        (
            "tests/generic/at_least.sql",
            "{% test at_least(model, column_name, least=2, strict=false) %}\n{{ config(severity='warn') }}\nselect {{ column_name }} \
             as value from {{ model }} where {{ column_name }} {{ '<=' if strict else '<' }} {{ least }}\n{% endtest %}\n",
        ),
        (
            "macros/has_rows.sql",
            "{% test has_rows(model) %}\nselect 'none' as problem where (select count(*) from {{ model }}) = 0\n{% endtest %}\n",
        ),
        (
            "tests/ids_are_small.sql",
            "{{ config(tags=['own'], error_if='>5') }}\nselect id from {{ ref('items') }} where id > 2",
        ),
        (
            "models/silver/items.yml",
            "
sources:
  - name: landing
    tables:
      - name: items
        external: {location: landing/items.csv}
        data_tests: [has_rows]
        columns:
          - name: id
            data_type: bigint
            tests: [not_null]
models:
  - name: items
    data_tests:
      - has_rows
      - at_least: {arguments: {column_name: id, least: 1}}
    columns:
      - name: id
        tags: [key]
        data_tests:
          - at_least
          - at_least: {least: 3}
          - at_least:
              arguments: {least: 2, strict: true}
              config: {severity: error}
          - name: by_name
            test_name: at_least
            arguments: {least: 0}
seeds:
  - name: codes
    columns: [{name: code, data_tests: [unique]}]
snapshots:
  - name: history
    relation: ref('items')
    config: {strategy: check, unique_key: id, check_cols: all}
    columns: [{name: dbt_valid_to, data_tests: [not_null]}]
",
        ),
        ("models/silver/items.sql", "select id from {{ source('landing', 'items') }}"),
        ("seeds/codes.csv", "code\nx\nx\n"),
        ("landing/items.csv", "id\n1\n2\n3\n"),
    ]);
    project.run(&["build"]).expect_code(1);
    let text: Vec<String> =
        verdicts(&project).into_iter().map(|(name, verdict)| format!("{name}: {verdict}")).collect();
    assert_snapshot!(text.join("\n"), @r"
    at_least_items_id: warn 1 Got 1 result, configured to warn if != 0
    at_least_items_id__1: pass 0
    at_least_items_id__2__True: fail 2 Got 2 results, configured to fail if != 0
    at_least_items_id__3: warn 2 Got 2 results, configured to warn if != 0
    by_name: pass 0
    has_rows_items_: pass 0
    ids_are_small: warn 1 Got 1 result, configured to warn if != 0
    not_null_history_dbt_valid_to: skipped -
    source_has_rows_landing_items_: pass 0
    source_not_null_landing_items_id: pass 0
    unique_codes_code: fail 1 Got 1 result, configured to fail if != 0
    ");
    let listed =
        |select: &str| project.ok(&["ls", "--resource-type", "test", "--output", "name", "--select", select]).stdout;
    assert_snapshot!(listed("tag:own"), @"ids_are_small");
    assert_snapshot!(listed("tag:key,test_name:at_least"), @r"
    at_least_items_id
    at_least_items_id__2__True
    at_least_items_id__3
    by_name
    ");
    assert_snapshot!(listed("test_type:singular"), @"ids_are_small");
    assert_snapshot!(listed("source:landing"), @r"
    source_has_rows_landing_items_
    source_not_null_landing_items_id
    ");
    assert_eq!(listed("tag:checked").lines().count(), 11);
}

/// A test that cannot be run is an error whatever its severity, and holds back what it vouches for.
#[test]
fn a_test_that_cannot_run_is_an_error() {
    let project = Project::new(&[
        ("models/silver/items.sql", "select column1 as id, column2 as amount from (values (1, '7'), (2, 'many'))"),
        (
            "tests/amounts.sql",
            "{{ config(severity='warn') }}\nselect id from {{ ref('items') }} where cast(amount as bigint) < 0",
        ),
    ]);
    let run = project.run(&["build"]).expect_code(1);
    assert_eq!(project.statuses()["amounts"], "error");
    assert_snapshot!(project.complaints(&run), @r"
    error[bad-value]: `amounts`: `many` is not a valid bigint
     --> tests/amounts.sql:1:1
      |
    1 | {{ config(severity='warn') }}
      | ^
      |
      = hint: use `try_cast` to read such values as null, or mend them before
    ");
    assert_eq!(project.entries("dev"), Vec::<u64>::new());
}

#[test]
fn failing_rows_are_stored_in_a_way_that_nobody_knows() {
    let project = items("          - not_null: {config: {store_failures_as: error}}\n");
    project.ok(&["parse"]);
    project.ok(&["run"]);
    let run = project.run(&["test"]).expect_code(1);
    run.expect_message(&["error[bad-value]: `store_failures_as` can't be `error`"]);
}
