//! What `var()`, `graph`, `model` and `results` give to templates.

use serde_json::json;

use crate::support::Project;

/// A project whose variables hold Jinja, with a package that has variables of its own.
fn project() -> Project {
    let project = Project::new(&[
        (
            "dbt_project.yml",
            "name: shop\nversion: '1.0'\nvars:\n  \
             size: \"{{ 500 if target.type in ['athena'] else 10000 }}\"\n  \
             orders: \"{{ ref('a') }}\"\n  \
             items: \"{{ source('raw', 'items') }}\"\n  \
             who: \"{{ env_var('WHO', 'nobody') }}\"\n  \
             doubled: \"{{ double(var('size') | int) }}\"\n  \
             list: [\"{{ ref('a') }}\", 2]\n  \
             plain: 7\n  \
             tools:\n    over: \"{{ target.name }} {{ 1 + 1 }}\"\n",
        ),
        ("packages.yml", "packages:\n  - local: tools\n"),
        (
            "tools/dbt_project.yml",
            "name: tools\nversion: '1.0'\nvars:\n  over: never\n  own: \"{{ 2 * 3 }}{{ var('over') }}\"\n  \
             account: \"{{ ref('stg') }}\"\n",
        ),
        ("tools/models/stg.sql", "select 5 as five"),
        ("tools/models/top.sql", "select five, '{{ var(\"own\") }}' as own from {{ var('account') }}"),
        ("macros/double.sql", "{% macro double(n) %}{{ return(n * 2) }}{% endmacro %}"),
        ("models/a.sql", "select 1 as x"),
        ("models/schema.yml", "sources: [{name: raw, schema: main, tables: [{name: items, identifier: a}]}]"),
        (
            "models/b.sql",
            "{% set size = 'local' %}select {{ var('size') | int }} as size, '{{ var(\"who\") }}' as who, \
             '{{ var(\"doubled\") }}' as doubled, {{ var('list') | length }} as items, \
             '{{ var(\"list\")[0] | replace(\"'\", \"\") }}' as first, {{ var('plain') + 1 }} as plain, \
             '{{ var(\"cli\", \"none\") }}' as cli from {{ var('orders') }}",
        ),
        ("models/c.sql", "select x from {{ var('items') }} -- depends_on: {{ ref('b') }}"),
    ]);
    project.ok(&["deps"]);
    project
}

#[test]
fn variables_with_jinja_are_rendered_where_they_are_asked_for() {
    let project = project();
    project.run_with(&["build"], &[("WHO", "me")]).expect_code(0);
    let row = "10000|me|20000|2|{{ ref(a) }}|8|none";
    assert_eq!(project.rows("select * from main.b"), [row]);
    assert_eq!(project.rows("select * from main.top"), ["5|6dev 2"]);
    let manifest: serde_json::Value = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    let parents = |node: &str| manifest["nodes"][node]["depends_on"]["nodes"].clone();
    assert_eq!(parents("model.shop.b"), json!(["model.shop.a"]));
    assert_eq!(parents("model.tools.top"), json!(["model.tools.stg"]));
    assert!(parents("model.shop.c").as_array().unwrap().contains(&json!("source.shop.raw.items")));
    let macros = manifest["nodes"]["model.shop.b"]["depends_on"]["macros"].clone();
    assert!(macros.as_array().unwrap().contains(&json!("macro.shop.double")), "{macros}");

    project.run(&["build", "--vars", "{cli: \"{{ target.schema }}!\", own: \"{{ 'x' * 3 }}\"}"]).expect_code(0);
    assert_eq!(project.rows("select cli from main.b"), ["main!"]);
    assert_eq!(project.rows("select own from main.top"), ["xxx"]);
    // What the template around it has set is not known to a variable.
    project.run(&["build", "--vars", "{size: \"{{ size }}1\"}"]).expect_code(0);
    assert_eq!(project.rows("select size from main.b"), ["1"]);
}

