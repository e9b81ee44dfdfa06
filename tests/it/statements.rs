//! Statements that change the warehouse: in hooks of nodes and runs, in operations, and in templates.

use crate::support::Project;

/// A project with one table, `gold.orders`, built.
fn orders(extra: &str) -> Project {
    let config = format!("name: shop\nversion: '1.0'\n{extra}");
    let project = Project::new(&[
        ("project.yml", config.as_str()),
        ("seeds/raw.csv", "id,kind,amount\n1,a,10\n2,b,20\n3,a,30\n4,,40\n"),
        ("models/gold/orders.sql", "{{ config(materialized='table') }}\nselect * from {{ ref('raw') }}"),
        (
            "macros/say.sql",
            "{% macro say(sql) %}{% set answer = run_query(sql) %}{% do print(answer.rows | length) %}{% endmacro %}\n\
             {% macro tell(sql) %}{% call statement('it') %}{{ sql }}{% endcall %}\
             {% set r = load_result('it')['response'] %}{% do print(r.code ~ ' ' ~ r.rows_affected) %}{% endmacro %}\n",
        ),
    ]);
    project.ok(&["build"]);
    project
}

/// Runs statements as an operation; gives what the last one says of itself.
#[track_caller]
fn tell(project: &Project, sql: &str) -> String {
    let arguments = serde_json::json!({ "sql": sql }).to_string();
    project.ok(&["run-operation", "tell", "--args", &arguments]).stdout.trim().to_owned()
}

/// Runs statements that fail; gives the code and the sentence.
#[track_caller]
fn fails(project: &Project, sql: &str) -> String {
    let arguments = serde_json::json!({ "sql": sql }).to_string();
    let before = project.files();
    let run = project.run(&["run-operation", "tell", "--args", &arguments]);
    run.expect_code(1);
    let run = project.run(&["run-operation", "tell", "--args", &arguments]);
    assert_eq!(project.files(), before, "a statement that fails leaves nothing behind: {sql}");
    run.stderr.lines().find(|line| line.starts_with("error")).unwrap_or_default().to_owned()
}

#[test]
fn each_statement_changes_what_it_says() {
    let project = orders("");
    let all = "select id, kind, amount from {{ target.schema }}_x.orders order by id"
        .replace("{{ target.schema }}_x", "gold");
    let cases: &[(&str, &str, &[&str])] = &[
        ("delete from gold.orders where kind = 'a' and amount > 15", "DELETE 1", &["1|a|10", "2|b|20", "4|null|40"]),
        ("delete from gold.orders where kind <> 'b'", "DELETE 1", &["2|b|20", "4|null|40"]),
        (
            "insert into gold.orders values (5, 'c', 50), (6, null, 60)",
            "INSERT 2",
            &["2|b|20", "4|null|40", "5|c|50", "6|null|60"],
        ),
        (
            "insert into gold.orders (amount, id) select 70, 7",
            "INSERT 1",
            &["2|b|20", "4|null|40", "5|c|50", "6|null|60", "7|null|70"],
        ),
        (
            "update gold.orders set amount = amount + 1, kind = 'z' where kind is null",
            "UPDATE 3",
            &["2|b|20", "4|z|41", "5|c|50", "6|z|61", "7|z|71"],
        ),
        (
            "update gold.orders as o set kind = n.kind from (values (5, 'five'), (9, 'nine')) as n(id, kind) where n.id = o.id",
            "UPDATE 1",
            &["2|b|20", "4|z|41", "5|five|50", "6|z|61", "7|z|71"],
        ),
        (
            "delete from gold.orders using (select 6 as id) as gone where gone.id = gold.orders.id",
            "DELETE 1",
            &["2|b|20", "4|z|41", "5|five|50", "7|z|71"],
        ),
        (
            "delete from gold.orders where id in (select max(id) from gold.orders)",
            "DELETE 1",
            &["2|b|20", "4|z|41", "5|five|50"],
        ),
        (
            "merge into gold.orders as t using (select * from (values (2, 'x', 1), (4, 'd', 2), (8, 'n', 3)) as v(id, kind, amount)) as s \
             on t.id = s.id when matched and s.kind = 'd' then delete when matched then update set kind = s.kind, amount = t.amount + s.amount \
             when not matched then insert (id, kind, amount) values (s.id, s.kind, s.amount) when not matched by source then update set amount = 0",
            "MERGE 4",
            &["2|x|21", "5|five|0", "8|n|3"],
        ),
        ("truncate table gold.orders", "TRUNCATE 3", &[]),
        ("insert into gold.orders select 1, 'again', 1", "INSERT 1", &["1|again|1"]),
        ("begin; update gold.orders set amount = 2; commit", "COMMIT 0", &["1|again|2"]),
        ("delete from gold.orders", "DELETE 1", &[]),
    ];
    for (sql, said, rows) in cases {
        assert_eq!(tell(&project, sql), *said, "{sql}");
        assert_eq!(project.rows(&all), *rows, "{sql}");
    }
}

