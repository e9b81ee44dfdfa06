//! Subqueries that read columns of the query around them, as values, in conditions, and joined with `lateral`.

use proptest::prelude::*;

use crate::dialect::{rows, session};
use crate::support::Project;

/// Relations of the queries.
const RELATIONS: &str = "with o(id, cid) as (values (10, 1), (11, 3), (12, 2), (13, null)), c(cid, name) as (values (1, 'a'), (2, 'b'), (2, 'bb'), (5, 'e')) ";

/// Queries and their rows, sorted as text, as DuckDB gives them.
#[rustfmt::skip]
const CASES: [(&str, &str); 66] = [
    ("select id, (select name from c where c.cid = o.cid and name <> 'bb') n from o", "10|a; 11|NULL; 12|b; 13|NULL"),
    ("select id, (select name from c where c.cid = o.cid) n from o where o.cid <> 2", "10|a; 11|NULL"),
    ("select id, (select name from c where c.cid = o.cid limit 1) n from o", "10|a; 11|NULL; 12|b; 13|NULL"),
    ("select id, (select name from c where c.cid <= o.cid order by name desc limit 1) n from o", "10|a; 11|bb; 12|bb; 13|NULL"),
    ("select id, (select name from c where c.cid <= o.cid order by length(name) desc, name limit 1 offset 1) n from o", "10|NULL; 11|a; 12|a; 13|NULL"),
    ("select id, (select max(name) from c where c.cid <= o.cid) n from o", "10|a; 11|bb; 12|bb; 13|NULL"),
    ("select id, (select count(*) from c where c.cid <= o.cid) n from o", "10|1; 11|3; 12|3; 13|0"),
    ("select id, (select count(*) + o.id from c where c.cid <= o.cid) n from o", "10|11; 11|14; 12|15; 13|13"),
    ("select id, (select distinct left(name,1) from c where c.cid = o.cid) n from o", "10|a; 11|NULL; 12|b; 13|NULL"),
    ("select id, (select max(name) || o.id from c where c.cid = o.cid) n from o", "10|a10; 11|NULL; 12|bb12; 13|NULL"),
    ("select id, (select o.id + 1) n from o", "10|11; 11|12; 12|13; 13|14"),
    ("select id, n from o left join lateral (select name n from c where c.cid = o.cid order by name desc limit 1) l on true", "10|a; 11|NULL; 12|bb; 13|NULL"),
    ("select id, n from o, lateral (select name n from c where c.cid <= o.cid order by name desc limit 1) l", "10|a; 11|bb; 12|bb"),
    ("select id, n from o cross join lateral (select count(*) n from c where c.cid <= o.cid) l", "10|1; 11|3; 12|3; 13|0"),
    ("select id from o where o.cid in (select c.cid from c where c.cid <= o.cid order by c.cid limit 1)", "10"),
    ("select id, o.cid in (select c.cid from c where c.cid <= o.cid order by c.cid limit 1) x, o.cid not in (select c.cid from c where c.cid > o.cid limit 1) y from o", "10|true|true; 11|false|true; 12|false|true; 13|false|true"),
    ("select id from o where exists (select 1 from c where c.cid <= o.cid having count(*) > 1)", "11; 12"),
    ("select id, (select sum(x) from (select unnest(o.a) x)) n from (values (1,[1,2]),(2,[3])) o(id,a)", "1|3; 2|3"),
    ("select id, x from (values (1,[1,2]),(2,[3])) o(id,a), unnest(o.a) u(x)", "1|1; 1|2; 2|3"),
    ("select id, x from (values (1,[1,2]),(2,[3])) o(id,a) cross join unnest(a) u(x)", "1|1; 1|2; 2|3"),
    ("select id, (select string_agg(name, ',' order by name) from (select name from c where c.cid <= o.cid union all select 'z' || o.id)) n from o", "10|a,z10; 11|a,b,bb,z11; 12|a,b,bb,z12; 13|z13"),
    ("select id, (select sum(r) from (select row_number() over (order by name) r from c where c.cid <= o.cid)) n from o", "10|1; 11|6; 12|6; 13|NULL"),
    ("select id from o order by (select max(name) from c where c.cid <= o.cid) desc nulls last, id", "10; 11; 12; 13"),
    ("select (select max(name) from c where c.cid <= o.cid) n, count(*) from o group by (select max(name) from c where c.cid <= o.cid)", "NULL|1; a|1; bb|2"),
    ("select id from o where (select max(name) from c where c.cid <= o.cid) > (select min(name) from c where c.cid <= o.cid)", "11; 12"),
    ("select o.id, p.id q from o join c on c.cid = o.cid left join (values (1,'a')) p(id, nm) on p.nm = c.name and p.id >= (select min(x) from (values (1)) m(x) where x <= p.id)", "10|1; 12|NULL; 12|NULL"),
    ("select id, (select name from c join (values (1),(2)) k(k) on k.k = c.cid and k.k <= o.cid order by name limit 1) n from o", "10|a; 11|a; 12|a; 13|NULL"),
    ("select id, (select max(name) from c left join (values (1),(2)) k(k) on k.k = c.cid and k.k < o.cid where k is null) n from o", "10|e; 11|e; 12|e; 13|e"),
    ("select id, (select max(name) from (select c.name from c right join (values (1),(2)) k(k) on k.k = c.cid and c.cid <= o.cid)) n from o", "10|a; 11|bb; 12|bb; 13|NULL"),
    ("select id, (select max(name) from c where c.cid < (select max(d) from (values (1),(3)) d(d) where d <= c.cid + o.cid)) n from o", "10|bb; 11|bb; 12|bb; 13|NULL"),
    ("select id, (select max(name) from c where c.cid <= o.cid and exists (select 1 from (values (1)) z(z) where z <= c.cid)) n from o", "10|a; 11|bb; 12|bb; 13|NULL"),
    ("select id, (select max(name) from c where c.cid <= o.cid group by c.cid order by 1 limit 1) n from o", "10|a; 11|a; 12|a; 13|NULL"),
    ("select id, (select name from c where c.cid = o.cid qualify row_number() over (partition by c.cid order by name) = 1) n from o", "10|a; 11|NULL; 12|b; 13|NULL"),
    ("select id from o order by cid in (select cid from c) desc nulls last, id", "10; 11; 12; 13"),
    ("select id from o order by exists (select 1 from c where c.cid = o.cid) desc, id", "10; 11; 12; 13"),
    ("select id, (select name from c where c.cid = o.cid order by name desc limit 1) || 'x' as n from o", "10|ax; 11|NULL; 12|bbx; 13|NULL"),
    ("select id, case when (select count(*) from c where c.cid < o.cid) > 1 then 'many' else 'few' end k from o", "10|few; 11|many; 12|few; 13|few"),
    ("select o.id, (select sum(x.id) from o x where x.id <= o.id) run from o", "10|10; 11|21; 12|33; 13|46"),
    ("select o.id, (select max(x.id) from o x where x.id < o.id and x.cid is not null) prev from o", "10|NULL; 11|10; 12|11; 13|12"),
    ("select o.id from o where o.id = (select max(x.id) from o x where x.cid is not distinct from o.cid)", "10; 11; 12; 13"),
    ("select o.id from o where o.id >= (select avg(x.id) from o x where x.cid >= o.cid)", "11; 12"),
    ("select o.id, (select count(distinct c.name) from c where c.cid between o.cid - 1 and o.cid + 1) n from o", "10|3; 11|2; 12|3; 13|0"),
    ("select o.id, coalesce((select c.name from c where c.cid = o.cid and c.name like '%b' limit 1), 'none') n from o", "10|none; 11|none; 12|b; 13|none"),
    ("select o.id, l.name from o join lateral (select c.name from c where c.cid >= o.cid order by c.cid, c.name limit 2) l on true", "10|a; 10|b; 11|e; 12|b; 12|bb"),
    ("select o.id, l.name from o left join lateral (select c.name from c where c.cid > o.cid order by c.cid, c.name limit 2) l on l.name <> 'b'", "10|bb; 11|e; 12|e; 13|NULL"),
    ("select o.id, (select count(*) from c where c.cid = o.cid having count(*) > 1) n from o", "10|NULL; 11|NULL; 12|2; 13|NULL"),
    ("select o.id, (select c.name from c where c.cid = o.cid intersect select 'a') n from o", "10|a; 11|NULL; 12|NULL; 13|NULL"),
    ("select o.id, (select max(n) from (select count(*) n from c where c.cid <= o.cid group by c.cid)) n from o", "10|1; 11|2; 12|2; 13|NULL"),
    ("select sum((select count(*) from c where c.cid <= o.cid)) n from o", "7"),
    ("select o.id, sum((select count(*) from c where c.cid <= o.cid)) over (order by o.id) n from o", "10|1; 11|4; 12|7; 13|7"),
    ("select o.id from o where not exists (select 1 from c where c.cid > o.cid limit 1)", "13"),
    ("select o.id from o where o.cid not in (select c.cid from c where c.cid > o.cid order by c.cid limit 1)", "10; 11; 12; 13"),
    ("select o.id, o.cid = any(select c.cid from c where c.cid <= o.cid) a from o", "10|true; 11|false; 12|true; 13|false"),
    ("select o.id, (select name from (select name, cid from c order by name) c where c.cid = o.cid limit 1) n from o", "10|a; 11|NULL; 12|b; 13|NULL"),
    ("select (select max(cid) from c where c.cid < x.m) n from (select max(cid) m from o) x", "2"),
    ("select o.id, (select max(d) from (select c.cid * o.cid as d from c where c.cid > 1)) n from o", "10|5; 11|15; 12|10; 13|NULL"),
    ("select o.id, (select list(name order by name) from c where c.cid <= o.cid) n from o", "10|[a]; 11|[a, b, bb]; 12|[a, b, bb]; 13|NULL"),
    ("select o.id, (select name from c where c.cid = o.cid group by name having name <> 'b') n from o", "10|a; 11|NULL; 12|bb; 13|NULL"),
    ("select o.id, x.x from o, (select 1) one, lateral (select o.id + 1 as x) x where o.id < 12", "10|11; 11|12"),
    ("select t.id, u.x from (values (1, [1, 2]), (2, null), (3, [])) t(id, a) left join lateral unnest(t.a) u(x) on true", "1|1; 1|2; 2|NULL; 3|NULL"),
    ("select t.id, (select max(x) from unnest(t.a) u(x)) n from (values (1, [1, 2]), (2, null), (3, [])) t(id, a)", "1|2; 2|NULL; 3|NULL"),
    ("select o.id, a.n, b.n from o left join lateral (select max(name) n from c where c.cid <= o.cid) a on true left join lateral (select count(*) n from c where c.name > a.n) b on true", "10|a|3; 11|bb|1; 12|bb|1; 13|NULL|0"),
    ("select o.id, (select count(*) from c where c.cid <= o.cid and c.name in (select name from c d where d.cid >= o.cid)) n from o", "10|1; 11|0; 12|2; 13|0"),
    ("select o.id, (select c.name from c where c.cid = o.cid fetch first 1 row only) n from o where o.id = 12 and exists (select 1 from c)", "12|b"),
    ("select o.id from o join c on c.cid = o.cid and c.name = (select max(d.name) from c d where d.cid <= o.cid and d.cid >= c.cid)", "10; 12"),
    ("select o.id, (select max(c.cid) from c where c.cid < o.id and c.cid > (select min(d.cid) from c d where d.cid <= o.cid)) n from o", "10|5; 11|5; 12|5; 13|NULL"),
];

