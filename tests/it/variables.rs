//! What `var()` and `target` give to templates.

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