#[test]
fn what_is_wrong_in_a_variable_is_told_where_it_is_asked_for() {
    let project = project();
    for (vars, message) in [
        ("{size: \"{{ var('size') }}\"}", "asks for itself"),
        ("{size: \"{{ nothing() }}\"}", "in the value of the variable `size`: "),
        ("{size: \"{{ 1 + }}\"}", "in the value of the variable `size`: "),
        ("{size: \"{{ ref('gone') }}\"}", "gone"),
    ] {
        let run = project.run(&["compile", "--vars", vars]).expect_code(2);
        assert!(run.stderr.contains(message) && run.stderr.contains("models/b.sql:1:"), "{vars}: {}", run.stderr);
    }
}

/// What a project prints, by the word in front of it.
fn printed(output: &str, word: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.split_once(&format!("{word}="))).map(|(_, rest)| rest.to_owned()).collect()
}

#[test]
fn graph_model_and_results_have_the_keys_of_dbt() {
    let project = Project::new(&[
        (
            "dbt_project.yml",
            "name: shop\nversion: '1.0'\non-run-end: \"{{ tell(results) }}\"\nmodels: {+materialized: table}\n",
        ),
        (
            "macros/tell.sql",
            "{% macro tell(results) %}{% for result in results %}\
             {% do print('RESULT=' ~ [result.node.name, result.status, result.message, result.timing | length > 0, \
             result.node.compiled_code is defined, result.node.config.on_schema_change, \
             result.to_dict().agate_table is none]) %}{% endfor %}{% endmacro %}\n\
             {% macro show() %}{% set e = graph.exposures.values() | first %}\
             {% do print('EXPOSURE=' ~ [e.owner.name, e.type, e.url, e.maturity, e.label]) %}\
             {% set s = graph.sources.values() | first %}\
             {% do print('SOURCE=' ~ [s.freshness.warn_after.count, s.loaded_at_query, s.quoting.database, \
             s.identifier, s.alias is defined]) %}\
             {% for node in graph.nodes.values() %}{% do print('NODE=' ~ [node.name, node.version is defined, \
             node.checksum.name, node.created_at > 0, node.config.severity, node.config.unique_key is none, \
             node.docs.show, node.unrendered_config | length, node.raw_code | length, node.relation_name, \
             (node.test_metadata.kwargs if node.test_metadata else {}).keys() | list]) %}{% endfor %}\
             {% do print('GROUPS=' ~ graph.keys() | sort | join(' ')) %}\
             {% do print('UNIT=' ~ graph.unit_tests.keys() | list) %}{% endmacro %}",
        ),
        ("seeds/s.csv", "id\n1\n"),
        (
            "models/m.sql",
            "\n{% if execute %}{% do print('MODEL=' ~ [model.version is defined, model.patch_path, \
             model.config.alias is defined, model.checksum.name, model.raw_code | length > 0, model.columns.keys() \
             | list]) %}{% endif %}\nselect id from {{ ref('s') }} union all select 2 from {{ source('raw', 't') }}\n\n",
        ),
        (
            "models/schema.yml",
            "sources: [{name: raw, schema: main, tables: [{name: t, identifier: s}]}]\n\
             models: [{name: m, columns: [{name: id, data_tests: [not_null]}]}]\n\
             exposures: [{name: e, type: dashboard, owner: {name: me, email: a@b.c}, url: 'http://x', maturity: high, \
             depends_on: [\"ref('m')\"]}]\n\
             unit_tests: [{name: u, model: m, given: [{input: \"ref('s')\", rows: [{id: 5}]}, \
             {input: \"source('raw', 't')\", rows: []}], expect: {rows: [{id: 5}]}}]\n",
        ),
    ]);
    project.ok(&["seed"]);
    let run = project.ok(&["build"]);
    assert_eq!(
        printed(&run.stdout, "RESULT"),
        [
            "['s', 'success', 'INSERT 1', True, False, 'ignore', True]",
            "['u', 'pass', None, True, False, Undefined, True]",
            "['m', 'success', 'OK', True, True, 'ignore', True]",
            "['not_null_m_id', 'pass', None, True, True, Undefined, True]",
        ]
    );
    let model = "[False, 'shop://models/schema.yml', False, 'sha256', True, ['id']]";
    assert!(printed(&run.stdout, "MODEL").contains(&model.to_owned()), "{}", run.stdout);

    let run = project.ok(&["run-operation", "show"]);
    assert_eq!(printed(&run.stdout, "EXPOSURE"), ["['me', 'dashboard', 'http://x', 'high', None]"]);
    assert_eq!(printed(&run.stdout, "SOURCE"), ["[None, None, None, 's', False]"]);
    insta::assert_snapshot!(printed(&run.stdout, "NODE").join("\n"), @r#"
    ['m', True, 'sha256', True, Undefined, True, True, 1, 287, '"shop"."main"."m"', []]
    ['shop-on-run-end-0', False, 'sha256', True, Undefined, True, True, 0, 19, None, []]
    ['s', False, 'sha256', True, Undefined, True, True, 0, 0, '"shop"."main"."s"', []]
    ['not_null_m_id', False, 'none', True, 'ERROR', False, True, 0, 47, None, ['column_name', 'model']]
    "#);
    let groups = "exposures functions groups metrics nodes saved_queries semantic_models sources unit_tests";
    assert_eq!(printed(&run.stdout, "GROUPS"), [groups]);
    assert_eq!(printed(&run.stdout, "UNIT"), ["['unit_test.shop.m.u']"]);
}

#[test]
fn target_has_the_keys_of_the_profile_without_its_secrets() {
    let profiles = "shop:\n  target: dev\n  outputs:\n    dev:\n      type: postgres\n      host: db.example\n      port: 5432\n      \
                    user: \"{{ env_var('DB_USER') }}\"\n      pass: open\n      dbname: shop\n      schema: s1\n      \
                    role: \"{{ env_var('DBT_ENV_SECRET_ROLE') }}\"\n      keepalives_idle: 0\n      sslmode: require\n      \
                    access_token: abc\n      private_key_path: /k\n      search_path: 'a, b'\n";
    let project = Project::new(&[
        ("dbt_project.yml", "name: shop\nversion: '1.0'\nprofile: shop\n"),
        ("profiles.yml", profiles),
        ("macros/show.sql", "{% macro show() %}{% do print(tojson(target, sort_keys=true)) %}{% endmacro %}"),
        ("models/m.sql", "{{ config(enabled=target.port == 5432) }} select '{{ target.user }}' as u"),
    ]);
    let variables = [("DB_USER", "me"), ("DBT_ENV_SECRET_ROLE", "very-secret")];
    let run = project.run_with(&["run-operation", "show"], &variables).expect_code(0);
    let target: serde_json::Value = serde_json::from_str(run.stdout.trim()).unwrap();
    for (key, value) in [
        ("host", json!("db.example")),
        ("port", json!(5432)),
        ("user", json!("me")),
        ("dbname", json!("shop")),
        ("database", json!("shop")),
        ("sslmode", json!("require")),
        ("keepalives_idle", json!(0)),
        ("search_path", json!("a, b")),
        ("schema", json!("s1")),
        ("type", json!("postgres")),
        ("name", json!("dev")),
    ] {
        assert_eq!(target[key], value, "{key}");
    }
    for key in ["pass", "password", "role", "access_token", "private_key_path"] {
        assert!(target.get(key).is_none(), "{key}: {target}");
    }
    project.run_with(&["build"], &variables).expect_code(0);
    assert_eq!(project.run_with(&["ls"], &variables).stdout.trim(), "shop.m");
}

#[test]
fn selectors_are_rendered() {
    let selectors = "selectors:\n  - name: base\n    default: \"{{ target.name == 'dev' | as_bool }}\"\n    definition:\n      \
                     method: tag\n      value: \"{{ var('tag', 'nightly') }}\"\n  - name: up\n    definition:\n      \
                     method: fqn\n      value: b\n      parents: \"{{ env_var('UP', 'True') | as_bool }}\"\n";
    let project = Project::new(&[
        ("dbt_project.yml", "name: shop\nversion: '1.0'\n"),
        ("selectors.yml", selectors),
        ("models/a.sql", "{{ config(tags='nightly') }} select 1 as id"),
        ("models/b.sql", "{{ config(tags='other') }} select * from {{ ref('a') }}"),
    ]);
    let listed = |arguments: &[&str]| project.ok(arguments).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(listed(&["ls"]), "shop.a");
    assert_eq!(listed(&["ls", "--vars", "{tag: other}"]), "shop.b");
    assert_eq!(listed(&["ls", "--selector", "up"]), "shop.a shop.b");
    project.write("selectors.yml", &selectors.replace("target.name == 'dev' | as_bool", "'perhaps'"));
    let run = project.run(&["ls"]).expect_code(2);
    let message = "`default` of the selector `base` must be true or false, but is a text";
    assert!(run.stderr.contains(message) && run.stderr.contains("selectors.yml:3"), "{}", run.stderr);
}

/// Plain words of YAML are what PyYAML makes of them, wherever they are written.
#[test]
fn words_of_yaml_are_what_they_are_to_dbt() {
    let project = Project::new(&[
        (
            "dbt_project.yml",
            "name: p\nversion: '1.0'\nvars: {octal: 007, code: '007', sixties: 1:30, sci: 1e3, inf: .inf, plus: 1.5e+3}\n",
        ),
        ("models/s.yml", "models: [{name: m, config: {meta: {n: 0b11, e: 1e3, time: 12:30:45}}}]"),
        (
            "models/m.sql",
            "select '{{ [var('octal'), var('code'), var('sixties'), var('sci'), var('inf'), var('plus'), var('given', 0)] \
             | join('|') }}' as a",
        ),
        ("macros/m.sql", "{% macro say(i) %}{{ print(i + 1) }}{% endmacro %}"),
    ]);
    let sql = project.ok(&["compile", "-s", "m", "--vars", "given: 010"]).stdout;
    assert_eq!(sql.trim(), "select '7|007|90|1e3|inf|1500.0|8' as a");
    let keys = project.ok(&["ls", "-s", "m", "--output", "json", "--output-keys", "config.meta"]).stdout;
    assert!(keys.contains(r#"{"n":3,"e":"1e3","time":45045}"#), "{keys}");
    assert_eq!(project.ok(&["run-operation", "say", "--args", "i: 01"]).stdout.trim(), "2");
}

/// Markers of types say how a whole value of YAML is read, and change nothing else; a stored result is there once.
#[test]
fn markers_and_results_are_those_of_dbt() {
    let project = Project::new(&[
        (
            "dbt_project.yml",
            "name: p\nversion: '1.0'\nmodels: {p: {+grants: {select: [a], insert: [c]}, +meta: {n: \"{{ '5' | as_number }}\"}}}\n",
        ),
        (
            "models/m.sql",
            "{{ config(grants={'+select': ['b']}) }}select '{{ 'true' | as_bool }}{{ '5' | as_number }}' as a",
        ),
        (
            "macros/m.sql",
            "{% macro twice() %}{% call statement('s', fetch_result=true) %}select 5 as n{% endcall %}\
             {{ print(load_result('s').table.columns[0].values()[0]) }}{{ load_result('s') }}{% endmacro %}",
        ),
    ]);
    assert_eq!(project.ok(&["compile", "-s", "m"]).stdout.trim(), "select 'true5' as a");
    let keys = project.ok(&["ls", "-s", "m", "--output", "json", "--output-keys", "config"]).stdout;
    assert!(keys.contains(r#""meta":{"n":5}"#), "{keys}");
    assert!(
        keys.contains(r#"{"select":["a","b"],"insert":["c"]}"#)
            || keys.contains(r#"{"insert":["c"],"select":["a","b"]}"#),
        "{keys}"
    );
    let run = project.run(&["run-operation", "twice"]);
    assert!(run.code != Some(0) && run.stdout.trim() == "5", "{run:?}");
    run.expect_message(&["the result `s` was loaded already"]);
}
