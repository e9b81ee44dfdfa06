//! What numbers mean in SQL, and what is computed twice: as in `DuckDB`, against which each case was run.

use crate::dialect::check;
use crate::support::Project;

/// What differs in a cast alone is not the same.
#[tokio::test(flavor = "multi_thread")]
async fn casts_tell_what_is_computed_apart() {
    let days = "from (values ('2024-01-01'), ('2024-01-02')) t(x)";
    check(
        &[
            ("select sum(x::int) a, sum(x::double) b from (values ('1'), ('2')) t(x)", "3|3.0"),
            (&format!("select count(distinct x::date) a, count(x::varchar) b, count(x) c {days}"), "2|2|2"),
            (&format!("select x::date a, x::timestamp b, count(*) c {days} group by x::date, x::timestamp order by 1 limit 1"),
             "2024-01-01|2024-01-01T00:00:00|1"),
            (&format!("select x::date a, date_trunc('month', x::timestamp) b, date_trunc('month', x::date) c {days} order by 1 limit 1"),
             "2024-01-01|2024-01-01T00:00:00|2024-01-01T00:00:00"),
            ("select sum(x::bigint) over () a, sum(x) over () b from (values (1), (2)) t(x)", "3|3; 3|3"),
            ("select x::int, x::varchar || 'a' from (values (1)) t(x)", "1|1a"),
        ],
        false,
    )
    .await;
}

/// A column without a name of its own has a number where an earlier one has its name; tables, too.
#[tokio::test(flavor = "multi_thread")]
async fn columns_are_numbered_that_are_there_twice() {
    let one = "from (values (1, 2)) t(a, b)";
    check(
        &[
            (&format!("select a_1 + b_1 from (select a, b, a, t.b {one})"), "3"),
            (&format!("select a_2 from (select a, 5 as a_1, a {one})"), "1"),
            (&format!("select a_1 from (select *, a {one})"), "1"),
            (&format!("select sum(a), sum(a), count(*), count(*), 1, 1 {one}"), "1|1|1|1|1|1"),
            ("select g, sum(b) as b from (values (1, 2), (1, 3), (2, 4)) t(g, b) group by g order by max(b) desc", "2|4; 1|5"),
            ("select g, sum(b) as b from (values (1, 2), (1, 3), (2, 4)) t(g, b) group by g order by sum(b) + 1 desc", "1|5; 2|4"),
        ],
        false,
    )
    .await;
    let project = Project::new(&[
        ("dbt_project.yml", "name: shop\nversion: '1.0'\n"),
        ("models/m.sql", "select a.id, b.id from (values (1)) a(id) join (values (1)) b(id) on a.id = b.id"),
    ]);
    project.ok(&["run"]);
    assert_eq!(project.text("select id + id_1 from main.m"), "2");
}
