//! Joins with `using` and `natural`: which side a shared column comes from, and what `*` has.

use crate::dialect::{rows, session};

/// Relations of the queries, with keys that only one of them has, and one that is null.
const RELATIONS: &str = "with z(id, x) as (values (1, 'a'), (2, 'b'), (null, 'n')), \
                         a(id, y) as (values (2, 'B'), (3, 'C')), c(id, w) as (values (2, 20), (4, 40)), \
                         d(id, x, v) as (values (1, 'a', 9), (2, 'q', 8)) ";

/// Queries, their columns, and their rows sorted as text, as DuckDB gives them.
#[rustfmt::skip]
const CASES: [(&str, &str, &str); 29] = [
    ("select * from z left join a using (id)", "id|x|y", "1|a|NULL; 2|b|B; NULL|n|NULL"),
    ("select * from z right join a using (id)", "id|x|y", "2|b|B; 3|NULL|C"),
    ("select * from z full join a using (id)", "id|x|y", "1|a|NULL; 2|b|B; 3|NULL|C; NULL|n|NULL"),
    ("select * from z join a using (id)", "id|x|y", "2|b|B"),
    ("select id, x, y from z left join a using (id) where id = 2", "id|x|y", "2|b|B"),
    ("select id, x, y from z right join a using (id) where id = 3", "id|x|y", "3|NULL|C"),
    ("select id, count(*) as c from z full join a using (id) group by id", "id|c", "1|1; 2|1; 3|1; NULL|1"),
    ("select id, count(*) as c from z full join a using (id) group by 1 having id > 1", "id|c", "2|1; 3|1"),
    ("select * from z left join a using (id) left join c using (id)", "id|x|y|w", "1|a|NULL|NULL; 2|b|B|20; NULL|n|NULL|NULL"),
    ("select id, w from z left join a using (id) left join c using (id) where id = 2", "id|w", "2|20"),
    ("select * from z full join a using (id) full join c using (id)", "id|x|y|w", "1|a|NULL|NULL; 2|b|B|20; 3|NULL|C|NULL; 4|NULL|NULL|40; NULL|n|NULL|NULL"),
    ("select * exclude (id) from z left join a using (id)", "x|y", "a|NULL; b|B; n|NULL"),
    ("select * replace (id * 10 as id) from z right join a using (id)", "id|x|y", "20|b|B; 30|NULL|C"),
    ("select z.*, a.y from z left join a using (id)", "id|x|y", "1|a|NULL; 2|b|B; NULL|n|NULL"),
    ("select z.id, a.id as other from z full join a using (id)", "id|other", "1|NULL; 2|2; NULL|3; NULL|NULL"),
    ("select count(id) as n, count(z.id) as l, count(a.id) as r from z full join a using (id)", "n|l|r", "3|2|2"),
    ("select * from (select * from z full join a using (id)) q left join c using (id)", "id|x|y|w", "1|a|NULL|NULL; 2|b|B|20; 3|NULL|C|NULL; NULL|n|NULL|NULL"),
    ("select id from z full join a using (id) where id in (select id from c)", "id", "2"),
    ("select id, (select max(w) from c where c.id = z.id) as m from z left join a using (id)", "id|m", "1|NULL; 2|20; NULL|NULL"),
    ("select * from z natural left join a", "id|x|y", "1|a|NULL; 2|b|B; NULL|n|NULL"),
    ("select case when id is null then 'none' else 'some' end as k, y from z right join a using (id)", "k|y", "some|B; some|C"),
    ("select * from z left join (select id, y from a) using (id)", "id|x|y", "1|a|NULL; 2|b|B; NULL|n|NULL"),
    ("select max(id) over (partition by x) as m, id from z left join a using (id) order by id", "m|id", "1|1; 2|2; NULL|NULL"),
    ("select id as k from z right join a using (id)", "k", "2; 3"),
    ("select x as id, y from z full join a using (id)", "id|y", "NULL|C; a|NULL; b|B; n|NULL"),
    ("select * from z left join d using (id, x)", "id|x|v", "1|a|9; 2|b|NULL; NULL|n|NULL"),
    ("select distinct id from z full join a using (id)", "id", "1; 2; 3; NULL"),
    ("select id from z left join a using (id) union all select id from a", "id", "1; 2; 2; 3; NULL"),
    ("select * from z as \"Q\" left join a as \"A\" using (id)", "id|x|y", "1|a|NULL; 2|b|B; NULL|n|NULL"),
];

#[tokio::test]
async fn shared_columns_have_the_value_of_the_side_that_is_kept() {
    let session = session();
    for (sql, columns, expected) in CASES {
        let sql = format!("{RELATIONS}{sql}");
        let names = session
            .plan(&sql)
            .await
            .map(|plan| plan.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join("|"));
        assert_eq!(names.map_err(|problem| problem.message), Ok(columns.to_owned()), "{sql}");
        let found = rows(&session, &sql).await.unwrap_or_else(|problem| format!("{problem:?}"));
        let mut found: Vec<&str> = found.split("; ").collect();
        found.sort_unstable();
        assert_eq!(found.join("; "), expected, "{sql}");
    }
}

/// What cannot be written out is told by the planner, at its place.
#[tokio::test]
async fn mistakes_in_shared_columns_have_a_place() {
    let session = session();
    for (sql, word) in [
        ("select * from z left join a using (nothing)", "nothing"),
        ("select idd from z left join a using (id)", "idd"),
        ("select * exclude (nothing) from z left join a using (id)", "nothing"),
    ] {
        let problem = rows(&session, &format!("{RELATIONS}{sql}")).await.err();
        let message = problem.map(|problem| problem.message).unwrap_or_default();
        assert!(message.contains(word), "{sql}: {message}");
    }
}