#[test]
fn names_mean_what_they_mean_in_a_query() {
    let project = orders("");
    tell(&project, "create table stage.orders as select 1 as id, 5 as amount union all select 9, 9");
    let all = "select id, amount from gold.orders order by id";
    // Two relations of one last name are told apart.
    assert_eq!(
        tell(
            &project,
            "update gold.orders set amount = stage.orders.amount from stage.orders where stage.orders.id = gold.orders.id"
        ),
        "UPDATE 1"
    );
    assert_eq!(project.rows(all), ["1|5", "2|20", "3|30", "4|40"]);
    assert_eq!(
        tell(
            &project,
            "merge into gold.orders using stage.orders on stage.orders.id = gold.orders.id when matched then update set \
             amount = gold.orders.amount + stage.orders.amount when not matched then insert (id, amount) values (stage.orders.id, 0)",
        ),
        "MERGE 2"
    );
    assert_eq!(project.rows(all), ["1|10", "2|20", "3|30", "4|40", "9|0"]);
    assert_eq!(
        tell(&project, "delete from gold.orders using stage.orders where stage.orders.id = gold.orders.id"),
        "DELETE 2"
    );
    // A subquery has names of its own, and may ask about the row of the statement.
    assert_eq!(
        tell(&project, "delete from gold.orders where amount = (select max(orders.amount) from gold.orders)"),
        "DELETE 1"
    );
    assert_eq!(
        tell(
            &project,
            "update gold.orders set amount = a.hi from (select 2 as id, 99 as hi) as a where a.id = orders.id and \
             orders.id in (select id from gold.orders) and exists (select 1 from gold.orders as o where o.id = orders.id)",
        ),
        "UPDATE 1"
    );
    assert_eq!(project.rows(all), ["2|99", "3|30"]);
    // A clause decides which of several rows counts.
    assert_eq!(
        tell(
            &project,
            "merge into gold.orders as t using (select * from (values (3, 'u'), (3, 'x')) as v(k, op)) as s on t.id = s.k \
             when matched and s.op = 'u' then update set amount = 1",
        ),
        "MERGE 1"
    );
    assert_eq!(project.rows(all), ["2|99", "3|1"]);
    tell(&project, "create view gold.seen as select * from gold.orders; alter view gold.seen rename to looked");
    assert_eq!(project.rows("select count(*) as n from gold.looked"), ["2"]);
}

#[test]
fn a_condition_is_asked_once_for_each_row() {
    let project = orders("");
    tell(&project, "create table gold.many as select value as id, 0 as x from range(1, 1001)");
    tell(
        &project,
        "update gold.many set x = 1 where random() < 0.5; delete from gold.many where random() < 0.5 and x = 1",
    );
    let rows = project
        .rows("select count(*) = count(distinct id) as each_once, count(*) between 500 and 950 as rest from gold.many");
    assert_eq!(rows, ["true|true"]);
}