#[tokio::test(flavor = "multi_thread")]
async fn subqueries_may_read_from_outside_in_every_shape() {
    let session = session();
    let mut wrong = Vec::new();
    for (sql, expected) in CASES {
        let found = match rows(&session, &format!("{RELATIONS}{sql}")).await {
            Ok(found) => {
                let mut found: Vec<&str> = found.split("; ").collect();
                found.sort_unstable();
                found.join("; ")
            }
            Err(problem) => format!("error: {}", problem.message),
        };
        if found != expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A value that is not there is null, whatever its column says.
#[tokio::test(flavor = "multi_thread")]
async fn a_subquery_without_rows_is_null() {
    let session = session();
    for (sql, expected) in [
        ("select (select 1 where false) as v", "NULL"),
        ("select (select cid from c where name = 'z') as v", "NULL"),
        ("select (select 'x' from c limit 1 offset 9) is null as v", "true"),
        ("select v.v is null as n from (select (select name from c where cid = 9) as v) as v", "true"),
        (
            "select coalesce(v, 'none') from (select (select name from c where cid = 9) as v union all select 'x') as v",
            "none; x",
        ),
        ("select (select count(*) from c where false) + (select count(*) from c) as v", "4"),
        (
            "select x.id, (select count(*) from c where c.cid <= x.v) as n from \
             (select o.id, (select c.cid from c where c.cid >= o.cid order by c.cid limit 1) as v from o) as x order by 1",
            "10|1; 11|4; 12|3; 13|0",
        ),
        (
            "select x.id, (select c.cid from c where c.cid > x.v order by c.cid limit 1) is null as n from \
             (select o.id, (select c.cid from c where c.cid >= o.cid order by c.cid limit 1) as v from o) as x order by 1",
            "10|false; 11|true; 12|false; 13|true",
        ),
    ] {
        let found = rows(&session, &format!("{RELATIONS}{sql}")).await;
        assert_eq!(found.map_err(|problem| problem.message), Ok(expected.to_owned()), "{sql}");
    }
}

/// The order of rows follows from subqueries, too, also from what is not selected.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_ordered_by_what_subqueries_say() {
    let session = session();
    for (order, expected) in [
        ("cid in (select cid from c) desc nulls last, id", "10; 12; 11; 13"),
        ("exists (select 1 from c where c.cid = o.cid) desc, id desc", "12; 10; 13; 11"),
        ("(select max(name) from c where c.cid <= o.cid) desc nulls last, id", "11; 12; 10; 13"),
    ] {
        let found = rows(&session, &format!("{RELATIONS}select id from o order by {order}")).await;
        assert_eq!(found.map_err(|problem| problem.message), Ok(expected.to_owned()), "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_subquery_cannot_say_is_an_error() {
    let session = session();
    for (sql, code, message) in [
        (
            "select id, (select name from c where c.cid = o.cid) from o",
            "too-many-rows",
            "a subquery that stands for one value has more than one row",
        ),
        (
            "select id, (select name from c where c.cid <= o.cid) from o",
            "too-many-rows",
            "a subquery that stands for one value has more than one row",
        ),
        (
            "select id, (select count(*) from c where c.cid <= r.r) from (select id, random() as r from o) r",
            "unsupported-sql",
            "a subquery that reads rows which `random()` or another function of chance has made is not supported",
        ),
    ] {
        let problem = rows(&session, &format!("{RELATIONS}{sql}")).await.err();
        let problem = problem.map(|problem| (problem.code, problem.message));
        assert_eq!(problem, Some((code, message.to_owned())), "{sql}");
    }
}

/// Conditions on a row of `c` that may read the row `o` around them.
const CONDITIONS: [&str; 9] = [
    "c.cid = o.cid",
    "c.cid <= o.cid",
    "c.cid + 1 > o.cid",
    "c.name <> 'b'",
    "c.cid is not distinct from o.cid",
    "length(c.name) + o.cid > 3",
    "exists (select 1 from c as d where d.cid = c.cid + 1 or d.cid = o.cid)",
    "c.cid in (select d.cid from c as d where d.cid >= o.cid)",
    "c.cid >= (select min(d.cid) from c as d where d.cid <> o.cid)",
];

/// Subqueries of one row at most, over the rows of `c` for which the conditions hold.
const VALUES: [&str; 13] = [
    "select max(c.name) from c where COND",
    "select count(*) from c where COND",
    "select count(*) + coalesce(o.cid, 0) from c where COND",
    "select c.name from c where COND order by c.name desc, c.cid limit 1",
    "select c.name from c where COND order by c.name limit 1 offset 1",
    "select string_agg(c.name, ',' order by c.name) from c where COND",
    "select min(c.cid) from c where COND group by c.name order by 1 desc limit 1",
    "select sum(n) from (select row_number() over (order by c.cid, c.name) as n from c where COND) as numbered",
    "select count(*) from (select distinct left(c.name, 1) as l from c where COND) as l",
    "select sum(n) from (select c.cid as n from c where COND union all select o.cid) as both",
    "select max(k.k) from c join (values (1), (2)) as k(k) on k.k = c.cid where COND",
    "select count(k.k) from c left join (values (1), (5)) as k(k) on k.k = c.cid and k.k <> o.cid where COND",
    "select max(c.name) from c where COND having count(*) > 1",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// For each row a subquery says what it says when the row's values are written into it.
    #[test]
    fn a_subquery_is_asked_for_each_row(
        value in prop::sample::select(&VALUES[..]),
        conditions in prop::collection::vec(prop::sample::select(&CONDITIONS[..]), 1..3),
        is_any in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let session = session();
        let ask = |sql: &str| {
            let sql = format!("{RELATIONS}{sql}");
            let found = runtime.block_on(rows(&session, &sql)).unwrap_or_else(|problem| format!("{sql}: {problem:?}"));
            let mut found: Vec<String> = found.split("; ").filter(|row| !row.is_empty()).map(str::to_owned).collect();
            found.sort_unstable();
            found
        };
        let condition = format!("({})", conditions.join(if is_any { " or " } else { " and " }));
        let asked = value.replace("COND", &condition);
        let mut expected = Vec::new();
        for (id, cid) in [(10, "1"), (11, "3"), (12, "2"), (13, "null")] {
            let written = asked.replace("o.cid", &format!("cast({cid} as bigint)"));
            expected.extend(ask(&format!("select {id} as id, ({written}) as v")));
        }
        prop_assert_eq!(ask(&format!("select o.id, ({asked}) as v from o")), expected.clone());
        prop_assert_eq!(ask(&format!("select o.id, l.v from o left join lateral (select ({asked}) as v) as l on true")), expected.clone());
        let known: Vec<String> = expected.into_iter().filter(|row| !row.ends_with("|NULL")).collect();
        prop_assert_eq!(ask(&format!("select * from (select o.id, ({asked}) as v from o) as v where v is not null")), known.clone());
        let ids: Vec<&str> = known.iter().filter_map(|row| row.split('|').next()).collect();
        prop_assert_eq!(ask(&format!("select o.id from o where ({asked}) is not null")), ids);
    }
}

/// New values of an `update` may be looked up.
#[test]
fn statements_look_values_up() {
    let project = Project::new(&[
        ("project.yml", "name: shop\nversion: '1.0'\n"),
        (
            "models/names.sql",
            "{{ config(materialized='table') }}\nselect * from (values (1, 'a'), (2, 'b')) t(id, name)",
        ),
        (
            "models/orders.sql",
            "{{ config(materialized='table', post_hook=\"update {{ this }} as o set name = (select n.name from {{ ref('names') \
             }} n where n.id = o.name_id)\") }}\n\
             select * from (values (10, 1, ''), (11, 3, ''), (12, 2, '')) t(id, name_id, name)",
        ),
        (
            "models/looked_up.sql",
            "select id, (select max(id) from {{ ref('orders') }} as earlier where earlier.id < o.id) as before from {{ ref('orders') }} as o",
        ),
    ]);
    project.ok(&["run"]);
    assert_eq!(project.rows("select id, name from main.orders order by id"), ["10|a", "11|null", "12|b"]);
    assert_eq!(project.rows("select id, before from main.looked_up order by id"), ["10|null", "11|10", "12|11"]);
}
