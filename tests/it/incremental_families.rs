//! Incremental models as dbt's adapter suite asks for them: keys in all their forms, predicates, columns that a merge
//! leaves alone, strategies by name.

use crate::support::Project;

/// A model whose later runs give other rows than its first.
fn changing(config: &str) -> Project {
    let model = "{{ config(materialized='incremental' __CONFIG__) }}
{% if not is_incremental() %}
select 1 as id, 'hello' as msg, 'blue' as color union all select 2, 'goodbye', 'red'
{% else %}
select 1 as id, 'hey' as msg, 'blue' as color union all select 2, 'yo', 'green' union all select 3, 'anyway', 'purple'
{% endif %}";
    Project::new(&[("models/changing.sql", model.replace("__CONFIG__", config).as_str())])
}

/// The rows of the model after a first and a second run.
fn rows(project: &Project) -> Vec<String> {
    project.ok(&["run", "--full-refresh"]);
    project.ok(&["run"]);
    project.rows("select * from {{ ref('changing') }} order by id, msg")
}

#[test]
fn predicates_spare_rows_of_the_table() {
    // In a delete, a bare name is a column of the table.
    for predicates in [
        "incremental_predicates=['id != 2']",
        "incremental_predicates='id != 2'",
        "predicates=['id != 2']",
        "incremental_predicates=['DBT_INTERNAL_DEST.id != 2']",
        "incremental_predicates=[\"dbt_internal_dest.color <> 'red'\", 'true']",
        "incremental_predicates=['DBT_INCREMENTAL_TARGET.id != 2']",
    ] {
        let project = changing(&format!(", unique_key='id', incremental_strategy='delete+insert', {predicates}"));
        let expected = ["1|hey|blue", "2|goodbye|red", "2|yo|green", "3|anyway|purple"];
        assert_eq!(rows(&project), expected, "{predicates}");
    }
    // A merge may compare both sides.
    let both =
        "incremental_predicates=['DBT_INTERNAL_SOURCE.color = DBT_INTERNAL_DEST.color', 'DBT_INTERNAL_DEST.id > 0']";
    let project = changing(&format!(", unique_key='id', incremental_strategy='merge', {both}"));
    assert_eq!(rows(&project), ["1|hey|blue", "2|goodbye|red", "2|yo|green", "3|anyway|purple"]);
}

#[test]
fn predicates_may_stand_in_the_project_file() {
    let project = changing(", unique_key='id'");
    project.write(
        "project.yml",
        "name: shop\nversion: '1.0'\nmodels:\n  +incremental_predicates: ['id != 2']\n  +incremental_strategy: delete+insert\n",
    );
    assert_eq!(rows(&project), ["1|hey|blue", "2|goodbye|red", "2|yo|green", "3|anyway|purple"]);
}

#[test]
fn a_merge_leaves_columns_alone() {
    let merge = ", unique_key='id', incremental_strategy='merge'";
    let excluded = changing(&format!("{merge}, merge_exclude_columns=['msg']"));
    assert_eq!(rows(&excluded), ["1|hello|blue", "2|goodbye|green", "3|anyway|purple"]);
    let updated = changing(&format!("{merge}, merge_update_columns=['msg']"));
    assert_eq!(rows(&updated), ["1|hey|blue", "2|yo|red", "3|anyway|purple"]);
    let both = changing(&format!("{merge}, merge_update_columns=['msg'], merge_exclude_columns=['color']"));
    both.run(&["parse"]).expect_code(2).expect_message(&["error[bad-config]", "merge_exclude_columns"]);
    let unknown = changing(&format!("{merge}, merge_update_columns=['nope']"));
    unknown.ok(&["run"]);
    unknown.run(&["run"]).expect_code(1).expect_message(&["error[unknown-column]", "`nope`"]);
}

#[test]
fn strategies_have_dbts_names() {
    for (config, expected) in [
        (", incremental_strategy='default', unique_key='id'", 3),
        (", incremental_strategy='append'", 5),
        (", incremental_strategy='append', unique_key='id'", 5),
        (", incremental_strategy='delete+insert'", 5),
        (", incremental_strategy='merge'", 5),
        (", unique_key=''", 5),
        (", unique_key=[]", 5),
        ("", 5),
    ] {
        assert_eq!(rows(&changing(config)).len(), expected, "{config}");
    }
    let run = changing(", incremental_strategy='merge'").ok(&["run"]);
    run.expect_message(&["warning[missing-config]", "adds all rows"]);
    let own = changing(", incremental_strategy='insert_only'");
    own.write("macros/own.sql", "{% macro get_incremental_insert_only_sql(arg_dict) %} select 1 {% endmacro %}");
    own.run(&["run"]).expect_code(1).expect_message(&[
        "`incremental_strategy` can't be `insert_only`",
        "it can be `append`, `merge`, `delete+insert`, `insert_overwrite`, `microbatch`",
        "calls no macro `get_incremental_insert_only_sql`",
    ]);
}