#[test]
fn relations_are_created_altered_and_dropped() {
    let project = orders("");
    tell(
        &project,
        "create schema if not exists audit; create table audit.runs (model varchar not null, n bigint, at timestamp); \
         insert into audit.runs (model, n) values ('a', 1); \
         create view audit.latest as select model, n from audit.runs where n > 0",
    );
    assert_eq!(project.rows("select * from audit.latest"), ["a|1"]);
    // A view follows its table, and all statements of an operation are published as one.
    assert_eq!(project.entries("dev").len(), 2);
    tell(&project, "insert into audit.runs values ('b', 2, '2024-01-01 10:00:00')");
    assert_eq!(project.rows("select * from audit.latest order by 1"), ["a|1", "b|2"]);
    tell(
        &project,
        "drop view audit.latest; alter table audit.runs add column note varchar; alter table audit.runs add column ok boolean default true",
    );
    tell(&project, "alter table audit.runs rename column n to number; alter table audit.runs drop column at");
    tell(&project, "alter table audit.runs alter column number type varchar");
    assert_eq!(project.rows("select * from audit.runs order by 1"), ["a|1|null|true", "b|2|null|true"]);
    assert_eq!(
        project.rows("select column_name, is_nullable from information_schema.columns where table_name = 'runs'"),
        ["model|NO", "number|YES", "note|YES", "ok|YES"]
    );
    tell(&project, "create or replace table audit.copy as select * from audit.runs");
    tell(&project, "alter table audit.runs rename to history");
    assert_eq!(
        project.rows("select table_schema || '.' || table_name as t from information_schema.tables where table_schema = 'audit' order by 1"),
        ["audit.copy", "audit.history"]
    );
    assert_eq!(project.rows("select count(*) as n from audit.history"), ["2"]);
    tell(&project, "drop table if exists audit.nothing; drop table audit.copy; drop schema audit cascade");
    assert_eq!(project.rows("select count(*) as n from information_schema.tables where table_schema = 'audit'"), ["0"]);
    // A temporary table is for the rest of the operation.
    tell(&project, "create temporary table t as select 1 as x; create table kept.made as select x + 1 as y from t");
    assert_eq!(project.rows("select y from kept.made"), ["2"]);
    assert_eq!(project.rows("select count(*) as n from information_schema.tables where table_name = 't'"), ["0"]);
}

#[test]
fn what_cannot_be_done_is_told_and_changes_nothing() {
    let project = orders("");
    tell(&project, "create view gold.seen as select * from gold.orders");
    let cases = [
        ("delete from gold.order", "error[unknown-relation]"),
        ("update gold.orders set amonut = 1", "error[unknown-column]"),
        ("update gold.orders set amount = amonut", "error[unknown-column]"),
        ("insert into gold.orders values (1, 2)", "error[bad-statement]"),
        ("insert into gold.orders (id, id) values (1, 2)", "error[bad-statement]"),
        ("insert into gold.orders values ('x', 'y', 'z')", "error["),
        ("create table gold.orders as select 1 as x", "error[bad-statement]"),
        ("create table gold.new (id integer primary key)", "error[unsupported-statement]"),
        ("drop view gold.orders", "error[bad-statement]"),
        ("drop table gold.none", "error[unknown-relation]"),
        ("drop schema gold", "error[bad-statement]"),
        ("truncate table gold.seen", "error[bad-statement]"),
        ("alter table gold.orders alter column kind type integer", "error["),
        ("alter table gold.orders alter column kind set not null", "error["),
        ("grant select on gold.orders to reader", "error[unsupported-statement]"),
        ("copy gold.orders to '/tmp/x.csv'", "error[unsupported-statement]"),
        ("attach 'other.db' as other", "error[unsupported-statement]"),
        ("set search_path = gold", "error[unsupported-statement]"),
        ("create index i on gold.orders (id)", "error[unsupported-statement]"),
        ("insert into other.gold.orders select 1, 'a', 1", "error[unsupported-statement]"),
        ("insert into gold.orders values (1, 'a', 1) on conflict do nothing", "error[unsupported-statement]"),
        ("insert int gold.orders values (1)", "error[sql-syntax]"),
        ("begin; delete from gold.orders; rollback", "error[unsupported-statement]"),
        ("delete from gold.orders using (select 1 as id) as s where id = s.id", "error[ambiguous-column]"),
        (
            "update gold.orders set amount = (select s.amount from gold.orders as s where s.id <> orders.id)",
            "error[too-many-rows]",
        ),
        ("create or replace view gold.seen as select * from gold.seen", "error[bad-statement]"),
        (
            "create view gold.other as select * from gold.seen; create or replace view gold.seen as select * from gold.other",
            "error[bad-statement]",
        ),
        (
            "create temporary table t as select 1 as x; create view gold.lasting as select * from t",
            "error[bad-statement]",
        ),
        ("create table information_schema.t as select 1 as x", "error[unsupported-statement]"),
        ("insert into gold.orders select * from __karat.target", "error[unsupported-statement]"),
        // All or nothing: the relations that are there stay.
        ("drop table gold.orders, gold.none", "error[unknown-relation]"),
        ("truncate table gold.orders, gold.seen", "error[bad-statement]"),
        ("alter table gold.orders add column c int, drop column none", "error[unknown-column]"),
        (
            "update gold.orders set kind = n.k from (values (1, 'a'), (1, 'b')) as n(id, k) where n.id = orders.id",
            "error[bad-statement]",
        ),
        (
            "merge into gold.orders as t using (values (1, 'a'), (1, 'b')) as s(id, k) on t.id = s.id when matched then update set kind = s.k",
            "error[bad-statement]",
        ),
        // The first statement would do; with the second that fails, nothing is published.
        ("delete from gold.orders; delete from gold.none", "error[unknown-relation]"),
    ];
    for (sql, expected) in cases {
        let found = fails(&project, sql);
        assert!(found.starts_with(expected), "{sql}: {found}");
    }
    assert_eq!(project.rows("select count(*) as n from gold.orders"), ["4"]);
}

const AUDITED: &str = "on-run-start:\n  - create schema if not exists audit\n  - create table if not exists audit.log (model varchar, n bigint)\n\
    on-run-end:\n  - insert into audit.log select 'run', {{ results | length }}\n";

#[test]
fn hooks_fill_tables_that_belong_to_no_node() {
    let project = Project::new(&[
        ("project.yml", format!("name: shop\nversion: '1.0'\n{AUDITED}models:\n  shop:\n    +post-hook: \"insert into audit.log select '{{{{ this.identifier }}}}', count(*) from {{{{ this }}}}\"\n").as_str()),
        ("models/gold/a.sql", "{{ config(materialized='table') }} select 1 as x union all select 2"),
        ("models/gold/b.sql", "{{ config(materialized='table') }} select x from {{ ref('a') }} where x > 1"),
        // A model may read what a hook of the start makes: the check before the run knows its columns.
        ("models/gold/logged.sql", "{{ config(materialized='view', post_hook=[]) }} select model, n from audit.log"),
    ]);
    let run = project.ok(&["run"]);
    assert!(run.stderr.contains("Published dev@1"), "{}", run.stderr);
    let mut rows = project.rows("select model, n from audit.log order by 1, 2");
    // The hooks of `logged`, a view, count what is there at that time.
    rows.retain(|row| !row.starts_with("logged"));
    assert_eq!(rows[..2], ["a|2", "b|1"]);
    project.ok(&["run", "--select", "a"]);
    assert_eq!(project.rows("select count(*) as n from audit.log where model = 'a'"), ["2"]);
    project.write("models/gold/logged.sql", "select modle from audit.log");
    let run = project.run(&["run"]).expect_code(2);
    assert!(run.stderr.contains("error[unknown-column]: column `modle` does not exist"), "{}", run.stderr);
}

#[test]
fn hooks_of_a_model_change_its_own_table() {
    let project = Project::new(&[
        (
            "models/gold/recent.sql",
            "{{ config(materialized='incremental', pre_hook=\"{% if is_incremental() %}delete from {{ this }} where x < 2{% endif %}\",\n\
             post_hook=[\"update {{ this }} set x = x * 10 where x < 5\", {'sql': \"delete from {{ this }} where x = 20\", 'transaction': false}]) }}\n\
             select {{ var('x', 1) }} as x union all select 2",
        ),
        ("models/gold/reads.sql", "{{ config(materialized='table') }} select sum(x) as total from {{ ref('recent') }}"),
    ]);
    project.ok(&["run"]);
    assert_eq!(project.rows("select x from {{ ref('recent') }}"), ["10"]);
    assert_eq!(project.rows("select total from {{ ref('reads') }}"), ["10"]);
    let said = project.ok(&["run-operation", "--sql", "insert into {{ ref('recent') }} values (1); select 1 as x"]);
    assert!(said.stderr.contains("SELECT 1"), "{}", said.stderr);
    let wrong =
        project.run(&["run-operation", "--sql", "delete from {{ ref('recent') }}\nwhere nope = 1"]).expect_code(1);
    assert!(
        wrong.stderr.contains("column `nope` does not exist") && wrong.stderr.contains("--sql:2:7"),
        "{}",
        wrong.stderr
    );
    project.run(&["run-operation", "x", "--sql", "select 1"]).expect_code(2);
    project.ok(&["run", "--vars", "{x: 3}"]);
    // The row of the operation went by the hook before, 3 became 30 and 2 became 20 and went.
    assert_eq!(project.rows("select x from {{ ref('recent') }} order by 1"), ["10", "30"]);
}