const VISITS: &str = "state,county,city,last_visit_date
CT,Hartford,Hartford,2020-09-23
MA,Suffolk,Boston,2020-02-12
CO,Denver,,2021-06-18
";

/// Models of all forms of keys over one seed, which gets a newer row of an old key and a row of a key with a null.
#[test]
fn keys_are_one_column_or_several_and_a_null_matches_nothing() {
    let keys = [
        ("one", "'state'", 3),
        ("one_in_a_list", "['state']", 3),
        ("twice", "['state', 'state']", 3),
        ("three", "['state', 'county', 'city']", 4),
        ("expression", "\"state || '-' || county\"", 3),
    ];
    let project = Project::new(&[("seeds/visits.csv", VISITS)]);
    for strategy in ["merge", "delete+insert"] {
        for (name, key, _) in keys {
            let model = format!(
                "{{{{ config(materialized='incremental', unique_key={key}, incremental_strategy='{strategy}') }}}}\n\
                 select * from {{{{ ref('visits') }}}}\n\
                 {{% if is_incremental() %}} where last_visit_date > (select max(last_visit_date) from {{{{ this }}}}) {{% endif %}}"
            );
            project.write(&format!("models/{name}_{}.sql", &strategy[..5]), &model);
        }
    }
    project.write(
        "models/unknown.sql",
        "{{ config(materialized='incremental', unique_key='nope') }} select * from {{ ref('visits') }}",
    );
    project.ok(&["seed"]);
    project.ok(&["run"]);
    project.write("seeds/visits.csv", &format!("{VISITS}CT,Hartford,Hartford,2022-02-14\nCO,Denver,,2022-02-14\n"));
    project.ok(&["seed"]);
    let run = project.run(&["run"]).expect_code(1);
    assert_eq!(project.statuses()["unknown"], "error");
    run.expect_message(&["nope"]);
    for strategy in ["merge", "delet"] {
        for (name, _, expected) in keys {
            let count = project.rows(&format!("select count(*) as n from {{{{ ref('{name}_{strategy}') }}}}"));
            assert_eq!(count, [expected.to_string()], "{name}_{strategy}");
        }
    }
}

#[test]
fn a_model_that_forbids_a_full_refresh_keeps_its_rows() {
    let project = changing(", unique_key='id', full_refresh=false");
    project.ok(&["run"]);
    project.ok(&["run", "--full-refresh"]);
    assert_eq!(project.actions()["changing"], "merge");
    let always = changing(", unique_key='id', full_refresh=true");
    always.ok(&["run"]);
    always.ok(&["run"]);
    assert_eq!(always.rows("select count(*) as n from {{ ref('changing') }}"), ["2"]);
}

#[test]
fn new_fields_of_a_struct_are_new_columns() {
    let first = "{'a': 5, 'c': {'x': 1}}";
    for (policy, second, expected) in [
        (
            "append_new_columns",
            "{'a': 1, 'b': 'new', 'c': {'x': 2, 'y': true}}",
            ["1|5|null|1|null", "2|1|new|2|true", "3|1|new|2|true"],
        ),
        (
            "sync_all_columns",
            "{'a': 1, 'c': {'x': 2, 'y': true}, 'b': 'new'}",
            ["1|5|null|1|null", "2|1|new|2|true", "3|1|new|2|true"],
        ),
    ] {
        let model = format!(
            "{{{{ config(materialized='incremental', unique_key='id', on_schema_change='{policy}') }}}}\n\
             {{% if is_incremental() %}} select {{{{ var('id') }}}} as id, {second} as s {{% else %}} select 1 as id, {first} as s {{% endif %}}"
        );
        let project = Project::new(&[("models/nested.sql", model.as_str())]);
        project.ok(&["run"]);
        for id in ["{id: 2}", "{id: 3}"] {
            project.ok(&["run", "--vars", id]);
        }
        let rows = project.rows("select id, s['a'] as a, s['b'] as b, s['c']['x'] as x, s['c']['y'] as y from {{ ref('nested') }} order by id");
        assert_eq!(rows, expected, "{policy}");
    }
    // A field that is gone from the query is null in its rows, and stays.
    let model = "{{ config(materialized='incremental', unique_key='id', on_schema_change='append_new_columns') }}
{% if is_incremental() %} select 2 as id, {'b': 'x'} as s {% else %} select 1 as id, {'a': 5} as s {% endif %}";
    let project = Project::new(&[("models/nested.sql", model)]);
    project.ok(&["run"]);
    project.ok(&["run"]);
    let rows = project.rows("select id, s['a'] as a, s['b'] as b from {{ ref('nested') }} order by id");
    assert_eq!(rows, ["1|5|null", "2|null|x"]);
    // Without a policy the table's columns stay as they are.
    project.write("models/nested.sql", &model.replace("append_new_columns", "ignore").replace("'b': 'x'", "'c': 1"));
    project.run(&["run"]).expect_code(2).expect_message(&["error[type-mismatch]"]);
}