#[test]
fn a_failing_hook_fails_its_node_and_what_was_made_from_it_is_held_back() {
    let project = Project::new(&[
        (
            "project.yml",
            "name: shop\nversion: '1.0'\non-run-start: create table if not exists audit.log (model varchar)\n",
        ),
        (
            "models/gold/good.sql",
            "{{ config(materialized='table', post_hook=\"insert into audit.log values ('good')\") }} select 1 as x",
        ),
        (
            "models/gold/bad.sql",
            "{{ config(materialized='table', post_hook=[\"create or replace table copies.bad as select * from {{ this }}\", \
             \"insert into audit.log values ('bad')\", \"insert into audit.none values (1)\"]) }} select 2 as x",
        ),
        ("models/gold/after.sql", "select x from {{ ref('bad') }}"),
    ]);
    let run = project.run(&["run"]).expect_code(1);
    assert!(run.stderr.contains("error[unknown-relation]: there is no table or view `audit.none`"), "{}", run.stderr);
    assert!(run.stderr.contains("models/gold/bad.sql (post-hook 3)"), "{}", run.stderr);
    assert!(run.stderr.contains("warning[change-withheld]: `copies.bad` stays as it was"), "{}", run.stderr);
    // Each statement stands for itself: the rows of the log stay, as they were made from nothing that is held back.
    assert_eq!(project.rows("select model from audit.log order by 1"), ["bad", "good"]);
    assert_eq!(
        project.rows(
            "select table_name from information_schema.tables where table_schema in ('gold', 'copies') order by 1"
        ),
        ["good"]
    );
}

#[test]
fn what_was_made_from_what_is_held_back_is_held_back_by_any_way() {
    let project = Project::new(&[
        ("seeds/old.csv", "x\n1\n"),
        ("models/gold/a.sql", "{{ config(materialized='table') }} select 1 as x"),
        ("models/gold/vb.sql", "{{ config(materialized='view') }} select x from {{ ref('b') }}"),
        (
            "models/gold/b.sql",
            "{{ config(materialized='table', post_hook=[\"insert into {{ ref('a') }} select x from {{ this }}\", \
             \"create or replace table side.copy as select * from {{ this }}\", \
             \"create or replace table side.through as select * from gold.vb\" if flags.WHICH == 'build' else '']) }} \
             select {{ var('x', 7) }} as x",
        ),
        (
            "models/gold/z.sql",
            "{{ config(materialized='table') }} -- depends_on: {{ ref('b') }}\nselect x from {{ source('side', 'copy') }}",
        ),
        (
            "models/gold/moved.sql",
            "{{ config(materialized='table', post_hook='alter table {{ this }} rename to kept') }} select {{ var('x', 7) }} as x",
        ),
        (
            "models/gold/schema.yml",
            "sources: [{name: side, tables: [{name: copy}]}]\nmodels:\n  - {name: b, columns: [{name: x, data_tests: [not_null]}]}\n  - {name: moved, columns: [{name: x, data_tests: [{not_null: {config: {enabled: false}}}]}]}\n",
        ),
    ]);
    project.ok(&["run", "--select", "a", "b", "vb", "z"]);
    assert_eq!(project.rows("select x from gold.a order by x"), ["1", "7"]);
    let run = project.run(&["build", "--select", "b", "--vars", "{x: 'null'}"]).expect_code(1);
    assert!(run.stderr.contains("change-withheld"), "{}", run.stderr);
    for table in ["side.copy", "gold.b", "gold.vb"] {
        assert_eq!(project.rows(&format!("select x from {table}")), ["7"], "{table}: {}", run.stderr);
    }
    assert_eq!(project.rows("select count(*) as n from gold.a"), ["2"]);
    assert_eq!(project.rows("select count(*) as n from information_schema.tables where table_name = 'through'"), ["0"]);
    project.ok(&["run", "--select", "moved"]);
    assert_eq!(project.rows("select x from gold.kept"), ["7"]);
}

#[test]
fn temporary_relations_are_for_one_node() {
    let hooks = |text: &str| format!("{{{{ config(materialized='table', pre_hook=\"{text}\") }}}} select 1 as x");
    let own = hooks(
        "create temporary table stage as select '{{ this.identifier }}' as m; insert into audit.log select m from stage",
    );
    let project = Project::new(&[
        ("project.yml", "name: shop\nversion: '1.0'\non-run-start: create table if not exists audit.log (m varchar)\n"),
        ("models/gold/a.sql", &own),
        ("models/gold/b.sql", &own),
    ]);
    // One after the other each has its own.
    project.ok(&["run", "--threads", "1"]);
    assert_eq!(project.rows("select m from audit.log order by m"), ["a", "b"]);
}

#[test]
fn many_hooks_at_once_lose_nothing() {
    let mut files = vec![(
        "project.yml".to_owned(),
        "name: shop\nversion: '1.0'\non-run-start: create table if not exists audit.log (model varchar)\nmodels:\n  shop:\n    +materialized: table\n    +post-hook: \"insert into audit.log values ('{{ this.identifier }}')\"\n".to_owned(),
    )];
    for number in 0..24 {
        files.push((format!("models/gold/m{number}.sql"), format!("select {number} as x")));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let project = Project::new(&files);
    project.ok(&["run", "--threads", "8"]);
    assert_eq!(project.rows("select count(*) as n, count(distinct model) as d from audit.log"), ["24|24"]);
}

#[test]
fn templates_change_the_warehouse_only_in_a_run() {
    let project = Project::new(&[
        (
            "models/gold/made.sql",
            "{{ config(materialized='table') }}\n{% if execute %}{% do run_query('create or replace table side.t as select 7 as x') %}\
             {% do adapter.rename_relation(api.Relation.create(database=target.database, schema='side', identifier='t'), \
             api.Relation.create(database=target.database, schema='side', identifier='u')) %}{% endif %}\nselect x from side.u",
        ),
        (
            "macros/drop_side.sql",
            "{% macro drop_side() %}{% set r = adapter.get_relation(target.database, 'side', 'u') %}\
             {% do adapter.drop_relation(r) %}{% do print(adapter.get_relation(target.database, 'side', 'u') is none) %}\
             {% do adapter.create_schema(r) %}{% do adapter.drop_schema(r) %}{% endmacro %}",
        ),
    ]);
    let run = project.ok(&["compile"]);
    assert!(run.stderr.contains("`create table` changes the warehouse, which only a run may do"), "{}", run.stderr);
    project.ok(&["run"]);
    assert_eq!(project.rows("select x from {{ ref('made') }}"), ["7"]);
    assert_eq!(project.ok(&["run-operation", "drop_side"]).stdout.trim(), "True");
    let run = project.run(&["show", "--inline", "select * from side.u"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}

#[test]
fn an_operation_leaves_its_result_and_can_be_retried() {
    let project = orders("");
    let arguments = ["run-operation", "--sql", "delete from gold.orders where amount > {{ var('x') }}"];
    project.run(&[&arguments[..], &["--vars", "{x: nope}"]].concat()).expect_code(1);
    let results = || -> serde_json::Value { serde_json::from_str(&project.read("target/run_results.json")).unwrap() };
    let failed = results();
    assert_eq!(failed["results"][0]["unique_id"], "sql_operation.shop.inline_query");
    assert_eq!((&failed["results"][0]["status"], &failed["args"]["which"]), (&"error".into(), &"run-operation".into()));
    project.ok(&["retry", "--vars", "{x: 15}"]);
    assert_eq!(project.rows("select id from gold.orders"), ["1"]);
    assert_eq!(results()["results"][0]["status"], "success");
    assert!(project.ok(&["retry"]).stderr.contains("nothing to retry"));
    // What is called by its name is that macro.
    project.write("macros/called.sql", "{% macro called() %}{% endmacro %}");
    project.ok(&["run-operation", "called"]);
    assert_eq!(results()["results"][0]["unique_id"], "macro.shop.called");
}
